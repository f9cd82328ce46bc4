/* SPDX-License-Identifier: MIT */
/*
 * HMAC-SHA-256 under one key, for hashes of secrets held in memory,
 * made for every request: four times as fast as berth_hmac_sha256(), since
 * contexts that know the key are kept.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_KEYED_HASH_H
#define BERTH_FACILITIES_KEYED_HASH_H

#include "base/encoding.h"

struct berth_keyed_hash;

/* key: of key_len bytes, not kept. */
BERTH_MUST_CHECK int berth_keyed_hash_new(const void *key, size_t key_len,
                                          struct berth_keyed_hash **ret_hash,
                                          struct berth_error *err);
void berth_keyed_hash_free(struct berth_keyed_hash *hash);
BERTH_DEFINE_CLEANUP(keyed_hash, struct berth_keyed_hash *, berth_keyed_hash_free)

BERTH_MUST_CHECK int berth_keyed_hash(struct berth_keyed_hash *hash, const void *data, size_t len,
                                      unsigned char ret_digest[static BERTH_SHA256_BYTES],
                                      struct berth_error *err);

#endif
