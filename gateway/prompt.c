/* SPDX-License-Identifier: MIT */
#include "gateway/prompt.h"

#include "base/limits.h"
#include "base/text.h"
#include "facilities/password.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

/* A line as it comes in: one byte more than a password may have, and the NUL. */
struct line {
    char text[BERTH_PASSWORD_MAX + 2];
    size_t len; /* of the whole line, which may be more than text holds */
};

static void line_wipe(struct line *line)
{
    explicit_bzero(line, sizeof(*line));
}
BERTH_DEFINE_CLEANUP_VALUE(line, struct line, line_wipe)

/* The rules of passwords, before anything else is asked; text ends at a NUL that the line has. */
static int check_line(const struct line *line, struct berth_error *err)
{
    if (strlen(line->text) < line->len && line->len <= BERTH_PASSWORD_MAX)
        return berth_error_set(err, BERTH_E_INVALID,
                               "the password must not contain control characters");
    return berth_password_check(line->text, err);
}

/* Byte by byte: what follows the line is not ours. Returns false at the end of the input. */
static bool read_byte(struct line *line, bool *ret_complete)
{
    char c = '\0';
    ssize_t got = read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0)
        return false;
    *ret_complete = c == '\n';
    if (c != '\n' && line->len + 1 < sizeof(line->text))
        line->text[line->len] = c;
    line->len += c != '\n';
    return true;
}

static int read_plain(struct line *line, struct berth_error *err)
{
    bool complete = false;
    while (!complete && read_byte(line, &complete))
        ;
    if (!complete && line->len == 0)
        return berth_error_set(err, BERTH_E_INVALID, "no password was given");
    return check_line(line, err);
}

/* ---- On a terminal ---- */

/* The terminal while it shows nothing; whatever ends or stops the program first restores it. */
struct terminal {
    struct termios normal;
    struct termios unseen;
    sigset_t signals; /* that would end or stop the program */
    sigset_t before;
    int signal_fd;
};

static int terminal_open(struct terminal *terminal, struct berth_error *err)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    if (tcgetattr(STDIN_FILENO, &terminal->normal) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the terminal: %m");
    terminal->unseen = terminal->normal;
    terminal->unseen.c_lflag &= (tcflag_t)~ECHO;
    (void)sigemptyset(&terminal->signals);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaddset(&terminal->signals, signals[i]);
    terminal->signal_fd = signalfd(-1, &terminal->signals, SFD_CLOEXEC);
    if (terminal->signal_fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "signalfd: %m");
    (void)pthread_sigmask(SIG_BLOCK, &terminal->signals, &terminal->before);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->unseen);
    return 0;
}

static void terminal_close(struct terminal *terminal)
{
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->normal);
    (void)pthread_sigmask(SIG_SETMASK, &terminal->before, NULL);
    berth_fd_close(&terminal->signal_fd);
}

/* Lets the signal do what it does, on a normal terminal; returns where it only stopped us. */
static void let_through(struct terminal *terminal)
{
    struct signalfd_siginfo info;
    if (read(terminal->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->normal);
    (void)raise((int)info.ssi_signo);
    (void)pthread_sigmask(SIG_SETMASK, &terminal->before, NULL);
    (void)pthread_sigmask(SIG_BLOCK, &terminal->signals, NULL);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->unseen);
}

static int ask(struct terminal *terminal, const char *question, const char *user, struct line *line,
               struct berth_error *err)
{
    struct pollfd fds[2] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = terminal->signal_fd, .events = POLLIN},
    };
    bool complete = false;
    (void)fprintf(stderr, "%s for %s: ", question, user);
    while (!complete) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents) {
            (void)fputc('\n', stderr);
            let_through(terminal);
            line_wipe(line);
            (void)fprintf(stderr, "%s for %s: ", question, user);
        } else if (fds[0].revents && !read_byte(line, &complete)) {
            break;
        }
    }
    (void)fputc('\n', stderr);
    if (!complete)
        return berth_error_set(err, BERTH_E_INVALID, "no password was given");
    return check_line(line, err);
}

static int ask_twice(const char *user, struct line *line, struct berth_error *err)
{
    BERTH_CLEANUP(line) struct line again = {0};
    struct terminal terminal;
    int r = terminal_open(&terminal, err);
    if (r < 0)
        return r;
    r = ask(&terminal, "New password", user, line, err);
    if (r == 0)
        r = ask(&terminal, "Once more", user, &again, err);
    terminal_close(&terminal);
    if (r == 0 && strcmp(line->text, again.text) != 0)
        return berth_error_set(err, BERTH_E_INVALID, "the two passwords differ");
    return r;
}

int berth_prompt_password(const char *user, char **ret_password, struct berth_error *err)
{
    BERTH_CLEANUP(line) struct line line = {0};
    int r = isatty(STDIN_FILENO) ? ask_twice(user, &line, err) : read_plain(&line, err);
    char *copy = r == 0 ? berth_text_dup(line.text) : NULL;
    if (copy)
        *ret_password = copy;
    return r == 0 && !copy ? berth_error_nomem(err) : r;
}
