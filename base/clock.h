/* SPDX-License-Identifier: MIT */
/*
 * Time. Two clocks: monotonic for durations and deadlines, wall for what users
 * see. Wall times travel as int64_t nanoseconds since 1970 UTC, durations as
 * milliseconds; the unit is in every name. Zero wall time means "never" where a
 * header says so (Go's year-1 zero time parses to it).
 *
 * Threading: all functions are safe anywhere; the local zone is read from TZ
 * or /etc/localtime once at start-up by berth_clock_init().
 */
#ifndef BERTH_BASE_CLOCK_H
#define BERTH_BASE_CLOCK_H

#include "base/strbuf.h"

#include <time.h>

#define BERTH_NS_PER_S  INT64_C(1000000000)
#define BERTH_NS_PER_MS INT64_C(1000000)

/* tzset(); call once from main before threads start. */
void berth_clock_init(void);

int64_t berth_clock_monotonic_ms(void);
int64_t berth_clock_monotonic_ns(void);
int64_t berth_clock_wall_ns(void);

/* An absolute CLOCK_MONOTONIC time timeout_ms from now (negative: now), for
 * pthread_cond_clockwait. */
struct timespec berth_clock_deadline(int64_t timeout_ms);

/*
 * RFC 3339 section 5.6 with any number of fraction digits (digits past
 * nanoseconds are cut), 'Z' or an offset; the date is checked, a leap second
 * is the second after it. Times before 1970 give 0. BERTH_E_INVALID when it is
 * no such text or past what nanoseconds hold (the year 2262).
 */
BERTH_MUST_CHECK int berth_clock_parse_rfc3339(const char *text, size_t len, int64_t *ret_wall_ns,
                                               struct berth_error *err);

/* "2026-01-20T15:30:00.123+01:00" in the local zone ("Z" where its offset is 0); with digits (0, 3,
 * 6 or 9) of fraction, the rest cut. */
void berth_clock_add_rfc3339(struct berth_strbuf *buf, int64_t wall_ns, int digits);

/* The same in UTC: "2026-01-20T14:30:00.123456789Z". */
void berth_clock_add_utc(struct berth_strbuf *buf, int64_t wall_ns, int digits);

/* "Tue, 20 Jan 2026 15:30:00 GMT" (RFC 9110 section 5.6.7), whatever the locale. */
void berth_clock_add_http(struct berth_strbuf *buf, int64_t wall_ns);

/* "2026-01-20T15:30:00": local time without zone (the uptime summary's keys). */
void berth_clock_add_local(struct berth_strbuf *buf, int64_t wall_ns);

/* "2021-03-10 00:15:05 +0100 CET": Go's time.Time.String() of whole seconds, in the local zone. */
void berth_clock_add_go(struct berth_strbuf *buf, int64_t wall_ns);

#endif
