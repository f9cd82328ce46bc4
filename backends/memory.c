/* SPDX-License-Identifier: MIT */
/* The memory backend's verbs, and what an engine does to callers: delays, failures, silence. */
#include "backends/memory.h"

#include "backends/memory_internal.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/text.h"
#include "base/thread.h"

#include <string.h>

/* ---- Reaching the engine ---- */

int memory_contact_locked(const struct memory *memory, struct berth_error *err)
{
    switch (memory->contact) {
    case BERTH_MEMORY_PRESENT:
        return 0;
    case BERTH_MEMORY_FROZEN:
        return berth_error_set(err, BERTH_E_TIMEOUT, "the engine of facility %s does not answer",
                               memory->facility);
    case BERTH_MEMORY_AWAY:
        break;
    }
    return berth_error_set(err, BERTH_E_UNREACHABLE, "the engine of facility %s cannot be reached",
                           memory->facility);
}

int memory_wait_locked(struct memory *memory, int64_t delay_ms, int64_t silence_ms,
                       struct berth_error *err)
{
    int64_t start = berth_clock_monotonic_ms();
    for (;;) {
        int64_t waited = berth_clock_monotonic_ms() - start;
        if (memory->contact == BERTH_MEMORY_AWAY)
            return memory_contact_locked(memory, err);
        if (memory->contact == BERTH_MEMORY_PRESENT && waited >= delay_ms)
            return 0;
        if (waited >= silence_ms)
            return berth_error_set(err, BERTH_E_TIMEOUT,
                                   "the engine of facility %s did not answer in time",
                                   memory->facility);
        bool answers = memory->contact == BERTH_MEMORY_PRESENT && delay_ms < silence_ms;
        (void)berth_cond_wait_until(&memory->changed, &memory->lock,
                                    start + (answers ? delay_ms : silence_ms));
    }
}

static int fail_locked(struct memory *memory, enum berth_memory_verb verb, struct berth_error *err)
{
    struct memory_failure *failure = &memory->failures[verb];
    if (failure->times == 0)
        return 0;
    failure->times--;
    return berth_error_set(err, failure->status, "%s", failure->message);
}

/* Stopping may take the engine its grace on top. */
static int64_t silence_ms(const struct memory *memory, enum berth_memory_verb verb)
{
    bool stops = verb == BERTH_MEMORY_STOP || verb == BERTH_MEMORY_RESTART ||
                 verb == BERTH_MEMORY_REMOVE || verb == BERTH_MEMORY_RESET;
    return memory->request_timeout_ms + (stops ? BERTH_STOP_GRACE_S * INT64_C(1000) : 0);
}

int memory_enter(struct memory *memory, enum berth_memory_verb verb, struct berth_error *err)
{
    (void)pthread_mutex_lock(&memory->lock);
    memory->calls[verb]++;
    int status = memory_wait_locked(memory, memory->verb_delay_ms, silence_ms(memory, verb), err);
    if (!status)
        status = fail_locked(memory, verb, err);
    if (status)
        (void)pthread_mutex_unlock(&memory->lock);
    return status;
}

int memory_leave(struct memory *memory, int status)
{
    uint64_t mine = memory->watch.queued;
    while (memory->watch.told < mine)
        (void)pthread_cond_wait(&memory->changed, &memory->lock);
    (void)pthread_mutex_unlock(&memory->lock);
    return status;
}

/* ---- Verbs ---- */

static int memory_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                       struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_LIST, err);
    if (status)
        return status;
    struct memory_container *container;
    if (!id)
        status = memory_list_locked(memory, apps, err);
    else if (memory_find_locked(memory, id, &container, NULL) == 0)
        status = berth_app_list_add(apps, berth_app_ref(container->app), err);
    return memory_leave(memory, status);
}

static int memory_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                         char **ret_id, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_CREATE, err);
    if (status)
        return status;
    return memory_leave(memory, memory_create_locked(memory, spec, true, ret_id, err));
}

static int act(struct berth_backend *backend, enum berth_memory_verb called, enum berth_verb verb,
               const char *id, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, called, err);
    if (status)
        return status;
    struct memory_container *container;
    status = memory_find_locked(memory, id, &container, err);
    if (!status)
        status = memory_act_locked(memory, verb, container, err);
    return memory_leave(memory, status);
}

static int memory_start(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_START, BERTH_VERB_START, id, err);
}

static int memory_stop(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_STOP, BERTH_VERB_STOP, id, err);
}

static int memory_pause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_PAUSE, BERTH_VERB_PAUSE, id, err);
}

static int memory_unpause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_UNPAUSE, BERTH_VERB_UNPAUSE, id, err);
}

static int memory_restart(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_RESTART, BERTH_VERB_RESTART, id, err);
}

static int memory_kill(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_KILL, BERTH_VERB_KILL, id, err);
}

static int memory_remove(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_REMOVE, BERTH_VERB_REMOVE, id, err);
}

static int memory_remove_ended(struct berth_backend *backend, const char *id,
                               struct berth_error *err)
{
    return act(backend, BERTH_MEMORY_REMOVE, BERTH_VERB_REMOVE_ENDED, id, err);
}

static int memory_reset(struct berth_backend *backend, const char *id,
                        const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                        struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_RESET, err);
    if (status)
        return status;
    *ret_gone = false;
    struct memory_container *container;
    status = memory_find_locked(memory, id, &container, err);
    if (!status)
        status = memory_act_locked(memory, BERTH_VERB_REMOVE, container, err);
    if (status)
        return memory_leave(memory, status);
    status = fail_locked(memory, BERTH_MEMORY_CREATE, err);
    if (!status)
        status = memory_create_locked(memory, spec, true, ret_id, err);
    *ret_gone = status != 0;
    return memory_leave(memory, status);
}

static int memory_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                          struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_INSPECT, err);
    if (status)
        return status;
    struct memory_container *container;
    status = memory_find_locked(memory, id, &container, err);
    if (!status) {
        memory_inspect_add(container, body);
        status = berth_strbuf_check(body, err);
    }
    return memory_leave(memory, status);
}

static int memory_node_inspect(struct berth_backend *backend, const char *hostname,
                               struct berth_strbuf *body, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_NODE_INSPECT, err);
    if (status)
        return status;
    if (strcmp(hostname, MEMORY_HOSTNAME) != 0) {
        status = berth_error_set(err, BERTH_E_NOT_FOUND, "node %s not found", hostname);
        return memory_leave(memory, status);
    }
    memory_node_inspect_add(memory, body);
    return memory_leave(memory, berth_strbuf_check(body, err));
}

/* ---- Life ---- */

static void memory_close(struct berth_backend *backend)
{
    struct memory *memory = memory_of(backend);
    memory_watch_end(memory);
    memory_containers_free(memory);
    berth_image_list_unref(memory->images);
    (void)pthread_cond_destroy(&memory->watch.wake);
    (void)pthread_cond_destroy(&memory->changed);
    (void)pthread_mutex_destroy(&memory->lock);
    free(memory->facility);
    free(memory);
}

static int fill(struct memory *memory, const struct berth_backend_config *config,
                struct berth_error *err)
{
    memory->facility = berth_text_dup(config->facility);
    if (!memory->facility)
        return berth_error_nomem(err);
    memory->opened_ns = berth_clock_wall_ns();
    int status = memory_new_id(memory->node_id, err);
    if (!status)
        status = memory_images_init(memory, config->memory.app_count > 0, err);
    if (!status)
        status = memory_populate(memory, config->memory.app_count, err);
    return status;
}

static int memory_open(const struct berth_backend_config *config,
                       struct berth_backend **ret_backend, struct berth_error *err)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return berth_error_nomem(err);
    memory->adopt = config->adopt;
    memory->request_timeout_ms = config->request_timeout_ms;
    memory->verb_delay_ms = config->memory.verb_delay_ms;
    memory->watch.last = &memory->watch.first;
    (void)pthread_mutex_init(&memory->lock, NULL);
    berth_cond_init(&memory->changed);
    berth_cond_init(&memory->watch.wake);
    int status = fill(memory, config, err);
    if (status) {
        memory_close(&memory->head);
        return status;
    }
    *ret_backend = &memory->head;
    return 0;
}

const struct berth_backend_ops berth_memory_ops = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .list = memory_list,
    .create = memory_create,
    .start = memory_start,
    .stop = memory_stop,
    .pause = memory_pause,
    .unpause = memory_unpause,
    .restart = memory_restart,
    .kill = memory_kill,
    .remove = memory_remove,
    .remove_ended = memory_remove_ended,
    .reset = memory_reset,
    .inspect = memory_inspect,
    .stats = memory_stats,
    .logs = memory_logs,
    .exec = memory_exec,
    .images = memory_images,
    .pull = memory_pull,
    .image_remove = memory_image_remove,
    .nodes = memory_nodes,
    .node_inspect = memory_node_inspect,
    .watch = memory_watch,
};
