/* SPDX-License-Identifier: MIT */
/*
 * The verb watch of the swarm backend: tells a sink of all apps of a facility,
 * out of three sources, all on the I/O thread:
 *
 *  - a watch of the manager's own engine (engine_watch.h). Its contact is the
 *    contact; its images are the images; it is one of the nodes, too;
 *  - a watch of each other node's engine that has an endpoint. When one falls
 *    silent, only the apps on that node become unknown;
 *  - the manager's services, tasks and nodes. When there is contact, the
 *    stream of their events is opened, then a round asks for everything: info,
 *    nodes, services, tasks. After it single services are asked about when an
 *    event, a container or a change of ours says so, and tasks are polled.
 *
 * The first listing waits up to 1 s for node engines to say something, so that
 * it is not told twice; one that is slower delays nobody.
 *
 * Polling. A service's tasks are asked for again after
 *   0.3 s  while its task is not running yet, for 10 s after its last change;
 *   1 s    while somebody reads, or did in the last minute;
 *   5 s    else, and always where the node's own engine tells of its container;
 *   never  when it is a job that has ended: only an event can change it.
 * Services that are due are asked about together, 64 to a question, so the cost
 * goes with what lives. Once a minute everything is asked, in case an event
 * was lost.
 *
 * A manager that answers, but not about its swarm (no leader, no manager any
 * more), is a loss of contact with that reason.
 *
 * Threading: touch and want from any thread; open and close from one thread,
 * not with a lock held that the sink takes. The sink is called on the I/O thread.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_WATCH_H
#define BERTH_BACKENDS_SWARM_SWARM_WATCH_H

#include "backends/swarm/swarm_internal.h"

/* swarm and the sink's context outlive the watch. BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_swarm_watch_open(struct swarm *swarm,
                                            const struct berth_watch_sink *sink,
                                            struct berth_swarm_watch **ret_watch,
                                            struct berth_error *err);
/* No callback of the sink runs or will run when it returns. NULL is fine. */
void berth_swarm_watch_close(struct berth_swarm_watch *watch);

/* Somebody is reading; cheap. */
void berth_swarm_watch_touch(struct berth_swarm_watch *watch);

/* As the sink's, for what is asked past the watch. */
uint64_t berth_swarm_watch_ticket(const struct berth_swarm_watch *watch);
/* What is in stock has changed: the images are told anew before it returns. Not on the I/O thread.
 */
void berth_swarm_watch_images(struct berth_swarm_watch *watch);

/* The service was changed, or asked about past the watch: it is asked about and told anew. */
void berth_swarm_watch_want(struct berth_swarm_watch *watch, const char *service);

#endif
