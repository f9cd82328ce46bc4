/* SPDX-License-Identifier: MIT */
/*
 * What the backends whose apps are containers of one Docker engine have in
 * common: the engine client, its statistics and its watch, and every verb that
 * a container's id is enough for, as backend.h promises them. How apps come and
 * go is the backend's own.
 *
 * Threading: as backend.h.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_HOST_H
#define BERTH_BACKENDS_ENGINE_ENGINE_HOST_H

#include "backends/backend.h"
#include "backends/engine/engine_app.h"

struct berth_engine_stats;
struct berth_engine_watch;

/* First in the struct of such a backend. */
struct berth_engine_host {
    struct berth_backend head;
    struct berth_engine *engine;
    char *facility;
    struct berth_engine_scope scope;
    struct berth_engine_io *io;
    struct berth_engine_stats *stats;
    struct berth_engine_watch *watch; /* NULL: nobody watches */
};

static inline struct berth_engine_host *berth_engine_host_of(struct berth_backend *backend)
{
    return (struct berth_engine_host *)(void *)backend;
}

/* host: zeroed. Nothing is asked of the engine yet. */
BERTH_MUST_CHECK int berth_engine_host_init(struct berth_engine_host *host,
                                            const struct berth_backend_config *config,
                                            struct berth_error *err);
/* Ends the watch too. A zeroed host is fine. */
void berth_engine_host_release(struct berth_engine_host *host);

/* ---- The verbs ---- */

BERTH_MUST_CHECK int berth_engine_host_list(struct berth_backend *backend, const char *id,
                                            struct berth_app_list *apps, struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_start(struct berth_backend *backend, const char *id,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_stop(struct berth_backend *backend, const char *id,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_pause(struct berth_backend *backend, const char *id,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_unpause(struct berth_backend *backend, const char *id,
                                               struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_restart(struct berth_backend *backend, const char *id,
                                               struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_kill(struct berth_backend *backend, const char *id,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_remove(struct berth_backend *backend, const char *id,
                                              struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_inspect(struct berth_backend *backend, const char *id,
                                               struct berth_strbuf *body, struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_stats(struct berth_backend *backend,
                                             const struct berth_app *const *apps, size_t count,
                                             struct berth_stats_list *ret_stats,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_logs(struct berth_backend *backend, const char *id,
                                            const struct berth_logs_spec *spec,
                                            berth_logs_output *output, void *ctx,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_exec(struct berth_backend *backend, const char *id,
                                            const struct berth_exec_spec *spec,
                                            struct berth_exec **ret_exec, struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_images(struct berth_backend *backend,
                                              struct berth_image_list **ret_images,
                                              struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_pull(struct berth_backend *backend, const char *reference,
                                            berth_pull_progress *progress, void *ctx,
                                            char **ret_digest, char **ret_id,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_image_remove(struct berth_backend *backend,
                                                    const char *reference, struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_nodes(struct berth_backend *backend,
                                             struct berth_node_list *ret_nodes,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_engine_host_watch(struct berth_backend *backend,
                                             const struct berth_watch_sink *sink,
                                             struct berth_error *err);
void berth_engine_host_touch(struct berth_backend *backend);

#endif
