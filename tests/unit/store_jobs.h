/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the store share: jobs that write and count rows of one
 * table (text with a unique key, a number, a number that may be NULL), and
 * writers that are made to meet in one group.
 *
 * Threading: as the store.
 */
#ifndef BERTH_TESTS_UNIT_STORE_JOBS_H
#define BERTH_TESTS_UNIT_STORE_JOBS_H

#include "facilities/store.h"
#include "tests/unit/unit.h"

#include <pthread.h>

extern const char count_rows[]; /* SELECT of how many rows there are */

struct berth_store *open_store(const char *dir);

/* A literal as the context of a job that only reads it. */
void *constant(const char *text);

/* ctx: int64_t, given the first column. */
int take_int(const struct berth_row *row, void *ctx, struct berth_error *err);

/* ctx: a SELECT of one number. */
struct number_query {
    const char *sql;
    int64_t result;
};
int number_job(struct berth_txn *txn, void *ctx, struct berth_error *err);
int64_t read_number(struct berth_store *store, const char *sql);

/* ctx: const char *, a statement without parameters. */
int statement_job(struct berth_txn *txn, void *ctx, struct berth_error *err);
int write_statement(struct berth_store *store, const char *sql, struct berth_error *err);

/* One row. ctx of the jobs: const char *, the image. */
int add(struct berth_txn *txn, const char *image, struct berth_error *err);
int add_job(struct berth_txn *txn, void *ctx, struct berth_error *err);
int add_then_fail_job(struct berth_txn *txn, void *ctx, struct berth_error *err);
int write_row(struct berth_store *store, const char *image, struct berth_error *err);

/* One writer of its own thread. */
struct writer {
    struct berth_store *store;
    berth_store_job *job;
    void *ctx;
    int result;
    struct berth_error err;
    pthread_t thread;
    struct berth_store_request request; /* run_together()'s */
};
void start_writer(struct writer *writer);

/* Runs the jobs of the writers in one group, in their order. */
void run_together(struct writer *writers, size_t count);

#endif
