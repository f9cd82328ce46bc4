/* SPDX-License-Identifier: MIT */
/*
 * Passwords: the rules for new ones, hashes by libxcrypt (crypt(5), yescrypt
 * at its default cost: tens of milliseconds and 17 MB each).
 *
 * Threading: stateless; who hashes bounds how many do so at once.
 */
#ifndef BERTH_FACILITIES_PASSWORD_H
#define BERTH_FACILITIES_PASSWORD_H

#include "base/error.h"

#include <stdbool.h>

#define BERTH_PASSWORD_HASH_SIZE 384 /* of any hash, with its NUL */

/* BERTH_PASSWORD_MIN to BERTH_PASSWORD_MAX bytes of UTF-8 without control characters. */
BERTH_MUST_CHECK int berth_password_check(const char *password, struct berth_error *err);

/* ret_hash: malloc'ed, in the form of crypt(5). */
BERTH_MUST_CHECK int berth_password_hash(const char *password, char **ret_hash,
                                         struct berth_error *err);

/* What no password matches, at the cost of one that might: a hash without its last part. */
BERTH_MUST_CHECK int berth_password_dummy(char **ret_hash, struct berth_error *err);

BERTH_MUST_CHECK int berth_password_matches(const char *password, const char *hash,
                                            bool *ret_matches, struct berth_error *err);

#endif
