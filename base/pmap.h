/* SPDX-License-Identifier: MIT */
/*
 * A persistent ordered map: every version is immutable, and putting or
 * removing one key makes a new version that shares all but O(log n) nodes with
 * the old one (a weight-balanced tree with path copying: the bound holds for
 * any order of operations). Snapshots of an inventory are versions of such
 * maps: publishing a change costs the change, not the inventory.
 *
 * Keys and values are pointers to the caller's objects; the map holds a
 * reference on each value through the ref/unref pair of its type. The key is
 * part of the value (compare() looks inside).
 *
 * Threading: versions are immutable and their reference counts atomic: any
 * number of threads may read, ref and unref any version. Making versions from
 * one parent at the same time is allowed too.
 */
#ifndef BERTH_BASE_PMAP_H
#define BERTH_BASE_PMAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct berth_pmap_type {
    /* Order of two values; below 0, above 0, or 0: the same key. */
    int (*compare)(const void *a, const void *b);
    /* Order of a search key against a value. */
    int (*compare_key)(const void *key, const void *value);
    /* May be called from any thread that makes or drops versions. */
    void (*ref)(void *value);
    void (*unref)(void *value);
};

/* One version. The empty map is NULL. */
struct berth_pmap_node;

/*
 * *ret_map = map with value put in, replacing one of the same key. The result
 * is a new reference; map itself stays as it is (and so does its reference,
 * the caller's). BERTH_E_NOMEM. O(log n).
 */
BERTH_MUST_CHECK int berth_pmap_put(const struct berth_pmap_type *type, struct berth_pmap_node *map,
                                    void *value, struct berth_pmap_node **ret_map,
                                    struct berth_error *err);

/*
 * *ret_map = a map of these values (count of them), which stand in order and
 * are of different keys. O(count), where as many puts cost count × log count.
 */
BERTH_MUST_CHECK int berth_pmap_build(const struct berth_pmap_type *type, void *const *values,
                                      size_t count, struct berth_pmap_node **ret_map,
                                      struct berth_error *err);

/* As put; removing what is not there gives another reference to map. */
BERTH_MUST_CHECK int berth_pmap_remove(const struct berth_pmap_type *type,
                                       struct berth_pmap_node *map, const void *key,
                                       struct berth_pmap_node **ret_map, struct berth_error *err);

/* A borrowed value, or NULL; valid while the version is held. O(log n). */
void *berth_pmap_find(const struct berth_pmap_type *type, const struct berth_pmap_node *map,
                      const void *key);

size_t berth_pmap_count(const struct berth_pmap_node *map);

/*
 * Calls visit for each value in order, from the first whose key is not below
 * `from` (NULL: from the start), until visit returns false. O(log n + visited).
 */
void berth_pmap_walk(const struct berth_pmap_type *type, const struct berth_pmap_node *map,
                     const void *from, bool (*visit)(void *value, void *ctx), void *ctx);

/* NULL, the empty map, is fine for both. Dropping the last reference of a version frees what it
 * shares with no other, without deep recursion. */
struct berth_pmap_node *berth_pmap_ref(struct berth_pmap_node *map);
void berth_pmap_unref(const struct berth_pmap_type *type, struct berth_pmap_node *map);

#endif
