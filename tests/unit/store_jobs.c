/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_jobs.h"
#include "tests/unit/store_open.h"

#include "base/thread.h"

static const char add_row[] =
    "INSERT INTO image_request (facility, image, tag, state, requested_ns, decided_ns)"
    " VALUES ('f', $1, 'latest', 'pending', $2, $3) RETURNING id";
const char count_rows[] = "SELECT count(*) FROM image_request";

struct berth_store *open_store(const char *dir)
{
    struct berth_store *store = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(unit_store_open(dir, &store, &err) == 0, "%s (%s)", err.message, err.detail);
    return store;
}

void *constant(const char *text)
{
    return (void *)(uintptr_t)text;
}

int take_int(const struct berth_row *row, void *ctx,
             struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

int number_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct number_query *query = ctx;
    return berth_txn_run(txn, query->sql, NULL, 0, take_int, &query->result, NULL, err);
}

int64_t read_number(struct berth_store *store, const char *sql)
{
    struct number_query query = {.sql = sql, .result = -1};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_store_read(store, number_job, &query, &err) == 0, "%s (%s)", err.message,
                  err.detail);
    return query.result;
}

int statement_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, ctx, NULL, 0, NULL, NULL, NULL, err);
}

int write_statement(struct berth_store *store, const char *sql, struct berth_error *err)
{
    return berth_store_write(store, statement_job, constant(sql), err);
}

int add(struct berth_txn *txn, const char *image, struct berth_error *err)
{
    const struct berth_value values[] = {berth_value_text(image), berth_value_int(1),
                                         berth_value_null()};
    return berth_txn_run(txn, add_row, values, UNIT_COUNT(values), NULL, NULL, NULL, err);
}

int add_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return add(txn, ctx, err);
}

int write_row(struct berth_store *store, const char *image, struct berth_error *err)
{
    return berth_store_write(store, add_job, constant(image), err);
}

int add_then_fail_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    int r = add(txn, ctx, err);
    ck_assert_int_eq(r, 0);
    return berth_error_set(err, BERTH_E_QUOTA, "no more of these");
}

/* A job that keeps the writer busy until the test lets go, so that others gather behind it. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool entered;
    bool open;
};

static void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    (void)pthread_mutex_init(&gate->mutex, NULL);
    berth_cond_init(&gate->cond);
}

static int gate_job(struct berth_txn *txn __attribute__((unused)), void *ctx,
                    struct berth_error *err __attribute__((unused)))
{
    struct gate *gate = ctx;
    BERTH_LOCK_SCOPE(lock, &gate->mutex);
    gate->entered = true;
    (void)pthread_cond_broadcast(&gate->cond);
    while (!gate->open)
        (void)pthread_cond_wait(&gate->cond, &gate->mutex);
    return 0;
}

static void gate_wait(struct gate *gate)
{
    BERTH_LOCK_SCOPE(lock, &gate->mutex);
    while (!gate->entered)
        (void)pthread_cond_wait(&gate->cond, &gate->mutex);
}

static void gate_open(struct gate *gate)
{
    BERTH_LOCK_SCOPE(lock, &gate->mutex);
    gate->open = true;
    (void)pthread_cond_broadcast(&gate->cond);
}

static void *writer_main(void *arg)
{
    struct writer *writer = arg;
    writer->result = berth_store_write(writer->store, writer->job, writer->ctx, &writer->err);
    return NULL;
}

void start_writer(struct writer *writer)
{
    ck_assert_int_eq(berth_thread_start(&writer->thread, "writer", writer_main, writer, NULL), 0);
}

void run_together(struct writer *writers, size_t count)
{
    struct gate gate;
    gate_init(&gate);
    struct writer keeper = {.store = writers[0].store, .job = gate_job, .ctx = &gate};
    start_writer(&keeper);
    gate_wait(&gate);
    for (size_t i = 0; i < count; i++)
        berth_store_begin_write(writers[i].store, &writers[i].request, writers[i].job,
                                writers[i].ctx);
    gate_open(&gate);
    (void)pthread_join(keeper.thread, NULL);
    ck_assert_int_eq(keeper.result, 0);
    for (size_t i = 0; i < count; i++)
        writers[i].result =
            berth_store_end_write(writers[i].store, &writers[i].request, &writers[i].err);
}
