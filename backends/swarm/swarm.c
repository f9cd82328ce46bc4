/* SPDX-License-Identifier: MIT */
/* The swarm backend's life, and its verbs in one table. */
#include "backends/swarm/swarm_internal.h"

#include "backends/swarm/swarm_spread.h"
#include "backends/swarm/swarm_watch.h"
#include "base/log.h"
#include "base/text.h"

/* What is asked at the start may not hold it up for longer. */
#define FIRST_LOOK_MS 2000

/* ---- Life ---- */

static void swarm_close(struct berth_backend *backend)
{
    struct swarm *swarm = swarm_of(backend);
    berth_swarm_watch_close(swarm->watch);
    berth_swarm_spread_close(swarm->spread);
    berth_swarm_stock_free(swarm->stock);
    berth_swarm_nodes_close(swarm->nodes);
    berth_engine_close(swarm->manager);
    berth_image_list_unref(swarm->images);
    berth_swarm_node_list_release(&swarm->known);
    (void)pthread_mutex_destroy(&swarm->lock);
    free(swarm->facility);
    free(swarm);
}

static struct berth_engine_config manager_config(const struct berth_backend_config *config)
{
    bool is_tcp = strncmp(config->engine, "tcp://", 6) == 0;
    return (struct berth_engine_config){
        .facility = config->facility,
        .endpoint = config->engine,
        .tls_ca = is_tcp ? config->tls_ca : NULL,
        .tls_cert = is_tcp ? config->tls_cert : NULL,
        .tls_key = is_tcp ? config->tls_key : NULL,
        .request_timeout_ms = config->request_timeout_ms,
        .connections = (unsigned)config->max_inflight,
    };
}

/* Two nodes of one name are refused before anything starts; whatever else is wrong, or that
 * nobody answers, is no reason not to start. */
static int first_look(const struct berth_backend_config *config, struct berth_error *err)
{
    struct berth_engine_config engine = manager_config(config);
    BERTH_CLEANUP(engine) struct berth_engine *manager = NULL;
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    BERTH_CLEANUP(json) cJSON *json = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    engine.request_timeout_ms = FIRST_LOOK_MS;
    int status = berth_engine_open(&engine, &manager, err);
    if (status < 0)
        return status;
    status = berth_engine_get_json(manager, "/nodes", &json, &why);
    if (status == 0)
        status = berth_swarm_nodes_parse(json, &nodes, &why);
    if (status == 0)
        return berth_swarm_nodes_check(&nodes, err);
    (void)berth_swarm_restate(status, &why);
    berth_log_error(BERTH_LOG_WARNING, &why, "facility %s: the swarm does not answer",
                    config->facility);
    return 0;
}

static int open_parts(struct swarm *swarm, const struct berth_backend_config *config,
                      struct berth_error *err)
{
    const struct berth_engine_config manager = manager_config(config);
    if (!swarm->facility)
        return berth_error_nomem(err);
    int status = first_look(config, err);
    if (status == 0)
        status = berth_engine_open(&manager, &swarm->manager, err);
    if (status == 0)
        status = berth_swarm_nodes_open(config, swarm->manager, &swarm->nodes, err);
    if (status == 0)
        status = berth_swarm_stock_new(swarm->nodes, &swarm->stock, err);
    if (status == 0)
        status = berth_swarm_spread_open(swarm, &swarm->spread, err);
    return status;
}

static int swarm_open(const struct berth_backend_config *config, struct berth_backend **ret_backend,
                      struct berth_error *err)
{
    struct swarm *swarm = calloc(1, sizeof(*swarm));
    if (!swarm)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&swarm->lock, NULL);
    swarm->io = config->io;
    swarm->mode = (enum berth_swarm_mode)config->swarm_mode;
    swarm->facility = berth_text_dup(config->facility);
    swarm->scope = (struct berth_engine_scope){.facility = swarm->facility, .adopt = config->adopt};
    int status = open_parts(swarm, config, err);
    if (status < 0) {
        swarm_close(&swarm->head);
        return status;
    }
    *ret_backend = &swarm->head;
    return 0;
}

/* ---- Watching ---- */

static int swarm_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                       struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    return berth_swarm_watch_open(swarm, sink, &swarm->watch, err);
}

static void swarm_touch(struct berth_backend *backend)
{
    struct swarm *swarm = swarm_of(backend);
    if (swarm->watch)
        berth_swarm_watch_touch(swarm->watch);
}

/* ---- What is wrong ---- */

void berth_swarm_set_condition(struct swarm *swarm, const struct berth_error *why)
{
    bool is_news;
    {
        BERTH_LOCK_SCOPE(held, &swarm->lock);
        is_news = why && strcmp(swarm->condition.message, why->message) != 0;
        if (why)
            swarm->condition = *why;
        else
            berth_error_clear(&swarm->condition);
    }
    if (is_news)
        berth_log_error(BERTH_LOG_ERROR, why, "facility %s", swarm->facility);
}

static int swarm_condition(struct berth_backend *backend, struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_LOCK_SCOPE(held, &swarm->lock);
    if (swarm->condition.status && err)
        *err = swarm->condition;
    return swarm->condition.status;
}

const struct berth_backend_ops berth_swarm_ops = {
    .name = "swarm",
    .create_replaces = true,
    .open = swarm_open,
    .close = swarm_close,
    .list = berth_swarm_list,
    .create = berth_swarm_create,
    .kill = berth_swarm_kill,
    .inspect = berth_swarm_inspect,
    .stats = berth_swarm_stats,
    .logs = berth_swarm_logs,
    .exec = berth_swarm_exec,
    .images = berth_swarm_images,
    .pull = berth_swarm_pull,
    .image_remove = berth_swarm_image_remove,
    .image_keep = berth_swarm_image_keep,
    .image_drop = berth_swarm_image_drop,
    .image_copies = berth_swarm_image_copies,
    .nodes = berth_swarm_hosts,
    .node_inspect = berth_swarm_host_inspect,
    .watch = swarm_watch,
    .touch = swarm_touch,
    .condition = swarm_condition,
    .check = berth_swarm_check,
};
