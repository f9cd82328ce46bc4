/* SPDX-License-Identifier: MIT */
/* * A process started in an app by the runtime's exec, with a terminal whose
 * master the runtime sends over a socket, or with pipes. The runtime stays beside
 * it and ends as it does. runc does not send a master if it stays: it has a
 * terminal of ours for its own, and passes on what comes and goes.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_EXEC_START_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_EXEC_START_H

#include "backends/rootfs/rootfs_internal.h"

/* All open files of ours do not block. -1: there is none. */
struct berth_rootfs_started {
    int master; /* of its terminal, or of one that the runtime passes on from */
    bool is_passed_on;
    int pipes[3]; /* without one: to its input, from its output and its errors */
    int runtime;  /* pidfd of the runtime */
    pid_t runtime_pid;
    pid_t pid; /* its own, of the host; 0: it never ran, and the output says why */
};

#define BERTH_ROOTFS_STARTED_INIT                                                                  \
    {                                                                                              \
        .master = -1, .pipes = {-1, -1, -1}, .runtime = -1                                         \
    }

/* process: the OCI process object as text. Waits until it runs, for timeout_ms at most.
 * BERTH_E_REFUSED: there is no terminal, the runtime's own words say why. Fills ret_started as far
 * as it comes, on failure too. */
BERTH_MUST_CHECK int berth_rootfs_exec_start(const struct berth_rootfs_app *app,
                                             const char *process,
                                             const struct berth_exec_spec *spec, int64_t timeout_ms,
                                             struct berth_rootfs_started *ret_started,
                                             struct berth_error *err);

/* Removes what is left in an app's folder of starts that were cut short. */
BERTH_MUST_CHECK int berth_rootfs_exec_tidy(int folder, struct berth_error *err);

#endif
