/* SPDX-License-Identifier: MIT */
/*
 * Images on all nodes of a swarm: those that are there now, those that join
 * later, and those that come back. What is to be everywhere is kept in a table,
 * one copy a node; a few threads, started when there is something to do, see to
 * the copies that are missing.
 *
 * How a node gets its copy:
 *  - through its own engine, where it has an endpoint: asked for the digest,
 *    then pulled by it, with percentages;
 *  - else, or where that does not work (an endpoint that does not answer or
 *    does not pull), by swarm: a service of one replica is placed on the node,
 *    with the digest as its image and a command that no image has, so that
 *    nothing of the image runs. Its task says when the image is there (it gets
 *    past "preparing") or that the node could not get it ("rejected"). It is
 *    removed at once, is labelled BERTH_LABEL_PULL and is never an app. It is no
 *    job: managers start the task of a job anew 3 times a second while it is
 *    rejected, and 20.10 leaves the containers of jobs behind.
 * Nodes that are not ready or not active wait until they are. What fails is
 * tried again after a minute, then twice as long each time, up to an hour, and
 * when the node comes back. What was kept before the gateway started is looked
 * for on nodes with an endpoint, and not known of the others until they come back.
 *
 * Threading: any thread; nothing but wait and close blocks.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_SPREAD_H
#define BERTH_BACKENDS_SWARM_SWARM_SPREAD_H

#include "backends/swarm/swarm_internal.h"

struct berth_swarm_spread;

/* swarm outlives it, and its nodes and manager are open. */
BERTH_MUST_CHECK int berth_swarm_spread_open(struct swarm *swarm,
                                             struct berth_swarm_spread **ret_spread,
                                             struct berth_error *err);
/* Cuts short what is under way. NULL is fine. */
void berth_swarm_spread_close(struct berth_swarm_spread *spread);

/* The nodes of the swarm as they are now. */
void berth_swarm_spread_nodes(struct berth_swarm_spread *spread,
                              const struct berth_swarm_node_list *nodes);

/* As the verb image_keep. */
BERTH_MUST_CHECK int berth_swarm_spread_keep(struct berth_swarm_spread *spread,
                                             const char *reference, const char *digest, bool is_old,
                                             struct berth_error *err);
/* As the verb image_drop. */
void berth_swarm_spread_drop(struct berth_swarm_spread *spread, const char *reference);
/* As the verb image_copies. */
BERTH_MUST_CHECK int berth_swarm_spread_copies(struct berth_swarm_spread *spread,
                                               const char *reference,
                                               struct berth_image_copies *ret_copies,
                                               struct berth_error *err);

/* The manager pulls the image, whose digest is not known yet: it is listed from now on. */
BERTH_MUST_CHECK int berth_swarm_spread_begin(struct berth_swarm_spread *spread,
                                              const char *reference, struct berth_error *err);
/* The manager is so far; returns how far all nodes are together. */
int berth_swarm_spread_manager(struct berth_swarm_spread *spread, const char *reference,
                               int percent);
/* The manager could not pull it: it is forgotten, unless it was kept before. */
void berth_swarm_spread_abandon(struct berth_swarm_spread *spread, const char *reference);
/* Until no node that could have it is without an answer, or the time is over. BERTH_E_CANCELLED:
 * progress said so. */
BERTH_MUST_CHECK int berth_swarm_spread_wait(struct berth_swarm_spread *spread,
                                             const char *reference, berth_pull_progress *progress,
                                             void *ctx, int64_t timeout_ms,
                                             struct berth_error *err);

#endif
