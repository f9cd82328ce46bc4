/* SPDX-License-Identifier: MIT */
/*
 * One app out of what is known of it: its service and task, as the manager has
 * them, and its container, as the engine of its node has it.
 *
 * What the node's engine says of the container counts, so that an app reads as
 * `docker ps` prints it there; without it, the manager's words stand in the
 * same fields: container id, state, message, times, and the labels that tell
 * node and task. The name is the app's, without the suffix of its task.
 *
 *   new … starting            created   "Pending: no suitable node (…)"
 *   running                   running
 *   complete failed shutdown  exited    with its exit code
 *   rejected                  exited    "Rejected: No such image: …"
 *   orphaned                  unknown   the node was away for a day
 *   remove                    removing
 *   its node does not answer  unknown   "Unknown (node w2 is down)"
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_APP_H
#define BERTH_BACKENDS_SWARM_SWARM_APP_H

#include "backends/swarm/swarm_object.h"

/* What is known besides service and task. */
struct berth_swarm_sight {
    const struct berth_app *row; /* the container, as its node's engine lists it; NULL: not known */
    const char *hostname;        /* of the node; "" where it is not known */
    const char *node_down;       /* why nothing is known of the node ("is down"); NULL: it is */
    const char *silence;         /* why its engine says nothing; NULL: it does, or was not asked */
    const char *image_id;        /* of the service's image, where no row tells; "" */
};

/* task NULL: there is none (yet). One reference. */
BERTH_MUST_CHECK int berth_swarm_app_make(const struct berth_swarm_service *service,
                                          const struct berth_swarm_task *task,
                                          const struct berth_swarm_sight *sight,
                                          struct berth_app **ret_app, struct berth_error *err);

#endif
