/* SPDX-License-Identifier: MIT */
#include "facilities/keyed_hash.h"

#include "base/thread.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <string.h>

static const char key[] = "not so random";

static struct berth_keyed_hash *new_hash(void)
{
    struct berth_keyed_hash *hash = NULL;
    ck_assert_int_eq(berth_keyed_hash_new(key, sizeof(key), &hash, NULL), 0);
    return hash;
}

/* True if the hash of text is the one that is made without a pool. */
static bool is_hmac(struct berth_keyed_hash *hash, const char *text)
{
    unsigned char digest[BERTH_SHA256_BYTES];
    unsigned char expected[BERTH_SHA256_BYTES];
    return berth_keyed_hash(hash, text, strlen(text), digest, NULL) == 0 &&
           berth_hmac_sha256(key, sizeof(key), text, strlen(text), expected, NULL) == 0 &&
           memcmp(digest, expected, sizeof(digest)) == 0;
}

START_TEST(hashes_are_hmac)
{
    static const char *const rows[] = {
        "",
        "a",
        "password",
        "",
        "longer than a block of SHA-256: 0123456789012345678901234567890123456789012345678901234",
        "a",
    };
    BERTH_CLEANUP(keyed_hash) struct berth_keyed_hash *hash = new_hash();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(is_hmac(hash, rows[i]), "row %zu", i);
}
END_TEST

struct crowd {
    struct berth_keyed_hash *hash;
    atomic_int wrong;
    atomic_int number;
};

static void *hash_main(void *arg)
{
    struct crowd *crowd = arg;
    char text[32];
    int own = atomic_fetch_add(&crowd->number, 1);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof(text), "%d %d", own, i);
        if (!is_hmac(crowd->hash, text))
            atomic_fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

START_TEST(threads_do_not_mix)
{
    BERTH_CLEANUP(keyed_hash) struct berth_keyed_hash *hash = new_hash();
    struct crowd crowd = {.hash = hash};
    pthread_t threads[40]; /* more than contexts are kept */
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "hash", hash_main, &crowd, NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&crowd.wrong), 0);
}
END_TEST

UNIT_SUITE("keyed_hash", hashes_are_hmac, threads_do_not_mix)
