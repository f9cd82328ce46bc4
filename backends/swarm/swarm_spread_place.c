/* SPDX-License-Identifier: MIT */
/* An image brought to a node by swarm itself: a service is placed there that needs it. */
#include "backends/swarm/swarm_spread_private.h"

#include "base/clock.h"
#include "base/log.h"

#define POLL_MS        250
#define POLL_MAX_MS    2000
#define PENDING_MS     30000   /* for a task to be taken to its node */
#define GIVE_UP_MS     3600000 /* a pull cannot be seen to move */
#define BODY_MAX_BYTES 16384

/* ---- The service ---- */

void berth_spread_place_body(const char *facility, const char *service, const char *image,
                             const char *node, struct berth_strbuf *body)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf place = BERTH_STRBUF_INIT(128);
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    berth_strbuf_addf(&place, "node.id==%s", node);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "Name", service);
    berth_json_open_object(&w, "Labels");
    berth_json_add_string(&w, BERTH_LABEL_PULL, facility);
    berth_json_close_object(&w);
    berth_json_open_object(&w, "TaskTemplate");
    berth_json_open_object(&w, "ContainerSpec");
    berth_json_add_string(&w, "Image", image);
    berth_json_open_object(&w, "Labels");
    berth_json_add_string(&w, BERTH_LABEL_PULL, facility);
    berth_json_close_object(&w);
    berth_json_open_array(&w, "Command");
    berth_json_add_string(&w, NULL, "/berth/image-is-here"); /* which no image has */
    berth_json_close_array(&w);
    berth_json_close_object(&w);
    berth_json_open_object(&w, "RestartPolicy");
    berth_json_add_string(&w, "Condition", "none");
    berth_json_close_object(&w);
    berth_json_open_object(&w, "Placement");
    berth_json_open_array(&w, "Constraints");
    berth_json_add_string(&w, NULL, berth_strbuf_str(&place));
    berth_json_close_array(&w);
    berth_json_close_object(&w);
    berth_json_open_object(&w, "LogDriver");
    berth_json_add_string(&w, "Name", "none");
    berth_json_close_object(&w);
    berth_json_close_object(&w);
    berth_json_open_object(&w, "Mode");
    berth_json_open_object(&w, "Replicated");
    berth_json_add_int(&w, "Replicas", 1);
    berth_json_close_object(&w);
    berth_json_close_object(&w);
    berth_json_close_object(&w);
}

static int make(struct berth_spread_errand *errand, struct berth_error *err)
{
    struct berth_swarm_spread *spread = errand->spread;
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BODY_MAX_BYTES);
    {
        BERTH_LOCK_SCOPE(held, &spread->lock);
        (void)snprintf(errand->service, sizeof(errand->service), "berth-pull-%s-%llu",
                       spread->token, (unsigned long long)++spread->services);
    }
    berth_spread_place_body(spread->swarm->facility, errand->service,
                            berth_strbuf_str(&errand->pinned), errand->node.id, &body);
    int status = berth_strbuf_check(&body, err);
    const struct berth_engine_request request = {
        .method = "POST", .path = "/services/create", .body = berth_strbuf_str(&body)};
    return status < 0 ? status : berth_swarm_call(spread->swarm, &request, NULL, err);
}

static int unmake(struct swarm *swarm, const char *service, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    berth_swarm_service_path(service, &path);
    const struct berth_engine_request request = {.method = "DELETE",
                                                 .path = berth_strbuf_str(&path)};
    int status = berth_swarm_call(swarm, &request, NULL, err);
    return status == BERTH_E_NOT_FOUND ? 0 : status;
}

/* ---- Its task ---- */

int berth_spread_place_judge(const struct berth_swarm_task *task, bool *ret_refused,
                             struct berth_error *err)
{
    static const char *const past[] = {"ready", "starting", "running", "complete"};
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++)
        if (strcmp(task->state, past[i]) == 0)
            return 1;
    if (task->phase == BERTH_TASK_WAITING || task->phase == BERTH_TASK_NONE)
        return 0;
    /* A container was made of it: what failed is the command that is not there. */
    if (strcmp(task->state, "failed") == 0 && task->container[0])
        return 1;
    *ret_refused = strcmp(task->state, "rejected") == 0;
    return berth_error_set(err, BERTH_E_REFUSED, "%s",
                           task->why[0] ? task->why : "the task was ended");
}

static int find_task(struct swarm *swarm, const char *path, struct berth_swarm_task *task,
                     struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *tasks = NULL;
    int status = berth_swarm_get_json(swarm, path, &tasks, err);
    const cJSON *each;
    cJSON_ArrayForEach(each, tasks)
    {
        struct berth_swarm_task found;
        if (status == 0)
            status = berth_swarm_task_parse(each, &found, err);
        if (status == 0 &&
            (task->phase == BERTH_TASK_NONE || berth_swarm_task_supersedes(&found, task)))
            *task = found;
    }
    return status;
}

static void wait_ms(struct berth_swarm_spread *spread, int64_t delay_ms)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + delay_ms;
    BERTH_LOCK_SCOPE(held, &spread->lock);
    while (!spread->is_stopping &&
           berth_cond_wait_until(&spread->changed, &spread->lock, deadline_ms))
        ;
}

static int follow(struct berth_spread_errand *errand, bool *ret_refused, struct berth_error *err)
{
    struct berth_swarm_spread *spread = errand->spread;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    const char *service = errand->service;
    int64_t began_ms = berth_clock_monotonic_ms();
    int64_t poll_ms = POLL_MS;
    berth_swarm_tasks_path(&spread->swarm->scope, &service, 1, &path);
    int status = berth_strbuf_check(&path, err);
    while (status == 0) {
        struct berth_swarm_task task = {0};
        wait_ms(spread, poll_ms);
        if (!berth_spread_goes_on(errand))
            return berth_error_set(err, BERTH_E_CANCELLED, "given up");
        status = find_task(spread->swarm, berth_strbuf_str(&path), &task, err);
        if (status == 0)
            status = berth_spread_place_judge(&task, ret_refused, err);
        int64_t waited_ms = berth_clock_monotonic_ms() - began_ms;
        bool is_pending = !task.node[0] || strcmp(task.state, "pending") == 0;
        if (status == 0 && waited_ms > (is_pending ? PENDING_MS : GIVE_UP_MS))
            return berth_error_set(err, BERTH_E_TIMEOUT, "the task is %s for %lld s%s%s",
                                   task.state[0] ? task.state : "not there",
                                   (long long)(waited_ms / 1000), task.why[0] ? ": " : "",
                                   task.why);
        poll_ms = poll_ms * 5 / 4 < POLL_MAX_MS ? poll_ms * 5 / 4 : POLL_MAX_MS;
    }
    return status < 0 ? status : 0;
}

int berth_spread_place(struct berth_spread_errand *errand, bool *ret_refused,
                       struct berth_error *err)
{
    struct berth_swarm_spread *spread = errand->spread;
    struct berth_error why = BERTH_ERROR_INIT;
    int status = make(errand, err);
    if (status == 0)
        status = follow(errand, ret_refused, err);
    int removed = unmake(spread->swarm, errand->service, &why);
    BERTH_LOCK_SCOPE(held, &spread->lock);
    errand->service[0] = '\0';
    if (removed < 0)
        spread->sweep_ms = berth_clock_monotonic_ms();
    return status;
}

/* ---- What was left behind ---- */

static bool is_in_use(struct berth_swarm_spread *spread, const char *name)
{
    BERTH_LOCK_SCOPE(held, &spread->lock);
    const struct berth_spread_errand *errand = spread->errands;
    while (errand && strcmp(errand->service, name) != 0)
        errand = errand->next;
    return errand != NULL;
}

int berth_spread_sweep(struct berth_swarm_spread *spread, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *services = NULL;
    berth_swarm_pulls_path(&spread->swarm->scope, &path);
    int status = berth_strbuf_check(&path, err);
    if (status == 0)
        status = berth_swarm_get_json(spread->swarm, berth_strbuf_str(&path), &services, err);
    const cJSON *each;
    cJSON_ArrayForEach(each, services)
    {
        const char *name = berth_json_string(berth_json_get(each, "Spec"), "Name", "");
        if (status == 0 && name[0] && !is_in_use(spread, name))
            status = unmake(spread->swarm, name, err);
    }
    return status;
}
