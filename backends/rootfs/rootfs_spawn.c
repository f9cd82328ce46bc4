/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

/* No file of ours is moved over another one that is still to be moved. */
#define BEYOND (BERTH_ROOTFS_FILES_MAX + 3)

static int add_files(posix_spawn_file_actions_t *actions, const int *files, size_t count)
{
    int rc = posix_spawn_file_actions_addchdir_np(actions, "/");
    for (size_t i = 0; i < count && !rc; i++)
        rc = files[i] < 0
                 ? posix_spawn_file_actions_addopen(actions, (int)i, "/dev/null", O_RDWR, 0)
                 : posix_spawn_file_actions_adddup2(actions, files[i], (int)i);
    return rc ? rc : posix_spawn_file_actions_addclosefrom_np(actions, (int)count);
}

/* Signals as a program expects them: our threads block all of them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    return rc ? rc : posix_spawnattr_setsigdefault(attributes, &all);
}

/* 0 or an errno. */
static int start(const char *const *argv, const int *files, size_t count, pid_t *ret_pid)
{
    static const char *const nothing[] = {NULL};
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
    rc = add_files(&actions, files, count);
    if (!rc)
        rc = set_attributes(&attributes);
    if (!rc)
        rc = posix_spawn(ret_pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                         (char *const *)(uintptr_t)nothing);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int berth_rootfs_spawn(const char *const *argv, const int *files, size_t count, pid_t *ret_pid,
                       int *ret_pidfd, struct berth_error *err)
{
    int beyond[BERTH_ROOTFS_FILES_MAX] = {0};
    pid_t pid = 0;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        beyond[i] = files[i] < 0 ? -1 : fcntl(files[i], F_DUPFD_CLOEXEC, BEYOND);
        if (files[i] >= 0 && beyond[i] < 0)
            rc = errno;
    }
    if (!rc)
        rc = start(argv, beyond, count, &pid);
    for (size_t i = 0; i < count; i++)
        berth_fd_close(&beyond[i]);
    if (rc)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, rc, "%s cannot be run", argv[0]);
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        rc = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return berth_error_set_errno(err, BERTH_E_INTERNAL, rc, "%s cannot be waited for", argv[0]);
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

bool berth_rootfs_await(int pidfd, int64_t timeout_ms)
{
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};
    return poll(&polled, 1, (int)timeout_ms) > 0;
}

int berth_rootfs_reap(int pidfd)
{
    siginfo_t how = {0};
    while (waitid(P_PIDFD, (id_t)pidfd, &how, WEXITED) < 0 && errno == EINTR)
        ;
    return how.si_code == CLD_EXITED ? how.si_status : 128 + how.si_status;
}
