/* SPDX-License-Identifier: MIT */
/*
 * A program that runs beside the gateway for longer than a call: with files of
 * the caller's own, in a session of its own, and to be waited for.
 *
 * Threading: any number at once. SIGCHLD must not be ignored.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_SPAWN_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_SPAWN_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BERTH_ROOTFS_FILES_MAX 5

/* Starts argv[0], a path, with an empty environment in the root folder. files[i] becomes its file
 * i, -1 /dev/null; it has no others. ret_pidfd: readable once it has ended. */
BERTH_MUST_CHECK int berth_rootfs_spawn(const char *const *argv, const int *files, size_t count,
                                        pid_t *ret_pid, int *ret_pidfd, struct berth_error *err);

/* Waits until it has ended, for so long at most; false: it has not. */
bool berth_rootfs_await(int pidfd, int64_t timeout_ms);

/* Of one that has ended: its exit status, or 128 and the number of the signal that ended it. */
int berth_rootfs_reap(int pidfd);

#endif
