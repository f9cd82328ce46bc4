/* SPDX-License-Identifier: MIT */
#include "facilities/store.h"

#include "base/thread.h"
#include "tests/unit/store_jobs.h"
#include "tests/unit/store_open.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* ---- Opening ---- */

START_TEST(the_directory_is_locked)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    struct berth_store *store = open_store(dir);
    struct berth_store *second = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(unit_store_open(dir, &second, &err), BERTH_E_BUSY);
    ck_assert_ptr_nonnull(strstr(err.message, dir));
    ck_assert_ptr_null(second);
    berth_store_close(store);
    berth_store_close(open_store(dir));
}
END_TEST

START_TEST(what_is_written_stays)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    struct berth_store *store = open_store(dir);
    ck_assert_int_eq(write_row(store, "a", NULL), 0);
    berth_store_close(store);
    store = open_store(dir);
    ck_assert_int_eq(read_number(store, count_rows), 1);
    ck_assert_int_eq(write_row(store, "a", NULL), BERTH_E_EXISTS);
    berth_store_close(store);
    berth_store_close(NULL);
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    struct berth_store *store = open_store(dir);
    const char *sql = unit_store_server() ? "UPDATE schema_version SET number = 1000"
                                          : "PRAGMA user_version = 1000";
    ck_assert_int_eq(write_statement(store, sql, NULL), 0);
    berth_store_close(store);
    for (int i = 0; i < 2; i++) { /* the second shows that the lock is free again */
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_store *again = NULL;
        ck_assert_int_eq(unit_store_open(dir, &again, &err), BERTH_E_CONFLICT);
        ck_assert_ptr_nonnull(strstr(err.message, "newer berth"));
        ck_assert_ptr_nonnull(strstr(err.message, "1000"));
    }
}
END_TEST

START_TEST(opening_survives_want_of_memory)
{
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(free) char *dir = unit_scratch("data");
        struct berth_store *store = NULL;
        unit_store_make(dir);
        unit_alloc_fail_after(n);
        int r = unit_store_open(dir, &store, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            berth_store_close(store);
            break;
        }
        ck_assert_msg(r == BERTH_E_NOMEM, "%zu: %d", n, r);
        ck_assert_ptr_null(store);
    }
}
END_TEST

/* ---- Statements ---- */

/* A row as it went in and as it came back. */
struct sample {
    const char *name;
    const char *text;
    int64_t number;
    bool number_is_null;
};

static int compare_sample(const struct berth_row *row, void *ctx,
                          struct berth_error *err __attribute__((unused)))
{
    const struct sample *sample = ctx;
    ck_assert_msg(berth_row_is_null(row, 0) == sample->number_is_null, "%s", sample->name);
    ck_assert_msg(berth_row_int(row, 0) == sample->number, "%s", sample->name);
    ck_assert_msg(berth_row_is_null(row, 1) == !sample->text, "%s", sample->name);
    if (sample->text)
        ck_assert_msg(strcmp(berth_row_text(row, 1), sample->text) == 0, "%s", sample->name);
    else
        ck_assert_msg(!berth_row_text(row, 1), "%s", sample->name);
    return 0;
}

static int sample_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    /* $2 comes first and $1 twice: what counts is the number, not the place. */
    static const char sql[] =
        "UPDATE image_request SET decided_ns = $2, reason = $1 WHERE image = 'a'"
        " AND (image <> $1 OR image = 'a') RETURNING decided_ns, reason";
    struct sample *sample = ctx;
    const struct berth_value values[] = {
        berth_value_text(sample->text),
        sample->number_is_null ? berth_value_null() : berth_value_int(sample->number),
    };
    int64_t changes = -1;
    int r =
        berth_txn_run(txn, sql, values, UNIT_COUNT(values), compare_sample, sample, &changes, err);
    ck_assert_int_eq(changes, 1);
    return r;
}

START_TEST(values_come_back_as_they_went_in)
{
    static const struct sample rows[] = {
        {"zero", "", 0, false},
        {"least", "x", INT64_MIN, false},
        {"greatest", "x", INT64_MAX, false},
        {"past 2^53", "9007199254740993", INT64_C(9007199254740993), false},
        {"NULL number", "x", 0, true},
        {"NULL text", NULL, 1, false},
        {"quotes", "'; DROP TABLE audit; --", 1, false},
        {"UTF-8", "\xC3\xA4\xF0\x9F\x9A\xA2", 1, false},
    };
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(write_row(store, "a", NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sample sample = rows[i];
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_store_write(store, sample_job, &sample, &err) == 0, "%s: %s (%s)",
                      rows[i].name, err.message, err.detail);
    }
}
END_TEST

static int changes_job(struct berth_txn *txn, void *ctx __attribute__((unused)),
                       struct berth_error *err)
{
    int64_t changes = -1;
    ck_assert_int_eq(add(txn, "a", err), 0);
    ck_assert_int_eq(add(txn, "b", err), 0);
    ck_assert_int_eq(berth_txn_run(txn, "UPDATE image_request SET state = 'x'", NULL, 0, NULL, NULL,
                                   &changes, err),
                     0);
    ck_assert_int_eq(changes, 2);
    ck_assert_int_eq(berth_txn_run(txn, "UPDATE image_request SET state = 'x' WHERE id < 0", NULL,
                                   0, NULL, NULL, &changes, err),
                     0);
    ck_assert_int_eq(changes, 0);
    ck_assert_int_eq(
        berth_txn_run(txn, "DELETE FROM image_request", NULL, 0, NULL, NULL, &changes, err), 0);
    ck_assert_int_eq(changes, 2);
    ck_assert_int_eq(berth_txn_run(txn, count_rows, NULL, 0, NULL, NULL, &changes, err), 0);
    ck_assert_int_eq(changes, 0);
    return 0;
}

START_TEST(changes_are_counted)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(berth_store_write(store, changes_job, NULL, NULL), 0);
}
END_TEST

static int stop_at_second(const struct berth_row *row __attribute__((unused)), void *ctx,
                          struct berth_error *err)
{
    int *seen = ctx;
    return ++*seen == 2 ? berth_error_set(err, BERTH_E_CANCELLED, "enough") : 0;
}

static int stopping_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, "SELECT id FROM image_request ORDER BY id", NULL, 0, stop_at_second,
                         ctx, NULL, err);
}

START_TEST(a_row_may_end_the_statement)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    static const char *const images[] = {"a", "b", "c"};
    for (size_t i = 0; i < UNIT_COUNT(images); i++)
        ck_assert_int_eq(write_row(store, images[i], NULL), 0);
    for (int i = 0; i < 2; i++) { /* the statement can be used again */
        int seen = 0;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_store_read(store, stopping_job, &seen, &err), BERTH_E_CANCELLED);
        ck_assert_str_eq(err.message, "enough");
        ck_assert_int_eq(seen, 2);
    }
}
END_TEST

/* ctx: const char *, a statement that is given one value. */
static int one_value_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct berth_value value = berth_value_int(1);
    return berth_txn_run(txn, ctx, &value, 1, NULL, NULL, NULL, err);
}

START_TEST(wrong_statements_are_refused)
{
    static const char *const rows[] = {
        "SELECT",
        "",
        "SELECT $1, $2",
        "SELECT 1",
        "SELECT $2",
        "SELECT :name",
        "SELECT ?",
        "SELECT $1; SELECT 1",
        "SELECT * FROM no_such_table WHERE $1 = 1",
    };
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_store_write(store, one_value_job, constant(rows[i]), &err) ==
                          BERTH_E_INTERNAL,
                      "'%s': %s", rows[i], err.message);
        ck_assert_msg(strstr(err.detail, rows[i]), "'%s': %s", rows[i], err.detail);
        ck_assert_msg(!strstr(err.message, "SELECT"), "'%s': %s", rows[i], err.message);
    }
}
END_TEST

START_TEST(references_are_enforced)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(
        write_statement(store, "INSERT INTO user_grant VALUES ('nobody', 'lab', 'viewer')", NULL),
        BERTH_E_INTERNAL);
}
END_TEST

START_TEST(readers_do_not_write)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(berth_store_read(store, add_job, constant("a"), NULL), BERTH_E_INTERNAL);
    ck_assert_int_eq(read_number(store, count_rows), 0);
}
END_TEST

/* ---- Transactions ---- */

/* A job that has no eye for failures; ctx: the image, which is there already. */
static int careless_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    ck_assert_int_eq(add(txn, "careless", err), 0);
    ck_assert_int_eq(add(txn, ctx, err), BERTH_E_EXISTS);
    return 0;
}

START_TEST(a_failed_job_leaves_nothing)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_store_write(store, add_then_fail_job, constant("a"), &err),
                     BERTH_E_QUOTA);
    ck_assert_str_eq(err.message, "no more of these");
    ck_assert_int_eq(read_number(store, count_rows), 0);
    ck_assert_int_eq(write_row(store, "a", NULL), 0);
    ck_assert_int_eq(berth_store_write(store, careless_job, constant("a"), &err), BERTH_E_EXISTS);
    ck_assert_int_eq(read_number(store, count_rows), 1);
}
END_TEST

START_TEST(a_group_loses_only_the_failed)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    struct writer writers[] = {
        {.store = store, .job = add_job, .ctx = constant("a")},
        {.store = store, .job = add_then_fail_job, .ctx = constant("x")},
        {.store = store, .job = add_job, .ctx = constant("b")},
        {.store = store, .job = statement_job, .ctx = constant("SELEC")},
        {.store = store, .job = add_job, .ctx = constant("c")},
    };
    static const int results[] = {0, BERTH_E_QUOTA, 0, BERTH_E_INTERNAL, 0};
    run_together(writers, UNIT_COUNT(writers));
    for (size_t i = 0; i < UNIT_COUNT(writers); i++)
        ck_assert_msg(writers[i].result == results[i], "writer %zu: %d", i, writers[i].result);
    ck_assert_int_eq(read_number(store, count_rows), 3);
}
END_TEST

static int two_views_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    int64_t before = -1;
    int64_t after = -1;
    ck_assert_int_eq(berth_txn_run(txn, count_rows, NULL, 0, take_int, &before, NULL, err), 0);
    struct writer writer = {.store = ctx, .job = add_job, .ctx = constant("meanwhile")};
    start_writer(&writer);
    (void)pthread_join(writer.thread, NULL);
    ck_assert_int_eq(writer.result, 0);
    ck_assert_int_eq(berth_txn_run(txn, count_rows, NULL, 0, take_int, &after, NULL, err), 0);
    ck_assert_int_eq(before, after);
    return 0;
}

START_TEST(a_read_has_one_view)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(berth_store_read(store, two_views_job, store, NULL), 0);
    ck_assert_int_eq(read_number(store, count_rows), 1);
}
END_TEST

#define THREADS           16
#define WRITES_PER_THREAD 40

struct load {
    struct berth_store *store;
    atomic_int number;
    atomic_int failures;
};

static void *load_main(void *arg)
{
    struct load *load = arg;
    int own = atomic_fetch_add(&load->number, 1);
    for (int i = 0; i < WRITES_PER_THREAD; i++) {
        char image[32];
        (void)snprintf(image, sizeof(image), "%d-%d", own, i);
        struct number_query mine = {
            .sql = "SELECT count(*) FROM image_request WHERE facility = 'f'", .result = 0};
        if (write_row(load->store, image, NULL) < 0 ||
            berth_store_read(load->store, number_job, &mine, NULL) < 0 || mine.result <= i)
            atomic_fetch_add(&load->failures, 1);
    }
    return NULL;
}

START_TEST(many_threads_read_and_write)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    struct load load = {.store = store};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "load", load_main, &load, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&load.failures), 0);
    ck_assert_int_eq(read_number(store, count_rows), THREADS * WRITES_PER_THREAD);
}
END_TEST

START_TEST(jobs_survive_want_of_memory)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    for (size_t n = 0;; n++) {
        struct number_query query = {.sql = count_rows, .result = -1};
        unit_alloc_fail_after(n);
        int r = berth_store_read(store, number_job, &query, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            break;
        }
        ck_assert_int_eq(r, BERTH_E_NOMEM);
    }
}
END_TEST

UNIT_SUITE("store", the_directory_is_locked, what_is_written_stays, a_newer_schema_is_refused,
           opening_survives_want_of_memory, values_come_back_as_they_went_in, changes_are_counted,
           a_row_may_end_the_statement, wrong_statements_are_refused, readers_do_not_write,
           references_are_enforced, a_failed_job_leaves_nothing, a_group_loses_only_the_failed,
           a_read_has_one_view, many_threads_read_and_write, jobs_survive_want_of_memory)
