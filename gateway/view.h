/* SPDX-License-Identifier: MIT */
/*
 * What is served at one time: a configuration and the facilities opened by it.
 * A reload publishes another view; a request takes the one there is, finds its
 * facility and keeps references to what it needs, so that it ends as it began.
 * A view is held for a moment alone: one that is kept would keep every
 * facility of its time open.
 *
 * Threading: immutable and reference counted.
 */
#ifndef BERTH_GATEWAY_VIEW_H
#define BERTH_GATEWAY_VIEW_H

#include "gateway/config.h"

struct berth_view {
    unsigned refs; /* atomic */
    struct berth_config *config;
    struct berth_facility **facilities; /* sorted by id */
    size_t facility_count;
};

/* A view without facilities yet, with room for those of config; references config. */
BERTH_MUST_CHECK int berth_view_new(struct berth_config *config, struct berth_view **ret_view,
                                    struct berth_error *err);
/* While nobody else knows the view: takes the reference over, in its place by id. */
void berth_view_add(struct berth_view *view, struct berth_facility *facility);

struct berth_view *berth_view_ref(struct berth_view *view);
void berth_view_unref(struct berth_view *view); /* NULL is fine */
BERTH_DEFINE_CLEANUP(view, struct berth_view *, berth_view_unref)

/* Borrowed from the view, or NULL. */
struct berth_facility *berth_view_find(const struct berth_view *view, const char *id, size_t len);

#endif
