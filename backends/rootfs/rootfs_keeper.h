/* SPDX-License-Identifier: MIT */
/*
 * A process beside the gateway that ends what was started in terminals should
 * the gateway die before it has: it is told of each, and when its input ends it
 * ends what those have started that are left. It is this program, run anew
 * under another name, so that nothing of the gateway's memory stays in it.
 *
 * Threading: any number of threads.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_KEEPER_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_KEEPER_H

#include "backends/rootfs/rootfs_crowd.h"

struct berth_rootfs_keeper;

/* Starts no process yet. */
BERTH_MUST_CHECK int berth_rootfs_keeper_new(struct berth_rootfs_keeper **ret_keeper,
                                             struct berth_error *err);
void berth_rootfs_keeper_free(struct berth_rootfs_keeper *keeper); /* NULL is fine */

/* From now on. The sessions may be told later, in a second call. */
BERTH_MUST_CHECK int berth_rootfs_keeper_keep(struct berth_rootfs_keeper *keeper,
                                              const struct berth_rootfs_crowd *crowd,
                                              struct berth_error *err);
/* It has been ended. */
void berth_rootfs_keeper_drop(struct berth_rootfs_keeper *keeper,
                              const struct berth_rootfs_crowd *crowd);

/* For the main() of every program that runs this backend, first of all: true if it was started to
 * be a keeper, which it then was. */
bool berth_rootfs_keeper_main(int argc, char **argv);

#endif
