/* SPDX-License-Identifier: MIT */
/*
 * What a driver of the store implements. store.c has all that does not depend
 * on the driver; nothing but store.c and the drivers includes this.
 *
 * A driver embeds the structs below as the first member of its own.
 *
 * Threading: as store.h.
 */
#ifndef BERTH_FACILITIES_STORE_DRIVER_H
#define BERTH_FACILITIES_STORE_DRIVER_H

#include "base/strbuf.h"
#include "facilities/store.h"

/* Parameters of one statement. */
#define BERTH_STORE_PARAMETERS_MAX 32

struct berth_store_ops {
    /* Finishes waiting writes, then frees the store. */
    void (*close)(struct berth_store *store);
    /* Has request->job run through berth_txn_run_job() in a transaction of its own. */
    void (*begin_write)(struct berth_store *store, struct berth_store_request *request);
    /* Returns when it is durable, or why it is not. */
    int (*end_write)(struct berth_store *store, struct berth_store_request *request,
                     struct berth_error *err);
    /* Runs job with one consistent view and without changes. */
    int (*read)(struct berth_store *store, berth_store_job *job, void *ctx,
                struct berth_error *err);
    int (*run)(struct berth_txn *txn, const char *sql, const struct berth_value *values,
               size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
               struct berth_error *err);
    /* The rest is NULL for a store that one gateway alone uses. */
    int (*tell)(struct berth_txn *txn, const struct berth_store_news *news,
                struct berth_error *err);
    int (*listen)(struct berth_store *store, berth_news_fn *fn, void *ctx, struct berth_error *err);
    void (*deafen)(struct berth_store *store);
    int (*hold)(struct berth_store *store, const char *name, bool *ret_held,
                struct berth_error *err);
    void (*let_go)(struct berth_store *store, const char *name);
    bool (*holds)(struct berth_txn *txn, const char *name);
    /* Statements on the sequence that a table's ids ($1: its name) are drawn from: gives the last
     * one (of no row: none was drawn); makes $2 the last one, after forget_id where there is that.
     */
    const char *last_id;
    const char *forget_id;
    const char *set_id;
    /* NULL: it is always itself. */
    int (*condition)(struct berth_store *store, struct berth_error *err);
};

struct berth_row_ops {
    int64_t (*get_int)(const struct berth_row *row, int column);
    const char *(*get_text)(const struct berth_row *row, int column);
    bool (*is_null)(const struct berth_row *row, int column);
};

struct berth_store {
    const struct berth_store_ops *ops;
    int lock_fd; /* holds data_dir/berth.lock; store.c's */
};

struct berth_txn {
    struct berth_store *store;
    int failed; /* the first failure of a statement, or 0 */
};

struct berth_row {
    const struct berth_row_ops *ops;
};

/* Calls job; a transaction one of whose statements failed does not end well, whatever job says. */
BERTH_MUST_CHECK int berth_txn_run_job(struct berth_txn *txn, berth_store_job *job, void *ctx,
                                       struct berth_error *err);

/* The embedded driver: opens path, or makes it for its owner alone, and migrates it. */
BERTH_MUST_CHECK int berth_store_sqlite_open(const char *path, struct berth_store **ret_store,
                                             struct berth_error *err);

/* The driver for PostgreSQL. BERTH_E_UNREACHABLE: the server, or the database, cannot be reached,
 * or does not know who comes; err names it. */
BERTH_MUST_CHECK int berth_store_postgres_open(const struct berth_postgres_config *config,
                                               struct berth_store **ret_store,
                                               struct berth_error *err);
/* As berth_store_probe. */
BERTH_MUST_CHECK int berth_store_postgres_probe(const struct berth_postgres_config *config,
                                                struct berth_strbuf *text, struct berth_error *err);

#endif
