/* SPDX-License-Identifier: MIT */
/*
 * Base64, hexadecimal, digests and randomness: thin and checked calls of
 * OpenSSL and getrandom(2).
 *
 * Threading: stateless.
 */
#ifndef BERTH_BASE_ENCODING_H
#define BERTH_BASE_ENCODING_H

#include "base/strbuf.h"

#define BERTH_SHA256_BYTES 32

/* Standard alphabet with padding (RFC 4648 section 4); refuses anything else. Appends to out. */
BERTH_MUST_CHECK int berth_base64_decode(const char *text, size_t len, struct berth_strbuf *out,
                                         struct berth_error *err);
void berth_base64_encode(const void *data, size_t len, struct berth_strbuf *out);

/* RFC 4648 section 5 without padding, for tokens and cursors. */
void berth_base64url_encode(const void *data, size_t len, struct berth_strbuf *out);

/*
 * Decodes one name or value of a query (application/x-www-form-urlencoded) into
 * out, which has room for len bytes and a NUL. False: a broken escape.
 */
bool berth_form_decode(const char *text, size_t len, char *out, size_t *ret_len);
void berth_hex_encode(const void *data, size_t len, struct berth_strbuf *out);

BERTH_MUST_CHECK int berth_sha256(const void *data, size_t len,
                                  unsigned char ret_digest[static BERTH_SHA256_BYTES],
                                  struct berth_error *err);

/* HMAC-SHA-256 (RFC 2104): for keyed hashes of secrets held in memory. */
BERTH_MUST_CHECK int berth_hmac_sha256(const void *key, size_t key_len, const void *data,
                                       size_t len,
                                       unsigned char ret_digest[static BERTH_SHA256_BYTES],
                                       struct berth_error *err);

BERTH_MUST_CHECK int berth_random_bytes(void *data, size_t len, struct berth_error *err);

/* A version 4 UUID in lower case (RFC 9562), 36 characters and NUL. */
BERTH_MUST_CHECK int berth_random_uuid(char ret_uuid[static 37], struct berth_error *err);

#endif
