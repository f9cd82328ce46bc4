/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "gateway/report_internal.h"

#include <string.h>

#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400

static const char *const window_names[] = {
    [BERTH_UPTIME_HOUR] = "hour",
    [BERTH_UPTIME_DAY] = "day",
    [BERTH_UPTIME_WEEK] = "week",
    [BERTH_UPTIME_MONTH] = "month",
};

const char *berth_report_window_name(enum berth_uptime_window window)
{
    return window_names[window];
}

void berth_report_add_share(struct berth_strbuf *out, int64_t part_ms, int64_t whole_ms)
{
    if (whole_ms <= 0) {
        berth_strbuf_addc(out, '-');
        return;
    }
    int64_t hundredths = part_ms * 10000 / whole_ms;
    if (part_ms == whole_ms || part_ms == 0)
        berth_strbuf_addf(out, "%s", part_ms ? "100%" : "0%");
    else if (hundredths == 0)
        berth_strbuf_adds(out, "<0.01%");
    else
        berth_strbuf_addf(out, "%lld.%02lld%%", (long long)(hundredths / 100),
                          (long long)(hundredths % 100));
}

void berth_report_add_duration(struct berth_strbuf *out, int64_t ms)
{
    long long s = ms / 1000;
    if (s >= DAY_S)
        berth_strbuf_addf(out, "%lldd %lldh", s / DAY_S, s % DAY_S / HOUR_S);
    else if (s >= HOUR_S)
        berth_strbuf_addf(out, "%lldh %02lldm", s / HOUR_S, s % HOUR_S / MINUTE_S);
    else if (s >= MINUTE_S)
        berth_strbuf_addf(out, "%lldm %02llds", s / MINUTE_S, s % MINUTE_S);
    else
        berth_strbuf_addf(out, s == 0 && ms > 0 ? "<1s" : "%llds", s);
}

void berth_report_add_time(struct berth_strbuf *out, int64_t ms)
{
    time_t time = (time_t)(ms / 1000);
    struct tm tm;
    char text[64];
    if (localtime_r(&time, &tm))
        berth_strbuf_add(out, text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M %Z", &tm));
}

/* ---- The axis ---- */

struct ticks {
    struct berth_report_tick *items;
    size_t count;
    int64_t from_ms;
    int64_t to_ms;
};

enum label { LABEL_NONE, LABEL_CLOCK, LABEL_DAY, LABEL_DATE };

static void add_label(struct berth_report_tick *tick, time_t at_s, enum label label)
{
    struct tm tm;
    size_t len = 0;
    size_t size = sizeof(tick->label);
    if (localtime_r(&at_s, &tm)) {
        if (label == LABEL_CLOCK)
            len = strftime(tick->label, size, "%H:%M", &tm);
        else if (label == LABEL_DAY)
            len = strftime(tick->label, size, "%a %-d", &tm);
        else if (label == LABEL_DATE)
            len = strftime(tick->label, size, "%-d %b", &tm);
    }
    tick->label[len] = '\0';
}

/* False past the end. Times that the clock leaves out are those after them, and come once. */
static bool add_tick(struct ticks *ticks, time_t at_s, enum label label)
{
    int64_t at_ms = (int64_t)at_s * 1000;
    if (at_ms > ticks->to_ms || ticks->count == BERTH_REPORT_TICKS_MAX)
        return false;
    if (at_ms < ticks->from_ms ||
        (ticks->count > 0 && ticks->items[ticks->count - 1].at_ms >= at_ms))
        return true;
    struct berth_report_tick *tick = &ticks->items[ticks->count++];
    tick->at_ms = at_ms;
    add_label(tick, at_s, label);
    return true;
}

/* The clock may go forth and back by the hour within it: steps of the same length fit all the same.
 */
static void add_minutes(struct ticks *ticks, const struct tm *start, time_t start_s)
{
    static const int step = 10;
    time_t at = start_s - start->tm_sec - start->tm_min % step * MINUTE_S;
    while (add_tick(ticks, at, LABEL_CLOCK))
        at += (time_t)step * MINUTE_S;
}

static void add_hours(struct ticks *ticks, const struct tm *start)
{
    for (int hour = 0;; hour += 3) {
        struct tm tm = {.tm_year = start->tm_year,
                        .tm_mon = start->tm_mon,
                        .tm_mday = start->tm_mday,
                        .tm_hour = hour,
                        .tm_isdst = -1};
        if (!add_tick(ticks, mktime(&tm), hour % 24 ? LABEL_CLOCK : LABEL_DAY))
            return;
    }
}

static void add_days(struct ticks *ticks, const struct tm *start, bool is_month)
{
    for (int day = 0;; day++) {
        struct tm tm = {.tm_year = start->tm_year,
                        .tm_mon = start->tm_mon,
                        .tm_mday = start->tm_mday + day,
                        .tm_isdst = -1};
        time_t at = mktime(&tm);
        enum label month_label = tm.tm_wday == 1 ? LABEL_DATE : LABEL_NONE;
        if (!add_tick(ticks, at, is_month ? month_label : LABEL_DAY))
            return;
    }
}

size_t berth_report_ticks(enum berth_uptime_window window, int64_t from_ms, int64_t to_ms,
                          struct berth_report_tick ret_ticks[static BERTH_REPORT_TICKS_MAX])
{
    struct ticks ticks = {.items = ret_ticks, .from_ms = from_ms, .to_ms = to_ms};
    time_t from_s = (time_t)(from_ms / 1000);
    struct tm start;
    if (!localtime_r(&from_s, &start))
        return 0;
    switch (window) {
    case BERTH_UPTIME_HOUR:
        add_minutes(&ticks, &start, from_s);
        break;
    case BERTH_UPTIME_DAY:
        add_hours(&ticks, &start);
        break;
    case BERTH_UPTIME_WEEK:
    case BERTH_UPTIME_MONTH:
        add_days(&ticks, &start, window == BERTH_UPTIME_MONTH);
        break;
    }
    return ticks.count;
}
