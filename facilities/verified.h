/* SPDX-License-Identifier: MIT */
/*
 * Remembers for a minute which pairs of user and password were right, so that
 * hashing does not bound how many requests are answered. A pair is known by a
 * keyed hash alone; what makes a pair wrong before its time (a new password)
 * must be part of what is hashed.
 *
 * Memory is bounded: past 4,096 pairs or so, older ones are forgotten early.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_VERIFIED_H
#define BERTH_FACILITIES_VERIFIED_H

#include "base/encoding.h"

#define BERTH_VERIFIED_MS 60000

struct berth_verified;

BERTH_MUST_CHECK int berth_verified_new(struct berth_verified **ret_verified,
                                        struct berth_error *err);
void berth_verified_free(struct berth_verified *verified);
BERTH_DEFINE_CLEANUP(verified, struct berth_verified *, berth_verified_free)

/* now_ms: monotonic, above 0. */
void berth_verified_add(struct berth_verified *verified,
                        const unsigned char pair[static BERTH_SHA256_BYTES], int64_t now_ms);

/* True if the pair was added less than BERTH_VERIFIED_MS ago. */
bool berth_verified_has(struct berth_verified *verified,
                        const unsigned char pair[static BERTH_SHA256_BYTES], int64_t now_ms);

#endif
