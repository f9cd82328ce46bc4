/* SPDX-License-Identifier: MIT */
#include "backends/swarm/swarm_stock.h"

#include "base/thread.h"

#include <stdlib.h>

/* The images of one engine. */
struct shelf {
    const struct berth_swarm_endpoint *endpoint;
    struct berth_image_list *images;
    uint64_t ticket;
};

struct berth_swarm_stock {
    struct berth_swarm_nodes *nodes;
    pthread_mutex_t lock;
    struct shelf *shelves; /* lock; one for each endpoint that told */
    size_t count;          /* lock */
};

int berth_swarm_stock_new(struct berth_swarm_nodes *nodes, struct berth_swarm_stock **ret_stock,
                          struct berth_error *err)
{
    struct berth_swarm_stock *stock = calloc(1, sizeof(*stock));
    if (!stock)
        return berth_error_nomem(err);
    stock->nodes = nodes;
    (void)pthread_mutex_init(&stock->lock, NULL);
    *ret_stock = stock;
    return 0;
}

void berth_swarm_stock_free(struct berth_swarm_stock *stock)
{
    if (!stock)
        return;
    for (size_t i = 0; i < stock->count; i++)
        berth_image_list_unref(stock->shelves[i].images);
    free(stock->shelves);
    (void)pthread_mutex_destroy(&stock->lock);
    free(stock);
}

/* The caller holds the lock. */
static struct shelf *find_shelf(const struct berth_swarm_stock *stock,
                                const struct berth_swarm_endpoint *endpoint)
{
    for (size_t i = 0; i < stock->count; i++)
        if (stock->shelves[i].endpoint == endpoint)
            return &stock->shelves[i];
    return NULL;
}

int berth_swarm_stock_put(struct berth_swarm_stock *stock, struct berth_swarm_endpoint *endpoint,
                          uint64_t ticket, struct berth_image_list *images, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(held, &stock->lock);
    struct shelf *shelf = find_shelf(stock, endpoint);
    if (!shelf) {
        struct shelf *grown =
            reallocarray(stock->shelves, stock->count + 1, sizeof(*stock->shelves));
        if (!grown)
            return berth_error_nomem(err);
        stock->shelves = grown;
        shelf = &grown[stock->count++];
        *shelf = (struct shelf){.endpoint = endpoint};
    }
    if (ticket < shelf->ticket)
        return 0;
    berth_image_list_unref(shelf->images);
    shelf->images = berth_image_list_ref(images);
    shelf->ticket = ticket;
    return 0;
}

/* A reference, or NULL. */
static struct berth_image_list *images_of(struct berth_swarm_stock *stock,
                                          const struct berth_swarm_endpoint *endpoint)
{
    BERTH_LOCK_SCOPE(held, &stock->lock);
    const struct shelf *shelf = find_shelf(stock, endpoint);
    return shelf ? berth_image_list_ref(shelf->images) : NULL;
}

static int add_all(struct berth_image_list *all, const struct berth_image_list *images,
                   struct berth_error *err)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < images->count; i++)
        status = berth_image_list_add(all, &images->items[i], err);
    return status;
}

int berth_swarm_stock_all(struct berth_swarm_stock *stock, struct berth_image_list **ret_images,
                          struct berth_error *err)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *all = NULL;
    struct berth_swarm_endpoint *endpoint;
    int status = berth_image_list_new(&all, err);
    for (size_t i = 0; status == 0 && (endpoint = berth_swarm_nodes_at(stock->nodes, i)); i++) {
        BERTH_CLEANUP(image_list) struct berth_image_list *images = images_of(stock, endpoint);
        if (i == 0) {
            if (!images) {
                *ret_images = NULL;
                return 0;
            }
            status = add_all(all, images, err);
        } else if (images && berth_swarm_endpoint_check(stock->nodes, endpoint, NULL) == 0) {
            status = berth_image_list_merge(all, images, err);
        }
    }
    if (status == 0)
        *ret_images = berth_steal(&all);
    return status;
}
