/* SPDX-License-Identifier: MIT */
/*
 * Where the engines of a swarm's nodes are reached: the one place that knows.
 * An endpoint comes from node.HOSTNAME of the configuration, where node.* is
 * for every node that has no other; the manager that the facility's own engine
 * is needs none.
 *
 * "agent" and "agent:PORT" stand for `berth agent` on the node: it is found at
 * the node's address as the swarm knows it, and must show the certificate of
 * that very node. Its endpoint is made when the node is first asked for, so that
 * a node that joins needs no configuration.
 *
 * An endpoint stands until close; so does that of a node that has left, which is
 * never more than a few. Whoever watches it says when its engine falls
 * silent, so that nobody else waits to find out.
 *
 * Threading: all functions from any thread; open and close with nothing else
 * running.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_NODES_H
#define BERTH_BACKENDS_SWARM_SWARM_NODES_H

#include "backends/engine/engine_stats.h"
#include "backends/swarm/swarm_object.h"

struct berth_swarm_nodes;

struct berth_swarm_endpoint {
    const char *hostname; /* "" of the manager's own */
    bool is_agent;        /* apps can be read and entered there, and nothing else */
    struct berth_engine *engine;
    struct berth_engine_stats *stats;
};

/*
 * The certificates for agents: tls_ca, tls_cert and tls_key, else those of the
 * swarm that this host is a manager of; NULL where no node has an agent.
 * BERTH_E_INVALID names the file and what to do about it.
 */
BERTH_MUST_CHECK int berth_swarm_agents_open(const struct berth_backend_config *config,
                                             struct berth_credential_store **ret_store,
                                             struct berth_error *err);

/* Copies the configuration. manager is borrowed. BERTH_E_INVALID names the endpoint that is no
 * good. Nothing connects yet. */
BERTH_MUST_CHECK int berth_swarm_nodes_open(const struct berth_backend_config *config,
                                            struct berth_engine *manager,
                                            struct berth_swarm_nodes **ret_nodes,
                                            struct berth_error *err);
void berth_swarm_nodes_close(struct berth_swarm_nodes *nodes); /* NULL is fine */

/* Which node the manager's own engine is; "": not known (any more), as at first. */
void berth_swarm_nodes_set_self(struct berth_swarm_nodes *nodes, const char *node_id);
bool berth_swarm_nodes_is_self(struct berth_swarm_nodes *nodes, const char *node_id);

/* The engine of that node, or NULL: it has no endpoint (or memory is short). */
struct berth_swarm_endpoint *berth_swarm_nodes_find(struct berth_swarm_nodes *nodes,
                                                    const struct berth_swarm_node *node);

/* All endpoints there are now, the manager's own first: the i-th, or NULL past the last. */
struct berth_swarm_endpoint *berth_swarm_nodes_at(struct berth_swarm_nodes *nodes, size_t i);

/* True of the endpoint of an agent whose node is not in the list (any more, or at that address). */
bool berth_swarm_endpoint_is_left(struct berth_swarm_nodes *nodes,
                                  struct berth_swarm_endpoint *endpoint,
                                  const struct berth_swarm_node_list *list);

/* Told by who watches the endpoint; why NULL: it answers. */
void berth_swarm_endpoint_set(struct berth_swarm_nodes *nodes,
                              struct berth_swarm_endpoint *endpoint, const struct berth_error *why);
/* What was told last: 0, or the error. 0 where nobody watches. */
BERTH_MUST_CHECK int berth_swarm_endpoint_check(struct berth_swarm_nodes *nodes,
                                                struct berth_swarm_endpoint *endpoint,
                                                struct berth_error *err);

#endif
