/* SPDX-License-Identifier: MIT */
/* What check-config says of a swarm facility: whether its engine is a manager, and what of a
 * service's spec it is too old for. */
#include "backends/swarm/swarm_internal.h"

#include "base/text.h"

#define SILENCE_MS 2000

/* The first Engine API whose services have NoNewPrivileges. */
#define NO_NEW_PRIVILEGES_MINOR 44

static int64_t api_minor(const cJSON *version)
{
    const char *text = berth_json_string(version, "ApiVersion", "");
    int64_t minor = 0;
    return strncmp(text, "1.", 2) == 0 && berth_text_parse_int(text + 2, 0, 9999, &minor, NULL) == 0
               ? minor
               : 0;
}

static void check_version(struct berth_engine *manager, struct berth_strbuf *notes)
{
    BERTH_CLEANUP(json) cJSON *version = NULL;
    if (berth_engine_get_json(manager, "/version", &version, NULL) == 0 &&
        api_minor(version) < NO_NEW_PRIVILEGES_MINOR)
        berth_strbuf_addf(notes,
                          "engine %s speaks API version %s: services cannot have "
                          "NoNewPrivileges before 1.%d (Docker 25)\n",
                          berth_json_string(version, "Version", ""),
                          berth_json_string(version, "ApiVersion", ""), NO_NEW_PRIVILEGES_MINOR);
}

/* Endpoints of hosts that the swarm does not have. */
static void check_endpoints(const struct berth_backend_config *config,
                            const struct berth_swarm_node_list *nodes, struct berth_strbuf *notes)
{
    for (size_t i = 0; i < config->nodes.count; i++) {
        size_t k = 0;
        if (strcmp(config->nodes.items[i].hostname, "*") == 0)
            continue;
        while (k < nodes->count &&
               strcmp(nodes->items[k].hostname, config->nodes.items[i].hostname) != 0)
            k++;
        if (k == nodes->count)
            berth_strbuf_addf(notes, "node.%s: the swarm has no node of that name\n",
                              config->nodes.items[i].hostname);
    }
}

int berth_swarm_check(const struct berth_backend_config *config, struct berth_strbuf *notes,
                      struct berth_error *err)
{
    const struct berth_engine_config engine = {
        .facility = config->facility,
        .endpoint = config->engine,
        .tls_ca = strncmp(config->engine, "tcp://", 6) == 0 ? config->tls_ca : NULL,
        .tls_cert = strncmp(config->engine, "tcp://", 6) == 0 ? config->tls_cert : NULL,
        .tls_key = strncmp(config->engine, "tcp://", 6) == 0 ? config->tls_key : NULL,
        .request_timeout_ms = SILENCE_MS,
        .connections = 1,
    };
    BERTH_CLEANUP(engine) struct berth_engine *manager = NULL;
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    BERTH_CLEANUP(json) cJSON *json = NULL;
    BERTH_CLEANUP(credential_store) struct berth_credential_store *credentials = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    int status = berth_swarm_agents_open(config, &credentials, err);
    if (status == 0)
        status = berth_engine_open(&engine, &manager, err);
    if (status < 0)
        return status;
    status = berth_engine_get_json(manager, "/nodes", &json, &why);
    if (status == BERTH_E_REFUSED) { /* it answers: it is there, and of no use */
        (void)berth_swarm_restate(status, &why);
        return berth_error_set(err, BERTH_E_INVALID, "%s", why.message);
    }
    if (status < 0) {
        berth_strbuf_addf(notes, "%s\n", why.message);
        return 0;
    }
    status = berth_swarm_nodes_parse(json, &nodes, err);
    if (status == 0)
        status = berth_swarm_nodes_check(&nodes, err);
    if (status < 0)
        return status;
    check_version(manager, notes);
    check_endpoints(config, &nodes, notes);
    return berth_strbuf_check(notes, err);
}
