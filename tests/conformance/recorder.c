/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/thread.h"
#include "tests/conformance/conformance.h"

#include <string.h>

/* Appends a record; the caller of the callback holds nothing. */
static void add(struct recorder *recorder, const struct record *record)
{
    BERTH_LOCK_SCOPE(guard, &recorder->lock);
    recorder->overlapped |= recorder->inside > 1;
    if (recorder->count == recorder->size) {
        recorder->size = recorder->size ? recorder->size * 2 : 64;
        recorder->records = realloc(recorder->records, recorder->size * sizeof(*record));
        if (!recorder->records)
            abort();
    }
    recorder->records[recorder->count++] = *record;
    (void)pthread_cond_broadcast(&recorder->grown);
}

static void enter(struct recorder *recorder)
{
    BERTH_LOCK_SCOPE(guard, &recorder->lock);
    recorder->overlapped |= ++recorder->inside > 1;
}

static void leave(struct recorder *recorder)
{
    BERTH_LOCK_SCOPE(guard, &recorder->lock);
    recorder->inside--;
}

static void record(void *ctx, const struct record *record)
{
    enter(ctx);
    add(ctx, record);
    leave(ctx);
}

/* Tickets may be drawn on any thread. */
static uint64_t on_ticket(void *ctx)
{
    struct recorder *recorder = ctx;
    BERTH_LOCK_SCOPE(guard, &recorder->lock);
    return ++recorder->tickets;
}

static void on_listing(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                       int64_t as_of_ns)
{
    struct record made = {.kind = RECORD_LISTING, .ticket = ticket, .at_ns = as_of_ns};
    for (size_t i = 0; i < apps->count; i++)
        if (berth_app_list_add(&made.apps, berth_app_ref(apps->items[i]), NULL))
            abort();
    record(ctx, &made);
}

static void on_app(void *ctx, uint64_t ticket, struct berth_app *app)
{
    struct record made = {.kind = RECORD_APP, .ticket = ticket, .state = app->state};
    (void)snprintf(made.id, sizeof(made.id), "%s", app->id);
    made.app = berth_app_ref(app);
    record(ctx, &made);
}

static void on_gone(void *ctx, uint64_t ticket, const char *id, int64_t at_ns)
{
    struct record made = {.kind = RECORD_GONE, .ticket = ticket, .at_ns = at_ns};
    (void)snprintf(made.id, sizeof(made.id), "%s", id);
    record(ctx, &made);
}

static void on_changed(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns)
{
    struct record made = {.kind = RECORD_CHANGED, .state = state, .at_ns = at_ns};
    (void)snprintf(made.id, sizeof(made.id), "%s", id);
    record(ctx, &made);
}

static void on_images(void *ctx, uint64_t ticket, struct berth_image_list *images)
{
    record(ctx, &(struct record){.kind = RECORD_IMAGES,
                                 .ticket = ticket,
                                 .images = berth_image_list_ref(images)});
}

static void on_alive(void *ctx, int64_t at_ns)
{
    record(ctx, &(struct record){.kind = RECORD_ALIVE, .at_ns = at_ns});
}

static void on_lost(void *ctx, const struct berth_error *why, int64_t last_alive_ns)
{
    (void)fprintf(stderr, "contact lost: %s (%s)\n", why->message, why->detail);
    record(ctx, &(struct record){.kind = RECORD_LOST, .at_ns = last_alive_ns});
}

void recorder_init(struct recorder *recorder)
{
    *recorder = (struct recorder){.sink = {.ctx = recorder,
                                           .ticket = on_ticket,
                                           .listing = on_listing,
                                           .app = on_app,
                                           .gone = on_gone,
                                           .changed = on_changed,
                                           .images = on_images,
                                           .alive = on_alive,
                                           .lost = on_lost}};
    (void)pthread_mutex_init(&recorder->lock, NULL);
    berth_cond_init(&recorder->grown);
}

void recorder_release(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->count; i++) {
        berth_app_unref(recorder->records[i].app);
        berth_app_list_release(&recorder->records[i].apps);
        berth_image_list_unref(recorder->records[i].images);
    }
    free(recorder->records);
    (void)pthread_cond_destroy(&recorder->grown);
    (void)pthread_mutex_destroy(&recorder->lock);
}

void recorder_wait(struct recorder *recorder,
                   bool (*holds)(const struct recorder *recorder, const void *ctx), const void *ctx,
                   const char *what)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    BERTH_LOCK_SCOPE(guard, &recorder->lock);
    while (!holds(recorder, ctx))
        if (!berth_cond_wait_until(&recorder->grown, &recorder->lock, deadline_ms))
            break;
    ck_assert_msg(holds(recorder, ctx), "the watch did not tell: %s", what);
}

static bool mentions(const struct record *record, const char *id)
{
    return (record->kind == RECORD_APP || record->kind == RECORD_GONE) &&
           strcmp(record->id, id) == 0;
}

const struct record *recorder_latest(const struct recorder *recorder, const char *id)
{
    const struct record *latest = NULL;
    for (size_t i = 0; i < recorder->count; i++) {
        const struct record *each = &recorder->records[i];
        if (mentions(each, id) && (!latest || each->ticket >= latest->ticket))
            latest = each;
    }
    return latest;
}

static bool is_listed(const struct recorder *recorder, const void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < recorder->count; i++)
        if (recorder->records[i].kind == RECORD_LISTING)
            return true;
    return false;
}

void recorder_wait_listing(struct recorder *recorder)
{
    recorder_wait(recorder, is_listed, NULL, "the first listing");
}

struct expectation {
    const char *id;
    enum berth_app_state state;
};

static bool has_state(const struct recorder *recorder, const void *ctx)
{
    const struct expectation *expected = ctx;
    const struct record *latest = recorder_latest(recorder, expected->id);
    return latest && latest->kind == RECORD_APP && latest->state == expected->state;
}

void recorder_wait_state(struct recorder *recorder, const char *id, enum berth_app_state state)
{
    recorder_wait(recorder, has_state, &(struct expectation){.id = id, .state = state},
                  berth_app_state_name(state));
}

static bool is_gone(const struct recorder *recorder, const void *ctx)
{
    const struct record *latest = recorder_latest(recorder, ctx);
    return latest && latest->kind == RECORD_GONE;
}

void recorder_wait_gone(struct recorder *recorder, const char *id)
{
    recorder_wait(recorder, is_gone, id, "that the app is gone");
}
