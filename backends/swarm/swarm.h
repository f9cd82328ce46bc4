/* SPDX-License-Identifier: MIT */
/*
 * The swarm backend: apps are services of a Docker swarm, over its manager's
 * Engine API and, where there are, the engines of its nodes.
 *
 * An app is a service with one replica, started when it is created. By
 * default it is a replicated job, which runs once and stays as it ended;
 * swarm_mode = service makes a plain service that swarm keeps running. The app's
 * id is the service's: it stands while tasks come and go. Creating again over a
 * job that has ended replaces it. There is no stopping, pausing or starting;
 * kill removes the service.
 *
 * kill: the service is removed first, so that nothing is started again, then
 * its containers are killed and removed through their nodes' engines. Of a node without
 * one, swarm itself ends the container: SIGTERM, and SIGKILL after
 * BERTH_STOP_GRACE_S. (The grace is in the service's spec for the sake of drained
 * nodes; swarm has no removal that overrides it.)
 *
 * Three sources make what is shown (swarm_app.h joins them):
 *  - services and tasks from the manager. Tasks have no events, so they are
 *    polled, as seldom as is good enough (swarm_poll.h);
 *  - events of services and nodes, from the manager's event stream, which say
 *    when to ask;
 *  - containers and their events from the engine of each node that has an
 *    endpoint (swarm_nodes.h), watched as a solo engine is (engine_watch.h). So
 *    what happens there is exact in time, and a node that does not answer
 *    costs nobody but its own apps, which become unknown, with the reason.
 *
 * Images: services run name:tag@digest where the image has a digest, so that
 * all nodes run the same. A pull goes to the manager, then by digest to every
 * node, and to those that come later (swarm_spread.h). A node that lacks the
 * image when a task comes gets it from the registry by swarm itself, by that
 * digest. No constraint binds services to nodes that have the image: a node
 * that joins would never be used, and swarm could not move an app off a dead
 * node onto it.
 *
 * What an engine is too old for: NoNewPrivileges of services needs API 1.44
 * (Docker 25); older managers drop it without a word. check-config says so.
 *
 * Threading: as backends/backend.h says.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_H
#define BERTH_BACKENDS_SWARM_SWARM_H

#include "backends/backend.h"

extern const struct berth_backend_ops berth_swarm_ops;

#endif
