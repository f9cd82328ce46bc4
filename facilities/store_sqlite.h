/* SPDX-License-Identifier: MIT */
/*
 * One SQLite connection of the embedded driver: opened with the settings
 * durability asks for, statements prepared once and kept. Internal to
 * store_sqlite*.c and store_schema_sqlite.c.
 *
 * Threading: one thread at a time per connection.
 */
#ifndef BERTH_FACILITIES_STORE_SQLITE_H
#define BERTH_FACILITIES_STORE_SQLITE_H

#include "facilities/store_driver.h"

#include <sqlite3.h>

struct berth_sqlite_statement;

struct berth_sqlite {
    sqlite3 *db;
    struct berth_sqlite_statement *statements;
    size_t count;
    size_t size;
};

/* Makes the file, for its owner alone, if there is none. readonly: for the pool of readers; the
 * file is there then. */
BERTH_MUST_CHECK int berth_sqlite_open(struct berth_sqlite *conn, const char *path, bool readonly,
                                       struct berth_error *err);
void berth_sqlite_close(struct berth_sqlite *conn);

/* As berth_txn_run. */
BERTH_MUST_CHECK int berth_sqlite_run(struct berth_sqlite *conn, const char *sql,
                                      const struct berth_value *values, size_t count,
                                      berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                                      struct berth_error *err);

/* Any number of statements without parameters and rows, not kept. */
BERTH_MUST_CHECK int berth_sqlite_exec(struct berth_sqlite *conn, const char *sql,
                                       struct berth_error *err);

/* BEGIN, in that spelling; ends first what a rollback without memory could not. */
BERTH_MUST_CHECK int berth_sqlite_begin(struct berth_sqlite *conn, const char *sql,
                                        struct berth_error *err);

/* Ends the open transaction, if there is one. */
void berth_sqlite_rollback(struct berth_sqlite *conn);

/* False too when an error has ended the transaction before its time. */
static inline bool berth_sqlite_in_transaction(const struct berth_sqlite *conn)
{
    return sqlite3_get_autocommit(conn->db) == 0;
}

/* Brings the schema up to date. BERTH_E_CONFLICT when it is of a newer berth. */
BERTH_MUST_CHECK int berth_sqlite_migrate(struct berth_sqlite *conn, struct berth_error *err);

#endif
