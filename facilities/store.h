/* SPDX-License-Identifier: MIT */
/*
 * The store: what must survive. One set of statements serves every driver:
 * parameters are $1, $2, … bound by position, rows come back through a
 * callback, types are BIGINT and TEXT alone, writes use RETURNING and ON
 * CONFLICT. The schema is the driver's.
 *
 * Writes are jobs. The embedded driver has one writer thread that takes all
 * waiting jobs into one transaction (a savepoint each) and commits with
 * synchronous=FULL before any of them returns: durable before answered, and
 * many writers share one fsync. A job that fails is rolled back alone.
 *
 * Errors: BERTH_E_NO_SPACE (disk full; nothing changed), BERTH_E_IO,
 * BERTH_E_EXISTS (a unique key), BERTH_E_NOMEM, and whatever a job returns.
 *
 * Threading: any thread may read and write; a job must not touch the store
 * but through its own txn.
 */
#ifndef BERTH_FACILITIES_STORE_H
#define BERTH_FACILITIES_STORE_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct berth_store;
struct berth_txn;
struct berth_row;

enum berth_value_type { BERTH_VALUE_NULL, BERTH_VALUE_INT, BERTH_VALUE_TEXT };

struct berth_value {
    enum berth_value_type type;
    int64_t number;
    const char *text; /* borrowed for the call */
};

static inline struct berth_value berth_value_int(int64_t number)
{
    return (struct berth_value){.type = BERTH_VALUE_INT, .number = number};
}

/* NULL text is SQL NULL. */
static inline struct berth_value berth_value_text(const char *text)
{
    return (struct berth_value){.type = text ? BERTH_VALUE_TEXT : BERTH_VALUE_NULL, .text = text};
}

static inline struct berth_value berth_value_null(void)
{
    return (struct berth_value){.type = BERTH_VALUE_NULL};
}

/* Opens (or makes) data_dir/berth.db and migrates it. BERTH_E_CONFLICT when the schema is of a
 * newer berth, BERTH_E_BUSY when another process holds data_dir/berth.lock. */
BERTH_MUST_CHECK int berth_store_open(const char *data_dir, struct berth_store **ret_store,
                                      struct berth_error *err);
/* Finishes waiting writes. NULL is fine. */
void berth_store_close(struct berth_store *store);
BERTH_DEFINE_CLEANUP(store, struct berth_store *, berth_store_close)

/*
 * A job: 0 commits it, negative rolls it back and is the call's result. After
 * a statement that failed, one that its row callback ended included, the
 * transaction does not commit, whatever the job returns.
 */
typedef int berth_store_job(struct berth_txn *txn, void *ctx, struct berth_error *err);

/* Runs job in a write transaction (on the writer thread); returns after the commit. */
BERTH_MUST_CHECK int berth_store_write(struct berth_store *store, berth_store_job *job, void *ctx,
                                       struct berth_error *err);

/* A write under way: in its caller's frame, and the store's own from begin to end. */
struct berth_store_request {
    struct berth_store_request *next;
    berth_store_job *job;
    void *ctx;
    pthread_cond_t done_cond;
    bool done;
    int result;
    struct berth_error error;
};

/* The two halves of berth_store_write(), for a caller that has something else to do until the
 * commit. What is begun must be ended; job and ctx last until then. */
void berth_store_begin_write(struct berth_store *store, struct berth_store_request *request,
                             berth_store_job *job, void *ctx);
BERTH_MUST_CHECK int berth_store_end_write(struct berth_store *store,
                                           struct berth_store_request *request,
                                           struct berth_error *err);

/* Runs job in a read transaction on the caller's thread: one consistent view. */
BERTH_MUST_CHECK int berth_store_read(struct berth_store *store, berth_store_job *job, void *ctx,
                                      struct berth_error *err);

/* BERTH_E_NO_SPACE when the store's disk has less than 1 MiB left: asked before a change that is
 * made elsewhere and recorded here afterwards. Cheap. */
BERTH_MUST_CHECK int berth_store_check_space(struct berth_store *store, struct berth_error *err);

/* Called per row; 0 goes on, negative ends the statement with that result. May be NULL. */
typedef int berth_row_fn(const struct berth_row *row, void *ctx, struct berth_error *err);

/*
 * Runs one statement. sql must be a string that lives as long as the program:
 * it is prepared once per connection and found again by its address. It has
 * parameters $1 to $count (at most 32), each used at least once. on_row may
 * run other statements, not the same. ret_changes (may be NULL): rows inserted, updated or deleted.
 */
BERTH_MUST_CHECK int berth_txn_run(struct berth_txn *txn, const char *sql,
                                   const struct berth_value *values, size_t count,
                                   berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                                   struct berth_error *err);

/* Columns count from 0. NULL reads as 0 and as NULL. Text is valid within the callback. */
int64_t berth_row_int(const struct berth_row *row, int column);
const char *berth_row_text(const struct berth_row *row, int column);
bool berth_row_is_null(const struct berth_row *row, int column);

#endif
