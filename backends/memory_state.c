/* SPDX-License-Identifier: MIT */
/* The memory engine's containers: states, transitions and refusals are Docker's, word for word. */
#include "backends/memory_internal.h"

#include "base/clock.h"

#include <string.h>

#define EXIT_CODE_KILLED (128 + 9)

int64_t memory_now_locked(struct memory *memory)
{
    int64_t now = berth_clock_wall_ns();
    memory->last_ns = now > memory->last_ns ? now : memory->last_ns + 1;
    return memory->last_ns;
}

bool memory_visible(const struct memory *memory, const struct memory_container *container)
{
    return container->ours || memory->adopt;
}

/* ---- The set of containers ---- */

void memory_container_free(struct memory_container *container)
{
    if (!container)
        return;
    berth_app_unref(container->app);
    free(container->image_config);
    free(container->run_as);
    memory_log_free(container);
    free(container);
}

struct memory_container *memory_find_any_locked(const struct memory *memory, const char *id)
{
    struct memory_container *found;
    HASH_FIND(by_id, memory->by_id, id, strlen(id), found);
    return found;
}

struct memory_container *memory_find_name_locked(const struct memory *memory, const char *name)
{
    struct memory_container *found;
    HASH_FIND(by_name, memory->by_name, name, strlen(name), found);
    return found;
}

int memory_insert_locked(struct memory *memory, struct memory_container *container,
                         struct berth_error *err)
{
    const struct berth_app *app = container->app;
    HASH_ADD_KEYPTR(by_id, memory->by_id, app->id, strlen(app->id), container);
    if (!container->by_id.tbl)
        return berth_error_nomem(err);
    HASH_ADD_KEYPTR(by_name, memory->by_name, app->engine_name, strlen(app->engine_name),
                    container);
    if (container->by_name.tbl)
        return 0;
    HASH_DELETE(by_id, memory->by_id, container);
    return berth_error_nomem(err);
}

static void erase_locked(struct memory *memory, struct memory_container *container)
{
    HASH_DELETE(by_name, memory->by_name, container);
    HASH_DELETE(by_id, memory->by_id, container);
    memory_container_free(container);
}

void memory_show(struct memory_container *container, struct berth_app *app)
{
    container->by_id.key = app->id;
    container->by_name.key = app->engine_name;
    berth_app_unref(container->app);
    container->app = app;
}

void memory_containers_free(struct memory *memory)
{
    struct memory_container *container = memory->by_id;
    HASH_CLEAR(by_name, memory->by_name);
    while (container) {
        struct memory_container *next = container->by_id.next;
        HASH_DELETE(by_id, memory->by_id, container);
        memory_container_free(container);
        container = next;
    }
}

int memory_find_locked(struct memory *memory, const char *id,
                       struct memory_container **ret_container, struct berth_error *err)
{
    struct memory_container *container = memory_find_any_locked(memory, id);
    if (!container || !memory_visible(memory, container))
        return berth_error_set(err, BERTH_E_NOT_FOUND, "No such container: %s", id);
    *ret_container = container;
    return 0;
}

const struct memory_container *memory_user_locked(const struct memory *memory, const char *image_id)
{
    for (const struct memory_container *each = memory->by_id; each; each = each->by_id.next)
        if (strcmp(each->app->image_id, image_id) == 0)
            return each;
    return NULL;
}

int memory_list_locked(struct memory *memory, struct berth_app_list *apps, struct berth_error *err)
{
    size_t first = apps->count;
    for (struct memory_container *each = memory->by_id; each; each = each->by_id.next) {
        if (!memory_visible(memory, each))
            continue;
        int status = berth_app_list_add(apps, berth_app_ref(each->app), err);
        if (status)
            return status;
    }
    for (size_t i = first, j = apps->count; i + 1 < j; i++) {
        struct berth_app *older = apps->items[i];
        apps->items[i] = apps->items[--j];
        apps->items[j] = older;
    }
    return 0;
}

/* ---- What happens to one ---- */

/* fields: the app's own, changed; told to the sink as the change of state at at_ns. */
static int change_locked(struct memory *memory, struct memory_container *container,
                         const struct berth_app *fields, int64_t at_ns, struct berth_error *err)
{
    struct memory_event *event =
        memory_event_new(MEMORY_EVENT_CHANGED, fields->id, fields->state, at_ns);
    if (!event)
        return berth_error_nomem(err);
    struct berth_app *app;
    int status = berth_app_new(fields, &app, err);
    if (status) {
        free(event);
        return status;
    }
    memory_show(container, app);
    memory_tell_locked(memory, container, event);
    return 0;
}

void memory_fill_running(struct berth_app *fields, struct berth_app_port *port, int64_t at_ns)
{
    const struct memory_image *image = memory_image_by_id(fields->image_id);
    *port = (struct berth_app_port){.protocol = "tcp", .container_port = image->port};
    fields->state = BERTH_APP_RUNNING;
    fields->started_ns = at_ns;
    fields->exit_code = 0;
    fields->port_count = image->port ? 1 : 0;
    fields->ports = port;
}

void memory_fill_exited(struct berth_app *fields, int exit_code, int64_t at_ns)
{
    fields->state = BERTH_APP_EXITED;
    fields->paused = false;
    fields->finished_ns = at_ns;
    fields->exit_code = exit_code;
    fields->port_count = 0;
}

static int run_locked(struct memory *memory, struct memory_container *container,
                      struct berth_error *err)
{
    struct berth_app fields = *container->app;
    struct berth_app_port port;
    int64_t at_ns = memory_now_locked(memory);
    memory_fill_running(&fields, &port, at_ns);
    BERTH_CLEANUP(free)
    struct memory_line *ready = memory_line_new(BERTH_OUTPUT_STDOUT, at_ns, "ready");
    BERTH_CLEANUP(free) struct memory_line *up = memory_line_new(BERTH_OUTPUT_STDERR, at_ns, "up");
    if (!ready || !up)
        return berth_error_nomem(err);
    int status = change_locked(memory, container, &fields, at_ns, err);
    if (status)
        return status;
    memory_log_locked(memory, container, berth_steal(&ready));
    memory_log_locked(memory, container, berth_steal(&up));
    return 0;
}

static int halt_locked(struct memory *memory, struct memory_container *container, int exit_code,
                       struct berth_error *err)
{
    struct berth_app fields = *container->app;
    int64_t at_ns = memory_now_locked(memory);
    memory_fill_exited(&fields, exit_code, at_ns);
    int status = change_locked(memory, container, &fields, at_ns, err);
    if (status)
        return status;
    (void)pthread_cond_broadcast(&memory->changed); /* who follows its log */
    memory_exec_wake_locked(memory);
    return 0;
}

static int freeze_locked(struct memory *memory, struct memory_container *container, bool paused,
                         struct berth_error *err)
{
    struct berth_app fields = *container->app;
    fields.state = paused ? BERTH_APP_PAUSED : BERTH_APP_RUNNING;
    fields.paused = paused;
    return change_locked(memory, container, &fields, memory_now_locked(memory), err);
}

bool memory_runs(const struct memory_container *container)
{
    return container->app->state == BERTH_APP_RUNNING || container->app->state == BERTH_APP_PAUSED;
}

static int refuse_not_running(const struct memory_container *container, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not running",
                           container->app->id);
}

static int start_locked(struct memory *memory, struct memory_container *container,
                        struct berth_error *err)
{
    if (container->app->state == BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "cannot start a paused container, try unpause instead");
    return memory_runs(container) ? 0 : run_locked(memory, container, err);
}

static int stop_locked(struct memory *memory, struct memory_container *container,
                       struct berth_error *err)
{
    return memory_runs(container) ? halt_locked(memory, container, 0, err) : 0;
}

static int pause_locked(struct memory *memory, struct memory_container *container,
                        struct berth_error *err)
{
    if (!memory_runs(container))
        return refuse_not_running(container, err);
    if (container->app->state == BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is already paused",
                               container->app->id);
    return freeze_locked(memory, container, true, err);
}

static int unpause_locked(struct memory *memory, struct memory_container *container,
                          struct berth_error *err)
{
    if (container->app->state != BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not paused",
                               container->app->id);
    return freeze_locked(memory, container, false, err);
}

static int restart_locked(struct memory *memory, struct memory_container *container,
                          struct berth_error *err)
{
    int status = stop_locked(memory, container, err);
    return status ? status : run_locked(memory, container, err);
}

static int kill_locked(struct memory *memory, struct memory_container *container,
                       struct berth_error *err)
{
    if (!memory_runs(container))
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "Cannot kill container: %s: Container %s is not running",
                               container->app->engine_name, container->app->id);
    return halt_locked(memory, container, EXIT_CODE_KILLED, err);
}

static int remove_locked(struct memory *memory, struct memory_container *container,
                         struct berth_error *err)
{
    int status = stop_locked(memory, container, err);
    if (status)
        return status;
    struct memory_event *event = memory_event_new(MEMORY_EVENT_GONE, container->app->id,
                                                  BERTH_APP_UNKNOWN, memory_now_locked(memory));
    if (!event)
        return berth_error_nomem(err);
    memory_tell_locked(memory, container, event);
    erase_locked(memory, container);
    (void)pthread_cond_broadcast(&memory->changed); /* who follows its log */
    return 0;
}

static int remove_ended_locked(struct memory *memory, struct memory_container *container,
                               struct berth_error *err)
{
    if (memory_runs(container))
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "You cannot remove a running container %s. Stop the container "
                               "before attempting removal",
                               container->app->id);
    return remove_locked(memory, container, err);
}

int memory_act_locked(struct memory *memory, enum berth_verb verb,
                      struct memory_container *container, struct berth_error *err)
{
    switch (verb) {
    case BERTH_VERB_START:
        return start_locked(memory, container, err);
    case BERTH_VERB_STOP:
        return stop_locked(memory, container, err);
    case BERTH_VERB_PAUSE:
        return pause_locked(memory, container, err);
    case BERTH_VERB_UNPAUSE:
        return unpause_locked(memory, container, err);
    case BERTH_VERB_RESTART:
        return restart_locked(memory, container, err);
    case BERTH_VERB_KILL:
        return kill_locked(memory, container, err);
    case BERTH_VERB_REMOVE:
        return remove_locked(memory, container, err);
    case BERTH_VERB_REMOVE_ENDED:
        return remove_ended_locked(memory, container, err);
    }
    return berth_error_set(err, BERTH_E_INTERNAL, "no such verb");
}
