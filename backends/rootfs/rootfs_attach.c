/* SPDX-License-Identifier: MIT */
/*
 * The verb attach: the terminal of an app's own process, which conmon holds. A
 * packet of its socket is a byte that names the stream and a piece of output,
 * or a piece of input. What is not read holds up conmon, and so the app.
 *
 * Source: conmon 2.1, src/conn_sock.c.
 */
#include "backends/rootfs/rootfs_inside.h"
#include "backends/rootfs/rootfs_spawn.h"
#include "backends/rootfs/rootfs_usage.h"
#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PACKET_MAX (1 + 8192) /* of conmon's */
#define INPUT_MAX  8192       /* that we send at once */
#define END_MS     10000      /* until conmon has ended behind the app's process */

struct rootfs_attach {
    struct berth_exec head;
    struct berth_rootfs *rootfs;
    char id[BERTH_ROOTFS_ID_SIZE];
    struct berth_rootfs_process init;
    int64_t started_ns; /* of the app */
    bool terminal;      /* without one there is no input */
    bool is_full;       /* conmon takes no more: that it does is waited for */
    int socket;         /* -1: it has ended */
    int conmon;         /* pidfd */
    int master;         /* of the terminal, which conmon has; -1: there is none */
    int poll;
    char packet[PACKET_MAX]; /* what does not fit where it is read to */
    size_t at;
    size_t len;
};

static struct rootfs_attach *attach_of(struct berth_exec *exec)
{
    return (struct rootfs_attach *)(void *)exec;
}

static int attach_fd(const struct berth_exec *exec)
{
    return ((const struct rootfs_attach *)(const void *)exec)->poll;
}

/* ---- Output ---- */

/* The next packet; none: at its end the socket is closed. */
static void receive(struct rootfs_attach *attach)
{
    ssize_t got = -1;
    while (attach->socket >= 0 &&
           (got = recv(attach->socket, attach->packet, sizeof(attach->packet), 0)) < 0 &&
           errno == EINTR)
        ;
    attach->at = 1;
    attach->len = got > 0 ? (size_t)got : 0;
    if (got == 0 || (got < 0 && errno != EAGAIN))
        berth_fd_close(&attach->socket);
}

static int attach_read(struct berth_exec *head, char *data, size_t size,
                       struct berth_exec_output *ret_output, struct berth_error *err)
{
    struct rootfs_attach *attach = attach_of(head);
    struct berth_exec_output output = {.stream = BERTH_OUTPUT_STDOUT};
    (void)err;
    if (attach->at >= attach->len)
        receive(attach);
    if (attach->at < attach->len) {
        size_t left = attach->len - attach->at;
        output.len = left < size ? left : size;
        memcpy(data, attach->packet + attach->at, output.len);
        attach->at += output.len;
        if (attach->packet[0] == 3 && !attach->terminal)
            output.stream = BERTH_OUTPUT_STDERR;
    }
    output.has_ended = output.len == 0 && attach->socket < 0;
    *ret_output = output;
    return 0;
}

/* ---- Input ---- */

static int attach_write(struct berth_exec *head, const char *data, size_t len, size_t *ret_written,
                        struct berth_error *err)
{
    struct rootfs_attach *attach = attach_of(head);
    size_t sent = 0;
    bool is_full = false;
    (void)err;
    while (attach->terminal && attach->socket >= 0 && sent < len && !is_full) {
        size_t piece = len - sent < INPUT_MAX ? len - sent : INPUT_MAX;
        ssize_t done = send(attach->socket, data + sent, piece, MSG_NOSIGNAL);
        if (done >= 0)
            sent += (size_t)done;
        else if (errno == EAGAIN)
            is_full = true;
        else if (errno != EINTR)
            break;
    }
    if (is_full != attach->is_full) { /* whoever polls is woken when there is room again */
        struct epoll_event event = {.events = is_full ? EPOLLIN | EPOLLOUT : EPOLLIN};
        (void)epoll_ctl(attach->poll, EPOLL_CTL_MOD, attach->socket, &event);
        attach->is_full = is_full;
    }
    *ret_written = is_full ? sent : len; /* nobody reads any more */
    return 0;
}

/* conmon would take sizes too, from its fifo, but loses one that comes close behind another. */
static int attach_resize(struct berth_exec *head, unsigned cols, unsigned rows,
                         struct berth_error *err)
{
    const struct rootfs_attach *attach = attach_of(head);
    const struct winsize size = {.ws_col = (unsigned short)cols, .ws_row = (unsigned short)rows};
    if (attach->master >= 0 && ioctl(attach->master, TIOCSWINSZ, &size) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the terminal has no size");
    return 0;
}

static int attach_signal(struct berth_exec *head, enum berth_exec_signal number,
                         struct berth_error *err)
{
    const struct rootfs_attach *attach = attach_of(head);
    BERTH_CLEANUP(fd) int init = -1;
    (void)err;
    pid_t group = berth_rootfs_foreground(attach->init.pid);
    /* It is still the app's process that was looked at. */
    if (group > 1 && berth_rootfs_process_open(&attach->init, &init, NULL) == 0)
        (void)kill(-group, berth_rootfs_signal_number(number));
    return 0;
}

/* ---- The end ---- */

static int attach_exit_code(struct berth_exec *head, int *ret_code, struct berth_error *err)
{
    const struct rootfs_attach *attach = attach_of(head);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    (void)berth_rootfs_await(attach->conmon, END_MS); /* it leaves the exit code */
    int rc = berth_rootfs_find(attach->rootfs, attach->id, &app, err);
    if (rc < 0 && rc != BERTH_E_NOT_FOUND)
        return rc;
    if (rc < 0 || app.state.state != BERTH_APP_EXITED || app.state.started_ns != attach->started_ns)
        return berth_error_set_coded(err, BERTH_E_CANCELLED, "INVALID_STATE", "the app has ended");
    *ret_code = app.state.exit_code & 0xff;
    return 0;
}

static void attach_close(struct berth_exec *head)
{
    struct rootfs_attach *attach = attach_of(head);
    berth_fd_close(&attach->poll);
    berth_fd_close(&attach->socket);
    berth_fd_close(&attach->conmon);
    berth_fd_close(&attach->master);
    free(attach);
}

static const struct berth_exec_ops attach_ops = {
    .fd = attach_fd,
    .read = attach_read,
    .write = attach_write,
    .resize = attach_resize,
    .signal = attach_signal,
    .exit_code = attach_exit_code,
    .close = attach_close,
};

/* ---- Starting ---- */

/* Among the files that conmon has open. */
static int find_master(pid_t conmon)
{
    char path[64];
    char target[32];
    const struct dirent *entry;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)conmon);
    BERTH_CLEANUP(dir) DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
        if (len > 4 && memcmp(target + len - 4, "ptmx", 4) == 0)
            return (int)strtol(entry->d_name, NULL, 10);
    }
    return -1;
}

static int take_master(struct rootfs_attach *attach, pid_t conmon, struct berth_error *err)
{
    int number = find_master(conmon);
    attach->master = number < 0 ? -1 : pidfd_getfd(attach->conmon, number, 0);
    return attach->master >= 0 ? 0
                               : berth_error_set_errno(err, BERTH_E_UNREACHABLE, errno,
                                                       "the app's terminal cannot be reached");
}

static int connect_conmon(struct rootfs_attach *attach, int folder, struct berth_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct epoll_event event = {.events = EPOLLIN};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder,
                   BERTH_ROOTFS_ATTACH);
    attach->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    attach->poll = epoll_create1(EPOLL_CLOEXEC);
    if (attach->socket < 0 || attach->poll < 0 ||
        connect(attach->socket, (const struct sockaddr *)(const void *)&address, sizeof(address)) <
            0 ||
        epoll_ctl(attach->poll, EPOLL_CTL_ADD, attach->socket, &event) < 0)
        return berth_error_set_errno(err, BERTH_E_UNREACHABLE, errno,
                                     "the app's terminal cannot be reached");
    return 0;
}

/* A size that differs first: programs draw themselves anew when it changes. */
static int set_size(struct rootfs_attach *attach, unsigned cols, unsigned rows,
                    struct berth_error *err)
{
    if (cols == 0 || rows == 0)
        return 0;
    int rc = attach_resize(&attach->head, cols, rows > 1 ? rows - 1 : rows + 1, err);
    return rc < 0 ? rc : attach_resize(&attach->head, cols, rows, err);
}

static int start(struct rootfs_attach *attach, const struct berth_rootfs_app *app, unsigned cols,
                 unsigned rows, struct berth_error *err)
{
    (void)snprintf(attach->id, sizeof(attach->id), "%s", app->id);
    attach->init = app->state.init;
    attach->started_ns = app->state.started_ns;
    attach->terminal = app->record.terminal;
    int rc = berth_rootfs_process_open(&app->state.conmon, &attach->conmon, err);
    if (rc == BERTH_E_NOT_FOUND)
        return berth_error_set(err, BERTH_E_CONFLICT, "the app's terminal was lost");
    if (rc == 0 && attach->terminal)
        rc = take_master(attach, app->state.conmon.pid, err);
    if (rc == 0)
        rc = connect_conmon(attach, app->folder, err);
    if (rc == BERTH_E_UNREACHABLE && berth_rootfs_await(attach->conmon, END_MS))
        return berth_error_set(err, BERTH_E_CONFLICT, "the app has ended");
    return rc < 0 ? rc : set_size(attach, cols, rows, err);
}

int berth_rootfs_attach(struct berth_backend *backend, const char *id, unsigned cols, unsigned rows,
                        struct berth_exec **ret_exec, struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_find(berth_rootfs_of(backend), id, &app, err);
    if (rc == 0)
        rc = berth_rootfs_need_running(&app, err);
    if (rc < 0)
        return rc;
    struct rootfs_attach *attach = calloc(1, sizeof(*attach));
    if (!attach)
        return berth_error_nomem(err);
    BERTH_CLEANUP(exec) struct berth_exec *head = &attach->head;
    attach->head.ops = &attach_ops;
    attach->rootfs = berth_rootfs_of(backend);
    attach->socket = attach->conmon = attach->master = attach->poll = -1;
    rc = start(attach, &app, cols, rows, err);
    if (rc == 0)
        *ret_exec = berth_steal(&head);
    return rc;
}
