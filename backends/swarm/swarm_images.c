/* SPDX-License-Identifier: MIT */
/*
 * Images: listed as the manager's engine has them, which is what services are
 * pinned by; pulled there, then brought to every node (swarm_spread.h).
 */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_image.h"
#include "backends/engine/engine_name.h"
#include "backends/swarm/swarm_spread.h"
#include "base/log.h"

/* Nodes that take longer get it behind the request's back. */
#define NODES_WAIT_MS 600000

int berth_swarm_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                       struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(json) cJSON *json = NULL;
    struct berth_image_list *images = NULL;
    int status = berth_swarm_get_json(swarm, "/images/json", &json, err);
    if (status == 0)
        status = berth_engine_images_parse(json, &images, err);
    if (status < 0)
        return status;
    berth_swarm_set_images(swarm, images);
    *ret_images = images;
    return 0;
}

void berth_swarm_set_images(struct swarm *swarm, struct berth_image_list *images)
{
    BERTH_LOCK_SCOPE(held, &swarm->lock);
    berth_image_list_unref(swarm->images);
    swarm->images = berth_image_list_ref(images);
}

int berth_swarm_know_images(struct swarm *swarm, struct berth_error *err)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    {
        BERTH_LOCK_SCOPE(held, &swarm->lock);
        if (swarm->images)
            return 0;
    }
    return berth_swarm_images(&swarm->head, &images, err);
}

/* "name:tag@digest" is listed as name@digest. */
static void listed_name(const char *reference, struct berth_strbuf *out)
{
    struct berth_engine_name name = berth_engine_name_split(reference);
    if (name.digest_len == 0) {
        berth_strbuf_adds(out, reference);
        return;
    }
    berth_strbuf_add(out, name.repository, name.repository_len);
    berth_strbuf_addf(out, "@%s", name.digest);
}

void berth_swarm_image_id(struct swarm *swarm, const char *reference, struct berth_strbuf *id)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf name = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_LOCK_SCOPE(held, &swarm->lock);
    listed_name(reference, &name);
    const struct berth_image *image =
        swarm->images ? berth_image_list_find(swarm->images, berth_strbuf_str(&name)) : NULL;
    if (image)
        berth_strbuf_adds(id, image->id);
}

int berth_swarm_image_remove(struct berth_backend *backend, const char *reference,
                             struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    struct berth_swarm_endpoint *endpoint;
    for (size_t i = 1; (endpoint = berth_swarm_nodes_at(swarm->nodes, i)); i++) {
        struct berth_error why = BERTH_ERROR_INIT;
        if (endpoint->is_agent)
            continue;
        int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, &why);
        if (status == 0)
            status = berth_engine_image_remove(endpoint->engine, reference, &why);
        if (status == BERTH_E_CONFLICT) { /* in use there: it stays everywhere */
            if (err)
                *err = why;
            return status;
        }
        if (status < 0 && status != BERTH_E_NOT_FOUND)
            berth_log_error(BERTH_LOG_WARNING, &why, "image %s stays on node %s", reference,
                            endpoint->hostname);
    }
    return berth_engine_image_remove(swarm->manager, reference, err);
}

/* ---- On all nodes ---- */

int berth_swarm_image_keep(struct berth_backend *backend, const char *reference, const char *digest,
                           bool is_old, struct berth_error *err)
{
    return berth_swarm_spread_keep(swarm_of(backend)->spread, reference, digest, is_old, err);
}

void berth_swarm_image_drop(struct berth_backend *backend, const char *reference)
{
    berth_swarm_spread_drop(swarm_of(backend)->spread, reference);
}

int berth_swarm_image_copies(struct berth_backend *backend, const char *reference,
                             struct berth_image_copies *ret_copies, struct berth_error *err)
{
    return berth_swarm_spread_copies(swarm_of(backend)->spread, reference, ret_copies, err);
}

/* ---- Pulling ---- */

struct pull {
    struct swarm *swarm;
    const char *reference;
    berth_pull_progress *progress;
    void *ctx;
};

static bool on_progress(void *ctx, int percent)
{
    const struct pull *pull = ctx;
    percent = berth_swarm_spread_manager(pull->swarm->spread, pull->reference, percent);
    return !pull->progress || pull->progress(pull->ctx, percent);
}

/* The nodes as they are now, where nobody watches them. */
static void look_at_nodes(struct swarm *swarm)
{
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_swarm_get_nodes(swarm, &nodes, &err) == 0)
        berth_swarm_spread_nodes(swarm->spread, &nodes);
    else
        berth_log_error(BERTH_LOG_WARNING, &err, "facility %s: the nodes are not known",
                        swarm->facility);
}

/* The manager first, which says what the tag stands for; then all nodes at once, by that digest. */
int berth_swarm_pull(struct berth_backend *backend, const char *reference,
                     berth_pull_progress *progress, void *ctx, char **ret_digest, char **ret_id,
                     struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    struct pull pull = {swarm, reference, progress, ctx};
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    look_at_nodes(swarm);
    int status = berth_swarm_spread_begin(swarm->spread, reference, err);
    if (status < 0)
        return status;
    status =
        berth_engine_image_pull(swarm->manager, reference, on_progress, &pull, &digest, &id, err);
    if (status == 0)
        status = berth_swarm_spread_keep(swarm->spread, reference, digest, false, err);
    if (status == 0)
        status =
            berth_swarm_spread_wait(swarm->spread, reference, progress, ctx, NODES_WAIT_MS, err);
    if (status < 0) {
        berth_swarm_spread_abandon(swarm->spread, reference);
        return status;
    }
    *ret_digest = berth_steal(&digest);
    *ret_id = berth_steal(&id);
    return 0;
}
