/* SPDX-License-Identifier: MIT */
/* Spans rendered as samples. */
#include "base/clock.h"
#include "base/json.h"
#include "facilities/uptime_internal.h"

#include <string.h>

#define DAY_S 86400

static const struct {
    const char *name;
    int64_t seconds;
} windows[] = {
    [BERTH_UPTIME_HOUR] = {"hour", 3600},
    [BERTH_UPTIME_DAY] = {"day", DAY_S},
    [BERTH_UPTIME_WEEK] = {"week", 7 * DAY_S},
    [BERTH_UPTIME_MONTH] = {"month", 31 * DAY_S},
};

#define WINDOW_COUNT (sizeof(windows) / sizeof(windows[0]))

int64_t berth_uptime_window_ms(enum berth_uptime_window window)
{
    return windows[window].seconds * 1000;
}

int berth_uptime_parse_window(const char *text, enum berth_uptime_window *ret_window,
                              struct berth_error *err)
{
    for (size_t i = 0; i < WINDOW_COUNT; i++) {
        if (strcmp(text, windows[i].name) == 0) {
            *ret_window = (enum berth_uptime_window)i;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "parameter duration must be hour, day, week or month");
}

/* ---- Samples ---- */

struct sample {
    int64_t utc_s;
    int64_t local_s; /* the same moment as the clock on the wall counts */
    bool running;
};

struct samples {
    struct sample *items;
    size_t count;
    size_t size;
    /* The offset to UTC within one stretch of time. */
    int64_t stretch; /* its number; -1: none yet */
    bool uniform;    /* the offset does not change within it */
    int64_t offset_s;
};

#define STRETCH_S (6 * 3600)

static void samples_release(struct samples *samples)
{
    free(samples->items);
}

BERTH_DEFINE_CLEANUP_VALUE(samples, struct samples, samples_release)

static int64_t zone_offset(int64_t utc_s)
{
    time_t time = (time_t)utc_s;
    struct tm tm;
    return localtime_r(&time, &tm) ? tm.tm_gmtoff : 0;
}

/* Asking for the zone costs more than all else; daylight saving comes and goes twice a year. */
static int64_t cached_offset(struct samples *samples, int64_t utc_s)
{
    int64_t stretch = utc_s / STRETCH_S;
    if (stretch != samples->stretch) {
        samples->stretch = stretch;
        samples->offset_s = zone_offset(stretch * STRETCH_S);
        samples->uniform = samples->offset_s == zone_offset((stretch + 1) * STRETCH_S);
    }
    return samples->uniform ? samples->offset_s : zone_offset(utc_s);
}

/* What comes later within one second decides for it. */
static int add_sample(struct samples *samples, int64_t utc_s, bool running, struct berth_error *err)
{
    if (samples->count > 0 && samples->items[samples->count - 1].utc_s == utc_s) {
        samples->items[samples->count - 1].running = running;
        return 0;
    }
    if (samples->count == samples->size) {
        size_t size = samples->size ? samples->size * 2 : 256;
        struct sample *items = realloc(samples->items, size * sizeof(*items));
        if (!items)
            return berth_error_nomem(err);
        samples->items = items;
        samples->size = size;
    }
    samples->items[samples->count++] = (struct sample){
        .utc_s = utc_s, .local_s = utc_s + cached_offset(samples, utc_s), .running = running};
    return 0;
}

/* One where the span begins, if that is within the window, and one at each point of the grid. */
static int add_span_samples(struct samples *samples, const struct uptime_span *span,
                            const struct uptime_query *query, int64_t interval_s,
                            struct berth_error *err)
{
    bool running = span->state == BERTH_APP_RUNNING;
    int status = 0;
    if (span->from_ms >= query->since_ms)
        status = add_sample(samples, span->from_ms / 1000, running, err);
    int64_t first_ms = span->from_ms > query->since_ms ? span->from_ms : query->since_ms;
    int64_t until_ms = span->open ? span->to_ms : span->to_ms - 1;
    int64_t last_ms = until_ms < query->now_ms ? until_ms : query->now_ms;
    int64_t step_ms = interval_s * 1000;
    for (int64_t at_ms = (first_ms + step_ms - 1) / step_ms * step_ms;
         at_ms <= last_ms && status == 0; at_ms += step_ms)
        status = add_sample(samples, at_ms / 1000, running, err);
    return status;
}

static int make_samples(struct samples *samples, const struct uptime_query *query,
                        int64_t interval_s, struct berth_error *err)
{
    int status = 0;
    for (size_t i = 0; i < query->count && status == 0; i++) {
        /* What cannot be known is neither up nor down. */
        if (query->spans[i].state != BERTH_APP_UNKNOWN)
            status = add_span_samples(samples, &query->spans[i], query, interval_s, err);
    }
    return status;
}

static int compare_local(const void *a, const void *b)
{
    const struct sample *x = a;
    const struct sample *y = b;
    if (x->local_s != y->local_s)
        return x->local_s < y->local_s ? -1 : 1;
    return (x->utc_s > y->utc_s) - (x->utc_s < y->utc_s);
}

/* Where the clock was set back, an hour is there twice: brings it together, false if either was. */
static void merge_repeated(struct samples *samples)
{
    bool ordered = true;
    for (size_t i = 1; i < samples->count && ordered; i++)
        ordered = samples->items[i - 1].local_s < samples->items[i].local_s;
    if (ordered)
        return;
    qsort(samples->items, samples->count, sizeof(*samples->items), compare_local);
    size_t kept = 1;
    for (size_t i = 1; i < samples->count; i++) {
        struct sample *last = &samples->items[kept - 1];
        if (last->local_s == samples->items[i].local_s)
            last->running &= samples->items[i].running;
        else
            samples->items[kept++] = samples->items[i];
    }
    samples->count = kept;
}

/* ---- Text ---- */

#define KEY_SIZE sizeof("2023-06-20T13:50:45")

static void write_digits(char *text, int64_t value)
{
    text[0] = (char)('0' + value / 10);
    text[1] = (char)('0' + value % 10);
}

static void write_samples(const struct samples *samples, struct berth_strbuf *json)
{
    struct berth_json_writer writer = BERTH_JSON_WRITER(json);
    char key[KEY_SIZE + 16] = "";
    int64_t key_day = -1;
    berth_json_open_object(&writer, NULL);
    for (size_t i = 0; i < samples->count; i++) {
        int64_t local_s = samples->items[i].local_s;
        int64_t second = local_s % DAY_S;
        if (local_s / DAY_S != key_day) {
            key_day = local_s / DAY_S;
            time_t midnight = (time_t)(key_day * DAY_S);
            struct tm tm;
            if (gmtime_r(&midnight, &tm))
                (void)strftime(key, sizeof(key), "%Y-%m-%dT%H:%M:%S", &tm);
        }
        char *clock = key + sizeof("2023-06-20T") - 1;
        write_digits(clock, second / 3600);
        write_digits(clock + 3, second / 60 % 60);
        write_digits(clock + 6, second % 60);
        berth_json_add_bool(&writer, key, samples->items[i].running);
    }
    berth_json_close_object(&writer);
}

/* ---- Asking ---- */

int berth_uptime_summary(struct berth_uptime *uptime, const char *facility_id, const char *app,
                         enum berth_uptime_window window, int64_t now_ns, struct berth_strbuf *json,
                         struct berth_error *err)
{
    int64_t now_ms = now_ns / BERTH_NS_PER_MS;
    BERTH_CLEANUP(uptime_query)
    struct uptime_query query = {.facility = facility_id,
                                 .app = app,
                                 .since_ms = now_ms - berth_uptime_window_ms(window),
                                 .now_ms = now_ms};
    int64_t interval_s;
    berth_uptime_settle(uptime, &query);
    {
        BERTH_LOCK_SCOPE(guard, &uptime->lock);
        interval_s = uptime->interval_s;
    }
    int status = berth_store_read(uptime->store, berth_uptime_read_spans, &query, err);
    if (!status)
        status = berth_uptime_add_live(uptime, &query, err);
    BERTH_CLEANUP(samples) struct samples samples = {.stretch = -1};
    if (!status)
        status = make_samples(&samples, &query, interval_s, err);
    if (status)
        return status;
    merge_repeated(&samples);
    size_t len = json->len;
    write_samples(&samples, json);
    status = berth_strbuf_check(json, err);
    if (status)
        berth_strbuf_truncate(json, len);
    return status;
}

struct known_query {
    const char *facility;
    const char *app;
    int64_t since_ms;
    bool known;
};

static int note_last(const struct berth_row *row, void *ctx,
                     struct berth_error *err __attribute__((unused)))
{
    struct known_query *query = ctx;
    query->known = berth_row_is_null(row, 0) || berth_row_int(row, 0) >= query->since_ms;
    return 0;
}

static int read_last(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] = "SELECT to_ms FROM uptime_span WHERE facility = $1 AND app = $2"
                              " ORDER BY from_ms DESC, id DESC LIMIT 1";
    struct known_query *query = ctx;
    const struct berth_value values[] = {berth_value_text(query->facility),
                                         berth_value_text(query->app)};
    return berth_txn_run(txn, sql, values, 2, note_last, query, NULL, err);
}

int berth_uptime_known(struct berth_uptime *uptime, const char *facility_id, const char *app,
                       bool *ret_known, struct berth_error *err)
{
    struct known_query query = {.facility = facility_id, .app = app};
    {
        BERTH_LOCK_SCOPE(guard, &uptime->lock);
        query.since_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS - uptime->retention_ms;
        const struct uptime_facility *facility = berth_uptime_find(uptime, facility_id);
        if (facility && berth_uptime_find_track(facility, app)) {
            *ret_known = true;
            return 0;
        }
        if (facility)
            (void)berth_uptime_flush_locked(uptime, facility);
    }
    int status = berth_store_read(uptime->store, read_last, &query, err);
    if (!status)
        *ret_known = query.known;
    return status;
}
