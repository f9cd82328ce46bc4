/* SPDX-License-Identifier: MIT */
/* The hosts behind a facility. In solo mode that is the engine's own host. */
#include "base/json.h"
#include "gateway/apps_api.h"
#include "gateway/node_json.h"

#include <string.h>

int berth_nodes_get_names(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(node_list) struct berth_node_list nodes = {0};
    int r = berth_backend_nodes(exchange->facility->backend, &nodes, err);
    if (r < 0)
        return r;
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_array(&w, NULL);
    for (size_t i = 0; i < nodes.count; i++)
        berth_json_add_string(&w, NULL, nodes.items[i].hostname);
    berth_json_close_array(&w);
    return 0;
}

static const struct berth_node *find_node(const struct berth_node_list *nodes, const char *hostname)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (strcmp(nodes->items[i].hostname, hostname) == 0)
            return &nodes->items[i];
    return NULL;
}

int berth_nodes_get_status(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *hostname = berth_params_get(&exchange->params, "hostname");
    BERTH_CLEANUP(node_list) struct berth_node_list nodes = {0};
    int r = hostname ? berth_naming_check_hostname("hostname", hostname, err) : 0;
    if (r == 0)
        r = berth_backend_nodes(exchange->facility->backend, &nodes, err);
    if (r < 0)
        return r;

    exchange->target = hostname;
    exchange->content_type = BERTH_TYPE_JSON;
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    if (hostname) {
        const struct berth_node *node = find_node(&nodes, hostname);
        if (!node)
            return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no host %s", hostname);
        berth_node_json_add(&w, node);
        return 0;
    }
    berth_json_open_array(&w, NULL);
    for (size_t i = 0; i < nodes.count; i++)
        berth_node_json_add(&w, &nodes.items[i]);
    berth_json_close_array(&w);
    return 0;
}

int berth_nodes_get_info(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *hostname = NULL;
    struct berth_backend *backend = exchange->facility->backend;
    if (!backend->ops->node_inspect)
        return berth_backend_unsupported(backend, "get-node-info", err);
    int r = berth_params_require(&exchange->params, "hostname", &hostname, err);
    if (r == 0)
        r = berth_naming_check_hostname("hostname", hostname, err);
    if (r < 0)
        return r;
    exchange->target = hostname;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_strbuf_addc(&exchange->body, '[');
    r = berth_backend_node_inspect(backend, hostname, &exchange->body, err);
    berth_strbuf_addc(&exchange->body, ']');
    return r;
}
