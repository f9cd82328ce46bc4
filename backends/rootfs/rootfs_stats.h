/* SPDX-License-Identifier: MIT */
/*
 * What apps use, computed as `docker stats` does. The CPU's share needs two
 * looks at the counters: a first question about an app waits for the second, a
 * later one takes what the one before has seen. Nothing runs between questions.
 *
 * Threading: any number of threads.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_STATS_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_STATS_H

#include "base/error.h"

struct berth_rootfs_stats;

BERTH_MUST_CHECK int berth_rootfs_stats_new(struct berth_rootfs_stats **ret_stats,
                                            struct berth_error *err);
void berth_rootfs_stats_free(struct berth_rootfs_stats *stats); /* NULL is fine */

#endif
