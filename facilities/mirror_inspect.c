/* SPDX-License-Identifier: MIT */
/*
 * Inspect bodies. Threads that ask for the same app share one question
 * (a flight). When the app changes meanwhile, the flight is detached: those
 * who asked before the change get its answer, nobody later does, and it is
 * not kept.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "facilities/mirror_internal.h"

#include <string.h>

struct berth_inspect_entry {
    unsigned refs; /* guarded by the cache's lock, as all here */
    struct berth_body *body;
    int64_t asked_ms;
    TAILQ_ENTRY(berth_inspect_entry) link;
    char id[];
};

struct berth_inspect_flight {
    unsigned refs; /* threads that hold it */
    bool attached; /* in the cache's list: no change came since it began */
    bool done;
    int status;
    pthread_cond_t landed;
    struct berth_body *body; /* when done and status is 0 */
    struct berth_error err;  /* when done and status is not 0 */
    TAILQ_ENTRY(berth_inspect_flight) link;
    const char *id; /* the leader's, while attached */
};

/* ---- Kept bodies, by id; the caller holds the lock ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct berth_inspect_entry *)a)->id,
                  ((const struct berth_inspect_entry *)b)->id);
}

static int compare_key(const void *key, const void *value)
{
    return strcmp(key, ((const struct berth_inspect_entry *)value)->id);
}

static void ref(void *value)
{
    ((struct berth_inspect_entry *)value)->refs++;
}

static void unref(void *value)
{
    struct berth_inspect_entry *entry = value;
    if (--entry->refs > 0)
        return;
    berth_body_unref(entry->body);
    free(entry);
}

static const struct berth_pmap_type entry_type = {
    .compare = compare, .compare_key = compare_key, .ref = ref, .unref = unref};

static size_t entry_bytes(const struct berth_inspect_entry *entry)
{
    return sizeof(*entry) + sizeof(*entry->body) + entry->body->len;
}

static void forget(struct berth_inspect_cache *cache, struct berth_inspect_entry *entry)
{
    TAILQ_REMOVE(&cache->lru, entry, link);
    cache->bytes -= entry_bytes(entry);
    /* Without memory to take it out of the map, it stays there without its body. */
    berth_body_unref(berth_steal(&entry->body));
    struct berth_pmap_node *entries;
    if (berth_pmap_remove(&entry_type, cache->entries, entry->id, &entries, NULL))
        return;
    berth_pmap_unref(&entry_type, cache->entries);
    cache->entries = entries;
}

static struct berth_inspect_entry *find_kept(struct berth_inspect_cache *cache, const char *id)
{
    struct berth_inspect_entry *entry = berth_pmap_find(&entry_type, cache->entries, id);
    return entry && entry->body ? entry : NULL;
}

/* Keeping is a service, not a duty: without memory the next asker asks the engine. */
static void keep(struct berth_inspect_cache *cache, const char *id, struct berth_body *body)
{
    struct berth_inspect_entry *old = find_kept(cache, id);
    if (old)
        forget(cache, old);
    size_t id_bytes = strlen(id) + 1;
    struct berth_inspect_entry *entry = malloc(sizeof(*entry) + id_bytes);
    if (!entry)
        return;
    entry->refs = 1;
    entry->body = berth_body_ref(body);
    entry->asked_ms = berth_clock_monotonic_ms();
    memcpy(entry->id, id, id_bytes);
    struct berth_pmap_node *entries;
    if (entry_bytes(entry) <= BERTH_INSPECT_CACHE_MAX &&
        !berth_pmap_put(&entry_type, cache->entries, entry, &entries, NULL)) {
        berth_pmap_unref(&entry_type, cache->entries);
        cache->entries = entries;
        TAILQ_INSERT_HEAD(&cache->lru, entry, link);
        cache->bytes += entry_bytes(entry);
    }
    unref(entry);
    while (cache->bytes > BERTH_INSPECT_CACHE_MAX)
        forget(cache, TAILQ_LAST(&cache->lru, berth_inspect_lru));
}

/* ---- Flights; the caller holds the lock ---- */

static void flight_unref(struct berth_inspect_flight *flight)
{
    if (--flight->refs > 0)
        return;
    berth_body_unref(flight->body);
    (void)pthread_cond_destroy(&flight->landed);
    free(flight);
}

static void detach(struct berth_inspect_cache *cache, struct berth_inspect_flight *flight)
{
    TAILQ_REMOVE(&cache->flights, flight, link);
    flight->attached = false;
}

static struct berth_inspect_flight *find_flight(struct berth_inspect_cache *cache, const char *id)
{
    struct berth_inspect_flight *flight;
    TAILQ_FOREACH(flight, &cache->flights, link)
    if (strcmp(flight->id, id) == 0)
        return flight;
    return NULL;
}

static struct berth_inspect_flight *flight_new(struct berth_inspect_cache *cache, const char *id)
{
    struct berth_inspect_flight *flight = calloc(1, sizeof(*flight));
    if (!flight)
        return NULL;
    flight->refs = 1;
    flight->attached = true;
    flight->id = id;
    berth_cond_init(&flight->landed);
    TAILQ_INSERT_HEAD(&cache->flights, flight, link);
    return flight;
}

static void drop(struct berth_inspect_cache *cache, const char *id)
{
    struct berth_inspect_entry *entry = find_kept(cache, id);
    if (entry)
        forget(cache, entry);
    struct berth_inspect_flight *flight = find_flight(cache, id);
    if (flight)
        detach(cache, flight);
}

/* ---- The cache ---- */

void berth_inspect_cache_init(struct berth_inspect_cache *cache)
{
    (void)pthread_mutex_init(&cache->lock, NULL);
    TAILQ_INIT(&cache->lru);
    TAILQ_INIT(&cache->flights);
}

static void forget_all(struct berth_inspect_cache *cache)
{
    struct berth_inspect_entry *entry;
    TAILQ_FOREACH(entry, &cache->lru, link)
    berth_body_unref(berth_steal(&entry->body));
    TAILQ_INIT(&cache->lru);
    cache->bytes = 0;
    berth_pmap_unref(&entry_type, berth_steal(&cache->entries));
}

void berth_inspect_cache_release(struct berth_inspect_cache *cache)
{
    forget_all(cache);
    (void)pthread_mutex_destroy(&cache->lock);
}

void berth_inspect_cache_drop(struct berth_inspect_cache *cache, const char *id)
{
    BERTH_LOCK_SCOPE(guard, &cache->lock);
    drop(cache, id);
}

void berth_inspect_cache_reset(struct berth_inspect_cache *cache, bool keeping)
{
    BERTH_LOCK_SCOPE(guard, &cache->lock);
    forget_all(cache);
    while (!TAILQ_EMPTY(&cache->flights))
        detach(cache, TAILQ_FIRST(&cache->flights));
    cache->keeping = keeping;
}

void berth_inspect_cache_expire(struct berth_inspect_cache *cache, int64_t now_ms)
{
    BERTH_LOCK_SCOPE(guard, &cache->lock);
    struct berth_inspect_entry *last;
    while ((last = TAILQ_LAST(&cache->lru, berth_inspect_lru)) &&
           last->asked_ms < now_ms - BERTH_INSPECT_KEEP_MS)
        forget(cache, last);
}

/* ---- Asking ---- */

static int ask(struct berth_mirror *mirror, const char *id, struct berth_body **ret_body,
               struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BERTH_ENGINE_ANSWER_MAX);
    int status = berth_backend_inspect(mirror->backend, id, &body, err);
    if (!status)
        status = berth_strbuf_check(&body, err);
    if (!status)
        status = berth_body_new(&body, ret_body, err);
    return status;
}

/* The result of a flight that has landed. */
static int flight_result(struct berth_inspect_flight *flight, struct berth_body **ret_body,
                         struct berth_error *err)
{
    if (flight->status) {
        if (err)
            *err = flight->err;
        return flight->status;
    }
    *ret_body = berth_body_ref(flight->body);
    return 0;
}

/* Asks the engine for all who join; the lock is held, but not while asking. */
static int lead(struct berth_mirror *mirror, const char *id, struct berth_body **ret_body,
                struct berth_error *err)
{
    struct berth_inspect_cache *cache = &mirror->inspect;
    struct berth_inspect_flight *flight = flight_new(cache, id);
    if (!flight)
        return berth_error_nomem(err);
    (void)pthread_mutex_unlock(&cache->lock);
    struct berth_body *body = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    int status = ask(mirror, id, &body, &why);
    (void)pthread_mutex_lock(&cache->lock);
    flight->done = true;
    flight->status = status;
    flight->body = body;
    flight->err = why;
    if (flight->attached) {
        detach(cache, flight);
        if (!status && cache->keeping)
            keep(cache, id, body);
    }
    (void)pthread_cond_broadcast(&flight->landed);
    status = flight_result(flight, ret_body, err);
    flight_unref(flight);
    return status;
}

static int join(struct berth_mirror *mirror, struct berth_inspect_flight *flight,
                struct berth_body **ret_body, struct berth_error *err)
{
    struct berth_inspect_cache *cache = &mirror->inspect;
    bool patient = cache->waiting < mirror->backend->max_inflight;
    int64_t deadline_ms = berth_clock_monotonic_ms() + BERTH_INSPECT_PATIENCE_MS;
    flight->refs++;
    cache->waiting++;
    while (!flight->done) {
        if (patient)
            (void)pthread_cond_wait(&flight->landed, &cache->lock);
        else if (!berth_cond_wait_until(&flight->landed, &cache->lock, deadline_ms))
            break;
    }
    cache->waiting--;
    int status;
    if (flight->done) {
        status = flight_result(flight, ret_body, err);
    } else {
        status = berth_error_set(err, BERTH_E_BUSY, "too many requests are waiting for the engine");
        if (err)
            err->retry_after_s = BERTH_MIRROR_RETRY_AFTER_S;
    }
    flight_unref(flight);
    return status;
}

int berth_mirror_inspect(struct berth_mirror *mirror, const struct berth_app *app, bool fresh,
                         struct berth_body **ret_body, struct berth_error *err)
{
    struct berth_inspect_cache *cache = &mirror->inspect;
    BERTH_LOCK_SCOPE(guard, &cache->lock);
    if (fresh) {
        drop(cache, app->id);
        return lead(mirror, app->id, ret_body, err);
    }
    struct berth_inspect_entry *kept = find_kept(cache, app->id);
    if (kept) {
        kept->asked_ms = berth_clock_monotonic_ms();
        TAILQ_REMOVE(&cache->lru, kept, link);
        TAILQ_INSERT_HEAD(&cache->lru, kept, link);
        *ret_body = berth_body_ref(kept->body);
        return 0;
    }
    struct berth_inspect_flight *flight = find_flight(cache, app->id);
    return flight ? join(mirror, flight, ret_body, err) : lead(mirror, app->id, ret_body, err);
}
