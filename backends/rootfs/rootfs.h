/* SPDX-License-Identifier: MIT */
/*
 * Backend rootfs: an app is a root file system and a command, run by an OCI
 * runtime (crun, runc) under conmon, which holds its terminal, its log and its
 * exit code while no gateway runs. docs/architecture.md draws its folders.
 *
 * Sources: the OCI runtime specification 1.0; conmon(8).
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_H

#include "backends/backend.h"

extern const struct berth_backend_ops berth_rootfs_ops;

#endif
