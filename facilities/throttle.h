/* SPDX-License-Identifier: MIT */
/*
 * Counts failed logins of the last minute, per user and address together and
 * per address, and refuses attempts past the limits before they cost a hash.
 * Attempts under way count as failed until they leave. An IPv6 address counts
 * as its /64, which one host may have for itself.
 *
 * Memory is bounded and never grows: where there are more addresses than
 * places, the one that failed longest ago is forgotten.
 *
 * Threading: the caller's lock.
 */
#ifndef BERTH_FACILITIES_THROTTLE_H
#define BERTH_FACILITIES_THROTTLE_H

#include "base/error.h"

#include <stdint.h>

#define BERTH_THROTTLE_WINDOW_MS     60000
#define BERTH_THROTTLE_USER_FAILURES 10  /* of one user from one address */
#define BERTH_THROTTLE_FAILURES      100 /* from one address */

struct berth_throttle;
struct berth_throttle_entry;

/* An attempt under way. */
struct berth_throttle_ticket {
    struct berth_throttle_entry *of_user;
    struct berth_throttle_entry *of_address;
};

BERTH_MUST_CHECK int berth_throttle_new(struct berth_throttle **ret_throttle,
                                        struct berth_error *err);
void berth_throttle_free(struct berth_throttle *throttle);
BERTH_DEFINE_CLEANUP(throttle, struct berth_throttle *, berth_throttle_free)

/* Begins an attempt, which must leave. BERTH_E_THROTTLED with retry_after_s. now_ms: monotonic. */
BERTH_MUST_CHECK int berth_throttle_enter(struct berth_throttle *throttle, const char *user,
                                          const char *address, int64_t now_ms,
                                          struct berth_throttle_ticket *ret_ticket,
                                          struct berth_error *err);

/* Ends an attempt; failures: how many callers it failed for, 0 when it was right. */
void berth_throttle_leave(struct berth_throttle *throttle,
                          const struct berth_throttle_ticket *ticket, int64_t now_ms,
                          unsigned failures);

#endif
