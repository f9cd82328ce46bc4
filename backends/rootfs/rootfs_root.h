/* SPDX-License-Identifier: MIT */
/*
 * The root file system that an app runs in: an overlay, whose lower layer is
 * the folder that was asked for, shared and never written to, and whose upper
 * one is the app's own. It is mounted in a mount namespace that only the app's
 * processes live in: the host's has no mount of an app, and what a process had
 * goes with it, however it ends.
 *
 * With a user namespace the lower layer is mapped (Linux 5.19: idmapped layers
 * of an overlay), so that root there owns what root owns in the folder.
 *
 * Threading: any number at once.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_ROOT_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_ROOT_H

#include "backends/backend.h"

/* Where processes that start makes find it, and the app's own files. */
#define BERTH_ROOTFS_ROOT_AT    "/dev/shm/root"
#define BERTH_ROOTFS_FILES_FROM "/dev/shm/app"

struct berth_rootfs_root {
    const struct berth_rootfs_config *config;
    const char *rootfs; /* the path, as berth_rootfs_path_open gives it: it is looked up anew */
    const char *app;    /* the app's folder, absolute, with nothing in its path that is not ours */
};

/* Makes what is missing of the app's own layer and what the overlay works in, in its open folder.
 */
BERTH_MUST_CHECK int berth_rootfs_root_make(int app, const struct berth_rootfs_config *config,
                                            struct berth_error *err);

/* Empties the app's own layer: it is as the folder again. It must not run. */
BERTH_MUST_CHECK int berth_rootfs_root_clear(int app, const struct berth_rootfs_config *config,
                                             struct berth_error *err);

/*
 * Calls start in a thread that has the root file system mounted, and waits for
 * it: processes that start makes see the mount, the caller never does.
 * BERTH_E_INVALID: the folder may no longer be run; BERTH_E_REFUSED: the
 * kernel does not mount it; else what start returns.
 */
BERTH_MUST_CHECK int berth_rootfs_root_run(const struct berth_rootfs_root *root,
                                           int (*start)(void *ctx, struct berth_error *err),
                                           void *ctx, struct berth_error *err);

/* Whether the folder, open by O_PATH, can be mapped for the user namespace that is configured, if
 * one is. BERTH_E_REFUSED. */
BERTH_MUST_CHECK int berth_rootfs_root_check(const struct berth_rootfs_config *config, int folder,
                                             struct berth_error *err);

#endif
