/* SPDX-License-Identifier: MIT */
/*
 * The tables of the store as rows that can be carried from one store to
 * another, whatever its driver.
 *
 * Threading: stateless.
 */
#ifndef BERTH_FACILITIES_STORE_TABLES_H
#define BERTH_FACILITIES_STORE_TABLES_H

#include "facilities/store.h"

struct berth_store_table {
    const char *name;
    bool has_ids;         /* its id is drawn from a sequence */
    bool is_of_people;    /* users, roles, tokens, image requests: what a copy holds */
    const char *types;    /* of its columns: i(nteger) or t(ext) */
    const char *select;   /* all rows, in the order of the primary key */
    const char *insert;   /* one row */
    const char *empty;    /* deletes all rows */
    const char *is_empty; /* gives a row where there is one */
};

/* In the order in which rows may be inserted; emptied in the other. */
extern const struct berth_store_table berth_store_tables[];
extern const size_t berth_store_table_count;

/* Called for each row; what values point to lasts for the call. */
typedef int berth_store_row_fn(const struct berth_store_table *table,
                               const struct berth_value *values, size_t count, void *ctx,
                               struct berth_error *err);
/* All rows of all tables, as of one moment. people: of the tables that are of people alone. */
BERTH_MUST_CHECK int berth_store_walk(struct berth_store *store, bool people,
                                      berth_store_row_fn *visit, void *ctx,
                                      struct berth_error *err);
/* The same within a job of the store's. */
BERTH_MUST_CHECK int berth_store_walk_txn(struct berth_txn *txn, bool people,
                                          berth_store_row_fn *visit, void *ctx,
                                          struct berth_error *err);
/* Within a job: one row more. */
BERTH_MUST_CHECK int berth_store_insert(struct berth_txn *txn,
                                        const struct berth_store_table *table,
                                        const struct berth_value *values, size_t count,
                                        struct berth_error *err);
/* Within a job: no row is left in the tables. */
BERTH_MUST_CHECK int berth_store_empty(struct berth_txn *txn, bool people, struct berth_error *err);

#endif
