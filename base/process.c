/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define PIECE_BYTES 4096
#define HANDED_ON   3
#define HANDED_MAX  8

enum { OUT, COMPLAINTS, STREAMS };

struct run {
    pid_t pid;
    int exited;         /* readable once it has ended */
    int pipes[STREAMS]; /* -1 once it has closed its end */
    struct berth_strbuf *texts[STREAMS];
};

/* ---- Starting ---- */

/* What it has open: nothing to read, where it writes to, and what is handed on. */
struct files {
    int ends[STREAMS]; /* -1: nowhere */
    const int *handed_on;
    size_t count;
};

static int add_stream(posix_spawn_file_actions_t *actions, int from, int to)
{
    return from < 0 ? posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_WRONLY, 0)
                    : posix_spawn_file_actions_adddup2(actions, from, to);
}

static int add_files(posix_spawn_file_actions_t *actions, int directory, const struct files *files)
{
    int rc = directory < 0 ? posix_spawn_file_actions_addchdir_np(actions, "/")
                           : posix_spawn_file_actions_addfchdir_np(actions, directory);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = add_stream(actions, files->ends[OUT], STDOUT_FILENO);
    if (!rc)
        rc = add_stream(actions, files->ends[COMPLAINTS], STDERR_FILENO);
    for (size_t i = 0; !rc && i < files->count; i++)
        rc = posix_spawn_file_actions_adddup2(actions, files->handed_on[i], HANDED_ON + (int)i);
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, HANDED_ON + (int)files->count);
    return rc;
}

/* A group or session of its own, and signals as a program expects them: our threads block all of
 * them. */
static int set_attributes(posix_spawnattr_t *attributes, short leads)
{
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int rc = posix_spawnattr_setflags(
        attributes, (short)(leads | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    if (!rc)
        rc = posix_spawnattr_setpgroup(attributes, 0);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (!rc)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    return rc;
}

/* 0 or an errno. */
static int spawn(const struct berth_process *process, const struct files *files, short leads,
                 pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return rc;
    }
    rc = add_files(&actions, process->directory, files);
    if (!rc)
        rc = set_attributes(&attributes, leads);
    if (!rc)
        rc = posix_spawn(ret_pid, process->argv[0], &actions, &attributes,
                         (char *const *)(uintptr_t)process->argv,
                         (char *const *)(uintptr_t)process->envp);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int refuse(const struct berth_process *process, int errnum, struct berth_error *err)
{
    return berth_error_set_errno(
        err, errnum == ENOENT || errnum == EACCES ? BERTH_E_NOT_FOUND : BERTH_E_INTERNAL, errnum,
        "%s cannot be run", process->argv[0]);
}

/* Its own end is left to block; ours is not. */
static int open_pipe(int *ret_ours, int *ret_its)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    *ret_ours = ends[0];
    *ret_its = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int start(const struct berth_process *process, struct run *run, struct berth_error *err)
{
    struct files files = {{-1, -1}, &process->handed_on, process->handed_on >= 0};
    int rc = 0;
    if (open_pipe(&run->pipes[OUT], &files.ends[OUT]) < 0 ||
        open_pipe(&run->pipes[COMPLAINTS], &files.ends[COMPLAINTS]) < 0)
        rc = errno;
    if (!rc)
        rc = spawn(process, &files, POSIX_SPAWN_SETPGROUP, &run->pid);
    for (size_t i = 0; i < STREAMS; i++)
        berth_fd_close(&files.ends[i]);
    if (rc)
        return refuse(process, rc, err);
    run->exited = pidfd_open(run->pid, 0);
    return run->exited < 0 ? berth_error_set_errno(err, BERTH_E_INTERNAL, errno,
                                                   "%s cannot be waited for", process->argv[0])
                           : 0;
}

/* ---- Waiting ---- */

/* Takes what is there of one stream. */
static void collect(struct run *run, size_t i)
{
    char piece[PIECE_BYTES];
    while (run->pipes[i] >= 0) {
        ssize_t got = read(run->pipes[i], piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            berth_fd_close(&run->pipes[i]);
            return;
        }
        size_t room = run->texts[i]->cap - run->texts[i]->len;
        berth_strbuf_add(run->texts[i], piece, (size_t)got < room ? (size_t)got : room);
    }
}

/* False when the time is up before it has ended. */
static bool wait_ended(struct run *run, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd polled[] = {
            {.fd = run->pipes[OUT], .events = POLLIN},
            {.fd = run->pipes[COMPLAINTS], .events = POLLIN},
            {.fd = run->exited, .events = POLLIN},
        };
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms < 0)
            left_ms = 0; /* what has ended by then has, however late we look */
        (void)poll(polled, 3, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        for (size_t i = 0; i < STREAMS; i++)
            if (polled[i].revents)
                collect(run, i);
        if (polled[STREAMS].revents || left_ms == 0)
            return polled[STREAMS].revents != 0;
    }
}

/* Ends what is left of it. It is waited for last: until then, no other group can have its number.
 */
static int end(struct run *run)
{
    siginfo_t how = {0};
    (void)kill(-run->pid, SIGKILL);
    while (waitid(P_PID, (id_t)run->pid, &how, WEXITED) < 0 && errno == EINTR)
        ;
    for (size_t i = 0; i < STREAMS; i++)
        collect(run, i);
    return how.si_code == CLD_EXITED ? how.si_status : 128 + how.si_status;
}

int berth_process_run(const struct berth_process *process, struct berth_strbuf *out,
                      struct berth_strbuf *complaints, int *ret_code, struct berth_error *err)
{
    struct run run = {.exited = -1, .pipes = {-1, -1}, .texts = {out, complaints}};
    int64_t deadline_ms = berth_clock_monotonic_ms() + process->timeout_ms;
    int rc = start(process, &run, err);
    bool ended = rc == 0 && wait_ended(&run, deadline_ms);
    int code = run.pid ? end(&run) : 0;
    berth_fd_close(&run.exited);
    for (size_t i = 0; i < STREAMS; i++)
        berth_fd_close(&run.pipes[i]);
    if (rc < 0)
        return rc;
    if (!ended)
        return berth_error_set(err, BERTH_E_TIMEOUT, "%s did not end within %lld ms",
                               process->argv[0], (long long)process->timeout_ms);
    rc = berth_strbuf_check(out, err);
    if (rc == 0)
        rc = berth_strbuf_check(complaints, err);
    if (rc == 0)
        *ret_code = code;
    return rc;
}

/* ---- Without waiting ---- */

/* Copies with numbers past all that they become, so that none is overwritten before its turn. */
static int copy_files(const int *files, size_t count, int *copies)
{
    for (size_t i = 0; i < count; i++) {
        copies[i] = fcntl(files[i], F_DUPFD_CLOEXEC, HANDED_ON + HANDED_MAX);
        if (copies[i] < 0)
            return errno;
    }
    return 0;
}

int berth_process_start(const struct berth_process *process, const int *files, size_t count,
                        pid_t *ret_pid, struct berth_error *err)
{
    int copies[HANDED_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};
    struct files given = {{-1, -1}, copies, count};
    pid_t pid;
    int rc = count > HANDED_MAX ? EINVAL : copy_files(files, count, copies);
    if (!rc)
        rc = spawn(process, &given, POSIX_SPAWN_SETSID, &pid);
    for (size_t i = 0; i < HANDED_MAX; i++)
        berth_fd_close(&copies[i]);
    if (rc)
        return refuse(process, rc, err);
    *ret_pid = pid;
    return 0;
}
