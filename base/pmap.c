/* SPDX-License-Identifier: MIT */
/*
 * The tree is weight-balanced: of two siblings neither weighs more than DELTA
 * times the other, a weight being the number of values beneath plus one. With
 * DELTA 3 and GAMMA 2 one rotation mends what one insertion or removal upsets
 * (Hirai and Yamamoto, "Balancing weight-balanced trees", 2011).
 *
 * Ownership within this file: functions that make nodes take over the
 * references to the subtrees they are given and borrow everything else. When
 * an allocation fails they drop those references, give NULL and set
 * edit.failed; from then on nothing is made, so that no step needs a check of
 * its own and only the end looks at edit.failed.
 */
#include "base/pmap.h"

#include <stdatomic.h>

#define DELTA 3
#define GAMMA 2

struct berth_pmap_node {
    atomic_size_t refs;
    size_t count; /* values in this subtree */
    struct berth_pmap_node *left;
    struct berth_pmap_node *right;
    void *value;
};

/* One change being made. */
struct edit {
    const struct berth_pmap_type *type;
    bool failed;
};

size_t berth_pmap_count(const struct berth_pmap_node *map)
{
    return map ? map->count : 0;
}

struct berth_pmap_node *berth_pmap_ref(struct berth_pmap_node *map)
{
    if (map)
        atomic_fetch_add_explicit(&map->refs, 1, memory_order_relaxed);
    return map;
}

void berth_pmap_unref(const struct berth_pmap_type *type, struct berth_pmap_node *map)
{
    while (map && atomic_fetch_sub_explicit(&map->refs, 1, memory_order_acq_rel) == 1) {
        struct berth_pmap_node *right = map->right;
        berth_pmap_unref(type, map->left);
        type->unref(map->value);
        free(map);
        map = right;
    }
}

static struct berth_pmap_node *node_new(struct edit *edit, void *value,
                                        struct berth_pmap_node *left, struct berth_pmap_node *right)
{
    struct berth_pmap_node *node = edit->failed ? NULL : malloc(sizeof(*node));
    if (!node) {
        edit->failed = true;
        berth_pmap_unref(edit->type, left);
        berth_pmap_unref(edit->type, right);
        return NULL;
    }
    atomic_init(&node->refs, 1);
    node->count = berth_pmap_count(left) + 1 + berth_pmap_count(right);
    node->left = left;
    node->right = right;
    edit->type->ref(value);
    node->value = value;
    return node;
}

static size_t weight(const struct berth_pmap_node *map)
{
    return berth_pmap_count(map) + 1;
}

/* A node whose right side has become too heavy. */
static struct berth_pmap_node *rotate_left(struct edit *edit, void *value,
                                           struct berth_pmap_node *left,
                                           struct berth_pmap_node *right)
{
    struct berth_pmap_node *inner = right->left;
    struct berth_pmap_node *outer = right->right;
    struct berth_pmap_node *top;
    if (!inner || weight(inner) < GAMMA * weight(outer)) {
        top = node_new(edit, right->value, node_new(edit, value, left, berth_pmap_ref(inner)),
                       berth_pmap_ref(outer));
    } else {
        top = node_new(
            edit, inner->value, node_new(edit, value, left, berth_pmap_ref(inner->left)),
            node_new(edit, right->value, berth_pmap_ref(inner->right), berth_pmap_ref(outer)));
    }
    berth_pmap_unref(edit->type, right);
    return top;
}

static struct berth_pmap_node *rotate_right(struct edit *edit, void *value,
                                            struct berth_pmap_node *left,
                                            struct berth_pmap_node *right)
{
    struct berth_pmap_node *outer = left->left;
    struct berth_pmap_node *inner = left->right;
    struct berth_pmap_node *top;
    if (!inner || weight(inner) < GAMMA * weight(outer)) {
        top = node_new(edit, left->value, berth_pmap_ref(outer),
                       node_new(edit, value, berth_pmap_ref(inner), right));
    } else {
        top = node_new(
            edit, inner->value,
            node_new(edit, left->value, berth_pmap_ref(outer), berth_pmap_ref(inner->left)),
            node_new(edit, value, berth_pmap_ref(inner->right), right));
    }
    berth_pmap_unref(edit->type, left);
    return top;
}

/* node_new() for subtrees of which one has gained or lost one value. */
static struct berth_pmap_node *balanced(struct edit *edit, void *value,
                                        struct berth_pmap_node *left, struct berth_pmap_node *right)
{
    if (right && weight(right) > DELTA * weight(left))
        return rotate_left(edit, value, left, right);
    if (left && weight(left) > DELTA * weight(right))
        return rotate_right(edit, value, left, right);
    return node_new(edit, value, left, right);
}

static struct berth_pmap_node *put(struct edit *edit, const struct berth_pmap_node *map,
                                   void *value)
{
    if (!map)
        return node_new(edit, value, NULL, NULL);
    int order = edit->type->compare(value, map->value);
    if (order < 0)
        return balanced(edit, map->value, put(edit, map->left, value), berth_pmap_ref(map->right));
    if (order > 0)
        return balanced(edit, map->value, berth_pmap_ref(map->left), put(edit, map->right, value));
    return node_new(edit, value, berth_pmap_ref(map->left), berth_pmap_ref(map->right));
}

int berth_pmap_put(const struct berth_pmap_type *type, struct berth_pmap_node *map, void *value,
                   struct berth_pmap_node **ret_map, struct berth_error *err)
{
    struct edit edit = {.type = type};
    struct berth_pmap_node *made = put(&edit, map, value);
    if (edit.failed)
        return berth_error_nomem(err);
    *ret_map = made;
    return 0;
}

/* Halves that differ by one at most are in balance. */
static struct berth_pmap_node *build(struct edit *edit, void *const *values, size_t count)
{
    if (count == 0)
        return NULL;
    size_t middle = count / 2;
    struct berth_pmap_node *left = build(edit, values, middle);
    struct berth_pmap_node *right = build(edit, values + middle + 1, count - middle - 1);
    return node_new(edit, values[middle], left, right);
}

int berth_pmap_build(const struct berth_pmap_type *type, void *const *values, size_t count,
                     struct berth_pmap_node **ret_map, struct berth_error *err)
{
    struct edit edit = {.type = type};
    struct berth_pmap_node *made = build(&edit, values, count);
    if (edit.failed)
        return berth_error_nomem(err);
    *ret_map = made;
    return 0;
}

static struct berth_pmap_node *without_first(struct edit *edit, const struct berth_pmap_node *map)
{
    if (!map->left)
        return berth_pmap_ref(map->right);
    return balanced(edit, map->value, without_first(edit, map->left), berth_pmap_ref(map->right));
}

static const struct berth_pmap_node *first(const struct berth_pmap_node *map)
{
    while (map->left)
        map = map->left;
    return map;
}

/* A new reference to what is left of a node without its value. */
static struct berth_pmap_node *joined(struct edit *edit, struct berth_pmap_node *left,
                                      struct berth_pmap_node *right)
{
    if (!left)
        return berth_pmap_ref(right);
    if (!right)
        return berth_pmap_ref(left);
    return balanced(edit, first(right)->value, berth_pmap_ref(left), without_first(edit, right));
}

/* The key is there. */
static struct berth_pmap_node *removed(struct edit *edit, const struct berth_pmap_node *map,
                                       const void *key)
{
    int order = edit->type->compare_key(key, map->value);
    if (order < 0)
        return balanced(edit, map->value, removed(edit, map->left, key),
                        berth_pmap_ref(map->right));
    if (order > 0)
        return balanced(edit, map->value, berth_pmap_ref(map->left),
                        removed(edit, map->right, key));
    return joined(edit, map->left, map->right);
}

int berth_pmap_remove(const struct berth_pmap_type *type, struct berth_pmap_node *map,
                      const void *key, struct berth_pmap_node **ret_map, struct berth_error *err)
{
    if (!berth_pmap_find(type, map, key)) {
        *ret_map = berth_pmap_ref(map);
        return 0;
    }
    struct edit edit = {.type = type};
    struct berth_pmap_node *made = removed(&edit, map, key);
    if (edit.failed)
        return berth_error_nomem(err);
    *ret_map = made;
    return 0;
}

void *berth_pmap_find(const struct berth_pmap_type *type, const struct berth_pmap_node *map,
                      const void *key)
{
    while (map) {
        int order = type->compare_key(key, map->value);
        if (order == 0)
            return map->value;
        map = order < 0 ? map->left : map->right;
    }
    return NULL;
}

static bool walk(const struct berth_pmap_type *type, const struct berth_pmap_node *map,
                 const void *from, bool (*visit)(void *value, void *ctx), void *ctx)
{
    while (map) {
        if (!from || type->compare_key(from, map->value) <= 0) {
            if (!walk(type, map->left, from, visit, ctx) || !visit(map->value, ctx))
                return false;
            from = NULL; /* all that follows is past it */
        }
        map = map->right;
    }
    return true;
}

void berth_pmap_walk(const struct berth_pmap_type *type, const struct berth_pmap_node *map,
                     const void *from, bool (*visit)(void *value, void *ctx), void *ctx)
{
    (void)walk(type, map, from, visit, ctx);
}
