/* SPDX-License-Identifier: MIT */
/* The verb logs: the container's, from the engine of its node. */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_logs.h"

int berth_swarm_logs(struct berth_backend *backend, const char *id,
                     const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                     struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    int status = berth_swarm_find(swarm, id, &found, err);
    if (status == 0)
        status = berth_swarm_get_nodes(swarm, &nodes, err);
    if (status < 0)
        return status;
    if (!found.task.container[0]) /* nothing ran yet, and said nothing */
        return 0;
    const struct berth_swarm_node *node = berth_swarm_node_find(&nodes, found.task.node);
    struct berth_swarm_endpoint *endpoint =
        node ? berth_swarm_nodes_find(swarm->nodes, node) : NULL;
    if (!endpoint)
        return berth_error_set(
            err, BERTH_E_UNREACHABLE, "the log is on node %s, which has no endpoint (node.%s)",
            node ? node->hostname : found.task.node, node ? node->hostname : "HOSTNAME");
    status = berth_swarm_endpoint_check(swarm->nodes, endpoint, err);
    return status < 0
               ? status
               : berth_engine_logs(endpoint->engine, found.task.container, spec, output, ctx, err);
}
