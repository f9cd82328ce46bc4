/* SPDX-License-Identifier: MIT */
/*
 * Rendered answers, shared by all who may see the same: an answer is a
 * function of the snapshot it was rendered from, the view (whose apps) and the
 * text that moves with the clock, so it is kept until one of them changes.
 *
 * Threading: any thread. Two
 * threads may render the same answer at once; one of the two is kept.
 */
#ifndef BERTH_GATEWAY_BODY_CACHE_H
#define BERTH_GATEWAY_BODY_CACHE_H

#include "base/body.h"

/* What an answer depends on. Strings are borrowed for the call. */
struct berth_body_key {
    const char *kind;     /* the endpoint; a literal */
    const char *facility; /* id */
    const char *view;     /* the user whose apps it shows, "" for all; an app's id */
    uint64_t epoch;       /* of the snapshot */
    uint64_t sequence;
};

struct berth_body_cache;

BERTH_MUST_CHECK int berth_body_cache_new(struct berth_body_cache **ret_cache,
                                          struct berth_error *err);
void berth_body_cache_free(struct berth_body_cache *cache);
BERTH_DEFINE_CLEANUP(body_cache, struct berth_body_cache *, berth_body_cache_free)

/* A reference to the answer if it still holds at now_ns (wall), else NULL. */
struct berth_body *berth_body_cache_get(struct berth_body_cache *cache,
                                        const struct berth_body_key *key, int64_t now_ns);

/* Keeps a reference to body until valid_until_ns (wall). */
void berth_body_cache_put(struct berth_body_cache *cache, const struct berth_body_key *key,
                          struct berth_body *body, int64_t valid_until_ns);

#endif
