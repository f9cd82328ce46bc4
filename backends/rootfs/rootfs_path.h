/* SPDX-License-Identifier: MIT */
/*
 * Which folders may be run as root file systems: the facility's default, what
 * lies beneath it, and what lies beneath one of its roots. What is asked for
 * is looked up beneath an open folder (openat2(2)), so that no name, link or
 * ".." leads out, whoever may write there.
 *
 * Refusals are BERTH_E_INVALID, and begin with the parameter: "rootfs …" for a
 * path, "image …" for a name.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_PATH_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_PATH_H

#include "backends/backend.h"

struct berth_rootfs_path {
    int fd;     /* the folder, by O_PATH */
    char *path; /* absolute: the configured folder's, as it is written there, and the real way from
                   there */
};

#define BERTH_ROOTFS_PATH_INIT                                                                     \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

void berth_rootfs_path_release(struct berth_rootfs_path *path);
BERTH_DEFINE_CLEANUP_VALUE(rootfs_path, struct berth_rootfs_path, berth_rootfs_path_release)

/* By an absolute path, NULL for the default. */
BERTH_MUST_CHECK int berth_rootfs_path_open(const struct berth_rootfs_config *config,
                                            const char *path, struct berth_rootfs_path *ret_path,
                                            struct berth_error *err);

/* By the name of an image: of a folder directly in one of the roots, the first that has it, or of
 * the default itself. */
BERTH_MUST_CHECK int berth_rootfs_path_find(const struct berth_rootfs_config *config,
                                            const char *image, struct berth_rootfs_path *ret_path,
                                            struct berth_error *err);

#endif
