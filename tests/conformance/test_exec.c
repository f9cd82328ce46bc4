/* SPDX-License-Identifier: MIT */
/* Interactive processes within apps. */
#include "base/clock.h"
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <string.h>

#define OUTPUT_MAX (1 << 20)

static const struct berth_exec_spec terminal = {.tty = true, .cols = 100, .rows = 40};
static const struct berth_exec_spec pipes = {.tty = false};

struct session {
    struct berth_exec *exec;
    struct berth_strbuf out;
    struct berth_strbuf err;
    bool has_ended;
};

static void session_release(struct session *session)
{
    if (session->exec)
        berth_exec_close(session->exec);
    berth_strbuf_release(&session->out);
    berth_strbuf_release(&session->err);
}
BERTH_DEFINE_CLEANUP_VALUE(session, struct session, session_release)

static struct session open_session(struct fixture *fixture, const char *id,
                                   const struct berth_exec_spec *spec)
{
    struct session session = {.out = BERTH_STRBUF_INIT(OUTPUT_MAX),
                              .err = BERTH_STRBUF_INIT(OUTPUT_MAX)};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_exec(fixture->backend, id, spec, &session.exec, &err), &err);
    return session;
}

/* Reads all there is now. */
static void read_some(struct session *session)
{
    struct berth_error err = BERTH_ERROR_INIT;
    for (;;) {
        struct berth_exec_output output;
        char data[100];
        ASSERT_OK(berth_exec_read(session->exec, data, sizeof(data), &output, &err), &err);
        berth_strbuf_add(output.stream == BERTH_OUTPUT_STDERR ? &session->err : &session->out, data,
                         output.len);
        session->has_ended |= output.has_ended;
        if (output.len == 0)
            return;
    }
}

/* Waits until the text holds what is wanted; NULL: until the output has ended. */
static void expect(struct session *session, const struct berth_strbuf *text, const char *wanted)
{
    int64_t until = berth_clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        read_some(session);
        if (wanted ? strstr(berth_strbuf_str(text), wanted) != NULL : session->has_ended)
            return;
        ck_assert_msg(!session->has_ended && berth_clock_monotonic_ms() < until, "no %s in: %s",
                      wanted ? wanted : "end", berth_strbuf_str(text));
        struct pollfd poll_fd = {.fd = berth_exec_fd(session->exec), .events = POLLIN};
        (void)poll(&poll_fd, 1, 1000);
    }
}

static void type(struct session *session, const char *text)
{
    struct berth_error err = BERTH_ERROR_INIT;
    size_t sent = 0;
    while (sent < strlen(text)) {
        size_t written = 0;
        ASSERT_OK(berth_exec_write(session->exec, text + sent, strlen(text) - sent, &written, &err),
                  &err);
        sent += written;
    }
}

static int exit_code(struct session *session)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int code = -1;
    expect(session, &session->out, NULL);
    ASSERT_OK(berth_exec_exit_code(session->exec, &code, &err), &err);
    return code;
}

static char *running_app(struct fixture *fixture)
{
    char *id = app_create(fixture, "ana");
    act_ok(fixture, BERTH_VERB_START, id);
    return id;
}

START_TEST(a_shell_answers_and_ends)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    BERTH_CLEANUP(session) struct session session = open_session(&fixture, id, &terminal);
    type(&session, "echo one two\n");
    expect(&session, &session.out, "\none two\r\n");
    type(&session, "exit 7\n");
    ck_assert_int_eq(exit_code(&session), 7);
    ck_assert_uint_eq(session.err.len, 0);
}
END_TEST

START_TEST(nothing_precedes_the_output)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    const char *const argv[] = {"echo", "one two", NULL};
    const struct berth_exec_spec spec = {.argv = argv};
    BERTH_CLEANUP(session) struct session session = open_session(&fixture, id, &spec);
    ck_assert_int_eq(exit_code(&session), 0);
    ck_assert_str_eq(berth_strbuf_str(&session.out), "one two\n");
}
END_TEST

START_TEST(a_terminal_has_its_size)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    BERTH_CLEANUP(session) struct session session = open_session(&fixture, id, &terminal);
    struct berth_error err = BERTH_ERROR_INIT;
    type(&session, "stty size\n");
    expect(&session, &session.out, "\n40 100\r\n");
    ASSERT_OK(berth_exec_resize(session.exec, 132, 43, &err), &err);
    type(&session, "stty size\n");
    expect(&session, &session.out, "\n43 132\r\n");
}
END_TEST

START_TEST(without_a_terminal_the_streams_are_apart)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    BERTH_CLEANUP(session) struct session session = open_session(&fixture, id, &pipes);
    type(&session, "echo one\necho two >&2\n");
    expect(&session, &session.out, "one\n");
    expect(&session, &session.err, "two\n");
    type(&session, "exit\n");
    ck_assert_int_eq(exit_code(&session), 0);
    ck_assert_str_eq(berth_strbuf_str(&session.out), "one\n");
    ck_assert_str_eq(berth_strbuf_str(&session.err), "two\n");
}
END_TEST

START_TEST(signals_reach_the_foreground)
{
    static const enum berth_exec_signal numbers[] = {BERTH_EXEC_INT, BERTH_EXEC_TERM,
                                                     BERTH_EXEC_KILL};
    /* What prints is the foreground's already; in memory what is typed is, at once. */
    bool has_programs = strcmp(conformance_ops()->name, "memory") != 0;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    BERTH_CLEANUP(session) struct session session = open_session(&fixture, id, &terminal);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        char mark[32];
        char line[64];
        (void)snprintf(mark, sizeof(mark), "\nbegin %zu\r\n", i);
        (void)snprintf(line, sizeof(line), "echo begin %zu\n", i);
        type(&session, line);
        expect(&session, &session.out, mark);
        type(&session, has_programs ? "sh -c 'echo u''p; exec sleep 1000'\n" : "sleep 1000\n");
        expect(&session, &session.out, has_programs ? "\nup\r\n" : "sleep 1000\r\n");
        ASSERT_OK(berth_exec_signal(session.exec, numbers[i], &err), &err);
        berth_strbuf_clear(&session.out);
    }
    type(&session, "exit 3\n");
    ck_assert_int_eq(exit_code(&session), 3);
}
END_TEST

START_TEST(it_ends_with_the_app)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    BERTH_CLEANUP(session) struct session session = open_session(&fixture, id, &terminal);
    struct berth_error err = BERTH_ERROR_INIT;
    int code;
    if (apps_are_operated())
        act_ok(&fixture, BERTH_VERB_RESTART, id);
    else
        app_end(&fixture, id);
    expect(&session, &session.out, NULL);
    ASSERT_STATUS(berth_exec_exit_code(session.exec, &code, &err), BERTH_E_CANCELLED, &err);
}
END_TEST

START_TEST(many_run_side_by_side)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = running_app(&fixture);
    BERTH_CLEANUP(session) struct session one = open_session(&fixture, id, &terminal);
    BERTH_CLEANUP(session) struct session two = open_session(&fixture, id, &terminal);
    type(&one, "exit 1\n");
    ck_assert_int_eq(exit_code(&one), 1);
    type(&two, "exit 2\n");
    ck_assert_int_eq(exit_code(&two), 2);
}
END_TEST

START_TEST(only_a_running_app_has_one)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    struct berth_exec *exec = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_STATUS(berth_backend_exec(fixture.backend, unknown_id, &terminal, &exec, &err),
                  BERTH_E_NOT_FOUND, &err);
    if (!apps_are_operated())
        app_end(&fixture, id);
    ASSERT_STATUS(berth_backend_exec(fixture.backend, id, &terminal, &exec, &err), BERTH_E_CONFLICT,
                  &err);
    if (!apps_are_operated())
        return;
    act_ok(&fixture, BERTH_VERB_START, id);
    act_ok(&fixture, BERTH_VERB_PAUSE, id);
    ASSERT_STATUS(berth_backend_exec(fixture.backend, id, &terminal, &exec, &err), BERTH_E_CONFLICT,
                  &err);
    act_ok(&fixture, BERTH_VERB_UNPAUSE, id);
    ck_assert_ptr_null(exec);
}
END_TEST

/* ---- The main process's terminal ---- */

static char *shell_app(struct fixture *fixture)
{
    const struct berth_rootfs_spec rootfs = {.command = "/bin/sh", .terminal = true};
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error err = BERTH_ERROR_INIT;
    char *id = NULL;
    spec.rootfs = &rootfs;
    ASSERT_OK(berth_backend_create(fixture->backend, &spec, &id, &err), &err);
    act_ok(fixture, BERTH_VERB_START, id);
    return id;
}

static struct session attach(struct fixture *fixture, const char *id)
{
    struct session session = {.out = BERTH_STRBUF_INIT(OUTPUT_MAX),
                              .err = BERTH_STRBUF_INIT(OUTPUT_MAX)};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_attach(fixture->backend, id, 100, 40, &session.exec, &err), &err);
    return session;
}

START_TEST(the_main_process_outlives_who_is_attached)
{
    if (!conformance_ops()->attach)
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = shell_app(&fixture);
    struct berth_error err = BERTH_ERROR_INIT;
    {
        BERTH_CLEANUP(session) struct session first = attach(&fixture, id);
        type(&first, "stty size\n");
        expect(&first, &first.out, "\n40 100\r\n");
        ASSERT_OK(berth_exec_resize(first.exec, 132, 43, &err), &err);
        type(&first, "here=there\n");
        expect(&first, &first.out, "here=there\r\n");
    }
    ck_assert_int_eq(app_state(&fixture, id), BERTH_APP_RUNNING);
    BERTH_CLEANUP(session) struct session one = attach(&fixture, id);
    BERTH_CLEANUP(session) struct session two = attach(&fixture, id);
    type(&one, "echo over $here\n");
    expect(&one, &one.out, "\nover there\r\n");
    expect(&two, &two.out, "\nover there\r\n");
    type(&two, "exit 7\n");
    ck_assert_int_eq(exit_code(&one), 7);
    ck_assert_int_eq(exit_code(&two), 7);
    ck_assert_int_eq(app_state(&fixture, id), BERTH_APP_EXITED);
}
END_TEST

START_TEST(signals_reach_the_foreground_of_the_main_process)
{
    if (!conformance_ops()->attach)
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = shell_app(&fixture);
    BERTH_CLEANUP(session) struct session session = attach(&fixture, id);
    struct berth_error err = BERTH_ERROR_INIT;
    type(&session, "sh -c 'echo u''p; exec sleep 1000'; echo co''de=$?\n");
    expect(&session, &session.out, "\nup\r\n");
    ASSERT_OK(berth_exec_signal(session.exec, BERTH_EXEC_TERM, &err), &err);
    expect(&session, &session.out, "code=143");
}
END_TEST

TCase *case_exec(void)
{
    TCase *tcase = tcase_create("exec");
    tcase_add_test(tcase, a_shell_answers_and_ends);
    tcase_add_test(tcase, nothing_precedes_the_output);
    tcase_add_test(tcase, a_terminal_has_its_size);
    tcase_add_test(tcase, without_a_terminal_the_streams_are_apart);
    tcase_add_test(tcase, signals_reach_the_foreground);
    tcase_add_test(tcase, it_ends_with_the_app);
    tcase_add_test(tcase, many_run_side_by_side);
    tcase_add_test(tcase, only_a_running_app_has_one);
    tcase_add_test(tcase, the_main_process_outlives_who_is_attached);
    tcase_add_test(tcase, signals_reach_the_foreground_of_the_main_process);
    return tcase;
}
