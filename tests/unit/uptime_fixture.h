/* SPDX-License-Identifier: MIT */
/*
 * A recorder over a real store in a scratch directory, in the zone of Berlin;
 * its facility is "demo". Times are wall milliseconds since 1970.
 */
#ifndef BERTH_TESTS_UNIT_UPTIME_FIXTURE_H
#define BERTH_TESTS_UNIT_UPTIME_FIXTURE_H

#include "facilities/uptime_internal.h"

/* Offsets into a day. */
#define AT(hour, minute, second) (((hour)*3600 + (minute)*60 + (second)) * INT64_C(1000))

/* 00:00 UTC of days, in seconds. */
#define JUNE_20    INT64_C(1687219200) /* 2023: Berlin is at +02:00 */
#define OCTOBER_29 INT64_C(1698537600) /* 2023: 03:00 becomes 02:00, at 01:00 UTC */
#define MARCH_31   INT64_C(1711843200) /* 2024: 02:00 becomes 03:00, at 01:00 UTC */

/* A summary waits so long for what was observed to be written. */
#define PATIENCE_MS 60000

extern struct berth_uptime *uptime;

/* Zone and directory; then the recorder is opened, and opened again as often as a test likes. */
void set_up(void);
void open_recorder(int64_t interval_s, int64_t retention_days);
void close_recorder(void);
/* Closes the recorder too. */
void tear_down(void);

void observe(const char *app, enum berth_app_state state, int64_t at_ms);
void gone(const char *app, int64_t at_ms);
void alive(int64_t at_ms);
void lost(int64_t last_alive_ms);

/* The summary as "12:00:00+ 12:10:00-", the date left out; malloc'ed. */
char *summarise(const char *facility, const char *app, enum berth_uptime_window window,
                int64_t now_ms);
void ck_summary(const char *name, const char *app, enum berth_uptime_window window, int64_t now_ms,
                const char *expected);

/* Statements of the test's own, in the recorder's store. */
void run_beside(const char *sql);
int64_t count_beside(const char *sql);

/* Spans of the month before now_ms, as many of each of the apps app--FIRST to app--LAST, running
 * and exited by turns. */
void add_spans(int64_t first, int64_t last, int64_t spans, int64_t now_ms);

/* From then on the store does not take spans: all, or those of one app; until take_spans(). */
enum refusal { REFUSE_ALL, REFUSE_LAST /* last--ana */, REFUSE_NEW /* new--ana */ };
void refuse_spans(enum refusal refusal);
void take_spans(enum refusal refusal);

/* Between two looks at a condition. */
void nap(void);

#endif
