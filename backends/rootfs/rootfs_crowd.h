/* SPDX-License-Identifier: MIT */
/*
 * All that a process in an app has started: those of the app's processes that
 * are of its session, and those that have its mark in their environment.
 *
 * Threading: plain values.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_CROWD_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_CROWD_H

#include "backends/rootfs/rootfs_usage.h"

/* The environment variable of the mark. */
#define BERTH_ROOTFS_MARK "BERTH_TERMINAL"

struct berth_rootfs_crowd {
    char mark[37];
    pid_t sessions[2];                          /* 0: not known yet, or none */
    char cgroup[BERTH_ROOTFS_COUNTER_PATH_MAX]; /* a folder that lists the app's processes */
};

/* Ends what belongs to any of them: by SIGHUP, and after a second by SIGKILL. Waits for that, for
 * some two seconds at most. */
void berth_rootfs_crowds_end(const struct berth_rootfs_crowd *crowds, size_t count);

#endif
