/* SPDX-License-Identifier: MIT */
/*
 * Images: listed as the engines have them together (swarm_stock.h); pulled to
 * the manager, whose digest services are pinned by, then brought to every node
 * (swarm_spread.h).
 */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_image.h"
#include "backends/engine/engine_name.h"
#include "backends/swarm/swarm_spread.h"
#include "backends/swarm/swarm_watch.h"
#include "base/log.h"

/* Nodes that take longer get it behind the request's back. */
#define NODES_WAIT_MS 600000

/* ---- Listing ---- */

struct asking {
    struct swarm *swarm;
    uint64_t ticket;
    struct berth_error manager_error; /* which alone counts */
};

static int ask_engine(const struct asking *asking, struct berth_swarm_endpoint *endpoint,
                      struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    int status = berth_engine_get_json(endpoint->engine, "/images/json", &json, err);
    if (status == 0)
        status = berth_engine_images_parse(json, &images, err);
    return status < 0
               ? status
               : berth_swarm_stock_put(asking->swarm->stock, endpoint, asking->ticket, images, err);
}

static void ask_one(void *ctx, size_t i)
{
    struct asking *asking = ctx;
    struct berth_swarm_nodes *nodes = asking->swarm->nodes;
    struct berth_swarm_endpoint *endpoint = berth_swarm_nodes_at(nodes, i);
    struct berth_error why = BERTH_ERROR_INIT;
    if (i > 0 && berth_swarm_endpoint_check(nodes, endpoint, NULL) < 0)
        return;
    int status = ask_engine(asking, endpoint, &why);
    if (status < 0 && i == 0)
        asking->manager_error = why;
    else if (status < 0)
        berth_log_error(BERTH_LOG_DEBUG, &why, "the images of node %s are not known",
                        endpoint->hostname);
}

int berth_swarm_gather_images(struct swarm *swarm, struct berth_image_list **ret_images,
                              struct berth_error *err)
{
    struct berth_image_list *all;
    int status = berth_swarm_stock_all(swarm->stock, &all, err);
    if (status < 0)
        return status;
    *ret_images = all;
    if (!all)
        return 0;
    BERTH_LOCK_SCOPE(held, &swarm->lock);
    berth_image_list_unref(swarm->images);
    swarm->images = berth_image_list_ref(all);
    return 0;
}

int berth_swarm_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                       struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    struct asking asking = {.swarm = swarm, .manager_error = BERTH_ERROR_INIT};
    size_t count = 0;
    while (berth_swarm_nodes_at(swarm->nodes, count))
        count++;
    if (swarm->watch)
        asking.ticket = berth_swarm_watch_ticket(swarm->watch);
    berth_parallel_for(count, (unsigned)count, ask_one, &asking);
    int status = berth_swarm_restate(asking.manager_error.status, &asking.manager_error);
    if (status < 0) {
        if (err)
            *err = asking.manager_error;
        return status;
    }
    if (swarm->watch)
        berth_swarm_watch_images(swarm->watch);
    return berth_swarm_gather_images(swarm, ret_images, err);
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

/* ---- Removing ---- */

/* Where an image is in use. */
struct leftovers {
    struct berth_strbuf places; /* "the manager, n2" */
    struct berth_error why;     /* of the first */
};

static void note_leftover(struct leftovers *left, const struct berth_swarm_endpoint *endpoint,
                          const struct berth_error *why)
{
    if (left->places.len == 0)
        left->why = *why;
    berth_strbuf_addf(&left->places, "%s%s", left->places.len > 0 ? ", " : "",
                      endpoint->hostname[0] ? endpoint->hostname : "the manager");
}

/* BERTH_E_NOT_FOUND: it was not there. An engine that only reads, or does not answer, keeps it. */
static int remove_from(struct swarm *swarm, struct berth_swarm_endpoint *endpoint,
                       const char *reference, struct berth_error *err)
{
    int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, err);
    if (status == 0)
        status = berth_engine_image_remove(endpoint->engine, reference, err);
    return status;
}

/* It goes where nothing uses it, on one node as on all. */
int berth_swarm_image_remove(struct berth_backend *backend, const char *reference,
                             struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    struct leftovers left = {.places = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX)};
    struct berth_error manager = BERTH_ERROR_INIT;
    struct berth_swarm_endpoint *endpoint;
    bool was_there = false;
    for (size_t i = 0; (endpoint = berth_swarm_nodes_at(swarm->nodes, i)); i++) {
        struct berth_error why = BERTH_ERROR_INIT;
        if (endpoint->is_agent)
            continue;
        int status = remove_from(swarm, endpoint, reference, &why);
        was_there |= status == 0;
        if (status == BERTH_E_CONFLICT)
            note_leftover(&left, endpoint, &why);
        else if (i == 0)
            manager = why;
        else if (status < 0 && status != BERTH_E_NOT_FOUND)
            berth_log_error(BERTH_LOG_WARNING, &why, "image %s stays on node %s", reference,
                            endpoint->hostname);
    }
    int status = manager.status == BERTH_E_NOT_FOUND && was_there ? 0 : manager.status;
    if (status == 0 && left.places.len > 0) {
        status = BERTH_E_CONFLICT;
        (void)berth_error_set(&manager, BERTH_E_CONFLICT, "it is in use on %s%s: %s",
                              berth_strbuf_str(&left.places),
                              was_there ? ", and gone from the others" : "", left.why.message);
    }
    berth_strbuf_release(&left.places);
    if (status < 0 && err)
        *err = manager;
    return status;
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
    int percent; /* told last: it does not fall because a node joins */
};

static bool on_all(void *ctx, int percent)
{
    struct pull *pull = ctx;
    pull->percent = percent > pull->percent ? percent : pull->percent;
    return !pull->progress || pull->progress(pull->ctx, pull->percent);
}

static bool on_manager(void *ctx, int percent)
{
    const struct pull *pull = ctx;
    return on_all(ctx, berth_swarm_spread_manager(pull->swarm->spread, pull->reference, percent));
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
    struct pull pull = {swarm, reference, progress, ctx, 0};
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    look_at_nodes(swarm);
    int status = berth_swarm_spread_begin(swarm->spread, reference, err);
    if (status < 0)
        return status;
    status =
        berth_engine_image_pull(swarm->manager, reference, on_manager, &pull, &digest, &id, err);
    if (status == 0)
        status = berth_swarm_spread_keep(swarm->spread, reference, digest, false, err);
    if (status == 0)
        status =
            berth_swarm_spread_wait(swarm->spread, reference, on_all, &pull, NODES_WAIT_MS, err);
    if (status < 0) {
        berth_swarm_spread_abandon(swarm->spread, reference);
        return status;
    }
    *ret_digest = berth_steal(&digest);
    *ret_id = berth_steal(&id);
    return 0;
}
