/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "tests/unit/unit.h"

#include <string.h>

#define S(seconds) ((seconds)*BERTH_NS_PER_S)

START_TEST(times_are_parsed)
{
    static const struct {
        const char *text;
        int64_t expected; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01Z", S(1)},
        {"2000-02-29T23:59:59Z", S(951868799)},
        {"2024-02-29T12:00:00Z", S(1709208000)},
        {"2023-06-27T20:26:14.950110744Z", S(1687897574) + 950110744},
        {"2023-06-27T20:26:14.9501107449Z", S(1687897574) + 950110744},
        {"2023-06-27T20:26:14.9Z", S(1687897574) + 900000000},
        {"2023-06-27t20:26:14z", S(1687897574)},
        {"2021-03-10T00:15:05+01:00", S(1615331705)},
        {"2021-03-09T18:15:05-05:00", S(1615331705)},
        {"2021-03-10T00:15:05-00:00", S(1615335305)},
        {"2016-12-31T23:59:60Z", S(1483228800)},
        {"2100-03-01T00:00:00Z", S(4107542400)},
        {"0001-01-01T00:00:00Z", 0},
        {"0000-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59.9Z", 0},
        {"1970-01-01T00:59:59+01:00", 0},
        {"2262-04-11T23:47:15Z", S(9223372035)},
        {"2262-04-11T23:47:16Z", -1},
        {"9999-12-31T23:59:59Z", -1},
        {"", -1},
        {"2023-06-27", -1},
        {"2023-06-27T20:26:14", -1},
        {"2023-06-27 20:26:14Z", -1},
        {"2023-06-27T20:26:14.Z", -1},
        {"2023-06-27T20:26:14Z ", -1},
        {"2023-06-27T20:26:14+0100", -1},
        {"2023-06-27T20:26:14+01", -1},
        {"2023-06-27T20:26:14+24:00", -1},
        {"2023-06-27T20:26:14+01:60", -1},
        {"2023-06-27T20:26:14*01:00", -1},
        {"2023-06-27T20:26Z", -1},
        {"2023-00-27T20:26:14Z", -1},
        {"2023-13-27T20:26:14Z", -1},
        {"2023-06-00T20:26:14Z", -1},
        {"2023-06-31T20:26:14Z", -1},
        {"2023-02-29T20:26:14Z", -1},
        {"2100-02-29T20:26:14Z", -1},
        {"2023-06-27T24:00:00Z", -1},
        {"2023-06-27T20:60:14Z", -1},
        {"2023-06-27T20:26:61Z", -1},
        {"-023-06-27T20:26:14Z", -1},
        {"23-06-27T20:26:14Z", -1},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int64_t wall_ns = -1;
        int r = berth_clock_parse_rfc3339(rows[i].text, strlen(rows[i].text), &wall_ns, NULL);
        ck_assert_msg(r == (rows[i].expected < 0 ? BERTH_E_INVALID : 0), "%s: %d", rows[i].text, r);
        ck_assert_msg(wall_ns == rows[i].expected, "%s: %jd", rows[i].text, (intmax_t)wall_ns);
    }
}
END_TEST

START_TEST(parsing_stays_within_the_length)
{
    int64_t wall_ns;
    ck_assert_int_eq(berth_clock_parse_rfc3339("1970-01-01T00:00:01Zgarbage", 20, &wall_ns, NULL),
                     0);
    for (size_t len = 0; len < 20; len++)
        ck_assert_int_eq(berth_clock_parse_rfc3339("1970-01-01T00:00:01Z", len, &wall_ns, NULL),
                         BERTH_E_INVALID);
}
END_TEST

/* The C library is the judge of every day in the range. */
START_TEST(each_day_is_where_the_c_library_has_it)
{
    for (int64_t day = 0; day < 106000; day++) {
        time_t wall_s = day * 86400;
        struct tm tm;
        char text[32];
        (void)gmtime_r(&wall_s, &tm);
        size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        int64_t wall_ns = -1;
        int r = berth_clock_parse_rfc3339(text, len, &wall_ns, NULL);
        if (r != 0 || wall_ns != S(wall_s))
            ck_abort_msg("%s: %d, %jd", text, r, (intmax_t)wall_ns);
    }
}
END_TEST

/* The zone comes from TZ: these tests have a process each. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
extern char **environ;

static void use_zone(const char *tz)
{
    static const char *environment[2];
    environment[0] = tz;
    environ = (char **)environment;
    berth_clock_init();
}
#pragma GCC diagnostic pop

struct format_row {
    const char *zone;
    int64_t wall_ns;
    int digits;
    const char *rfc3339;
    const char *local;
    const char *go;
};

static const struct format_row format_rows[] = {
    {"TZ=UTC0", 0, 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00",
     "1970-01-01 00:00:00 +0000 UTC"},
    {"TZ=UTC0", S(1687897574) + 950110744, 9, "2023-06-27T20:26:14.950110744Z",
     "2023-06-27T20:26:14", "2023-06-27 20:26:14 +0000 UTC"},
    {"TZ=UTC0", S(1687897574) + 950999999, 3, "2023-06-27T20:26:14.950Z", "2023-06-27T20:26:14",
     "2023-06-27 20:26:14 +0000 UTC"},
    {"TZ=UTC0", S(1687897574) + 1999, 6, "2023-06-27T20:26:14.000001Z", "2023-06-27T20:26:14",
     "2023-06-27 20:26:14 +0000 UTC"},
    {"TZ=UTC0", -1, 9, "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59",
     "1969-12-31 23:59:59 +0000 UTC"},
    {"TZ=UTC0", INT64_MAX, 0, "2262-04-11T23:47:16Z", "2262-04-11T23:47:16",
     "2262-04-11 23:47:16 +0000 UTC"},
    {"TZ=CET-1CEST,M3.5.0,M10.5.0/3", S(1615331705), 3, "2021-03-10T00:15:05.000+01:00",
     "2021-03-10T00:15:05", "2021-03-10 00:15:05 +0100 CET"},
    {"TZ=CET-1CEST,M3.5.0,M10.5.0/3", S(1687897574), 0, "2023-06-27T22:26:14+02:00",
     "2023-06-27T22:26:14", "2023-06-27 22:26:14 +0200 CEST"},
    {"TZ=HST10", S(1686775543), 0, "2023-06-14T10:45:43-10:00", "2023-06-14T10:45:43",
     "2023-06-14 10:45:43 -1000 HST"},
    {"TZ=<-0330>3:30", S(1615331705), 0, "2021-03-09T19:45:05-03:30", "2021-03-09T19:45:05",
     "2021-03-09 19:45:05 -0330 -0330"},
    {"TZ=<+0545>-5:45", S(1615331705), 0, "2021-03-10T05:00:05+05:45", "2021-03-10T05:00:05",
     "2021-03-10 05:00:05 +0545 +0545"},
};

START_TEST(times_are_written_in_the_local_zone)
{
    const struct format_row *row = &format_rows[_i];
    use_zone(row->zone);
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(100);
    berth_clock_add_rfc3339(&buf, row->wall_ns, row->digits);
    ck_assert_str_eq(berth_strbuf_str(&buf), row->rfc3339);
    berth_strbuf_clear(&buf);
    berth_clock_add_utc(&buf, row->wall_ns, row->digits);
    if (strcmp(row->zone, "TZ=UTC0") == 0)
        ck_assert_str_eq(berth_strbuf_str(&buf), row->rfc3339);
    else
        ck_assert_str_ne(berth_strbuf_str(&buf), row->rfc3339);
    berth_strbuf_clear(&buf);
    berth_clock_add_local(&buf, row->wall_ns);
    ck_assert_str_eq(berth_strbuf_str(&buf), row->local);
    berth_strbuf_clear(&buf);
    berth_clock_add_go(&buf, row->wall_ns);
    ck_assert_str_eq(berth_strbuf_str(&buf), row->go);
}
END_TEST

START_TEST(http_dates_are_in_gmt)
{
    static const struct {
        int64_t seconds;
        const char *date;
    } rows[] = {{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the example of RFC 9110 */
                {1709210096, "Thu, 29 Feb 2024 12:34:56 GMT"},
                {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(100);
        berth_clock_add_http(&text, rows[i].seconds * BERTH_NS_PER_S + 999999999);
        ck_assert_str_eq(berth_strbuf_str(&text), rows[i].date);
    }
}
END_TEST

START_TEST(deadlines_lie_ahead)
{
    static const int64_t timeouts_ms[] = {0, 1, 999, 1000, 1500, 86400000};
    for (size_t i = 0; i < UNIT_COUNT(timeouts_ms); i++) {
        int64_t before = berth_clock_monotonic_ns();
        struct timespec at = berth_clock_deadline(timeouts_ms[i]);
        int64_t after = berth_clock_monotonic_ns();
        int64_t at_ns = at.tv_sec * BERTH_NS_PER_S + at.tv_nsec;
        ck_assert_int_ge(at_ns, before + timeouts_ms[i] * BERTH_NS_PER_MS);
        ck_assert_int_le(at_ns, after + timeouts_ms[i] * BERTH_NS_PER_MS);
        ck_assert_int_ge(at.tv_nsec, 0);
        ck_assert_int_lt(at.tv_nsec, BERTH_NS_PER_S);
    }
    struct timespec at = berth_clock_deadline(-5000);
    ck_assert_int_le(at.tv_sec * BERTH_NS_PER_S + at.tv_nsec, berth_clock_monotonic_ns());
}
END_TEST

START_TEST(clocks_agree_with_the_system)
{
    int64_t wall_s = time(NULL);
    int64_t got_s = berth_clock_wall_ns() / BERTH_NS_PER_S;
    ck_assert_int_ge(got_s, wall_s);
    ck_assert_int_le(got_s, wall_s + 10);
    int64_t ns = berth_clock_monotonic_ns();
    int64_t ms = berth_clock_monotonic_ms();
    ck_assert_int_ge(ms, ns / BERTH_NS_PER_MS);
    ck_assert_int_le(ms, ns / BERTH_NS_PER_MS + 10000);
}
END_TEST

Suite *unit_suite(void)
{
    const TTest *const tests[] = {times_are_parsed,
                                  parsing_stays_within_the_length,
                                  each_day_is_where_the_c_library_has_it,
                                  http_dates_are_in_gmt,
                                  deadlines_lie_ahead,
                                  clocks_agree_with_the_system};
    Suite *suite = unit_suite_new("clock", tests, UNIT_COUNT(tests));
    TCase *zones = tcase_create("zones");
    tcase_add_loop_test(zones, times_are_written_in_the_local_zone, 0, UNIT_COUNT(format_rows));
    suite_add_tcase(suite, zones);
    return suite;
}
