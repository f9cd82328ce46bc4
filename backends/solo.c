/* SPDX-License-Identifier: MIT */
/*
 * Backend solo: the apps are containers of one Docker engine. All of it is
 * the engine client's work; here it is put behind the contract.
 */
#include "backends/solo.h"

#include "backends/engine/engine_create.h"
#include "backends/engine/engine_host.h"

static void solo_close(struct berth_backend *backend)
{
    berth_engine_host_release(berth_engine_host_of(backend));
    free(backend);
}

static int solo_open(const struct berth_backend_config *config, struct berth_backend **ret_backend,
                     struct berth_error *err)
{
    struct berth_engine_host *host = calloc(1, sizeof(*host));
    if (!host)
        return berth_error_nomem(err);
    int rc = berth_engine_host_init(host, config, err);
    if (rc < 0) {
        free(host);
        return rc;
    }
    *ret_backend = &host->head;
    return 0;
}

static int solo_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                       char **ret_id, struct berth_error *err)
{
    const struct berth_engine_host *host = berth_engine_host_of(backend);
    return berth_engine_create(host->engine, &host->scope, spec, ret_id, err);
}

static int solo_reset(struct berth_backend *backend, const char *id,
                      const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                      struct berth_error *err)
{
    *ret_gone = false;
    int rc = berth_engine_host_remove(backend, id, err);
    if (rc < 0)
        return rc;
    rc = solo_create(backend, spec, ret_id, err);
    *ret_gone = rc < 0;
    return rc;
}

const struct berth_backend_ops berth_solo_ops = {
    .name = "solo",
    .open = solo_open,
    .close = solo_close,
    .list = berth_engine_host_list,
    .create = solo_create,
    .start = berth_engine_host_start,
    .stop = berth_engine_host_stop,
    .pause = berth_engine_host_pause,
    .unpause = berth_engine_host_unpause,
    .restart = berth_engine_host_restart,
    .kill = berth_engine_host_kill,
    .remove = berth_engine_host_remove,
    .reset = solo_reset,
    .inspect = berth_engine_host_inspect,
    .stats = berth_engine_host_stats,
    .logs = berth_engine_host_logs,
    .exec = berth_engine_host_exec,
    .images = berth_engine_host_images,
    .pull = berth_engine_host_pull,
    .image_remove = berth_engine_host_image_remove,
    .nodes = berth_engine_host_nodes,
    .watch = berth_engine_host_watch,
    .touch = berth_engine_host_touch,
};
