/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_host.h"

#include "backends/engine/engine_app.h"
#include "backends/engine/engine_container.h"
#include "backends/engine/engine_exec.h"
#include "backends/engine/engine_image.h"
#include "backends/engine/engine_logs.h"
#include "backends/engine/engine_stats.h"
#include "backends/engine/engine_watch.h"
#include "base/text.h"

static struct berth_engine *engine_of(struct berth_backend *backend)
{
    return berth_engine_host_of(backend)->engine;
}

/* ---- Life ---- */

void berth_engine_host_release(struct berth_engine_host *host)
{
    berth_engine_watch_close(host->watch);
    berth_engine_stats_free(host->stats);
    berth_engine_close(host->engine);
    free(host->facility);
    *host = (struct berth_engine_host){0};
}

int berth_engine_host_init(struct berth_engine_host *host,
                           const struct berth_backend_config *config, struct berth_error *err)
{
    host->io = config->io;
    host->facility = berth_text_dup(config->facility);
    host->scope = (struct berth_engine_scope){.facility = host->facility, .adopt = config->adopt};
    const struct berth_engine_config engine = {
        .facility = config->facility,
        .endpoint = config->engine,
        .tls_ca = config->tls_ca,
        .tls_cert = config->tls_cert,
        .tls_key = config->tls_key,
        .request_timeout_ms = config->request_timeout_ms,
        .connections = (unsigned)config->max_inflight,
    };
    int rc =
        host->facility ? berth_engine_open(&engine, &host->engine, err) : berth_error_nomem(err);
    if (!rc)
        rc = berth_engine_stats_new(host->io, host->engine, BERTH_ENGINE_STATS_KEEP_MS,
                                    &host->stats, err);
    if (rc < 0)
        berth_engine_host_release(host);
    return rc;
}

/* ---- Apps ---- */

int berth_engine_host_list(struct berth_backend *backend, const char *id,
                           struct berth_app_list *apps, struct berth_error *err)
{
    struct berth_engine_host *host = berth_engine_host_of(backend);
    if (!id)
        return berth_engine_app_list(host->engine, &host->scope, apps, err);
    struct berth_app *app = NULL;
    int rc = berth_engine_app_fetch(host->engine, &host->scope, id, &app, err);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    return rc < 0 ? rc : berth_app_list_add(apps, app, err);
}

int berth_engine_host_start(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_start(engine_of(backend), id, err);
}

int berth_engine_host_stop(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_stop(engine_of(backend), id, err);
}

int berth_engine_host_pause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_pause(engine_of(backend), id, err);
}

int berth_engine_host_unpause(struct berth_backend *backend, const char *id,
                              struct berth_error *err)
{
    return berth_engine_container_unpause(engine_of(backend), id, err);
}

int berth_engine_host_restart(struct berth_backend *backend, const char *id,
                              struct berth_error *err)
{
    return berth_engine_container_restart(engine_of(backend), id, err);
}

int berth_engine_host_kill(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_kill(engine_of(backend), id, err);
}

int berth_engine_host_remove(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_remove(engine_of(backend), id, err);
}

int berth_engine_host_inspect(struct berth_backend *backend, const char *id,
                              struct berth_strbuf *body, struct berth_error *err)
{
    return berth_engine_container_inspect(engine_of(backend), id, body, err);
}

int berth_engine_host_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                            size_t count, struct berth_stats_list *ret_stats,
                            struct berth_error *err)
{
    return berth_engine_stats_ask(berth_engine_host_of(backend)->stats, apps, count, ret_stats,
                                  err);
}

int berth_engine_host_logs(struct berth_backend *backend, const char *id,
                           const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                           struct berth_error *err)
{
    return berth_engine_logs(engine_of(backend), id, spec, output, ctx, err);
}

int berth_engine_host_exec(struct berth_backend *backend, const char *id,
                           const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                           struct berth_error *err)
{
    return berth_engine_exec(engine_of(backend), id, spec, ret_exec, err);
}

/* ---- Images ---- */

int berth_engine_host_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                             struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *images = NULL;
    int rc = berth_engine_get_json(engine_of(backend), "/images/json", &images, err);
    return rc < 0 ? rc : berth_engine_images_parse(images, ret_images, err);
}

int berth_engine_host_pull(struct berth_backend *backend, const char *reference,
                           berth_pull_progress *progress, void *ctx, char **ret_digest,
                           char **ret_id, struct berth_error *err)
{
    return berth_engine_image_pull(engine_of(backend), reference, progress, ctx, ret_digest, ret_id,
                                   err);
}

int berth_engine_host_image_remove(struct berth_backend *backend, const char *reference,
                                   struct berth_error *err)
{
    return berth_engine_image_remove(engine_of(backend), reference, err);
}

/* ---- The host ---- */

static bool fill_node(const cJSON *info, struct berth_node *node)
{
    *node = (struct berth_node){
        .id = berth_text_dup(berth_json_string(info, "ID", "")),
        .hostname = berth_text_dup(berth_json_string(info, "Name", "")),
        .status = berth_text_dup("Ready"),
        .availability = berth_text_dup("Active"),
        .manager_status = berth_text_dup(""),
        .engine_version = berth_text_dup(berth_json_string(info, "ServerVersion", "")),
        .tls_status = berth_text_dup(""),
        .self = true,
    };
    return node->id && node->hostname && node->status && node->availability &&
           node->manager_status && node->engine_version && node->tls_status;
}

/* One node: the engine's host itself. */
int berth_engine_host_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                            struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *info = NULL;
    int rc = berth_engine_get_json(engine_of(backend), "/info", &info, err);
    if (rc < 0)
        return rc;
    struct berth_node_list nodes = {.items = calloc(1, sizeof(*nodes.items)), .count = 1};
    if (!nodes.items)
        return berth_error_nomem(err);
    if (!fill_node(info, &nodes.items[0])) {
        berth_node_list_release(&nodes);
        return berth_error_nomem(err);
    }
    *ret_nodes = nodes;
    return 0;
}

/* ---- Watching ---- */

int berth_engine_host_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                            struct berth_error *err)
{
    struct berth_engine_host *host = berth_engine_host_of(backend);
    return berth_engine_watch_open(host->io, host->engine, &host->scope, sink, &host->watch, err);
}

void berth_engine_host_touch(struct berth_backend *backend)
{
    struct berth_engine_host *host = berth_engine_host_of(backend);
    if (host->watch)
        berth_engine_watch_touch(host->watch);
}
