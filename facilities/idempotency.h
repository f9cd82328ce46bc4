/* SPDX-License-Identifier: MIT */
/*
 * Answers that are kept for a day, so that a client that lost one may ask
 * again under the same key without having anything done twice (the
 * Idempotency-Key of draft-ietf-httpapi-idempotency-key-header). A key belongs
 * to one caller in one facility. An answer is a number, a type and a text to
 * this module; one with secrets, and one that says the gateway or an engine
 * failed, is not given to it.
 *
 * What is under way is known in memory alone, and forgotten with the process.
 * Of one caller in one facility the newest BERTH_IDEMPOTENCY_KEPT_MAX are kept.
 *
 * Threading: all functions from any thread.
 */
#ifndef BERTH_FACILITIES_IDEMPOTENCY_H
#define BERTH_FACILITIES_IDEMPOTENCY_H

#include "base/encoding.h"
#include "base/limits.h"
#include "facilities/store.h"

#define BERTH_IDEMPOTENCY_MS INT64_C(86400000)

struct berth_idempotency;
struct berth_idempotency_flight;

struct berth_idempotency_key {
    const char *caller; /* "" in open mode */
    const char *facility;
    const char *key;                           /* BERTH_IDEMPOTENCY_KEY_MAX bytes at most */
    unsigned char request[BERTH_SHA256_BYTES]; /* digest of all that is asked for */
};

struct berth_kept_answer {
    int status;
    char *type;
    char *text; /* NULL: there is no answer */
};

void berth_kept_answer_release(struct berth_kept_answer *answer);
BERTH_DEFINE_CLEANUP_VALUE(kept_answer, struct berth_kept_answer, berth_kept_answer_release)

BERTH_MUST_CHECK int berth_idempotency_new(struct berth_store *store,
                                           struct berth_idempotency **ret_idempotency,
                                           struct berth_error *err);
/* Nothing is under way any more. NULL is fine. */
void berth_idempotency_free(struct berth_idempotency *idempotency);
BERTH_DEFINE_CLEANUP(idempotency, struct berth_idempotency *, berth_idempotency_free)

/*
 * Begins a request: either *ret_answer has the kept answer, or *ret_flight is
 * to be ended when this one's answer is known. now_ms: wall. BERTH_E_CONFLICT:
 * the first is still under way; BERTH_E_EXISTS: the key is another request's.
 */
BERTH_MUST_CHECK int berth_idempotency_begin(struct berth_idempotency *idempotency,
                                             const struct berth_idempotency_key *key,
                                             int64_t now_ms, struct berth_kept_answer *ret_answer,
                                             struct berth_idempotency_flight **ret_flight,
                                             struct berth_error *err);

/* Ends it, and keeps the answer; NULL: none is kept, and the key is free. What cannot be kept is
 * an error of this call alone: the request was done. */
BERTH_MUST_CHECK int berth_idempotency_end(struct berth_idempotency *idempotency,
                                           struct berth_idempotency_flight *flight,
                                           const struct berth_kept_answer *answer, int64_t now_ms,
                                           struct berth_error *err);

#endif
