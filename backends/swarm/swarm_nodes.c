/* SPDX-License-Identifier: MIT */
#include "backends/swarm/swarm_nodes.h"

#include "base/text.h"
#include "base/thread.h"

/* A node that is silent for so long does not answer, however patient the facility is. */
#define NODE_SILENCE_MS 5000

struct place {
    struct berth_swarm_endpoint endpoint; /* first: what callers hold */
    char *hostname;
    bool is_manager;
    struct berth_error why; /* lock; status 0: it answers, as far as is known */
};

struct berth_swarm_nodes {
    pthread_mutex_t lock;
    char self[BERTH_SWARM_ID_MAX + 1]; /* lock */
    size_t count;
    struct place places[]; /* the manager's first */
};

static int open_engine(const struct berth_backend_config *config,
                       const struct berth_node_endpoint *node, struct berth_engine **ret_engine,
                       struct berth_error *err)
{
    bool is_tcp = strncmp(node->engine, "tcp://", 6) == 0;
    BERTH_CLEANUP(strbuf) struct berth_strbuf name = BERTH_STRBUF_INIT(1024);
    berth_strbuf_addf(&name, "%s (node %s)", config->facility, node->hostname);
    const struct berth_engine_config engine = {
        .facility = berth_strbuf_str(&name), /* for messages */
        .endpoint = node->engine,
        .tls_ca = is_tcp ? config->tls_ca : NULL,
        .tls_cert = is_tcp ? config->tls_cert : NULL,
        .tls_key = is_tcp ? config->tls_key : NULL,
        .request_timeout_ms = config->request_timeout_ms < NODE_SILENCE_MS
                                  ? config->request_timeout_ms
                                  : NODE_SILENCE_MS,
        .connections = (unsigned)config->max_inflight,
    };
    int status = berth_engine_open(&engine, ret_engine, err);
    if (status < 0)
        (void)berth_error_wrap(err, "node.%s", node->hostname);
    return status;
}

static int open_place(struct berth_swarm_nodes *nodes, const struct berth_backend_config *config,
                      const struct berth_node_endpoint *node, struct berth_error *err)
{
    struct place *place = &nodes->places[nodes->count++];
    place->hostname = berth_text_dup(node->hostname);
    place->endpoint.hostname = place->hostname;
    if (!place->hostname)
        return berth_error_nomem(err);
    int status = open_engine(config, node, &place->endpoint.engine, err);
    return status < 0
               ? status
               : berth_engine_stats_new(config->io, place->endpoint.engine,
                                        BERTH_ENGINE_STATS_KEEP_MS, &place->endpoint.stats, err);
}

int berth_swarm_nodes_open(const struct berth_backend_config *config, struct berth_engine *manager,
                           struct berth_swarm_nodes **ret_nodes, struct berth_error *err)
{
    struct berth_swarm_nodes *nodes =
        calloc(1, sizeof(*nodes) + (config->nodes.count + 1) * sizeof(struct place));
    if (!nodes)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&nodes->lock, NULL);
    struct place *own = &nodes->places[nodes->count++];
    own->is_manager = true;
    own->endpoint.hostname = "";
    own->endpoint.engine = manager;
    int status = berth_engine_stats_new(config->io, manager, BERTH_ENGINE_STATS_KEEP_MS,
                                        &own->endpoint.stats, err);
    for (size_t i = 0; status == 0 && i < config->nodes.count; i++)
        status = open_place(nodes, config, &config->nodes.items[i], err);
    if (status < 0) {
        berth_swarm_nodes_close(nodes);
        return status;
    }
    *ret_nodes = nodes;
    return 0;
}

void berth_swarm_nodes_close(struct berth_swarm_nodes *nodes)
{
    if (!nodes)
        return;
    for (size_t i = 0; i < nodes->count; i++) {
        struct place *place = &nodes->places[i];
        berth_engine_stats_free(place->endpoint.stats);
        if (!place->is_manager)
            berth_engine_close(place->endpoint.engine);
        free(place->hostname);
    }
    (void)pthread_mutex_destroy(&nodes->lock);
    free(nodes);
}

void berth_swarm_nodes_set_self(struct berth_swarm_nodes *nodes, const char *node_id)
{
    BERTH_LOCK_SCOPE(held, &nodes->lock);
    (void)snprintf(nodes->self, sizeof(nodes->self), "%s", node_id);
}

bool berth_swarm_nodes_is_self(struct berth_swarm_nodes *nodes, const char *node_id)
{
    BERTH_LOCK_SCOPE(held, &nodes->lock);
    return strcmp(nodes->self, node_id) == 0;
}

struct berth_swarm_endpoint *berth_swarm_nodes_find(struct berth_swarm_nodes *nodes,
                                                    const struct berth_swarm_node *node)
{
    if (berth_swarm_nodes_is_self(nodes, node->id))
        return &nodes->places[0].endpoint;
    for (size_t i = 1; i < nodes->count; i++)
        if (strcmp(nodes->places[i].hostname, node->hostname) == 0)
            return &nodes->places[i].endpoint;
    return NULL;
}

struct berth_swarm_endpoint *berth_swarm_nodes_at(struct berth_swarm_nodes *nodes, size_t i)
{
    return i < nodes->count ? &nodes->places[i].endpoint : NULL;
}

static struct place *place_of(struct berth_swarm_endpoint *endpoint)
{
    return (struct place *)(void *)endpoint;
}

void berth_swarm_endpoint_set(struct berth_swarm_nodes *nodes,
                              struct berth_swarm_endpoint *endpoint, const struct berth_error *why)
{
    BERTH_LOCK_SCOPE(held, &nodes->lock);
    if (why)
        place_of(endpoint)->why = *why;
    else
        berth_error_clear(&place_of(endpoint)->why);
}

int berth_swarm_endpoint_check(struct berth_swarm_nodes *nodes,
                               struct berth_swarm_endpoint *endpoint, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(held, &nodes->lock);
    const struct berth_error *why = &place_of(endpoint)->why;
    if (why->status && err)
        *err = *why;
    return why->status;
}
