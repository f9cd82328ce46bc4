/* SPDX-License-Identifier: MIT */
/* The mirror as its readers and its backend see it. */
#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "facilities/mirror_internal.h"

#include <string.h>

/* ---- The sink: what the backend tells ---- */

static uint64_t draw_ticket(struct berth_mirror *mirror)
{
    return __atomic_add_fetch(&mirror->tickets, 1, __ATOMIC_SEQ_CST);
}

static uint64_t sink_ticket(void *ctx)
{
    return draw_ticket(ctx);
}

/* What could not be kept is asked for again by the next reader (catch_up). Under order_lock. */
static void note_failure(struct berth_mirror *mirror, uint64_t ticket, int status,
                         const struct berth_error *err, const char *what)
{
    if (!status)
        return;
    berth_log_error(BERTH_LOG_ERROR, err, "%s could not be taken in", what);
    if (ticket > mirror->missed)
        __atomic_store_n(&mirror->missed, ticket, __ATOMIC_RELAXED);
}

static void sink_listing(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                         int64_t as_of_ns)
{
    struct berth_mirror *mirror = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    int status = berth_mirror_apply_listing(mirror, ticket, apps, as_of_ns, &err);
    note_failure(mirror, ticket, status, &err, "a listing of apps");
}

static void sink_app(void *ctx, uint64_t ticket, struct berth_app *app)
{
    struct berth_mirror *mirror = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    int status = berth_mirror_apply_app(mirror, ticket, app, &err);
    note_failure(mirror, ticket, status, &err, app->name);
}

static void sink_gone(void *ctx, uint64_t ticket, const char *id, int64_t at_ns)
{
    struct berth_mirror *mirror = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    int status = berth_mirror_apply_gone(mirror, ticket, id, true, at_ns, &err);
    note_failure(mirror, ticket, status, &err, "the end of an app");
}

static void sink_changed(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns)
{
    struct berth_mirror *mirror = ctx;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    berth_mirror_apply_changed(mirror, id, state, at_ns);
}

static void sink_images(void *ctx, uint64_t ticket, struct berth_image_list *images)
{
    struct berth_mirror *mirror = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    int status = berth_mirror_apply_images(mirror, ticket, images, &err);
    note_failure(mirror, ticket, status, &err, "a listing of images");
}

static void sink_alive(void *ctx, int64_t at_ns)
{
    struct berth_mirror *mirror = ctx;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    berth_mirror_apply_alive(mirror, at_ns);
}

static void sink_lost(void *ctx, const struct berth_error *why, int64_t last_alive_ns)
{
    struct berth_mirror *mirror = ctx;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    __atomic_store_n(&mirror->missed, 0, __ATOMIC_RELAXED); /* all is listed anew */
    berth_mirror_apply_lost(mirror, why, last_alive_ns);
}

/* ---- Lifecycle ---- */

int berth_mirror_open(struct berth_backend *backend, const struct berth_mirror_observer *observer,
                      struct berth_mirror **ret_mirror, struct berth_error *err)
{
    uint64_t epoch;
    int status = berth_random_bytes(&epoch, sizeof(epoch), err);
    if (status)
        return status;
    struct berth_image_list *images;
    status = berth_image_list_new(&images, err);
    if (status)
        return status;
    struct berth_mirror *mirror = calloc(1, sizeof(*mirror));
    if (!mirror) {
        berth_image_list_unref(images);
        return berth_error_nomem(err);
    }
    mirror->backend = backend;
    if (observer)
        mirror->observer = *observer;
    mirror->sink = (struct berth_watch_sink){
        .ctx = mirror,
        .ticket = sink_ticket,
        .listing = sink_listing,
        .app = sink_app,
        .gone = sink_gone,
        .changed = sink_changed,
        .images = sink_images,
        .alive = sink_alive,
        .lost = sink_lost,
    };
    mirror->epoch = epoch;
    mirror->opened_ms = berth_clock_monotonic_ms();
    mirror->images = images;
    (void)pthread_mutex_init(&mirror->order_lock, NULL);
    (void)pthread_mutex_init(&mirror->publish_lock, NULL);
    (void)pthread_mutex_init(&mirror->catch_up_lock, NULL);
    berth_cond_init(&mirror->told);
    berth_tickets_init(&mirror->known);
    berth_inspect_cache_init(&mirror->inspect);
    status = berth_backend_watch(backend, &mirror->sink, err);
    if (status) {
        berth_mirror_free(mirror);
        return status;
    }
    *ret_mirror = mirror;
    return 0;
}

void berth_mirror_free(struct berth_mirror *mirror)
{
    if (!mirror)
        return;
    berth_snapshot_unref(mirror->current);
    berth_image_list_unref(mirror->images);
    berth_index_release(&mirror->index);
    berth_tickets_release(&mirror->known);
    berth_inspect_cache_release(&mirror->inspect);
    (void)pthread_cond_destroy(&mirror->told);
    (void)pthread_mutex_destroy(&mirror->catch_up_lock);
    (void)pthread_mutex_destroy(&mirror->publish_lock);
    (void)pthread_mutex_destroy(&mirror->order_lock);
    free(mirror);
}

/* ---- Readers ---- */

void berth_mirror_touch(struct berth_mirror *mirror)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    int64_t touched_ms = __atomic_load_n(&mirror->touched_ms, __ATOMIC_RELAXED);
    if (now_ms - touched_ms >= BERTH_MIRROR_TOUCH_MS &&
        __atomic_compare_exchange_n(&mirror->touched_ms, &touched_ms, now_ms, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        berth_backend_touch(mirror->backend);
}

/* Why there is no fresh snapshot; the caller holds publish_lock. */
static int refuse(const struct berth_mirror *mirror, struct berth_error *err)
{
    if (mirror->why.status) {
        if (err)
            *err = mirror->why;
        return mirror->why.status;
    }
    int status =
        berth_error_set(err, BERTH_E_UNREACHABLE, "the engine has not listed its apps yet");
    if (err)
        err->retry_after_s = BERTH_MIRROR_RETRY_AFTER_S;
    return status;
}

/* Lists anew what could not be taken in for want of memory; the caller holds catch_up_lock. */
static int list_again(struct berth_mirror *mirror, struct berth_error *err)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    uint64_t ticket = draw_ticket(mirror);
    int64_t as_of_ns = berth_clock_wall_ns();
    int status = 0;
    if (mirror->backend->ops->images)
        status = berth_backend_images(mirror->backend, &images, err);
    if (!status)
        status = berth_backend_list(mirror->backend, NULL, &apps, err);
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    if (status || mirror->missed == 0) /* contact was lost meanwhile: the backend lists */
        return status;
    if (images)
        status = berth_mirror_apply_images(mirror, ticket, images, err);
    if (!status)
        status = berth_mirror_apply_listing(mirror, ticket, &apps, as_of_ns, err);
    if (!status && mirror->missed <= ticket)
        __atomic_store_n(&mirror->missed, 0, __ATOMIC_RELAXED);
    return status;
}

/* Readers are not served what is known to be old; one of them asks, the others come again. */
static int catch_up(struct berth_mirror *mirror, struct berth_error *err)
{
    if (__atomic_load_n(&mirror->missed, __ATOMIC_RELAXED) == 0)
        return 0;
    if (pthread_mutex_trylock(&mirror->catch_up_lock) != 0) {
        (void)berth_error_set(err, BERTH_E_BUSY, "the apps are being listed anew");
        if (err)
            err->retry_after_s = 1;
        return BERTH_E_BUSY;
    }
    int status = list_again(mirror, err);
    (void)pthread_mutex_unlock(&mirror->catch_up_lock);
    return status;
}

int berth_mirror_snapshot(struct berth_mirror *mirror, bool allow_stale,
                          struct berth_snapshot **ret_snapshot, struct berth_error *err)
{
    berth_mirror_touch(mirror);
    int status = catch_up(mirror, err);
    if (status && !allow_stale)
        return status;
    BERTH_LOCK_SCOPE(guard, &mirror->publish_lock);
    while (!mirror->current && !mirror->why.status)
        if (!berth_cond_wait_until(&mirror->told, &mirror->publish_lock,
                                   mirror->opened_ms + BERTH_MIRROR_FIRST_LISTING_MS))
            break;
    if (!mirror->current || (mirror->current->stale && !allow_stale))
        return refuse(mirror, err);
    *ret_snapshot = berth_snapshot_ref(mirror->current);
    return 0;
}

int berth_mirror_status(struct berth_mirror *mirror, struct berth_error *err)
{
    berth_mirror_touch(mirror);
    BERTH_LOCK_SCOPE(guard, &mirror->publish_lock);
    return mirror->current && !mirror->current->stale ? 0 : refuse(mirror, err);
}

uint64_t berth_mirror_epoch(const struct berth_mirror *mirror)
{
    return mirror->epoch;
}

void berth_mirror_number(struct berth_mirror *mirror, void (*tell)(void *ctx, uint64_t sequence),
                         void *ctx)
{
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    tell(ctx, ++mirror->sequence);
}

/* ---- Refreshes ---- */

int berth_mirror_refresh(struct berth_mirror *mirror, const char *id, struct berth_error *err)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    uint64_t ticket = draw_ticket(mirror);
    /*
     * Not through the dispatcher: the change is done, and its answer must not
     * fail for want of a slot. Who comes here has just left a slot of its own,
     * so no more than max_inflight can wait here either.
     */
    int status = mirror->backend->ops->list(mirror->backend, id, &apps, err);
    if (status)
        return status;
    int64_t now_ns = berth_clock_wall_ns();
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    bool found = false;
    for (size_t i = 0; i < apps.count && !status; i++) {
        if (strcmp(apps.items[i]->id, id) != 0)
            continue;
        found = true;
        status = berth_mirror_apply_app(mirror, ticket, apps.items[i], err);
    }
    if (!found)
        status = berth_mirror_apply_gone(mirror, ticket, id, false, now_ns, err);
    return status;
}

int berth_mirror_refresh_images(struct berth_mirror *mirror, struct berth_error *err)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    uint64_t ticket = draw_ticket(mirror);
    int status = berth_backend_images(mirror->backend, &images, err);
    if (status)
        return status;
    BERTH_LOCK_SCOPE(guard, &mirror->order_lock);
    return berth_mirror_apply_images(mirror, ticket, images, err);
}
