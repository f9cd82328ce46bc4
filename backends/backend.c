/* SPDX-License-Identifier: MIT */
/*
 * The dispatchers: each refuses a verb the backend lacks by the name of the
 * endpoint that stands for it, and counts its callers, so that a hung engine
 * holds max_inflight of them and no more.
 */
#include "backends/backend.h"

#define BUSY_RETRY_AFTER_S 1

void berth_stats_list_release(struct berth_stats_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].id);
        free(list->items[i].name);
    }
    free(list->items);
    *list = (struct berth_stats_list){0};
}

static void node_release(struct berth_node *node)
{
    free(node->id);
    free(node->hostname);
    free(node->status);
    free(node->availability);
    free(node->manager_status);
    free(node->engine_version);
    free(node->tls_status);
}

void berth_node_list_release(struct berth_node_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        node_release(&list->items[i]);
    free(list->items);
    *list = (struct berth_node_list){0};
}

int berth_backend_open(const struct berth_backend_ops *ops,
                       const struct berth_backend_config *config,
                       struct berth_backend **ret_backend, struct berth_error *err)
{
    struct berth_backend *backend;
    int status = ops->open(config, &backend, err);
    if (status)
        return status;
    backend->ops = ops;
    backend->max_inflight = (unsigned)config->max_inflight;
    backend->inflight = 0;
    *ret_backend = backend;
    return 0;
}

void berth_backend_close(struct berth_backend *backend)
{
    if (backend)
        backend->ops->close(backend);
}

int berth_backend_unsupported(const struct berth_backend *backend, const char *endpoint,
                              struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_UNSUPPORTED, "%s endpoint incompatible with %s mode",
                           endpoint, backend->ops->name);
}

static void leave(struct berth_backend *backend)
{
    (void)__atomic_fetch_sub(&backend->inflight, 1, __ATOMIC_RELEASE);
}

static int enter(struct berth_backend *backend, struct berth_error *err)
{
    unsigned inflight = __atomic_load_n(&backend->inflight, __ATOMIC_RELAXED);
    while (inflight < backend->max_inflight)
        if (__atomic_compare_exchange_n(&backend->inflight, &inflight, inflight + 1, true,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return 0;
    int status = berth_error_set(err, BERTH_E_BUSY, "too many requests are waiting for the engine");
    if (err)
        err->retry_after_s = BUSY_RETRY_AFTER_S;
    return status;
}

const char *berth_verb_endpoint(enum berth_verb verb)
{
    static const char *const endpoints[] = {
        [BERTH_VERB_START] = "start-app",     [BERTH_VERB_STOP] = "stop-app",
        [BERTH_VERB_PAUSE] = "pause-app",     [BERTH_VERB_UNPAUSE] = "unpause-app",
        [BERTH_VERB_RESTART] = "restart-app", [BERTH_VERB_KILL] = "kill-app",
        [BERTH_VERB_REMOVE] = "delete-app",   [BERTH_VERB_REMOVE_ENDED] = "delete-app",
    };
    return endpoints[verb];
}

typedef int act_verb(struct berth_backend *backend, const char *id, struct berth_error *err);

static act_verb *find_act(const struct berth_backend_ops *ops, enum berth_verb verb)
{
    switch (verb) {
    case BERTH_VERB_START:
        return ops->start;
    case BERTH_VERB_STOP:
        return ops->stop;
    case BERTH_VERB_PAUSE:
        return ops->pause;
    case BERTH_VERB_UNPAUSE:
        return ops->unpause;
    case BERTH_VERB_RESTART:
        return ops->restart;
    case BERTH_VERB_KILL:
        return ops->kill;
    case BERTH_VERB_REMOVE:
        return ops->remove;
    case BERTH_VERB_REMOVE_ENDED:
        return ops->remove_ended;
    }
    return NULL;
}

int berth_backend_act(struct berth_backend *backend, enum berth_verb verb, const char *id,
                      struct berth_error *err)
{
    act_verb *act = find_act(backend->ops, verb);
    if (!act)
        return berth_backend_unsupported(backend, berth_verb_endpoint(verb), err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = act(backend, id, err);
    leave(backend);
    return status;
}

int berth_backend_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                       struct berth_error *err)
{
    if (!backend->ops->list)
        return berth_backend_unsupported(backend, "get-app-status", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->list(backend, id, apps, err);
    leave(backend);
    return status;
}

int berth_backend_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                         char **ret_id, struct berth_error *err)
{
    if (!backend->ops->create)
        return berth_backend_unsupported(backend, "create-app", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->create(backend, spec, ret_id, err);
    leave(backend);
    return status;
}

int berth_backend_reset(struct berth_backend *backend, const char *id,
                        const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                        struct berth_error *err)
{
    if (!backend->ops->reset)
        return berth_backend_unsupported(backend, "hard-reset-app", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->reset(backend, id, spec, ret_id, ret_gone, err);
    leave(backend);
    return status;
}

int berth_backend_update(struct berth_backend *backend, const char *id,
                         const struct berth_container_change *change, char **ret_id,
                         struct berth_error *err)
{
    if (!backend->ops->update)
        return berth_backend_unsupported(backend, "update-container", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->update(backend, id, change, ret_id, err);
    leave(backend);
    return status;
}

int berth_backend_plan(struct berth_backend *backend, const struct berth_create_spec *spec,
                       struct berth_texts *ret_images, struct berth_error *err)
{
    if (!backend->ops->plan)
        return berth_backend_unsupported(backend, "create-project", err);
    return backend->ops->plan(backend, spec, ret_images, err);
}

int berth_backend_describe(struct berth_backend *backend, const struct berth_app *app,
                           struct berth_container *ret_container, struct berth_error *err)
{
    if (!backend->ops->describe)
        return berth_backend_unsupported(backend, "describe-container", err);
    return backend->ops->describe(backend, app, ret_container, err);
}

int berth_backend_services(struct berth_backend *backend, const struct berth_app *app,
                           struct berth_services *ret_services, struct berth_error *err)
{
    if (!backend->ops->services)
        return berth_backend_unsupported(backend, "get-container", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->services(backend, app, ret_services, err);
    leave(backend);
    return status;
}

int berth_backend_versions(struct berth_backend *backend, struct berth_versions *ret_versions,
                           struct berth_error *err)
{
    if (!backend->ops->versions)
        return berth_backend_unsupported(backend, "healthz", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->versions(backend, ret_versions, err);
    leave(backend);
    return status;
}

int berth_backend_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                          struct berth_error *err)
{
    if (!backend->ops->inspect)
        return berth_backend_unsupported(backend, "get-app-info", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->inspect(backend, id, body, err);
    leave(backend);
    return status;
}

int berth_backend_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                        size_t count, struct berth_stats_list *ret_stats, struct berth_error *err)
{
    if (!backend->ops->stats)
        return berth_backend_unsupported(backend, "get-app-stats", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->stats(backend, apps, count, ret_stats, err);
    leave(backend);
    return status;
}

/* Of a log that somebody waits for. */
struct counted {
    struct berth_backend *backend;
    berth_logs_output *output;
    void *ctx;
    bool has_left;
};

/* The engine has answered: from here on it may be the reader who is slow, and no other caller is to
 * wait for that. */
static bool leave_and_output(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct counted *counted = ctx;
    if (!counted->has_left)
        leave(counted->backend);
    counted->has_left = true;
    return counted->output(counted->ctx, stream, data, len);
}

int berth_backend_logs(struct berth_backend *backend, const char *id,
                       const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                       struct berth_error *err)
{
    if (!backend->ops->logs)
        return berth_backend_unsupported(backend, "get-app-logs", err);
    if (spec->follow)
        return backend->ops->logs(backend, id, spec, output, ctx, err);
    int status = enter(backend, err);
    if (status)
        return status;
    struct counted counted = {.backend = backend, .output = output, .ctx = ctx};
    status = backend->ops->logs(backend, id, spec, leave_and_output, &counted, err);
    if (!counted.has_left)
        leave(backend);
    return status;
}

int berth_backend_exec(struct berth_backend *backend, const char *id,
                       const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                       struct berth_error *err)
{
    if (!backend->ops->exec)
        return berth_backend_unsupported(backend, "ws", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->exec(backend, id, spec, ret_exec, err);
    leave(backend);
    return status;
}

int berth_backend_attach(struct berth_backend *backend, const char *id, unsigned cols,
                         unsigned rows, struct berth_exec **ret_exec, struct berth_error *err)
{
    if (!backend->ops->attach)
        return berth_backend_unsupported(backend, "attach", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->attach(backend, id, cols, rows, ret_exec, err);
    leave(backend);
    return status;
}

int berth_backend_put_archive(struct berth_backend *backend, const struct berth_app *app,
                              int archive, berth_files_progress *progress, void *ctx,
                              struct berth_files_tally *ret_tally, struct berth_error *err)
{
    if (!backend->ops->put_archive)
        return berth_backend_unsupported(backend, "upload-zip", err);
    return backend->ops->put_archive(backend, app, archive, progress, ctx, ret_tally, err);
}

int berth_backend_get_archive(struct berth_backend *backend, const struct berth_app *app,
                              const char *path, berth_files_output *output, void *ctx,
                              struct berth_error *err)
{
    if (!backend->ops->get_archive)
        return berth_backend_unsupported(backend, "download-zip", err);
    return backend->ops->get_archive(backend, app, path, output, ctx, err);
}

int berth_backend_get_file(struct berth_backend *backend, const struct berth_app *app,
                           const char *path, int *ret_fd, struct berth_error *err)
{
    if (!backend->ops->get_file)
        return berth_backend_unsupported(backend, "download", err);
    return backend->ops->get_file(backend, app, path, ret_fd, err);
}

int berth_backend_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                         struct berth_error *err)
{
    if (!backend->ops->images)
        return berth_backend_unsupported(backend, "get-images", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->images(backend, ret_images, err);
    leave(backend);
    return status;
}

int berth_backend_pull(struct berth_backend *backend, const char *reference,
                       berth_pull_progress *progress, void *ctx, char **ret_digest, char **ret_id,
                       struct berth_error *err)
{
    if (!backend->ops->pull)
        return berth_backend_unsupported(backend, "request-image", err);
    return backend->ops->pull(backend, reference, progress, ctx, ret_digest, ret_id, err);
}

int berth_backend_image_remove(struct berth_backend *backend, const char *reference,
                               struct berth_error *err)
{
    if (!backend->ops->image_remove)
        return berth_backend_unsupported(backend, "remove-image", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->image_remove(backend, reference, err);
    leave(backend);
    return status;
}

int berth_backend_image_keep(struct berth_backend *backend, const char *reference,
                             const char *digest, bool is_old, struct berth_error *err)
{
    if (!backend->ops->image_keep)
        return 0;
    return backend->ops->image_keep(backend, reference, digest, is_old, err);
}

void berth_backend_image_drop(struct berth_backend *backend, const char *reference)
{
    if (backend->ops->image_drop)
        backend->ops->image_drop(backend, reference);
}

int berth_backend_image_copies(struct berth_backend *backend, const char *reference,
                               struct berth_image_copies *ret_copies, struct berth_error *err)
{
    *ret_copies = (struct berth_image_copies){0};
    if (!backend->ops->image_copies)
        return 0;
    return backend->ops->image_copies(backend, reference, ret_copies, err);
}

const char *berth_copy_state_name(enum berth_copy_state state)
{
    static const char *const names[] = {"waiting", "pulling", "present", "failed", "unknown"};
    return names[state];
}

void berth_image_copies_release(struct berth_image_copies *copies)
{
    free(copies->items);
    *copies = (struct berth_image_copies){0};
}

int berth_backend_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                        struct berth_error *err)
{
    if (!backend->ops->nodes)
        return berth_backend_unsupported(backend, "get-node-status", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->nodes(backend, ret_nodes, err);
    leave(backend);
    return status;
}

int berth_backend_node_inspect(struct berth_backend *backend, const char *hostname,
                               struct berth_strbuf *body, struct berth_error *err)
{
    if (!backend->ops->node_inspect)
        return berth_backend_unsupported(backend, "get-node-info", err);
    int status = enter(backend, err);
    if (status)
        return status;
    status = backend->ops->node_inspect(backend, hostname, body, err);
    leave(backend);
    return status;
}

int berth_backend_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                        struct berth_error *err)
{
    if (!backend->ops->watch)
        return berth_backend_unsupported(backend, "watch", err);
    return backend->ops->watch(backend, sink, err);
}

void berth_backend_touch(struct berth_backend *backend)
{
    if (backend->ops->touch)
        backend->ops->touch(backend);
}

int berth_backend_condition(struct berth_backend *backend, struct berth_error *err)
{
    return backend->ops->condition ? backend->ops->condition(backend, err) : 0;
}
