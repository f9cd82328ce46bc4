/* SPDX-License-Identifier: MIT */
/* What is observed, kept as the present state of every app and a queue of changes. */
#include "base/clock.h"
#include "facilities/uptime_internal.h"

#include <string.h>

/* ---- Facilities and tracks, by name; the caller holds the lock ---- */

static int compare_tracks(const void *a, const void *b)
{
    return strcmp(((const struct uptime_track *)a)->name, ((const struct uptime_track *)b)->name);
}

static int compare_track_key(const void *key, const void *value)
{
    return strcmp(key, ((const struct uptime_track *)value)->name);
}

static void ref_track(void *track)
{
    ((struct uptime_track *)track)->refs++;
}

void berth_uptime_track_unref(void *value)
{
    struct uptime_track *track = value;
    if (--track->refs == 0)
        free(track);
}

static const struct berth_pmap_type track_type = {.compare = compare_tracks,
                                                  .compare_key = compare_track_key,
                                                  .ref = ref_track,
                                                  .unref = berth_uptime_track_unref};

static int compare_facilities(const void *a, const void *b)
{
    return strcmp(((const struct uptime_facility *)a)->id, ((const struct uptime_facility *)b)->id);
}

static int compare_facility_key(const void *key, const void *value)
{
    return strcmp(key, ((const struct uptime_facility *)value)->id);
}

static void ref_facility(void *facility)
{
    (void)__atomic_fetch_add(&((struct uptime_facility *)facility)->refs, 1, __ATOMIC_RELAXED);
}

static void unref_facility(void *value)
{
    struct uptime_facility *facility = value;
    if (__atomic_sub_fetch(&facility->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    berth_pmap_unref(&track_type, facility->tracks);
    free(facility);
}

static const struct berth_pmap_type facility_type = {.compare = compare_facilities,
                                                     .compare_key = compare_facility_key,
                                                     .ref = ref_facility,
                                                     .unref = unref_facility};

struct uptime_facility *berth_uptime_find(const struct berth_uptime *uptime, const char *facility)
{
    return berth_pmap_find(&facility_type, uptime->facilities, facility);
}

struct uptime_track *berth_uptime_find_track(const struct uptime_facility *facility,
                                             const char *app)
{
    return berth_pmap_find(&track_type, facility->tracks, app);
}

void berth_uptime_walk_tracks(const struct uptime_facility *facility,
                              bool (*visit)(void *track, void *ctx), void *ctx)
{
    berth_pmap_walk(&track_type, facility->tracks, NULL, visit, ctx);
}

void berth_uptime_walk(struct berth_pmap_node *facilities, bool (*visit)(void *facility, void *ctx),
                       void *ctx)
{
    berth_pmap_walk(&facility_type, facilities, NULL, visit, ctx);
}

struct berth_pmap_node *berth_uptime_ref_facilities(const struct berth_uptime *uptime)
{
    return berth_pmap_ref(uptime->facilities);
}

void berth_uptime_unref_facilities(struct berth_pmap_node *facilities)
{
    berth_pmap_unref(&facility_type, facilities);
}

static struct uptime_facility *make_facility(struct berth_uptime *uptime, const char *id)
{
    struct uptime_facility *facility = NULL;
    size_t bytes = strlen(id) + 1;
    facility = calloc(1, sizeof(*facility) + bytes);
    if (!facility)
        return NULL;
    facility->refs = 1;
    facility->alive_ms = UPTIME_NEVER;
    facility->written_ms = UPTIME_NEVER;
    facility->recording = !uptime->is_shared;
    memcpy(facility->id, id, bytes);
    struct berth_pmap_node *facilities;
    bool made =
        berth_pmap_put(&facility_type, uptime->facilities, facility, &facilities, NULL) == 0;
    if (made) {
        berth_pmap_unref(&facility_type, uptime->facilities);
        uptime->facilities = facilities;
    }
    unref_facility(facility);
    return made ? facility : NULL;
}

/* A borrowed facility that is followed from now on, made where there is none yet; NULL without
 * memory. */
static struct uptime_facility *get_facility(struct berth_uptime *uptime, const char *id)
{
    struct uptime_facility *facility = berth_uptime_find(uptime, id);
    if (!facility)
        facility = make_facility(uptime, id);
    if (!facility || facility->followed)
        return facility;
    facility->followed = true;
    if (uptime->is_shared) {
        uptime->hold_ms = 0;
        (void)pthread_cond_signal(&uptime->wake);
    }
    return facility;
}

struct uptime_track *berth_uptime_get_track(struct uptime_facility *facility, const char *name)
{
    struct uptime_track *track = berth_uptime_find_track(facility, name);
    if (track)
        return track;
    size_t bytes = strlen(name) + 1;
    track = calloc(1, sizeof(*track) + bytes);
    if (!track)
        return NULL;
    track->refs = 1;
    track->state = UPTIME_NO_STATE;
    track->stored_ms = UPTIME_NEVER;
    track->before_ms = UPTIME_NEVER;
    track->behind_ms = UPTIME_NEVER;
    track->earlier_state = UPTIME_NO_STATE;
    track->facility = facility;
    memcpy(track->name, name, bytes);
    struct berth_pmap_node *tracks;
    bool made = berth_pmap_put(&track_type, facility->tracks, track, &tracks, NULL) == 0;
    if (made) {
        berth_pmap_unref(&track_type, facility->tracks);
        facility->tracks = tracks;
    }
    berth_uptime_track_unref(track);
    return made ? track : NULL;
}

/* Without memory it stays, and is found again with the app's next life. */
static void drop_track(struct uptime_track *track)
{
    struct uptime_facility *facility = track->facility;
    struct berth_pmap_node *tracks;
    if (berth_pmap_remove(&track_type, facility->tracks, track->name, &tracks, NULL))
        return;
    berth_pmap_unref(&track_type, facility->tracks);
    facility->tracks = tracks;
}

/* ---- The queue; the caller holds the lock ---- */

/* False when there is no room or no memory. */
static bool push(struct berth_uptime *uptime, const struct uptime_change *fields)
{
    if (uptime->queue_count >= BERTH_UPTIME_QUEUE_MAX)
        return false;
    struct uptime_change *change = malloc(sizeof(*change));
    if (!change)
        return false;
    *change = *fields;
    ref_track(change->track);
    if (uptime->queue_count == 0) {
        uptime->linger_ms = berth_clock_monotonic_ms() + BERTH_UPTIME_LINGER_MS;
        (void)pthread_cond_signal(&uptime->wake);
    } else if (uptime->queue_count == BERTH_UPTIME_BATCH) {
        (void)pthread_cond_signal(&uptime->wake);
    }
    STAILQ_INSERT_TAIL(&uptime->queue, change, link);
    uptime->queue_count++;
    uptime->queued_seq++;
    change->track->facility->queued++;
    change->track->facility->last_seq = uptime->queued_seq;
    return true;
}

bool berth_uptime_push_state(struct berth_uptime *uptime, struct uptime_track *track, int state,
                             int64_t at_ms)
{
    const struct uptime_change change = {
        .track = track, .state = state, .at_ms = at_ms, .open_ms = track->stored_ms};
    if (!push(uptime, &change))
        return false;
    track->before_ms = track->stored_ms < at_ms ? track->stored_ms : UPTIME_NEVER;
    track->stored_ms = state == UPTIME_NO_STATE ? UPTIME_NEVER : at_ms;
    return true;
}

void berth_uptime_fall_behind(struct berth_uptime *uptime, struct uptime_track *track,
                              int64_t at_ms)
{
    track->behind_ms = at_ms;
    track->facility->behind++;
    ref_track(track);
    TAILQ_INSERT_TAIL(&uptime->behind, track, link);
    (void)pthread_cond_signal(&uptime->wake);
}

static void set_state(struct berth_uptime *uptime, struct uptime_track *track, int state,
                      int64_t at_ms)
{
    if (at_ms < track->from_ms)
        at_ms = track->from_ms;
    track->earlier_state = track->state;
    track->earlier_ms = track->from_ms;
    if (track->facility->recording && track->behind_ms == UPTIME_NEVER &&
        !berth_uptime_push_state(uptime, track, state, at_ms))
        berth_uptime_fall_behind(uptime, track, at_ms);
    track->state = state;
    track->from_ms = at_ms;
}

/*
 * The state began earlier than was thought: berth's own look at the app came
 * before the event that tells the time. The span before gives way, as far as
 * it reaches.
 */
static void move_start(struct berth_uptime *uptime, struct uptime_track *track, int64_t at_ms)
{
    if (at_ms >= track->from_ms || track->behind_ms != UPTIME_NEVER ||
        track->before_ms == UPTIME_NEVER || at_ms < track->before_ms)
        return;
    const struct uptime_change change = {.track = track,
                                         .moved = true,
                                         .state = track->state,
                                         .at_ms = at_ms,
                                         .open_ms = track->stored_ms,
                                         .before_ms = track->before_ms};
    if (!push(uptime, &change))
        return;
    track->stored_ms = at_ms;
    track->from_ms = at_ms;
}

void berth_uptime_catch_up(struct berth_uptime *uptime)
{
    struct uptime_track *track;
    while ((track = TAILQ_FIRST(&uptime->behind))) {
        if (track->stored_ms != UPTIME_NEVER &&
            !berth_uptime_push_state(uptime, track, UPTIME_NO_STATE, track->behind_ms))
            return;
        if (track->state != UPTIME_NO_STATE &&
            !berth_uptime_push_state(uptime, track, track->state, track->from_ms))
            return;
        TAILQ_REMOVE(&uptime->behind, track, link);
        track->behind_ms = UPTIME_NEVER;
        track->facility->behind--;
        if (track->state == UPTIME_NO_STATE)
            drop_track(track);
        berth_uptime_track_unref(track);
    }
}

/* ---- Observing ---- */

/* Nothing is known of the future, whatever an engine's clock says. */
static int64_t known_ms(int64_t at_ns)
{
    int64_t now_ns = berth_clock_wall_ns();
    if (at_ns > now_ns)
        at_ns = now_ns;
    return at_ns > 0 ? at_ns / BERTH_NS_PER_MS : 0;
}

static void extend(struct uptime_facility *facility, int64_t at_ms)
{
    if (at_ms > facility->alive_ms)
        facility->alive_ms = at_ms;
}

void berth_uptime_observe(struct berth_uptime *uptime, const char *facility_id, const char *app,
                          enum berth_app_state state, int64_t at_ns)
{
    int64_t at_ms = known_ms(at_ns);
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    struct uptime_facility *facility = get_facility(uptime, facility_id);
    struct uptime_track *track = facility ? berth_uptime_get_track(facility, app) : NULL;
    if (!track)
        return;
    if (track->state != (int)state)
        set_state(uptime, track, (int)state, at_ms);
    else
        move_start(uptime, track, at_ms);
    extend(facility, at_ms);
}

void berth_uptime_gone(struct berth_uptime *uptime, const char *facility_id, const char *app,
                       int64_t at_ns)
{
    int64_t at_ms = known_ms(at_ns);
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    struct uptime_facility *facility = berth_uptime_find(uptime, facility_id);
    struct uptime_track *track = facility ? berth_uptime_find_track(facility, app) : NULL;
    if (!track)
        return;
    if (track->state != UPTIME_NO_STATE)
        set_state(uptime, track, UPTIME_NO_STATE, at_ms);
    if (track->behind_ms == UPTIME_NEVER)
        drop_track(track);
    extend(facility, at_ms);
}

void berth_uptime_alive(struct berth_uptime *uptime, const char *facility_id, int64_t at_ns)
{
    int64_t at_ms = known_ms(at_ns);
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    struct uptime_facility *facility = get_facility(uptime, facility_id);
    if (facility)
        extend(facility, at_ms);
}

struct losing {
    struct berth_uptime *uptime;
    int64_t at_ms;
};

static bool lose_track(void *value, void *ctx)
{
    struct uptime_track *track = value;
    const struct losing *losing = ctx;
    if (track->state != UPTIME_NO_STATE)
        set_state(losing->uptime, track, UPTIME_NO_STATE, losing->at_ms);
    return true;
}

static bool keep_behind(void *value, void *ctx)
{
    struct uptime_track *track = value;
    struct berth_pmap_node **kept = ctx;
    struct berth_pmap_node *next;
    if (track->behind_ms != UPTIME_NEVER &&
        !berth_pmap_put(&track_type, *kept, track, &next, NULL)) {
        berth_pmap_unref(&track_type, *kept);
        *kept = next;
    }
    return true;
}

/* The caller holds the lock. */
static void lose(struct berth_uptime *uptime, struct uptime_facility *facility, int64_t at_ms)
{
    struct losing losing = {.uptime = uptime, .at_ms = at_ms};
    berth_pmap_walk(&track_type, facility->tracks, NULL, lose_track, &losing);
    struct berth_pmap_node *kept = NULL;
    if (facility->behind > 0)
        berth_pmap_walk(&track_type, facility->tracks, NULL, keep_behind, &kept);
    berth_pmap_unref(&track_type, facility->tracks);
    facility->tracks = kept;
}

void berth_uptime_lost(struct berth_uptime *uptime, const char *facility_id, int64_t last_alive_ns)
{
    int64_t at_ms = known_ms(last_alive_ns);
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    struct uptime_facility *facility = berth_uptime_find(uptime, facility_id);
    if (facility)
        lose(uptime, facility, at_ms);
}

void berth_uptime_leave(struct berth_uptime *uptime, const char *facility_id)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    struct uptime_facility *facility = berth_uptime_find(uptime, facility_id);
    if (!facility)
        return;
    lose(uptime, facility, facility->alive_ms);
    facility->followed = false;
    if (uptime->is_shared) {
        uptime->hold_ms = 0;
        (void)pthread_cond_signal(&uptime->wake);
    }
}

/* ---- Lifecycle ---- */

/* What an earlier run left open held until its last watermark, as far as is known. */
static int close_open_spans(struct berth_txn *txn, void *ctx __attribute__((unused)),
                            struct berth_error *err)
{
    static const char sql[] =
        "UPDATE uptime_span SET to_ms = COALESCE("
        "(SELECT at_ms FROM uptime_watermark"
        " WHERE uptime_watermark.facility = uptime_span.facility AND at_ms > uptime_span.from_ms),"
        " from_ms) WHERE to_ms IS NULL";
    return berth_txn_run(txn, sql, NULL, 0, NULL, NULL, NULL, err);
}

static void release(struct berth_uptime *uptime)
{
    struct uptime_change *change;
    while ((change = STAILQ_FIRST(&uptime->queue))) {
        STAILQ_REMOVE_HEAD(&uptime->queue, link);
        berth_uptime_track_unref(change->track);
        free(change);
    }
    struct uptime_track *track;
    while ((track = TAILQ_FIRST(&uptime->behind))) {
        TAILQ_REMOVE(&uptime->behind, track, link);
        berth_uptime_track_unref(track);
    }
    berth_pmap_unref(&facility_type, uptime->facilities);
    (void)pthread_cond_destroy(&uptime->settled);
    (void)pthread_cond_destroy(&uptime->wake);
    (void)pthread_mutex_destroy(&uptime->lock);
    free(uptime);
}

static void apply_config(struct berth_uptime *uptime, const struct berth_uptime_config *config,
                         int64_t now_ms)
{
    uptime->interval_s = config->sample_interval_s;
    uptime->retention_ms = config->retention_days * 86400 * 1000;
    uptime->sample_ms = now_ms + uptime->interval_s * 1000;
    uptime->purge_ms = now_ms;
}

void berth_uptime_set_config(struct berth_uptime *uptime, const struct berth_uptime_config *config)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    apply_config(uptime, config, berth_clock_monotonic_ms());
    (void)pthread_cond_signal(&uptime->wake);
}

int berth_uptime_open(struct berth_store *store, const struct berth_uptime_config *config,
                      struct berth_uptime **ret_uptime, struct berth_error *err)
{
    bool is_shared = berth_store_is_shared(store);
    int status = is_shared ? 0 : berth_store_write(store, close_open_spans, NULL, err);
    if (status)
        return status;
    struct berth_uptime *uptime = calloc(1, sizeof(*uptime));
    if (!uptime)
        return berth_error_nomem(err);
    int64_t now_ms = berth_clock_monotonic_ms();
    uptime->store = store;
    uptime->is_shared = is_shared;
    uptime->hold_ms = INT64_MAX;
    uptime->flush_ms = BERTH_UPTIME_FLUSH_MS;
    apply_config(uptime, config, now_ms);
    (void)pthread_mutex_init(&uptime->lock, NULL);
    berth_cond_init(&uptime->wake);
    berth_cond_init(&uptime->settled);
    STAILQ_INIT(&uptime->queue);
    TAILQ_INIT(&uptime->behind);
    status = berth_thread_start(&uptime->thread, "uptime", berth_uptime_record, uptime, err);
    if (status) {
        release(uptime);
        return status;
    }
    *ret_uptime = uptime;
    return 0;
}

void berth_uptime_close(struct berth_uptime *uptime)
{
    if (!uptime)
        return;
    (void)pthread_mutex_lock(&uptime->lock);
    uptime->closing = true;
    (void)pthread_cond_signal(&uptime->wake);
    (void)pthread_mutex_unlock(&uptime->lock);
    (void)pthread_join(uptime->thread, NULL);
    release(uptime);
}
