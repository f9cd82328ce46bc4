/* SPDX-License-Identifier: MIT */
/*
 * The parts of the mirror, for facilities/mirror*.c and snapshot.c alone.
 *
 * Locks, in the order they may be taken:
 *   order_lock    writers: sink callbacks and the publishing half of refreshes.
 *                 Held while the observer is called, so that it hears of
 *                 changes in order; never across a question to the engine, and
 *                 never taken by readers.
 *   publish_lock  the pointer to the current snapshot and the state of
 *                 contact: held for a swap, or for a load and a reference.
 *   inspect.lock  the inspect bodies; never across a question to the engine.
 * publish_lock and inspect.lock are never held together.
 */
#ifndef BERTH_FACILITIES_MIRROR_INTERNAL_H
#define BERTH_FACILITIES_MIRROR_INTERNAL_H

#include "base/thread.h"
#include "facilities/mirror.h"

#include <sys/queue.h>

/* How long a reader waits for the very first listing, counted from the start of the mirror. */
#define BERTH_MIRROR_FIRST_LISTING_MS 5000
/* Readers' interest is passed on to the backend this often at most. */
#define BERTH_MIRROR_TOUCH_MS 250
/* Apps that are gone and remembered as such, so that a late answer does not bring them back. */
#define BERTH_MIRROR_TOMBSTONES 4096
/* Retry-After while contact is lost, seconds: the engine is found again within 2 s. */
#define BERTH_MIRROR_RETRY_AFTER_S 2
/* Inspect bodies kept per facility, bytes, and for how long after they were asked for. */
#define BERTH_INSPECT_CACHE_MAX (8U << 20)
#define BERTH_INSPECT_KEEP_MS   60000
/* Askers of one body past max_inflight leave after this long, so that a hung engine cannot take
 * all workers. */
#define BERTH_INSPECT_PATIENCE_MS 1000

/* ---- snapshot.c: the indexes of one version; the caller serialises changes of one index ---- */

struct berth_index {
    struct berth_pmap_node *by_name;
    struct berth_pmap_node *by_id;
    struct berth_pmap_node *by_age;
    struct berth_pmap_node *by_user_age;
};

void berth_index_release(struct berth_index *index);
BERTH_DEFINE_CLEANUP_VALUE(index, struct berth_index, berth_index_release)
struct berth_index berth_index_copy(const struct berth_index *index);
/* Borrowed, or NULL. */
struct berth_app *berth_index_find(const struct berth_index *index, const char *id);
/* Puts after in the place of before; either may be NULL. On failure the index is good for nothing
 * but release: changes are made on a copy. */
BERTH_MUST_CHECK int berth_index_change(struct berth_index *index, const struct berth_app *before,
                                        struct berth_app *after, struct berth_error *err);
/* Fills an empty index at the cost of sorting; apps (of different ids) are put in some order. On
 * failure as above. */
BERTH_MUST_CHECK int berth_index_build(struct berth_index *index, struct berth_app **apps,
                                       size_t count, struct berth_error *err);
/* In the order of the ids. */
void berth_index_walk(const struct berth_index *index, bool (*visit)(void *app, void *ctx),
                      void *ctx);

BERTH_MUST_CHECK int berth_snapshot_new(const struct berth_index *index,
                                        struct berth_image_list *images,
                                        struct berth_snapshot **ret_snapshot,
                                        struct berth_error *err);

/* ---- mirror_tickets.c: what is known of each app, and since which ticket ---- */

/*
 * Of an app without an entry, what is known is the last full listing: base.
 * Entries are kept for what was learned later, gone apps included; of those
 * the oldest are dropped past BERTH_MIRROR_TOMBSTONES, and floor is the latest
 * ticket dropped that way: an app nobody knows is refused up to it.
 * Guarded by order_lock.
 */
struct berth_ticket;
TAILQ_HEAD(berth_ticket_queue, berth_ticket);

struct berth_tickets {
    struct berth_pmap_node *entries;
    struct berth_ticket_queue gone; /* oldest first */
    size_t gone_count;
    uint64_t base;
    uint64_t floor;
};

void berth_tickets_init(struct berth_tickets *tickets);
void berth_tickets_release(struct berth_tickets *tickets);
/* The ticket of what is known of the app; present: the mirror holds it. */
uint64_t berth_tickets_of(const struct berth_tickets *tickets, const char *id, bool present);
/* Records that the app was seen (or is gone) at this ticket, or a later one known already. */
BERTH_MUST_CHECK int berth_tickets_put(struct berth_tickets *tickets, const char *id,
                                       uint64_t ticket, bool gone, struct berth_error *err);
/* A full listing was applied: forgets all that is not later. */
void berth_tickets_rebase(struct berth_tickets *tickets, uint64_t ticket);

/* ---- mirror_inspect.c ---- */

struct berth_inspect_entry;
struct berth_inspect_flight;
TAILQ_HEAD(berth_inspect_lru, berth_inspect_entry);
TAILQ_HEAD(berth_inspect_flights, berth_inspect_flight);

struct berth_inspect_cache {
    pthread_mutex_t lock; /* guards all below */
    struct berth_pmap_node *entries;
    struct berth_inspect_lru lru; /* asked for last first */
    size_t bytes;
    struct berth_inspect_flights flights; /* questions whose answer is still good */
    unsigned waiting;                     /* threads waiting for another's question */
    bool keeping;                         /* there is contact, so changes will be told */
};

void berth_inspect_cache_init(struct berth_inspect_cache *cache);
void berth_inspect_cache_release(struct berth_inspect_cache *cache);
/* The app changed: its body, and an answer under way, are old. */
void berth_inspect_cache_drop(struct berth_inspect_cache *cache, const char *id);
/* All bodies are old; whether bodies may be kept from now on. */
void berth_inspect_cache_reset(struct berth_inspect_cache *cache, bool keeping);
/* Drops what nobody asked for in the minute before now_ms (monotonic). */
void berth_inspect_cache_expire(struct berth_inspect_cache *cache, int64_t now_ms);

/* ---- mirror.c ---- */

struct berth_mirror {
    struct berth_backend *backend;
    struct berth_mirror_observer observer; /* any of its functions may be NULL */
    struct berth_watch_sink sink;
    uint64_t epoch;
    int64_t opened_ms;  /* monotonic */
    uint64_t tickets;   /* atomic: the last one drawn */
    int64_t touched_ms; /* atomic; monotonic */

    pthread_mutex_t order_lock;
    /* Guarded by order_lock: */
    struct berth_index index; /* the working version: what the next snapshot will hold */
    struct berth_image_list *images;
    uint64_t images_ticket;
    struct berth_tickets known;
    uint64_t sequence;
    bool contact;      /* a full listing, and what changed since, is known */
    int64_t listed_ns; /* wall; the last full listing */
    int64_t alive_ns;  /* wall; last proof of contact */
    uint64_t missed;   /* the last ticket that could not be taken in, 0: none; read by all */

    pthread_mutex_t catch_up_lock; /* whoever holds it asks for what was missed */

    pthread_mutex_t publish_lock;
    pthread_cond_t told; /* the first listing has come, or contact is lost */
    /* Guarded by publish_lock: */
    struct berth_snapshot *current; /* NULL before the first listing; written under both locks */
    struct berth_error why;         /* of the last loss of contact; status 0: none yet */

    struct berth_inspect_cache inspect;
};

/* ---- mirror_equal.c ---- */

bool berth_mirror_apps_equal(const struct berth_app *a, const struct berth_app *b);
bool berth_mirror_images_equal(const struct berth_image_list *a, const struct berth_image_list *b);

/* ---- mirror_apply.c: what was learned becomes the next snapshot. The caller holds order_lock;
 * NOMEM leaves all as it was. ---- */

BERTH_MUST_CHECK int berth_mirror_apply_app(struct berth_mirror *mirror, uint64_t ticket,
                                            struct berth_app *app, struct berth_error *err);
/* certain: an event told so, whatever the ticket; else an answer that did not have it. */
BERTH_MUST_CHECK int berth_mirror_apply_gone(struct berth_mirror *mirror, uint64_t ticket,
                                             const char *id, bool certain, int64_t at_ns,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_mirror_apply_listing(struct berth_mirror *mirror, uint64_t ticket,
                                                const struct berth_app_list *apps, int64_t as_of_ns,
                                                struct berth_error *err);
BERTH_MUST_CHECK int berth_mirror_apply_images(struct berth_mirror *mirror, uint64_t ticket,
                                               struct berth_image_list *images,
                                               struct berth_error *err);
/* The row will follow: its inspect body is old already. */
void berth_mirror_apply_changed(struct berth_mirror *mirror, const char *id,
                                enum berth_app_state state, int64_t at_ns);
void berth_mirror_apply_alive(struct berth_mirror *mirror, int64_t at_ns);
void berth_mirror_apply_lost(struct berth_mirror *mirror, const struct berth_error *why,
                             int64_t last_alive_ns);

#endif
