/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>

#define NEAREST_TEXT_MAX 64

static bool is_continuation(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* The length that a lead byte announces; 1 for ASCII, 0 for what cannot begin a character. */
static size_t announced_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

/* RFC 3629 section 4: the second byte keeps out overlong forms, surrogates and > U+10FFFF. */
static bool is_second_byte(unsigned char lead, unsigned char c)
{
    if (!is_continuation(c))
        return false;
    switch (lead) {
    case 0xE0:
        return c >= 0xA0;
    case 0xED:
        return c <= 0x9F;
    case 0xF0:
        return c >= 0x90;
    case 0xF4:
        return c <= 0x8F;
    default:
        return true;
    }
}

size_t berth_text_utf8_char(const char *text, size_t len)
{
    if (len == 0)
        return 0;
    const unsigned char *c = (const unsigned char *)text;
    size_t width = announced_length(c[0]);
    if (width < 2)
        return width;
    if (width > len || !is_second_byte(c[0], c[1]))
        return 0;
    for (size_t i = 2; i < width; i++) {
        if (!is_continuation(c[i]))
            return 0;
    }
    return width;
}

size_t berth_text_utf8_prefix(const char *text, size_t len)
{
    size_t lead = len;
    while (lead > 0 && len - lead < 3 && is_continuation((unsigned char)text[lead - 1]))
        lead--;
    if (lead == 0)
        return len;
    lead--;
    return announced_length((unsigned char)text[lead]) > len - lead ? lead : len;
}

/* Whether none of the next eight bytes is one of a longer character. */
static bool is_ascii_word(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool berth_text_is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        while (len - i >= sizeof(uint64_t) && is_ascii_word(text + i))
            i += sizeof(uint64_t);
        if (i == len)
            break;
        size_t width = berth_text_utf8_char(text + i, len - i);
        if (width == 0)
            return false;
        i += width;
    }
    return true;
}

bool berth_text_has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return true;
    }
    return false;
}

int berth_text_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value,
                         struct berth_error *err)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t len = strlen(digits);
    errno = 0;
    if (len > 0 && strspn(digits, "0123456789") == len) {
        intmax_t value = strtoimax(text, NULL, 10);
        if (errno == 0 && value >= min && value <= max) {
            *ret_value = value;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "must be a whole number from %" PRId64 " to %" PRId64, min, max);
}

/* The number of bits that a unit shifts by, -1 when it is none. */
static int unit_shift(const char *unit)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0},   {"b", 0},   {"k", 10}, {"kb", 10},
                 {"m", 20}, {"mb", 20}, {"g", 30}, {"gb", 30}};
    char lower[3] = "";
    size_t len = strlen(unit);
    if (len >= sizeof(lower))
        return -1;
    for (size_t i = 0; i < len; i++)
        lower[i] = unit[i] >= 'A' && unit[i] <= 'Z' ? (char)(unit[i] - 'A' + 'a') : unit[i];
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(lower, units[i].unit) == 0)
            return units[i].shift;
    }
    return -1;
}

int berth_text_parse_size(const char *text, int64_t *ret_bytes, struct berth_error *err)
{
    size_t digits = strspn(text, "0123456789");
    int shift = unit_shift(text + digits);
    errno = 0;
    if (digits > 0 && shift >= 0) {
        intmax_t value = strtoimax(text, NULL, 10);
        if (errno == 0 && value >= 1 && value <= INT64_MAX >> shift) {
            *ret_bytes = value << shift;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "must be a size of at least 1 byte, such as 512k, 64m or 4g");
}

int berth_text_parse_duration(const char *text, const char *units, int64_t *ret_seconds,
                              struct berth_error *err)
{
    static const int64_t seconds[] = {
        ['s'] = 1, ['m'] = 60, ['h'] = 3600, ['d'] = 86400, ['w'] = 7 * 86400};
    size_t digits = strspn(text, "0123456789");
    char unit = text[digits];
    if (digits > 0 && unit && strchr(units, unit) && text[digits + 1] == '\0') {
        errno = 0;
        intmax_t count = strtoimax(text, NULL, 10);
        if (errno == 0 && count <= INT64_MAX / seconds[(unsigned char)unit]) {
            *ret_seconds = count * seconds[(unsigned char)unit];
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID, "must be a number and a unit, of %s", units);
}

int berth_text_parse_bool(const char *text, bool *ret_value, struct berth_error *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *ret_value = words[i].value;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID, "must be yes or no");
}

bool berth_text_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance (Levenshtein, and swaps of neighbours); text fits the rows. */
static size_t edit_distance(const char *text, size_t len, const char *name)
{
    size_t rows[3][NEAREST_TEXT_MAX + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= len; j++)
        above[j] = j;
    for (size_t i = 1; name[i - 1]; i++) {
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t replaced = above[j - 1] + (name[i - 1] != text[j - 1]);
            row[j] = smaller(replaced, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && name[i - 1] == text[j - 2] && name[i - 2] == text[j - 1])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[len];
}

const char *berth_text_nearest(const char *text, const char *const *names, size_t count)
{
    size_t len = strlen(text);
    if (len > NEAREST_TEXT_MAX)
        return NULL;
    const char *nearest = NULL;
    size_t least = len / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(text, len, names[i]);
        if (distance < least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

char *berth_text_dup(const char *text)
{
    return text ? strdup(text) : NULL;
}
