/* SPDX-License-Identifier: MIT */
/* The kinds of container host berth knows. A new backend is one more line here. */
#include "backends/backend.h"
#include "backends/compose/compose.h"
#include "backends/memory.h"
#include "backends/rootfs/rootfs.h"
#include "backends/solo.h"
#include "backends/swarm/swarm.h"

#include <string.h>

const struct berth_backend_ops *const berth_backends[] = {
    &berth_solo_ops,   &berth_swarm_ops,  &berth_compose_ops,
    &berth_rootfs_ops, &berth_memory_ops, NULL,
};

const struct berth_backend_ops *berth_backend_find(const char *name)
{
    for (size_t i = 0; berth_backends[i]; i++)
        if (strcmp(berth_backends[i]->name, name) == 0)
            return berth_backends[i];
    return NULL;
}
