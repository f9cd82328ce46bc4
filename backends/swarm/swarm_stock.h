/* SPDX-License-Identifier: MIT */
/*
 * Which images the engines of a swarm have, and all of them as one list: what
 * the swarm can run. Told by whoever asked an engine, in any order.
 *
 * Threading: any thread.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_STOCK_H
#define BERTH_BACKENDS_SWARM_SWARM_STOCK_H

#include "backends/image.h"
#include "backends/swarm/swarm_nodes.h"

struct berth_swarm_stock;

/* nodes outlives it. */
BERTH_MUST_CHECK int berth_swarm_stock_new(struct berth_swarm_nodes *nodes,
                                           struct berth_swarm_stock **ret_stock,
                                           struct berth_error *err);
void berth_swarm_stock_free(struct berth_swarm_stock *stock); /* NULL is fine */

/* What the engine has, by its answer to the question of that ticket: an earlier one is ignored from
 * now on. */
BERTH_MUST_CHECK int berth_swarm_stock_put(struct berth_swarm_stock *stock,
                                           struct berth_swarm_endpoint *endpoint, uint64_t ticket,
                                           struct berth_image_list *images,
                                           struct berth_error *err);

/* The images of the manager, and of the other engines that answer what it lacks: a name stands for
 * what it does on the first that has it. NULL: those of the manager are not known yet. */
BERTH_MUST_CHECK int berth_swarm_stock_all(struct berth_swarm_stock *stock,
                                           struct berth_image_list **ret_images,
                                           struct berth_error *err);

#endif
