/* SPDX-License-Identifier: MIT */
/*
 * The memory engine's event stream: one thread that tells the sink everything,
 * in the order it happened. Verbs wait in memory_leave() until theirs is told.
 */
#include "backends/memory_internal.h"

#include "base/clock.h"
#include "base/thread.h"

#include <string.h>

#define ALIVE_INTERVAL_MS 1000

struct memory_event *memory_event_new(enum memory_event_kind kind, const char *id,
                                      enum berth_app_state state, int64_t at_ns)
{
    struct memory_event *event = malloc(sizeof(*event));
    if (!event)
        return NULL;
    *event = (struct memory_event){.kind = kind, .state = state, .at_ns = at_ns};
    (void)snprintf(event->id, sizeof(event->id), "%s", id);
    return event;
}

void memory_tell_locked(struct memory *memory, const struct memory_container *about,
                        struct memory_event *event)
{
    struct memory_watch *watch = &memory->watch;
    if (watch->state != MEMORY_WATCH_IN_CONTACT || memory->contact != BERTH_MEMORY_PRESENT ||
        (about && !memory_visible(memory, about))) {
        free(event);
        return;
    }
    *watch->last = event;
    watch->last = &event->next;
    watch->queued++;
    (void)pthread_cond_signal(&watch->wake);
}

static struct memory_event *take_event_locked(struct memory_watch *watch)
{
    struct memory_event *event = watch->first;
    if (event) {
        watch->first = event->next;
        if (!watch->first)
            watch->last = &watch->first;
    }
    return event;
}

/* ---- Telling: the functions below give the lock up while the sink is called ---- */

static void tell_alive_locked(struct memory *memory)
{
    struct memory_watch *watch = &memory->watch;
    (void)pthread_mutex_unlock(&memory->lock);
    watch->last_alive_ns = berth_clock_wall_ns();
    watch->next_alive_ms = berth_clock_monotonic_ms() + ALIVE_INTERVAL_MS;
    watch->sink.alive(watch->sink.ctx, watch->last_alive_ns);
    (void)pthread_mutex_lock(&memory->lock);
}

/* The app as it is now; nothing when it is gone, which has an event of its own. */
static void tell_app(struct memory *memory, const char *id)
{
    const struct berth_watch_sink *sink = &memory->watch.sink;
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    uint64_t ticket = sink->ticket(sink->ctx);
    (void)pthread_mutex_lock(&memory->lock);
    struct memory_container *container;
    if (memory_find_locked(memory, id, &container, NULL) == 0)
        app = berth_app_ref(container->app);
    (void)pthread_mutex_unlock(&memory->lock);
    if (app)
        sink->app(sink->ctx, ticket, app);
}

static void tell_images(struct memory *memory)
{
    const struct berth_watch_sink *sink = &memory->watch.sink;
    uint64_t ticket = sink->ticket(sink->ctx);
    (void)pthread_mutex_lock(&memory->lock);
    BERTH_CLEANUP(image_list)
    struct berth_image_list *images = berth_image_list_ref(memory->images);
    (void)pthread_mutex_unlock(&memory->lock);
    sink->images(sink->ctx, ticket, images);
}

/* Takes the event over, and lets go whoever waits for it to be told. */
static void tell_event_locked(struct memory *memory, struct memory_event *event)
{
    const struct berth_watch_sink *sink = &memory->watch.sink;
    (void)pthread_mutex_unlock(&memory->lock);
    switch (event->kind) {
    case MEMORY_EVENT_CHANGED:
        sink->changed(sink->ctx, event->id, event->state, event->at_ns);
        tell_app(memory, event->id);
        break;
    case MEMORY_EVENT_GONE:
        sink->gone(sink->ctx, sink->ticket(sink->ctx), event->id, event->at_ns);
        break;
    case MEMORY_EVENT_IMAGES:
        tell_images(memory);
        break;
    }
    free(event);
    (void)pthread_mutex_lock(&memory->lock);
    memory->watch.told++;
    (void)pthread_cond_broadcast(&memory->changed);
}

/* The listing, from which on changes are events. */
static void make_contact_locked(struct memory *memory)
{
    struct memory_watch *watch = &memory->watch;
    const struct berth_watch_sink *sink = &watch->sink;
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    (void)pthread_mutex_unlock(&memory->lock);
    uint64_t ticket = sink->ticket(sink->ctx);
    int64_t as_of_ns = berth_clock_wall_ns();
    (void)pthread_mutex_lock(&memory->lock);
    if (memory_list_locked(memory, &apps, NULL)) {
        (void)berth_cond_wait_until(&watch->wake, &memory->lock,
                                    berth_clock_monotonic_ms() + ALIVE_INTERVAL_MS);
        return; /* out of memory: tried again */
    }
    watch->state = MEMORY_WATCH_IN_CONTACT;
    (void)pthread_mutex_unlock(&memory->lock);
    tell_images(memory); /* first: with the listing readers are served */
    sink->listing(sink->ctx, ticket, &apps, as_of_ns);
    (void)pthread_mutex_lock(&memory->lock);
}

static void lose_contact_locked(struct memory *memory)
{
    struct memory_watch *watch = &memory->watch;
    if (watch->state == MEMORY_WATCH_LOST) {
        (void)pthread_cond_wait(&watch->wake, &memory->lock);
        return;
    }
    watch->state = MEMORY_WATCH_LOST;
    struct memory_event *event;
    while ((event = take_event_locked(watch)))
        free(event);
    watch->told = watch->queued;
    (void)pthread_cond_broadcast(&memory->changed);
    struct berth_error why;
    (void)memory_contact_locked(memory, &why);
    (void)pthread_mutex_unlock(&memory->lock);
    watch->sink.lost(watch->sink.ctx, &why, watch->last_alive_ns);
    (void)pthread_mutex_lock(&memory->lock);
}

static void *watch_run(void *arg)
{
    struct memory *memory = arg;
    struct memory_watch *watch = &memory->watch;
    BERTH_LOCK_SCOPE(guard, &memory->lock);
    while (!watch->ending) {
        struct memory_event *event;
        if (memory->contact != BERTH_MEMORY_PRESENT)
            lose_contact_locked(memory);
        else if (watch->state != MEMORY_WATCH_IN_CONTACT)
            make_contact_locked(memory);
        else if ((event = take_event_locked(watch)))
            tell_event_locked(memory, event);
        else if (!berth_cond_wait_until(&watch->wake, &memory->lock, watch->next_alive_ms))
            tell_alive_locked(memory);
    }
    return NULL;
}

int memory_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                 struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    struct memory_watch *watch = &memory->watch;
    watch->sink = *sink;
    int status = berth_thread_start(&watch->thread, "memory-watch", watch_run, memory, err);
    watch->active = status == 0;
    return status;
}

void memory_watch_end(struct memory *memory)
{
    struct memory_watch *watch = &memory->watch;
    if (!watch->active)
        return;
    {
        BERTH_LOCK_SCOPE(guard, &memory->lock);
        watch->ending = true;
        (void)pthread_cond_signal(&watch->wake);
    }
    (void)pthread_join(watch->thread, NULL);
    struct memory_event *event;
    while ((event = take_event_locked(watch)))
        free(event);
}
