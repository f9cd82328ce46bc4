/* SPDX-License-Identifier: MIT */
#include "gateway/prompt.h"

#include "base/limits.h"
#include "base/text.h"

#include <signal.h>
#include <string.h>
#include <termios.h>

/* One line without its newline into line (room for BERTH_PASSWORD_MAX and two more bytes). */
static int read_line(char line[static BERTH_PASSWORD_MAX + 2], struct berth_error *err)
{
    if (!fgets(line, BERTH_PASSWORD_MAX + 2, stdin))
        return berth_error_set(err, BERTH_E_INVALID, "no password was given");
    size_t len = strlen(line);
    if (len > 0 && line[len - 1] == '\n')
        line[len - 1] = '\0';
    else if (len > BERTH_PASSWORD_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "a password has at most %d bytes",
                               BERTH_PASSWORD_MAX);
    return 0;
}

static int ask(const char *question, const char *user, char line[static BERTH_PASSWORD_MAX + 2],
               struct berth_error *err)
{
    (void)fprintf(stderr, "%s for %s: ", question, user);
    int r = read_line(line, err);
    (void)fputc('\n', stderr);
    return r;
}

/* Ctrl-C must not leave a terminal without echo: signals wait until it is back. */
static int ask_unseen(const char *user, char first[static BERTH_PASSWORD_MAX + 2],
                      struct berth_error *err)
{
    char second[BERTH_PASSWORD_MAX + 2] = "";
    struct termios normal;
    sigset_t interrupts;
    sigset_t before;
    if (tcgetattr(STDIN_FILENO, &normal) < 0)
        return berth_error_set(err, BERTH_E_IO, "the terminal cannot be asked for a password");
    (void)sigemptyset(&interrupts);
    (void)sigaddset(&interrupts, SIGINT);
    (void)sigaddset(&interrupts, SIGTSTP);
    (void)sigaddset(&interrupts, SIGQUIT);
    (void)sigprocmask(SIG_BLOCK, &interrupts, &before);
    struct termios unseen = normal;
    unseen.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    int r = ask("New password", user, first, err);
    if (r == 0)
        r = ask("Once more", user, second, err);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &normal);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (r == 0 && strchr(first, '\003'))
        r = berth_error_set(err, BERTH_E_CANCELLED, "interrupted");
    if (r == 0 && strcmp(first, second) != 0)
        r = berth_error_set(err, BERTH_E_INVALID, "the two passwords differ");
    explicit_bzero(second, sizeof(second));
    return r;
}

int berth_prompt_password(const char *user, char **ret_password, struct berth_error *err)
{
    char line[BERTH_PASSWORD_MAX + 2] = "";
    int r = isatty(STDIN_FILENO) ? ask_unseen(user, line, err) : read_line(line, err);
    char *copy = r == 0 ? berth_text_dup(line) : NULL;
    explicit_bzero(line, sizeof(line));
    if (copy)
        *ret_password = copy;
    return r == 0 && !copy ? berth_error_nomem(err) : r;
}
