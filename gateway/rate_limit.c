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
    int64_t interval_ns; /* in which one request comes back */
    int64_t burst_ns;    /* in which all do */
    pthread_mutex_t mutex;
    struct bucket buckets[SETS][WAYS]; /* guarded by mutex */
};

int berth_rate_limit_new(int64_t requests_per_second, int64_t burst,
                         struct berth_rate_limit **ret_limit, struct berth_error *err)
{
    unsigned char key[BERTH_SHA256_BYTES];
    struct berth_rate_limit *made = calloc(1, sizeof(*made));
    if (!made)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&made->mutex, NULL);
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = made;
    limit->interval_ns = BERTH_NS_PER_S / requests_per_second;
    limit->burst_ns = limit->interval_ns * burst;
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

int berth_rate_limit_take(struct berth_rate_limit *limit, const char *caller, int64_t now_ns,
                          struct berth_rate *ret_rate, struct berth_error *err)
{
    unsigned char key[BERTH_SHA256_BYTES];
    struct berth_rate rate = {0};
    int r = berth_keyed_hash(limit->hash, caller, strlen(caller), key, err);
    if (r < 0)
        return r;
    int64_t missing_ns = 0; /* until it is full */
    {
        BERTH_LOCK_SCOPE(lock, &limit->mutex);
        struct bucket *bucket = find(limit, key);
        if (bucket->full_ns < now_ns)
            bucket->full_ns = now_ns;
        missing_ns = bucket->full_ns - now_ns;
        rate.is_allowed = missing_ns + limit->interval_ns <= limit->burst_ns;
        if (rate.is_allowed) {
            bucket->full_ns += limit->interval_ns;
            missing_ns += limit->interval_ns;
        }
    }
    rate.remaining = (limit->burst_ns - missing_ns) / limit->interval_ns;
    rate.reset_s = seconds_up(missing_ns);
    if (!rate.is_allowed)
        rate.retry_after_s = seconds_up(missing_ns + limit->interval_ns - limit->burst_ns);
    *ret_rate = rate;
    return 0;
}

unsigned berth_rate_limit_window_s(const struct berth_rate_limit *limit)
{
    return seconds_up(limit->burst_ns);
}
