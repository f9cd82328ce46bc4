/* SPDX-License-Identifier: MIT */
/* Verbs on an app's container, done by the engine of the node where it is: logs, exec. */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_exec.h"
#include "backends/engine/engine_logs.h"

/* Where the container of the task is; what: of it that is wanted, for the error. */
static int reach(struct swarm *swarm, const struct berth_swarm_task *task, const char *what,
                 struct berth_swarm_endpoint **ret_endpoint, struct berth_error *err)
{
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    const char *id = task->node;
    int status = berth_swarm_nodes_with(swarm, &id, 1, &nodes, err);
    if (status < 0)
        return status;
    const struct berth_swarm_node *node = berth_swarm_node_find(&nodes, task->node);
    struct berth_swarm_endpoint *endpoint =
        node ? berth_swarm_nodes_find(swarm->nodes, node) : NULL;
    if (!endpoint)
        return berth_error_set(
            err, BERTH_E_UNREACHABLE, "%s is on node %s, which has no endpoint (node.%s)", what,
            node ? node->hostname : task->node, node ? node->hostname : "HOSTNAME");
    *ret_endpoint = endpoint;
    return berth_swarm_endpoint_check(swarm->nodes, endpoint, err);
}

int berth_swarm_logs(struct berth_backend *backend, const char *id,
                     const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                     struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    struct berth_swarm_endpoint *endpoint = NULL;
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    int status = berth_swarm_find(swarm, id, &found, err);
    if (status < 0)
        return status;
    if (!found.task.container[0]) /* nothing ran yet, and said nothing */
        return 0;
    status = reach(swarm, &found.task, "the log", &endpoint, err);
    return status < 0
               ? status
               : berth_engine_logs(endpoint->engine, found.task.container, spec, output, ctx, err);
}

int berth_swarm_exec(struct berth_backend *backend, const char *id,
                     const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                     struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    struct berth_swarm_endpoint *endpoint = NULL;
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    int status = berth_swarm_find(swarm, id, &found, err);
    if (status < 0)
        return status;
    if (!found.task.container[0])
        return berth_error_set(err, BERTH_E_CONFLICT, "the app is not running");
    status = reach(swarm, &found.task, "the app", &endpoint, err);
    return status < 0
               ? status
               : berth_engine_exec(endpoint->engine, found.task.container, spec, ret_exec, err);
}
