/* SPDX-License-Identifier: MIT */
/* What the embedded driver is alone with; test_store.c has what holds for each. */
#include "facilities/store_copy.h"
#include "tests/unit/store_jobs.h"
#include "tests/unit/store_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of SQLite's file format: what whoever has a database open holds for reading. */
#define SHARED_FIRST 0x40000002
#define SHARED_SIZE  510

static unsigned mode_of(const char *dir, const char *name)
{
    char path[600];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    ck_assert_msg(stat(path, &status) == 0, "%s: errno %d", path, errno);
    return status.st_mode & 07777;
}

START_TEST(files_are_private)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    (void)umask(0);
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    ck_assert_int_eq(write_row(store, "a", NULL), 0);
    ck_assert_uint_eq(mode_of(dir, "."), 0700);
    static const char *const names[] = {"berth.lock", "berth.db", "berth.db-wal", "berth.db-shm"};
    for (size_t i = 0; i < UNIT_COUNT(names); i++)
        ck_assert_msg(mode_of(dir, names[i]) == 0600, "%s", names[i]);
}
END_TEST

START_TEST(places_that_cannot_hold_it_are_refused)
{
    BERTH_CLEANUP(free) char *missing = unit_scratch("missing/data");
    BERTH_CLEANUP(free) char *file = unit_scratch("file");
    BERTH_CLEANUP(free) char *garbage = unit_scratch("garbage");
    BERTH_CLEANUP(free) char *directory = unit_scratch("directory");
    char path[600];

    BERTH_CLEANUP(file) FILE *empty = fopen(file, "w");
    ck_assert_ptr_nonnull(empty);
    ck_assert_int_eq(mkdir(garbage, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/berth.db", garbage);
    BERTH_CLEANUP(file) FILE *database = fopen(path, "w");
    ck_assert_ptr_nonnull(database);
    for (int i = 0; i < 4096; i++)
        ck_assert_int_eq(fputc('x', database), 'x');
    ck_assert_int_eq(fflush(database), 0);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/berth.db", directory);
    ck_assert_int_eq(mkdir(path, 0700), 0);

    const char *const rows[] = {missing, file, garbage, directory};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_store *store = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(unit_store_open(rows[i], &store, &err) == BERTH_E_IO, "%s: %s", rows[i],
                      err.message);
        ck_assert_msg(strstr(err.message, rows[i]), "%s: %s", rows[i], err.message);
        ck_assert_ptr_null(store);
    }
}
END_TEST

START_TEST(references_and_durability_are_on)
{
    static const struct {
        const char *pragma;
        int64_t value;
    } rows[] = {{"PRAGMA synchronous", 2}, {"PRAGMA foreign_keys", 1}};
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct number_query query = {.sql = rows[i].pragma, .result = -1};
        ck_assert_int_eq(berth_store_write(store, number_job, &query, NULL), 0);
        ck_assert_msg(query.result == rows[i].value, "%s", rows[i].pragma);
    }
}
END_TEST

/* ---- Several gateways ---- */

static int hear_nothing(const struct berth_store_news *news, void *ctx __attribute__((unused)))
{
    ck_abort_msg("heard subject %d", (int)news->subject);
}

static int tell_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct berth_store_news news = {
        .subject = BERTH_NEWS_IDENTITY, .facility = "", .key = "ana"};
    *(bool *)ctx = berth_txn_holds(txn, "sampler:f");
    return berth_txn_tell(txn, &news, err);
}

/* What SQLite has while a database in WAL mode is open. Asked as the owner of another open file is,
 * whom the process's own locks keep out, too. To close that drops them. */
static bool is_locked(const char *path)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHARED_FIRST, .l_len = SHARED_SIZE};
    BERTH_CLEANUP(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_OFD_GETLK, &lock), 0);
    return lock.l_type != F_UNLCK;
}

START_TEST(a_database_that_is_copied_is_locked)
{
    BERTH_CLEANUP(free) char *path = unit_scratch("one.db");
    BERTH_CLEANUP(store) struct berth_store *store = NULL;
    const struct berth_store_place place = {.spec = path, .is_target = true};
    ck_assert_int_eq(berth_store_open_place(&place, &store, NULL), 0);
    ck_assert(is_locked(path));
}
END_TEST

START_TEST(a_place_is_told_without_secrets)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_store *store = NULL;
    const struct berth_store_place place = {.spec = "postgress://ana:s3cret@db/x"};
    ck_assert_int_eq(berth_store_open_place(&place, &store, &err), BERTH_E_INVALID);
    ck_assert_msg(!strstr(err.message, "s3cret") && !strstr(err.detail, "s3cret"), "%s (%s)",
                  err.message, err.detail);
}
END_TEST

START_TEST(one_gateway_alone_holds_all_and_hears_nothing)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    BERTH_CLEANUP(store) struct berth_store *store = open_store(dir);
    bool held = false;
    bool holds = false;
    ck_assert_int_eq(berth_store_listen(store, hear_nothing, NULL, NULL), 0);
    ck_assert_int_eq(berth_store_hold(store, "sampler:f", &held, NULL), 0);
    ck_assert_int_eq(berth_store_write(store, tell_job, &holds, NULL), 0);
    ck_assert(held && holds);
    berth_store_let_go(store, "sampler:f");
    berth_store_deafen(store);
}
END_TEST

UNIT_SUITE("store_sqlite", files_are_private, places_that_cannot_hold_it_are_refused,
           references_and_durability_are_on, a_database_that_is_copied_is_locked,
           a_place_is_told_without_secrets, one_gateway_alone_holds_all_and_hears_nothing)
