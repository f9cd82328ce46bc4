/* SPDX-License-Identifier: MIT */
/* A set-associative table; a pair's hash is its place. */
#include "facilities/verified.h"

#include <openssl/crypto.h>
#include <pthread.h>

#define SETS 1024
#define WAYS 4

struct entry {
    unsigned char pair[BERTH_SHA256_BYTES];
    int64_t until_ms; /* 0: unused */
};

struct berth_verified {
    pthread_rwlock_t lock; /* guards sets */
    struct entry sets[SETS][WAYS];
};

int berth_verified_new(struct berth_verified **ret_verified, struct berth_error *err)
{
    struct berth_verified *verified = calloc(1, sizeof(*verified));
    if (!verified)
        return berth_error_nomem(err);
    (void)pthread_rwlock_init(&verified->lock, NULL);
    *ret_verified = verified;
    return 0;
}

void berth_verified_free(struct berth_verified *verified)
{
    (void)pthread_rwlock_destroy(&verified->lock);
    explicit_bzero(verified->sets, sizeof(verified->sets));
    free(verified);
}

static struct entry *set_of(struct berth_verified *verified, const unsigned char *pair)
{
    return verified->sets[((size_t)pair[0] << 8 | pair[1]) % SETS];
}

static bool is_pair(const struct entry *entry, const unsigned char *pair)
{
    return CRYPTO_memcmp(entry->pair, pair, sizeof(entry->pair)) == 0;
}

void berth_verified_add(struct berth_verified *verified,
                        const unsigned char pair[static BERTH_SHA256_BYTES], int64_t now_ms)
{
    struct entry *set = set_of(verified, pair);
    (void)pthread_rwlock_wrlock(&verified->lock);
    struct entry *place = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (is_pair(&set[i], pair)) {
            place = &set[i];
            break;
        }
        if (set[i].until_ms < place->until_ms)
            place = &set[i];
    }
    memcpy(place->pair, pair, sizeof(place->pair));
    place->until_ms = now_ms + BERTH_VERIFIED_MS;
    (void)pthread_rwlock_unlock(&verified->lock);
}

bool berth_verified_has(struct berth_verified *verified,
                        const unsigned char pair[static BERTH_SHA256_BYTES], int64_t now_ms)
{
    const struct entry *set = set_of(verified, pair);
    bool found = false;
    (void)pthread_rwlock_rdlock(&verified->lock);
    for (size_t i = 0; i < WAYS && !found; i++)
        found = set[i].until_ms > now_ms && is_pair(&set[i], pair);
    (void)pthread_rwlock_unlock(&verified->lock);
    return found;
}
