/* SPDX-License-Identifier: MIT */
/* The threads that see to copies, and what they do through the engines of nodes. */
#include "backends/swarm/swarm_spread_private.h"

#include "backends/engine/engine_image.h"
#include "backends/engine/engine_name.h"
#include "base/clock.h"
#include "base/log.h"

#define SWEEP_MS 60000 /* until services that could not be removed are looked for again */

bool berth_spread_goes_on(struct berth_spread_errand *errand)
{
    struct berth_swarm_spread *spread = errand->spread;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    const struct berth_spread_copy *copy = errand->copy;
    return !spread->is_stopping && !copy->trouble && !copy->is_gone && !copy->image->is_gone &&
           copy->image->generation == errand->generation;
}

/* ---- Through the node's engine ---- */

static bool on_progress(void *ctx, int percent)
{
    struct berth_spread_errand *errand = ctx;
    {
        BERTH_LOCK_SCOPE(held, &errand->spread->lock);
        errand->copy->percent = percent;
        (void)pthread_cond_broadcast(&errand->spread->changed);
    }
    return berth_spread_goes_on(errand);
}

static int pull(struct berth_spread_errand *errand, struct berth_engine *engine,
                struct berth_error *err)
{
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    const char *reference = berth_strbuf_str(&errand->reference);
    const char *exact = berth_strbuf_str(&errand->exact);
    int status = berth_engine_image_pull(engine, exact, on_progress, errand, &digest, &id, err);
    if (status < 0 || berth_engine_name_split(reference).tag_len == 0)
        return status;
    if (berth_engine_image_tag(engine, exact, reference, &why) < 0)
        berth_log_error(BERTH_LOG_WARNING, &why, "image %s has no name on node %s", exact,
                        errand->node.hostname);
    return 0;
}

static int ask_engine(struct berth_spread_errand *errand, struct berth_swarm_endpoint *endpoint,
                      struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *image = NULL;
    int status = berth_swarm_endpoint_check(errand->spread->swarm->nodes, endpoint, err);
    if (status == 0)
        status = berth_engine_image_inspect(endpoint->engine, berth_strbuf_str(&errand->exact),
                                            &image, err);
    if (status != BERTH_E_NOT_FOUND)
        return status;
    if (!errand->has_digest)
        return berth_error_set(err, BERTH_E_NOT_FOUND,
                               "image %s is of no registry: node %s has to be given it",
                               berth_strbuf_str(&errand->reference), errand->node.hostname);
    return pull(errand, endpoint->engine, err);
}

/* ---- One copy ---- */

static int see_to(struct berth_spread_errand *errand, struct berth_error *err)
{
    struct berth_swarm_nodes *nodes = errand->spread->swarm->nodes;
    struct berth_swarm_endpoint *endpoint = berth_swarm_nodes_find(nodes, &errand->node);
    struct berth_error why = BERTH_ERROR_INIT;
    bool is_refused = false;
    int status = berth_strbuf_check(&errand->pinned, err);
    if (status < 0)
        return status;
    if (endpoint) {
        status = ask_engine(errand, endpoint, err);
        if (status == 0 || !errand->has_digest || !berth_spread_goes_on(errand))
            return status;
    } else if (!errand->has_digest) {
        return berth_error_set(err, BERTH_E_NOT_FOUND,
                               "image %s is of no registry, and node %s has no endpoint",
                               berth_strbuf_str(&errand->reference), errand->node.hostname);
    }
    int placed = berth_spread_place(errand, &is_refused, &why);
    if (placed == 0)
        return 0;
    if (!endpoint || !is_refused) { /* else the engine has said more of the same */
        *err = why;
        return placed;
    }
    return status;
}

static void prepare(struct berth_spread_errand *errand, struct berth_spread_copy *copy)
{
    const struct berth_spread_image *image = copy->image;
    struct berth_engine_name name = berth_engine_name_split(image->reference);
    errand->copy = copy;
    errand->node = copy->node;
    errand->generation = image->generation;
    errand->has_digest = image->digest != NULL;
    berth_strbuf_adds(&errand->reference, image->reference);
    if (image->digest) {
        berth_strbuf_add(&errand->exact, name.repository, name.repository_len);
        berth_strbuf_addf(&errand->exact, "@%s", image->digest);
    } else {
        berth_strbuf_adds(&errand->exact, image->reference);
    }
    berth_strbuf_add(&errand->pinned, name.repository, name.repository_len);
    if (name.tag_len > 0)
        berth_strbuf_addf(&errand->pinned, ":%.*s", (int)name.tag_len, name.tag);
    if (image->digest)
        berth_strbuf_addf(&errand->pinned, "@%s", image->digest);
}

static void log_end(const struct berth_spread_errand *errand, int status,
                    const struct berth_error *err)
{
    const char *reference = berth_strbuf_str(&errand->reference);
    if (status < 0)
        berth_log_error(BERTH_LOG_WARNING, err,
                        "image %s is not on node %s: swarm gets it there when it is needed",
                        reference, errand->node.hostname);
    else
        berth_log(BERTH_LOG_INFO, "image %s is on node %s", reference, errand->node.hostname);
}

static void errand_begin(struct berth_spread_errand *errand, struct berth_spread_copy *copy)
{
    prepare(errand, copy);
    berth_spread_copy_begin(copy);
    errand->next = errand->spread->errands;
    errand->spread->errands = errand;
}

static void errand_end(struct berth_spread_errand *errand, int status,
                       const struct berth_error *err)
{
    struct berth_spread_errand **slot = &errand->spread->errands;
    while (*slot != errand)
        slot = &(*slot)->next;
    *slot = errand->next;
    berth_spread_copy_end(errand->copy, errand->generation, status, err->message,
                          berth_clock_monotonic_ms());
    (void)pthread_cond_broadcast(&errand->spread->changed);
    berth_strbuf_release(&errand->reference);
    berth_strbuf_release(&errand->exact);
    berth_strbuf_release(&errand->pinned);
}

/* With the lock held, which is let go of meanwhile. */
static void run(struct berth_swarm_spread *spread, struct berth_spread_copy *copy)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_spread_errand errand = {
        .spread = spread,
        .reference = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX),
        .exact = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX),
        .pinned = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX),
    };
    errand_begin(&errand, copy);
    (void)pthread_mutex_unlock(&spread->lock);
    int status = see_to(&errand, &err);
    if (berth_spread_goes_on(&errand))
        log_end(&errand, status, &err);
    (void)pthread_mutex_lock(&spread->lock);
    errand_end(&errand, status, &err);
}

/* ---- Threads ---- */

static bool sweep_is_due(const struct berth_swarm_spread *spread)
{
    return spread->sweep_ms <= berth_clock_monotonic_ms();
}

static void sweep(struct berth_swarm_spread *spread)
{
    struct berth_error err = BERTH_ERROR_INIT;
    spread->sweep_ms = INT64_MAX;
    (void)pthread_mutex_unlock(&spread->lock);
    int status = berth_spread_sweep(spread, &err);
    if (status < 0)
        berth_log_error(BERTH_LOG_WARNING, &err,
                        "facility %s: what was made to pull images is removed later",
                        spread->swarm->facility);
    (void)pthread_mutex_lock(&spread->lock);
    if (status < 0)
        spread->sweep_ms = berth_clock_monotonic_ms() + SWEEP_MS;
}

static void *worker_run(void *ctx)
{
    struct berth_swarm_spread *spread = ctx;
    (void)pthread_mutex_lock(&spread->lock);
    while (!spread->is_stopping) {
        size_t count;
        struct berth_spread_copy *copy = berth_spread_next(spread, &count);
        if (sweep_is_due(spread)) {
            sweep(spread);
        } else if (copy) {
            run(spread, copy);
        } else {
            spread->idle_workers++;
            (void)pthread_cond_wait(&spread->changed, &spread->lock);
            spread->idle_workers--;
        }
    }
    (void)pthread_mutex_unlock(&spread->lock);
    return NULL;
}

/* One at a time: each that finds work is followed by another, as long as there is more. */
void berth_spread_wake(struct berth_swarm_spread *spread)
{
    (void)pthread_cond_broadcast(&spread->changed);
    size_t count;
    (void)berth_spread_next(spread, &count);
    count += sweep_is_due(spread);
    while (!spread->is_stopping && count > spread->idle_workers &&
           spread->worker_count < BERTH_SPREAD_AT_ONCE) {
        struct berth_error err = BERTH_ERROR_INIT;
        if (berth_thread_start(&spread->workers[spread->worker_count], "images", worker_run, spread,
                               &err) < 0) {
            berth_log_error(BERTH_LOG_WARNING, &err, "facility %s: images wait",
                            spread->swarm->facility);
            return; /* the nodes are told of again soon */
        }
        spread->worker_count++;
        count--;
    }
}
