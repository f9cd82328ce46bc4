/* SPDX-License-Identifier: MIT */
/*
 * Uptime: per app, spans of one state, recorded exactly as the engine's events
 * tell. The open spans of a facility are extended by one watermark per sample;
 * what lies between the last watermark and a start of the gateway, or within
 * a loss of contact, is a gap: never an invention. Storage grows with changes.
 *
 * Uptime belongs to the name within its facility and survives delete and
 * create. Observations are queued and written by one thread of the recorder
 * (one for all facilities); a summary sees all that was observed before it.
 *
 * Threading: any thread; observe functions do not block.
 */
#ifndef BERTH_FACILITIES_UPTIME_H
#define BERTH_FACILITIES_UPTIME_H

#include "backends/app.h"
#include "base/strbuf.h"
#include "facilities/store.h"

struct berth_uptime;

struct berth_uptime_config {
    int64_t sample_interval_s; /* 1 to 86,400; 600 by default */
    int64_t retention_days;    /* 1 to 36,500; 400 by default */
};

/* Closes the spans an earlier run left open at its last watermark, then starts the recorder. */
BERTH_MUST_CHECK int berth_uptime_open(struct berth_store *store,
                                       const struct berth_uptime_config *config,
                                       struct berth_uptime **ret_uptime, struct berth_error *err);
/* Writes what is queued and a last watermark. NULL is fine. */
void berth_uptime_close(struct berth_uptime *uptime);
BERTH_DEFINE_CLEANUP(uptime, struct berth_uptime *, berth_uptime_close)

/* app is in this state from at_ns on; the same state again is no change. */
void berth_uptime_observe(struct berth_uptime *uptime, const char *facility, const char *app,
                          enum berth_app_state state, int64_t at_ns);
/* There is no such app any more. */
void berth_uptime_gone(struct berth_uptime *uptime, const char *facility, const char *app,
                       int64_t at_ns);
/* All that is open in the facility is known to hold until at_ns. */
void berth_uptime_alive(struct berth_uptime *uptime, const char *facility, int64_t at_ns);
/* Nothing is known after last_alive_ns. */
void berth_uptime_lost(struct berth_uptime *uptime, const char *facility, int64_t last_alive_ns);
/* Nobody follows the facility any more: nothing is known after its last proof of contact. */
void berth_uptime_leave(struct berth_uptime *uptime, const char *facility);

/* From now on; what was recorded stays as it is, but for what is past the retention. */
void berth_uptime_set_config(struct berth_uptime *uptime, const struct berth_uptime_config *config);

enum berth_uptime_window {
    BERTH_UPTIME_HOUR,
    BERTH_UPTIME_DAY,
    BERTH_UPTIME_WEEK,
    BERTH_UPTIME_MONTH
};

/* "hour", "day", "week", "month"; else BERTH_E_INVALID naming parameter duration. */
BERTH_MUST_CHECK int berth_uptime_parse_window(const char *text,
                                               enum berth_uptime_window *ret_window,
                                               struct berth_error *err);

/*
 * {"2023-06-20T13:50:45": true, …}: local time, oldest first; samples stand on
 * a grid anchored at the epoch, plus one where a span begins. Of an hour that
 * daylight saving repeats, a sample is false if either was. A month is 31 days.
 * "{}" for an app never seen.
 */
BERTH_MUST_CHECK int berth_uptime_summary(struct berth_uptime *uptime, const char *facility,
                                          const char *app, enum berth_uptime_window window,
                                          int64_t now_ns, struct berth_strbuf *json,
                                          struct berth_error *err);

/* True if the facility ever had an app of that name within the retention. */
BERTH_MUST_CHECK int berth_uptime_known(struct berth_uptime *uptime, const char *facility,
                                        const char *app, bool *ret_known, struct berth_error *err);

#endif
