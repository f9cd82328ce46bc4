/* SPDX-License-Identifier: MIT */
/*
 * A fixed table of slots chosen by a hash of (kind, facility, view): a newer
 * answer of the same key takes the place of the older, and so may one of
 * another key, which costs that one a rendering and nothing else.
 */
#include "gateway/body_cache.h"

#include "base/limits.h"
#include "base/thread.h"

#include <string.h>

#define SLOTS    512 /* power of two: two kinds for 256 callers without much crowding */
#define VIEW_MAX 64  /* bytes of a user's name or of an app's id */

struct slot {
    pthread_mutex_t lock; /* guards all below */
    const char *kind;     /* a literal */
    char facility[BERTH_FACILITY_ID_MAX + 1];
    char view[VIEW_MAX + 1];
    uint64_t epoch;
    uint64_t sequence;
    int64_t valid_until_ns;
    struct berth_body *body;
};

struct berth_body_cache {
    struct slot slots[SLOTS];
};

int berth_body_cache_new(struct berth_body_cache **ret_cache, struct berth_error *err)
{
    struct berth_body_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return berth_error_nomem(err);
    for (size_t i = 0; i < SLOTS; i++)
        (void)pthread_mutex_init(&cache->slots[i].lock, NULL);
    *ret_cache = cache;
    return 0;
}

void berth_body_cache_free(struct berth_body_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        berth_body_unref(cache->slots[i].body);
        (void)pthread_mutex_destroy(&cache->slots[i].lock);
    }
    free(cache);
}

static uint64_t add_to_hash(uint64_t hash, const char *text) /* FNV-1a, the end included */
{
    do
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    while (*text++);
    return hash;
}

static struct slot *find_slot(struct berth_body_cache *cache, const struct berth_body_key *key)
{
    uint64_t hash = add_to_hash(UINT64_C(14695981039346656037), key->kind);
    hash = add_to_hash(hash, key->facility);
    hash = add_to_hash(hash, key->view);
    return &cache->slots[(hash ^ hash >> 32) % SLOTS];
}

static bool is_of(const struct slot *slot, const struct berth_body_key *key)
{
    return slot->body && strcmp(slot->kind, key->kind) == 0 &&
           strcmp(slot->facility, key->facility) == 0 && strcmp(slot->view, key->view) == 0;
}

struct berth_body *berth_body_cache_get(struct berth_body_cache *cache,
                                        const struct berth_body_key *key, int64_t now_ns)
{
    struct slot *slot = find_slot(cache, key);
    BERTH_LOCK_SCOPE(lock, &slot->lock);
    if (!is_of(slot, key) || slot->epoch != key->epoch || slot->sequence != key->sequence ||
        now_ns >= slot->valid_until_ns)
        return NULL;
    return berth_body_ref(slot->body);
}

void berth_body_cache_put(struct berth_body_cache *cache, const struct berth_body_key *key,
                          struct berth_body *body, int64_t valid_until_ns)
{
    size_t facility_len = strlen(key->facility);
    size_t view_len = strlen(key->view);
    if (facility_len > BERTH_FACILITY_ID_MAX || view_len > VIEW_MAX)
        return; /* not cut: a key stands for one view alone */
    struct slot *slot = find_slot(cache, key);
    struct berth_body *old;
    {
        BERTH_LOCK_SCOPE(lock, &slot->lock);
        /* A slower thread must not put back an answer from before. */
        if (is_of(slot, key) && slot->epoch == key->epoch && slot->sequence > key->sequence)
            return;
        old = slot->body;
        slot->kind = key->kind;
        memcpy(slot->facility, key->facility, facility_len + 1);
        memcpy(slot->view, key->view, view_len + 1);
        slot->epoch = key->epoch;
        slot->sequence = key->sequence;
        slot->valid_until_ns = valid_until_ns;
        slot->body = berth_body_ref(body);
    }
    berth_body_unref(old);
}
