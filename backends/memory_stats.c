/* SPDX-License-Identifier: MIT */
/* Resource use of containers that use nothing: made up from the id, so that it is steady. */
#include "backends/memory_internal.h"

#include "base/clock.h"
#include "base/text.h"

#include <string.h>

#define MIB               (1024.0 * 1024.0)
#define HOST_MEMORY_BYTES (8192.0 * MIB)
#define TRAFFIC_MAX_S     86400 /* traffic grows for a day */

static void fill_stats(struct memory *memory, const struct memory_container *container,
                       struct berth_app_stats *stats)
{
    const struct berth_app *app = container->app;
    if (app->state != BERTH_APP_RUNNING && app->state != BERTH_APP_PAUSED)
        return;
    /* Three numbers between 0 and 1 from the first digits of the id. */
    double parts[3];
    for (size_t i = 0; i < 3; i++) {
        char digits[] = {app->id[2 * i], app->id[2 * i + 1], '\0'};
        parts[i] = (double)strtoul(digits, NULL, 16) / 255.0;
    }
    int64_t up_s = (memory_now_locked(memory) - app->started_ns) / BERTH_NS_PER_S;
    double traffic_s = (double)(up_s < TRAFFIC_MAX_S ? up_s : TRAFFIC_MAX_S);
    double limit = container->memory_bytes ? (double)container->memory_bytes : HOST_MEMORY_BYTES;
    double used = (8 + 120 * parts[0]) * MIB;
    stats->known = true;
    stats->cpu_percent = app->state == BERTH_APP_PAUSED ? 0 : 5 * parts[1];
    stats->memory_limit_bytes = limit;
    stats->memory_bytes = used < limit ? used : limit;
    stats->memory_percent = 100 * stats->memory_bytes / limit;
    stats->network_rx_bytes = 1000 + 300 * parts[2] * traffic_s;
    stats->network_tx_bytes = 200 * parts[1] * traffic_s;
    stats->block_read_bytes = 2 * MIB * parts[2];
    stats->pids = 1 + (uint64_t)(20 * parts[1]);
}

static int name_stats(struct berth_stats_list *list, const struct berth_app *const *apps,
                      size_t count, struct berth_error *err)
{
    list->items = calloc(count ? count : 1, sizeof(*list->items));
    if (!list->items)
        return berth_error_nomem(err);
    list->count = count;
    for (size_t i = 0; i < count; i++) {
        list->items[i].id = berth_text_dup(apps[i]->id);
        list->items[i].name = berth_text_dup(apps[i]->engine_name);
        if (!list->items[i].id || !list->items[i].name)
            return berth_error_nomem(err);
    }
    return 0;
}

int memory_stats(struct berth_backend *backend, const struct berth_app *const *apps, size_t count,
                 struct berth_stats_list *ret_stats, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    struct berth_stats_list list = {0};
    int status = name_stats(&list, apps, count, err);
    if (!status)
        status = memory_enter(memory, BERTH_MEMORY_STATS, err);
    if (status) {
        berth_stats_list_release(&list);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        struct memory_container *container;
        if (memory_find_locked(memory, apps[i]->id, &container, NULL) == 0)
            fill_stats(memory, container, &list.items[i]);
    }
    *ret_stats = list;
    return memory_leave(memory, 0);
}

static int describe_host(const struct memory *memory, struct berth_node_list *list,
                         struct berth_error *err)
{
    struct berth_node *node = calloc(1, sizeof(*node));
    if (!node)
        return berth_error_nomem(err);
    *list = (struct berth_node_list){.items = node, .count = 1};
    node->id = berth_text_dup(memory->node_id);
    node->hostname = berth_text_dup(MEMORY_HOSTNAME);
    node->status = berth_text_dup("Ready");
    node->availability = berth_text_dup("Active");
    node->manager_status = berth_text_dup("");
    node->engine_version = berth_text_dup(MEMORY_ENGINE_VERSION);
    node->tls_status = berth_text_dup("");
    node->self = true;
    bool whole = node->id && node->hostname && node->status && node->availability &&
                 node->manager_status && node->engine_version && node->tls_status;
    return whole ? 0 : berth_error_nomem(err);
}

int memory_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                 struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    struct berth_node_list list = {0};
    int status = describe_host(memory, &list, err);
    if (!status)
        status = memory_enter(memory, BERTH_MEMORY_NODES, err);
    if (status) {
        berth_node_list_release(&list);
        return status;
    }
    *ret_nodes = list;
    return memory_leave(memory, 0);
}
