/* SPDX-License-Identifier: MIT */
/* What apps have printed. */
#include "base/clock.h"
#include "base/thread.h"
#include "tests/conformance/conformance.h"

#include <string.h>

#define EVERYTHING (-1)

struct log {
    struct berth_strbuf out;
    struct berth_strbuf err;
    size_t enough; /* bytes of both after which no more is wanted; 0: all */
    pthread_mutex_t lock;
    pthread_cond_t grown;
};

#define LOG_INIT                                                                                   \
    {                                                                                              \
        .out = BERTH_STRBUF_INIT(1 << 16), .err = BERTH_STRBUF_INIT(1 << 16),                      \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

static void log_release(struct log *log)
{
    berth_strbuf_release(&log->out);
    berth_strbuf_release(&log->err);
}
BERTH_DEFINE_CLEANUP_VALUE(log, struct log, log_release)

static bool take(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct log *log = ctx;
    BERTH_LOCK_SCOPE(lock, &log->lock);
    berth_strbuf_add(stream == BERTH_OUTPUT_STDERR ? &log->err : &log->out, data, len);
    (void)pthread_cond_broadcast(&log->grown);
    return log->enough == 0 || log->out.len + log->err.len < log->enough;
}

static int read_log(struct fixture *fixture, const char *id, int64_t tail, struct log *log,
                    struct berth_error *err)
{
    const struct berth_logs_spec spec = {.tail = tail};
    berth_strbuf_clear(&log->out);
    berth_strbuf_clear(&log->err);
    return berth_backend_logs(fixture->backend, id, &spec, take, log, err);
}

static size_t count_lines(const struct log *log)
{
    size_t count = 0;
    for (size_t i = 0; i < log->out.len; i++)
        count += log->out.data[i] == '\n';
    for (size_t i = 0; i < log->err.len; i++)
        count += log->err.data[i] == '\n';
    return count;
}

/* An app that has printed its two lines. */
static char *talker(struct fixture *fixture, struct log *log)
{
    static const struct berth_rootfs_spec without_terminal; /* which makes of both streams one */
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error refused = BERTH_ERROR_INIT;
    char *id = NULL;
    spec.rootfs = &without_terminal;
    ASSERT_OK(berth_backend_create(fixture->backend, &spec, &id, &refused), &refused);
    app_wait(fixture, id);
    act_ok(fixture, BERTH_VERB_START, id);
    int64_t until = berth_clock_monotonic_ms() + PATIENCE_MS;
    do {
        struct berth_error err = BERTH_ERROR_INIT;
        ASSERT_OK(read_log(fixture, id, EVERYTHING, log, &err), &err);
        ck_assert_msg(berth_clock_monotonic_ms() < until, "the app printed nothing");
    } while (count_lines(log) < 2);
    return id;
}

START_TEST(a_log_keeps_the_streams_apart)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(log) struct log log = LOG_INIT;
    BERTH_CLEANUP(free) char *id = talker(&fixture, &log);
    ck_assert_str_eq(berth_strbuf_str(&log.out), "ready\n");
    ck_assert_str_eq(berth_strbuf_str(&log.err), "up\n");
    struct berth_error err = BERTH_ERROR_INIT;
    if (!apps_are_operated())
        return; /* the log goes with the app */
    act_ok(&fixture, BERTH_VERB_KILL, id);
    ASSERT_OK(read_log(&fixture, id, EVERYTHING, &log, &err), &err);
    ck_assert_str_eq(berth_strbuf_str(&log.out), "ready\n");
}
END_TEST

START_TEST(the_tail_is_the_last_lines)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(log) struct log log = LOG_INIT;
    BERTH_CLEANUP(free) char *id = talker(&fixture, &log);
    struct berth_error err = BERTH_ERROR_INIT;
    for (int64_t tail = 0; tail <= 3; tail++) {
        ASSERT_OK(read_log(&fixture, id, tail, &log, &err), &err);
        ck_assert_uint_eq(count_lines(&log), tail < 2 ? (size_t)tail : 2);
    }
}
END_TEST

START_TEST(what_was_before_is_left_out)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(log) struct log log = LOG_INIT;
    BERTH_CLEANUP(free) char *id = talker(&fixture, &log);
    struct berth_logs_spec spec = {
        .tail = EVERYTHING, .since_ns = berth_clock_wall_ns(), .timestamps = true};
    struct berth_error err = BERTH_ERROR_INIT;
    berth_strbuf_clear(&log.out);
    berth_strbuf_clear(&log.err);
    ASSERT_OK(berth_backend_logs(fixture.backend, id, &spec, take, &log, &err), &err);
    ck_assert_uint_eq(count_lines(&log), 0);
    spec.since_ns -= 3600 * BERTH_NS_PER_S;
    ASSERT_OK(berth_backend_logs(fixture.backend, id, &spec, take, &log, &err), &err);
    ck_assert_uint_eq(count_lines(&log), 2);
    const char *space = strchr(berth_strbuf_str(&log.out), ' ');
    ck_assert_ptr_nonnull(space);
    ck_assert_str_eq(space, " ready\n");
    int64_t at_ns = 0;
    size_t len = (size_t)(space - log.out.data);
    ASSERT_OK(berth_clock_parse_rfc3339(log.out.data, len, &at_ns, &err), &err);
    ck_assert_int_gt(at_ns, spec.since_ns);
}
END_TEST

/* ---- Following ---- */

struct follower {
    struct fixture *fixture;
    const char *id;
    struct log *log;
    int status;
};

static void *follow(void *arg)
{
    struct follower *follower = arg;
    const struct berth_logs_spec spec = {.tail = EVERYTHING, .follow = true};
    struct berth_error err = BERTH_ERROR_INIT;
    follower->status = berth_backend_logs(follower->fixture->backend, follower->id, &spec, take,
                                          follower->log, &err);
    return NULL;
}

START_TEST(following_ends_with_the_app)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(log) struct log log = LOG_INIT;
    BERTH_CLEANUP(free) char *id = talker(&fixture, &log);
    struct log followed = LOG_INIT;
    berth_cond_init(&followed.grown);
    struct follower follower = {.fixture = &fixture, .id = id, .log = &followed};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, follow, &follower), 0);
    int64_t until = berth_clock_monotonic_ms() + PATIENCE_MS;
    (void)pthread_mutex_lock(&followed.lock);
    while (followed.out.len + followed.err.len < strlen("ready\nup\n"))
        ck_assert(berth_cond_wait_until(&followed.grown, &followed.lock, until));
    (void)pthread_mutex_unlock(&followed.lock);
    act_ok(&fixture, BERTH_VERB_KILL, id);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(follower.status, 0);
    ck_assert_str_eq(berth_strbuf_str(&followed.out), "ready\n");
    log_release(&followed);
}
END_TEST

START_TEST(who_has_enough_gets_no_more)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(log) struct log log = LOG_INIT;
    BERTH_CLEANUP(free) char *id = talker(&fixture, &log);
    const struct berth_logs_spec spec = {.tail = EVERYTHING, .follow = true};
    struct berth_error err = BERTH_ERROR_INIT;
    log.enough = 1;
    ASSERT_STATUS(berth_backend_logs(fixture.backend, id, &spec, take, &log, &err),
                  BERTH_E_CANCELLED, &err);
}
END_TEST

START_TEST(an_unknown_app_has_no_log)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(log) struct log log = LOG_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_STATUS(read_log(&fixture, unknown_id, EVERYTHING, &log, &err), BERTH_E_NOT_FOUND, &err);
}
END_TEST

TCase *case_logs(void)
{
    TCase *tcase = tcase_create("logs");
    tcase_add_test(tcase, a_log_keeps_the_streams_apart);
    tcase_add_test(tcase, the_tail_is_the_last_lines);
    tcase_add_test(tcase, what_was_before_is_left_out);
    tcase_add_test(tcase, following_ends_with_the_app);
    tcase_add_test(tcase, who_has_enough_gets_no_more);
    tcase_add_test(tcase, an_unknown_app_has_no_log);
    return tcase;
}
