/* SPDX-License-Identifier: MIT */
#include "gateway/console.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#define INPUT_MAX   4096
#define OUTPUT_MAX  4096 /* what a pipe that polls as writable takes without waiting */
#define FIRST_MS    100  /* for output that the log may have already */
#define LATE_MS     2000 /* for output that it has */
#define COLS        80
#define ROWS        24
#define DETACH_KEY  0x10 /* Ctrl-P, then … */
#define DETACH_NEXT 0x11 /* Ctrl-Q */
#define END_OF_FILE 0x04 /* Ctrl-D */

/* Until an end is told again, doubled each time. What reads nothing keeps all of them in its
 * terminal, which has room for some thousands. */
#define END_MIN_MS 250
#define END_MAX_MS 60000

/* What came for one side and waits for the other. */
struct piece {
    char data[INPUT_MAX > OUTPUT_MAX ? INPUT_MAX : OUTPUT_MAX];
    size_t at;
    size_t len;
};

struct link {
    struct berth_console *console;
    struct berth_exec *exec;
    struct piece input;
    struct piece output;
    int to; /* where the output goes */
    bool input_ended;
    int64_t end_again_ms; /* monotonic: when its end is told again */
    int64_t end_pause_ms;
    bool is_line_begun; /* the input so far ends within a line */
    bool detach_begun;  /* its last byte was the first of the keys */
    bool may_print;     /* the process may have printed something */
    bool has_ended;
    bool is_detached;
    const struct berth_console_past *past; /* NULL: all of it is shown */
};

static const struct {
    int number;
    enum berth_exec_signal signal;
} passed_on[] = {
    {SIGINT, BERTH_EXEC_INT},   {SIGQUIT, BERTH_EXEC_QUIT}, {SIGTERM, BERTH_EXEC_TERM},
    {SIGUSR1, BERTH_EXEC_USR1}, {SIGUSR2, BERTH_EXEC_USR2},
};

/* ---- Life ---- */

static void handle(struct berth_console *console)
{
    static const int others[] = {SIGHUP, SIGTSTP, SIGWINCH, SIGPIPE};
    (void)sigemptyset(&console->handled);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        (void)sigaddset(&console->handled, passed_on[i].number);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        (void)sigaddset(&console->handled, others[i]);
}

int berth_console_open(int in, int out, int err_out, struct berth_console *ret_console,
                       struct berth_error *err)
{
    struct berth_console console = {.in = in, .out = out, .err = err_out};
    console.has_terminal = tcgetattr(in, &console.mode) == 0;
    handle(&console);
    console.signals = signalfd(-1, &console.handled, SFD_CLOEXEC | SFD_NONBLOCK);
    if (console.signals < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "signalfd: %m");
    (void)pthread_sigmask(SIG_BLOCK, &console.handled, &console.mask);
    *ret_console = console;
    return 0;
}

static void set_raw(const struct berth_console *console, bool raw)
{
    struct termios mode = console->mode;
    if (raw)
        cfmakeraw(&mode);
    if (console->has_terminal)
        (void)tcsetattr(console->in, TCSANOW, &mode);
}

void berth_console_close(struct berth_console *console)
{
    if (console->signals < 0)
        return;
    (void)pthread_sigmask(SIG_SETMASK, &console->mask, NULL);
    berth_fd_close(&console->signals);
}

void berth_console_size(const struct berth_console *console, unsigned *ret_cols, unsigned *ret_rows)
{
    struct winsize size = {0};
    if (console->has_terminal)
        (void)ioctl(console->in, TIOCGWINSZ, &size);
    *ret_cols = size.ws_col ? size.ws_col : COLS;
    *ret_rows = size.ws_row ? size.ws_row : ROWS;
}

/* ---- Input ---- */

/* Takes the keys out of what was typed; what is between them and another key is none of them. */
static void take_keys(struct link *link, const char *data, size_t len)
{
    struct piece *input = &link->input;
    for (size_t i = 0; i < len && !link->is_detached; i++) {
        bool ends = link->detach_begun && data[i] == DETACH_NEXT;
        if (link->detach_begun && !ends)
            input->data[input->len++] = DETACH_KEY;
        link->detach_begun = !ends && data[i] == DETACH_KEY;
        link->is_detached = ends;
        if (!ends && !link->detach_begun)
            input->data[input->len++] = data[i];
    }
}

/*
 * To whoever reads from now on: it would find the end of a file as often as it
 * looked. Here it is a key, which has no such meaning where a shell that edits
 * its lines runs a program meanwhile.
 */
static void tell_end(struct link *link)
{
    struct piece *input = &link->input;
    link->end_pause_ms = link->end_pause_ms == 0 ? END_MIN_MS : 2 * link->end_pause_ms;
    if (link->end_pause_ms > END_MAX_MS)
        link->end_pause_ms = END_MAX_MS;
    link->end_again_ms = berth_clock_monotonic_ms() + link->end_pause_ms;
    input->data[input->len++] = END_OF_FILE;
}

static void tell_end_again(struct link *link)
{
    if (!link->input_ended || link->input.at < link->input.len ||
        berth_clock_monotonic_ms() < link->end_again_ms)
        return;
    link->input.at = link->input.len = 0;
    tell_end(link);
}

/* A terminal reads an end where a line begins; so the last line is given its own. */
static void end_input(struct link *link)
{
    struct piece *input = &link->input;
    link->input_ended = true;
    if (link->console->has_terminal) {
        link->is_detached = true; /* it was hung up */
        return;
    }
    if (link->is_line_begun)
        input->data[input->len++] = '\n';
    tell_end(link);
}

static void read_input(struct link *link)
{
    char data[INPUT_MAX - 1]; /* the key that was kept back goes before it */
    link->input.at = link->input.len = 0;
    ssize_t got = read(link->console->in, data, sizeof(data));
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        end_input(link);
        return;
    }
    link->is_line_begun = data[got - 1] != '\n';
    if (link->console->has_terminal) {
        take_keys(link, data, (size_t)got);
        return;
    }
    memcpy(link->input.data, data, (size_t)got);
    link->input.len = (size_t)got;
}

static int pass_input(struct link *link, struct berth_error *err)
{
    struct piece *input = &link->input;
    size_t written = 0;
    if (input->at == input->len)
        return 0;
    int rc = berth_exec_write(link->exec, input->data + input->at, input->len - input->at, &written,
                              err);
    input->at += written;
    return rc;
}

/* ---- Output ---- */

static int read_output(struct link *link, struct berth_error *err)
{
    struct piece *output = &link->output;
    struct berth_exec_output got = {.stream = BERTH_OUTPUT_STDOUT};
    if (output->at < output->len || !link->may_print)
        return 0;
    int rc = berth_exec_read(link->exec, output->data, OUTPUT_MAX, &got, err);
    if (rc < 0)
        return rc;
    output->at = 0;
    output->len = got.len;
    link->to = got.stream == BERTH_OUTPUT_STDERR ? link->console->err : link->console->out;
    link->may_print = got.len > 0;
    link->console->has_printed |= got.len > 0;
    link->has_ended = got.len == 0 && got.has_ended;
    return 0;
}

static int write_some(int fd, const char *data, size_t len, size_t *ret_written,
                      struct berth_error *err)
{
    ssize_t done = write(fd, data, len);
    if (done < 0 && errno != EINTR && errno != EAGAIN)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the output cannot be written: %m");
    *ret_written = done > 0 ? (size_t)done : 0;
    return 0;
}

static int write_all(int fd, const char *data, size_t len, struct berth_error *err)
{
    while (len > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        size_t written = 0;
        (void)poll(&ready, 1, -1);
        int rc = write_some(fd, data, len < OUTPUT_MAX ? len : OUTPUT_MAX, &written, err);
        if (rc < 0)
            return rc;
        data += written;
        len -= written;
    }
    return 0;
}

size_t berth_console_overlap(const char *before, size_t before_len, const char *after,
                             size_t after_len)
{
    size_t len = before_len < after_len ? before_len : after_len;
    while (len > 0 && memcmp(before + before_len - len, after, len) != 0)
        len--;
    return len;
}

/* Shows what the past has beyond what of it was shown. */
static int show_past(struct link *link, struct berth_strbuf *log, struct berth_error *err)
{
    size_t shown = link->console->shown;
    link->past->read(link->past->ctx, log);
    if (log->failed)
        berth_strbuf_clear(log);
    if (log->len <= shown)
        return 0;
    link->console->shown = log->len;
    return write_all(link->console->out, log->data + shown, log->len - shown, err);
}

/* How long what is missing may take: where the log goes on behind what came, it is on its way. */
static int patience_with(const struct berth_strbuf *log, const struct berth_strbuf *early)
{
    bool goes_on =
        berth_console_overlap(log->data, log->len, early->data, early->len) < early->len &&
        memmem(log->data, log->len, early->data, early->len);
    return goes_on ? LATE_MS : FIRST_MS;
}

/* As much of the output as may repeat the log, which is a moment ahead. */
static int gather(struct link *link, const struct berth_strbuf *log, struct berth_strbuf *early,
                  struct berth_error *err)
{
    struct piece *output = &link->output;
    for (;;) {
        struct pollfd ready = {.fd = berth_exec_fd(link->exec), .events = POLLIN};
        berth_strbuf_add(early, output->data, output->len);
        output->at = output->len = 0;
        if (early->failed || early->len >= log->len || link->has_ended)
            return berth_strbuf_check(early, err);
        if (!link->may_print && poll(&ready, 1, patience_with(log, early)) <= 0)
            return 0;
        link->may_print = true;
        int rc = read_output(link, err);
        if (rc < 0)
            return rc;
    }
}

/* The first output is there, and the log has all that came before it: what was printed before
 * anybody listened, the log alone. */
static int join_past(struct link *link, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf log = BERTH_STRBUF_INIT(BERTH_CONSOLE_BEFORE_MAX);
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf early = BERTH_STRBUF_INIT(BERTH_CONSOLE_BEFORE_MAX + OUTPUT_MAX);
    int rc = show_past(link, &log, err);
    link->past = NULL;
    if (rc == 0 && log.len > 0)
        rc = gather(link, &log, &early, err);
    if (rc < 0 || early.len == 0)
        return rc;
    size_t again = berth_console_overlap(log.data, log.len, early.data, early.len);
    return write_all(link->console->out, early.data + again, early.len - again, err);
}

/* ---- Signals ---- */

/* Where this and passing a signal on fail, the process has ended, and its output tells. */
static void resize(const struct link *link)
{
    unsigned cols;
    unsigned rows;
    if (!link->console->has_terminal)
        return;
    berth_console_size(link->console, &cols, &rows);
    if (berth_exec_resize(link->exec, cols, rows, NULL) < 0)
        return;
}

/* Stops this program as if nobody had taken the signal; returns when it goes on. */
static void stop_here(const struct link *link)
{
    set_raw(link->console, false);
    (void)raise(SIGSTOP);
    set_raw(link->console, true);
    resize(link);
}

static void pass_on(const struct link *link, int number)
{
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        if (passed_on[i].number == number &&
            berth_exec_signal(link->exec, passed_on[i].signal, NULL) < 0)
            return;
}

static void take_signal(struct link *link)
{
    struct signalfd_siginfo info;
    if (read(link->console->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    int number = (int)info.ssi_signo;
    if (number == SIGWINCH)
        resize(link);
    else if (number == SIGTSTP)
        stop_here(link);
    else if (number == SIGHUP)
        link->is_detached = true;
    else /* none of them: SIGPIPE, of which the writing tells */
        pass_on(link, number);
}

/* ---- All of it ---- */

enum { FROM_INPUT, FROM_PROCESS, FROM_SIGNALS, TO_OUTPUT, SIDES };

/* How long there may be nothing to do; -1: for ever. */
static int patience_of(const struct link *link)
{
    if (!link->input_ended || link->input.at < link->input.len)
        return -1;
    int64_t left_ms = link->end_again_ms - berth_clock_monotonic_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}

/* Waits until there is something to do, for whoever is not held up by the other side. */
static void wait_for_sides(const struct link *link, struct pollfd fds[static SIDES])
{
    bool waits_for_output = link->output.at < link->output.len;
    bool waits_for_process = link->input.at < link->input.len;
    bool takes_input = !waits_for_process && !link->input_ended;
    int of_process = (waits_for_output ? 0 : POLLIN) | (waits_for_process ? POLLOUT : 0);
    fds[FROM_INPUT] = (struct pollfd){takes_input ? link->console->in : -1, POLLIN, 0};
    fds[FROM_PROCESS] =
        (struct pollfd){of_process ? berth_exec_fd(link->exec) : -1, (short)of_process, 0};
    fds[FROM_SIGNALS] = (struct pollfd){link->console->signals, POLLIN, 0};
    fds[TO_OUTPUT] = (struct pollfd){waits_for_output ? link->to : -1, POLLOUT, 0};
    if (poll(fds, SIDES, patience_of(link)) < 0)
        for (size_t i = 0; i < SIDES; i++)
            fds[i].revents = 0;
}

static int turn(struct link *link, struct berth_error *err)
{
    struct pollfd fds[SIDES];
    wait_for_sides(link, fds);
    int rc = 0;
    if (fds[FROM_SIGNALS].revents)
        take_signal(link);
    if (fds[FROM_PROCESS].revents)
        link->may_print = true;
    if (fds[FROM_INPUT].revents)
        read_input(link);
    tell_end_again(link);
    if (rc == 0 && fds[TO_OUTPUT].revents) {
        size_t written = 0;
        struct piece *output = &link->output;
        rc = write_some(link->to, output->data + output->at, output->len - output->at, &written,
                        err);
        output->at += written;
    }
    if (rc == 0)
        rc = pass_input(link, err);
    return rc;
}

int berth_console_run(struct berth_console *console, struct berth_exec *exec,
                      const struct berth_console_past *past, enum berth_console_end *ret_end,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf log = BERTH_STRBUF_INIT(BERTH_CONSOLE_BEFORE_MAX);
    struct link link = {
        .console = console, .exec = exec, .to = console->out, .may_print = true, .past = past};
    set_raw(console, true);
    int rc = past ? show_past(&link, &log, err) : 0;
    while (rc == 0 && !link.is_detached && !link.has_ended) {
        rc = read_output(&link, err);
        if (rc == 0 && link.past && link.output.len > 0)
            rc = join_past(&link, err);
        if (rc == 0 && !link.has_ended && !(link.may_print && link.output.at == link.output.len))
            rc = turn(&link, err);
    }
    set_raw(console, false);
    if (rc == 0)
        *ret_end = link.has_ended ? BERTH_CONSOLE_ENDED : BERTH_CONSOLE_DETACHED;
    return rc;
}
