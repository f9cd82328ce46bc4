/* SPDX-License-Identifier: MIT */
/*
 * What the kernel counts of an app's processes: their control group, in
 * version 1, version 2, or both at once (hybrid: what version 1 has not, is in
 * version 2). Numbers are as `docker stats` has them.
 *
 * Sources: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst;
 * opencontainers/runc libcontainer/cgroups, docker/cli stats_helpers.go.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_USAGE_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_USAGE_H

#include "base/strbuf.h"

#include <sys/types.h>

enum berth_rootfs_counter {
    BERTH_ROOTFS_COUNTER_CPU,
    BERTH_ROOTFS_COUNTER_MEMORY,
    BERTH_ROOTFS_COUNTER_BLOCK,
    BERTH_ROOTFS_COUNTER_PIDS,
    BERTH_ROOTFS_COUNTER_PARTS,
};

#define BERTH_ROOTFS_COUNTER_PATH_MAX 512

/* Where each part is counted; "" where it is not. */
struct berth_rootfs_counters {
    char paths[BERTH_ROOTFS_COUNTER_PARTS][BERTH_ROOTFS_COUNTER_PATH_MAX];
    bool is_unified[BERTH_ROOTFS_COUNTER_PARTS]; /* version 2 */
};

struct berth_rootfs_usage {
    uint64_t cpu_ns;
    uint64_t memory_bytes;       /* without page cache that can be had back */
    uint64_t memory_limit_bytes; /* UINT64_MAX: none */
    uint64_t block_read_bytes;
    uint64_t block_write_bytes;
    uint64_t pids;
};

/* That of a process. membership: its /proc/PID/cgroup; mounts: /proc/self/mountinfo. */
void berth_rootfs_usage_find(const char *membership, const char *mounts,
                             struct berth_rootfs_counters *ret_cgroup);

/* The same for a process that runs. False: there is no such process. */
bool berth_rootfs_usage_of(pid_t pid, struct berth_rootfs_counters *ret_cgroup);

/* What cannot be read counts as 0. */
void berth_rootfs_usage_read(const struct berth_rootfs_counters *cgroup,
                             struct berth_rootfs_usage *ret_counts);

/* Bytes that a network namespace has received and sent, its loopback left out. text:
 * /proc/PID/net/dev. */
void berth_rootfs_usage_network(const char *text, uint64_t *ret_received, uint64_t *ret_sent);

/* A whole file of /proc or of a control group; false: it cannot be read. */
bool berth_rootfs_slurp(const char *path, struct berth_strbuf *text);

#endif
