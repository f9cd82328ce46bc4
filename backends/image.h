/* SPDX-License-Identifier: MIT */
/*
 * The images a backend holds: an immutable, reference-counted list, replaced
 * whole when it changes.
 *
 * Threading: immutable after building; ref and unref from any thread.
 */
#ifndef BERTH_BACKENDS_IMAGE_H
#define BERTH_BACKENDS_IMAGE_H

#include "base/error.h"

#include <stdint.h>

struct berth_image {
    char *id;           /* "sha256:…" */
    char **tags;        /* "httpd:latest"; NULL-terminated, may be empty */
    char **digests;     /* "httpd@sha256:…"; NULL-terminated, may be empty */
    int64_t created_ns; /* wall; negative where the image does not tell */
    int64_t size_bytes;
    int64_t virtual_size_bytes; /* equal to size_bytes where the engine no longer tells */
};

struct berth_image_list {
    unsigned refs; /* atomic; use ref and unref */
    size_t count;
    size_t size;
    struct berth_image *items; /* newest first, as the engine lists them */
};

BERTH_MUST_CHECK int berth_image_list_new(struct berth_image_list **ret_list,
                                          struct berth_error *err);

/* Appends a deep copy; only before the list is shared. */
BERTH_MUST_CHECK int berth_image_list_add(struct berth_image_list *list,
                                          const struct berth_image *image, struct berth_error *err);

/* Adds what list lacks of another engine's images, in their place by age: a name that list has
 * already is the one that counts, and what has no name is its engine's own affair. Only before the
 * list is shared; after a failure it has some of them. */
BERTH_MUST_CHECK int berth_image_list_merge(struct berth_image_list *list,
                                            const struct berth_image_list *more,
                                            struct berth_error *err);
struct berth_image_list *berth_image_list_ref(struct berth_image_list *list);
void berth_image_list_unref(struct berth_image_list *list);
BERTH_DEFINE_CLEANUP(image_list, struct berth_image_list *, berth_image_list_unref)

/* The image with that id, "name:tag" or "name@digest", or NULL. */
const struct berth_image *berth_image_list_find(const struct berth_image_list *list,
                                                const char *reference);

#endif
