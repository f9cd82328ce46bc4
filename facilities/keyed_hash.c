/* SPDX-License-Identifier: MIT */
/* A pool of OpenSSL contexts: most of what a single HMAC costs is to find the algorithm. */
#include "facilities/keyed_hash.h"

#include "base/thread.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#define IDLE_MAX 32 /* contexts kept: as many as hash at the same moment */

struct berth_keyed_hash {
    EVP_MAC_CTX *keyed;    /* what others are copies of; not changed */
    pthread_mutex_t mutex; /* guards those below */
    EVP_MAC_CTX *idle[IDLE_MAX];
    size_t idle_count;
};

static int failed(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_INTERNAL, "HMAC-SHA-256 failed");
}

int berth_keyed_hash_new(const void *key, size_t key_len, struct berth_keyed_hash **ret_hash,
                         struct berth_error *err)
{
    char digest[] = "SHA256"; /* the parameter is not const, though nothing writes to it */
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    BERTH_CLEANUP(keyed_hash) struct berth_keyed_hash *hash = calloc(1, sizeof(*hash));
    if (!hash)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&hash->mutex, NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hash->keyed = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (!hash->keyed || !EVP_MAC_init(hash->keyed, key, key_len, parameters))
        return failed(err);
    *ret_hash = berth_steal(&hash);
    return 0;
}

void berth_keyed_hash_free(struct berth_keyed_hash *hash)
{
    for (size_t i = 0; i < hash->idle_count; i++)
        EVP_MAC_CTX_free(hash->idle[i]);
    EVP_MAC_CTX_free(hash->keyed); /* wipes the key */
    (void)pthread_mutex_destroy(&hash->mutex);
    free(hash);
}

static EVP_MAC_CTX *take(struct berth_keyed_hash *hash)
{
    {
        BERTH_LOCK_SCOPE(lock, &hash->mutex);
        if (hash->idle_count > 0)
            return hash->idle[--hash->idle_count];
    }
    return EVP_MAC_CTX_dup(hash->keyed);
}

static void give(struct berth_keyed_hash *hash, EVP_MAC_CTX *context)
{
    {
        BERTH_LOCK_SCOPE(lock, &hash->mutex);
        if (hash->idle_count < IDLE_MAX) {
            hash->idle[hash->idle_count++] = context;
            return;
        }
    }
    EVP_MAC_CTX_free(context);
}

int berth_keyed_hash(struct berth_keyed_hash *hash, const void *data, size_t len,
                     unsigned char ret_digest[static BERTH_SHA256_BYTES], struct berth_error *err)
{
    unsigned char digest[BERTH_SHA256_BYTES];
    size_t digest_len = 0;
    EVP_MAC_CTX *context = take(hash);
    if (!context)
        return berth_error_nomem(err);
    /* Without a key it begins anew with the one it has. */
    bool done = EVP_MAC_init(context, NULL, 0, NULL) && EVP_MAC_update(context, data, len) &&
                EVP_MAC_final(context, digest, &digest_len, sizeof(digest)) &&
                digest_len == sizeof(digest);
    if (!done) {
        EVP_MAC_CTX_free(context);
        return failed(err);
    }
    give(hash, context);
    memcpy(ret_digest, digest, sizeof(digest));
    return 0;
}
