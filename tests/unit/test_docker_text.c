/* SPDX-License-Identifier: MIT */
/* Expected texts were printed by docker 26.1 and by the Go libraries it is built with. */
#include "base/clock.h"
#include "gateway/docker_text.h"
#include "gateway/docker_unicode.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TEXT_CAP 1024
#define NOW_NS   (INT64_C(1795309000) * BERTH_NS_PER_S + 250 * BERTH_NS_PER_MS)
#define SECOND   BERTH_NS_PER_S
#define MINUTE   (60 * SECOND)
#define HOUR     (60 * MINUTE)
#define DAY      (24 * HOUR)
#define HALF     (HOUR / 2)

#define HEX64(c) c c c c c c c c c c c c c c c c
#define CCCC     HEX64("cccc")

#define ASSERT_TEXT(buf, expected, name)                                                           \
    ck_assert_msg(strcmp(berth_strbuf_str(buf), expected) == 0, "%s: \"%s\" is not \"%s\"", name,  \
                  berth_strbuf_str(buf), expected)

static const struct age_row {
    const char *text;
    int64_t from_ns;  /* the first age with this text */
    int64_t until_ns; /* the first age with another */
} age_rows[] = {
    {"Less than a second", 0, SECOND},
    {"1 second", SECOND, 2 * SECOND},
    {"2 seconds", 2 * SECOND, 3 * SECOND},
    {"59 seconds", 59 * SECOND, MINUTE},
    {"About a minute", MINUTE, 2 * MINUTE},
    {"2 minutes", 2 * MINUTE, 3 * MINUTE},
    {"59 minutes", 59 * MINUTE, HOUR},
    {"About an hour", HOUR, HOUR + HALF},
    {"2 hours", HOUR + HALF, 2 * HOUR + HALF},
    {"47 hours", 46 * HOUR + HALF, 47 * HOUR + HALF},
    {"2 days", 47 * HOUR + HALF, 3 * DAY - HALF},
    {"13 days", 13 * DAY - HALF, 14 * DAY - HALF},
    {"2 weeks", 14 * DAY - HALF, 21 * DAY - HALF},
    {"8 weeks", 56 * DAY - HALF, 60 * DAY - HALF},
    {"2 months", 60 * DAY - HALF, 90 * DAY - HALF},
    {"24 months", 720 * DAY - HALF, 730 * DAY - HALF},
    {"1 years", 730 * DAY - HALF, 730 * DAY},
    {"2 years", 730 * DAY, 3 * 365 * DAY},
    {"56 years", 56 * 365 * DAY, 57 * 365 * DAY},
};

START_TEST(ages_change_their_words_where_docker_changes_them)
{
    for (size_t i = 0; i < UNIT_COUNT(age_rows); i++) {
        const struct age_row *row = &age_rows[i];
        const int64_t ages[] = {row->from_ns, (row->from_ns + row->until_ns) / 2,
                                row->until_ns - 1};
        for (size_t k = 0; k < UNIT_COUNT(ages); k++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
            int64_t valid_until_ns = INT64_MAX;
            berth_docker_add_age(&buf, NOW_NS - ages[k], NOW_NS, &valid_until_ns);
            ASSERT_TEXT(&buf, row->text, row->text);
            ck_assert_msg(valid_until_ns == NOW_NS - ages[k] + row->until_ns, "%s, age %zu",
                          row->text, k);
        }
    }
}
END_TEST

START_TEST(ages_at_the_ends_of_the_clock_are_no_trouble)
{
    static const struct {
        const char *name;
        int64_t since_ns;
        int64_t now_ns;
        const char *text;
        int64_t valid_until_ns;
    } rows[] = {
        {"the future", NOW_NS + HOUR, NOW_NS, "Less than a second", NOW_NS + HOUR + SECOND},
        {"a little in the future", NOW_NS + 1, NOW_NS, "Less than a second", NOW_NS + 1 + SECOND},
        {"earliest to latest", INT64_MIN, INT64_MAX, "292 years", INT64_MAX},
        {"latest to earliest", INT64_MAX, INT64_MIN, "Less than a second", INT64_MAX},
        {"end of time", INT64_MAX - SECOND, INT64_MAX, "1 second", INT64_MAX},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        int64_t valid_until_ns = INT64_MAX;
        berth_docker_add_age(&buf, rows[i].since_ns, rows[i].now_ns, &valid_until_ns);
        ASSERT_TEXT(&buf, rows[i].text, rows[i].name);
        ck_assert_msg(valid_until_ns == rows[i].valid_until_ns, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(an_earlier_end_of_validity_is_kept)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
    int64_t valid_until_ns = NOW_NS + 1;
    berth_docker_add_age(&buf, NOW_NS - HOUR, NOW_NS, &valid_until_ns);
    ck_assert_int_eq(valid_until_ns, NOW_NS + 1);
}
END_TEST

START_TEST(sizes_are_rounded_as_docker_rounds_them)
{
    static const struct {
        double bytes;
        const char *three;
        const char *four;
        const char *binary;
    } rows[] = {
        {0, "0B", "0B", "0B"},
        {1, "1B", "1B", "1B"},
        {999, "999B", "999B", "999B"},
        {1000, "1kB", "1kB", "1000B"},
        {1004, "1kB", "1.004kB", "1004B"},
        {1023, "1.02kB", "1.023kB", "1023B"},
        {1024, "1.02kB", "1.024kB", "1KiB"},
        {1995, "2kB", "1.995kB", "1.948KiB"},
        {9994, "9.99kB", "9.994kB", "9.76KiB"},
        {99949, "99.9kB", "99.95kB", "97.61KiB"},
        {99950, "100kB", "99.95kB", "97.61KiB"},
        {999499, "999kB", "999.5kB", "976.1KiB"},
        {999500, "1e+03kB", "999.5kB", "976.1KiB"},
        {999950, "1e+03kB", "1000kB", "976.5KiB"},
        {1000000, "1MB", "1MB", "976.6KiB"},
        {1048525, "1.05MB", "1.049MB", "1024KiB"},
        {1048576, "1.05MB", "1.049MB", "1MiB"},
        {31373394, "31.4MB", "31.37MB", "29.92MiB"},
        {168142424, "168MB", "168.1MB", "160.4MiB"},
        {8233353216, "8.23GB", "8.233GB", "7.668GiB"},
        {1099511627776, "1.1TB", "1.1TB", "1TiB"},
        {1e15, "1PB", "1PB", "909.5TiB"},
        {1e24, "1YB", "1YB", "847ZiB"},
        {1e27, "1e+03YB", "1000YB", "827.2YiB"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        berth_docker_add_size(&buf, rows[i].bytes, 3);
        ASSERT_TEXT(&buf, rows[i].three, rows[i].three);
        berth_strbuf_clear(&buf);
        berth_docker_add_size(&buf, rows[i].bytes, 4);
        ASSERT_TEXT(&buf, rows[i].four, rows[i].four);
        berth_strbuf_clear(&buf);
        berth_docker_add_binary_size(&buf, rows[i].bytes);
        ASSERT_TEXT(&buf, rows[i].binary, rows[i].binary);
    }
}
END_TEST

START_TEST(commands_are_shortened_and_quoted)
{
    static const struct {
        const char *command;
        const char *quoted;
    } rows[] = {
        {"", "\"\""},
        {"sleep 3600", "\"sleep 3600\""},
        {"/docker-entrypoint.sh httpd-foreground", "\"/docker-entrypoint.…\""},
        {"12345678901234567890", "\"12345678901234567890\""},
        {"123456789012345678901", "\"1234567890123456789…\""},
        {"sh -c 'echo \"hi\"'", "\"sh -c 'echo \\\"hi\\\"'\""},
        {"a\\b\tc\nd\re", "\"a\\\\b\\tc\\nd\\re\""},
        {"\a\b\f\v\x01\x1f\x7f", "\"\\a\\b\\f\\v\\x01\\x1f\\x7f\""},
        {"größe ändern überall", "\"größe ändern überall\""},
        {"größe ändern überall!", "\"größe ändern überal…\""},
        {"日本語日本語日本語日", "\"日本語日本語日本語日\""},
        {"日本語日本語日本語日本", "\"日本語日本語日本語…\""},
        {"x日本語日本語日本語日本", "\"x日本語日本語日本語…\""},
        {"ab\u200bcd\u00a0ef\u3000", "\"ab\\u200bcd\\u00a0ef\\u3000\""},
        {"🚢🚢", "\"🚢🚢\""},
        {"\U000e0001", "\"\\U000e0001\""},
        {"e\u0301", "\"e\u0301\""},
        {"a\u2028b", "\"a\\u2028b\""},
        {"<b>&'</b>", "\"<b>&'</b>\""},
        {"…", "\"…\""},
        {"\ufffd", "\"\ufffd\""},
        {"no UTF-8: \xff\xc3", "\"no UTF-8: \\xff\\xc3\""},
        {"cut: \xe2\x82", "\"cut: \\xe2\\x82\""},
        {"surrogate: \xed\xa0\x80", "\"surrogate: \\xed\\xa0\\x80\""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        berth_docker_add_quoted(&buf, rows[i].command, 20);
        ASSERT_TEXT(&buf, rows[i].quoted, rows[i].command);
    }
}
END_TEST

START_TEST(names_are_shortened_by_columns)
{
    static const struct {
        const char *name;
        const char *shown;
    } rows[] = {
        {"", ""},
        {"/srv/data", "/srv/data"},
        {"123456789012345", "123456789012345"},
        {"1234567890123456", "12345678901234…"},
        {"データデータデ", "データデータデ"},
        {"データデータデー", "データデータデ…"},
        {"データデータデータ", "データデータデ…"},
        {"größe-größe-grö", "größe-größe-grö"},
        {"größe-größe-größ", "größe-größe-gr…"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        berth_docker_add_shortened(&buf, rows[i].name, 15);
        ASSERT_TEXT(&buf, rows[i].shown, rows[i].name);
    }
}
END_TEST

START_TEST(characters_are_told_apart)
{
    static const struct {
        uint32_t rune;
        bool printable;
        bool wide;
    } rows[] = {
        {0x00, false, false},    {0x1f, false, false},    {0x20, true, false},
        {0x7e, true, false},     {0x7f, false, false},    {0xa0, false, false},
        {0xa1, true, false},     {0xad, false, false},    {0x301, true, false},
        {0x378, false, false},   {0x10ff, true, false},   {0x1100, true, true},
        {0x115f, true, true},    {0x1160, true, false},   {0x2026, true, false},
        {0x2028, false, false},  {0x3000, false, true},   {0x3042, true, true},
        {0xac00, true, true},    {0xe000, false, false},  {0xff01, true, true},
        {0xff61, true, false},   {0xfffd, true, false},   {0x1f600, true, true},
        {0x1f6a2, true, true},   {0x2ffff, false, true},  {0x30000, true, true},
        {0x40000, false, false}, {0xe0001, false, false}, {0x10ffff, false, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_msg(berth_docker_is_printable(rows[i].rune) == rows[i].printable,
                      "U+%04X is printable", rows[i].rune);
        ck_assert_msg(berth_docker_is_wide(rows[i].rune) == rows[i].wide, "U+%04X is wide",
                      rows[i].rune);
    }
}
END_TEST

START_TEST(names_of_the_default_host_are_familiar)
{
    static const struct {
        const char *name;
        const char *shown;
    } rows[] = {
        {"httpd", "httpd"},
        {"library/httpd", "httpd"},
        {"docker.io/library/httpd", "httpd"},
        {"index.docker.io/library/x", "x"},
        {"docker.io/team/tool", "team/tool"},
        {"docker.io/library/a/b", "library/a/b"},
        {"localhost:5000/x", "localhost:5000/x"},
        {"reg.example.org/library/q", "reg.example.org/library/q"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_docker_slice shown =
            berth_docker_familiar_name(rows[i].name, strlen(rows[i].name));
        ck_assert_msg(shown.len == strlen(rows[i].shown) &&
                          memcmp(shown.text, rows[i].shown, shown.len) == 0,
                      "%s", rows[i].name);
    }
}
END_TEST

START_TEST(ids_are_cut_to_twelve_characters)
{
    static const struct {
        const char *id;
        const char *shown;
    } rows[] = {
        {CCCC, "cccccccccccc"},
        {"sha256:0123456789abcdef", "0123456789ab"},
        {"short", "short"},
        {"", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        berth_docker_add_short_id(&buf, rows[i].id);
        ASSERT_TEXT(&buf, rows[i].shown, rows[i].id);
    }
}
END_TEST

START_TEST(states_are_told_as_the_engine_tells_them)
{
    static const struct {
        const char *status;
        struct berth_app app;
        int64_t valid_for_ns; /* 0: for ever */
    } rows[] = {
        {"Unknown", {.state = BERTH_APP_UNKNOWN}, 0},
        {"Created", {.state = BERTH_APP_CREATED}, 0},
        {"Removal In Progress", {.state = BERTH_APP_REMOVING, .started_ns = NOW_NS}, 0},
        {"Dead", {.state = BERTH_APP_DEAD, .started_ns = NOW_NS}, 0},
        {"Up Less than a second", {.state = BERTH_APP_RUNNING, .started_ns = NOW_NS}, SECOND},
        {"Up 3 seconds (health: starting)",
         {.state = BERTH_APP_RUNNING,
          .health = BERTH_HEALTH_STARTING,
          .started_ns = NOW_NS - 3 * SECOND - 1},
         SECOND - 1},
        {"Up About a minute (healthy)",
         {.state = BERTH_APP_RUNNING,
          .health = BERTH_HEALTH_HEALTHY,
          .started_ns = NOW_NS - 90 * SECOND},
         30 * SECOND},
        {"Up 2 days (unhealthy)",
         {.state = BERTH_APP_RUNNING,
          .health = BERTH_HEALTH_UNHEALTHY,
          .started_ns = NOW_NS - 2 * DAY},
         DAY - HALF},
        {"Up 2 hours (Paused)",
         {.state = BERTH_APP_PAUSED,
          .health = BERTH_HEALTH_HEALTHY,
          .started_ns = NOW_NS - 2 * HOUR},
         HALF},
        {"Restarting (127) 5 seconds ago",
         {.state = BERTH_APP_RESTARTING,
          .exit_code = 127,
          .started_ns = NOW_NS - HOUR,
          .finished_ns = NOW_NS - 5 * SECOND},
         SECOND},
        {"Exited (137) 3 weeks ago",
         {.state = BERTH_APP_EXITED,
          .exit_code = 137,
          .started_ns = NOW_NS - 22 * DAY,
          .finished_ns = NOW_NS - 21 * DAY},
         7 * DAY - HALF},
        {"Exited (-1) 1 second ago",
         {.state = BERTH_APP_EXITED,
          .exit_code = -1,
          .started_ns = NOW_NS - HOUR,
          .finished_ns = NOW_NS - SECOND},
         SECOND},
        {"", {.state = BERTH_APP_EXITED, .started_ns = NOW_NS - HOUR}, 0},
        {"Rejected: no such image",
         {.state = BERTH_APP_EXITED, .note = "Rejected: no such image"},
         0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        int64_t valid_until_ns = INT64_MAX;
        struct berth_app app = rows[i].app;
        if (!app.note)
            app.note = "";
        berth_docker_add_status(&buf, &app, NOW_NS, &valid_until_ns);
        ASSERT_TEXT(&buf, rows[i].status, rows[i].status);
        int64_t expected = rows[i].valid_for_ns ? NOW_NS + rows[i].valid_for_ns : INT64_MAX;
        ck_assert_msg(valid_until_ns == expected, "%s", rows[i].status);
    }
}
END_TEST

START_TEST(a_failed_text_fails_the_answer)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(TEXT_CAP);
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4);
    struct berth_json_writer w = BERTH_JSON_WRITER(&out);
    berth_json_open_object(&w, NULL);
    berth_strbuf_adds(&text, "four");
    berth_docker_add_member(&w, "fits", &text);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), 0);
    berth_strbuf_adds(&text, "5 is past it");
    berth_docker_add_member(&w, "fails", &text);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), BERTH_E_TOO_LARGE);
    ck_assert_int_eq(berth_strbuf_check(&text, NULL), 0);
}
END_TEST

UNIT_SUITE("docker_text", ages_change_their_words_where_docker_changes_them,
           ages_at_the_ends_of_the_clock_are_no_trouble, an_earlier_end_of_validity_is_kept,
           sizes_are_rounded_as_docker_rounds_them, commands_are_shortened_and_quoted,
           names_are_shortened_by_columns, characters_are_told_apart,
           names_of_the_default_host_are_familiar, ids_are_cut_to_twelve_characters,
           states_are_told_as_the_engine_tells_them, a_failed_text_fails_the_answer)
