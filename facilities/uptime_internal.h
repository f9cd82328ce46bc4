/* SPDX-License-Identifier: MIT */
/*
 * The parts of the uptime recorder, for facilities/uptime*.c alone.
 *
 * What is observed changes the tracks in memory at once and becomes an entry
 * of the queue, which the recorder's thread writes in batches. When the store
 * cannot write and the queue is full, a track turns `behind`: of it only the
 * end of the last state that was queued and the present state are kept, and
 * both are queued when there is room again. What lies between becomes a gap.
 *
 * All times are wall milliseconds since 1970 unless a name says otherwise.
 */
#ifndef BERTH_FACILITIES_UPTIME_INTERNAL_H
#define BERTH_FACILITIES_UPTIME_INTERNAL_H

#include "base/limits.h"
#include "base/pmap.h"
#include "base/thread.h"
#include "facilities/uptime.h"

#include <sys/queue.h>

/* Changes that wait to be written, at most. */
#define BERTH_UPTIME_QUEUE_MAX 65536
/* Changes written in one transaction, so that other writers get their turn. */
#define BERTH_UPTIME_BATCH 1000
/* How long a change waits for others to share its transaction, while nobody asks. */
#define BERTH_UPTIME_LINGER_MS 100
/* Between attempts while the store cannot write. */
#define BERTH_UPTIME_RETRY_MS 1000
/* How long a summary waits for what was observed before it to be written. */
#define BERTH_UPTIME_FLUSH_MS 2000
/* How often it is tried to record what another gateway on the store records. */
#define BERTH_UPTIME_HOLD_MS 2000
/* Of the name of what is held, with NUL. */
#define BERTH_UPTIME_HOLD_SIZE (BERTH_FACILITY_ID_MAX + 16)
/* Rows deleted in one transaction when they are past the retention, and how often that is done. */
#define BERTH_UPTIME_PURGE_ROWS     500
#define BERTH_UPTIME_PURGE_MS       INT64_C(86400000)
#define BERTH_UPTIME_PURGE_RETRY_MS INT64_C(600000)

/* There is no such app (beside the states of enum berth_app_state). */
#define UPTIME_NO_STATE (-1)
#define UPTIME_NEVER    INT64_C(-1)

/* One app of a facility. Guarded by the recorder's lock; name and facility never change. */
struct uptime_track {
    unsigned refs;
    int state;          /* what it is now */
    int64_t from_ms;    /* since when */
    int64_t stored_ms;  /* where the span begins that is open once the queue is written, or NEVER */
    int64_t before_ms;  /* where the span before it begins, which ends where it begins, or NEVER */
    int64_t behind_ms;  /* until when the queue knows the track; NEVER: it knows all */
    int earlier_state;  /* what it was before, while another gateway records, */
    int64_t earlier_ms; /* and since when */
    struct uptime_facility *facility;
    TAILQ_ENTRY(uptime_track) link; /* while behind */
    char name[];
};

struct uptime_facility {
    unsigned refs;
    struct berth_pmap_node *tracks; /* by name */
    int64_t alive_ms;               /* what is open is known to hold until then */
    int64_t written_ms;             /* the watermark in the store */
    size_t queued;                  /* its changes in the queue */
    size_t behind;                  /* its tracks that are behind */
    uint64_t last_seq;              /* of the last change queued */
    bool followed;                  /* what is observed comes here */
    bool recording;                 /* and is written; false: another gateway does that */
    bool outrun;                    /* another has begun to; the thread's own */
    size_t batched;                 /* of the batch being written; the thread's own */
    int64_t mark_ms;                /* the watermark being written, or NEVER; the thread's own */
    char id[];
};

/* One change on its way to the store. */
struct uptime_change {
    STAILQ_ENTRY(uptime_change) link;
    struct uptime_track *track;
    bool is_void;      /* another gateway records by now */
    bool moved;        /* the open span begins at at_ms already, not at open_ms */
    int state;         /* what begins at at_ms, or NO_STATE */
    int64_t at_ms;     /* what is open ends here */
    int64_t open_ms;   /* where the open span begins, or NEVER */
    int64_t before_ms; /* of a move: where the span before begins */
};

STAILQ_HEAD(uptime_queue, uptime_change);
TAILQ_HEAD(uptime_behind, uptime_track);

struct berth_uptime {
    struct berth_store *store;
    bool is_shared; /* other gateways may record */
    pthread_t thread;

    pthread_mutex_t lock;   /* guards all below; never held while the store is asked */
    pthread_cond_t wake;    /* there is work for the thread */
    pthread_cond_t settled; /* something was written, or could not be */
    int64_t interval_s;
    int64_t retention_ms;
    int64_t flush_ms; /* BERTH_UPTIME_FLUSH_MS, unless a test has more patience */
    struct berth_pmap_node *facilities;
    struct uptime_queue queue;
    size_t queue_count;
    struct uptime_behind behind;
    uint64_t queued_seq;  /* of the last change queued */
    uint64_t written_seq; /* of the last change written */
    unsigned waiters;
    bool failing; /* the last write failed */
    bool closing;
    int64_t linger_ms; /* monotonic, as those below: the queue is due */
    int64_t retry_ms;
    int64_t sample_ms;
    int64_t purge_ms;
    int64_t hold_ms; /* who records what is looked at */
};

/* ---- uptime.c; the caller holds the lock ---- */

/* Borrowed, or NULL. */
struct uptime_facility *berth_uptime_find(const struct berth_uptime *uptime, const char *facility);
struct uptime_track *berth_uptime_find_track(const struct uptime_facility *facility,
                                             const char *app);
/* Made where there is none; NULL without memory. */
struct uptime_track *berth_uptime_get_track(struct uptime_facility *facility, const char *name);
void berth_uptime_track_unref(void *value);
/* What is open ends at at_ms, and state begins; false when there is no room or no memory. */
bool berth_uptime_push_state(struct berth_uptime *uptime, struct uptime_track *track, int state,
                             int64_t at_ms);
void berth_uptime_fall_behind(struct berth_uptime *uptime, struct uptime_track *track,
                              int64_t at_ms);
void berth_uptime_walk_tracks(const struct uptime_facility *facility,
                              bool (*visit)(void *track, void *ctx), void *ctx);
/* Queues what tracks that are behind have to say, as far as there is room and memory. */
void berth_uptime_catch_up(struct berth_uptime *uptime);
/* For each facility, in the order of ids. */
void berth_uptime_walk(struct berth_pmap_node *facilities, bool (*visit)(void *facility, void *ctx),
                       void *ctx);
struct berth_pmap_node *berth_uptime_ref_facilities(const struct berth_uptime *uptime);
void berth_uptime_unref_facilities(struct berth_pmap_node *facilities);

/* ---- uptime_spans.c ---- */

struct uptime_span {
    int64_t from_ms;
    int64_t to_ms; /* it holds until then; of one that is open, the last moment known */
    bool open;
    enum berth_app_state state;
};

struct uptime_query {
    const char *facility;
    const char *app;
    int64_t since_ms;
    int64_t now_ms;
    int64_t alive_ms; /* what is open holds until then; NEVER: until the watermark */
    bool is_recorder; /* what was observed here is in the store */
    struct uptime_span *spans;
    size_t count;
    size_t size;
};

void berth_uptime_query_release(struct uptime_query *query);
BERTH_DEFINE_CLEANUP_VALUE(uptime_query, struct uptime_query, berth_uptime_query_release)

BERTH_MUST_CHECK int berth_uptime_add_span(struct uptime_query *query,
                                           const struct uptime_span *span, struct berth_error *err);

/* A job of the store; ctx is a struct uptime_query. Fills spans with all that reach into [since_ms,
 * now_ms], oldest first, and perhaps one that ends before. */
int berth_uptime_read_spans(struct berth_txn *txn, void *ctx, struct berth_error *err);

/* Waits until what was observed of the query's facility is written, and sets what the query says of
 * what was: alive_ms and is_recorder. */
void berth_uptime_settle(struct berth_uptime *uptime, struct uptime_query *query);

/* ---- uptime_takeover.c ---- */

void berth_uptime_hold_name(const struct uptime_facility *facility, char *name, size_t size);
/* Within a job; *ret_mark_ms stays where there is none. */
BERTH_MUST_CHECK int berth_uptime_read_mark(struct berth_txn *txn, const char *facility,
                                            int64_t *ret_mark_ms, struct berth_error *err);
/* Begins to record what no other gateway does, and lets go of what is not followed any more. On the
 * thread; the caller holds the lock, which is free now and then. */
void berth_uptime_look_at_holds(struct berth_uptime *uptime);
/* Another gateway has begun: what is not written is that one's. The caller holds the lock. */
void berth_uptime_stop_recording(struct berth_uptime *uptime, struct uptime_facility *facility);
/* Adds what is known here of the app, where another gateway records. */
BERTH_MUST_CHECK int berth_uptime_add_live(struct berth_uptime *uptime, struct uptime_query *query,
                                           struct berth_error *err);

/* ---- uptime_summary.c ---- */

int64_t berth_uptime_window_ms(enum berth_uptime_window window);

/* ---- uptime_recorder.c ---- */

void *berth_uptime_record(void *arg);
/* Waits until what was observed of the facility is written; false if it cannot be, or takes too
 * long. */
bool berth_uptime_flush_locked(struct berth_uptime *uptime, const struct uptime_facility *facility);

#endif
