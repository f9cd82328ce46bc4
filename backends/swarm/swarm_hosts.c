/* SPDX-License-Identifier: MIT */
/* The verbs nodes and node_inspect: the swarm's nodes, as `docker node ls` and `inspect` do. */
#include "backends/swarm/swarm_internal.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>

/* "ready" is shown as "Ready". */
static char *shown(const char *word)
{
    char *copy = berth_text_dup(word);
    if (copy)
        copy[0] = (char)toupper((unsigned char)copy[0]);
    return copy;
}

static const char *manager_status(const cJSON *node)
{
    const cJSON *manager = berth_json_get(node, "ManagerStatus");
    if (!cJSON_IsObject(manager))
        return "";
    return berth_json_bool(manager, "Leader", false)
               ? "leader"
               : berth_json_string(manager, "Reachability", "");
}

/* Whether the node trusts the authority that the swarm has now. */
static const char *tls_status(const cJSON *node, const cJSON *swarm)
{
    const cJSON *own = berth_json_get(berth_json_get(node, "Description"), "TLSInfo");
    const cJSON *common = berth_json_get(berth_json_get(swarm, "Cluster"), "TLSInfo");
    if (!own || !common || !berth_json_string(own, "TrustRoot", "")[0])
        return "Unknown";
    return cJSON_Compare(own, common, true) ? "Ready" : "Needs Rotation";
}

static bool fill_node(const cJSON *json, const cJSON *swarm, struct berth_node *node)
{
    const cJSON *spec = berth_json_get(json, "Spec");
    const cJSON *description = berth_json_get(json, "Description");
    const cJSON *engine = berth_json_get(description, "Engine");
    const char *id = berth_json_string(json, "ID", "");
    *node = (struct berth_node){
        .id = berth_text_dup(id),
        .hostname = berth_text_dup(berth_json_string(description, "Hostname", "")),
        .status = shown(berth_json_string(berth_json_get(json, "Status"), "State", "unknown")),
        .availability = shown(berth_json_string(spec, "Availability", "")),
        .manager_status = shown(manager_status(json)),
        .engine_version = berth_text_dup(berth_json_string(engine, "EngineVersion", "")),
        .tls_status = berth_text_dup(tls_status(json, swarm)),
        .self = strcmp(id, berth_json_string(swarm, "NodeID", "")) == 0,
    };
    return node->id && node->hostname && node->status && node->availability &&
           node->manager_status && node->engine_version && node->tls_status;
}

/* Runs of digits by their number, as docker orders hostnames: node9, node10. */
static int compare_naturally(const void *a, const void *b)
{
    return strverscmp(((const struct berth_node *)a)->hostname,
                      ((const struct berth_node *)b)->hostname);
}

int berth_swarm_hosts(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                      struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(node_list) struct berth_node_list nodes = {0};
    BERTH_CLEANUP(json) cJSON *info = NULL;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int status = berth_swarm_get_json(swarm, "/nodes", &json, err);
    if (status == 0)
        status = berth_swarm_get_json(swarm, "/info", &info, err);
    if (status < 0)
        return status;
    nodes.items = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof(*nodes.items));
    if (!nodes.items)
        return berth_error_nomem(err);
    const cJSON *each;
    cJSON_ArrayForEach(each, json)
    {
        if (!fill_node(each, berth_json_get(info, "Swarm"), &nodes.items[nodes.count++]))
            return berth_error_nomem(err);
    }
    qsort(nodes.items, nodes.count, sizeof(*nodes.items), compare_naturally);
    *ret_nodes = nodes;
    nodes = (struct berth_node_list){0};
    return 0;
}

int berth_swarm_host_inspect(struct berth_backend *backend, const char *hostname,
                             struct berth_strbuf *body, struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *whole = NULL;
    int status = berth_swarm_get_nodes(swarm, &nodes, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < nodes.count; i++)
        if (strcmp(nodes.items[i].hostname, hostname) == 0)
            berth_strbuf_addf(&path, "/nodes/%s", nodes.items[i].id);
    if (path.len == 0)
        return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no host %s", hostname);
    const struct berth_engine_request request = {.method = "GET", .path = berth_strbuf_str(&path)};
    status = berth_swarm_call(swarm, &request, &response, err);
    if (status == 0) /* half an answer must not be passed on as an object */
        status = berth_engine_parse(swarm->manager, berth_strbuf_str(&response.body),
                                    response.body.len, &whole, err);
    if (status < 0)
        return status;
    size_t len = response.body.len;
    while (len > 0 && response.body.data[len - 1] == '\n')
        len--;
    berth_strbuf_add(body, response.body.data, len);
    return berth_strbuf_check(body, err);
}
