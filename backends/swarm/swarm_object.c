/* SPDX-License-Identifier: MIT */
#include "backends/swarm/swarm_object.h"

#include "backends/backend.h"
#include "base/clock.h"

#define SERVICE_LABELS_MAX 64

/* ---- Members ---- */

/* 0 where there is none. */
static int64_t read_time(const cJSON *object, const char *name)
{
    const char *text = berth_json_string(object, name, "");
    int64_t wall_ns = 0;
    return berth_clock_parse_rfc3339(text, strlen(text), &wall_ns, NULL) == 0 ? wall_ns : 0;
}

static uint64_t read_version(const cJSON *json)
{
    return (uint64_t)berth_json_int(berth_json_get(json, "Version"), "Index", 0);
}

/* False if the text is longer than what is there for it. */
static bool copy_id(char *out, size_t size, const char *text)
{
    return (size_t)snprintf(out, size, "%s", text) < size;
}

static int not_an_object(const char *what, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_UNREACHABLE, "the manager describes a %s without an id",
                           what);
}

/* ---- Services ---- */

void berth_swarm_service_release(struct berth_swarm_service *service)
{
    berth_app_unref(service->shape);
    *service = (struct berth_swarm_service){0};
}

static size_t read_labels(const cJSON *labels, struct berth_app_pair *pairs)
{
    size_t count = 0;
    const cJSON *label;
    cJSON_ArrayForEach(label, labels)
    {
        if (cJSON_IsString(label) && count < SERVICE_LABELS_MAX)
            pairs[count++] =
                (struct berth_app_pair){.key = label->string, .value = label->valuestring};
    }
    return count;
}

/* Whose app it is: by our labels, or, adopted, by its name. */
static void read_names(const cJSON *spec, struct berth_app *app)
{
    const cJSON *labels = berth_json_get(spec, "Labels");
    app->engine_name = berth_json_string(spec, "Name", "");
    app->name = app->engine_name;
    if (berth_json_get(labels, BERTH_LABEL_FACILITY)) {
        app->name = berth_json_string(labels, BERTH_LABEL_APP, app->engine_name);
        app->user = berth_json_string(labels, BERTH_LABEL_USER, "");
        app->image_label = berth_json_string(labels, BERTH_LABEL_IMAGE, "");
        return;
    }
    for (const char *dashes = strstr(app->name, "--"); dashes; dashes = strstr(dashes + 1, "--"))
        app->user = dashes + 2;
}

int berth_swarm_service_parse(const struct berth_engine_scope *scope, const cJSON *json,
                              struct berth_swarm_service *ret_service, struct berth_error *err)
{
    struct berth_app_pair labels[SERVICE_LABELS_MAX];
    const cJSON *spec = berth_json_get(json, "Spec");
    const cJSON *template = berth_json_get(spec, "TaskTemplate");
    const cJSON *container = berth_json_get(template, "ContainerSpec");
    const cJSON *mode = berth_json_get(spec, "Mode");
    const char *id = berth_json_string(json, "ID", "");
    if (!id[0] || strlen(id) > BERTH_SWARM_ID_MAX)
        return not_an_object("service", err);
    if (!berth_engine_in_scope(scope, berth_json_get(spec, "Labels")))
        return berth_error_set(err, BERTH_E_NOT_FOUND, "not a service of facility %s",
                               scope->facility);
    struct berth_app app = {.id = id,
                            .container = "",
                            .image = berth_json_string(container, "Image", ""),
                            .created_ns = read_time(json, "CreatedAt"),
                            .state = BERTH_APP_CREATED,
                            .labels = labels};
    read_names(spec, &app);
    app.label_count = read_labels(berth_json_get(container, "Labels"), labels);
    struct berth_app *shape;
    int status = berth_app_new(&app, &shape, err);
    if (status < 0)
        return status;
    *ret_service = (struct berth_swarm_service){
        .shape = shape,
        .is_job = berth_json_get(mode, "ReplicatedJob") || berth_json_get(mode, "GlobalJob"),
        .version = read_version(json),
    };
    return 0;
}

/* ---- Tasks ---- */

static enum berth_swarm_phase phase_of(const char *state)
{
    static const struct {
        const char *state;
        enum berth_swarm_phase phase;
    } states[] = {
        {"running", BERTH_TASK_RUNNING}, {"complete", BERTH_TASK_ENDED},
        {"failed", BERTH_TASK_ENDED},    {"shutdown", BERTH_TASK_ENDED},
        {"rejected", BERTH_TASK_ENDED},  {"orphaned", BERTH_TASK_ENDED},
        {"remove", BERTH_TASK_REMOVING},
    };
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i].state, state) == 0)
            return states[i].phase;
    return BERTH_TASK_WAITING;
}

int berth_swarm_task_parse(const cJSON *json, struct berth_swarm_task *ret_task,
                           struct berth_error *err)
{
    const cJSON *status = berth_json_get(json, "Status");
    const cJSON *container = berth_json_get(status, "ContainerStatus");
    struct berth_swarm_task task = {
        .exit_code = (int)berth_json_int(container, "ExitCode", 0),
        .slot = berth_json_int(json, "Slot", 0),
        .created_ns = read_time(json, "CreatedAt"),
        .changed_ns = read_time(status, "Timestamp"),
        .version = read_version(json),
    };
    if (!copy_id(task.id, sizeof(task.id), berth_json_string(json, "ID", "")) || !task.id[0] ||
        !copy_id(task.service, sizeof(task.service), berth_json_string(json, "ServiceID", "")) ||
        !copy_id(task.node, sizeof(task.node), berth_json_string(json, "NodeID", "")) ||
        !copy_id(task.container, sizeof(task.container),
                 berth_json_string(container, "ContainerID", "")))
        return not_an_object("task", err);
    (void)snprintf(task.state, sizeof(task.state), "%s", berth_json_string(status, "State", ""));
    (void)snprintf(task.why, sizeof(task.why), "%s", berth_json_string(status, "Err", ""));
    task.phase = phase_of(task.state);
    *ret_task = task;
    return 0;
}

bool berth_swarm_task_supersedes(const struct berth_swarm_task *a, const struct berth_swarm_task *b)
{
    if (a->created_ns != b->created_ns)
        return a->created_ns > b->created_ns;
    return strcmp(a->id, b->id) > 0;
}

/* ---- Nodes ---- */

void berth_swarm_node_list_release(struct berth_swarm_node_list *nodes)
{
    free(nodes->items);
    *nodes = (struct berth_swarm_node_list){0};
}

int berth_swarm_node_list_copy(const struct berth_swarm_node_list *nodes,
                               struct berth_swarm_node_list *ret_copy, struct berth_error *err)
{
    struct berth_swarm_node_list copy = {.items = calloc(nodes->count + 1, sizeof(*nodes->items)),
                                         .count = nodes->count};
    if (!copy.items)
        return berth_error_nomem(err);
    if (nodes->count > 0)
        memcpy(copy.items, nodes->items, nodes->count * sizeof(*nodes->items));
    *ret_copy = copy;
    return 0;
}

int berth_swarm_nodes_parse(const cJSON *json, struct berth_swarm_node_list *ret_nodes,
                            struct berth_error *err)
{
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    nodes.items = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof(*nodes.items));
    if (!nodes.items)
        return berth_error_nomem(err);
    const cJSON *each;
    cJSON_ArrayForEach(each, json)
    {
        struct berth_swarm_node *node = &nodes.items[nodes.count];
        const cJSON *description = berth_json_get(each, "Description");
        const cJSON *status = berth_json_get(each, "Status");
        if (!copy_id(node->id, sizeof(node->id), berth_json_string(each, "ID", "")) ||
            !copy_id(node->hostname, sizeof(node->hostname),
                     berth_json_string(description, "Hostname", "")) ||
            !node->id[0])
            return not_an_object("node", err);
        (void)snprintf(node->status, sizeof(node->status), "%s",
                       berth_json_string(status, "State", ""));
        (void)snprintf(node->availability, sizeof(node->availability), "%s",
                       berth_json_string(berth_json_get(each, "Spec"), "Availability", "active"));
        (void)snprintf(node->address, sizeof(node->address), "%s",
                       berth_json_string(status, "Addr", ""));
        nodes.count++;
    }
    *ret_nodes = nodes;
    nodes = (struct berth_swarm_node_list){0};
    return 0;
}

const struct berth_swarm_node *berth_swarm_node_find(const struct berth_swarm_node_list *nodes,
                                                     const char *id)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (strcmp(nodes->items[i].id, id) == 0)
            return &nodes->items[i];
    return NULL;
}

int berth_swarm_nodes_check(const struct berth_swarm_node_list *nodes, struct berth_error *err)
{
    for (size_t i = 0; i < nodes->count; i++)
        for (size_t k = i + 1; k < nodes->count; k++)
            if (nodes->items[i].hostname[0] &&
                strcmp(nodes->items[i].hostname, nodes->items[k].hostname) == 0)
                return berth_error_set(err, BERTH_E_INVALID,
                                       "nodes %s and %s of the swarm are both called %s: each node "
                                       "needs a hostname of its own",
                                       nodes->items[i].id, nodes->items[k].id,
                                       nodes->items[i].hostname);
    return 0;
}
