/* SPDX-License-Identifier: MIT */
/*
 * What an OCI runtime is told of an app: config.json of its bundle.
 *
 * An app sees its root file system, a fresh /proc and /dev, /sys for reading,
 * its own files as /app, and nothing else of the host; of root's powers it
 * keeps what ordinary servers need, as the apps of Docker engines do.
 *
 * Sources: the OCI runtime specification 1.0, config.md and config-linux.md;
 * what is masked is what Docker masks (moby, oci/defaults.go).
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_BUNDLE_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_BUNDLE_H

#include "backends/backend.h"
#include "backends/rootfs/rootfs_userns.h"

#define BERTH_ROOTFS_CONFIG "config.json"
/* Where an app finds its own files. */
#define BERTH_ROOTFS_FILES_AT "/app"

/* Texts are UTF-8. Root file system and files are where berth_rootfs_root_run mounts them. */
struct berth_rootfs_bundle {
    const char *const *argv;                    /* NULL at the end */
    const struct berth_container_variable *env; /* besides PATH, HOSTNAME and TERM, before which
                                                   it goes */
    size_t env_count;
    const char *cwd;    /* NULL: "/" */
    const char *run_as; /* "UID[:GID]", or NULL: root; without a group, that of the user's number */
    bool terminal;
    const char *hostname; /* cut where it is too long for one */
    int mode;             /* enum berth_rootfs_mode */
    int network;          /* enum berth_rootfs_network */
    struct berth_rootfs_userns userns;
    int64_t cpu_nano; /* CPUs × 10^9; 0 is no limit, here and below */
    int64_t memory_bytes;
    int64_t pids;
    bool counts_swap;    /* the kernel bounds memory and swap together */
    const char *cgroup;  /* its control group, from the root of all: "/berth/ID" */
    const char *seccomp; /* the object, as berth_rootfs_seccomp_load makes it */
};

/* Appends the file's text; a failure is the buffer's. */
void berth_rootfs_bundle_write(const struct berth_rootfs_bundle *bundle, struct berth_strbuf *out);

#endif
