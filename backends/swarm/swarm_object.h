/* SPDX-License-Identifier: MIT */
/*
 * What a manager says, from its JSON: services, tasks and nodes (Engine API
 * "Service", "Task", "Node"), cut down to what an app is made of, so that a
 * facility of thousands of services fits in memory.
 *
 * Threading: stateless; the objects belong to who parsed them.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_OBJECT_H
#define BERTH_BACKENDS_SWARM_SWARM_OBJECT_H

#include "backends/engine/engine_app.h"

/* Swarm's identifiers are 25 digits of base 36, those of containers 64 hexadecimal ones. */
#define BERTH_SWARM_ID_MAX     31
#define BERTH_CONTAINER_ID_MAX 64

#define BERTH_SWARM_TASK_ID_LABEL    "com.docker.swarm.task.id"
#define BERTH_SWARM_SERVICE_ID_LABEL "com.docker.swarm.service.id"
#define BERTH_SWARM_NODE_ID_LABEL    "com.docker.swarm.node.id"

/* ---- Services ---- */

struct berth_swarm_service {
    /* What the service itself says of its app; engine_name is the service's name, image the
     * reference it runs, labels those of its containers. No task is in it. */
    struct berth_app *shape;
    bool is_job;      /* runs once: a task of it that ended is the end */
    uint64_t version; /* of the object in the manager's store: grows with each change */
};

/* BERTH_E_NOT_FOUND: not of the scope; BERTH_E_UNREACHABLE: that is no service. */
BERTH_MUST_CHECK int berth_swarm_service_parse(const struct berth_engine_scope *scope,
                                               const cJSON *json,
                                               struct berth_swarm_service *ret_service,
                                               struct berth_error *err);
void berth_swarm_service_release(struct berth_swarm_service *service);
BERTH_DEFINE_CLEANUP_VALUE(swarm_service, struct berth_swarm_service, berth_swarm_service_release)

/* ---- Tasks ---- */

enum berth_swarm_phase {
    BERTH_TASK_NONE,     /* there is no task */
    BERTH_TASK_WAITING,  /* new, pending, assigned, accepted, preparing, ready, starting */
    BERTH_TASK_RUNNING,  /* running */
    BERTH_TASK_ENDED,    /* complete, failed, shutdown, rejected, orphaned */
    BERTH_TASK_REMOVING, /* remove */
};

struct berth_swarm_task {
    char id[BERTH_SWARM_ID_MAX + 1];
    char service[BERTH_SWARM_ID_MAX + 1];
    char node[BERTH_SWARM_ID_MAX + 1];          /* "" before it is assigned */
    char container[BERTH_CONTAINER_ID_MAX + 1]; /* "" until the manager has heard of it */
    char state[16];                             /* swarm's own word */
    char why[256];                              /* the error, or "" */
    enum berth_swarm_phase phase;
    int exit_code;
    int64_t slot;       /* 0 with jobs */
    int64_t created_ns; /* wall */
    int64_t changed_ns; /* wall; when it came into its state */
    uint64_t version;
};

/* BERTH_E_UNREACHABLE: that is no task. */
BERTH_MUST_CHECK int berth_swarm_task_parse(const cJSON *json, struct berth_swarm_task *ret_task,
                                            struct berth_error *err);

/* True if a is the one to show of two tasks of a service: the younger. The older is history. */
bool berth_swarm_task_supersedes(const struct berth_swarm_task *a,
                                 const struct berth_swarm_task *b);

/* ---- Nodes ---- */

struct berth_swarm_node {
    char id[BERTH_SWARM_ID_MAX + 1];
    char hostname[BERTH_HOSTNAME_MAX + 1];
    char status[16];       /* "ready", "down", "unknown", "disconnected" */
    char availability[16]; /* "active", "pause", "drain" */
    char address[64];
};

struct berth_swarm_node_list {
    struct berth_swarm_node *items;
    size_t count;
};

/* json: the array of GET /nodes. */
BERTH_MUST_CHECK int berth_swarm_nodes_parse(const cJSON *json,
                                             struct berth_swarm_node_list *ret_nodes,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_swarm_node_list_copy(const struct berth_swarm_node_list *nodes,
                                                struct berth_swarm_node_list *ret_copy,
                                                struct berth_error *err);
void berth_swarm_node_list_release(struct berth_swarm_node_list *nodes);
BERTH_DEFINE_CLEANUP_VALUE(swarm_node_list, struct berth_swarm_node_list,
                           berth_swarm_node_list_release)

/* By id, or NULL. */
const struct berth_swarm_node *berth_swarm_node_find(const struct berth_swarm_node_list *nodes,
                                                     const char *id);

/* BERTH_E_INVALID names two nodes that have one hostname: apps and endpoints go by it. */
BERTH_MUST_CHECK int berth_swarm_nodes_check(const struct berth_swarm_node_list *nodes,
                                             struct berth_error *err);

#endif
