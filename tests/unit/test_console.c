/* SPDX-License-Identifier: MIT */
#include "base/thread.h"
#include "gateway/console.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PATIENCE_MS 30000

/* A process that is the test itself: what is written to `far` it prints. */
struct process {
    struct berth_exec head;
    int near;
    int far;
    atomic_uint size;    /* cols × 1000 + rows, of the last resize */
    atomic_int signal;   /* the last */
    atomic_bool stderr_; /* all it prints is on stderr */
};

static struct process *process_of(struct berth_exec *exec)
{
    return (struct process *)(void *)exec;
}

static int process_fd(const struct berth_exec *exec)
{
    return ((const struct process *)(const void *)exec)->near;
}

static int process_read(struct berth_exec *exec, char *data, size_t size,
                        struct berth_exec_output *ret_output, struct berth_error *err)
{
    const struct process *process = process_of(exec);
    ssize_t got = recv(process->near, data, size, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN)
        return berth_error_set(err, BERTH_E_UNREACHABLE, "broken");
    *ret_output = (struct berth_exec_output){
        .stream = process->stderr_ ? BERTH_OUTPUT_STDERR : BERTH_OUTPUT_STDOUT,
        .len = got > 0 ? (size_t)got : 0,
        .has_ended = got == 0,
    };
    return 0;
}

static int process_write(struct berth_exec *exec, const char *data, size_t len, size_t *ret_written,
                         struct berth_error *err)
{
    (void)err;
    ssize_t done = send(process_of(exec)->near, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    *ret_written = done > 0 ? (size_t)done : errno == EAGAIN ? 0 : len;
    return 0;
}

static int process_resize(struct berth_exec *exec, unsigned cols, unsigned rows,
                          struct berth_error *err)
{
    (void)err;
    process_of(exec)->size = cols * 1000 + rows;
    return 0;
}

static int process_signal(struct berth_exec *exec, enum berth_exec_signal number,
                          struct berth_error *err)
{
    process_of(exec)->signal = number;
    return berth_error_set(err, BERTH_E_UNREACHABLE, "which does not matter");
}

static const struct berth_exec_ops process_ops = {
    .fd = process_fd,
    .read = process_read,
    .write = process_write,
    .resize = process_resize,
    .signal = process_signal,
};

/* A console in a thread, on a terminal whose other side is `master`, or on pipes. */
struct run {
    struct process process;
    struct berth_console console;
    const char *before; /* what its log has at first */
    const char *later;  /* and beyond that by the time that its output is there, or NULL */
    atomic_uint looks;
    int master;
    int slave;
    int output; /* of pipes: where it can be read */
    pthread_t thread;
    int status;
    enum berth_console_end end;
};

static void read_past(void *ctx, struct berth_strbuf *log)
{
    struct run *run = ctx;
    berth_strbuf_adds(log, run->before);
    if (run->looks++ > 0 && run->later)
        berth_strbuf_adds(log, run->later);
}

static void *console_thread(void *ctx)
{
    struct run *run = ctx;
    const struct berth_console_past past = {read_past, run};
    struct berth_error err = BERTH_ERROR_INIT;
    run->status = berth_console_run(&run->console, &run->process.head, &past, &run->end, &err);
    return NULL;
}

static void send_text(int fd, const char *text, size_t len)
{
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
}

/* printed: by the process, until then. */
static void start(struct run *run, int in, int out, const char *before, const char *printed)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    run->process.head.ops = &process_ops;
    run->process.near = pair[0];
    run->process.far = pair[1];
    run->process.signal = -1;
    run->before = before;
    send_text(pair[1], printed, strlen(printed));
    ck_assert_int_eq(berth_console_open(in, out, out, &run->console, NULL), 0);
    ck_assert_int_eq(pthread_create(&run->thread, NULL, console_thread, run), 0);
}

static void start_on_terminal(struct run *run, const char *before, const char *printed)
{
    struct winsize size = {.ws_col = 100, .ws_row = 30};
    ck_assert_int_eq(openpty(&run->master, &run->slave, NULL, NULL, &size), 0);
    start(run, run->slave, run->slave, before, printed);
}

static bool is_raw(const struct run *run)
{
    struct termios mode;
    ck_assert_int_eq(tcgetattr(run->slave, &mode), 0);
    return !(mode.c_lflag & ICANON);
}

static void release(struct run *run)
{
    berth_console_close(&run->console);
    (void)close(run->process.near);
    (void)close(run->process.far);
}

/* Waits for the end of a console on a terminal. */
static void finish(struct run *run, enum berth_console_end end)
{
    ck_assert_int_eq(pthread_join(run->thread, NULL), 0);
    ck_assert_int_eq(run->status, 0);
    ck_assert_int_eq(run->end, end);
    ck_assert(!is_raw(run));
    release(run);
    (void)close(run->master);
    (void)close(run->slave);
}

static void expect(int fd, const char *text)
{
    char got[256] = "";
    size_t len = 0;
    while (len < strlen(text)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ck_assert_msg(poll(&ready, 1, PATIENCE_MS) == 1, "waited for \"%s\", got \"%s\"", text,
                      got);
        ssize_t more = read(fd, got + len, strlen(text) - len);
        ck_assert_int_gt(more, 0);
        len += (size_t)more;
    }
    ck_assert_str_eq(got, text);
}

#define SEND(fd, text) send_text(fd, text, sizeof(text) - 1)

#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int waited_ms = 0; !(condition); waited_ms++) {                                       \
            ck_assert_msg(waited_ms < PATIENCE_MS, "%s", #condition);                              \
            (void)usleep(1000);                                                                    \
        }                                                                                          \
    } while (0)

START_TEST(a_terminal_is_raw_while_it_runs_and_as_before_after)
{
    struct run run = {0};
    start_on_terminal(&run, "", "");
    SEND(run.process.far, "prompt\n");
    expect(run.master, "prompt\n"); /* not \r\n: nothing is added */
    ck_assert(is_raw(&run));
    SEND(run.master, "ls\r\x03\x1a");
    expect(run.process.far, "ls\r\x03\x1a");
    SEND(run.process.far, "last words");
    (void)shutdown(run.process.far, SHUT_WR);
    expect(run.master, "last words");
    finish(&run, BERTH_CONSOLE_ENDED);
}
END_TEST

START_TEST(the_keys_detach)
{
    static const struct {
        const char *name;
        const char *typed[3]; /* one after the other */
        const char *passed;
    } rows[] = {
        {"at once", {"\x10\x11"}, ""},
        {"one by one", {"\x10", "\x11"}, ""},
        {"behind text", {"exit", "\x10\x11"}, "exit"},
        {"the first twice", {"\x10\x10\x11"}, "\x10"},
        {"the first alone",
         {"\x10"
          "a",
          "\x10\x11"},
         "\x10"
         "a"},
        {"the second alone",
         {"\x11", "b\x10\x11"},
         "\x11"
         "b"},
        {"and what is typed behind them",
         {"\x10\x11"
          "c"},
         ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct run run = {0};
        start_on_terminal(&run, "", "");
        SEND(run.process.far, "$ ");
        expect(run.master, "$ ");
        for (size_t j = 0; j < UNIT_COUNT(rows[i].typed) && rows[i].typed[j]; j++)
            send_text(run.master, rows[i].typed[j], strlen(rows[i].typed[j]));
        (void)pthread_join(run.thread, NULL);
        ck_assert_msg(run.end == BERTH_CONSOLE_DETACHED, "%s", rows[i].name);
        ck_assert(!is_raw(&run));
        char got[16] = "";
        (void)recv(run.process.far, got, sizeof(got) - 1, MSG_DONTWAIT);
        ck_assert_msg(strncmp(got, rows[i].passed, strlen(got)) == 0, "%s: %s", rows[i].name, got);
        release(&run);
        (void)close(run.master);
        (void)close(run.slave);
    }
}
END_TEST

START_TEST(its_size_is_passed_on)
{
    struct run run = {0};
    unsigned cols = 0;
    unsigned rows = 0;
    start_on_terminal(&run, "", "");
    berth_console_size(&run.console, &cols, &rows);
    ck_assert_uint_eq(cols, 100);
    ck_assert_uint_eq(rows, 30);
    struct winsize size = {.ws_col = 132, .ws_row = 43};
    ck_assert_int_eq(ioctl(run.master, TIOCSWINSZ, &size), 0);
    ck_assert_int_eq(kill(getpid(), SIGWINCH), 0);
    WAIT_UNTIL(run.process.size == 132043);
    (void)shutdown(run.process.far, SHUT_WR);
    finish(&run, BERTH_CONSOLE_ENDED);
}
END_TEST

START_TEST(signals_are_passed_on_and_a_hang_up_detaches)
{
    static const struct {
        int sent;
        int passed;
    } rows[] = {
        {SIGINT, BERTH_EXEC_INT},   {SIGQUIT, BERTH_EXEC_QUIT}, {SIGTERM, BERTH_EXEC_TERM},
        {SIGUSR1, BERTH_EXEC_USR1}, {SIGUSR2, BERTH_EXEC_USR2},
    };
    struct run run = {0};
    start_on_terminal(&run, "", "");
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_int_eq(kill(getpid(), rows[i].sent), 0);
        WAIT_UNTIL(run.process.signal == rows[i].passed);
    }
    ck_assert(is_raw(&run));
    ck_assert_int_eq(kill(getpid(), SIGHUP), 0);
    finish(&run, BERTH_CONSOLE_DETACHED);
}
END_TEST

START_TEST(a_terminal_that_goes_away_detaches)
{
    struct run run = {0};
    start_on_terminal(&run, "", "");
    SEND(run.process.far, "$ ");
    expect(run.master, "$ ");
    (void)close(run.master);
    (void)pthread_join(run.thread, NULL);
    ck_assert_int_eq(run.status, 0);
    ck_assert_int_eq(run.end, BERTH_CONSOLE_DETACHED);
    release(&run);
    (void)close(run.slave);
}
END_TEST

START_TEST(pipes_end_as_a_terminal_does)
{
    static const struct {
        const char *name;
        const char *input;
        const char *passed;
    } rows[] = {
        {"whole lines", "ls\nexit 3\n", "ls\nexit 3\n\x04"},
        {"within a line", "ls", "ls\n\x04"},
        {"nothing", "", "\x04"},
        {"the keys are none there", "a\x10\x11\n", "a\x10\x11\n\x04"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct run run = {0};
        int in[2];
        int out[2];
        ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
        start(&run, in[0], out[1], "", "");
        send_text(in[1], rows[i].input, strlen(rows[i].input));
        (void)close(in[1]);
        expect(run.process.far, rows[i].passed);
        run.process.stderr_ = i == 0;
        SEND(run.process.far, "done\r\n");
        (void)shutdown(run.process.far, SHUT_WR);
        expect(out[0], "done\r\n");
        (void)pthread_join(run.thread, NULL);
        ck_assert_msg(run.status == 0 && run.end == BERTH_CONSOLE_ENDED, "%s", rows[i].name);
        release(&run);
        (void)close(in[0]);
        (void)close(out[0]);
        (void)close(out[1]);
    }
}
END_TEST

START_TEST(output_that_nobody_takes_is_an_error)
{
    struct run run = {0};
    int in[2];
    int out[2];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    (void)close(out[0]);
    start(&run, in[0], out[1], "", "");
    SEND(run.process.far, "lost");
    (void)pthread_join(run.thread, NULL);
    ck_assert_int_eq(run.status, BERTH_E_IO);
    release(&run);
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(out[1]);
}
END_TEST

START_TEST(what_was_printed_before_is_shown_once)
{
    static const struct {
        const char *name;
        const char *before;
        const char *later;
        const char *printed;
        const char *shown;
    } rows[] = {
        {"all of it again", "ready\r\n$ ", "!", "ready\r\n$ !", "ready\r\n$ !"},
        {"the end of it again", "ready\r\n$ ", "!", "$ !", "ready\r\n$ !"},
        {"none of it again", "ready\r\n", NULL, "$ !", "ready\r\n$ !"},
        {"nothing before", "", NULL, "$ !", "$ !"},
        {"more than before", "$", " $ !", "$ $ !", "$ $ !"},
        {"a prompt that nobody heard", "", "ready\r\n$ !", "!", "ready\r\n$ !"},
        {"and one after what was seen", "ready\r\n", "$ !", "!", "ready\r\n$ !"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct run run = {.later = rows[i].later};
        start_on_terminal(&run, rows[i].before, rows[i].printed);
        expect(run.master, rows[i].shown);
        (void)shutdown(run.process.far, SHUT_WR);
        finish(&run, BERTH_CONSOLE_ENDED);
    }
    ck_assert_uint_eq(berth_console_overlap("abab", 4, "abc", 3), 2);
    ck_assert_uint_eq(berth_console_overlap("aaa", 3, "aaaa", 4), 3);
    ck_assert_uint_eq(berth_console_overlap("abc", 3, "xabc", 4), 0);
    ck_assert_uint_eq(berth_console_overlap("", 0, "x", 1), 0);
}
END_TEST

/* The log is ahead by more than a moment: who writes both was held up in between. */
START_TEST(what_the_log_has_and_is_printed_late_is_shown_once)
{
    struct run run = {.later = "ready\r\n$ "};
    start_on_terminal(&run, "", "ready");
    expect(run.master, "ready\r\n$ ");
    (void)usleep(200000);
    SEND(run.process.far, "\r\n$ !");
    expect(run.master, "!");
    (void)shutdown(run.process.far, SHUT_WR);
    finish(&run, BERTH_CONSOLE_ENDED);
}
END_TEST

/* More than one reading of the process gives, which is in the log by then. */
START_TEST(much_that_was_printed_before_is_shown_once)
{
    char text[3 * 4096 + 1];
    for (size_t i = 0; i < sizeof(text) - 1; i += 8)
        (void)snprintf(text + i, 9, "%06zu\r\n", i / 8);
    struct run run = {.later = text};
    int in[2];
    int out[2];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    start(&run, in[0], out[1], "", text);
    SEND(run.process.far, "!");
    (void)shutdown(run.process.far, SHUT_WR);
    (void)pthread_join(run.thread, NULL);
    ck_assert_int_eq(run.status, 0);
    (void)close(out[1]);
    char got[2 * sizeof(text)] = "";
    ssize_t len = 0;
    for (ssize_t more; (more = read(out[0], got + len, sizeof(got) - 1 - (size_t)len)) > 0;)
        len += more;
    ck_assert_uint_eq((size_t)len, sizeof(text));
    ck_assert_int_eq(memcmp(got, text, sizeof(text) - 1), 0);
    ck_assert_int_eq(got[len - 1], '!');
    release(&run);
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(out[0]);
}
END_TEST

UNIT_SUITE("console", a_terminal_is_raw_while_it_runs_and_as_before_after, the_keys_detach,
           its_size_is_passed_on, signals_are_passed_on_and_a_hang_up_detaches,
           a_terminal_that_goes_away_detaches, pipes_end_as_a_terminal_does,
           output_that_nobody_takes_is_an_error, what_was_printed_before_is_shown_once,
           what_the_log_has_and_is_printed_late_is_shown_once,
           much_that_was_printed_before_is_shown_once)
