/* SPDX-License-Identifier: MIT */
/* The verb kill: the service goes, then what it runs is killed where that can be reached. */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_container.h"
#include "backends/swarm/swarm_watch.h"
#include "base/log.h"

struct killing {
    struct swarm *swarm;
    const struct berth_swarm_node_list *nodes;
    struct berth_swarm_task *tasks; /* those that may have a container */
    size_t count;
};

/* Removed, not just killed: swarm 20.10 leaves behind what had ended when its service went. Swarm
 * is about to stop it anyway: what does not work is no failure, but worth a line. */
static void kill_one(void *ctx, size_t i)
{
    struct killing *killing = ctx;
    struct swarm *swarm = killing->swarm;
    const struct berth_swarm_task *task = &killing->tasks[i];
    const struct berth_swarm_node *node = berth_swarm_node_find(killing->nodes, task->node);
    struct berth_swarm_endpoint *endpoint =
        node ? berth_swarm_nodes_find(swarm->nodes, node) : NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    if (!endpoint || endpoint->is_agent)
        return; /* swarm stops it */
    int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, &why);
    if (status == 0)
        status = berth_engine_container_destroy(endpoint->engine, task->container, &why);
    if (status < 0 && status != BERTH_E_NOT_FOUND && status != BERTH_E_CONFLICT)
        berth_log_error(BERTH_LOG_WARNING, &why,
                        "container %.12s on node %s is left to swarm to stop", task->container,
                        node->hostname);
}

static int collect(struct killing *killing, const cJSON *tasks, struct berth_error *err)
{
    killing->tasks = calloc((size_t)cJSON_GetArraySize(tasks) + 1, sizeof(*killing->tasks));
    if (!killing->tasks)
        return berth_error_nomem(err);
    const cJSON *each;
    cJSON_ArrayForEach(each, tasks)
    {
        struct berth_swarm_task *task = &killing->tasks[killing->count];
        int status = berth_swarm_task_parse(each, task, err);
        if (status < 0)
            return status;
        if (task->container[0])
            killing->count++;
    }
    return 0;
}

static int find_nodes(const struct killing *killing, struct berth_swarm_node_list *ret_nodes,
                      struct berth_error *err)
{
    BERTH_CLEANUP(free) const char **ids = calloc(killing->count + 1, sizeof(*ids));
    if (!ids)
        return berth_error_nomem(err);
    for (size_t i = 0; i < killing->count; i++)
        ids[i] = killing->tasks[i].node;
    return berth_swarm_nodes_with(killing->swarm, ids, killing->count, ret_nodes, err);
}

int berth_swarm_kill(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    struct killing killing = {.swarm = swarm, .nodes = &nodes};
    int status = berth_swarm_find(swarm, id, &found, err);
    if (status == 0)
        status = collect(&killing, found.tasks_json, err);
    if (status == 0)
        status = find_nodes(&killing, &nodes, err);
    BERTH_CLEANUP(free) struct berth_swarm_task *tasks = killing.tasks;
    if (status < 0)
        return status;
    status = berth_swarm_remove_service(swarm, found.service_json, err);
    if (status == 0 && swarm->watch) /* before the end of its containers shows it once more */
        berth_swarm_watch_want(swarm->watch, id);
    if (status == 0 && killing.count > 0)
        berth_parallel_for(killing.count, (unsigned)killing.count, kill_one, &killing);
    return status;
}
