/* SPDX-License-Identifier: MIT */
/*
 * The verb stats: each node's collector is asked about its own apps, all at
 * once. An app whose node cannot be asked is silent, as docker's own "--"; it
 * never reads as 0.
 */
#include "backends/swarm/swarm_internal.h"

#include "base/text.h"

/* The apps of one endpoint. */
struct share {
    struct swarm *swarm;
    struct berth_swarm_endpoint *endpoint;
    const struct berth_app **apps;
    size_t *places; /* in the whole */
    size_t count;
    struct berth_stats_list stats;
    int status;
};

struct shares {
    struct share *items;
    size_t count;
};

static void shares_release(struct shares *shares)
{
    for (size_t i = 0; i < shares->count; i++) {
        free(shares->items[i].apps);
        free(shares->items[i].places);
        berth_stats_list_release(&shares->items[i].stats);
    }
    free(shares->items);
}

BERTH_DEFINE_CLEANUP_VALUE(shares, struct shares, shares_release)

static bool is_running(const struct berth_app *app)
{
    return app->state == BERTH_APP_RUNNING || app->state == BERTH_APP_PAUSED;
}

/* The nodes where they run. */
static int find_nodes(struct swarm *swarm, const struct berth_app *const *apps, size_t count,
                      struct berth_swarm_node_list *ret_nodes, struct berth_error *err)
{
    BERTH_CLEANUP(free) const char **ids = calloc(count + 1, sizeof(*ids));
    if (!ids)
        return berth_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const char *id =
            is_running(apps[i]) ? berth_app_label(apps[i], BERTH_SWARM_NODE_ID_LABEL) : NULL;
        ids[i] = id ? id : "";
    }
    return berth_swarm_nodes_with(swarm, ids, count, ret_nodes, err);
}

static int make_shares(struct swarm *swarm, size_t count, struct shares *shares,
                       struct berth_error *err)
{
    size_t endpoints = 0;
    while (berth_swarm_nodes_at(swarm->nodes, endpoints))
        endpoints++;
    shares->items = calloc(endpoints, sizeof(*shares->items));
    if (!shares->items)
        return berth_error_nomem(err);
    for (size_t i = 0; i < endpoints; i++) {
        struct share *share = &shares->items[shares->count++];
        share->swarm = swarm;
        share->endpoint = berth_swarm_nodes_at(swarm->nodes, i);
        share->apps = calloc(count + 1, sizeof(*share->apps));
        share->places = calloc(count + 1, sizeof(*share->places));
        if (!share->apps || !share->places)
            return berth_error_nomem(err);
    }
    return 0;
}

/* The share of the app's node, or NULL: the node has no endpoint, or is not known. */
static struct share *share_of(struct shares *shares, const struct berth_swarm_node_list *nodes,
                              const struct berth_app *app)
{
    const char *node_id = berth_app_label(app, BERTH_SWARM_NODE_ID_LABEL);
    const struct berth_swarm_node *node = node_id ? berth_swarm_node_find(nodes, node_id) : NULL;
    if (!node || !app->container[0])
        return NULL;
    struct swarm *swarm = shares->items[0].swarm;
    const struct berth_swarm_endpoint *endpoint = berth_swarm_nodes_find(swarm->nodes, node);
    for (size_t i = 0; i < shares->count; i++)
        if (shares->items[i].endpoint == endpoint)
            return &shares->items[i];
    return NULL;
}

static void ask_share(void *ctx, size_t i)
{
    struct share *share = &((struct shares *)ctx)->items[i];
    struct berth_error why = BERTH_ERROR_INIT;
    if (share->count == 0)
        return;
    share->status = berth_swarm_endpoint_check(share->swarm->nodes, share->endpoint, &why);
    if (share->status == 0)
        share->status = berth_engine_stats_ask(share->endpoint->stats, share->apps, share->count,
                                               &share->stats, &why);
}

/* What is told of an app before its node was asked: nothing, or, running, that it is silent. */
static int fill_silent(struct berth_app_stats *item, const struct berth_app *app,
                       struct berth_error *err)
{
    item->id = berth_text_dup(app->container);
    item->name = berth_text_dup(app->engine_name);
    item->silent = is_running(app) || app->state == BERTH_APP_UNKNOWN;
    return item->id && item->name ? 0 : berth_error_nomem(err);
}

static void merge(struct shares *shares, struct berth_stats_list *list)
{
    for (size_t i = 0; i < shares->count; i++) {
        struct share *share = &shares->items[i];
        for (size_t k = 0; share->status == 0 && k < share->stats.count; k++) {
            struct berth_app_stats *from = &share->stats.items[k];
            struct berth_app_stats *to = &list->items[share->places[k]];
            if (!from->known)
                continue;
            struct berth_app_stats whole = *from;
            whole.id = to->id;
            whole.name = to->name;
            *to = whole;
        }
    }
}

int berth_swarm_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                      size_t count, struct berth_stats_list *ret_stats, struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(shares) struct shares shares = {0};
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    BERTH_CLEANUP(stats_list)
    struct berth_stats_list list = {.items = calloc(count + 1, sizeof(*list.items))};
    if (!list.items)
        return berth_error_nomem(err);
    int status = count > 0 ? find_nodes(swarm, apps, count, &nodes, err) : 0;
    if (status == 0)
        status = make_shares(swarm, count, &shares, err);
    for (size_t i = 0; status == 0 && i < count; i++) {
        status = fill_silent(&list.items[list.count++], apps[i], err);
        struct share *share = is_running(apps[i]) ? share_of(&shares, &nodes, apps[i]) : NULL;
        if (share) {
            share->places[share->count] = i;
            share->apps[share->count++] = apps[i];
        }
    }
    if (status < 0)
        return status;
    berth_parallel_for(shares.count, (unsigned)shares.count, ask_share, &shares);
    merge(&shares, &list);
    *ret_stats = list;
    list = (struct berth_stats_list){0};
    return 0;
}
