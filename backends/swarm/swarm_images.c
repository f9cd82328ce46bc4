/* SPDX-License-Identifier: MIT */
/*
 * Images: listed as the manager's engine has them, which is what services are
 * pinned by; pulled on the manager and on every node with an endpoint at once,
 * agents excepted, which only read.
 */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_image.h"
#include "backends/engine/engine_name.h"
#include "base/log.h"
#include "base/text.h"

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

/* ---- Pulling ---- */

struct pull {
    struct puller *puller;
    struct berth_swarm_endpoint *endpoint;
    int percent; /* the puller's lock */
    int status;
    struct berth_error err;
    char *digest;
    char *id;
};

struct puller {
    struct swarm *swarm;
    const char *reference;
    berth_pull_progress *progress;
    void *ctx;
    pthread_mutex_t lock; /* also around progress, which is told by one thread at a time */
    bool cancelled;       /* lock */
    size_t count;
    struct pull *pulls;
};

static void puller_release(struct puller *puller)
{
    for (size_t i = 0; i < puller->count; i++) {
        free(puller->pulls[i].digest);
        free(puller->pulls[i].id);
    }
    free(puller->pulls);
    (void)pthread_mutex_destroy(&puller->lock);
}

BERTH_DEFINE_CLEANUP_VALUE(puller, struct puller, puller_release)

/* The whole is as far as the node that is farthest behind. Under the lock. */
static void tell_progress(struct puller *puller)
{
    int least = 100;
    for (size_t i = 0; i < puller->count; i++)
        if (puller->pulls[i].percent < least)
            least = puller->pulls[i].percent;
    if (puller->progress && !puller->cancelled)
        puller->cancelled = !puller->progress(puller->ctx, least);
}

static bool on_progress(void *ctx, int percent)
{
    struct pull *pull = ctx;
    struct puller *puller = pull->puller;
    BERTH_LOCK_SCOPE(held, &puller->lock);
    pull->percent = percent;
    tell_progress(puller);
    return !puller->cancelled;
}

static void run_pull(void *ctx, size_t i)
{
    struct puller *puller = ctx;
    struct pull *pull = &puller->pulls[i];
    pull->status = berth_swarm_endpoint_check(puller->swarm->nodes, pull->endpoint, &pull->err);
    if (pull->status == 0)
        pull->status =
            berth_engine_image_pull(pull->endpoint->engine, puller->reference, on_progress, pull,
                                    &pull->digest, &pull->id, &pull->err);
    BERTH_LOCK_SCOPE(held, &puller->lock);
    pull->percent = 100; /* it holds nobody up any more, however it ended */
    tell_progress(puller);
}

/* The tag may have moved while the nodes asked: each is to have what the manager has. */
static void align(struct puller *puller, struct pull *pull)
{
    const struct pull *manager = &puller->pulls[0];
    BERTH_CLEANUP(strbuf) struct berth_strbuf exact = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    if (pull->status == 0 && manager->digest && pull->digest &&
        strcmp(pull->digest, manager->digest) != 0) {
        struct berth_engine_name name = berth_engine_name_split(puller->reference);
        berth_strbuf_add(&exact, name.repository, name.repository_len);
        berth_strbuf_addf(&exact, "@%s", manager->digest);
        pull->status = berth_engine_image_pull(pull->endpoint->engine, berth_strbuf_str(&exact),
                                               NULL, NULL, &digest, &id, &pull->err);
    }
    if (pull->status < 0)
        berth_log_error(BERTH_LOG_WARNING, &pull->err,
                        "image %s is not on node %s: swarm gets it there when it is needed",
                        puller->reference, pull->endpoint->hostname);
}

/* An agent pulls nothing: its node gets the image from swarm, with the first task. */
static int collect_pulls(struct puller *puller, struct berth_error *err)
{
    struct berth_swarm_endpoint *endpoint;
    for (size_t i = 0; (endpoint = berth_swarm_nodes_at(puller->swarm->nodes, i)); i++) {
        if (endpoint->is_agent)
            continue;
        struct pull *grown = reallocarray(puller->pulls, puller->count + 1, sizeof(*grown));
        if (!grown)
            return berth_error_nomem(err);
        puller->pulls = grown;
        puller->pulls[puller->count++] = (struct pull){.puller = puller, .endpoint = endpoint};
    }
    return 0;
}

int berth_swarm_pull(struct berth_backend *backend, const char *reference,
                     berth_pull_progress *progress, void *ctx, char **ret_digest, char **ret_id,
                     struct berth_error *err)
{
    BERTH_CLEANUP(puller)
    struct puller puller = {.swarm = swarm_of(backend),
                            .reference = reference,
                            .progress = progress,
                            .ctx = ctx,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    int status = collect_pulls(&puller, err);
    if (status < 0)
        return status;
    size_t count = puller.count;
    berth_parallel_for(count, (unsigned)count, run_pull, &puller);
    struct pull *manager = &puller.pulls[0];
    if (manager->status == 0 && puller.cancelled)
        return berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
    if (manager->status < 0) {
        if (err)
            *err = manager->err;
        return manager->status;
    }
    for (size_t i = 1; i < count; i++)
        align(&puller, &puller.pulls[i]);
    *ret_digest = berth_steal(&manager->digest);
    *ret_id = berth_steal(&manager->id);
    return 0;
}
