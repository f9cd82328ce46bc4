/* SPDX-License-Identifier: MIT */
/* The thread that writes changes and watermarks, and deletes what is past the retention. */
#include "base/clock.h"
#include "base/log.h"
#include "facilities/uptime_internal.h"

/* ---- Writing one batch: on the store's thread, while nobody else touches the batch ---- */

struct batch {
    struct berth_uptime *uptime;
    struct uptime_change *changes[BERTH_UPTIME_BATCH];
    size_t count;
    bool sample; /* watermarks of all facilities are due */
    bool marks;  /* some facility has a watermark to write */
    struct berth_pmap_node *facilities;
    struct berth_txn *txn;
    const struct uptime_facility *asked; /* of which it is known whose it is */
    int status;
    struct berth_error *err;
};

#define PARAMETERS_MAX 3

static int run(struct berth_txn *txn, const char *sql, const struct uptime_track *track,
               const struct berth_value *more, size_t more_count, struct berth_error *err)
{
    struct berth_value values[2 + PARAMETERS_MAX] = {berth_value_text(track->facility->id),
                                                     berth_value_text(track->name)};
    for (size_t i = 0; i < more_count; i++)
        values[2 + i] = more[i];
    return berth_txn_run(txn, sql, values, 2 + more_count, NULL, NULL, NULL, err);
}

static int delete_span(struct berth_txn *txn, const struct uptime_track *track, int64_t from_ms,
                       struct berth_error *err)
{
    static const char sql[] =
        "DELETE FROM uptime_span WHERE facility = $1 AND app = $2 AND from_ms = $3";
    const struct berth_value more[] = {berth_value_int(from_ms)};
    return run(txn, sql, track, more, 1, err);
}

/* A span of no length says nothing. */
static int end_span(struct berth_txn *txn, const struct uptime_track *track, int64_t from_ms,
                    int64_t to_ms, struct berth_error *err)
{
    static const char sql[] = "UPDATE uptime_span SET to_ms = $4 WHERE facility = $1 AND app = $2"
                              " AND from_ms = $3 AND to_ms IS NULL";
    if (from_ms >= to_ms)
        return delete_span(txn, track, from_ms, err);
    const struct berth_value more[] = {berth_value_int(from_ms), berth_value_int(to_ms)};
    return run(txn, sql, track, more, 2, err);
}

static int begin_span(struct berth_txn *txn, const struct uptime_track *track, int state,
                      int64_t from_ms, struct berth_error *err)
{
    static const char sql[] =
        "INSERT INTO uptime_span (facility, app, state, from_ms) VALUES ($1, $2, $3, $4)";
    const struct berth_value more[] = {
        berth_value_text(berth_app_state_name((enum berth_app_state)state)),
        berth_value_int(from_ms)};
    return run(txn, sql, track, more, 2, err);
}

static int move_span(struct berth_txn *txn, const struct uptime_change *change,
                     struct berth_error *err)
{
    static const char shorten[] = "UPDATE uptime_span SET to_ms = $4 WHERE facility = $1"
                                  " AND app = $2 AND from_ms = $3 AND to_ms = $5";
    static const char move[] = "UPDATE uptime_span SET from_ms = $4 WHERE facility = $1"
                               " AND app = $2 AND from_ms = $3 AND to_ms IS NULL";
    const struct uptime_track *track = change->track;
    const struct berth_value shorter[] = {berth_value_int(change->before_ms),
                                          berth_value_int(change->at_ms),
                                          berth_value_int(change->open_ms)};
    const struct berth_value moved[] = {berth_value_int(change->open_ms),
                                        berth_value_int(change->at_ms)};
    int status = change->before_ms < change->at_ms
                     ? run(txn, shorten, track, shorter, 3, err)
                     : delete_span(txn, track, change->before_ms, err);
    return status ? status : run(txn, move, track, moved, 2, err);
}

static int write_change(struct berth_txn *txn, const struct uptime_change *change,
                        struct berth_error *err)
{
    if (change->moved)
        return move_span(txn, change, err);
    int status = 0;
    if (change->open_ms != UPTIME_NEVER)
        status = end_span(txn, change->track, change->open_ms, change->at_ms, err);
    if (!status && change->state != UPTIME_NO_STATE)
        status = begin_span(txn, change->track, change->state, change->at_ms, err);
    return status;
}

/* Whether the changes of the facility are this gateway's to write: they are until the commit. */
static bool is_ours(struct batch *batch, struct uptime_facility *facility)
{
    char name[BERTH_UPTIME_HOLD_SIZE];
    if (!batch->uptime->is_shared)
        return true;
    if (batch->asked != facility) {
        berth_uptime_hold_name(facility, name, sizeof(name));
        facility->outrun = !berth_txn_holds(batch->txn, name);
        batch->asked = facility;
    }
    return !facility->outrun;
}

static bool write_mark(void *value, void *ctx)
{
    static const char sql[] = "INSERT INTO uptime_watermark (facility, at_ms) VALUES ($1, $2)"
                              " ON CONFLICT (facility) DO UPDATE SET at_ms = excluded.at_ms"
                              " WHERE excluded.at_ms > uptime_watermark.at_ms";
    struct uptime_facility *facility = value;
    struct batch *batch = ctx;
    if (facility->mark_ms == UPTIME_NEVER || !is_ours(batch, facility))
        return true;
    const struct berth_value values[] = {berth_value_text(facility->id),
                                         berth_value_int(facility->mark_ms)};
    batch->status = berth_txn_run(batch->txn, sql, values, 2, NULL, NULL, NULL, batch->err);
    return batch->status == 0;
}

static int write_batch(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct batch *batch = ctx;
    batch->txn = txn;
    batch->asked = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        const struct uptime_change *change = batch->changes[i];
        if (change->is_void || !is_ours(batch, change->track->facility))
            continue;
        int status = write_change(txn, change, err);
        if (status)
            return status;
    }
    batch->err = err;
    batch->status = 0;
    if (batch->marks)
        berth_uptime_walk(batch->facilities, write_mark, batch);
    return batch->status;
}

/* ---- Making a batch, and taking it off the queue; the caller holds the lock ---- */

/*
 * The watermark goes where contact is proven, once all that is known until
 * then is written: a facility with changes past the batch has to wait.
 */
static bool set_mark(void *value, void *ctx)
{
    struct uptime_facility *facility = value;
    struct batch *batch = ctx;
    bool due = facility->recording && (batch->sample || facility->batched > 0) &&
               facility->behind == 0 && facility->batched == facility->queued &&
               facility->alive_ms > facility->written_ms;
    facility->mark_ms = due ? facility->alive_ms : UPTIME_NEVER;
    batch->marks |= due;
    return true;
}

static void take_batch(struct berth_uptime *uptime, struct batch *batch)
{
    *batch = (struct batch){.uptime = uptime};
    struct uptime_change *change;
    STAILQ_FOREACH(change, &uptime->queue, link)
    {
        if (batch->count == BERTH_UPTIME_BATCH)
            break;
        change->track->facility->batched++;
        batch->changes[batch->count++] = change;
    }
    int64_t now_ms = berth_clock_monotonic_ms();
    batch->sample = uptime->closing || now_ms >= uptime->sample_ms;
    if (now_ms >= uptime->sample_ms)
        uptime->sample_ms = now_ms + uptime->interval_s * 1000;
    batch->facilities = berth_uptime_ref_facilities(uptime);
    berth_uptime_walk(batch->facilities, set_mark, batch);
}

static bool settle_mark(void *value, void *ctx)
{
    struct uptime_facility *facility = value;
    const int *status = ctx;
    if (*status == 0) {
        facility->queued -= facility->batched;
        if (facility->mark_ms != UPTIME_NEVER)
            facility->written_ms = facility->mark_ms;
    }
    facility->batched = 0;
    return true;
}

static void settle_batch(struct berth_uptime *uptime, struct batch *batch, int status)
{
    berth_uptime_walk(batch->facilities, settle_mark, &status);
    for (size_t i = 0; i < batch->count && status == 0; i++) {
        struct uptime_change *change = batch->changes[i];
        STAILQ_REMOVE_HEAD(&uptime->queue, link);
        berth_uptime_track_unref(change->track);
        free(change);
        uptime->queue_count--;
        uptime->written_seq++;
    }
}

static bool settle_recording(void *value, void *ctx)
{
    struct uptime_facility *facility = value;
    if (facility->outrun && facility->recording)
        berth_uptime_stop_recording(ctx, facility);
    facility->outrun = false;
    return true;
}

/* ---- The thread ---- */

static void note_result(struct berth_uptime *uptime, const struct batch *batch, int status,
                        const struct berth_error *err)
{
    if (status && !uptime->failing)
        berth_log_error(BERTH_LOG_WARNING, err, "uptime cannot be written, and is kept in memory");
    if (!status && uptime->failing)
        berth_log(BERTH_LOG_INFO, "uptime is written again");
    uptime->failing = status != 0;
    if (status) {
        int64_t now_ms = berth_clock_monotonic_ms();
        uptime->retry_ms = now_ms + BERTH_UPTIME_RETRY_MS;
        if (batch->sample)
            uptime->sample_ms = now_ms;
    }
    (void)pthread_cond_broadcast(&uptime->settled);
}

static void write_queue(struct berth_uptime *uptime, struct batch *batch)
{
    if (uptime->queue_count == 0)
        berth_uptime_catch_up(uptime);
    take_batch(uptime, batch);
    int status = 0;
    struct berth_error err = BERTH_ERROR_INIT;
    if (batch->count > 0 || batch->marks) {
        (void)pthread_mutex_unlock(&uptime->lock);
        status = berth_store_write(uptime->store, write_batch, batch, &err);
        (void)pthread_mutex_lock(&uptime->lock);
    }
    settle_batch(uptime, batch, status);
    berth_uptime_walk(batch->facilities, settle_recording, uptime);
    berth_uptime_unref_facilities(batch->facilities);
    if (batch->count > 0 || batch->marks)
        note_result(uptime, batch, status, &err);
    else if (!TAILQ_EMPTY(&uptime->behind)) /* no memory to catch up */
        uptime->retry_ms = berth_clock_monotonic_ms() + BERTH_UPTIME_RETRY_MS;
}

struct purge {
    int64_t before_ms;
    int64_t deleted;
};

static int delete_old(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] = "DELETE FROM uptime_span WHERE id IN"
                              " (SELECT id FROM uptime_span WHERE to_ms < $1"
                              " ORDER BY to_ms LIMIT $2)";
    struct purge *purge = ctx;
    const struct berth_value values[] = {berth_value_int(purge->before_ms),
                                         berth_value_int(BERTH_UPTIME_PURGE_ROWS)};
    return berth_txn_run(txn, sql, values, 2, NULL, NULL, &purge->deleted, err);
}

static void purge(struct berth_uptime *uptime)
{
    struct purge purge = {.before_ms =
                              berth_clock_wall_ns() / BERTH_NS_PER_MS - uptime->retention_ms};
    struct berth_error err = BERTH_ERROR_INIT;
    (void)pthread_mutex_unlock(&uptime->lock);
    int status = berth_store_write(uptime->store, delete_old, &purge, &err);
    (void)pthread_mutex_lock(&uptime->lock);
    if (status)
        berth_log_error(BERTH_LOG_WARNING, &err, "old uptime cannot be deleted");
    if (status || purge.deleted < BERTH_UPTIME_PURGE_ROWS)
        uptime->purge_ms = berth_clock_monotonic_ms() +
                           (status ? BERTH_UPTIME_PURGE_RETRY_MS : BERTH_UPTIME_PURGE_MS);
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When there is something to write, monotonic; the caller holds the lock. */
static int64_t due_ms(const struct berth_uptime *uptime)
{
    int64_t due = uptime->sample_ms;
    if (uptime->queue_count > 0 || !TAILQ_EMPTY(&uptime->behind)) {
        bool now = uptime->waiters > 0 || uptime->queue_count > BERTH_UPTIME_BATCH ||
                   !TAILQ_EMPTY(&uptime->behind);
        int64_t queue_due = now ? 0 : uptime->linger_ms;
        due = queue_due < due ? queue_due : due;
    }
    return due < uptime->retry_ms ? uptime->retry_ms : due;
}

void *berth_uptime_record(void *arg)
{
    struct berth_uptime *uptime = arg;
    struct batch batch;
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    while (!uptime->closing) {
        int64_t now_ms = berth_clock_monotonic_ms();
        int64_t due = due_ms(uptime);
        if (now_ms >= due)
            write_queue(uptime, &batch);
        else if (now_ms >= uptime->hold_ms)
            berth_uptime_look_at_holds(uptime);
        else if (now_ms >= uptime->purge_ms)
            purge(uptime);
        else
            (void)berth_cond_wait_until(&uptime->wake, &uptime->lock,
                                        earliest(due, earliest(uptime->hold_ms, uptime->purge_ms)));
    }
    do {
        write_queue(uptime, &batch);
    } while (!uptime->failing && (uptime->queue_count > 0 || !TAILQ_EMPTY(&uptime->behind)));
    return NULL;
}

/* ---- Waiting for it ---- */

bool berth_uptime_flush_locked(struct berth_uptime *uptime, const struct uptime_facility *facility)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + uptime->flush_ms;
    uint64_t seq = facility->last_seq;
    bool written = false, in_time = true;
    uptime->waiters++;
    (void)pthread_cond_signal(&uptime->wake);
    for (;;) {
        if (facility->behind > 0)
            seq = UINT64_MAX; /* what tracks that are behind have to say is not queued yet */
        else if (seq == UINT64_MAX)
            seq = facility->last_seq;
        written = uptime->written_seq >= seq;
        if (written || uptime->failing || !in_time)
            break;
        in_time = berth_cond_wait_until(&uptime->settled, &uptime->lock, deadline_ms);
    }
    uptime->waiters--;
    return written;
}
