/* SPDX-License-Identifier: MIT */
/*
 * Jobs on a node that has died: swarm does not make their tasks anew as it does
 * those of services. Raising ForceUpdate does (a new iteration of the job), so
 * that is done, once for each task, when the manager says that its node is
 * down; a node that is merely silent for us is left alone. Should the node come
 * back, swarm ends the old container. One at a time; of several gateways one
 * wins, since an update names the version that it changes.
 */
#include "backends/swarm/swarm_watch_private.h"

#include "base/log.h"

static bool is_stranded(const struct berth_swarm_watch *watch,
                        const struct berth_swarm_entry *entry)
{
    const struct berth_swarm_task *task = &entry->task;
    if (!entry->service.shape || !entry->service.is_job || !task->node[0] ||
        strcmp(entry->moved, task->id) == 0 ||
        (task->phase != BERTH_TASK_RUNNING && task->phase != BERTH_TASK_WAITING))
        return false;
    const struct berth_swarm_node *node = berth_swarm_node_find(&watch->nodes, task->node);
    return node && strcmp(node->status, "down") == 0;
}

static void end(struct berth_swarm_watch *watch)
{
    struct berth_error err = BERTH_ERROR_INIT;
    berth_engine_fetch_free(berth_steal(&watch->rescue_fetch));
    if (berth_swarm_poll_want(watch, watch->rescued, &err))
        berth_swarm_watch_lose(watch, &err);
}

static void fail(struct berth_swarm_watch *watch, const struct berth_error *why)
{
    berth_log_error(BERTH_LOG_WARNING, why, "facility %s: job %s is not moved off its dead node",
                    watch->swarm->facility, watch->rescued);
    end(watch);
}

static void on_updated(void *ctx, const struct berth_engine_answer *answer,
                       const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    (void)answer;
    if (why) {
        fail(watch, why);
        return;
    }
    berth_log(BERTH_LOG_INFO, "facility %s: job %s is run anew, as its node is down",
              watch->swarm->facility, watch->rescued);
    end(watch);
}

static int start_update(struct berth_swarm_watch *watch, const cJSON *service,
                        struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *spec = cJSON_Duplicate(berth_json_get(service, "Spec"), true);
    cJSON *template = spec ? cJSON_GetObjectItemCaseSensitive(spec, "TaskTemplate") : NULL;
    if (!template)
        return berth_error_set(err, BERTH_E_UNREACHABLE, "the manager describes no service");
    int64_t times = berth_json_int(template, "ForceUpdate", 0);
    cJSON_DeleteItemFromObjectCaseSensitive(template, "ForceUpdate");
    if (!cJSON_AddNumberToObject(template, "ForceUpdate", (double)(times + 1)))
        return berth_error_nomem(err);
    BERTH_CLEANUP(free) char *body = cJSON_PrintUnformatted(spec);
    if (!body)
        return berth_error_nomem(err);
    berth_swarm_update_path(service, &path);
    berth_engine_fetch_free(berth_steal(&watch->rescue_fetch));
    return berth_engine_fetch_post(watch->io, watch->swarm->manager, berth_strbuf_str(&path), body,
                                   berth_engine_timeout_ms(watch->swarm->manager), on_updated,
                                   watch, &watch->rescue_fetch, err);
}

static void on_service(void *ctx, const struct berth_engine_answer *answer,
                       const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *service = NULL;
    int status = why ? why->status : 0;
    if (why)
        err = *why;
    else
        status =
            berth_engine_parse(watch->swarm->manager, answer->body, answer->len, &service, &err);
    if (status == 0)
        status = start_update(watch, service, &err);
    if (status < 0)
        fail(watch, &err);
}

void berth_swarm_rescue(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    struct berth_error err = BERTH_ERROR_INIT;
    if (watch->rescue_fetch || !is_stranded(watch, entry))
        return;
    (void)memcpy(entry->moved, entry->task.id, sizeof(entry->moved));
    (void)memcpy(watch->rescued, entry->id, sizeof(watch->rescued));
    berth_swarm_service_path(entry->id, &path);
    if (berth_engine_fetch_start(watch->io, watch->swarm->manager, berth_strbuf_str(&path),
                                 berth_engine_timeout_ms(watch->swarm->manager), on_service, watch,
                                 &watch->rescue_fetch, &err))
        berth_log_error(BERTH_LOG_WARNING, &err, "facility %s: job %s is not moved",
                        watch->swarm->facility, entry->id);
}

void berth_swarm_rescue_stop(struct berth_swarm_watch *watch)
{
    berth_engine_fetch_free(berth_steal(&watch->rescue_fetch));
}
