/* SPDX-License-Identifier: MIT */
/* The report on uptime for programs: csv and json. */
#include "base/clock.h"
#include "gateway/report_internal.h"

#include <string.h>

static void add_rfc3339(struct berth_strbuf *out, int64_t ms)
{
    berth_clock_add_rfc3339(out, ms * BERTH_NS_PER_MS, 3);
}

/* Six digits of the fraction, cut: 1 is the whole time and nothing less. */
static void add_fraction(struct berth_strbuf *out, int64_t part_ms, int64_t whole_ms)
{
    if (part_ms == whole_ms)
        berth_strbuf_addc(out, '1');
    else
        berth_strbuf_addf(out, "0.%06lld", (long long)(part_ms * 1000000 / whole_ms));
}

/* ---- RFC 4180 ---- */

/* What a spreadsheet would take for a formula gets an apostrophe in front. */
static void add_cell(struct berth_strbuf *out, const char *text)
{
    const char *lead = text[0] && strchr("=+-@", text[0]) ? "'" : "";
    if (!text[strcspn(text, "\",\r\n")]) {
        berth_strbuf_addf(out, "%s%s", lead, text);
        return;
    }
    berth_strbuf_addf(out, "\"%s", lead);
    for (; *text; text++)
        berth_strbuf_addf(out, *text == '"' ? "\"%c" : "%c", *text);
    berth_strbuf_addc(out, '"');
}

static void add_seconds(struct berth_strbuf *out, int64_t ms)
{
    berth_strbuf_addf(out, ",%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void begin_csv(struct report *report, struct berth_strbuf *out)
{
    (void)report;
    berth_strbuf_adds(out,
                      "facility,app,user,from,to,state,running_share,running_s,observed_s,"
                      "unknown_s,gaps,interruptions,longest_outage_s,first_seen,last_seen\r\n");
}

static void add_csv(struct report *report, const struct berth_uptime_app *app,
                    struct berth_strbuf *out)
{
    const struct berth_uptime_figures *figures = &app->figures;
    add_cell(out, report->facility->id);
    berth_strbuf_addc(out, ',');
    add_cell(out, app->name);
    berth_strbuf_addc(out, ',');
    add_cell(out, app->user);
    berth_strbuf_addc(out, ',');
    add_rfc3339(out, report->from_ms);
    berth_strbuf_addc(out, ',');
    add_rfc3339(out, report->to_ms);
    berth_strbuf_addf(out, ",%s,", berth_app_state_name(figures->state));
    add_fraction(out, figures->running_ms, figures->observed_ms);
    add_seconds(out, figures->running_ms);
    add_seconds(out, figures->observed_ms);
    add_seconds(out, figures->unknown_ms);
    berth_strbuf_addf(out, ",%lld,%lld", (long long)figures->gaps,
                      (long long)figures->interruptions);
    add_seconds(out, figures->longest_outage_ms);
    berth_strbuf_addc(out, ',');
    add_rfc3339(out, app->first_ms);
    berth_strbuf_addc(out, ',');
    add_rfc3339(out, figures->last_ms);
    berth_strbuf_adds(out, "\r\n");
}

static void end_csv(struct report *report, struct berth_strbuf *out)
{
    (void)report;
    (void)out;
}

const struct berth_report_format berth_report_csv = {"csv", begin_csv, add_csv, end_csv};

/* ---- JSON ---- */

static void add_time(struct berth_json_writer *w, const char *name, int64_t ms)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    add_rfc3339(&text, ms);
    berth_json_add_string(w, name, berth_strbuf_str(&text));
}

static void add_share(struct berth_json_writer *w, int64_t part_ms, int64_t whole_ms)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(32);
    if (whole_ms > 0)
        add_fraction(&text, part_ms, whole_ms);
    else
        berth_strbuf_adds(&text, "null");
    berth_json_add_raw(w, "running_share", berth_strbuf_str(&text), text.len);
}

static void begin_json(struct report *report, struct berth_strbuf *out)
{
    (void)out;
    struct berth_json_writer *w = &report->json;
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "facility", report->facility->id);
    berth_json_add_string(w, "title", report->facility->title);
    berth_json_add_string(w, "window", berth_report_window_name(report->window));
    add_time(w, "from", report->from_ms);
    add_time(w, "to", report->to_ms);
    berth_json_open_object(w, "summary");
    berth_json_add_int(w, "apps", (int64_t)report->app_count);
    berth_json_add_int(w, "running", (int64_t)report->running_count);
    add_share(w, report->running_ms, report->observed_ms);
    berth_json_add_int(w, "running_ms", report->running_ms);
    berth_json_add_int(w, "observed_ms", report->observed_ms);
    berth_json_add_int(w, "unknown_ms", report->unknown_ms);
    berth_json_add_int(w, "interruptions", report->interruptions);
    berth_json_add_int(w, "longest_outage_ms", report->longest_outage_ms);
    berth_json_add_string(w, "longest_outage_app",
                          report->longest_app[0] ? report->longest_app : NULL);
    berth_json_close_object(w);
    berth_json_open_array(w, "apps");
}

static void add_json(struct report *report, const struct berth_uptime_app *app,
                     struct berth_strbuf *out)
{
    struct berth_json_writer *w = &report->json;
    const struct berth_uptime_figures *figures = &app->figures;
    berth_strbuf_addc(out, report->index == 0 ? '\n' : ','); /* an app a line */
    if (report->index > 0)
        berth_strbuf_addc(out, '\n');
    w->need_comma = false;
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "name", app->name);
    berth_json_add_string(w, "user", app->user);
    berth_json_add_string(w, "state", berth_app_state_name(figures->state));
    add_share(w, figures->running_ms, figures->observed_ms);
    berth_json_add_int(w, "running_ms", figures->running_ms);
    berth_json_add_int(w, "observed_ms", figures->observed_ms);
    berth_json_add_int(w, "unknown_ms", figures->unknown_ms);
    berth_json_add_int(w, "gaps", figures->gaps);
    berth_json_add_int(w, "interruptions", figures->interruptions);
    berth_json_add_int(w, "longest_outage_ms", figures->longest_outage_ms);
    add_time(w, "first_seen", app->first_ms);
    add_time(w, "last_seen", figures->last_ms);
    berth_json_open_array(w, "spans");
    for (size_t i = 0; i < app->span_count; i++) {
        berth_json_open_object(w, NULL);
        berth_json_add_string(w, "state", berth_app_state_name(app->spans[i].state));
        add_time(w, "from", app->spans[i].from_ms);
        add_time(w, "to", app->spans[i].to_ms);
        berth_json_close_object(w);
    }
    berth_json_close_array(w);
    berth_json_close_object(w);
}

static void end_json(struct report *report, struct berth_strbuf *out)
{
    if (report->index > 0)
        berth_strbuf_addc(out, '\n');
    berth_json_close_array(&report->json);
    berth_json_close_object(&report->json);
    berth_strbuf_addc(out, '\n');
}

const struct berth_report_format berth_report_json = {"json", begin_json, add_json, end_json};
