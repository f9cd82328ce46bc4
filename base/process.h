/* SPDX-License-Identifier: MIT */
/*
 * Running another program, to its end or for good: an argument vector and an
 * environment of the caller's own, no shell, no file of ours but what is handed
 * over. Of one that is waited for, output is captured up to a bound, and time is
 * limited.
 *
 * Such a program leads a process group of its own. When it has ended, or its
 * time is up, all of that group is killed: nothing of it is left running.
 *
 * Threading: any number at once. SIGCHLD must not be ignored.
 */
#ifndef BERTH_BASE_PROCESS_H
#define BERTH_BASE_PROCESS_H

#include "base/strbuf.h"

#include <sys/types.h>

struct berth_process {
    const char *const *argv; /* argv[0] is the program's path; NULL at the end */
    const char *const *envp; /* all there is of an environment, NULL at the end */
    int directory;           /* an open folder to run in; -1: the root */
    int handed_on;           /* a file that stays open in it, as its file 3; -1: none */
    int64_t timeout_ms;
};

/*
 * Runs it and waits. out and complaints (standard output and error) take as
 * much as their caps allow, the rest is dropped; of input there is none.
 * *ret_code: the exit status, or 128 and the number of the signal that ended it.
 * BERTH_E_NOT_FOUND: no such program, or not to be run; BERTH_E_TIMEOUT.
 */
BERTH_MUST_CHECK int berth_process_run(const struct berth_process *process,
                                       struct berth_strbuf *out, struct berth_strbuf *complaints,
                                       int *ret_code, struct berth_error *err);

/*
 * Starts it, as the leader of a session of its own, and does not wait: it is
 * the caller's child to reap, and ends when it likes. It has nothing to read,
 * what it prints is dropped, and its files 3, 4 and so on are those of files;
 * handed_on and timeout_ms are not looked at. BERTH_E_NOT_FOUND as above.
 */
BERTH_MUST_CHECK int berth_process_start(const struct berth_process *process, const int *files,
                                         size_t count, pid_t *ret_pid, struct berth_error *err);

#endif
