/* SPDX-License-Identifier: MIT */
#include "gateway/rate_limit.h"

#include "base/clock.h"
#include "base/thread.h"
#include "facilities/keyed_hash.h"

#include <string.h>

#define SETS 1024
#define WAYS 8

struct bucket {
    unsigned char key[16];
    int64_t full_ns; /* when it is full again; 0: never used */
};

struct berth_rate_limit {
    struct berth_keyed_hash *hash;
    unsigned is_bounded; /* atomic */
    pthread_mutex_t mutex;
    int64_t burst;       /* guarded by mutex, as all below */
    int64_t interval_ns; /* in which one request comes back */
    int64_t burst_ns;    /* in which all do */
    struct bucket buckets[SETS][WAYS];
};

/* The caller holds the mutex, or is alone. */
static void set_bounds(struct berth_rate_limit *limit, int64_t requests_per_second, int64_t burst)
{
    limit->burst = burst;
    limit->interval_ns = requests_per_second > 0 ? BERTH_NS_PER_S / requests_per_second : 0;
    limit->burst_ns = limit->interval_ns * burst;
    __atomic_store_n(&limit->is_bounded, requests_per_second > 0, __ATOMIC_RELAXED);
}

void berth_rate_limit_set(struct berth_rate_limit *limit, int64_t requests_per_second,
                          int64_t burst)
{
    BERTH_LOCK_SCOPE(lock, &limit->mutex);
    set_bounds(limit, requests_per_second, burst);
    memset(limit->buckets, 0, sizeof(limit->buckets));
}

int berth_rate_limit_new(int64_t requests_per_second, int64_t burst,
                         struct berth_rate_limit **ret_limit, struct berth_error *err)
{
    unsigned char key[BERTH_SHA256_BYTES];
    struct berth_rate_limit *made = calloc(1, sizeof(*made));
    if (!made)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&made->mutex, NULL);
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = made;
    set_bounds(limit, requests_per_second, burst);
    int r = berth_random_bytes(key, sizeof(key), err);
    if (r == 0)
        r = berth_keyed_hash_new(key, sizeof(key), &limit->hash, err);
    explicit_bzero(key, sizeof(key));
    if (r == 0)
        *ret_limit = berth_steal(&limit);
    return r;
}

void berth_rate_limit_free(struct berth_rate_limit *limit)
{
    if (limit->hash)
        berth_keyed_hash_free(limit->hash);
    (void)pthread_mutex_destroy(&limit->mutex);
    free(limit);
}

/* The caller's bucket, in place of the fullest of its set where it has none. */
static struct bucket *find(struct berth_rate_limit *limit, const unsigned char *key)
{
    struct bucket *set = limit->buckets[((size_t)key[0] << 8 | key[1]) % SETS];
    struct bucket *fullest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (memcmp(set[i].key, key, sizeof(set[i].key)) == 0)
            return &set[i];
        if (set[i].full_ns < fullest->full_ns)
            fullest = &set[i];
    }
    memcpy(fullest->key, key, sizeof(fullest->key));
    fullest->full_ns = 0;
    return fullest;
}

static unsigned seconds_up(int64_t ns)
{
    return (unsigned)((ns + BERTH_NS_PER_S - 1) / BERTH_NS_PER_S);
}

/* The caller holds the mutex; it is bounded. */
static struct berth_rate take(struct berth_rate_limit *limit, const unsigned char *key,
                              int64_t now_ns)
{
    struct bucket *bucket = find(limit, key);
    if (bucket->full_ns < now_ns)
        bucket->full_ns = now_ns;
    int64_t missing_ns = bucket->full_ns - now_ns; /* until it is full */
    struct berth_rate rate = {.is_allowed = missing_ns + limit->interval_ns <= limit->burst_ns,
                              .quota = limit->burst,
                              .window_s = seconds_up(limit->burst_ns)};
    if (rate.is_allowed) {
        bucket->full_ns += limit->interval_ns;
        missing_ns += limit->interval_ns;
    }
    int64_t left_ns = limit->burst_ns - missing_ns;
    rate.remaining = left_ns > 0 ? left_ns / limit->interval_ns : 0;
    rate.more_s = seconds_up((rate.remaining + 1) * limit->interval_ns - left_ns);
    rate.retry_after_s = rate.is_allowed ? 0 : rate.more_s;
    return rate;
}

bool berth_rate_limit_is_bounded(const struct berth_rate_limit *limit)
{
    return __atomic_load_n(&limit->is_bounded, __ATOMIC_RELAXED);
}

int berth_rate_limit_take(struct berth_rate_limit *limit, const char *caller, int64_t now_ns,
                          struct berth_rate *ret_rate, struct berth_error *err)
{
    static const struct berth_rate no_bound = {.is_allowed = true};
    unsigned char key[BERTH_SHA256_BYTES];
    int r = berth_keyed_hash(limit->hash, caller, strlen(caller), key, err);
    if (r < 0)
        return r;
    BERTH_LOCK_SCOPE(lock, &limit->mutex);
    *ret_rate = limit->interval_ns > 0 ? take(limit, key, now_ns) : no_bound;
    return 0;
}
