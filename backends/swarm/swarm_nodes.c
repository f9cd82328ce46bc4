/* SPDX-License-Identifier: MIT */
#include "backends/swarm/swarm_nodes.h"

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

/* A node that is silent for so long does not answer, however patient the facility is. */
#define NODE_SILENCE_MS 5000

/* Where an agent listens when the configuration does not say. */
#define AGENT_PORT  "2378"
#define AGENT_WORD  "agent"
#define EVERY_NODE  "*"
#define ADDRESS_MAX 128

struct place {
    struct berth_swarm_endpoint endpoint; /* first: what callers hold */
    char *hostname;
    bool is_manager;
    char node_id[BERTH_SWARM_ID_MAX + 1]; /* of an agent's node, else "" */
    char address[ADDRESS_MAX];            /* the same */
    struct berth_error why; /* the nodes' lock; status 0: it answers, as far as is known */
};

/* node.HOSTNAME = agent:PORT */
struct agent_rule {
    char *hostname; /* or EVERY_NODE */
    char port[6];
};

struct berth_swarm_nodes {
    char *facility;
    struct berth_engine_io *io;
    int64_t request_timeout_ms;
    unsigned connections;
    struct berth_credential_store *credentials; /* NULL: no agents */
    struct agent_rule *rules;
    size_t rule_count;

    pthread_mutex_t lock;
    char self[BERTH_SWARM_ID_MAX + 1]; /* lock */
    struct place **places;             /* lock; the manager's first */
    size_t count;                      /* lock */
};

/* ---- Configuration ---- */

/* The port of "agent" or "agent:PORT", or NULL: it is an engine. */
static const char *agent_port(const char *engine)
{
    size_t len = strlen(AGENT_WORD);
    if (strncmp(engine, AGENT_WORD, len) != 0)
        return NULL;
    return engine[len] == ':' ? engine + len + 1 : AGENT_PORT;
}

static bool has_agents(const struct berth_node_endpoints *nodes)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (agent_port(nodes->items[i].engine))
            return true;
    return false;
}

int berth_swarm_agents_open(const struct berth_backend_config *config,
                            struct berth_credential_store **ret_store, struct berth_error *err)
{
    BERTH_CLEANUP(credential_store) struct berth_credential_store *store = NULL;
    const struct berth_credential_files files = {
        .ca = config->tls_ca, .certificate = config->tls_cert, .key = config->tls_key};
    if (!has_agents(&config->nodes)) {
        *ret_store = NULL;
        return 0;
    }
    int status = berth_credential_store_open(&files, &store, err);
    if (status < 0)
        return berth_error_wrap(err, "agents of nodes");
    BERTH_CLEANUP(credentials)
    struct berth_credentials *credentials = berth_credential_store_take(store);
    if (strcmp(credentials->subject.unit, BERTH_SWARM_WORKER_OU) == 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "agents of nodes let managers of the swarm in alone, and this host "
                               "is a worker: run the gateway on a manager, or give certificates of "
                               "your own (tls_ca, tls_cert, tls_key)");
    *ret_store = berth_steal(&store);
    return 0;
}

/* ---- Places ---- */

static void place_free(struct place *place)
{
    berth_engine_stats_free(place->endpoint.stats);
    if (!place->is_manager)
        berth_engine_close(place->endpoint.engine);
    free(place->hostname);
    free(place);
}

BERTH_DEFINE_CLEANUP(place, struct place *, place_free)

static int open_engine(const struct berth_swarm_nodes *nodes, struct berth_engine_config engine,
                       struct place *place, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf name = BERTH_STRBUF_INIT(1024);
    berth_strbuf_addf(&name, "%s (node %s)", nodes->facility, place->hostname);
    engine.facility = berth_strbuf_str(&name); /* for messages */
    engine.request_timeout_ms = nodes->request_timeout_ms;
    engine.connections = nodes->connections;
    int status = berth_engine_open(&engine, &place->endpoint.engine, err);
    if (status < 0)
        return berth_error_wrap(err, "node.%s", place->hostname);
    return berth_engine_stats_new(nodes->io, place->endpoint.engine, BERTH_ENGINE_STATS_KEEP_MS,
                                  &place->endpoint.stats, err);
}

static struct place *place_new(const char *hostname)
{
    BERTH_CLEANUP(place) struct place *place = calloc(1, sizeof(*place));
    if (!place)
        return NULL;
    place->hostname = berth_text_dup(hostname);
    place->endpoint.hostname = place->hostname;
    return place->hostname ? berth_steal(&place) : NULL;
}

/* Takes the place over; false when out of memory. */
static bool add_place(struct berth_swarm_nodes *nodes, struct place **place)
{
    struct place **grown = reallocarray(nodes->places, nodes->count + 1, sizeof(struct place *));
    if (!grown)
        return false;
    nodes->places = grown;
    nodes->places[nodes->count++] = berth_steal(place);
    return true;
}

static int add_manager(struct berth_swarm_nodes *nodes, struct berth_engine *manager,
                       struct berth_error *err)
{
    BERTH_CLEANUP(place) struct place *place = place_new("");
    if (!place)
        return berth_error_nomem(err);
    place->is_manager = true;
    place->endpoint.engine = manager;
    int status = berth_engine_stats_new(nodes->io, manager, BERTH_ENGINE_STATS_KEEP_MS,
                                        &place->endpoint.stats, err);
    if (status == 0 && !add_place(nodes, &place))
        return berth_error_nomem(err);
    return status;
}

/* node.HOSTNAME = ENGINE */
static int add_fixed(struct berth_swarm_nodes *nodes, const struct berth_backend_config *config,
                     const struct berth_node_endpoint *node, struct berth_error *err)
{
    bool is_tcp = strncmp(node->engine, "tcp://", 6) == 0;
    const struct berth_engine_config engine = {
        .endpoint = node->engine,
        .tls_ca = is_tcp ? config->tls_ca : NULL,
        .tls_cert = is_tcp ? config->tls_cert : NULL,
        .tls_key = is_tcp ? config->tls_key : NULL,
    };
    BERTH_CLEANUP(place) struct place *place = place_new(node->hostname);
    if (!place)
        return berth_error_nomem(err);
    int status = open_engine(nodes, engine, place, err);
    if (status == 0 && !add_place(nodes, &place))
        return berth_error_nomem(err);
    return status;
}

static int add_rule(struct berth_swarm_nodes *nodes, const struct berth_node_endpoint *node,
                    struct berth_error *err)
{
    struct agent_rule *rule = &nodes->rules[nodes->rule_count++];
    rule->hostname = berth_text_dup(node->hostname);
    (void)snprintf(rule->port, sizeof(rule->port), "%s", agent_port(node->engine));
    return rule->hostname ? 0 : berth_error_nomem(err);
}

static int add_all(struct berth_swarm_nodes *nodes, const struct berth_backend_config *config,
                   struct berth_engine *manager, struct berth_error *err)
{
    nodes->facility = berth_text_dup(config->facility);
    nodes->rules = calloc(config->nodes.count + 1, sizeof(*nodes->rules));
    if (!nodes->facility || !nodes->rules)
        return berth_error_nomem(err);
    int status = berth_swarm_agents_open(config, &nodes->credentials, err);
    if (status == 0)
        status = add_manager(nodes, manager, err);
    for (size_t i = 0; status == 0 && i < config->nodes.count; i++) {
        const struct berth_node_endpoint *node = &config->nodes.items[i];
        status = agent_port(node->engine) ? add_rule(nodes, node, err)
                                          : add_fixed(nodes, config, node, err);
    }
    return status;
}

int berth_swarm_nodes_open(const struct berth_backend_config *config, struct berth_engine *manager,
                           struct berth_swarm_nodes **ret_nodes, struct berth_error *err)
{
    struct berth_swarm_nodes *nodes = calloc(1, sizeof(*nodes));
    if (!nodes)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&nodes->lock, NULL);
    nodes->io = config->io;
    nodes->connections = (unsigned)config->max_inflight;
    nodes->request_timeout_ms =
        config->request_timeout_ms < NODE_SILENCE_MS ? config->request_timeout_ms : NODE_SILENCE_MS;
    int status = add_all(nodes, config, manager, err);
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
    for (size_t i = 0; i < nodes->count; i++)
        place_free(nodes->places[i]);
    for (size_t i = 0; i < nodes->rule_count; i++)
        free(nodes->rules[i].hostname);
    free(nodes->rules);
    free(nodes->places);
    free(nodes->facility);
    berth_credential_store_close(nodes->credentials);
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

/* ---- Finding ---- */

static const struct agent_rule *rule_of(const struct berth_swarm_nodes *nodes,
                                        const struct berth_swarm_node *node)
{
    const struct agent_rule *general = NULL;
    for (size_t i = 0; i < nodes->rule_count; i++) {
        if (strcmp(nodes->rules[i].hostname, node->hostname) == 0)
            return &nodes->rules[i];
        if (strcmp(nodes->rules[i].hostname, EVERY_NODE) == 0)
            general = &nodes->rules[i];
    }
    return general;
}

static bool is_at(const struct place *place, const struct berth_swarm_node *node)
{
    return strcmp(place->node_id, node->id) == 0 && strcmp(place->address, node->address) == 0;
}

/* Only what a swarm's id can be, and an address that says where: they become a part of a URL. */
static bool is_known(const struct berth_swarm_node *node)
{
    bool is_v6 = strchr(node->address, ':') != NULL;
    return node->id[0] && node->id[strspn(node->id, "0123456789abcdefghijklmnopqrstuvwxyz")] == 0 &&
           node->address[0] &&
           node->address[strspn(node->address,
                                is_v6 ? "0123456789abcdefABCDEF:." : "0123456789.")] == 0 &&
           strcmp(node->address, "0.0.0.0") != 0 && strcmp(node->address, "::") != 0;
}

/* The certificate must be that of the node: with the swarm's own it is named by the node's id, with
 * others by its hostname. */
static int open_agent(struct berth_swarm_nodes *nodes, const struct agent_rule *rule,
                      const struct berth_swarm_node *node, struct place *place,
                      struct berth_error *err)
{
    BERTH_CLEANUP(credentials)
    struct berth_credentials *credentials = berth_credential_store_take(nodes->credentials);
    bool is_v6 = strchr(node->address, ':') != NULL;
    char where[ADDRESS_MAX];
    (void)snprintf(where, sizeof(where), "tcp://%s%s%s:%s", is_v6 ? "[" : "", node->address,
                   is_v6 ? "]" : "", rule->port);
    const struct berth_engine_config engine = {
        .endpoint = where,
        .credentials = nodes->credentials,
        .tls_name = berth_subject_is_node(&credentials->subject) ? node->id : node->hostname,
    };
    place->endpoint.is_agent = true;
    (void)snprintf(place->node_id, sizeof(place->node_id), "%s", node->id);
    (void)snprintf(place->address, sizeof(place->address), "%s", node->address);
    return open_engine(nodes, engine, place, err);
}

/* Under the lock. */
static struct place *find_place(const struct berth_swarm_nodes *nodes,
                                const struct berth_swarm_node *node)
{
    if (strcmp(nodes->self, node->id) == 0)
        return nodes->places[0];
    for (size_t i = 1; i < nodes->count; i++) {
        struct place *place = nodes->places[i];
        if (place->endpoint.is_agent ? is_at(place, node)
                                     : strcmp(place->hostname, node->hostname) == 0)
            return place;
    }
    return NULL;
}

struct berth_swarm_endpoint *berth_swarm_nodes_find(struct berth_swarm_nodes *nodes,
                                                    const struct berth_swarm_node *node)
{
    struct berth_error why = BERTH_ERROR_INIT;
    BERTH_LOCK_SCOPE(held, &nodes->lock);
    struct place *found = find_place(nodes, node);
    const struct agent_rule *rule = found ? NULL : rule_of(nodes, node);
    if (!rule || !is_known(node))
        return found ? &found->endpoint : NULL;
    BERTH_CLEANUP(place) struct place *place = place_new(node->hostname);
    if (!place)
        return NULL;
    found = place;
    if (open_agent(nodes, rule, node, place, &why) < 0) {
        berth_log_error(BERTH_LOG_ERROR, &why, "facility %s", nodes->facility);
        return NULL;
    }
    return add_place(nodes, &place) ? &found->endpoint : NULL;
}

struct berth_swarm_endpoint *berth_swarm_nodes_at(struct berth_swarm_nodes *nodes, size_t i)
{
    BERTH_LOCK_SCOPE(held, &nodes->lock);
    return i < nodes->count ? &nodes->places[i]->endpoint : NULL;
}

static struct place *place_of(struct berth_swarm_endpoint *endpoint)
{
    return (struct place *)(void *)endpoint;
}

bool berth_swarm_endpoint_is_left(struct berth_swarm_nodes *nodes,
                                  struct berth_swarm_endpoint *endpoint,
                                  const struct berth_swarm_node_list *list)
{
    const struct place *place = place_of(endpoint);
    if (!endpoint->is_agent)
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (is_at(place, &list->items[i]))
            return berth_swarm_nodes_is_self(nodes, place->node_id);
    return true;
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
