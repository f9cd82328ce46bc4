/* SPDX-License-Identifier: MIT */
/*
 * The swarm backend's own state, and what its files share. Included by the
 * files of this folder and nowhere else.
 *
 * Threading: fields are fixed after open, but for those under the lock.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_INTERNAL_H
#define BERTH_BACKENDS_SWARM_SWARM_INTERNAL_H

#include "backends/swarm/swarm.h"
#include "backends/swarm/swarm_app.h"
#include "backends/swarm/swarm_nodes.h"
#include "backends/swarm/swarm_stock.h"
#include "base/thread.h"

#define BERTH_SWARM_PATH_MAX 8192

struct berth_swarm_spread;
struct berth_swarm_watch;

struct swarm {
    struct berth_backend head;
    char *facility;
    struct berth_engine_scope scope;
    enum berth_swarm_mode mode;
    struct berth_engine_io *io;
    struct berth_engine *manager;
    struct berth_swarm_nodes *nodes;
    struct berth_swarm_stock *stock;
    struct berth_swarm_spread *spread;
    struct berth_swarm_watch *watch; /* NULL: nobody watches */
    pthread_mutex_t lock;
    struct berth_error condition;    /* lock; what is wrong although the manager answers */
    struct berth_image_list *images; /* lock; those told last, NULL: none yet */
    struct berth_swarm_node_list
        known; /* lock; the nodes while the watch follows them, else none */
};

static inline struct swarm *swarm_of(struct berth_backend *backend)
{
    return (struct swarm *)(void *)backend;
}

/* ---- swarm_manager.c: calls to the manager ---- */

/* As berth_engine_call() and berth_engine_get_json(), in swarm's terms: an engine that is no
 * manager, or whose swarm has no leader, is BERTH_E_UNREACHABLE. */
BERTH_MUST_CHECK int berth_swarm_call(struct swarm *swarm,
                                      const struct berth_engine_request *request,
                                      struct berth_engine_response *response,
                                      struct berth_error *err);
BERTH_MUST_CHECK int berth_swarm_get_json(struct swarm *swarm, const char *path, cJSON **ret_json,
                                          struct berth_error *err);
/* Restates what the manager answered; returns the status. */
int berth_swarm_restate(int status, struct berth_error *err);

/* GET /nodes; learns which of them is the manager itself, too. */
BERTH_MUST_CHECK int berth_swarm_get_nodes(struct swarm *swarm,
                                           struct berth_swarm_node_list *ret_nodes,
                                           struct berth_error *err);

/* The nodes as the watch knows them; as the manager has them now where one of these ids is not
 * among those. Empty ids are of no node. */
BERTH_MUST_CHECK int berth_swarm_nodes_with(struct swarm *swarm, const char *const *ids,
                                            size_t count, struct berth_swarm_node_list *ret_nodes,
                                            struct berth_error *err);

/* Appends "/services?filters=…": those of the facility; app NULL: all of them. */
void berth_swarm_services_path(const struct berth_engine_scope *scope, const char *app,
                               struct berth_strbuf *path);
/* The same of the services that bring images to nodes. */
void berth_swarm_pulls_path(const struct berth_engine_scope *scope, struct berth_strbuf *path);
/* Appends "/services/ID". */
void berth_swarm_service_path(const char *id, struct berth_strbuf *path);
/* Appends "/services/ID/update?version=N", for what was answered for that service. */
void berth_swarm_update_path(const cJSON *service, struct berth_strbuf *path);
/* Removes the service, and what it runs: the answer of GET /services/{id}. Not there: success. */
BERTH_MUST_CHECK int berth_swarm_remove_service(struct swarm *swarm, const cJSON *service,
                                                struct berth_error *err);
/* Appends "/tasks?filters=…": those of these services; count 0: all of the facility. */
void berth_swarm_tasks_path(const struct berth_engine_scope *scope, const char *const *services,
                            size_t count, struct berth_strbuf *path);

/* ---- swarm_list.c ---- */

/* A service and the task that shows it, asked for now. */
struct berth_swarm_found {
    struct berth_swarm_service service;
    struct berth_swarm_task task; /* phase NONE: there is none */
    cJSON *service_json;
    cJSON *tasks_json;
    const cJSON *task_json; /* within; NULL: there is none */
};

void berth_swarm_found_release(struct berth_swarm_found *found);
BERTH_DEFINE_CLEANUP_VALUE(swarm_found, struct berth_swarm_found, berth_swarm_found_release)

/* BERTH_E_NOT_FOUND: no such service, or not of the facility. */
BERTH_MUST_CHECK int berth_swarm_find(struct swarm *swarm, const char *id,
                                      struct berth_swarm_found *ret_found, struct berth_error *err);

/* Why nothing is known of a node ("is down"), or NULL. */
const char *berth_swarm_node_trouble(const struct berth_swarm_node *node);

int berth_swarm_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                     struct berth_error *err);

/* ---- One verb or two a file ---- */

int berth_swarm_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                       char **ret_id, struct berth_error *err);
/* Appends the body of POST /services/create. */
void berth_swarm_create_body(const struct berth_engine_scope *scope, enum berth_swarm_mode mode,
                             const struct berth_create_spec *spec, const char *name,
                             const char *image, struct berth_strbuf *body);
int berth_swarm_kill(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_swarm_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                        struct berth_error *err);
int berth_swarm_logs(struct berth_backend *backend, const char *id,
                     const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                     struct berth_error *err);
int berth_swarm_exec(struct berth_backend *backend, const char *id,
                     const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                     struct berth_error *err);
int berth_swarm_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                      size_t count, struct berth_stats_list *ret_stats, struct berth_error *err);
int berth_swarm_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                       struct berth_error *err);
int berth_swarm_pull(struct berth_backend *backend, const char *reference,
                     berth_pull_progress *progress, void *ctx, char **ret_digest, char **ret_id,
                     struct berth_error *err);
int berth_swarm_image_remove(struct berth_backend *backend, const char *reference,
                             struct berth_error *err);
int berth_swarm_image_keep(struct berth_backend *backend, const char *reference, const char *digest,
                           bool is_old, struct berth_error *err);
void berth_swarm_image_drop(struct berth_backend *backend, const char *reference);
int berth_swarm_image_copies(struct berth_backend *backend, const char *reference,
                             struct berth_image_copies *ret_copies, struct berth_error *err);
int berth_swarm_hosts(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                      struct berth_error *err);
int berth_swarm_host_inspect(struct berth_backend *backend, const char *hostname,
                             struct berth_strbuf *body, struct berth_error *err);
int berth_swarm_check(const struct berth_backend_config *config, struct berth_strbuf *notes,
                      struct berth_error *err);

/* ---- What the watch learned ---- */

/* The id of the image that the service runs, by the images told last; appended, or nothing. */
void berth_swarm_image_id(struct swarm *swarm, const char *reference, struct berth_strbuf *id);
/* Lists the images, where nobody has yet. */
BERTH_MUST_CHECK int berth_swarm_know_images(struct swarm *swarm, struct berth_error *err);
/* Makes one list of all that is in stock: ret_images, a reference (NULL: not known yet). */
BERTH_MUST_CHECK int berth_swarm_gather_images(struct swarm *swarm,
                                               struct berth_image_list **ret_images,
                                               struct berth_error *err);
/* NULL: they are not followed any more. Without memory they are not known for now. */
void berth_swarm_set_nodes(struct swarm *swarm, const struct berth_swarm_node_list *nodes);
/* why NULL: nothing is wrong. */
void berth_swarm_set_condition(struct swarm *swarm, const struct berth_error *why);

#endif
