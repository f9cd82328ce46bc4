/* SPDX-License-Identifier: MIT */
/*
 * An interactive process within an app: its input, its output, its end. What
 * opens one is the backend's verb exec.
 *
 * Nothing waits but where a function says so. Whoever runs one polls its file
 * descriptor: for POLLIN once berth_exec_read() has said that there is nothing
 * more (it may hold what the descriptor no longer shows), for POLLOUT while
 * berth_exec_write() did not take all. What is not read is not read from the
 * app either, which then waits.
 *
 * Threading: one thread at a time; the backend outlives it.
 */
#ifndef BERTH_BACKENDS_EXEC_H
#define BERTH_BACKENDS_EXEC_H

#include "base/error.h"

#include <stdbool.h>

enum berth_output { BERTH_OUTPUT_STDOUT = 1, BERTH_OUTPUT_STDERR = 2 };

/* Strings are borrowed for the call. */
struct berth_exec_spec {
    const char *const *argv; /* ended by NULL; NULL: the app's shell, bash where there is one */
    const char *const *env;  /* "NAME=value", ended by NULL; NULL: none beside the app's own */
    const char *user;        /* "UID[:GID]" or a name of the app's; NULL: as the app itself */
    const char *directory;   /* NULL, or where it is not there: the app's own */
    const char *service; /* of a project: in that one, BERTH_E_INVALID where there is none; NULL:
                            in the one that stands for it */
    bool tty;            /* else stdout and stderr are kept apart */
    unsigned cols;       /* of the terminal; 1 to 65535 each */
    unsigned rows;
};

enum berth_exec_signal {
    BERTH_EXEC_HUP,
    BERTH_EXEC_INT,
    BERTH_EXEC_QUIT,
    BERTH_EXEC_USR1,
    BERTH_EXEC_USR2,
    BERTH_EXEC_TERM,
    BERTH_EXEC_KILL,
};

/* "INT"; NULL-terminated, in the order of the enumeration. */
extern const char *const berth_exec_signal_names[];

/* What one reading gave: len bytes, or with none whether it was the last. */
struct berth_exec_output {
    enum berth_output stream; /* with a terminal, all is stdout */
    size_t len;
    bool has_ended;
};

struct berth_exec;

struct berth_exec_ops {
    int (*fd)(const struct berth_exec *exec);
    int (*read)(struct berth_exec *exec, char *data, size_t size,
                struct berth_exec_output *ret_output, struct berth_error *err);
    int (*write)(struct berth_exec *exec, const char *data, size_t len, size_t *ret_written,
                 struct berth_error *err);
    int (*resize)(struct berth_exec *exec, unsigned cols, unsigned rows, struct berth_error *err);
    int (*signal)(struct berth_exec *exec, enum berth_exec_signal number, struct berth_error *err);
    int (*exit_code)(struct berth_exec *exec, int *ret_code, struct berth_error *err);
    void (*close)(struct berth_exec *exec);
};

/* The head of every one; backends put it first in their own struct. */
struct berth_exec {
    const struct berth_exec_ops *ops;
};

/* To poll; borrowed. */
static inline int berth_exec_fd(const struct berth_exec *exec)
{
    return exec->ops->fd(exec);
}

/* Up to size (at least 1) bytes of one stream. */
BERTH_MUST_CHECK static inline int berth_exec_read(struct berth_exec *exec, char *data, size_t size,
                                                   struct berth_exec_output *ret_output,
                                                   struct berth_error *err)
{
    return exec->ops->read(exec, data, size, ret_output, err);
}

/* Takes as much as goes now: 0 to len bytes. */
BERTH_MUST_CHECK static inline int berth_exec_write(struct berth_exec *exec, const char *data,
                                                    size_t len, size_t *ret_written,
                                                    struct berth_error *err)
{
    return exec->ops->write(exec, data, len, ret_written, err);
}

/* Waits for the engine. Without a terminal it changes nothing. */
BERTH_MUST_CHECK static inline int berth_exec_resize(struct berth_exec *exec, unsigned cols,
                                                     unsigned rows, struct berth_error *err)
{
    return exec->ops->resize(exec, cols, rows, err);
}

/* To the terminal's foreground process group; without a terminal, to the process's own. */
BERTH_MUST_CHECK static inline int berth_exec_signal(struct berth_exec *exec,
                                                     enum berth_exec_signal number,
                                                     struct berth_error *err)
{
    return exec->ops->signal(exec, number, err);
}

/* Once the output has ended: 0 to 255. Waits for the engine. BERTH_E_CANCELLED: it ended because
 * the app did. */
BERTH_MUST_CHECK static inline int berth_exec_exit_code(struct berth_exec *exec, int *ret_code,
                                                        struct berth_error *err)
{
    return exec->ops->exit_code(exec, ret_code, err);
}

/* Hangs up: what the process has started ends with it, by SIGHUP, and by SIGKILL where that does
 * not do; waits for that, for some seconds at most. */
static inline void berth_exec_close(struct berth_exec *exec)
{
    exec->ops->close(exec);
}
BERTH_DEFINE_CLEANUP(exec, struct berth_exec *, berth_exec_close)

#endif
