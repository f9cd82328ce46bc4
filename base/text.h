/* SPDX-License-Identifier: MIT */
/*
 * Checks and small parsers on bytes that came from outside. ASCII classes do
 * not depend on the locale.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BASE_TEXT_H
#define BERTH_BASE_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

static inline bool berth_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static inline bool berth_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool berth_is_alnum(char c)
{
    return berth_is_lower(c) || (c >= 'A' && c <= 'Z') || berth_is_digit(c);
}

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool berth_text_is_utf8(const char *text, size_t len);

/* True if there is a byte below 0x20 or 0x7F (NUL included). */
bool berth_text_has_control(const char *text, size_t len);

/* The whole text as a decimal number within [min, max]; no sign but '-', no spaces. */
BERTH_MUST_CHECK int berth_text_parse_int(const char *text, int64_t min, int64_t max,
                                          int64_t *ret_value, struct berth_error *err);

/* "512", "512k", "64m", "4g" (binary units, b allowed) as bytes, at least 1. */
BERTH_MUST_CHECK int berth_text_parse_size(const char *text, int64_t *ret_bytes,
                                           struct berth_error *err);

/* "yes"/"no", "true"/"false", "on"/"off", "1"/"0". */
BERTH_MUST_CHECK int berth_text_parse_bool(const char *text, bool *ret_value,
                                           struct berth_error *err);

/* Constant-time in the contents (not in the lengths). */
bool berth_text_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len);

/* The entry of names (count of them) with the smallest edit distance to text, NULL when none is
 * near (distance over a third of its length). */
const char *berth_text_nearest(const char *text, const char *const *names, size_t count);

/* malloc'ed copy; NULL when out of memory or text is NULL. */
char *berth_text_dup(const char *text);

#endif
