/* SPDX-License-Identifier: MIT */
/* The verb list, for those who may wait: the manager first, then the nodes' engines at once. */
#include "backends/swarm/swarm_watch.h"

#include <stdlib.h>

const char *berth_swarm_node_trouble(const struct berth_swarm_node *node)
{
    if (!node)
        return "is not in the swarm";
    if (strcmp(node->status, "ready") == 0)
        return NULL;
    if (strcmp(node->status, "down") == 0)
        return "is down";
    return strcmp(node->status, "disconnected") == 0 ? "is disconnected" : "has not been heard of";
}

/* ---- One service ---- */

void berth_swarm_found_release(struct berth_swarm_found *found)
{
    berth_swarm_service_release(&found->service);
    cJSON_Delete(found->service_json);
    cJSON_Delete(found->tasks_json);
    *found = (struct berth_swarm_found){0};
}

static int choose_task(struct berth_swarm_found *found, struct berth_error *err)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, found->tasks_json)
    {
        struct berth_swarm_task task;
        int status = berth_swarm_task_parse(each, &task, err);
        if (status < 0)
            return status;
        if (found->task_json && !berth_swarm_task_supersedes(&task, &found->task))
            continue;
        found->task = task;
        found->task_json = each;
    }
    return 0;
}

int berth_swarm_find(struct swarm *swarm, const char *id, struct berth_swarm_found *ret_found,
                     struct berth_error *err)
{
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf tasks = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    berth_swarm_service_path(id, &path);
    int status = berth_swarm_get_json(swarm, berth_strbuf_str(&path), &found.service_json, err);
    if (status == 0)
        status = berth_swarm_service_parse(&swarm->scope, found.service_json, &found.service, err);
    if (status == 0) {
        berth_swarm_tasks_path(&swarm->scope, &id, 1, &tasks);
        status = berth_swarm_get_json(swarm, berth_strbuf_str(&tasks), &found.tasks_json, err);
    }
    if (status == 0)
        status = choose_task(&found, err);
    if (status < 0)
        return status;
    *ret_found = found;
    found = (struct berth_swarm_found){0};
    return 0;
}

/* ---- Sights ---- */

/* The container of the task, from its node's engine. What that engine says, or that it does not,
 * is part of the sight. */
static void look(struct swarm *swarm, const struct berth_swarm_task *task,
                 const struct berth_swarm_node *node, struct berth_app **ret_row,
                 struct berth_swarm_sight *sight)
{
    struct berth_swarm_endpoint *endpoint =
        node ? berth_swarm_nodes_find(swarm->nodes, node) : NULL;
    if (!endpoint || !task->container[0] || sight->node_down)
        return;
    struct berth_error why = BERTH_ERROR_INIT;
    int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, &why);
    if (status == 0)
        status =
            berth_engine_app_fetch(endpoint->engine, &swarm->scope, task->container, ret_row, &why);
    sight->row = *ret_row;
    if (status < 0 && status != BERTH_E_NOT_FOUND)
        sight->silence = "does not answer";
}

static int list_one(struct swarm *swarm, const char *id, struct berth_app_list *apps,
                    struct berth_error *err)
{
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf image_id = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(app) struct berth_app *row = NULL;
    struct berth_app *app;
    int status = berth_swarm_find(swarm, id, &found, err);
    if (status == BERTH_E_NOT_FOUND)
        return 0;
    const char *node_id = found.task.node;
    if (status == 0)
        status = berth_swarm_nodes_with(swarm, &node_id, 1, &nodes, err);
    if (status < 0)
        return status;
    struct berth_swarm_sight sight = {.hostname = ""};
    if (found.task.node[0]) {
        const struct berth_swarm_node *node = berth_swarm_node_find(&nodes, found.task.node);
        sight.hostname = node ? node->hostname : found.task.node;
        sight.node_down = berth_swarm_node_trouble(node);
        look(swarm, &found.task, node, &row, &sight);
    }
    berth_swarm_image_id(swarm, found.service.shape->image, &image_id);
    sight.image_id = berth_strbuf_str(&image_id);
    status = berth_swarm_app_make(&found.service, found.task_json ? &found.task : NULL, &sight,
                                  &app, err);
    return status < 0 ? status : berth_app_list_add(apps, app, err);
}

/* ---- All of them ---- */

struct listing {
    struct swarm *swarm;
    struct berth_swarm_node_list nodes;
    struct berth_swarm_task *tasks; /* by service, of each service the one that shows it */
    size_t task_count;
    struct berth_app_list *rows; /* of each node in its place */
    bool *is_silent;             /* of each node in its place */
};

static void listing_release(struct listing *listing)
{
    for (size_t i = 0; listing->rows && i < listing->nodes.count; i++)
        berth_app_list_release(&listing->rows[i]);
    free(listing->rows);
    free(listing->is_silent);
    free(listing->tasks);
    berth_swarm_node_list_release(&listing->nodes);
}

BERTH_DEFINE_CLEANUP_VALUE(listing, struct listing, listing_release)

static int compare_tasks(const void *a, const void *b)
{
    const struct berth_swarm_task *x = a;
    const struct berth_swarm_task *y = b;
    int order = strcmp(x->service, y->service);
    if (order)
        return order;
    return berth_swarm_task_supersedes(x, y) ? -1 : 1;
}

/* Sorted by service, the one to show first. */
static int read_tasks(struct listing *listing, const cJSON *json, struct berth_error *err)
{
    listing->tasks = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof(*listing->tasks));
    if (!listing->tasks)
        return berth_error_nomem(err);
    const cJSON *each;
    cJSON_ArrayForEach(each, json)
    {
        int status = berth_swarm_task_parse(each, &listing->tasks[listing->task_count], err);
        if (status < 0)
            return status;
        listing->task_count++;
    }
    qsort(listing->tasks, listing->task_count, sizeof(*listing->tasks), compare_tasks);
    return 0;
}

static const struct berth_swarm_task *find_task(const struct listing *listing, const char *service)
{
    size_t low = 0;
    for (size_t high = listing->task_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(listing->tasks[middle].service, service) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct berth_swarm_task *task = &listing->tasks[low];
    return low < listing->task_count && strcmp(task->service, service) == 0 ? task : NULL;
}

static void look_at_node(void *ctx, size_t i)
{
    struct listing *listing = ctx;
    struct swarm *swarm = listing->swarm;
    struct berth_swarm_endpoint *endpoint =
        berth_swarm_nodes_find(swarm->nodes, &listing->nodes.items[i]);
    struct berth_error why = BERTH_ERROR_INIT;
    if (!endpoint || berth_swarm_node_trouble(&listing->nodes.items[i]))
        return;
    int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, &why);
    if (status == 0)
        status = berth_engine_app_list(endpoint->engine, &swarm->scope, &listing->rows[i], &why);
    listing->is_silent[i] = status < 0;
}

static const struct berth_app *find_row(const struct berth_app_list *rows, const char *task)
{
    for (size_t i = 0; i < rows->count; i++) {
        const char *label = berth_app_label(rows->items[i], BERTH_SWARM_TASK_ID_LABEL);
        if (label && strcmp(label, task) == 0)
            return rows->items[i];
    }
    return NULL;
}

static int add_app(struct listing *listing, const cJSON *json, struct berth_app_list *apps,
                   struct berth_error *err)
{
    BERTH_CLEANUP(swarm_service) struct berth_swarm_service service = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf image_id = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    struct berth_app *app;
    int status = berth_swarm_service_parse(&listing->swarm->scope, json, &service, err);
    if (status < 0)
        return status == BERTH_E_NOT_FOUND ? 0 : status;
    const struct berth_swarm_task *task = find_task(listing, service.shape->id);
    struct berth_swarm_sight sight = {.hostname = ""};
    if (task && task->node[0]) {
        const struct berth_swarm_node *node = berth_swarm_node_find(&listing->nodes, task->node);
        size_t place = node ? (size_t)(node - listing->nodes.items) : 0;
        sight.hostname = node ? node->hostname : task->node;
        sight.node_down = berth_swarm_node_trouble(node);
        sight.silence = node && listing->is_silent[place] ? "does not answer" : NULL;
        sight.row = node ? find_row(&listing->rows[place], task->id) : NULL;
    }
    berth_swarm_image_id(listing->swarm, service.shape->image, &image_id);
    sight.image_id = berth_strbuf_str(&image_id);
    status = berth_swarm_app_make(&service, task, &sight, &app, err);
    return status < 0 ? status : berth_app_list_add(apps, app, err);
}

static int list_all(struct swarm *swarm, struct berth_app_list *apps, struct berth_error *err)
{
    BERTH_CLEANUP(listing) struct listing listing = {.swarm = swarm};
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf tasks_path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *services = NULL;
    BERTH_CLEANUP(json) cJSON *tasks = NULL;
    berth_swarm_services_path(&swarm->scope, NULL, &path);
    berth_swarm_tasks_path(&swarm->scope, NULL, 0, &tasks_path);
    int status = berth_swarm_get_json(swarm, berth_strbuf_str(&path), &services, err);
    if (status == 0)
        status = berth_swarm_get_json(swarm, berth_strbuf_str(&tasks_path), &tasks, err);
    if (status == 0)
        status = read_tasks(&listing, tasks, err);
    if (status == 0)
        status = berth_swarm_get_nodes(swarm, &listing.nodes, err);
    if (status < 0)
        return status;
    listing.rows = calloc(listing.nodes.count + 1, sizeof(*listing.rows));
    listing.is_silent = calloc(listing.nodes.count + 1, sizeof(*listing.is_silent));
    if (!listing.rows || !listing.is_silent)
        return berth_error_nomem(err);
    berth_parallel_for(listing.nodes.count, (unsigned)listing.nodes.count, look_at_node, &listing);
    const cJSON *each;
    cJSON_ArrayForEach(each, services)
    {
        status = add_app(&listing, each, apps, err);
        if (status < 0)
            return status;
    }
    return 0;
}

int berth_swarm_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                     struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    int known = berth_swarm_know_images(swarm, err);
    if (known < 0)
        return known;
    if (!id)
        return list_all(swarm, apps, err);
    int status = list_one(swarm, id, apps, err);
    if (swarm->watch) /* what was found here is not the watch's: it looks for itself */
        berth_swarm_watch_want(swarm->watch, id);
    return status;
}
