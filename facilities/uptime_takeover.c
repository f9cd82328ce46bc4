/* SPDX-License-Identifier: MIT */
/*
 * Of several gateways on one store, one records a facility: the one that holds
 * "sampler:FACILITY". The others follow the facility all the same, and know
 * each app's present state and the one before. When the recorder has ended,
 * another goes on from its last watermark: a span that is open in the store
 * stays open where this gateway has seen its state hold since then, and ends
 * where this gateway saw it end. What neither has seen becomes a gap.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "facilities/uptime_internal.h"

#include <string.h>

void berth_uptime_hold_name(const struct uptime_facility *facility, char *name, size_t size)
{
    (void)snprintf(name, size, "sampler:%s", facility->id);
}

/* ---- What the store knows ---- */

struct open_span {
    char *app;
    int state;
    int64_t from_ms;
};

struct inheritance {
    const char *facility;
    int64_t mark_ms; /* what is open is known to hold until then, or NEVER */
    struct open_span *spans;
    size_t count;
    size_t size;
};

static void inheritance_release(struct inheritance *inheritance)
{
    for (size_t i = 0; i < inheritance->count; i++)
        free(inheritance->spans[i].app);
    free(inheritance->spans);
}
BERTH_DEFINE_CLEANUP_VALUE(inheritance, struct inheritance, inheritance_release)

static int take_span(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct inheritance *inheritance = ctx;
    if (inheritance->count == inheritance->size) {
        size_t size = inheritance->size ? inheritance->size * 2 : 64;
        struct open_span *spans = realloc(inheritance->spans, size * sizeof(*spans));
        if (!spans)
            return berth_error_nomem(err);
        inheritance->spans = spans;
        inheritance->size = size;
    }
    struct open_span span = {
        .app = berth_text_dup(berth_row_text(row, 0)),
        .state = (int)berth_app_state_parse(berth_row_text(row, 1)),
        .from_ms = berth_row_int(row, 2),
    };
    if (!span.app)
        return berth_error_nomem(err);
    inheritance->spans[inheritance->count++] = span;
    return 0;
}

static int take_mark(const struct berth_row *row, void *ctx,
                     struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

int berth_uptime_read_mark(struct berth_txn *txn, const char *facility, int64_t *ret_mark_ms,
                           struct berth_error *err)
{
    const struct berth_value id = berth_value_text(facility);
    return berth_txn_run(txn, "SELECT at_ms FROM uptime_watermark WHERE facility = $1", &id, 1,
                         take_mark, ret_mark_ms, NULL, err);
}

static int read_inheritance(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct inheritance *inheritance = ctx;
    const struct berth_value facility = berth_value_text(inheritance->facility);
    int r = berth_uptime_read_mark(txn, inheritance->facility, &inheritance->mark_ms, err);
    if (r < 0)
        return r;
    return berth_txn_run(txn,
                         "SELECT app, state, from_ms FROM uptime_span WHERE facility = $1"
                         " AND to_ms IS NULL ORDER BY app, from_ms",
                         &facility, 1, take_span, inheritance, NULL, err);
}

/* ---- Going on; the caller holds the lock ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void queue_state(struct berth_uptime *uptime, struct uptime_track *track, int state,
                        int64_t at_ms)
{
    if (track->behind_ms == UPTIME_NEVER && !berth_uptime_push_state(uptime, track, state, at_ms))
        berth_uptime_fall_behind(uptime, track, at_ms);
}

static void inherit(struct berth_uptime *uptime, struct uptime_facility *facility,
                    const struct open_span *span, int64_t mark_ms)
{
    struct uptime_track *track = berth_uptime_get_track(facility, span->app);
    if (!track || track->stored_ms != UPTIME_NEVER)
        return; /* without memory it stays open until the next gateway's turn */
    int64_t known_ms = later(mark_ms, span->from_ms);
    track->stored_ms = span->from_ms;
    if (track->state == span->state && track->from_ms <= known_ms)
        return;
    bool saw_end = track->earlier_state == span->state && track->earlier_ms <= known_ms &&
                   track->from_ms > known_ms;
    queue_state(uptime, track, UPTIME_NO_STATE, saw_end ? track->from_ms : known_ms);
}

struct going_on {
    struct berth_uptime *uptime;
    int64_t mark_ms;
};

static bool begin_track(void *value, void *ctx)
{
    struct uptime_track *track = value;
    const struct going_on *going_on = ctx;
    if (track->state == UPTIME_NO_STATE || track->stored_ms != UPTIME_NEVER)
        return true;
    track->from_ms = later(track->from_ms, going_on->mark_ms);
    queue_state(going_on->uptime, track, track->state, track->from_ms);
    return true;
}

static void go_on(struct berth_uptime *uptime, struct uptime_facility *facility,
                  const struct inheritance *inheritance)
{
    struct going_on going_on = {uptime, inheritance->mark_ms};
    facility->recording = true;
    facility->written_ms = inheritance->mark_ms;
    for (size_t i = 0; i < inheritance->count; i++)
        inherit(uptime, facility, &inheritance->spans[i], inheritance->mark_ms);
    berth_uptime_walk_tracks(facility, begin_track, &going_on);
}

/* ---- Trying ---- */

/* Where the store cannot tell what is open: that ends at the watermark, whatever it is. */
static int end_unknown(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct berth_value facility = berth_value_text(((struct uptime_facility *)ctx)->id);
    char name[BERTH_UPTIME_HOLD_SIZE];
    berth_uptime_hold_name(ctx, name, sizeof(name));
    if (!berth_txn_holds(txn, name))
        return berth_error_set(err, BERTH_E_CANCELLED, "another gateway records by now");
    return berth_txn_run(txn,
                         "UPDATE uptime_span SET to_ms = COALESCE("
                         "(SELECT at_ms FROM uptime_watermark"
                         " WHERE uptime_watermark.facility = uptime_span.facility"
                         " AND at_ms > uptime_span.from_ms), from_ms)"
                         " WHERE facility = $1 AND to_ms IS NULL",
                         &facility, 1, NULL, NULL, NULL, err);
}

/* The caller holds the lock, which is free meanwhile. */
static void try_to_record(struct berth_uptime *uptime, struct uptime_facility *facility)
{
    BERTH_CLEANUP(inheritance)
    struct inheritance inheritance = {.facility = facility->id, .mark_ms = UPTIME_NEVER};
    struct berth_error err = BERTH_ERROR_INIT;
    char name[BERTH_UPTIME_HOLD_SIZE];
    bool held = false;
    berth_uptime_hold_name(facility, name, sizeof(name));
    (void)pthread_mutex_unlock(&uptime->lock);
    int r = berth_store_hold(uptime->store, name, &held, &err);
    if (r == 0 && held)
        r = berth_store_read(uptime->store, read_inheritance, &inheritance, &err);
    if (r == BERTH_E_UNREACHABLE && held)
        r = berth_store_write(uptime->store, end_unknown, facility, &err);
    (void)pthread_mutex_lock(&uptime->lock);
    if (r < 0)
        berth_log_error(BERTH_LOG_DEBUG, &err, "uptime of facility %s", facility->id);
    else if (held)
        go_on(uptime, facility, &inheritance);
}

/* Its last changes are written: another gateway may go on. */
static void let_go(struct berth_uptime *uptime, struct uptime_facility *facility)
{
    char name[BERTH_UPTIME_HOLD_SIZE];
    berth_uptime_hold_name(facility, name, sizeof(name));
    facility->recording = false;
    (void)pthread_mutex_unlock(&uptime->lock);
    berth_store_let_go(uptime->store, name);
    (void)pthread_mutex_lock(&uptime->lock);
}

struct look {
    struct berth_uptime *uptime;
    bool again; /* some facility is not settled */
};

static bool look_at(void *value, void *ctx)
{
    struct uptime_facility *facility = value;
    struct look *look = ctx;
    bool is_idle = facility->queued == 0 && facility->behind == 0;
    if (facility->followed && !facility->recording)
        try_to_record(look->uptime, facility);
    else if (!facility->followed && facility->recording && is_idle)
        let_go(look->uptime, facility);
    look->again |= facility->followed != facility->recording;
    return true;
}

void berth_uptime_look_at_holds(struct berth_uptime *uptime)
{
    struct look look = {.uptime = uptime};
    uptime->hold_ms = INT64_MAX; /* what comes meanwhile sets it anew */
    struct berth_pmap_node *facilities = berth_uptime_ref_facilities(uptime);
    berth_uptime_walk(facilities, look_at, &look);
    berth_uptime_unref_facilities(facilities);
    if (look.again && uptime->hold_ms == INT64_MAX)
        uptime->hold_ms = berth_clock_monotonic_ms() + BERTH_UPTIME_HOLD_MS;
}

/* ---- Losing it ---- */

static bool forget_stored(void *value, void *ctx)
{
    struct uptime_track *track = value;
    struct berth_uptime *uptime = ctx;
    track->stored_ms = UPTIME_NEVER;
    track->before_ms = UPTIME_NEVER;
    if (track->behind_ms != UPTIME_NEVER) {
        TAILQ_REMOVE(&uptime->behind, track, link);
        track->behind_ms = UPTIME_NEVER;
        track->facility->behind--;
        berth_uptime_track_unref(track);
    }
    return true;
}

void berth_uptime_stop_recording(struct berth_uptime *uptime, struct uptime_facility *facility)
{
    struct uptime_change *change;
    STAILQ_FOREACH(change, &uptime->queue, link)
    {
        if (change->track->facility == facility)
            change->is_void = true;
    }
    berth_uptime_walk_tracks(facility, forget_stored, uptime);
    facility->recording = false;
    facility->written_ms = UPTIME_NEVER;
    uptime->hold_ms = 0;
    berth_log(BERTH_LOG_INFO, "another gateway records the uptime of facility %s", facility->id);
}

/* ---- What a gateway that does not record knows beyond the store ---- */

/* False: nothing. What a gateway records only since the query was settled may not have been in the
 * store when that was read. */
static bool find_live(struct berth_uptime *uptime, const struct uptime_query *query,
                      struct uptime_span *ret_span)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    const struct uptime_facility *facility = berth_uptime_find(uptime, query->facility);
    const struct uptime_track *track = facility && !(query->is_recorder && facility->recording)
                                           ? berth_uptime_find_track(facility, query->app)
                                           : NULL;
    if (!track || track->state == UPTIME_NO_STATE)
        return false;
    *ret_span = (struct uptime_span){.from_ms = track->from_ms,
                                     .to_ms = facility->alive_ms,
                                     .open = true,
                                     .state = (enum berth_app_state)track->state};
    return true;
}

int berth_uptime_add_live(struct berth_uptime *uptime, struct uptime_query *query,
                          struct berth_error *err)
{
    struct uptime_span live;
    struct uptime_span *last = query->count > 0 ? &query->spans[query->count - 1] : NULL;
    if (!find_live(uptime, query, &live))
        return 0;
    if (last && last->open && last->state == live.state && live.from_ms <= last->to_ms)
        last->to_ms = later(last->to_ms, live.to_ms);
    else if (!last || live.from_ms >= last->to_ms)
        return berth_uptime_add_span(query, &live, err);
    return 0;
}
