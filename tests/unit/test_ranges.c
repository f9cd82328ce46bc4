/* SPDX-License-Identifier: MIT */
#include "gateway/ranges.h"

#include "tests/unit/unit.h"

#include <string.h>

#define DATE "Tue, 20 Jan 2026 15:30:00 GMT"

static struct berth_file_version version(void)
{
    struct stat status = {.st_ino = 5, .st_size = 1000, .st_mtim = {.tv_sec = 1768923000}};
    struct berth_file_version version;
    berth_file_version_of(&status, &version);
    return version;
}

START_TEST(parts_are_chosen)
{
    struct berth_file_version v = version();
    const struct {
        const char *range;
        const char *if_range;
        int64_t from;
        int64_t len;
        bool is_part;
    } rows[] = {
        {NULL, NULL, 0, 1000, false},
        {"bytes=0-", NULL, 0, 1000, true},
        {"bytes=0-0", NULL, 0, 1, true},
        {"Bytes= 10-19", NULL, 10, 10, true},
        {"bytes=999-", NULL, 999, 1, true},
        {"bytes=990-5000", NULL, 990, 10, true},
        {"bytes=10-99999999999999999999", NULL, 10, 990, true},
        {"bytes=-1", NULL, 999, 1, true},
        {"bytes=-5000", NULL, 0, 1000, true},
        {"bytes=0-1", v.etag, 0, 2, true},
        {"bytes=0-1", DATE, 0, 2, true},
        {"bytes=0-1", "\"other\"", 0, 1000, false},
        {"bytes=0-1", "Tue, 20 Jan 2026 15:30:01 GMT", 0, 1000, false},
        {"bytes=0-1,5-6", NULL, 0, 1000, false},
        {"bytes=2-1", NULL, 0, 1000, false},
        {"bytes=-", NULL, 0, 1000, false},
        {"bytes=a-1", NULL, 0, 1000, false},
        {"bytes=1", NULL, 0, 1000, false},
        {"lines=0-1", NULL, 0, 1000, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_range range;
        const char *name = rows[i].range ? rows[i].range : "none";
        int r = berth_ranges_choose(&v, 1000, rows[i].range, rows[i].if_range, &range, &err);
        ck_assert_msg(r == 0, "%s: %s", name, err.message);
        ck_assert_msg(range.from == rows[i].from && range.len == rows[i].len &&
                          range.is_part == rows[i].is_part,
                      "%s: %ld+%ld", name, (long)range.from, (long)range.len);
    }
}
END_TEST

START_TEST(parts_past_the_end_are_refused)
{
    struct berth_file_version v = version();
    static const struct {
        const char *range;
        int64_t size;
    } rows[] = {
        {"bytes=1000-", 1000}, {"bytes=1000-1001", 1000}, {"bytes=-0", 1000},
        {"bytes=0-", 0},       {"bytes=-5", 0},           {"bytes=99999999999999999999-", 1000},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_range range;
        ck_assert_msg(berth_ranges_choose(&v, rows[i].size, rows[i].range, NULL, &range, NULL) ==
                          BERTH_E_INVALID,
                      "%s", rows[i].range);
    }
}
END_TEST

START_TEST(versions_are_told_apart)
{
    struct berth_file_version v = version();
    struct berth_file_version other;
    ck_assert(berth_ranges_is_known(&v, v.etag, NULL));
    ck_assert(berth_ranges_is_known(&v, "*", NULL));
    ck_assert(!berth_ranges_is_known(&v, "\"other\"", DATE));
    ck_assert(berth_ranges_is_known(&v, NULL, DATE));
    ck_assert(!berth_ranges_is_known(&v, NULL, "Tue, 20 Jan 2026 15:30:01 GMT"));
    ck_assert(!berth_ranges_is_known(&v, NULL, NULL));
    struct stat changed[] = {{.st_ino = 6, .st_size = 1000},
                             {.st_ino = 5, .st_size = 1001},
                             {.st_ino = 5, .st_size = 1000, .st_ctim = {.tv_nsec = 1}}};
    for (size_t i = 0; i < UNIT_COUNT(changed); i++) {
        berth_file_version_of(&changed[i], &other);
        ck_assert_str_ne(other.etag, v.etag);
    }
}
END_TEST

UNIT_SUITE("ranges", parts_are_chosen, parts_past_the_end_are_refused, versions_are_told_apart)
