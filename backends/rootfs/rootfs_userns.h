/* SPDX-License-Identifier: MIT */
/*
 * The user namespace of apps as it is configured.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_USERNS_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_USERNS_H

#include "base/error.h"

#include <stdint.h>

/* Ids 0 to count - 1, of users and of groups, are the host's from first on. count 0: there is no
 * namespace, they are the host's own. */
struct berth_rootfs_userns {
    uint32_t first;
    uint32_t count;
};

/* What an app's id is on the host. */
static inline uint32_t berth_rootfs_userns_host_id(const struct berth_rootfs_userns *userns,
                                                   uint32_t id)
{
    return userns->count > 0 ? userns->first + id : id;
}

/* "none", or "HOSTUID:COUNT". BERTH_E_INVALID with the rule alone. */
BERTH_MUST_CHECK int berth_rootfs_userns_parse(const char *text,
                                               struct berth_rootfs_userns *ret_userns,
                                               struct berth_error *err);

#endif
