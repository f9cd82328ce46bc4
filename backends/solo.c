/* SPDX-License-Identifier: MIT */
/*
 * Backend solo: the apps are containers of one Docker engine. All of it is
 * the engine client's work; here it is put behind the contract.
 */
#include "backends/solo.h"
#include "backends/engine/engine_app.h"
#include "backends/engine/engine_container.h"
#include "backends/engine/engine_create.h"
#include "backends/engine/engine_image.h"
#include "backends/engine/engine_logs.h"
#include "backends/engine/engine_stats.h"
#include "backends/engine/engine_watch.h"
#include "base/text.h"

struct solo {
    struct berth_backend head;
    struct berth_engine *engine;
    char *facility;
    struct berth_engine_scope scope;
    struct berth_engine_io *io;
    struct berth_engine_stats *stats;
    struct berth_engine_watch *watch; /* NULL: nobody watches */
};

static struct solo *solo_of(struct berth_backend *backend)
{
    return (struct solo *)(void *)backend;
}

static struct berth_engine *engine_of(struct berth_backend *backend)
{
    return solo_of(backend)->engine;
}

/* ---- Life ---- */

static void solo_close(struct berth_backend *backend)
{
    struct solo *solo = solo_of(backend);
    berth_engine_watch_close(solo->watch);
    berth_engine_stats_free(solo->stats);
    berth_engine_close(solo->engine);
    free(solo->facility);
    free(solo);
}

static int solo_open(const struct berth_backend_config *config, struct berth_backend **ret_backend,
                     struct berth_error *err)
{
    struct solo *solo = calloc(1, sizeof(*solo));
    if (!solo)
        return berth_error_nomem(err);
    solo->io = config->io;
    solo->facility = berth_text_dup(config->facility);
    solo->scope = (struct berth_engine_scope){.facility = solo->facility, .adopt = config->adopt};
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
        solo->facility ? berth_engine_open(&engine, &solo->engine, err) : berth_error_nomem(err);
    if (!rc)
        rc = berth_engine_stats_new(solo->io, solo->engine, BERTH_ENGINE_STATS_KEEP_MS,
                                    &solo->stats, err);
    if (rc < 0) {
        solo_close(&solo->head);
        return rc;
    }
    *ret_backend = &solo->head;
    return 0;
}

/* ---- Apps ---- */

static int solo_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                     struct berth_error *err)
{
    struct solo *solo = solo_of(backend);
    if (!id)
        return berth_engine_app_list(solo->engine, &solo->scope, apps, err);
    struct berth_app *app = NULL;
    int rc = berth_engine_app_fetch(solo->engine, &solo->scope, id, &app, err);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    return rc < 0 ? rc : berth_app_list_add(apps, app, err);
}

static int solo_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                       char **ret_id, struct berth_error *err)
{
    struct solo *solo = solo_of(backend);
    return berth_engine_create(solo->engine, &solo->scope, spec, ret_id, err);
}

static int solo_start(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_start(engine_of(backend), id, err);
}

static int solo_stop(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_stop(engine_of(backend), id, err);
}

static int solo_pause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_pause(engine_of(backend), id, err);
}

static int solo_unpause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_unpause(engine_of(backend), id, err);
}

static int solo_restart(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_restart(engine_of(backend), id, err);
}

static int solo_kill(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_kill(engine_of(backend), id, err);
}

static int solo_remove(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return berth_engine_container_remove(engine_of(backend), id, err);
}

static int solo_reset(struct berth_backend *backend, const char *id,
                      const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                      struct berth_error *err)
{
    *ret_gone = false;
    int rc = solo_remove(backend, id, err);
    if (rc < 0)
        return rc;
    rc = solo_create(backend, spec, ret_id, err);
    *ret_gone = rc < 0;
    return rc;
}

static int solo_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                        struct berth_error *err)
{
    return berth_engine_container_inspect(engine_of(backend), id, body, err);
}

static int solo_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                      size_t count, struct berth_stats_list *ret_stats, struct berth_error *err)
{
    return berth_engine_stats_ask(solo_of(backend)->stats, apps, count, ret_stats, err);
}

static int solo_logs(struct berth_backend *backend, const char *id,
                     const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                     struct berth_error *err)
{
    return berth_engine_logs(engine_of(backend), id, spec, output, ctx, err);
}

/* ---- Images ---- */

static int solo_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                       struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *images = NULL;
    int rc = berth_engine_get_json(engine_of(backend), "/images/json", &images, err);
    return rc < 0 ? rc : berth_engine_images_parse(images, ret_images, err);
}

static int solo_pull(struct berth_backend *backend, const char *reference,
                     berth_pull_progress *progress, void *ctx, char **ret_digest, char **ret_id,
                     struct berth_error *err)
{
    return berth_engine_image_pull(engine_of(backend), reference, progress, ctx, ret_digest, ret_id,
                                   err);
}

static int solo_image_remove(struct berth_backend *backend, const char *reference,
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
static int solo_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
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

static int solo_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                      struct berth_error *err)
{
    struct solo *solo = solo_of(backend);
    return berth_engine_watch_open(solo->io, solo->engine, &solo->scope, sink, &solo->watch, err);
}

static void solo_touch(struct berth_backend *backend)
{
    struct solo *solo = solo_of(backend);
    if (solo->watch)
        berth_engine_watch_touch(solo->watch);
}

const struct berth_backend_ops berth_solo_ops = {
    .name = "solo",
    .open = solo_open,
    .close = solo_close,
    .list = solo_list,
    .create = solo_create,
    .start = solo_start,
    .stop = solo_stop,
    .pause = solo_pause,
    .unpause = solo_unpause,
    .restart = solo_restart,
    .kill = solo_kill,
    .remove = solo_remove,
    .reset = solo_reset,
    .inspect = solo_inspect,
    .stats = solo_stats,
    .logs = solo_logs,
    .images = solo_images,
    .pull = solo_pull,
    .image_remove = solo_image_remove,
    .nodes = solo_nodes,
    .watch = solo_watch,
    .touch = solo_touch,
};
