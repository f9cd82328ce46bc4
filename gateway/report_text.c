/* SPDX-License-Identifier: MIT */
/* The report on uptime for a terminal or a mail: ASCII, 80 columns wide. */
#include "gateway/report_internal.h"

#include <string.h>

#define NAME_WIDTH 33
#define BAR_CELLS  24

/* Right-aligned; text is emptied. */
static void add_column(struct berth_strbuf *out, struct berth_strbuf *text, int width)
{
    berth_strbuf_addf(out, "%*s", width, berth_strbuf_str(text));
    berth_strbuf_clear(text);
}

static void begin_text(struct report *report, struct berth_strbuf *out)
{
    const struct berth_facility_config *facility = report->facility;
    berth_strbuf_addf(out, "Uptime of facility %s", facility->id);
    if (facility->title && facility->title[0])
        berth_strbuf_addf(out, " (%s)", facility->title);
    berth_strbuf_addf(out, ", the last %s\n", berth_report_window_name(report->window));
    berth_report_add_time(out, report->from_ms);
    berth_strbuf_adds(out, " to ");
    berth_report_add_time(out, report->to_ms);
    berth_strbuf_adds(out, "\n\n");
    if (report->app_count == 0) {
        berth_strbuf_adds(out, "No app was seen in this time.\n");
        return;
    }
    berth_strbuf_addf(out, "Apps            %zu, %zu of them running when last seen\n",
                      report->app_count, report->running_count);
    berth_strbuf_adds(out, "Running         ");
    berth_report_add_share(out, report->running_ms, report->observed_ms);
    berth_strbuf_adds(out, " of ");
    berth_report_add_duration(out, report->observed_ms);
    berth_strbuf_adds(out, " observed\nUnknown         ");
    berth_report_add_duration(out, report->unknown_ms);
    berth_strbuf_addf(out, "\nInterruptions   %lld\n", (long long)report->interruptions);
    if (report->longest_app[0]) {
        berth_strbuf_adds(out, "Longest outage  ");
        berth_report_add_duration(out, report->longest_outage_ms);
        berth_strbuf_addf(out, ", of %s\n", report->longest_app);
    }
    berth_strbuf_addf(out, "\n%-*s%8s%10s%10s%7s%12s\n", NAME_WIDTH, "APP", "RUNNING", "OBSERVED",
                      "UNKNOWN", "STOPS", "LONGEST");
}

/* Of each cell, how long the app was seen running, and seen not running. */
struct bar {
    int64_t from_ms;
    int64_t length_ms;
    int64_t running_ms[BAR_CELLS];
    int64_t other_ms[BAR_CELLS];
};

static int64_t cell_start(const struct bar *bar, size_t cell)
{
    return bar->from_ms + bar->length_ms * (int64_t)cell / BAR_CELLS;
}

static void add_to_bar(struct bar *bar, const struct berth_uptime_span *span)
{
    int64_t *cells = span->state == BERTH_APP_RUNNING ? bar->running_ms : bar->other_ms;
    size_t cell = (size_t)((span->from_ms - bar->from_ms) * BAR_CELLS / bar->length_ms);
    for (; cell < BAR_CELLS && cell_start(bar, cell) < span->to_ms; cell++) {
        int64_t from_ms = cell_start(bar, cell);
        int64_t to_ms = cell_start(bar, cell + 1);
        from_ms = span->from_ms > from_ms ? span->from_ms : from_ms;
        to_ms = span->to_ms < to_ms ? span->to_ms : to_ms;
        cells[cell] += to_ms > from_ms ? to_ms - from_ms : 0;
    }
}

static void add_bar(const struct report *report, const struct berth_uptime_app *app,
                    struct berth_strbuf *out)
{
    struct bar bar = {.from_ms = report->from_ms, .length_ms = report->to_ms - report->from_ms};
    for (size_t i = 0; i < app->span_count; i++)
        if (app->spans[i].state != BERTH_APP_UNKNOWN)
            add_to_bar(&bar, &app->spans[i]);
    for (size_t i = 0; i < BAR_CELLS; i++) {
        bool running = bar.running_ms[i] > 0;
        bool other = bar.other_ms[i] > 0;
        bool is_before = cell_start(&bar, i + 1) <= app->first_ms;
        char unknown = is_before ? ' ' : '.';
        berth_strbuf_addc(out, running && other ? '+' : running ? '#' : other ? '-' : unknown);
    }
}

static void add_text(struct report *report, const struct berth_uptime_app *app,
                     struct berth_strbuf *out)
{
    const struct berth_uptime_figures *figures = &app->figures;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    berth_strbuf_addf(out, "%-*s", NAME_WIDTH, app->name);
    if (strlen(app->name) >= NAME_WIDTH)
        berth_strbuf_addf(out, "\n%*s", NAME_WIDTH, "");
    berth_report_add_share(&text, figures->running_ms, figures->observed_ms);
    add_column(out, &text, 8);
    berth_report_add_duration(&text, figures->observed_ms);
    add_column(out, &text, 10);
    berth_report_add_duration(&text, figures->unknown_ms);
    add_column(out, &text, 10);
    berth_strbuf_addf(out, "%7lld", (long long)figures->interruptions);
    berth_report_add_duration(&text, figures->longest_outage_ms);
    add_column(out, &text, 12);
    berth_strbuf_adds(out, "\n  ");
    add_bar(report, app, out);
    berth_strbuf_adds(out, "  ");
    berth_report_add_time(out, app->first_ms);
    berth_strbuf_adds(out, " to ");
    berth_report_add_time(out, figures->last_ms);
    if (app->user[0])
        berth_strbuf_addf(out, "  %s", app->user);
    berth_strbuf_addc(out, '\n');
}

static void end_text(struct report *report, struct berth_strbuf *out)
{
    if (report->app_count == 0)
        return;
    berth_strbuf_adds(out, "\nThe bar: # running, - not running, + both, . unknown; ");
    berth_report_add_duration(out, (report->to_ms - report->from_ms) / BAR_CELLS);
    berth_strbuf_adds(out,
                      " a character.\n"
                      "STOPS counts how often an app was seen running and then not; LONGEST is "
                      "its\nlongest outage. Beside the bar: first seen, last seen, user. What "
                      "berth could\nnot see is unknown, and in no other figure.\n");
}

const struct berth_report_format berth_report_text = {"text", begin_text, add_text, end_text};
