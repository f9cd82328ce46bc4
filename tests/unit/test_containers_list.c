/* SPDX-License-Identifier: MIT */
#include "base/encoding.h"
#include "gateway/containers_list.h"
#include "tests/unit/unit.h"

#include <string.h>

#define CUID  "c123e4567-e89b-12d3-a456-426614174000"
#define OTHER "c123e4567-e89b-12d3-a456-426614174001"

START_TEST(a_cursor_comes_back)
{
    static const int64_t times[] = {0, 1, INT64_C(1763803000123456789), INT64_MAX};
    for (size_t i = 0; i < UNIT_COUNT(times); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(256);
        struct berth_containers_place place = {.created_ns = times[i], .cuid = CUID};
        struct berth_containers_place back = {0};
        berth_containers_cursor_add(&text, &place);
        ck_assert_int_eq(berth_containers_cursor_parse(berth_strbuf_str(&text), &back, NULL), 0);
        ck_assert_int_eq(berth_containers_place_compare(&place, &back), 0);
        ck_assert_uint_eq(strspn(text.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789-_"),
                          text.len);
    }
}
END_TEST

START_TEST(what_is_no_cursor)
{
    static const struct {
        const char *name;
        const char *text; /* encoded before it is read */
        size_t len;
    } rows[] = {
        {"nothing", "", 0},
        {"no cuid", "17", 2},
        {"an empty cuid", "17 ", 3},
        {"no time", " " CUID, sizeof(CUID)},
        {"a time before all", "-1 " CUID, sizeof(CUID) + 2},
        {"a time past all", "9223372036854775808 " CUID, sizeof(CUID) + 19},
        {"another id", "17 x" CUID, sizeof(CUID) + 3},
        {"more than a cuid", "17 " CUID "0", sizeof(CUID) + 3},
        {"NUL and more", "17 " CUID "\0x", sizeof(CUID) + 4},
    };
    struct berth_containers_place place = {0};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(256);
        struct berth_error err = BERTH_ERROR_INIT;
        berth_base64url_encode(rows[i].text, rows[i].len, &text);
        ck_assert_msg(berth_containers_cursor_parse(berth_strbuf_str(&text), &place, &err) ==
                          BERTH_E_INVALID,
                      "%s", rows[i].name);
        ck_assert_str_eq(err.code, "INVALID_CURSOR");
    }
    static const char *const raw[] = {"x", "nonsense!", "====", "MTcg"};
    for (size_t i = 0; i < UNIT_COUNT(raw); i++)
        ck_assert_msg(berth_containers_cursor_parse(raw[i], &place, NULL) == BERTH_E_INVALID, "%s",
                      raw[i]);
}
END_TEST

START_TEST(places_stand_newest_first)
{
    static const struct berth_containers_place rows[] = {
        {2, CUID}, {2, OTHER}, {1, CUID}, {1, OTHER}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t j = 0; j < UNIT_COUNT(rows); j++) {
            int order = berth_containers_place_compare(&rows[i], &rows[j]);
            ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
        }
}
END_TEST

UNIT_SUITE("containers_list", a_cursor_comes_back, what_is_no_cursor, places_stand_newest_first)
