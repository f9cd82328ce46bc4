/* SPDX-License-Identifier: MIT */
/*
 * A process in an app on this program's own terminal, or on its pipes: what is
 * typed goes to it, what it prints comes out, until it ends or who types it
 * detaches, by Ctrl-P Ctrl-Q.
 *
 * On a terminal each key goes to the process, Ctrl-C as well: the terminal is in
 * raw mode meanwhile, and as it was before after every return. Its size is the
 * process's. SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 that are sent to this program are the
 * process's too. SIGHUP detaches. SIGTSTP stops this program, on the terminal as it was.
 *
 * Input that is no terminal ends for the process as a terminal's would, by
 * Ctrl-D at the beginning of a line, now and then again, as files end for
 * whoever reads them; the process's output is waited for then.
 *
 * Threading: one console a program, in one thread. The signals are blocked from
 * open to close: threads that are made between inherit that, others must have
 * blocked them.
 */
#ifndef BERTH_GATEWAY_CONSOLE_H
#define BERTH_GATEWAY_CONSOLE_H

#include "backends/exec.h"
#include "base/strbuf.h"

#include <signal.h>
#include <termios.h>

/* Of what was printed before; of more than that, nothing is shown. */
#define BERTH_CONSOLE_BEFORE_MAX 65536

/* What the process has printed so far, from the first byte on: a log that has each piece before the
 * process's output has it. Appends to log, whose cap is BERTH_CONSOLE_BEFORE_MAX. */
struct berth_console_past {
    void (*read)(void *ctx, struct berth_strbuf *log);
    void *ctx;
};

struct berth_console {
    int in;
    int out;
    int err;
    int signals;         /* signalfd; -1: not open */
    sigset_t handled;    /* what comes by it */
    sigset_t mask;       /* as it was */
    bool has_terminal;   /* in is one */
    struct termios mode; /* of it, as it was */
    bool has_printed;    /* the process has, on it */
    size_t shown;        /* of its past, where it has not */
};

enum berth_console_end { BERTH_CONSOLE_ENDED, BERTH_CONSOLE_DETACHED };

/* The descriptors are borrowed: input, and where the two streams of output go. */
BERTH_MUST_CHECK int berth_console_open(int in, int out, int err_out,
                                        struct berth_console *ret_console, struct berth_error *err);
void berth_console_close(struct berth_console *console);
BERTH_DEFINE_CLEANUP_VALUE(console, struct berth_console, berth_console_close)

/* Columns and rows of the terminal; 80 and 24 where there is none, or it does not know. */
void berth_console_size(const struct berth_console *console, unsigned *ret_cols,
                        unsigned *ret_rows);

/*
 * Runs until the process ends, or detaches. past: what it printed until its output is heard is
 * shown first, and what the output repeats of that is left out. NULL: it is not to be shown.
 * BERTH_E_IO: the output can be written no more.
 */
BERTH_MUST_CHECK int berth_console_run(struct berth_console *console, struct berth_exec *exec,
                                       const struct berth_console_past *past,
                                       enum berth_console_end *ret_end, struct berth_error *err);

/* How many of the last bytes of before are the first of after. */
size_t berth_console_overlap(const char *before, size_t before_len, const char *after,
                             size_t after_len);

#endif
