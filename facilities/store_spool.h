/* SPDX-License-Identifier: MIT */
/*
 * Statements that wait for a server: kept in an embedded store in the order of
 * their commits, and run on the server's store exactly once, however often
 * that is cut short. The server keeps, in the transaction that runs them, the
 * number of the last one that it has of this spool.
 *
 * Threading: adding within jobs of the embedded store; delivering from one
 * thread at a time.
 */
#ifndef BERTH_FACILITIES_STORE_SPOOL_H
#define BERTH_FACILITIES_STORE_SPOOL_H

#include "facilities/store.h"

#define BERTH_STORE_SPOOL_HOLD_MAX 128

struct berth_store_spool;

/* keep: the embedded store, borrowed. */
BERTH_MUST_CHECK int berth_store_spool_open(struct berth_store *keep,
                                            struct berth_store_spool **ret_spool,
                                            struct berth_error *err);
/* When nothing that was delivered to is used any more. NULL is fine. */
void berth_store_spool_close(struct berth_store_spool *spool);
BERTH_DEFINE_CLEANUP(store_spool, struct berth_store_spool *, berth_store_spool_close)

/* Within a job of the embedded store. hold (or ""): it is run if the gateway holds that then. */
BERTH_MUST_CHECK int berth_store_spool_add(struct berth_txn *txn, const char *hold, const char *sql,
                                           const struct berth_value *values, size_t count,
                                           struct berth_error *err);

/*
 * Runs all that waits on the server's store. A statement that the server
 * refuses is logged and left out; what is another gateway's by now is left out
 * too. ret_count: how many were run.
 */
BERTH_MUST_CHECK int berth_store_spool_deliver(struct berth_store_spool *spool,
                                               struct berth_store *server, int64_t *ret_count,
                                               struct berth_error *err);

#endif
