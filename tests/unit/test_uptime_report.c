/* SPDX-License-Identifier: MIT */
/* Figures of spans, worked out by hand; and reports on a real store. */
#include "facilities/uptime_report.h"

#include "base/clock.h"
#include "tests/unit/unit.h"
#include "tests/unit/uptime_fixture.h"

#include <inttypes.h>
#include <string.h>

/* ---- Figures ---- */

#define SPANS_MAX 8

#define RUN(from, to)                                                                              \
    {                                                                                              \
        (from), (to), BERTH_APP_RUNNING                                                            \
    }
#define EXIT(from, to)                                                                             \
    {                                                                                              \
        (from), (to), BERTH_APP_EXITED                                                             \
    }
#define SPAN(from, to, state)                                                                      \
    {                                                                                              \
        (from), (to), (state)                                                                      \
    }

static const struct {
    const char *name;
    int64_t since_ms;
    struct berth_uptime_span spans[SPANS_MAX]; /* up to one of no length */
    struct berth_uptime_figures expected;
} rows[] = {
    {"nothing", 0, {{0}}, {0}},
    {"running all the time",
     100,
     {RUN(100, 200)},
     {.running_ms = 100, .observed_ms = 100, .last_ms = 200, .state = BERTH_APP_RUNNING}},
    {"one outage",
     0,
     {RUN(0, 60), EXIT(60, 75), RUN(75, 100)},
     {.running_ms = 85,
      .observed_ms = 100,
      .interruptions = 1,
      .longest_outage_ms = 15,
      .last_ms = 100,
      .state = BERTH_APP_RUNNING}},
    {"an outage of several states is one",
     0,
     {RUN(0, 10), EXIT(10, 15), SPAN(15, 20, BERTH_APP_RESTARTING), SPAN(20, 22, BERTH_APP_CREATED),
      RUN(22, 30), SPAN(30, 34, BERTH_APP_PAUSED)},
     {.running_ms = 18,
      .observed_ms = 34,
      .interruptions = 2,
      .longest_outage_ms = 12,
      .last_ms = 34,
      .state = BERTH_APP_PAUSED}},
    {"it never ran",
     0,
     {SPAN(20, 50, BERTH_APP_CREATED)},
     {.observed_ms = 30,
      .unknown_ms = 20,
      .gaps = 1,
      .longest_outage_ms = 30,
      .last_ms = 50,
      .state = BERTH_APP_CREATED}},
    {"a gap between two that run is no interruption",
     0,
     {RUN(0, 10), RUN(15, 30)},
     {.running_ms = 25,
      .observed_ms = 25,
      .unknown_ms = 5,
      .gaps = 1,
      .last_ms = 30,
      .state = BERTH_APP_RUNNING}},
    {"running, a gap, not running: it was interrupted at some time",
     0,
     {RUN(0, 10), EXIT(15, 30)},
     {.running_ms = 10,
      .observed_ms = 25,
      .unknown_ms = 5,
      .gaps = 1,
      .interruptions = 1,
      .longest_outage_ms = 15,
      .last_ms = 30,
      .state = BERTH_APP_EXITED}},
    {"an outage does not reach over a gap",
     0,
     {EXIT(0, 10), EXIT(12, 19)},
     {.observed_ms = 17,
      .unknown_ms = 2,
      .gaps = 1,
      .longest_outage_ms = 10,
      .last_ms = 19,
      .state = BERTH_APP_EXITED}},
    {"what the engine cannot tell is unknown, and no gap more beside a gap",
     0,
     {RUN(0, 10), SPAN(10, 15, BERTH_APP_UNKNOWN), RUN(18, 20)},
     {.running_ms = 12,
      .observed_ms = 12,
      .unknown_ms = 8,
      .gaps = 1,
      .last_ms = 20,
      .state = BERTH_APP_RUNNING}},
    {"unknown at the end is not seen",
     0,
     {RUN(0, 10), SPAN(10, 15, BERTH_APP_UNKNOWN)},
     {.running_ms = 10, .observed_ms = 10, .last_ms = 10, .state = BERTH_APP_RUNNING}},
    {"never known", 0, {SPAN(0, 15, BERTH_APP_UNKNOWN)}, {.state = BERTH_APP_UNKNOWN}},
    {"deleted and created again",
     0,
     {RUN(0, 40), SPAN(40, 41, BERTH_APP_REMOVING), SPAN(60, 61, BERTH_APP_CREATED), RUN(61, 100)},
     {.running_ms = 79,
      .observed_ms = 81,
      .unknown_ms = 19,
      .gaps = 1,
      .interruptions = 1,
      .longest_outage_ms = 1,
      .last_ms = 100,
      .state = BERTH_APP_RUNNING}},
};

static void ck_figures(const char *name, const struct berth_uptime_figures *is,
                       const struct berth_uptime_figures *wanted)
{
#define CK_FIGURE(member)                                                                          \
    ck_assert_msg(is->member == wanted->member, "%s: " #member " is %" PRId64 ", wanted %" PRId64, \
                  name, (int64_t)is->member, (int64_t)wanted->member)
    CK_FIGURE(running_ms);
    CK_FIGURE(observed_ms);
    CK_FIGURE(unknown_ms);
    CK_FIGURE(gaps);
    CK_FIGURE(interruptions);
    CK_FIGURE(longest_outage_ms);
    CK_FIGURE(last_ms);
    CK_FIGURE(state);
#undef CK_FIGURE
}

START_TEST(figures_of_spans)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t count = 0;
        while (count < SPANS_MAX && rows[i].spans[count].to_ms > 0)
            count++;
        struct berth_uptime_figures figures = {.gaps = 99};
        berth_uptime_figure(rows[i].spans, count, rows[i].since_ms, &figures);
        ck_figures(rows[i].name, &figures, &rows[i].expected);
    }
}
END_TEST

/* ---- Reports ---- */

/* On the day that ends at 12:00 of June 20, as "app 3/4@5 …": running and observed minutes, and
 * when it was first seen, in hours before the end. */
static void ck_report(struct berth_uptime *recorder, const char *expected)
{
    int64_t now_ms = JUNE_20 * 1000 + AT(12, 0, 0);
    BERTH_CLEANUP(uptime_report) struct berth_uptime_report *report = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 20);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_uptime_report_open(uptime->store, recorder, "demo", BERTH_UPTIME_DAY,
                                           now_ms * BERTH_NS_PER_MS, &report, &err) == 0,
                  "%s", err.message);
    ck_assert_int_eq(berth_uptime_report_from_ms(report), now_ms - AT(24, 0, 0));
    ck_assert_int_eq(berth_uptime_report_to_ms(report), now_ms);
    for (int pass = 0; pass < 2; pass++) {
        berth_strbuf_clear(&text);
        const struct berth_uptime_app *app = NULL;
        while (berth_uptime_report_next(report, &app, &err) == 0 && app)
            berth_strbuf_addf(&text, "%s%s(%s) %" PRId64 "/%" PRId64 "@%" PRId64,
                              text.len ? ", " : "", app->name, app->user,
                              app->figures.running_ms / 60000, app->figures.observed_ms / 60000,
                              (now_ms - app->first_ms) / 3600000);
        ck_assert_msg(err.status == 0, "%s", err.message);
        ck_assert_str_eq(berth_strbuf_str(&text), expected);
        berth_uptime_report_rewind(report);
    }
}

START_TEST(apps_of_the_window_in_order_of_names)
{
    int64_t day = JUNE_20 * 1000;
    set_up();
    open_recorder(600, 36500);
    observe("web--ana", BERTH_APP_RUNNING, day - AT(40, 0, 0)); /* before the window: cut */
    observe("old--bob", BERTH_APP_RUNNING, day - AT(40, 0, 0)); /* all before the window */
    gone("old--bob", day - AT(30, 0, 0));
    observe("alone", BERTH_APP_CREATED, day + AT(11, 0, 0));
    observe("alone", BERTH_APP_RUNNING, day + AT(11, 30, 0));
    observe("lost--cleo", BERTH_APP_UNKNOWN, day + AT(10, 0, 0)); /* never known */
    observe("twice--dora", BERTH_APP_RUNNING, day + AT(1, 0, 0));
    gone("twice--dora", day + AT(2, 0, 0));
    observe("twice--dora", BERTH_APP_EXITED, day + AT(5, 0, 0));
    gone("twice--dora", day + AT(6, 0, 0));
    alive(day + AT(11, 50, 0));
    /* alone: 20 of 50 minutes; web: until it was last known. */
    ck_report(uptime, "alone() 20/50@1, twice--dora(dora) 60/120@11, web--ana(ana) 1430/1430@52");
    tear_down();
}
END_TEST

START_TEST(a_gap_while_no_gateway_ran)
{
    int64_t day = JUNE_20 * 1000;
    set_up();
    open_recorder(600, 36500);
    observe("web--ana", BERTH_APP_RUNNING, day + AT(1, 0, 0));
    alive(day + AT(2, 0, 0));
    close_recorder();
    open_recorder(600, 36500);
    observe("web--ana", BERTH_APP_RUNNING, day + AT(4, 0, 0));
    alive(day + AT(5, 0, 0));
    ck_report(uptime, "web--ana(ana) 120/120@11");
    tear_down();
}
END_TEST

/* Without a recorder, what is open holds until the watermark. */
START_TEST(no_gateway_runs)
{
    int64_t day = JUNE_20 * 1000;
    set_up();
    open_recorder(600, 36500);
    ck_report(NULL, "");
    observe("web--ana", BERTH_APP_RUNNING, day + AT(1, 0, 0));
    alive(day + AT(2, 0, 0));
    ck_report(uptime, "web--ana(ana) 60/60@11"); /* and it is written */
    run_beside("UPDATE uptime_watermark SET at_ms = at_ms + 60000");
    ck_report(NULL, "web--ana(ana) 61/61@11");
    run_beside("DELETE FROM uptime_watermark");
    ck_report(NULL, "");
    tear_down();
}
END_TEST

UNIT_SUITE("uptime_report", figures_of_spans, apps_of_the_window_in_order_of_names,
           a_gap_while_no_gateway_ran, no_gateway_runs)
