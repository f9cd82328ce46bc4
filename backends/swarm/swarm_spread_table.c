/* SPDX-License-Identifier: MIT */
/* The table: which image is to be where, and how each node stands with it. */
#include "backends/swarm/swarm_spread_private.h"

#include "base/text.h"

#include <stdlib.h>

#define RETRY_MS        60000 /* after the first failure; doubled so many times, then */
#define RETRY_DOUBLINGS 6
#define RETRY_MAX_MS    3600000

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

/* What the copy waits for is what its node lacks. */
static void set_trouble(struct berth_spread_copy *copy)
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
    set_trouble(copy);
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

static void remove_copy(struct berth_spread_copy *copy)
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
        remove_copy(copy);
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
        set_trouble(copy);
    else if (is_due)
        copy->state = BERTH_COPY_WAITING;
}

/* ---- Images ---- */

struct berth_spread_image *berth_spread_image_find(const struct berth_swarm_spread *spread,
                                                   const char *reference)
{
    struct berth_spread_image *image = spread->images;
    while (image && strcmp(image->reference, reference) != 0)
        image = image->next;
    return image;
}

/* Frees the image if it is out of the table and nothing of it runs. */
static void end_image(struct berth_spread_image *image)
{
    if (!image->is_gone || image->running > 0)
        return;
    while (image->copies)
        remove_copy(image->copies);
    free(image->reference);
    free(image->digest);
    free(image);
}

void berth_spread_image_remove(struct berth_swarm_spread *spread, struct berth_spread_image *image)
{
    struct berth_spread_image **slot = &spread->images;
    while (*slot != image)
        slot = &(*slot)->next;
    *slot = image->next;
    image->is_gone = true;
    end_image(image);
}

static void add_copies(struct berth_swarm_spread *spread, struct berth_spread_image *image)
{
    for (size_t i = 0; i < spread->nodes.count; i++)
        add_copy(spread, image, &spread->nodes.items[i], false);
}

int berth_spread_image_get(struct berth_swarm_spread *spread, const char *reference, bool is_old,
                           struct berth_spread_image **ret_image, struct berth_error *err)
{
    struct berth_spread_image *image = berth_spread_image_find(spread, reference);
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

/* The manager is at it, not one of our threads. */
static bool is_managers(const struct berth_spread_copy *copy)
{
    return copy->state == BERTH_COPY_PULLING && !copy->is_running;
}

static void be_present(struct berth_spread_copy *copy)
{
    copy->state = BERTH_COPY_PRESENT;
    copy->percent = 100;
    copy->failures = 0;
    copy->why[0] = '\0';
}

int berth_spread_image_settle(struct berth_spread_image *image, const char *digest,
                              struct berth_error *err)
{
    BERTH_CLEANUP(free) char *wanted = berth_text_dup(digest);
    bool is_other = image->is_settled && !is_same(image->digest, digest);
    if (digest && !wanted)
        return berth_error_nomem(err);
    if (is_other || !image->is_settled) {
        free(image->digest);
        image->digest = berth_steal(&wanted);
        image->generation++; /* what is under way finds that there is another */
        image->is_settled = true;
    }
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next) {
        if (is_managers(copy))
            be_present(copy);
        else if (is_other && !copy->is_running)
            await(copy);
    }
    return 0;
}

/* ---- The manager's pull ---- */

void berth_spread_image_begin(struct berth_spread_image *image)
{
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
        if (!copy->is_running)
            await(copy);
}

void berth_spread_image_pulled(struct berth_swarm_nodes *nodes, struct berth_spread_image *image,
                               int percent)
{
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
        if (!copy->is_running && berth_swarm_nodes_is_self(nodes, copy->node.id)) {
            copy->state = BERTH_COPY_PULLING;
            copy->percent = percent;
        }
}

void berth_spread_image_unpull(struct berth_spread_image *image)
{
    for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
        if (is_managers(copy))
            await(copy);
}

/* ---- The nodes ---- */

static void renew_image(struct berth_swarm_spread *spread, struct berth_spread_image *image,
                        int64_t now_ms)
{
    struct berth_spread_copy *next;
    for (struct berth_spread_copy *copy = image->copies; copy; copy = next) {
        next = copy->next;
        if (!copy->is_gone && !berth_swarm_node_find(&spread->nodes, copy->node.id))
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

void berth_spread_set_nodes(struct berth_swarm_spread *spread, struct berth_swarm_node_list *nodes,
                            int64_t now_ms)
{
    berth_swarm_node_list_release(&spread->nodes);
    spread->nodes = *nodes;
    *nodes = (struct berth_swarm_node_list){0};
    for (struct berth_spread_image *image = spread->images; image; image = image->next)
        renew_image(spread, image, now_ms);
    spread->has_nodes = true;
}

/* ---- How far it is ---- */

int berth_spread_image_percent(const struct berth_spread_image *image, size_t *ret_pending)
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

/* ---- What is to be done ---- */

static bool is_to_do(const struct berth_spread_copy *copy)
{
    return copy->image->is_settled && copy->state == BERTH_COPY_WAITING && !copy->trouble &&
           !copy->is_running && !copy->is_gone;
}

struct berth_spread_copy *berth_spread_next(const struct berth_swarm_spread *spread,
                                            size_t *ret_count)
{
    struct berth_spread_copy *first = NULL;
    *ret_count = 0;
    for (const struct berth_spread_image *image = spread->images; image; image = image->next)
        for (struct berth_spread_copy *copy = image->copies; copy; copy = copy->next)
            if (is_to_do(copy)) {
                first = first ? first : copy;
                ++*ret_count;
            }
    return first;
}

void berth_spread_copy_begin(struct berth_spread_copy *copy)
{
    copy->is_running = true;
    copy->state = BERTH_COPY_PULLING;
    copy->percent = 0;
    copy->why[0] = '\0';
    copy->image->running++;
}

static void settle(struct berth_spread_copy *copy, int status, const char *why, int64_t now_ms)
{
    if (status == 0) {
        be_present(copy);
        return;
    }
    copy->percent = 0;
    if (copy->trouble) {
        copy->state = BERTH_COPY_WAITING;
        set_trouble(copy);
        return;
    }
    copy->state = BERTH_COPY_FAILED;
    copy->retry_ms =
        now_ms + (copy->failures < RETRY_DOUBLINGS ? RETRY_MS << copy->failures : RETRY_MAX_MS);
    copy->failures++;
    (void)snprintf(copy->why, sizeof(copy->why), "%s", why);
}

void berth_spread_copy_end(struct berth_spread_copy *copy, uint64_t generation, int status,
                           const char *why, int64_t now_ms)
{
    struct berth_spread_image *image = copy->image;
    copy->is_running = false;
    image->running--;
    if (copy->is_gone)
        remove_copy(copy);
    else if (image->generation != generation)
        await(copy); /* that was another image */
    else
        settle(copy, status, why, now_ms);
    end_image(image);
}
