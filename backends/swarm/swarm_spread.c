/* SPDX-License-Identifier: MIT */
/* What others do with the table: under its lock, and with its threads woken. */
#include "backends/swarm/swarm_spread_private.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/text.h"

#include <stdlib.h>

#define WAIT_STEP_MS 250

int berth_swarm_spread_keep(struct berth_swarm_spread *spread, const char *reference,
                            const char *digest, bool is_old, struct berth_error *err)
{
    struct berth_spread_image *image;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    int status = berth_spread_image_get(spread, reference, is_old, &image, err);
    if (status == 0)
        status = berth_spread_image_settle(image, digest, err);
    if (status == 0)
        berth_spread_wake(spread);
    return status;
}

void berth_swarm_spread_drop(struct berth_swarm_spread *spread, const char *reference)
{
    BERTH_LOCK_SCOPE(held, &spread->lock);
    struct berth_spread_image *image = berth_spread_image_find(spread, reference);
    if (image)
        berth_spread_image_remove(spread, image);
    (void)pthread_cond_broadcast(&spread->changed);
}

void berth_swarm_spread_nodes(struct berth_swarm_spread *spread,
                              const struct berth_swarm_node_list *nodes)
{
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list copy = {0};
    int64_t now_ms = berth_clock_monotonic_ms();
    if (berth_swarm_node_list_copy(nodes, &copy, NULL) < 0) /* they are told of again soon */
        return;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    if (!spread->has_nodes)
        spread->sweep_ms = now_ms;
    berth_spread_set_nodes(spread, &copy, now_ms);
    berth_spread_wake(spread);
}

/* ---- A pull ---- */

int berth_swarm_spread_begin(struct berth_swarm_spread *spread, const char *reference,
                             struct berth_error *err)
{
    struct berth_spread_image *image;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    int status = berth_spread_image_get(spread, reference, false, &image, err);
    if (status == 0)
        berth_spread_image_begin(image);
    return status;
}

void berth_swarm_spread_abandon(struct berth_swarm_spread *spread, const char *reference)
{
    BERTH_LOCK_SCOPE(held, &spread->lock);
    struct berth_spread_image *image = berth_spread_image_find(spread, reference);
    if (image && !image->is_settled)
        berth_spread_image_remove(spread, image);
    else if (image)
        berth_spread_image_unpull(image);
}

int berth_swarm_spread_manager(struct berth_swarm_spread *spread, const char *reference,
                               int percent)
{
    size_t pending;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    struct berth_spread_image *image = berth_spread_image_find(spread, reference);
    if (!image || !image->copies)
        return percent;
    berth_spread_image_pulled(spread->swarm->nodes, image, percent);
    return berth_spread_image_percent(image, &pending);
}

int berth_swarm_spread_wait(struct berth_swarm_spread *spread, const char *reference,
                            berth_pull_progress *progress, void *ctx, int64_t timeout_ms,
                            struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + timeout_ms;
    for (int64_t now_ms = 0; now_ms < deadline_ms; now_ms = berth_clock_monotonic_ms()) {
        size_t pending = 0;
        int percent = 100;
        {
            BERTH_LOCK_SCOPE(held, &spread->lock);
            const struct berth_spread_image *image = berth_spread_image_find(spread, reference);
            if (image)
                percent = berth_spread_image_percent(image, &pending);
            if (pending > 0) {
                int64_t step_ms = berth_clock_monotonic_ms() + WAIT_STEP_MS;
                (void)berth_cond_wait_until(&spread->changed, &spread->lock,
                                            step_ms < deadline_ms ? step_ms : deadline_ms);
            }
        }
        if (!progress(ctx, percent))
            return berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
        if (pending == 0)
            break;
    }
    return 0;
}

/* ---- Telling ---- */

/* Runs of digits by their number, as get-node-status orders them. */
static int compare_copies(const void *a, const void *b)
{
    return strverscmp(((const struct berth_image_copy *)a)->node,
                      ((const struct berth_image_copy *)b)->node);
}

int berth_swarm_spread_copies(struct berth_swarm_spread *spread, const char *reference,
                              struct berth_image_copies *ret_copies, struct berth_error *err)
{
    struct berth_image_copies copies = {0};
    {
        BERTH_LOCK_SCOPE(held, &spread->lock);
        const struct berth_spread_image *image = berth_spread_image_find(spread, reference);
        size_t count = 0;
        for (const struct berth_spread_copy *copy = image ? image->copies : NULL; copy;
             copy = copy->next)
            count++;
        copies.items = calloc(count + 1, sizeof(*copies.items));
        if (!copies.items)
            return berth_error_nomem(err);
        for (const struct berth_spread_copy *copy = image ? image->copies : NULL; copy;
             copy = copy->next) {
            struct berth_image_copy *item = &copies.items[copies.count];
            if (copy->is_gone)
                continue;
            *item = (struct berth_image_copy){.state = copy->state, .percent = copy->percent};
            (void)snprintf(item->node, sizeof(item->node), "%s", copy->node.hostname);
            (void)snprintf(item->why, sizeof(item->why), "%s", copy->why);
            copies.count++;
        }
    }
    qsort(copies.items, copies.count, sizeof(*copies.items), compare_copies);
    *ret_copies = copies;
    return 0;
}

/* ---- Life ---- */

int berth_swarm_spread_open(struct swarm *swarm, struct berth_swarm_spread **ret_spread,
                            struct berth_error *err)
{
    uint64_t token;
    int status = berth_random_bytes(&token, sizeof(token), err);
    if (status < 0)
        return status;
    struct berth_swarm_spread *spread = calloc(1, sizeof(*spread));
    if (!spread)
        return berth_error_nomem(err);
    (void)snprintf(spread->token, sizeof(spread->token), "%016llx", (unsigned long long)token);
    spread->swarm = swarm;
    spread->sweep_ms = INT64_MAX;
    (void)pthread_mutex_init(&spread->lock, NULL);
    berth_cond_init(&spread->changed);
    *ret_spread = spread;
    return 0;
}

void berth_swarm_spread_close(struct berth_swarm_spread *spread)
{
    if (!spread)
        return;
    {
        BERTH_LOCK_SCOPE(held, &spread->lock);
        spread->is_stopping = true;
        (void)pthread_cond_broadcast(&spread->changed);
    }
    for (unsigned i = 0; i < spread->worker_count; i++)
        (void)pthread_join(spread->workers[i], NULL);
    while (spread->images)
        berth_spread_image_remove(spread, spread->images);
    berth_swarm_node_list_release(&spread->nodes);
    (void)pthread_cond_destroy(&spread->changed);
    (void)pthread_mutex_destroy(&spread->lock);
    free(spread);
}
