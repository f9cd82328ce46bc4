/* SPDX-License-Identifier: MIT */
/* The table: which image is to be where, and how each node stands with it. */
#include "backends/swarm/swarm_spread_private.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/text.h"

#include <stdlib.h>

#define WAIT_STEP_MS 250

/* ---- Copies ---- */

/* Whether anything may be placed on the node. */
static const char *trouble_of(const struct berth_swarm_node *node)
{
    if (strcmp(node->availability, "drain") == 0)
        return "is drained";
    if (strcmp(node->availability, "pause") == 0)
        return "is paused";
    return berth_swarm_node_trouble(node);
}

void berth_spread_set_trouble(struct berth_spread_copy *copy)
{
    copy->why[0] = '\0';
    if (copy->trouble)
        (void)snprintf(copy->why, sizeof(copy->why), "node %s %s", copy->node.hostname,
                       copy->trouble);
}

static void await(struct berth_spread_copy *copy)
{
    copy->state = BERTH_COPY_WAITING;
    copy->percent = 0;
    copy->failures = 0;
    berth_spread_set_trouble(copy);
}

static struct berth_spread_copy *find_copy(const struct berth_spread_image *image, const char *node)
{
    struct berth_spread_copy *copy = image->copies;
    while (copy && (copy->is_gone || strcmp(copy->node.id, node) != 0))
        copy = copy->next;
    return copy;
}

/* Without memory the node goes without until the nodes are told of again. */
static void add_copy(struct berth_swarm_spread *spread, struct berth_spread_image *image,
                     const struct berth_swarm_node *node, bool is_new)
{
    struct berth_spread_copy *copy = calloc(1, sizeof(*copy));
    if (!copy)
        return;
    copy->image = image;
    copy->node = *node;
    copy->trouble = trouble_of(node);
    await(copy);
    if (image->is_old && !is_new && !berth_swarm_nodes_find(spread->swarm->nodes, node)) {
        copy->state = BERTH_COPY_UNKNOWN;
        (void)snprintf(copy->why, sizeof(copy->why), "node %s has no endpoint", node->hostname);
    }
    copy->next = image->copies;
    image->copies = copy;
}

void berth_spread_copy_remove(struct berth_spread_copy *copy)
{
    struct berth_spread_copy **slot = &copy->image->copies;
    while (*slot != copy)
        slot = &(*slot)->next;
    *slot = copy->next;
    free(copy);
}

static void forget_copy(struct berth_spread_copy *copy)
{
    if (copy->is_running)
        copy->is_gone = true;
    else
        berth_spread_copy_remove(copy);
}

/* The node was told of again. */
static void renew_copy(struct berth_spread_copy *copy, const struct berth_swarm_node *node,
                       int64_t now_ms)
{
    const char *before = copy->trouble;
    copy->node = *node;
    copy->trouble = trouble_of(node);
    if (copy->state == BERTH_COPY_PRESENT || copy->is_running)
        return;
    bool is_due = copy->state == BERTH_COPY_FAILED && now_ms >= copy->retry_ms;
    if (before && !copy->trouble)
        await(copy);
    else if (copy->state == BERTH_COPY_WAITING)
        berth_spread_set_trouble(copy);
    else if (is_due)
        copy->state = BERTH_COPY_WAITING;
}

/* ---- Images ---- */

static struct berth_spread_image *find_image(const struct berth_swarm_spread *spread,
                                             const char *reference)
{
    struct berth_spread_image *image = spread->images;
    while (image && strcmp(image->reference, reference) != 0)
        image = image->next;
    return image;
}

void berth_spread_image_end(struct berth_spread_image *image)
{
    if (!image->is_gone || image->running > 0)
        return;
    while (image->copies)
        berth_spread_copy_remove(image->copies);
    free(image->reference);
    free(image->digest);
    free(image);
}

static void remove_image(struct berth_swarm_spread *spread, struct berth_spread_image *image)
{
    struct berth_spread_image **slot = &spread->images;
    while (*slot != image)
        slot = &(*slot)->next;
    *slot = image->next;
    image->is_gone = true;
    berth_spread_image_end(image);
}

static void add_copies(struct berth_swarm_spread *spread, struct berth_spread_image *image)
{
    for (size_t i = 0; i < spread->nodes.count; i++)
        add_copy(spread, image, &spread->nodes.items[i], false);
}

/* Finds it, or adds one. */
static int get_image(struct berth_swarm_spread *spread, const char *reference, bool is_old,
                     struct berth_spread_image **ret_image, struct berth_error *err)
{
    struct berth_spread_image *image = find_image(spread, reference);
    if (!image) {
        image = calloc(1, sizeof(*image));
        if (image)
            image->reference = berth_text_dup(reference);
        if (!image || !image->reference) {
            free(image);
            return berth_error_nomem(err);
        }
        image->is_old = is_old;
        image->next = spread->images;
        spread->images = image;
        add_copies(spread, image);
    }
    *ret_image = image;
    return 0;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What was known of the copies holds no more; without is_all, of those that are not there. */
static void await_all(struct berth_spread_image *image, bool is_all)
{
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
        if (!copy->is_running &&
            (is_all || (copy->state != BERTH_COPY_PRESENT && copy->state != BERTH_COPY_UNKNOWN)))
            await(copy);
}

/* The manager's pull is over: its copy is looked for as the others are. */
static void end_manager(struct berth_spread_image *image)
{
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
        if (!copy->is_running && copy->state == BERTH_COPY_PULLING)
            await(copy);
}

int berth_swarm_spread_keep(struct berth_swarm_spread *spread, const char *reference,
                            const char *digest, bool is_old, struct berth_error *err)
{
    struct berth_spread_image *image;
    BERTH_CLEANUP(free) char *copy = berth_text_dup(digest);
    if (digest && !copy)
        return berth_error_nomem(err);
    BERTH_LOCK_SCOPE(held, &spread->lock);
    int status = get_image(spread, reference, is_old, &image, err);
    if (status < 0)
        return status;
    if (!image->is_settled || !is_same(image->digest, digest)) {
        free(image->digest);
        image->digest = berth_steal(&copy);
        image->generation++; /* what is under way finds that there is another */
        await_all(image, image->is_settled);
        image->is_settled = true;
    }
    end_manager(image);
    berth_spread_wake(spread);
    return 0;
}

void berth_swarm_spread_drop(struct berth_swarm_spread *spread, const char *reference)
{
    BERTH_LOCK_SCOPE(held, &spread->lock);
    struct berth_spread_image *image = find_image(spread, reference);
    if (image)
        remove_image(spread, image);
    (void)pthread_cond_broadcast(&spread->changed);
}

/* ---- The nodes ---- */

static bool is_told(const struct berth_swarm_node_list *nodes, const char *id)
{
    return berth_swarm_node_find(nodes, id) != NULL;
}

static void renew_image(struct berth_swarm_spread *spread, struct berth_spread_image *image)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    struct berth_spread_copy *next;
    for (struct berth_spread_copy *copy = image->copies; copy; copy = next) {
        next = copy->next;
        if (!copy->is_gone && !is_told(&spread->nodes, copy->node.id))
            forget_copy(copy);
    }
    for (size_t i = 0; i < spread->nodes.count; i++) {
        const struct berth_swarm_node *node = &spread->nodes.items[i];
        struct berth_spread_copy *copy = find_copy(image, node->id);
        if (copy)
            renew_copy(copy, node, now_ms);
        else
            add_copy(spread, image, node, spread->has_nodes);
    }
}

void berth_swarm_spread_nodes(struct berth_swarm_spread *spread,
                              const struct berth_swarm_node_list *nodes)
{
    size_t size = nodes->count * sizeof(*nodes->items);
    struct berth_swarm_node *items = malloc(size + 1);
    if (!items) /* they are told of again soon */
        return;
    if (size > 0)
        memcpy(items, nodes->items, size);
    BERTH_LOCK_SCOPE(held, &spread->lock);
    free(spread->nodes.items);
    spread->nodes = (struct berth_swarm_node_list){.items = items, .count = nodes->count};
    for (struct berth_spread_image *image = spread->images; image; image = image->next)
        renew_image(spread, image);
    if (!spread->has_nodes)
        spread->sweep_ms = berth_clock_monotonic_ms();
    spread->has_nodes = true;
    berth_spread_wake(spread);
}

struct berth_spread_copy *berth_spread_next(const struct berth_swarm_spread *spread)
{
    for (struct berth_spread_image *image = spread->images; image; image = image->next)
        for (struct berth_spread_copy *copy = image->copies; image->is_settled && copy;
             copy = copy->next)
            if (copy->state == BERTH_COPY_WAITING && !copy->trouble && !copy->is_running &&
                !copy->is_gone)
                return copy;
    return NULL;
}

/* ---- A pull ---- */

int berth_swarm_spread_begin(struct berth_swarm_spread *spread, const char *reference,
                             struct berth_error *err)
{
    struct berth_spread_image *image;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    int status = get_image(spread, reference, false, &image, err);
    if (status == 0)
        await_all(image, true);
    return status;
}

void berth_swarm_spread_abandon(struct berth_swarm_spread *spread, const char *reference)
{
    BERTH_LOCK_SCOPE(held, &spread->lock);
    struct berth_spread_image *image = find_image(spread, reference);
    if (image && !image->is_settled)
        remove_image(spread, image);
    else if (image)
        end_manager(image);
}

/* How far all are together; *ret_pending: how many may still get there. The caller holds the
 * lock. */
static int percent_of(const struct berth_spread_image *image, size_t *ret_pending)
{
    int sum = 0;
    int count = 0;
    *ret_pending = 0;
    for (const struct berth_spread_copy *copy = image->copies; copy; copy = copy->next) {
        bool is_pending = (copy->state == BERTH_COPY_WAITING && !copy->trouble) ||
                          copy->state == BERTH_COPY_PULLING;
        if (copy->is_gone)
            continue;
        *ret_pending += is_pending;
        sum += is_pending ? copy->percent : 100; /* it holds nobody up */
        count++;
    }
    return count > 0 ? sum / count : 100;
}

int berth_swarm_spread_manager(struct berth_swarm_spread *spread, const char *reference,
                               int percent)
{
    size_t pending;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    struct berth_spread_image *image = find_image(spread, reference);
    if (!image || !image->copies)
        return percent;
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
        if (!copy->is_running && berth_swarm_nodes_is_self(spread->swarm->nodes, copy->node.id)) {
            copy->state = BERTH_COPY_PULLING;
            copy->percent = percent;
        }
    return percent_of(image, &pending);
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
            const struct berth_spread_image *image = find_image(spread, reference);
            if (image)
                percent = percent_of(image, &pending);
            if (pending > 0) {
                int64_t step_ms = berth_clock_monotonic_ms() + WAIT_STEP_MS;
                (void)berth_cond_wait_until(&spread->changed, &spread->lock,
                                            step_ms < deadline_ms ? step_ms : deadline_ms);
            }
        }
        if (progress && !progress(ctx, percent))
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
        const struct berth_spread_image *image = find_image(spread, reference);
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
        remove_image(spread, spread->images);
    berth_swarm_node_list_release(&spread->nodes);
    (void)pthread_cond_destroy(&spread->changed);
    (void)pthread_mutex_destroy(&spread->lock);
    free(spread);
}
