/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "tests/unit/unit.h"

#include <string.h>

struct bytes_row {
    const char *name;
    const char *text;
    size_t len;
    bool expected;
};

#define BYTES(literal) literal, sizeof(literal) - 1

START_TEST(utf8_is_checked)
{
    static const struct bytes_row rows[] = {
        {"empty", BYTES(""), true},
        {"ASCII", BYTES("berth"), true},
        {"NUL", BYTES("a\0b"), true},
        {"two bytes", BYTES("\xC3\xA9"), true},
        {"three bytes", BYTES("\xE2\x82\xAC"), true},
        {"four bytes", BYTES("\xF0\x9F\x9A\xA2"), true},
        {"last code point", BYTES("\xF4\x8F\xBF\xBF"), true},
        {"past the last", BYTES("\xF4\x90\x80\x80"), false},
        {"overlong slash", BYTES("\xC0\xAF"), false},
        {"overlong in three", BYTES("\xE0\x9F\xBF"), false},
        {"overlong in four", BYTES("\xF0\x8F\xBF\xBF"), false},
        {"surrogate", BYTES("\xED\xA0\x80"), false},
        {"before the surrogates", BYTES("\xED\x9F\xBF"), true},
        {"lone continuation", BYTES("\x80"), false},
        {"cut", BYTES("a\xE2\x82"), false},
        {"lead then ASCII", BYTES("\xE2\x82z"), false},
        {"five bytes", BYTES("\xF8\x88\x80\x80\x80"), false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_text_is_utf8(rows[i].text, rows[i].len) == rows[i].expected, "%s",
                      rows[i].name);
}
END_TEST

START_TEST(utf8_prefix_keeps_characters_whole)
{
    static const struct {
        const char *name;
        const char *text;
        size_t len;
        size_t expected;
    } rows[] = {
        {"empty", "", 0, 0},
        {"ASCII", "abc", 2, 2},
        {"whole character", "a\xC3\xA9", 3, 3},
        {"cut in two", "a\xC3\xA9", 2, 1},
        {"cut in four after three", "\xF0\x9F\x9A\xA2", 3, 0},
        {"cut in four after one", "ab\xF0\x9F\x9A\xA2", 3, 2},
        {"continuations alone", "\x80\x80\x80\x80\x80", 5, 5},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_text_utf8_prefix(rows[i].text, rows[i].len) == rows[i].expected, "%s",
                      rows[i].name);
}
END_TEST

START_TEST(control_characters_are_found)
{
    static const struct bytes_row rows[] = {
        {"empty", BYTES(""), false},         {"text", BYTES("a b~"), false},
        {"NUL", BYTES("a\0"), true},         {"newline", BYTES("a\nb"), true},
        {"last below", BYTES("\x1F"), true}, {"DEL", BYTES("\x7F"), true},
        {"UTF-8", BYTES("\xC3\xA9"), false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_text_has_control(rows[i].text, rows[i].len) == rows[i].expected, "%s",
                      rows[i].name);
}
END_TEST

START_TEST(numbers_are_parsed_within_bounds)
{
    static const struct {
        const char *text;
        int64_t min;
        int64_t max;
        bool good;
        int64_t expected;
    } rows[] = {
        {"0", 0, 10, true, 0},
        {"10", 0, 10, true, 10},
        {"11", 0, 10, false, 0},
        {"-1", -1, 10, true, -1},
        {"-2", -1, 10, false, 0},
        {"007", 0, 10, true, 7},
        {"", 0, 10, false, 0},
        {"-", -10, 10, false, 0},
        {"+1", 0, 10, false, 0},
        {" 1", 0, 10, false, 0},
        {"1 ", 0, 10, false, 0},
        {"1x", 0, 10, false, 0},
        {"--1", -10, 10, false, 0},
        {"9223372036854775807", 0, INT64_MAX, true, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN},
        {"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int64_t value = -77;
        int r = berth_text_parse_int(rows[i].text, rows[i].min, rows[i].max, &value, NULL);
        ck_assert_msg(r == (rows[i].good ? 0 : BERTH_E_INVALID), "\"%s\"", rows[i].text);
        ck_assert_msg(value == (rows[i].good ? rows[i].expected : -77), "\"%s\"", rows[i].text);
    }
    int64_t value;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_lt(berth_text_parse_int("6", 1, 5, &value, &err), 0);
    ck_assert_str_eq(err.message, "must be a whole number from 1 to 5");
}
END_TEST

START_TEST(sizes_are_parsed)
{
    static const struct {
        const char *text;
        int64_t expected; /* 0: refused */
    } rows[] = {
        {"1", 1},
        {"512", 512},
        {"512b", 512},
        {"512k", 512 * 1024},
        {"64m", INT64_C(64) << 20},
        {"64MB", INT64_C(64) << 20},
        {"4g", INT64_C(4) << 30},
        {"4Gb", INT64_C(4) << 30},
        {"8589934591g", INT64_C(8589934591) << 30},
        {"8589934592g", 0},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", 0},
        {"0", 0},
        {"0g", 0},
        {"-1", 0},
        {"", 0},
        {"g", 0},
        {"1.5g", 0},
        {"4 g", 0},
        {"4t", 0},
        {"4gib", 0},
        {"4bb", 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int64_t bytes = 0;
        int r = berth_text_parse_size(rows[i].text, &bytes, NULL);
        ck_assert_msg(r == (rows[i].expected ? 0 : BERTH_E_INVALID), "\"%s\"", rows[i].text);
        ck_assert_msg(bytes == rows[i].expected, "\"%s\"", rows[i].text);
    }
}
END_TEST

START_TEST(durations_are_parsed)
{
    static const struct {
        const char *text;
        const char *units;
        int64_t seconds; /* -1: refused */
    } rows[] = {
        {"30s", "smhd", 30},
        {"10m", "smhd", 600},
        {"2h", "smhd", 7200},
        {"7d", "smhd", 604800},
        {"4w", "hdw", 2419200},
        {"0s", "s", 0},
        {"106751991167300d", "d", 106751991167300 * 86400},
        {"106751991167301d", "d", -1},
        {"99999999999999999999s", "s", -1},
        {"4w", "smhd", -1},
        {"5m", "hdw", -1},
        {"", "smhd", -1},
        {"d", "smhd", -1},
        {"90", "smhd", -1},
        {"-1d", "smhd", -1},
        {"+1d", "smhd", -1},
        {" 1d", "smhd", -1},
        {"1d ", "smhd", -1},
        {"1dd", "smhd", -1},
        {"1.5d", "smhd", -1},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int64_t seconds = -1;
        int r = berth_text_parse_duration(rows[i].text, rows[i].units, &seconds, NULL);
        ck_assert_msg(r == (rows[i].seconds < 0 ? BERTH_E_INVALID : 0), "%s", rows[i].text);
        ck_assert_int_eq(seconds, rows[i].seconds);
    }
}
END_TEST

START_TEST(booleans_are_parsed)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    static const char *const neither[] = {"", "y", "yes ", "2", "enabled", "YES"};
    bool value = false;
    for (size_t i = 0; i < UNIT_COUNT(yes); i++) {
        value = false;
        ck_assert_msg(berth_text_parse_bool(yes[i], &value, NULL) == 0 && value, "%s", yes[i]);
    }
    for (size_t i = 0; i < UNIT_COUNT(no); i++) {
        value = true;
        ck_assert_msg(berth_text_parse_bool(no[i], &value, NULL) == 0 && !value, "%s", no[i]);
    }
    for (size_t i = 0; i < UNIT_COUNT(neither); i++)
        ck_assert_msg(berth_text_parse_bool(neither[i], &value, NULL) == BERTH_E_INVALID, "%s",
                      neither[i]);
}
END_TEST

START_TEST(secrets_are_compared_whole)
{
    ck_assert(berth_text_equal_secret("abc", 3, "abc", 3));
    ck_assert(berth_text_equal_secret("", 0, "", 0));
    ck_assert(berth_text_equal_secret("a\0b", 3, "a\0b", 3));
    ck_assert(!berth_text_equal_secret("a\0b", 3, "a\0c", 3));
    ck_assert(!berth_text_equal_secret("abc", 3, "abd", 3));
    ck_assert(!berth_text_equal_secret("abc", 3, "abcd", 4));
    ck_assert(!berth_text_equal_secret("abc", 3, "", 0));
}
END_TEST

START_TEST(the_nearest_name_is_suggested)
{
    static const char *const names[] = {"start-app", "stop-app", "restart-app", "get-users"};
    static const struct {
        const char *text;
        const char *expected; /* NULL: none */
    } rows[] = {
        {"start-app", "start-app"},
        {"strat-app", "start-app"},
        {"stp-app", "stop-app"},
        {"stopp-app", "stop-app"},
        {"get-user", "get-users"},
        {"restrat-app", "restart-app"},
        {"", NULL},
        {"zz", NULL},
        {"containers", NULL},
        {"startapp", "start-app"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *nearest = berth_text_nearest(rows[i].text, names, UNIT_COUNT(names));
        if (rows[i].expected)
            ck_assert_msg(nearest && strcmp(nearest, rows[i].expected) == 0, "%s: %s", rows[i].text,
                          nearest ? nearest : "none");
        else
            ck_assert_msg(!nearest, "%s: %s", rows[i].text, nearest);
    }
    char text[66];
    memset(text, 'a', sizeof(text));
    text[64] = '\0';
    const char *const same[] = {text};
    ck_assert_ptr_eq(berth_text_nearest(text, same, 1), text);
    text[64] = 'a';
    text[65] = '\0';
    ck_assert_ptr_null(berth_text_nearest(text, same, 1));
    ck_assert_ptr_null(berth_text_nearest("start-app", names, 0));
}
END_TEST

START_TEST(a_swap_of_neighbours_is_one_edit)
{
    static const char *const names[] = {"mode"};
    ck_assert_ptr_nonnull(berth_text_nearest("mdoe", names, 1));
    ck_assert_ptr_null(berth_text_nearest("edom", names, 1));
}
END_TEST

START_TEST(text_is_copied)
{
    char *copy = berth_text_dup("berth");
    ck_assert_str_eq(copy, "berth");
    free(copy);
    ck_assert_ptr_null(berth_text_dup(NULL));
    unit_alloc_fail_after(0);
    copy = berth_text_dup("berth");
    ck_assert(unit_alloc_restore());
    ck_assert_ptr_null(copy);
}
END_TEST

UNIT_SUITE("text", utf8_is_checked, utf8_prefix_keeps_characters_whole,
           control_characters_are_found, numbers_are_parsed_within_bounds, sizes_are_parsed,
           durations_are_parsed, booleans_are_parsed, secrets_are_compared_whole,
           the_nearest_name_is_suggested, a_swap_of_neighbours_is_one_edit, text_is_copied)
