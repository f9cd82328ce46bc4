/* SPDX-License-Identifier: MIT */
/*
 * How many requests a second a caller may make: a token bucket per caller, in
 * the form of one time, at which the bucket will be full (GCRA). Callers are
 * known by a keyed hash.
 *
 * Memory is bounded: past 8,192 callers or so at once, the one whose bucket is
 * nearest to full is forgotten, which gives it the least.
 *
 * Threading: any thread.
 */
#ifndef BERTH_GATEWAY_RATE_LIMIT_H
#define BERTH_GATEWAY_RATE_LIMIT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct berth_rate_limit;

/* What a caller has left. */
struct berth_rate {
    bool is_allowed;
    int64_t quota;          /* requests that may come at once; 0: no bound, and all else is 0 */
    unsigned window_s;      /* in which an empty bucket fills, rounded up */
    int64_t remaining;      /* requests that could follow at once */
    unsigned more_s;        /* until one more is there than remain now, rounded up */
    unsigned retry_after_s; /* until one request is allowed, at least 1; 0 when this one is */
};

/* requests_per_second: 0 (no bound) to 1,000,000; burst: 1 to 1,000,000. */
BERTH_MUST_CHECK int berth_rate_limit_new(int64_t requests_per_second, int64_t burst,
                                          struct berth_rate_limit **ret_limit,
                                          struct berth_error *err);
void berth_rate_limit_free(struct berth_rate_limit *limit);
BERTH_DEFINE_CLEANUP(rate_limit, struct berth_rate_limit *, berth_rate_limit_free)

/* Other bounds from now on, and all buckets full. */
void berth_rate_limit_set(struct berth_rate_limit *limit, int64_t requests_per_second,
                          int64_t burst);

/* False: nothing is counted now. Cheap. */
bool berth_rate_limit_is_bounded(const struct berth_rate_limit *limit);

/* Takes one request of the caller's (any text that names it). now_ns: monotonic. */
BERTH_MUST_CHECK int berth_rate_limit_take(struct berth_rate_limit *limit, const char *caller,
                                           int64_t now_ns, struct berth_rate *ret_rate,
                                           struct berth_error *err);

#endif
