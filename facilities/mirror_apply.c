/* SPDX-License-Identifier: MIT */
/* What the backend told becomes the next snapshot, and then the observer's news. */
#include "base/clock.h"
#include "base/log.h"
#include "facilities/mirror_internal.h"

#include <string.h>

/*
 * When the app came to be as it is: the row's own time where it tells of this
 * change, else now. Never before the last full listing: what was before is
 * not known to have been watched.
 */
static int64_t change_time(const struct berth_mirror *mirror, const struct berth_app *before,
                           const struct berth_app *after, int64_t now_ns)
{
    int64_t at_ns = now_ns;
    if (after->state == BERTH_APP_RUNNING && (!before || before->started_ns != after->started_ns))
        at_ns = after->started_ns;
    if ((after->state == BERTH_APP_EXITED || after->state == BERTH_APP_DEAD) &&
        (!before || before->finished_ns != after->finished_ns))
        at_ns = after->finished_ns;
    if (after->state == BERTH_APP_CREATED && !before)
        at_ns = after->created_ns;
    if (at_ns <= 0 || at_ns > now_ns)
        at_ns = now_ns;
    return at_ns < mirror->listed_ns ? mirror->listed_ns : at_ns;
}

/* While contact is lost the observer waits for the listing that ends it. */
static void tell_app(const struct berth_mirror *mirror, uint64_t sequence,
                     const struct berth_app *before, const struct berth_app *after, int64_t at_ns)
{
    const struct berth_mirror_observer *observer = &mirror->observer;
    if (mirror->contact && observer->app)
        observer->app(observer->ctx, sequence, before, after, at_ns);
}

static void tell_told(const struct berth_mirror *mirror)
{
    const struct berth_mirror_observer *observer = &mirror->observer;
    if (observer->told)
        observer->told(observer->ctx, mirror->sequence);
}

/* Takes the reference over; NULL leaves readers without. */
static void publish(struct berth_mirror *mirror, struct berth_snapshot *snapshot)
{
    if (snapshot) {
        snapshot->epoch = mirror->epoch;
        snapshot->sequence = mirror->sequence;
        snapshot->stale = !mirror->contact;
        snapshot->as_of_ns = mirror->alive_ns;
    }
    (void)pthread_mutex_lock(&mirror->publish_lock);
    struct berth_snapshot *old = mirror->current;
    mirror->current = snapshot;
    (void)pthread_mutex_unlock(&mirror->publish_lock);
    berth_snapshot_unref(old);
}

/*
 * Makes next the working version, that many changes later, and publishes it
 * where there was a listing; next holds the old version afterwards. On failure
 * nothing is changed.
 */
static int commit(struct berth_mirror *mirror, struct berth_index *next, size_t changes,
                  struct berth_image_list *images, struct berth_error *err)
{
    struct berth_snapshot *snapshot = NULL;
    if (mirror->current) {
        int status = berth_snapshot_new(next, images, &snapshot, err);
        if (status)
            return status;
    }
    struct berth_index old = mirror->index;
    mirror->index = *next;
    *next = old;
    if (images != mirror->images) {
        berth_image_list_unref(mirror->images);
        mirror->images = berth_image_list_ref(images);
    }
    mirror->sequence += changes;
    if (snapshot)
        publish(mirror, snapshot);
    return 0;
}

/* One app is as after now, instead of before; either may be NULL. */
static int commit_app(struct berth_mirror *mirror, const struct berth_app *before,
                      struct berth_app *after, int64_t at_ns, struct berth_error *err)
{
    BERTH_CLEANUP(index) struct berth_index next = berth_index_copy(&mirror->index);
    int status = berth_index_change(&next, before, after, err);
    if (!status)
        status = commit(mirror, &next, 1, mirror->images, err);
    if (status)
        return status;
    tell_app(mirror, mirror->sequence, before, after, at_ns);
    tell_told(mirror);
    return 0;
}

int berth_mirror_apply_app(struct berth_mirror *mirror, uint64_t ticket, struct berth_app *app,
                           struct berth_error *err)
{
    const struct berth_app *before = berth_index_find(&mirror->index, app->id);
    if (ticket < berth_tickets_of(&mirror->known, app->id, before != NULL))
        return 0;
    berth_inspect_cache_drop(&mirror->inspect, app->id);
    int status = berth_tickets_put(&mirror->known, app->id, ticket, false, err);
    if (status || (before && berth_mirror_apps_equal(before, app)))
        return status;
    return commit_app(mirror, before, app, change_time(mirror, before, app, berth_clock_wall_ns()),
                      err);
}

int berth_mirror_apply_gone(struct berth_mirror *mirror, uint64_t ticket, const char *id,
                            bool certain, int64_t at_ns, struct berth_error *err)
{
    const struct berth_app *before = berth_index_find(&mirror->index, id);
    if (!certain && ticket < berth_tickets_of(&mirror->known, id, before != NULL))
        return 0;
    berth_inspect_cache_drop(&mirror->inspect, id);
    int status = berth_tickets_put(&mirror->known, id, ticket, true, err);
    if (status || !before)
        return status;
    return commit_app(mirror, before, NULL, at_ns, err);
}

int berth_mirror_apply_images(struct berth_mirror *mirror, uint64_t ticket,
                              struct berth_image_list *images, struct berth_error *err)
{
    if (ticket < mirror->images_ticket)
        return 0;
    mirror->images_ticket = ticket;
    if (berth_mirror_images_equal(images, mirror->images))
        return 0;
    BERTH_CLEANUP(index) struct berth_index same = berth_index_copy(&mirror->index);
    int status = commit(mirror, &same, 1, images, err);
    if (!status)
        tell_told(mirror);
    return status;
}

/* ---- A full listing, as the difference to what is known ---- */

struct change {
    const struct berth_app *before;
    struct berth_app *after;
};

struct difference {
    const struct berth_mirror *mirror;
    uint64_t ticket;
    struct berth_app **listed; /* by id */
    size_t listed_count;
    size_t next; /* in listed */
    struct change *changes;
    size_t count;
};

static void difference_add(struct difference *diff, const struct berth_app *before,
                           struct berth_app *after)
{
    const char *id = before ? before->id : after->id;
    if (diff->ticket < berth_tickets_of(&diff->mirror->known, id, before != NULL))
        return;
    if (before && after && berth_mirror_apps_equal(before, after))
        return;
    diff->changes[diff->count++] = (struct change){.before = before, .after = after};
}

static void skip_listed(struct difference *diff)
{
    const char *id = diff->listed[diff->next++]->id;
    while (diff->next < diff->listed_count && strcmp(diff->listed[diff->next]->id, id) == 0)
        diff->next++; /* listed twice */
}

static bool visit_known(void *value, void *ctx)
{
    const struct berth_app *known = value;
    struct difference *diff = ctx;
    int order = 1;
    while (diff->next < diff->listed_count &&
           (order = strcmp(diff->listed[diff->next]->id, known->id)) < 0) {
        difference_add(diff, NULL, diff->listed[diff->next]);
        skip_listed(diff);
    }
    if (diff->next < diff->listed_count && order == 0) {
        difference_add(diff, known, diff->listed[diff->next]);
        skip_listed(diff);
    } else {
        difference_add(diff, known, NULL);
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp((*(struct berth_app *const *)a)->id, (*(struct berth_app *const *)b)->id);
}

static void difference_release(struct difference *diff)
{
    free(diff->listed);
    free(diff->changes);
}

BERTH_DEFINE_CLEANUP_VALUE(difference, struct difference, difference_release)

static int difference_make(struct difference *diff, const struct berth_app_list *apps,
                           struct berth_error *err)
{
    size_t most = apps->count + berth_pmap_count(diff->mirror->index.by_id);
    if (most == 0)
        return 0;
    diff->listed = malloc(most * sizeof(struct berth_app *));
    diff->changes = malloc(most * sizeof(struct change));
    if (!diff->listed || !diff->changes)
        return berth_error_nomem(err);
    for (size_t i = 0; i < apps->count; i++)
        diff->listed[diff->listed_count++] = apps->items[i];
    qsort(diff->listed, diff->listed_count, sizeof(struct berth_app *), compare_ids);
    berth_index_walk(&diff->mirror->index, visit_known, diff);
    while (diff->next < diff->listed_count) {
        difference_add(diff, NULL, diff->listed[diff->next]);
        skip_listed(diff);
    }
    return 0;
}

static int difference_apply(struct difference *diff, struct berth_index *index,
                            struct berth_error *err)
{
    if (index->by_id || diff->count == 0) {
        int status = 0;
        for (size_t i = 0; i < diff->count && !status; i++)
            status =
                berth_index_change(index, diff->changes[i].before, diff->changes[i].after, err);
        return status;
    }
    for (size_t i = 0; i < diff->count; i++)
        diff->listed[i] = diff->changes[i].after;
    return berth_index_build(index, diff->listed, diff->count, err);
}

static void tell_difference(struct berth_mirror *mirror, const struct difference *diff,
                            int64_t as_of_ns)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct change *change = &diff->changes[i];
        int64_t at_ns = as_of_ns;
        if (change->after)
            at_ns = change_time(mirror, change->before, change->after, as_of_ns);
        tell_app(mirror, mirror->sequence - (diff->count - 1 - i), change->before, change->after,
                 at_ns);
    }
    tell_told(mirror);
}

/* Contact begins: readers are served, and the observer is told the whole state. */
static int begin_contact(struct berth_mirror *mirror, struct berth_index *next, int64_t as_of_ns,
                         struct berth_error *err)
{
    struct berth_snapshot *snapshot;
    int status = berth_snapshot_new(next, mirror->images, &snapshot, err);
    if (status)
        return status;
    struct berth_index old = mirror->index;
    mirror->index = *next;
    *next = old;
    mirror->sequence++;
    mirror->contact = true;
    mirror->listed_ns = as_of_ns;
    mirror->alive_ns = as_of_ns;
    berth_inspect_cache_reset(&mirror->inspect, true);
    publish(mirror, snapshot);
    (void)pthread_cond_broadcast(&mirror->told);
    const struct berth_mirror_observer *observer = &mirror->observer;
    if (observer->listing)
        observer->listing(observer->ctx, mirror->current, as_of_ns);
    tell_told(mirror);
    return 0;
}

int berth_mirror_apply_listing(struct berth_mirror *mirror, uint64_t ticket,
                               const struct berth_app_list *apps, int64_t as_of_ns,
                               struct berth_error *err)
{
    if (ticket < mirror->known.base)
        return 0;
    BERTH_CLEANUP(difference)
    struct difference diff = {.mirror = mirror, .ticket = ticket};
    int status = difference_make(&diff, apps, err);
    BERTH_CLEANUP(index) struct berth_index next = berth_index_copy(&mirror->index);
    if (!status)
        status = difference_apply(&diff, &next, err);
    if (status)
        return status;
    if (!mirror->contact) {
        status = begin_contact(mirror, &next, as_of_ns, err);
    } else if (diff.count > 0) {
        for (size_t i = 0; i < diff.count; i++)
            berth_inspect_cache_drop(&mirror->inspect, diff.changes[i].before
                                                           ? diff.changes[i].before->id
                                                           : diff.changes[i].after->id);
        status = commit(mirror, &next, diff.count, mirror->images, err);
        if (!status)
            tell_difference(mirror, &diff, as_of_ns);
    }
    if (!status) {
        berth_tickets_rebase(&mirror->known, ticket);
        mirror->listed_ns = as_of_ns;
    }
    return status;
}

/* ---- News without rows ---- */

void berth_mirror_apply_changed(struct berth_mirror *mirror, const char *id,
                                enum berth_app_state state, int64_t at_ns)
{
    berth_inspect_cache_drop(&mirror->inspect, id);
    const struct berth_app *app = berth_index_find(&mirror->index, id);
    const struct berth_mirror_observer *observer = &mirror->observer;
    if (app && mirror->contact && observer->changed)
        observer->changed(observer->ctx, app, state, at_ns);
}

void berth_mirror_apply_alive(struct berth_mirror *mirror, int64_t at_ns)
{
    berth_inspect_cache_expire(&mirror->inspect, berth_clock_monotonic_ms());
    if (!mirror->contact)
        return;
    if (at_ns > mirror->alive_ns)
        mirror->alive_ns = at_ns;
    const struct berth_mirror_observer *observer = &mirror->observer;
    if (observer->alive)
        observer->alive(observer->ctx, at_ns);
}

/* What contact was lost for, as readers are told. */
static struct berth_error reason_of(const struct berth_error *why)
{
    struct berth_error reason = *why;
    reason.status = BERTH_E_UNREACHABLE;
    if (reason.retry_after_s == 0)
        reason.retry_after_s = BERTH_MIRROR_RETRY_AFTER_S;
    return reason;
}

void berth_mirror_apply_lost(struct berth_mirror *mirror, const struct berth_error *why,
                             int64_t last_alive_ns)
{
    bool had_contact = mirror->contact;
    struct berth_error reason = reason_of(why);
    mirror->contact = false;
    berth_inspect_cache_reset(&mirror->inspect, false);
    (void)pthread_mutex_lock(&mirror->publish_lock);
    mirror->why = reason;
    (void)pthread_mutex_unlock(&mirror->publish_lock);
    if (had_contact) {
        mirror->sequence++;
        mirror->alive_ns = last_alive_ns;
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_snapshot *snapshot = NULL;
        if (berth_snapshot_new(&mirror->index, mirror->images, &snapshot, &err))
            berth_log_error(BERTH_LOG_WARNING, &err, "cannot keep the last listing");
        publish(mirror, snapshot);
    }
    (void)pthread_cond_broadcast(&mirror->told);
    const struct berth_mirror_observer *observer = &mirror->observer;
    if (had_contact && observer->lost)
        observer->lost(observer->ctx, mirror->sequence, &reason, last_alive_ns);
    if (had_contact)
        tell_told(mirror);
}
