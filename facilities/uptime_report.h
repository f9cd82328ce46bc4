/* SPDX-License-Identifier: MIT */
/*
 * Uptime of all apps of a facility over a window: the figures and the exact
 * spans of one app after the other, in the order of names. Nothing is held of
 * more than one app at a time, however many there are; all of them are seen
 * as of one moment, when the report was opened.
 *
 * What is not known is in no figure but unknown_ms: a span of state unknown, a
 * time in which the gateway did not run or had no contact with the engine, and
 * the time between an app's deletion and its next creation.
 *
 * Threading: a report belongs to one thread.
 */
#ifndef BERTH_FACILITIES_UPTIME_REPORT_H
#define BERTH_FACILITIES_UPTIME_REPORT_H

#include "base/limits.h"
#include "facilities/uptime.h"

/* One state, from from_ms until to_ms (wall milliseconds), which is later. */
struct berth_uptime_span {
    int64_t from_ms;
    int64_t to_ms;
    enum berth_app_state state; /* BERTH_APP_UNKNOWN where the engine could not tell */
};

struct berth_uptime_figures {
    int64_t running_ms;
    int64_t observed_ms; /* the state was known: running_ms is a part of it */
    int64_t unknown_ms;  /* between the first and the last time it was known */
    int64_t gaps;        /* stretches that unknown_ms is made of */
    /* Times it was seen running and then in another state, whether or not a gap lies between. */
    int64_t interruptions;
    int64_t longest_outage_ms;  /* longest stretch seen not running, whatever the other states */
    int64_t last_ms;            /* until when its state is known */
    enum berth_app_state state; /* then */
};

/* All that is borrowed is valid until the next call on the report. */
struct berth_uptime_app {
    const char *name;
    const char *user; /* "" where the name tells none */
    int64_t first_ms; /* first seen, within the retention: perhaps before the window */
    struct berth_uptime_figures figures;
    const struct berth_uptime_span *spans; /* cut at the window's ends, oldest first */
    size_t span_count;                     /* at least 1 of a known state */
};

/*
 * The figures of spans as above. since_ms: where the time begins in which the
 * app should be known (the window's beginning, or the app's own if that is
 * later); a time before the first span counts as unknown. All zero where no
 * span is of a known state.
 */
void berth_uptime_figure(const struct berth_uptime_span *spans, size_t count, int64_t since_ms,
                         struct berth_uptime_figures *ret_figures);

struct berth_uptime_report;

/*
 * Opens a report on the window that ends at now_ns. uptime: the recorder that
 * is at work on the store, what it has observed until now is seen; NULL where
 * no gateway runs. facility is borrowed until the report is closed.
 */
BERTH_MUST_CHECK int berth_uptime_report_open(struct berth_store *store,
                                              struct berth_uptime *uptime, const char *facility,
                                              enum berth_uptime_window window, int64_t now_ns,
                                              struct berth_uptime_report **ret_report,
                                              struct berth_error *err);
void berth_uptime_report_close(struct berth_uptime_report *report); /* NULL is fine */
BERTH_DEFINE_CLEANUP(uptime_report, struct berth_uptime_report *, berth_uptime_report_close)

/* The window. */
int64_t berth_uptime_report_from_ms(const struct berth_uptime_report *report);
int64_t berth_uptime_report_to_ms(const struct berth_uptime_report *report);

/* The next app whose state is known at some time of the window; *ret_app is NULL after the last. */
BERTH_MUST_CHECK int berth_uptime_report_next(struct berth_uptime_report *report,
                                              const struct berth_uptime_app **ret_app,
                                              struct berth_error *err);
/* Back to before the first app. */
void berth_uptime_report_rewind(struct berth_uptime_report *report);

#endif
