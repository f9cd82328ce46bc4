/* SPDX-License-Identifier: MIT */
/*
 * What check-config says of a facility of root file systems.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_CHECK_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_CHECK_H

#include "backends/backend.h"

/* As the verb of backend.h. */
int berth_rootfs_check(const struct berth_backend_config *config, struct berth_strbuf *notes,
                       struct berth_error *err);

#endif
