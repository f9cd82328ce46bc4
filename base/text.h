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

/*
 * The length (1 to 4) of the well-formed UTF-8 character that text begins
 * with, 0 when there is none: a bad byte, a cut character, or len is 0.
 */
size_t berth_text_utf8_char(const char *text, size_t len);

/* The longest prefix, at most len bytes, that does not end within a UTF-8 character; reads text
 * before len alone. */
size_t berth_text_utf8_prefix(const char *text, size_t len);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool berth_text_is_utf8(const char *text, size_t len);

/* True if there is a byte below 0x20 or 0x7F (NUL included). */
bool berth_text_has_control(const char *text, size_t len);

/*
 * The whole text as a decimal number within [min, max]; no sign but '-', no
 * spaces. BERTH_E_INVALID with the rule alone ("must be a whole number from 1
 * to 5"): the caller prepends the parameter's name with berth_error_wrap().
 * The same goes for the parsers below.
 */
BERTH_MUST_CHECK int berth_text_parse_int(const char *text, int64_t min, int64_t max,
                                          int64_t *ret_value, struct berth_error *err);

/* "512", "512k", "64m", "4gb" (binary units in either case, a final b allowed) as bytes, at least
 * 1. */
BERTH_MUST_CHECK int berth_text_parse_size(const char *text, int64_t *ret_bytes,
                                           struct berth_error *err);

/* A whole number and one of the units ("s", "m", "h", "d", "w" for a week), "90d" say, in seconds;
 * units: the letters that are taken here. The rule is the caller's to word: the error is bare. */
BERTH_MUST_CHECK int berth_text_parse_duration(const char *text, const char *units,
                                               int64_t *ret_seconds, struct berth_error *err);

/* "yes"/"no", "true"/"false", "on"/"off", "1"/"0". */
BERTH_MUST_CHECK int berth_text_parse_bool(const char *text, bool *ret_value,
                                           struct berth_error *err);

/* Constant-time in the contents (not in the lengths). */
bool berth_text_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len);

/*
 * For "did you mean": the entry of names (count of them) that is nearest to
 * text, the first of equals; NULL when none is near (more than a third of
 * text's length in edits: insert, delete, replace, swap of neighbours) or text
 * is longer than 64 bytes.
 */
const char *berth_text_nearest(const char *text, const char *const *names, size_t count);

/* FNV-1a, for tables of names that no stranger chooses. */
static inline uint32_t berth_text_hash(const char *text)
{
    uint32_t hash = 2166136261U;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

/* malloc'ed copy; NULL when out of memory or text is NULL. */
char *berth_text_dup(const char *text);

#endif
