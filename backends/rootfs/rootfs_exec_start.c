/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_exec_start.h"

#include "backends/rootfs/rootfs_spawn.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONSOLE   "console"
#define PID_FILE  "pid"
#define NAME_SIZE 32
#define START     ".exec."
/* What the runtime finds among its files. */
#define ITS_PID_FILE "/proc/self/fd/3/pid"
#define ITS_CONSOLE  "/proc/self/fd/3/console"
#define NSENTER      "/usr/bin/nsenter"
#define ITS_PROCESS  "/proc/self/fd/4"
#define WORDS_MAX    4096 /* the runtime's own, on what is wrong */

/* ---- A folder for the runtime and us, within the app's ---- */

struct meeting {
    int home;             /* borrowed: the app's folder */
    char name[NAME_SIZE]; /* of the folder within; "": there is none */
    int folder;
    int news;    /* inotify: something was written there */
    int console; /* the socket that the terminal's master comes over */
};

#define MEETING_INIT                                                                               \
    {                                                                                              \
        .folder = -1, .news = -1, .console = -1                                                    \
    }

static void meeting_release(struct meeting *meeting)
{
    berth_fd_close(&meeting->console);
    berth_fd_close(&meeting->news);
    if (meeting->folder >= 0) {
        (void)unlinkat(meeting->folder, CONSOLE, 0);
        (void)unlinkat(meeting->folder, PID_FILE, 0);
        (void)unlinkat(meeting->home, meeting->name, AT_REMOVEDIR);
    }
    berth_fd_close(&meeting->folder);
}
BERTH_DEFINE_CLEANUP_VALUE(meeting, struct meeting, meeting_release)

static int fail(struct berth_error *err, const char *what)
{
    return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "%s", what);
}

/* The path of a file in an open folder, short enough for a socket's. */
static void path_within(int folder, const char *name, char *path, size_t size)
{
    (void)snprintf(path, size, "/proc/self/fd/%d/%s", folder, name);
}

static int listen_console(struct meeting *meeting, struct berth_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    path_within(meeting->folder, CONSOLE, address.sun_path, sizeof(address.sun_path));
    meeting->console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (meeting->console < 0 ||
        bind(meeting->console, (const struct sockaddr *)(const void *)&address, sizeof(address)) <
            0 ||
        listen(meeting->console, 1) < 0)
        return fail(err, "no socket for a terminal can be made");
    return 0;
}

static int meeting_open(int home, bool tty, struct meeting *meeting, struct berth_error *err)
{
    char path[64];
    uint64_t number;
    int rc = berth_random_bytes(&number, sizeof(number), err);
    if (rc < 0)
        return rc;
    meeting->home = home;
    (void)snprintf(meeting->name, sizeof(meeting->name), START "%016llx",
                   (unsigned long long)number);
    rc = berth_folder_make(home, meeting->name, 0700, &meeting->folder, err);
    if (rc < 0)
        return rc;
    if (flock(meeting->folder, LOCK_SH | LOCK_NB) < 0)
        return fail(err, "the start of a process cannot be locked");
    path_within(meeting->folder, ".", path, sizeof(path));
    meeting->news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (meeting->news < 0 ||
        inotify_add_watch(meeting->news, path, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        return fail(err, "the start of a process cannot be watched");
    return tty ? listen_console(meeting, err) : 0;
}

/* ---- The runtime ---- */

/* A file that is nowhere on the disk: variables may be secret. */
static int make_process_file(const char *process, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = memfd_create("process", MFD_CLOEXEC);
    size_t len = strlen(process);
    if (fd < 0 || write(fd, process, len) != (ssize_t)len)
        return fail(err, "a process cannot be described to the runtime");
    *ret_fd = berth_fd_steal(&fd);
    return 0;
}

/* A pipe whose end that is ours does not block. */
static int open_pipe(bool is_input, int *ret_ours, int *ret_its, struct berth_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(err, "no pipe can be made");
    *ret_ours = ends[is_input];
    *ret_its = ends[!is_input];
    return fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0 ? fail(err, "no pipe can be made") : 0;
}
/* A terminal for the runtime's own input and output. */
static int open_terminal(const struct berth_exec_spec *spec, int *ret_master, int files[3],
                         struct berth_error *err)
{
    const struct winsize size = {.ws_col = (unsigned short)spec->cols,
                                 .ws_row = (unsigned short)spec->rows};
    *ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (*ret_master < 0 || unlockpt(*ret_master) < 0 || ioctl(*ret_master, TIOCSWINSZ, &size) < 0)
        return fail(err, "no terminal can be made");
    for (int i = 0; i < 3; i++) {
        files[i] = ioctl(*ret_master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (files[i] < 0)
            return fail(err, "no terminal can be made");
    }
    return 0;
}

static bool is_runc(const char *runtime)
{
    const char *slash = strrchr(runtime, '/');
    return strncmp(slash ? slash + 1 : runtime, "runc", 4) == 0;
}

static int open_files(const struct berth_exec_spec *spec, struct berth_rootfs_started *started,
                      int files[3], int *ret_words, struct berth_error *err)
{
    if (started->is_passed_on)
        return open_terminal(spec, &started->master, files, err);
    if (spec->tty)
        return open_pipe(false, ret_words, &files[2], err);
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = open_pipe(i == 0, &started->pipes[i], &files[i], err);
    return rc;
}

/* words: from its own errors, where it sends a terminal. */
static int run_runtime(const struct berth_rootfs_app *app, const struct meeting *meeting,
                       const char *process, const struct berth_exec_spec *spec,
                       struct berth_rootfs_started *started, int *ret_words,
                       struct berth_error *err)
{
    char space[64];
    started->is_passed_on = spec->tty && is_runc(app->state.runtime);
    bool is_sent = spec->tty && !started->is_passed_on;
    (void)snprintf(space, sizeof(space), "--mount=/proc/%d/ns/mnt", (int)app->state.conmon.pid);
    const char *const argv[] = {
        NSENTER,
        space,
        app->state.runtime,
        "exec",
        "--process",
        ITS_PROCESS,
        "--pid-file",
        ITS_PID_FILE,
        is_sent ? "--console-socket" : app->id, /* the last, then */
        is_sent ? ITS_CONSOLE : NULL,
        app->id,
        NULL,
    };
    /* runc wants to see the root file system, which is mounted where conmon is. */
    const char *const *first = is_runc(app->state.runtime) ? argv : argv + 2;
    int files[] = {-1, -1, -1, meeting->folder, -1};
    int rc = make_process_file(process, &files[4], err);
    if (rc == 0)
        rc = open_files(spec, started, files, ret_words, err);
    if (rc == 0)
        rc = berth_rootfs_spawn(first, files, 5, &started->runtime_pid, &started->runtime, err);
    for (int i = 0; i < 3; i++)
        berth_fd_close(&files[i]);
    berth_fd_close(&files[4]);
    return rc;
}

/* ---- Meeting it ---- */

/* The terminal's master, as a right of the message that the runtime sends. */
static int take_master(struct meeting *meeting, int *ret_master, struct berth_error *err)
{
    char text[256];
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {.iov_base = text, .iov_len = sizeof(text)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    BERTH_CLEANUP(fd) int link = accept4(meeting->console, NULL, NULL, SOCK_CLOEXEC);
    if (link < 0)
        return errno == EAGAIN ? 0 : fail(err, "no terminal came from the runtime");
    ssize_t got;
    do
        got = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    const struct cmsghdr *right = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!right || right->cmsg_type != SCM_RIGHTS || right->cmsg_len != CMSG_LEN(sizeof(int)))
        return fail(err, "no terminal came from the runtime");
    memcpy(ret_master, CMSG_DATA(right), sizeof(*ret_master));
    return fcntl(*ret_master, F_SETFL, O_NONBLOCK) < 0 ? fail(err, "a terminal cannot be set up")
                                                       : 0;
}

/* The number in the file that the runtime writes when the process runs; 0: not yet. */
static pid_t read_pid(const struct meeting *meeting)
{
    char text[32] = "";
    BERTH_CLEANUP(fd) int fd = -1;
    if (berth_folder_open(meeting->folder, PID_FILE, O_RDONLY, 0, &fd, NULL) < 0 ||
        read(fd, text, sizeof(text) - 1) <= 0)
        return 0;
    return (pid_t)strtol(text, NULL, 10);
}

/* It has ended, and nothing runs: its own words say why. */
static int tell_why(int words, struct berth_error *err)
{
    char text[WORDS_MAX] = "";
    ssize_t got = words >= 0 ? read(words, text, sizeof(text) - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    return berth_error_set(err, BERTH_E_REFUSED, "the process cannot be started: %s",
                           text[0] ? text : "the runtime does not say why");
}

/* One look at what has come of it. 1: it runs, or has run; 0: not yet. */
static int look(struct meeting *meeting, bool tty, struct berth_rootfs_started *started,
                struct berth_error *err)
{
    char ignored[4096];
    bool has_ended = berth_rootfs_await(started->runtime, 0);
    while (read(meeting->news, ignored, sizeof(ignored)) > 0)
        ;
    if (tty && started->master < 0) {
        int rc = take_master(meeting, &started->master, err);
        if (rc < 0)
            return rc;
    }
    started->pid = read_pid(meeting);
    return (started->pid > 0 && (!tty || started->master >= 0)) || has_ended;
}

static int await_start(struct meeting *meeting, bool tty, int64_t timeout_ms,
                       struct berth_rootfs_started *started, struct berth_error *err)
{
    int64_t until_ms = berth_clock_monotonic_ms() + timeout_ms;
    for (;;) {
        int rc = look(meeting, tty, started, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        struct pollfd polled[] = {
            {.fd = meeting->news, .events = POLLIN},
            {.fd = started->runtime, .events = POLLIN},
            {.fd = started->master < 0 ? meeting->console : -1, .events = POLLIN},
        };
        int64_t left_ms = until_ms - berth_clock_monotonic_ms();
        if (left_ms <= 0)
            return berth_error_set(err, BERTH_E_TIMEOUT, "no process was started within %lld ms",
                                   (long long)timeout_ms);
        (void)poll(polled, 3, (int)left_ms);
    }
}

int berth_rootfs_exec_start(const struct berth_rootfs_app *app, const char *process,
                            const struct berth_exec_spec *spec, int64_t timeout_ms,
                            struct berth_rootfs_started *ret_started, struct berth_error *err)
{
    BERTH_CLEANUP(meeting) struct meeting meeting = MEETING_INIT;
    BERTH_CLEANUP(fd) int words = -1;
    int rc = meeting_open(app->folder, spec->tty, &meeting, err);
    if (rc == 0)
        rc = run_runtime(app, &meeting, process, spec, ret_started, &words, err);
    if (rc == 0)
        rc = await_start(&meeting, spec->tty, timeout_ms, ret_started, err);
    if (rc == 0 && spec->tty && ret_started->master < 0)
        rc = tell_why(words, err);
    return rc;
}

/* ---- What is left of them ---- */

int berth_rootfs_exec_tidy(int folder, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    const struct dirent *entry;
    int rc = berth_folder_list(folder, &list, err);
    while (rc == 0 && (entry = readdir(list))) {
        BERTH_CLEANUP(fd) int start = -1;
        if (strncmp(entry->d_name, START, sizeof(START) - 1) != 0 ||
            berth_folder_open(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &start,
                              NULL) < 0)
            continue;
        if (flock(start, LOCK_EX | LOCK_NB) == 0) /* nobody is at it */
            rc = berth_folder_remove(folder, entry->d_name, err);
    }
    return rc;
}
