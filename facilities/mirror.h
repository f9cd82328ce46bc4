/* SPDX-License-Identifier: MIT */
/*
 * The mirror of one facility: what the backend holds, in memory, so that reads
 * never touch the engine. It is fed by the backend's watch and by refreshes
 * after berth's own changes, and publishes immutable snapshots.
 *
 * Guarantees: a read after an answered change shows its result (the change
 * calls berth_mirror_refresh before it is answered); what happens behind
 * berth's back shows as soon as the backend tells; while contact is lost,
 * snapshots are refused with BERTH_E_UNREACHABLE and retry_after_s, or given
 * as stale where the caller allows it.
 *
 * Ordering: whoever asks the backend draws a ticket first; what was learned
 * with an older ticket than is already known of an app is ignored, and what
 * is gone does not come back.
 *
 * Cost: a change is O(log n) in the number of apps (persistent maps), taking a
 * snapshot is O(1).
 *
 * Threading: all functions from any thread. A snapshot is immutable. The
 * observer is called in order, from one thread at a time, without locks that
 * readers need.
 */
#ifndef BERTH_FACILITIES_MIRROR_H
#define BERTH_FACILITIES_MIRROR_H

#include "backends/backend.h"
#include "base/body.h"
#include "base/pmap.h"

struct berth_mirror;

/* One version of what a facility holds. */
struct berth_snapshot {
    unsigned refs;                       /* atomic */
    uint64_t epoch;                      /* random per start of the gateway */
    uint64_t sequence;                   /* number of the last change that is in it */
    struct berth_pmap_node *by_name;     /* (name, id) */
    struct berth_pmap_node *by_id;       /* engine id */
    struct berth_pmap_node *by_age;      /* newest first, as docker lists */
    struct berth_pmap_node *by_user_age; /* (user, newest first) */
    struct berth_image_list *images;     /* never NULL */
    bool stale;                          /* contact is lost: this is what held at as_of_ns */
    int64_t as_of_ns;                    /* wall; last proof of contact */
};

/*
 * Who wants to know of changes: the uptime sampler, the watch endpoint. Must
 * not block. Each change of an app, each loss of contact and each listing that
 * ends one has a sequence number of its own, growing.
 */
struct berth_mirror_observer {
    void *ctx;
    /* The whole state, after the first listing and after each reconnect. */
    void (*listing)(void *ctx, struct berth_snapshot *snapshot, int64_t as_of_ns);
    /* before is NULL for a new app, after is NULL for one that is gone. */
    void (*app)(void *ctx, uint64_t sequence, const struct berth_app *before,
                const struct berth_app *after, int64_t at_ns);
    /* An exact change of state told by the engine. */
    void (*changed)(void *ctx, const struct berth_app *app, enum berth_app_state state,
                    int64_t at_ns);
    void (*alive)(void *ctx, int64_t at_ns);
    void (*lost)(void *ctx, uint64_t sequence, const struct berth_error *why,
                 int64_t last_alive_ns);
    /* All up to this number has been told; snapshots of it are there to take. */
    void (*told)(void *ctx, uint64_t sequence);
};

/* Starts mirroring; returns before the first listing. backend outlives it; observer is copied, and
 * it or any of its functions may be NULL. */
BERTH_MUST_CHECK int berth_mirror_open(struct berth_backend *backend,
                                       const struct berth_mirror_observer *observer,
                                       struct berth_mirror **ret_mirror, struct berth_error *err);
/* Call after berth_backend_close (which ends the callbacks). */
void berth_mirror_free(struct berth_mirror *mirror);
BERTH_DEFINE_CLEANUP(mirror, struct berth_mirror *, berth_mirror_free)

/*
 * The current snapshot, a reference of the caller's. Waits up to 2 s for the
 * very first listing. BERTH_E_UNREACHABLE with the reason while contact is
 * lost, unless allow_stale and there ever was a listing.
 */
BERTH_MUST_CHECK int berth_mirror_snapshot(struct berth_mirror *mirror, bool allow_stale,
                                           struct berth_snapshot **ret_snapshot,
                                           struct berth_error *err);

struct berth_snapshot *berth_snapshot_ref(struct berth_snapshot *snapshot);
void berth_snapshot_unref(struct berth_snapshot *snapshot);
BERTH_DEFINE_CLEANUP(snapshot, struct berth_snapshot *, berth_snapshot_unref)

/* Borrowed while the snapshot is held; NULL if there is none. O(log n). */
const struct berth_app *berth_snapshot_find(const struct berth_snapshot *snapshot,
                                            const char *name);

/* All apps, or those of one user, newest first, until visit returns false. */
void berth_snapshot_walk(const struct berth_snapshot *snapshot, const char *user,
                         bool (*visit)(const struct berth_app *app, void *ctx), void *ctx);

/* All apps, each user's together, users in order of their names. */
void berth_snapshot_walk_by_user(const struct berth_snapshot *snapshot,
                                 bool (*visit)(const struct berth_app *app, void *ctx), void *ctx);

/* All apps in order of their names, from the first that is not before that one. */
void berth_snapshot_walk_by_name(const struct berth_snapshot *snapshot, const char *from,
                                 bool (*visit)(const struct berth_app *app, void *ctx), void *ctx);

/* How many apps the user has; O(apps of that user). */
size_t berth_snapshot_count_user(const struct berth_snapshot *snapshot, const char *user);

/*
 * Asks the backend about one app and publishes what it says (gone included),
 * so that the caller's next read shows it.
 */
BERTH_MUST_CHECK int berth_mirror_refresh(struct berth_mirror *mirror, const char *id,
                                          struct berth_error *err);
BERTH_MUST_CHECK int berth_mirror_refresh_images(struct berth_mirror *mirror,
                                                 struct berth_error *err);

/*
 * The inspect object of an app, the engine's bytes. Kept for apps asked about
 * in the last minute, and dropped when the app changes. fresh asks the engine.
 * *ret_body is a reference of the caller's.
 */
BERTH_MUST_CHECK int berth_mirror_inspect(struct berth_mirror *mirror, const struct berth_app *app,
                                          bool fresh, struct berth_body **ret_body,
                                          struct berth_error *err);

/* Draws the next sequence number for a change that is not the mirror's own, and tells of it in its
 * turn among what the observer hears; tell must not block. */
void berth_mirror_number(struct berth_mirror *mirror, void (*tell)(void *ctx, uint64_t sequence),
                         void *ctx);

/* Somebody is reading: a loss of contact must be noticed soon. Cheap. */
void berth_mirror_touch(struct berth_mirror *mirror);

/* Random, of this mirror: what tells its sequence numbers from those of another. */
uint64_t berth_mirror_epoch(const struct berth_mirror *mirror);

/* The state of contact, for /readyz: 0, or the error the last loss had. */
BERTH_MUST_CHECK int berth_mirror_status(struct berth_mirror *mirror, struct berth_error *err);

#endif
