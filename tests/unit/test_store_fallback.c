/* SPDX-License-Identifier: MIT */
/* A store over two embedded ones, of which the server's can be away. */
#include "facilities/store_fallback.h"

#include "base/clock.h"
#include "facilities/audit.h"
#include "facilities/idempotency.h"
#include "facilities/identity.h"
#include "facilities/store_driver.h"
#include "facilities/store_fallback_policy.h"
#include "facilities/store_spool.h"
#include "tests/unit/store_jobs.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

/* ---- A server that goes away ---- */

struct server {
    struct berth_store base;
    struct berth_store *store;
};

static atomic_bool is_away;
static atomic_int lost_answers;  /* writes that are made, and whose answer does not come */
static atomic_bool goes_at_once; /* away, as soon as it was opened */
static char *server_path;
static atomic_int open_servers;
static atomic_int listeners;

static int say_away(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_UNREACHABLE, "the server is away");
}

struct server_txn {
    struct berth_txn base;
    struct berth_txn *under;
};

struct server_job {
    struct server *server;
    berth_store_job *job;
    void *ctx;
};

static int run_server_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct server_job *job = ctx;
    struct server_txn own = {.base.store = &job->server->base, .under = txn};
    return berth_txn_run_job(&own.base, job->job, job->ctx, err);
}

static void server_begin_write(struct berth_store *base, struct berth_store_request *request)
{
    struct server *server = (struct server *)base;
    struct server_job job = {server, request->job, request->ctx};
    if (is_away) {
        request->result = say_away(&request->error);
        return;
    }
    request->result = berth_store_write(server->store, run_server_job, &job, &request->error);
    if (request->result == 0 && lost_answers > 0) {
        lost_answers--;
        request->result = say_away(&request->error);
    }
}

static int server_end_write(struct berth_store *base __attribute__((unused)),
                            struct berth_store_request *request, struct berth_error *err)
{
    if (request->result < 0 && err)
        *err = request->error;
    return request->result;
}

static int server_read(struct berth_store *base, berth_store_job *job, void *ctx,
                       struct berth_error *err)
{
    struct server *server = (struct server *)base;
    struct server_job own = {server, job, ctx};
    return is_away ? say_away(err) : berth_store_read(server->store, run_server_job, &own, err);
}

static int server_run(struct berth_txn *txn, const char *sql, const struct berth_value *values,
                      size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                      struct berth_error *err)
{
    return berth_txn_run(((struct server_txn *)txn)->under, sql, values, count, on_row, ctx,
                         ret_changes, err);
}

static void server_close(struct berth_store *base)
{
    struct server *server = (struct server *)base;
    berth_store_close(server->store);
    free(server);
    open_servers--;
}

static int server_listen(struct berth_store *base __attribute__((unused)),
                         berth_news_fn *fn __attribute__((unused)),
                         void *ctx __attribute__((unused)),
                         struct berth_error *err __attribute__((unused)))
{
    listeners++;
    return 0;
}

static const struct berth_store_ops server_ops = {
    .close = server_close,
    .begin_write = server_begin_write,
    .end_write = server_end_write,
    .read = server_read,
    .run = server_run,
    .listen = server_listen,
};

static int open_server(void *ctx __attribute__((unused)), struct berth_store **ret_store,
                       struct berth_error *err)
{
    if (is_away)
        return say_away(err);
    struct server *server = calloc(1, sizeof(*server));
    ck_assert_ptr_nonnull(server);
    server->base = (struct berth_store){.ops = &server_ops, .lock_fd = -1};
    int r = berth_store_sqlite_open(server_path, &server->store, err);
    ck_assert_int_eq(r, 0);
    open_servers++;
    if (goes_at_once)
        is_away = true;
    *ret_store = &server->base;
    return 0;
}

/* ---- The store over it ---- */

static char *copy_path;
static char *alone_path;
static struct berth_store *store;

static void open_store_over(void)
{
    const struct berth_fallback_config config = {.open_server = open_server,
                                                 .server = "PostgreSQL",
                                                 .copy_path = copy_path,
                                                 .alone_path = alone_path};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_store_fallback_open(&config, &store, &err) == 0, "%s", err.message);
}

static void set_up(void)
{
    server_path = unit_scratch("server.db");
    copy_path = unit_scratch("copy.db");
    alone_path = unit_scratch("alone.db");
    open_store_over();
}

static void tear_down(void)
{
    berth_store_close(store);
    ck_assert_int_eq(open_servers, 0);
    free(server_path);
    free(copy_path);
    free(alone_path);
}

static bool is_fallen(void)
{
    struct berth_error err = BERTH_ERROR_INIT;
    return berth_store_condition(store, &err) == BERTH_E_UNREACHABLE;
}

static void await_fallen(bool fallen)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    while (is_fallen() != fallen) {
        ck_assert_msg(berth_clock_monotonic_ms() < deadline_ms, "it did not notice");
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static int audit(const char *target)
{
    struct berth_audit_entry entry = {.facility = "lab", .action = "stop-app", .target = target};
    struct berth_store_request request;
    berth_audit_begin_write(store, &request, &entry);
    return berth_store_end_write(store, &request, NULL);
}

/* In the database beside. */
static int64_t count_in(const char *path, const char *sql)
{
    struct berth_store *beside = NULL;
    ck_assert_int_eq(berth_store_sqlite_open(path, &beside, NULL), 0);
    int64_t count = read_number(beside, sql);
    berth_store_close(beside);
    return count;
}

static const char count_audit[] = "SELECT count(*) FROM audit WHERE action = 'stop-app'";
static const char count_spool[] = "SELECT count(*) FROM spool";

static void await_copy(const char *sql, int64_t count)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    while (count_in(copy_path, sql) != count)
        ck_assert_msg(berth_clock_monotonic_ms() < deadline_ms, "there is no copy");
}

START_TEST(under_the_copy_apps_go_on)
{
    set_up();
    BERTH_CLEANUP(identity) struct berth_identity *identity = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_identity_open(store, &identity, NULL), 0);
    ck_assert_int_eq(berth_identity_add(identity, NULL, "ana", "battery staple", false, NULL), 0);
    ck_assert_int_eq(write_row(store, "httpd", NULL), 0);
    ck_assert_int_eq(audit("one"), 0);
    await_copy("SELECT count(*) FROM user_account", 1);
    ck_assert(!is_fallen());

    is_away = true;
    ck_assert_int_eq(audit("two"), 0); /* it finds the server away, and is kept */
    ck_assert(is_fallen());
    ck_assert_int_eq(berth_identity_add(identity, NULL, "bob", "battery staple", false, &err),
                     BERTH_E_UNREACHABLE);
    ck_assert_str_eq(err.code, "STORE_AWAY");
    ck_assert_int_eq(err.retry_after_s, 5);
    ck_assert_int_eq(write_row(store, "nginx", NULL), BERTH_E_UNREACHABLE);
    ck_assert(!berth_identity_has(identity, "bob"));
    ck_assert_int_eq(audit("three"), 0);
    ck_assert_int_eq(count_in(server_path, count_audit), 1);

    is_away = false;
    await_fallen(false);
    ck_assert_int_eq(count_in(server_path, count_audit), 3);
    ck_assert_int_eq(count_in(copy_path, count_spool), 0);
    ck_assert_int_eq(berth_identity_add(identity, NULL, "bob", "battery staple", false, NULL), 0);
    await_copy("SELECT count(*) FROM user_account", 2);
    berth_identity_close(berth_steal(&identity));
    tear_down();
}
END_TEST

static int add_user_job(struct berth_txn *txn, void *ctx __attribute__((unused)),
                        struct berth_error *err)
{
    const struct berth_store_news news = {BERTH_NEWS_IDENTITY, "", "ana"};
    int r = berth_txn_run(txn,
                          "INSERT INTO user_account (name, password_hash, gateway_admin,"
                          " generation, created_ms) VALUES ('ana', '', 1, 1, 1)",
                          NULL, 0, NULL, NULL, NULL, err);
    return r < 0 ? r : berth_txn_tell(txn, &news, err);
}

START_TEST(a_restart_in_between_loses_nothing)
{
    set_up();
    ck_assert_int_eq(write_row(store, "httpd", NULL), 0);
    ck_assert_int_eq(berth_store_write(store, add_user_job, NULL, NULL), 0);
    await_copy(count_rows, 1);
    await_copy("SELECT count(*) FROM user_account", 1);
    is_away = true;
    ck_assert_int_eq(audit("one"), 0);
    berth_store_close(store);
    open_store_over();
    ck_assert(is_fallen());
    ck_assert_int_eq(read_number(store, count_rows), 1);
    ck_assert_int_eq(audit("two"), 0);
    berth_store_close(store);
    is_away = false;
    open_store_over();
    ck_assert(!is_fallen());
    ck_assert_int_eq(count_in(server_path, count_audit), 2);
    tear_down();
}
END_TEST

/* As a kill between the server's commit and the end of the spool leaves it. */
START_TEST(what_was_delivered_is_not_delivered_again)
{
    set_up();
    is_away = true;
    ck_assert_int_eq(audit("one"), 0);
    ck_assert_int_eq(audit("two"), 0);
    lost_answers = 3;
    is_away = false;
    await_fallen(false);
    ck_assert_int_eq(lost_answers, 0);
    ck_assert_int_eq(count_in(server_path, count_audit), 2);
    tear_down();
}
END_TEST

START_TEST(a_statement_that_is_refused_holds_up_no_other)
{
    set_up();
    is_away = true;
    ck_assert_int_eq(audit("one"), 0);
    /* A row of that number is the server's by the time. */
    ck_assert_int_eq(write_statement(store,
                                     "INSERT INTO audit (id, at_ms, facility, action, target,"
                                     " status) VALUES (1, 1, 'lab', 'stop-app', 'two', 'ok')",
                                     NULL),
                     0);
    ck_assert_int_eq(audit("three"), 0);
    is_away = false;
    await_fallen(false);
    ck_assert_int_eq(count_in(server_path, count_audit), 2);
    ck_assert_int_eq(count_in(copy_path, count_spool), 0);
    tear_down();
}
END_TEST

START_TEST(without_a_copy_the_embedded_store_serves)
{
    is_away = true;
    set_up();
    ck_assert(is_fallen());
    ck_assert_int_eq(write_row(store, "httpd", NULL), 0);
    ck_assert_int_eq(audit("one"), 0);
    ck_assert_int_eq(read_number(store, count_audit), 1);
    struct stat st;
    ck_assert_int_eq(stat(alone_path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    is_away = false;
    await_fallen(false);
    ck_assert_int_eq(read_number(store, count_rows), 0);
    ck_assert_int_eq(count_in(alone_path, count_rows), 1);
    tear_down();
}
END_TEST

/* Whoever listens, and takes in what it hears at the second try. */
static int hear(const struct berth_store_news *news, void *ctx)
{
    atomic_int *heard = ctx;
    ck_assert_int_eq(news->subject, BERTH_NEWS_ALL);
    return ++*heard == 1 ? BERTH_E_BUSY : 0;
}

static void await(const atomic_int *number, int value)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    while (*number < value) {
        ck_assert_msg(berth_clock_monotonic_ms() < deadline_ms, "%d is all", *number);
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    ck_assert_int_eq(*number, value);
}

/* Others may have changed something since this gateway has read what there is. */
START_TEST(who_listens_late_begins_with_all)
{
    atomic_int heard = 0;
    set_up();
    ck_assert_int_eq(listeners, 1);
    ck_assert_int_eq(berth_store_listen(store, hear, &heard, NULL), 0);
    await(&heard, 2);
    is_away = true;
    await_fallen(true);
    is_away = false;
    await(&heard, 3);
    berth_store_deafen(store);
    ck_assert_int_eq(listeners, 1);
    tear_down();
}
END_TEST

START_TEST(a_server_that_goes_as_it_is_opened_is_listened_to_later)
{
    goes_at_once = true;
    set_up();
    ck_assert(is_fallen());
    ck_assert_int_eq(open_servers, 1);
    goes_at_once = false;
    is_away = false;
    await_fallen(false);
    ck_assert_int_eq(listeners, 1);
    tear_down();
}
END_TEST

static int under_way_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    int *runs = ctx;
    (*runs)++;
    if (*runs == 1)
        is_away = true;
    return add(txn, "httpd", err);
}

static int away_after_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    int r = under_way_job(txn, ctx, err);
    return r < 0 ? r : say_away(err);
}

START_TEST(what_was_under_way_is_not_run_twice)
{
    int runs = 0;
    struct berth_error err = BERTH_ERROR_INIT;
    set_up();
    ck_assert_int_eq(berth_store_write(store, away_after_job, &runs, &err), BERTH_E_UNREACHABLE);
    ck_assert_int_eq(runs, 1);
    ck_assert(is_fallen());
    is_away = false;
    tear_down();
}
END_TEST

START_TEST(policies)
{
    static const struct {
        const char *sql;
        unsigned policy;
    } rows[] = {
        {"SELECT 1", BERTH_FALLBACK_RUN},
        {"SELECT role FROM user_grant WHERE user_name = $1", BERTH_FALLBACK_RUN},
        {"SELECT at_ms FROM uptime_watermark WHERE facility = $1", BERTH_FALLBACK_UNKNOWN},
        {"INSERT INTO user_account (name) VALUES ($1)", BERTH_FALLBACK_REFUSE},
        {"UPDATE user_account SET generation = 1", BERTH_FALLBACK_REFUSE},
        {"DELETE FROM api_token WHERE id = $1", BERTH_FALLBACK_REFUSE},
        {"UPDATE api_token SET used_ms = $2 WHERE id = $1",
         BERTH_FALLBACK_RUN | BERTH_FALLBACK_SPOOL},
        {"UPDATE image_request SET state = $2", BERTH_FALLBACK_REFUSE},
        {"INSERT INTO audit (at_ms) VALUES ($1)", BERTH_FALLBACK_SPOOL},
        {"UPDATE uptime_span SET to_ms = $1", BERTH_FALLBACK_SPOOL},
        {"DELETE FROM kept_answer WHERE id = 1", BERTH_FALLBACK_RUN | BERTH_FALLBACK_SPOOL},
        {"INSERT INTO user_accounts (name) VALUES ($1)", BERTH_FALLBACK_REFUSE},
        {"DROP TABLE audit", BERTH_FALLBACK_REFUSE},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_fallback_policy(rows[i].sql) == rows[i].policy, "%s", rows[i].sql);
}
END_TEST

UNIT_SUITE("store_fallback", under_the_copy_apps_go_on, a_restart_in_between_loses_nothing,
           what_was_delivered_is_not_delivered_again, a_statement_that_is_refused_holds_up_no_other,
           without_a_copy_the_embedded_store_serves, who_listens_late_begins_with_all,
           a_server_that_goes_as_it_is_opened_is_listened_to_later,
           what_was_under_way_is_not_run_twice, policies)
