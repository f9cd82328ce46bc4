/* SPDX-License-Identifier: MIT */
#include "backends/swarm/swarm_app.h"

#include "backends/engine/engine_name.h"

#include <ctype.h>

#define SWARM_LABELS   6
#define TEXT_MAX_BYTES 2048

/* What an app's fields point to until berth_app_new has copied it. */
struct parts {
    struct berth_app_pair *labels;
    struct berth_strbuf image;
    struct berth_strbuf task_name;
    struct berth_strbuf note;
};

static void parts_release(struct parts *parts)
{
    free(parts->labels);
    berth_strbuf_release(&parts->image);
    berth_strbuf_release(&parts->task_name);
    berth_strbuf_release(&parts->note);
}

BERTH_DEFINE_CLEANUP_VALUE(parts, struct parts, parts_release)

/* The labels the node's engine puts on the container. */
static int add_labels(const struct berth_swarm_service *service,
                      const struct berth_swarm_task *task, struct parts *parts,
                      struct berth_app *app, struct berth_error *err)
{
    const struct berth_app *shape = service->shape;
    parts->labels = calloc(shape->label_count + SWARM_LABELS, sizeof(*parts->labels));
    if (!parts->labels)
        return berth_error_nomem(err);
    for (size_t i = 0; i < shape->label_count; i++)
        parts->labels[i] = shape->labels[i];
    if (task->slot > 0)
        berth_strbuf_addf(&parts->task_name, "%s.%lld.%s", shape->engine_name,
                          (long long)task->slot, task->id);
    else
        berth_strbuf_addf(&parts->task_name, "%s.%s.%s", shape->engine_name, task->node, task->id);
    const struct berth_app_pair own[SWARM_LABELS] = {
        {BERTH_SWARM_NODE_ID_LABEL, task->node},
        {BERTH_SWARM_SERVICE_ID_LABEL, shape->id},
        {"com.docker.swarm.service.name", shape->engine_name},
        {"com.docker.swarm.task", ""},
        {BERTH_SWARM_TASK_ID_LABEL, task->id},
        {"com.docker.swarm.task.name", berth_strbuf_str(&parts->task_name)},
    };
    memcpy(parts->labels + shape->label_count, own, sizeof(own));
    app->labels = parts->labels;
    app->label_count = shape->label_count + SWARM_LABELS;
    return 0;
}

/* "Pending: no suitable node (…)" */
static void add_words(const struct berth_swarm_task *task, struct berth_strbuf *note)
{
    berth_strbuf_addc(note, (char)toupper((unsigned char)task->state[0]));
    berth_strbuf_adds(note, task->state[0] ? task->state + 1 : "");
    if (task->why[0])
        berth_strbuf_addf(note, ": %s", task->why);
}

/* By the manager's words alone. */
static void set_state(const struct berth_swarm_task *task, struct berth_app *app,
                      struct berth_strbuf *note)
{
    switch (task->phase) {
    case BERTH_TASK_NONE:
    case BERTH_TASK_WAITING:
        app->state = BERTH_APP_CREATED;
        add_words(task, note);
        break;
    case BERTH_TASK_RUNNING:
        app->state = BERTH_APP_RUNNING;
        app->started_ns = task->changed_ns;
        break;
    case BERTH_TASK_ENDED:
        app->state = strcmp(task->state, "orphaned") == 0 ? BERTH_APP_UNKNOWN : BERTH_APP_EXITED;
        app->exit_code = task->exit_code;
        app->finished_ns = task->changed_ns;
        if (app->state == BERTH_APP_UNKNOWN || !task->container[0])
            add_words(task, note);
        break;
    case BERTH_TASK_REMOVING:
        app->state = BERTH_APP_REMOVING;
        break;
    }
}

static bool is_over(const struct berth_swarm_task *task)
{
    return task->phase == BERTH_TASK_ENDED && strcmp(task->state, "orphaned") != 0;
}

/* A row that was told before its engine fell silent still tells how it ended. */
static bool is_good(const struct berth_app *row, const struct berth_swarm_task *task,
                    const struct berth_swarm_sight *sight)
{
    if (!row)
        return false;
    return !(sight->silence || sight->node_down) || !is_over(task) ||
           row->state == BERTH_APP_EXITED;
}

/* Whether the state of the app is anybody's guess: its node is not there, or the engine that
 * would know if it runs. What has ended, ended; what has not begun, only the manager tells. */
static const char *guess(const struct berth_swarm_task *task, const struct berth_swarm_sight *sight)
{
    if (is_over(task) || !task->node[0])
        return NULL;
    if (sight->node_down)
        return sight->node_down;
    return task->phase == BERTH_TASK_RUNNING ? sight->silence : NULL;
}

static void set_unknown(struct berth_app *app, const struct berth_swarm_sight *sight,
                        const char *why, struct berth_strbuf *note)
{
    app->state = BERTH_APP_UNKNOWN;
    app->health = BERTH_HEALTH_NONE;
    app->paused = false;
    app->dead = false;
    berth_strbuf_clear(note);
    berth_strbuf_addf(note, "Unknown (node %s %s)", sight->hostname, why);
}

int berth_swarm_app_make(const struct berth_swarm_service *service,
                         const struct berth_swarm_task *task, const struct berth_swarm_sight *sight,
                         struct berth_app **ret_app, struct berth_error *err)
{
    static const struct berth_swarm_task none = {.state = "new"};
    const struct berth_app *shape = service->shape;
    BERTH_CLEANUP(parts)
    struct parts parts = {.image = BERTH_STRBUF_INIT(TEXT_MAX_BYTES),
                          .task_name = BERTH_STRBUF_INIT(TEXT_MAX_BYTES),
                          .note = BERTH_STRBUF_INIT(TEXT_MAX_BYTES)};
    bool has_task = task != NULL;
    if (!task)
        task = &none;
    struct berth_app app = {0};
    if (is_good(sight->row, task, sight)) {
        app = *sight->row;
    } else {
        app = *shape;
        app.image_id = sight->image_id;
        app.container = task->container;
        berth_engine_image_shown(shape->image, sight->image_id, &parts.image);
        app.image = berth_strbuf_str(&parts.image);
        if (task->created_ns > 0)
            app.created_ns = task->created_ns;
        set_state(task, &app, &parts.note);
        int status = has_task ? add_labels(service, task, &parts, &app, err) : 0;
        if (status < 0)
            return status;
    }
    app.id = shape->id;
    app.name = shape->name;
    app.user = shape->user;
    app.image_label = shape->image_label;
    app.engine_name = shape->name;
    const char *why = guess(task, sight);
    if (why)
        set_unknown(&app, sight, why, &parts.note);
    app.note = berth_strbuf_str(&parts.note);
    int status = berth_strbuf_check(&parts.note, err);
    return status < 0 ? status : berth_app_new(&app, ret_app, err);
}
