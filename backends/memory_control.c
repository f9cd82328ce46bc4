/* SPDX-License-Identifier: MIT */
#include "backends/memory_control.h"

#include "backends/memory_internal.h"
#include "base/thread.h"

void berth_memory_fail(struct berth_backend *backend, enum berth_memory_verb verb, unsigned times,
                       enum berth_status status, const char *message)
{
    struct memory *memory = memory_of(backend);
    BERTH_LOCK_SCOPE(guard, &memory->lock);
    struct memory_failure *failure = &memory->failures[verb];
    failure->times = times;
    failure->status = status;
    (void)snprintf(failure->message, sizeof(failure->message), "%s", message);
}

uint64_t berth_memory_calls(struct berth_backend *backend, enum berth_memory_verb verb)
{
    struct memory *memory = memory_of(backend);
    BERTH_LOCK_SCOPE(guard, &memory->lock);
    return memory->calls[verb];
}

void berth_memory_set_delay(struct berth_backend *backend, int64_t verb_delay_ms)
{
    struct memory *memory = memory_of(backend);
    BERTH_LOCK_SCOPE(guard, &memory->lock);
    memory->verb_delay_ms = verb_delay_ms;
}

void berth_memory_set_contact(struct berth_backend *backend, enum berth_memory_contact contact)
{
    struct memory *memory = memory_of(backend);
    BERTH_LOCK_SCOPE(guard, &memory->lock);
    memory->contact = contact;
    (void)pthread_cond_broadcast(&memory->changed);
    (void)pthread_cond_signal(&memory->watch.wake);
}

int berth_memory_act_outside(struct berth_backend *backend, enum berth_verb verb, const char *id,
                             struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    (void)pthread_mutex_lock(&memory->lock);
    struct memory_container *container = memory_find_any_locked(memory, id);
    int status = container ? memory_act_locked(memory, verb, container, err)
                           : berth_error_set(err, BERTH_E_NOT_FOUND, "No such container: %s", id);
    return memory_leave(memory, status);
}

int berth_memory_create_outside(struct berth_backend *backend, const char *name, const char *image,
                                char **ret_id, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    struct berth_create_spec spec = {.app = name, .image = image};
    (void)pthread_mutex_lock(&memory->lock);
    return memory_leave(memory, memory_create_locked(memory, &spec, false, ret_id, err));
}
