/* SPDX-License-Identifier: MIT */
/*
 * What the backend stands on: an OCI runtime and conmon, and how this host's
 * control groups are.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_HOST_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_HOST_H

#include "backends/backend.h"

enum berth_rootfs_tool {
    BERTH_ROOTFS_RUNTIME, /* crun, where no other is configured */
    BERTH_ROOTFS_CONMON,
};

/* The program's path: a constant, or of config. BERTH_E_NOT_FOUND: it is nowhere. */
BERTH_MUST_CHECK int berth_rootfs_host_find(const struct berth_rootfs_config *config,
                                            enum berth_rootfs_tool tool, const char **ret_path,
                                            struct berth_error *err);

/* What the program at path says it is: "crun 1.8.1". Runs it. BERTH_E_INVALID: it is none that is
 * known as that tool, or too old. */
BERTH_MUST_CHECK int berth_rootfs_host_version(const char *path, enum berth_rootfs_tool tool,
                                               char ret_version[BERTH_VERSION_MAX],
                                               struct berth_error *err);

/* Whether the runtime at path can make control groups here. Reads a file or two. BERTH_E_REFUSED
 * says what is to be done. */
BERTH_MUST_CHECK int berth_rootfs_host_check_cgroups(const char *path, struct berth_error *err);

/* Whether the kernel bounds memory together with swap. */
bool berth_rootfs_host_counts_swap(void);

#endif
