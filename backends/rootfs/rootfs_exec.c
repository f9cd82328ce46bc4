/* SPDX-License-Identifier: MIT */
/*
 * The verb exec. A terminal is the master of a pseudo-terminal that the runtime
 * has handed over: what is read, written, resized and signalled is that, with
 * nobody in between.
 */
#include "backends/rootfs/rootfs_crowd.h"
#include "backends/rootfs/rootfs_exec_spec.h"
#include "backends/rootfs/rootfs_exec_start.h"
#include "backends/rootfs/rootfs_inside.h"
#include "backends/rootfs/rootfs_keeper.h"
#include "backends/rootfs/rootfs_spawn.h"
#include "base/encoding.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>

#define CONFIG_MAX (4U << 20) /* of the app's config.json */
#define KILLED     (128 + SIGKILL)
#define NEVER_RAN  127 /* as a shell says it */
/* What ends an app kills all in it first, and then its own process is gone. */
#define SETTLE_MS 2000
#define REAP_MS   1000 /* until the runtime has ended behind its process */

enum { INPUT, OUTPUT, ERRORS };

struct rootfs_exec {
    struct berth_exec head;
    struct berth_rootfs *rootfs;
    struct berth_rootfs_started at;
    struct berth_rootfs_crowd crowd;
    int init;       /* pidfd of the app's own process */
    int poll;       /* all that there is to wait for */
    bool is_full;   /* what is written is not read: it is waited for */
    bool has_ended; /* and what can be read is all there is */
    int code;
    unsigned turn; /* which of output and errors is read first */
};

static struct rootfs_exec *exec_of(struct berth_exec *exec)
{
    return (struct rootfs_exec *)(void *)exec;
}

static bool has_terminal(const struct rootfs_exec *exec)
{
    return exec->at.master >= 0;
}

static int exec_fd(const struct berth_exec *exec)
{
    return ((const struct rootfs_exec *)(const void *)exec)->poll;
}

static int watch(const struct rootfs_exec *exec, int operation, int fd, unsigned events)
{
    struct epoll_event event = {.events = events};
    return epoll_ctl(exec->poll, operation, fd, &event);
}

/* ---- Output ---- */

static void check_end(struct rootfs_exec *exec)
{
    if (exec->has_ended || !berth_rootfs_await(exec->at.runtime, 0))
        return;
    (void)watch(exec, EPOLL_CTL_DEL, exec->at.runtime, 0);
    exec->code = berth_rootfs_reap(exec->at.runtime);
    if (exec->at.pid == 0)
        exec->code = NEVER_RAN;
    exec->has_ended = true;
}

/* What is there now of one file; at its end it is closed, a terminal's stays open. */
static size_t read_some(struct rootfs_exec *exec, int *fd, char *data, size_t size)
{
    ssize_t got = -1;
    while (*fd >= 0 && (got = read(*fd, data, size)) < 0 && errno == EINTR)
        ;
    if (got > 0)
        return (size_t)got;
    if (*fd < 0 || (got < 0 && errno == EAGAIN))
        return 0;
    (void)watch(exec, EPOLL_CTL_DEL, *fd, 0); /* a hung up one would be told of for ever */
    if (!has_terminal(exec))
        berth_fd_close(fd);
    return 0;
}

static int exec_read(struct berth_exec *head, char *data, size_t size,
                     struct berth_exec_output *ret_output, struct berth_error *err)
{
    struct rootfs_exec *exec = exec_of(head);
    struct berth_exec_output output = {.stream = BERTH_OUTPUT_STDOUT};
    (void)err;
    check_end(exec); /* first: what it has printed by then is read after */
    if (has_terminal(exec)) {
        output.len = read_some(exec, &exec->at.master, data, size);
    } else {
        for (unsigned i = 0; i < 2 && output.len == 0; i++) {
            unsigned which = OUTPUT + exec->turn++ % 2;
            output.stream = which == ERRORS ? BERTH_OUTPUT_STDERR : BERTH_OUTPUT_STDOUT;
            output.len = read_some(exec, &exec->at.pipes[which], data, size);
        }
    }
    output.has_ended = output.len == 0 && exec->has_ended;
    *ret_output = output;
    return 0;
}

/* ---- Input ---- */

/* Whoever polls is woken when there is room again. */
static void set_full(struct rootfs_exec *exec, int fd, bool is_full)
{
    if (exec->is_full == is_full)
        return;
    exec->is_full = is_full;
    if (has_terminal(exec))
        (void)watch(exec, EPOLL_CTL_MOD, fd, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
    else
        (void)watch(exec, is_full ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, EPOLLOUT);
}

static int exec_write(struct berth_exec *head, const char *data, size_t len, size_t *ret_written,
                      struct berth_error *err)
{
    struct rootfs_exec *exec = exec_of(head);
    int fd = has_terminal(exec) ? exec->at.master : exec->at.pipes[INPUT];
    (void)err;
    ssize_t done;
    do
        done = write(fd, data, len);
    while (done < 0 && errno == EINTR);
    bool is_full = done < 0 && errno == EAGAIN;
    set_full(exec, fd, is_full);
    if (is_full)
        *ret_written = 0;
    else
        *ret_written = done < 0 ? len : (size_t)done; /* nobody reads any more */
    return 0;
}

static int exec_resize(struct berth_exec *head, unsigned cols, unsigned rows,
                       struct berth_error *err)
{
    const struct rootfs_exec *exec = exec_of(head);
    const struct winsize size = {.ws_col = (unsigned short)cols, .ws_row = (unsigned short)rows};
    if (has_terminal(exec) && ioctl(exec->at.master, TIOCSWINSZ, &size) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the terminal has no size");
    if (exec->at.is_passed_on)
        (void)pidfd_send_signal(exec->at.runtime, SIGWINCH, NULL, 0);
    return 0;
}

/* While the runtime lives, it has not reaped the process, and its number is nobody else's. */
static int exec_signal(struct berth_exec *head, enum berth_exec_signal number,
                       struct berth_error *err)
{
    struct rootfs_exec *exec = exec_of(head);
    (void)err;
    check_end(exec);
    if (exec->has_ended || exec->at.pid <= 0)
        return 0;
    pid_t group = berth_rootfs_foreground(exec->at.pid);
    if (group > 1)
        (void)kill(-group, berth_rootfs_signal_number(number));
    return 0;
}

/* ---- The end ---- */

static int exec_exit_code(struct berth_exec *head, int *ret_code, struct berth_error *err)
{
    struct rootfs_exec *exec = exec_of(head);
    if (berth_rootfs_await(exec->init, exec->code == KILLED ? SETTLE_MS : 0))
        return berth_error_set_coded(err, BERTH_E_CANCELLED, "INVALID_STATE", "the app has ended");
    *ret_code = exec->code & 0xff;
    return 0;
}

/* The runtime ends behind its process, and is ended where it does not. */
static void end_runtime(struct rootfs_exec *exec)
{
    if (exec->at.runtime < 0 || exec->has_ended)
        return;
    if (!berth_rootfs_await(exec->at.runtime, REAP_MS))
        (void)pidfd_send_signal(exec->at.runtime, SIGKILL, NULL, 0);
    (void)berth_rootfs_reap(exec->at.runtime);
}

static void exec_close(struct berth_exec *head)
{
    struct rootfs_exec *exec = exec_of(head);
    berth_fd_close(&exec->poll);
    berth_fd_close(&exec->at.master); /* the kernel hangs up */
    for (size_t i = 0; i < 3; i++)
        berth_fd_close(&exec->at.pipes[i]);
    if (exec->at.runtime >= 0)
        berth_rootfs_crowds_end(&exec->crowd, 1);
    end_runtime(exec);
    if (exec->crowd.mark[0])
        berth_rootfs_keeper_drop(exec->rootfs->keeper, &exec->crowd);
    berth_fd_close(&exec->at.runtime);
    berth_fd_close(&exec->init);
    free(exec);
}

static const struct berth_exec_ops exec_ops = {
    .fd = exec_fd,
    .read = exec_read,
    .write = exec_write,
    .resize = exec_resize,
    .signal = exec_signal,
    .exit_code = exec_exit_code,
    .close = exec_close,
};

/* ---- Starting ---- */

static int set_up_poll(struct rootfs_exec *exec, struct berth_error *err)
{
    const int files[] = {exec->at.runtime, exec->at.master, exec->at.pipes[OUTPUT],
                         exec->at.pipes[ERRORS]};
    exec->poll = epoll_create1(EPOLL_CLOEXEC);
    int rc = exec->poll < 0 ? -1 : 0;
    for (size_t i = 0; i < 4 && rc == 0; i++)
        if (files[i] >= 0)
            rc = watch(exec, EPOLL_CTL_ADD, files[i], EPOLLIN);
    return rc == 0 ? 0
                   : berth_error_set_errno(err, BERTH_E_INTERNAL, errno,
                                           "a process cannot be waited for");
}

static int read_config(int folder, cJSON **ret_config, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(CONFIG_MAX);
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/config.json", folder);
    if (!berth_rootfs_slurp(path, &text))
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "config.json cannot be read");
    return berth_json_parse(text.data, text.len, ret_config, err);
}

/* The process object as text. */
static int describe(const struct berth_rootfs_app *app, const struct berth_exec_spec *spec,
                    const char *mark, char **ret_text, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *config = NULL;
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/root", (int)app->state.init.pid);
    BERTH_CLEANUP(fd) int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not running", app->id);
    int rc = read_config(app->folder, &config, err);
    if (rc < 0)
        return rc;
    cJSON *process = cJSON_GetObjectItemCaseSensitive(config, "process");
    if (!process)
        return berth_error_set(err, BERTH_E_INTERNAL, "config.json has no process");
    rc = berth_rootfs_exec_process(process, root, spec, mark, err);
    if (rc < 0)
        return rc;
    *ret_text = cJSON_PrintUnformatted(process);
    return *ret_text ? 0 : berth_error_nomem(err);
}

static int start(struct rootfs_exec *exec, const struct berth_rootfs_app *app,
                 const struct berth_exec_spec *spec, struct berth_error *err)
{
    BERTH_CLEANUP(free) char *process = NULL;
    struct berth_rootfs_counters cgroup = {0};
    int rc = describe(app, spec, exec->crowd.mark, &process, err);

    if (rc == 0 && berth_rootfs_process_open(&app->state.init, &exec->init, err) < 0)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not running", app->id);
    if (rc == 0 && berth_rootfs_usage_of(app->state.init.pid, &cgroup))
        (void)snprintf(exec->crowd.cgroup, sizeof(exec->crowd.cgroup), "%s",
                       cgroup.paths[BERTH_ROOTFS_COUNTER_PIDS]);
    if (rc == 0)
        rc = berth_rootfs_keeper_keep(exec->rootfs->keeper, &exec->crowd, err);
    if (rc == 0)
        rc = berth_rootfs_exec_start(app, process, spec, exec->rootfs->request_timeout_ms,
                                     &exec->at, err);
    /* A session of its own is its leader's; else it is the runtime's. */
    exec->crowd.sessions[0] = exec->at.pid;
    exec->crowd.sessions[1] = exec->at.runtime_pid;
    if (rc == 0)
        rc = berth_rootfs_keeper_keep(exec->rootfs->keeper, &exec->crowd, err);
    return rc < 0 ? rc : set_up_poll(exec, err);
}

int berth_rootfs_exec(struct berth_backend *backend, const char *id,
                      const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                      struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_find(berth_rootfs_of(backend), id, &app, err);
    if (rc == 0)
        rc = berth_rootfs_need_running(&app, err);
    if (rc < 0)
        return rc;
    struct rootfs_exec *exec = calloc(1, sizeof(*exec));
    if (!exec)
        return berth_error_nomem(err);
    BERTH_CLEANUP(exec) struct berth_exec *head = &exec->head;
    exec->head.ops = &exec_ops;
    exec->rootfs = berth_rootfs_of(backend);
    exec->at = (struct berth_rootfs_started)BERTH_ROOTFS_STARTED_INIT;
    exec->init = exec->poll = -1;
    rc = berth_random_uuid(exec->crowd.mark, err);
    if (rc == 0)
        rc = start(exec, &app, spec, err);
    if (rc == 0)
        *ret_exec = berth_steal(&head);
    return rc;
}
