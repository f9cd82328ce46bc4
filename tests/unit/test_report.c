/* SPDX-License-Identifier: MIT */
/* What people read of figures, and where the marks of the axis of time stand. */
#include "base/clock.h"
#include "gateway/report_internal.h"
#include "tests/unit/unit.h"

#include <string.h>

extern char **environ;

static void use_zone(const char *zone)
{
    static char text[64];
    static char *variables[2] = {text, NULL};
    (void)snprintf(text, sizeof(text), "TZ=%s", zone);
    environ = variables;
    berth_clock_init();
}

START_TEST(durations)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "<1s"},
        {999, "<1s"},
        {1000, "1s"},
        {59999, "59s"},
        {60000, "1m 00s"},
        {3599999, "59m 59s"},
        {3600000, "1h 00m"},
        {86399999, "23h 59m"},
        {86400000, "1d 0h"},
        {2678400000, "31d 0h"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(64);
        berth_report_add_duration(&out, rows[i].ms);
        ck_assert_str_eq(berth_strbuf_str(&out), rows[i].text);
    }
}
END_TEST

START_TEST(shares)
{
    static const struct {
        int64_t part_ms;
        int64_t whole_ms;
        const char *text;
    } rows[] = {
        {0, 0, "-"},
        {0, 5, "0%"},
        {5, 5, "100%"},
        {1, 2, "50.00%"},
        {2, 3, "66.66%"},
        {INT64_C(2678399999), INT64_C(2678400000), "99.99%"}, /* not rounded up */
        {1, INT64_C(2678400000), "<0.01%"},
        {INT64_C(26784000000000) - 1, INT64_C(26784000000000), "99.99%"}, /* 10,000 apps, a month */
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(64);
        berth_report_add_share(&out, rows[i].part_ms, rows[i].whole_ms);
        ck_assert_str_eq(berth_strbuf_str(&out), rows[i].text);
    }
}
END_TEST

START_TEST(both_hours_of_a_clock_set_back)
{
    use_zone("Europe/Berlin");
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(64);
    berth_report_add_time(&out, INT64_C(1698539400000)); /* 2023-10-29 00:30 UTC */
    berth_strbuf_addc(&out, ',');
    berth_report_add_time(&out, INT64_C(1698543000000)); /* 01:30 UTC */
    ck_assert_str_eq(berth_strbuf_str(&out), "2023-10-29 02:30 CEST,2023-10-29 02:30 CET");
}
END_TEST

/* 2023, at 00:00 UTC of the day. */
#define JUNE_20    INT64_C(1687219200) /* a Tuesday */
#define OCTOBER_29 INT64_C(1698537600) /* Berlin's clock goes back at 01:00 UTC */
#define MARCH_26   INT64_C(1679788800) /* and forth, at 01:00 UTC */

static const struct {
    const char *name;
    const char *zone;
    enum berth_uptime_window window;
    int64_t from_s;
    int64_t length_s;
    const char *expected; /* minutes from the start, and labels */
} axes[] = {
    {"an hour", "UTC0", BERTH_UPTIME_HOUR, JUNE_20 + 325, 3600,
     "4=00:10 14=00:20 24=00:30 34=00:40 44=00:50 54=01:00"},
    {"an hour, in a zone of odd minutes", "Asia/Kathmandu", BERTH_UPTIME_HOUR, JUNE_20, 3600,
     "5=05:50 15=06:00 25=06:10 35=06:20 45=06:30 55=06:40"},
    {"the hour that is there twice", "Europe/Berlin", BERTH_UPTIME_HOUR, OCTOBER_29 + 1800, 3600,
     "0=02:30 10=02:40 20=02:50 30=02:00 40=02:10 50=02:20 60=02:30"},
    {"a day", "UTC0", BERTH_UPTIME_DAY, JUNE_20 + 3600, 86400,
     "120=03:00 300=06:00 480=09:00 660=12:00 840=15:00 1020=18:00 1200=21:00 1380=Wed 21"},
    {"a day of 25 hours", "Europe/Berlin", BERTH_UPTIME_DAY, OCTOBER_29 - 7200, 86400,
     "0=Sun 29 240=03:00 420=06:00 600=09:00 780=12:00 960=15:00 1140=18:00 1320=21:00"},
    {"a day of 23 hours", "Europe/Berlin", BERTH_UPTIME_DAY, MARCH_26 - 3600, 86400,
     "0=Sun 26 120=03:00 300=06:00 480=09:00 660=12:00 840=15:00 1020=18:00 1200=21:00 "
     "1380=Mon 27"},
    {"a week", "UTC0", BERTH_UPTIME_WEEK, JUNE_20 - 60, INT64_C(7) * 86400,
     "1=Tue 20 1441=Wed 21 2881=Thu 22 4321=Fri 23 5761=Sat 24 7201=Sun 25 8641=Mon 26"},
    {"four days of a month: Mondays have a label", "UTC0", BERTH_UPTIME_MONTH, JUNE_20 - 172800,
     INT64_C(3) * 86400, "0= 1440=19 Jun 2880= 4320="},
};

START_TEST(axes_of_time)
{
    for (size_t i = 0; i < UNIT_COUNT(axes); i++) {
        struct berth_report_tick ticks[BERTH_REPORT_TICKS_MAX];
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
        use_zone(axes[i].zone);
        size_t count = berth_report_ticks(axes[i].window, axes[i].from_s * 1000,
                                          (axes[i].from_s + axes[i].length_s) * 1000, ticks);
        for (size_t n = 0; n < count; n++)
            berth_strbuf_addf(&out, "%s%lld=%s", n ? " " : "",
                              (long long)(ticks[n].at_ms / 1000 - axes[i].from_s) / 60,
                              ticks[n].label);
        ck_assert_msg(strcmp(berth_strbuf_str(&out), axes[i].expected) == 0,
                      "%s:\nis     %s\nwanted %s", axes[i].name, berth_strbuf_str(&out),
                      axes[i].expected);
    }
}
END_TEST

/* ---- A document of one app, with everything that must be escaped ---- */

static char *render(const struct berth_report_format *format, const char *title)
{
    static const struct berth_uptime_span spans[] = {{1000, 4000, BERTH_APP_RUNNING},
                                                     {4000, 5000, BERTH_APP_EXITED}};
    const struct berth_facility_config facility = {.id = "-demo", .title = title};
    const struct berth_uptime_app app = {
        .name = "a<b>&\"'--=x,y", /* no name that can be, but what if */
        .user = "=x,y",
        .first_ms = 1000,
        .figures = {.running_ms = 3000,
                    .observed_ms = 4000,
                    .interruptions = 1,
                    .longest_outage_ms = 1000,
                    .last_ms = 5000,
                    .state = BERTH_APP_EXITED},
        .spans = spans,
        .span_count = 2,
    };
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(1 << 20);
    struct report report = {.facility = &facility,
                            .window = BERTH_UPTIME_HOUR,
                            .from_ms = 0,
                            .to_ms = 3600000,
                            .app_count = 1,
                            .json = BERTH_JSON_WRITER(&out)};
    format->begin(&report, &out);
    format->app(&report, &app, &out);
    report.index++;
    format->end(&report, &out);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), 0);
    return berth_strbuf_steal(&out, NULL);
}

START_TEST(html_escapes_all_text)
{
    BERTH_CLEANUP(free) char *page = render(&berth_report_html, "<script>'x'&\"y\"</script>");
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "a<b>"));
    ck_assert_ptr_nonnull(
        strstr(page, "<h1>Uptime of &lt;script&gt;&#39;x&#39;&amp;&quot;y&quot;"));
    ck_assert_ptr_nonnull(strstr(page, "<h2>a&lt;b&gt;&amp;&quot;&#39;--=x,y"));
}
END_TEST

START_TEST(csv_has_no_formulas)
{
    use_zone("UTC0");
    BERTH_CLEANUP(free) char *rows = render(&berth_report_csv, "");
    const char *row = strstr(rows, "\r\n");
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(row + 2,
                     "'-demo,\"a<b>&\"\"'--=x,y\",\"'=x,y\",1970-01-01T00:00:00.000Z,"
                     "1970-01-01T01:00:00.000Z,exited,0.750000,3.000,4.000,0.000,0,1,1.000,"
                     "1970-01-01T00:00:01.000Z,1970-01-01T00:00:05.000Z\r\n");
}
END_TEST

START_TEST(json_has_the_exact_spans)
{
    use_zone("UTC0");
    BERTH_CLEANUP(free) char *text = render(&berth_report_json, "A \"trial\"");
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, NULL), 0);
    ck_assert_str_eq(berth_json_string(json, "title", ""), "A \"trial\"");
    const cJSON *app = cJSON_GetArrayItem(berth_json_get(json, "apps"), 0);
    ck_assert_str_eq(berth_json_string(app, "name", ""), "a<b>&\"'--=x,y");
    ck_assert_double_eq(berth_json_get(app, "running_share")->valuedouble, 0.75);
    const cJSON *span = cJSON_GetArrayItem(berth_json_get(app, "spans"), 1);
    ck_assert_str_eq(berth_json_string(span, "state", ""), "exited");
    ck_assert_str_eq(berth_json_string(span, "from", ""), "1970-01-01T00:00:04.000Z");
    ck_assert_str_eq(berth_json_string(span, "to", ""), "1970-01-01T00:00:05.000Z");
}
END_TEST

UNIT_SUITE("report", durations, shares, both_hours_of_a_clock_set_back, axes_of_time,
           html_escapes_all_text, csv_has_no_formulas, json_has_the_exact_spans)
