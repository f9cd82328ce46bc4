/* SPDX-License-Identifier: MIT */
/* What every call to the manager has in common: paths, and its errors in our terms. */
#include "backends/swarm/swarm_internal.h"

#include "base/log.h"

#define RPC_PREFIX "rpc error: code = "
#define RPC_TEXT   " desc = "

/* What a manager says at first when too few of them are left. */
#define TOO_SLOW "context deadline exceeded"

/* What managers say when it is the swarm that does not work, and not the request. */
static bool is_swarm_trouble(const char *message)
{
    static const char *const troubles[] = {
        "does not have a leader",
        "not a swarm manager",
        "no elected primary",
        "raft:",
        "lost leader status",
        "Swarm is encrypted",
        TOO_SLOW,
    };
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++)
        if (strstr(message, troubles[i]))
            return true;
    return false;
}

int berth_swarm_restate(int status, struct berth_error *err)
{
    if (status == 0 || !err)
        return status;
    struct berth_error said = *err;
    const char *text = said.message;
    if (strncmp(text, RPC_PREFIX, strlen(RPC_PREFIX)) == 0) {
        const char *desc = strstr(text, RPC_TEXT);
        text = desc ? desc + strlen(RPC_TEXT) : text;
    }
    bool is_trouble =
        (status == BERTH_E_REFUSED || status == BERTH_E_CONFLICT) && is_swarm_trouble(said.message);
    if (is_trouble)
        status = BERTH_E_UNREACHABLE;
    if (text == said.message && !is_trouble)
        return status;
    const char *hint = strstr(text, TOO_SLOW) ? "the swarm has no leader, or is too slow: " : "";
    (void)berth_error_set(err, (enum berth_status)status, "%s%s", hint, text);
    (void)memcpy(err->detail, said.detail, sizeof(err->detail));
    return status;
}

int berth_swarm_call(struct swarm *swarm, const struct berth_engine_request *request,
                     struct berth_engine_response *response, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int status =
        berth_swarm_restate(berth_engine_call(swarm->manager, request, response, &why), &why);
    if (status < 0 && err)
        *err = why;
    return status;
}

int berth_swarm_get_json(struct swarm *swarm, const char *path, cJSON **ret_json,
                         struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int status =
        berth_swarm_restate(berth_engine_get_json(swarm->manager, path, ret_json, &why), &why);
    if (status < 0 && err)
        *err = why;
    return status;
}

int berth_swarm_get_nodes(struct swarm *swarm, struct berth_swarm_node_list *ret_nodes,
                          struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *info = NULL;
    BERTH_CLEANUP(json) cJSON *nodes = NULL;
    int status = berth_swarm_get_json(swarm, "/nodes", &nodes, err);
    if (status == 0 && berth_swarm_nodes_is_self(swarm->nodes, "")) {
        status = berth_swarm_get_json(swarm, "/info", &info, err);
        if (status == 0)
            berth_swarm_nodes_set_self(
                swarm->nodes, berth_json_string(berth_json_get(info, "Swarm"), "NodeID", ""));
    }
    return status < 0 ? status : berth_swarm_nodes_parse(nodes, ret_nodes, err);
}

static bool has_all(const struct berth_swarm_node_list *nodes, const char *const *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i][0] && !berth_swarm_node_find(nodes, ids[i]))
            return false;
    return true;
}

int berth_swarm_nodes_with(struct swarm *swarm, const char *const *ids, size_t count,
                           struct berth_swarm_node_list *ret_nodes, struct berth_error *err)
{
    {
        BERTH_LOCK_SCOPE(held, &swarm->lock);
        if (swarm->known.count > 0 && has_all(&swarm->known, ids, count))
            return berth_swarm_node_list_copy(&swarm->known, ret_nodes, err);
    }
    return berth_swarm_get_nodes(swarm, ret_nodes, err);
}

void berth_swarm_set_nodes(struct swarm *swarm, const struct berth_swarm_node_list *nodes)
{
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list next = {0};
    if (nodes)
        (void)!berth_swarm_node_list_copy(nodes, &next, NULL);
    BERTH_LOCK_SCOPE(held, &swarm->lock);
    struct berth_swarm_node_list before = swarm->known;
    swarm->known = next;
    next = before;
}

/*
 * Swarm 20.10 lets the container of a job run on when its service is removed,
 * unless the job is first told to want no completions. What comes of that is
 * not waited for, and its failure is no reason not to remove the service.
 */
static void end_job(struct swarm *swarm, const cJSON *service)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *spec = cJSON_Duplicate(berth_json_get(service, "Spec"), true);
    cJSON *mode = spec ? cJSON_GetObjectItemCaseSensitive(spec, "Mode") : NULL;
    cJSON *job = mode ? cJSON_GetObjectItemCaseSensitive(mode, "ReplicatedJob") : NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    if (!job)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(job, "MaxConcurrent");
    cJSON_DeleteItemFromObjectCaseSensitive(job, "TotalCompletions");
    BERTH_CLEANUP(free)
    char *body = cJSON_AddNumberToObject(job, "MaxConcurrent", 0) &&
                         cJSON_AddNumberToObject(job, "TotalCompletions", 0)
                     ? cJSON_PrintUnformatted(spec)
                     : NULL;
    berth_swarm_update_path(service, &path);
    const struct berth_engine_request request = {
        .method = "POST", .path = berth_strbuf_str(&path), .body = body};
    if (body && berth_swarm_call(swarm, &request, NULL, &err) < 0)
        berth_log_error(BERTH_LOG_DEBUG, &err, "job %s is removed as it is",
                        berth_json_string(service, "ID", ""));
}

int berth_swarm_remove_service(struct swarm *swarm, const cJSON *service, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    end_job(swarm, service);
    berth_swarm_service_path(berth_json_string(service, "ID", ""), &path);
    const struct berth_engine_request request = {.method = "DELETE",
                                                 .path = berth_strbuf_str(&path)};
    int status = berth_swarm_call(swarm, &request, NULL, err);
    return status == BERTH_E_NOT_FOUND ? 0 : status;
}

/* ---- Paths ---- */

static void add_label(struct berth_json_writer *w, const char *key, const char *value)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf label = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    berth_strbuf_addf(&label, "%s=%s", key, value);
    berth_json_add_string(w, NULL, berth_strbuf_str(&label));
}

/* What limits a listing to the facility; with adopt there is no such limit. */
static void add_facility(struct berth_json_writer *w, const struct berth_engine_scope *scope,
                         const char *app)
{
    if (scope->adopt && !app)
        return;
    berth_json_open_array(w, "label");
    add_label(w, BERTH_LABEL_FACILITY, scope->facility);
    if (app)
        add_label(w, BERTH_LABEL_APP, app);
    berth_json_close_array(w);
}

static void add_filters(struct berth_strbuf *path, const char *listing,
                        const struct berth_strbuf *filters)
{
    berth_strbuf_adds(path, listing);
    berth_strbuf_adds(path, "?filters=");
    berth_strbuf_add_urlencoded(path, berth_strbuf_str(filters), filters->len);
}

void berth_swarm_services_path(const struct berth_engine_scope *scope, const char *app,
                               struct berth_strbuf *path)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf filters = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&filters);
    berth_json_open_object(&w, NULL);
    add_facility(&w, scope, app);
    berth_json_close_object(&w);
    add_filters(path, "/services", &filters);
}

void berth_swarm_pulls_path(const struct berth_engine_scope *scope, struct berth_strbuf *path)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf filters = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&filters);
    berth_json_open_object(&w, NULL);
    berth_json_open_array(&w, "label");
    add_label(&w, BERTH_LABEL_PULL, scope->facility);
    berth_json_close_array(&w);
    berth_json_close_object(&w);
    add_filters(path, "/services", &filters);
}

void berth_swarm_service_path(const char *id, struct berth_strbuf *path)
{
    berth_strbuf_adds(path, "/services/");
    berth_strbuf_add_urlencoded(path, id, strlen(id));
}

void berth_swarm_update_path(const cJSON *service, struct berth_strbuf *path)
{
    berth_swarm_service_path(berth_json_string(service, "ID", ""), path);
    berth_strbuf_addf(path, "/update?version=%lld",
                      (long long)berth_json_int(berth_json_get(service, "Version"), "Index", 0));
}

void berth_swarm_tasks_path(const struct berth_engine_scope *scope, const char *const *services,
                            size_t count, struct berth_strbuf *path)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf filters = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&filters);
    berth_json_open_object(&w, NULL);
    if (count == 0) {
        add_facility(&w, scope, NULL);
    } else {
        berth_json_open_array(&w, "service");
        for (size_t i = 0; i < count; i++)
            berth_json_add_string(&w, NULL, services[i]);
        berth_json_close_array(&w);
    }
    berth_json_close_object(&w);
    add_filters(path, "/tasks", &filters);
}
