/* SPDX-License-Identifier: MIT */
/*
 * The formats of the report on uptime, for gateway/report*.c alone.
 *
 * Threading: a report belongs to one thread.
 */
#ifndef BERTH_GATEWAY_REPORT_INTERNAL_H
#define BERTH_GATEWAY_REPORT_INTERNAL_H

#include "base/json.h"
#include "facilities/uptime_report.h"
#include "gateway/report.h"

/* What is known before the first app is written. */
struct report {
    const struct berth_facility_config *facility;
    enum berth_uptime_window window;
    int64_t from_ms;
    int64_t to_ms;
    /* All apps together. */
    size_t app_count;
    size_t running_count; /* when last known */
    int64_t running_ms;
    int64_t observed_ms;
    int64_t unknown_ms;
    int64_t interruptions;
    int64_t longest_outage_ms;
    char longest_app[BERTH_APP_MAX + 1]; /* "" where there was no outage */
    /* While apps are written. */
    size_t index; /* of the present app, from 0 */
    struct berth_json_writer json;
};

/* Each appends to out. */
struct berth_report_format {
    const char *name;
    void (*begin)(struct report *report, struct berth_strbuf *out);
    void (*app)(struct report *report, const struct berth_uptime_app *app,
                struct berth_strbuf *out);
    void (*end)(struct report *report, struct berth_strbuf *out);
};

extern const struct berth_report_format berth_report_text;
extern const struct berth_report_format berth_report_csv;
extern const struct berth_report_format berth_report_json;
extern const struct berth_report_format berth_report_html;

/* ---- report_values.c: values as people read them ---- */

/* "week" */
const char *berth_report_window_name(enum berth_uptime_window window);
/* "99.31%", cut and not rounded: what was down for a moment is not 100%; "-" of nothing. */
void berth_report_add_share(struct berth_strbuf *out, int64_t part_ms, int64_t whole_ms);
/* "6d 23h", "3h 05m", "12m 30s", "45s", "<1s", "0s": the two largest units, the rest cut. */
void berth_report_add_duration(struct berth_strbuf *out, int64_t ms);
/* "2026-11-22 04:00 CET" */
void berth_report_add_time(struct berth_strbuf *out, int64_t ms);

#define BERTH_REPORT_TICKS_MAX 64

struct berth_report_tick {
    int64_t at_ms;
    char label[16]; /* "" for a small one */
};

/* Marks on the axis of time, at round times of the zone: every 10 minutes of an hour, 3 hours of a
 * day, every midnight of more. Returns how many. */
size_t berth_report_ticks(enum berth_uptime_window window, int64_t from_ms, int64_t to_ms,
                          struct berth_report_tick ret_ticks[static BERTH_REPORT_TICKS_MAX]);

#endif
