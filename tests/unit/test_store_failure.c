/* SPDX-License-Identifier: MIT */
/* The store when the machine fails it: killed in the middle of writing, and with the disk full. */
#include "facilities/store.h"

#include "base/thread.h"
#include "tests/unit/store_jobs.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define CRASH_THREADS 4

struct crash_child {
    struct berth_store *store;
    int pipe_fd;
    atomic_int number;
};

/* Writes rows until killed, and tells of each once it is answered. */
static void *crash_main(void *arg)
{
    struct crash_child *child = arg;
    uint32_t own = (uint32_t)atomic_fetch_add(&child->number, 1);
    for (uint32_t i = 0;; i++) {
        char image[32];
        uint32_t id = own << 24 | i;
        (void)snprintf(image, sizeof(image), "%u", id);
        if (write_row(child->store, image, NULL) < 0 ||
            write(child->pipe_fd, &id, sizeof(id)) != (ssize_t)sizeof(id))
            return NULL;
    }
}

static void crash_child_run(const char *dir, int pipe_fd)
{
    struct crash_child child = {.store = open_store(dir), .pipe_fd = pipe_fd};
    pthread_t threads[CRASH_THREADS];
    for (size_t i = 0; i < CRASH_THREADS; i++)
        if (berth_thread_start(&threads[i], "crash", crash_main, &child, NULL) < 0)
            _exit(1);
    for (size_t i = 0; i < CRASH_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    _exit(1);
}

static const char find_row[] = "SELECT count(*) FROM image_request WHERE image = $1";

/* ctx: uint32_t, the id that was answered. */
static int find_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    char image[32];
    int64_t found = 0;
    (void)snprintf(image, sizeof(image), "%u", *(uint32_t *)ctx);
    const struct berth_value value = berth_value_text(image);
    int r = berth_txn_run(txn, find_row, &value, 1, take_int, &found, NULL, err);
    if (r < 0)
        return r;
    return found == 1 ? 0 : berth_error_set(err, BERTH_E_NOT_FOUND, "%s is lost", image);
}

START_TEST(kill_loses_nothing_answered)
{
    static const int answers_before_kill[] = {1, 17, 150};
    for (size_t i = 0; i < UNIT_COUNT(answers_before_kill); i++) {
        BERTH_CLEANUP(free) char *dir = unit_scratch("data");
        BERTH_CLEANUP(fd) int read_fd = -1;
        int fds[2];
        ck_assert_int_eq(pipe(fds), 0);
        read_fd = fds[0];
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            crash_child_run(dir, fds[1]);
        (void)close(fds[1]);

        uint32_t answered[65536];
        size_t count = 0;
        while (read(read_fd, &answered[count], sizeof(answered[0])) == (ssize_t)sizeof(uint32_t)) {
            count++;
            if (count == (size_t)answers_before_kill[i])
                ck_assert_int_eq(kill(pid, SIGKILL), 0);
            ck_assert_uint_lt(count, UNIT_COUNT(answered));
        }
        int status = 0;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        ck_assert_uint_ge(count, (size_t)answers_before_kill[i]);

        BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
        for (size_t j = 0; j < count; j++) {
            struct berth_error err = BERTH_ERROR_INIT;
            ck_assert_msg(berth_store_read(store, find_job, &answered[j], &err) == 0, "%s",
                          err.message);
        }
        ck_assert_int_eq(write_row(store, "afterwards", NULL), 0);
    }
}
END_TEST

/* Writes until it is refused; returns how many rows there are then. */
static int64_t fill(struct berth_store *store, struct berth_error *err)
{
    char image[201];
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(image, sizeof(image), "%0200d", i);
        if (write_row(store, image, err) < 0)
            return i;
    }
    return -1;
}

START_TEST(a_full_disk_refuses_writes_alone)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    /* Past this size writing fails with EFBIG, and SIGXFSZ where that is not ignored. */
    const struct rlimit limit = {.rlim_cur = 400000, .rlim_max = RLIM_INFINITY};
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t rows = fill(store, &err);
    ck_assert_int_gt(rows, 0);
    ck_assert_msg(err.status == BERTH_E_NO_SPACE, "%s (%s)", err.message, err.detail);
    ck_assert_ptr_nonnull(strstr(err.message, "disk is full"));
    ck_assert_int_eq(read_number(store, count_rows), rows);

    const struct rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    ck_assert_int_eq(write_row(store, "afterwards", NULL), 0);
    ck_assert_int_eq(read_number(store, count_rows), rows + 1);
}
END_TEST

/* Adds rows until one is refused; returns why. */
static int flood(struct berth_txn *txn, struct berth_error *err)
{
    char image[201];
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(image, sizeof(image), "%0200d", i);
        int r = add(txn, image, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The database is full for one statement: the transaction lives on. */
static int flood_job(struct berth_txn *txn, void *ctx __attribute__((unused)),
                     struct berth_error *err)
{
    return flood(txn, err);
}

START_TEST(a_full_database_loses_only_what_found_it_full)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(write_statement(store, "PRAGMA max_page_count = 100", NULL), 0);
    struct writer writers[] = {
        {.store = store, .job = add_job, .ctx = constant("before")},
        {.store = store, .job = flood_job},
        {.store = store, .job = add_job, .ctx = constant("after")},
    };
    static const int results[] = {0, BERTH_E_NO_SPACE, 0};
    run_together(writers, UNIT_COUNT(writers));
    for (size_t i = 0; i < UNIT_COUNT(writers); i++)
        ck_assert_msg(writers[i].result == results[i], "writer %zu: %d", i, writers[i].result);
    ck_assert_int_eq(read_number(store, count_rows), 2);
}
END_TEST

/* The log of the transaction cannot grow: that ends it. The job has no eye for it. */
static int careless_flood_job(struct berth_txn *txn, void *ctx __attribute__((unused)),
                              struct berth_error *err)
{
    ck_assert_int_eq(flood(txn, err), BERTH_E_NO_SPACE);
    ck_assert_int_eq(add(txn, "late", err), BERTH_E_NO_SPACE);
    return 0;
}

START_TEST(a_lost_transaction_takes_its_group_along_and_no_more)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    const struct rlimit limit = {.rlim_cur = 400000, .rlim_max = RLIM_INFINITY};
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct writer writers[] = {
        {.store = store, .job = add_job, .ctx = constant("before")},
        {.store = store, .job = add_then_fail_job, .ctx = constant("x")},
        {.store = store, .job = careless_flood_job},
        {.store = store, .job = add_job, .ctx = constant("after")},
    };
    static const int results[] = {BERTH_E_NO_SPACE, BERTH_E_QUOTA, BERTH_E_NO_SPACE, 0};
    run_together(writers, UNIT_COUNT(writers));
    ck_assert_ptr_nonnull(strstr(writers[0].err.message, "disk is full"));
    for (size_t i = 0; i < UNIT_COUNT(writers); i++)
        ck_assert_msg(writers[i].result == results[i], "writer %zu: %d", i, writers[i].result);
    ck_assert_int_eq(read_number(store, count_rows), 1);
}
END_TEST

UNIT_SUITE("store_failure", kill_loses_nothing_answered, a_full_disk_refuses_writes_alone,
           a_full_database_loses_only_what_found_it_full,
           a_lost_transaction_takes_its_group_along_and_no_more)
