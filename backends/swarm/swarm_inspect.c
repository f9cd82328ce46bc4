/* SPDX-License-Identifier: MIT */
/*
 * The verb inspect: the container's own object, from the engine of its node.
 * Where that cannot be had, what the manager has, as
 *
 *   {"Reason": "node w2 has no endpoint", "Service": {…}, "Task": {…} or null}
 *
 * with the objects of GET /services/{id} and GET /tasks/{id}.
 */
#include "backends/engine/engine_container.h"
#include "backends/swarm/swarm_internal.h"

/* False, with the reason: the container cannot be asked about. */
static bool inspect_container(struct swarm *swarm, const struct berth_swarm_found *found,
                              const struct berth_swarm_node *node, struct berth_strbuf *body,
                              struct berth_strbuf *reason)
{
    struct berth_error why = BERTH_ERROR_INIT;
    struct berth_swarm_endpoint *endpoint =
        node ? berth_swarm_nodes_find(swarm->nodes, node) : NULL;
    if (!found->task.container[0]) {
        berth_strbuf_adds(reason, "there is no container yet");
        return false;
    }
    const char *trouble = berth_swarm_node_trouble(node);
    if (trouble || !endpoint) {
        berth_strbuf_addf(reason, "node %s %s", node ? node->hostname : found->task.node,
                          trouble ? trouble : "has no endpoint");
        return false;
    }
    size_t start = body->len;
    int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, &why);
    if (status == 0)
        status =
            berth_engine_container_inspect(endpoint->engine, found->task.container, body, &why);
    if (status == 0)
        return true;
    berth_strbuf_truncate(body, start);
    berth_strbuf_addf(reason, "node %s: %s", node->hostname, why.message);
    return false;
}

static int add_manager_view(const struct berth_swarm_found *found, const char *reason,
                            struct berth_strbuf *body, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    BERTH_CLEANUP(free) char *service = cJSON_PrintUnformatted(found->service_json);
    BERTH_CLEANUP(free)
    char *task = found->task_json ? cJSON_PrintUnformatted(found->task_json) : NULL;
    if (!service || (found->task_json && !task))
        return berth_error_nomem(err);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "Reason", reason);
    berth_json_add_raw(&w, "Service", service, strlen(service));
    if (task)
        berth_json_add_raw(&w, "Task", task, strlen(task));
    else
        berth_json_add_null(&w, "Task");
    berth_json_close_object(&w);
    return berth_strbuf_check(body, err);
}

int berth_swarm_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                        struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf reason = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    int status = berth_swarm_find(swarm, id, &found, err);
    const char *node_id = found.task.node;
    if (status == 0)
        status = berth_swarm_nodes_with(swarm, &node_id, 1, &nodes, err);
    if (status < 0)
        return status;
    const struct berth_swarm_node *node = berth_swarm_node_find(&nodes, found.task.node);
    if (inspect_container(swarm, &found, node, body, &reason))
        return berth_strbuf_check(body, err);
    return add_manager_view(&found, berth_strbuf_str(&reason), body, err);
}
