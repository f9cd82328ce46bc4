/* SPDX-License-Identifier: MIT */
/* Spans read back from the store. */
#include "facilities/uptime_internal.h"

void berth_uptime_query_release(struct uptime_query *query)
{
    free(query->spans);
}

int berth_uptime_add_span(struct uptime_query *query, const struct uptime_span *span,
                          struct berth_error *err)
{
    if (query->count == query->size) {
        size_t size = query->size ? query->size * 2 : 64;
        struct uptime_span *spans = realloc(query->spans, size * sizeof(*spans));
        if (!spans)
            return berth_error_nomem(err);
        query->spans = spans;
        query->size = size;
    }
    query->spans[query->count++] = *span;
    return 0;
}

static int take_span(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct uptime_query *query = ctx;
    bool is_open = berth_row_is_null(row, 2);
    const struct uptime_span span = {
        .from_ms = berth_row_int(row, 1),
        .to_ms = is_open ? query->alive_ms : berth_row_int(row, 2),
        .open = is_open,
        .state = berth_app_state_parse(berth_row_text(row, 0)),
    };
    return berth_uptime_add_span(query, &span, err);
}

/* From the last span that began before the window, through the index by beginning. */
int berth_uptime_read_spans(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] =
        "SELECT state, from_ms, to_ms FROM uptime_span WHERE facility = $1 AND app = $2"
        " AND from_ms >= COALESCE((SELECT MAX(from_ms) FROM uptime_span"
        " WHERE facility = $1 AND app = $2 AND from_ms <= $3), 0)"
        " AND from_ms <= $4 ORDER BY from_ms, id";
    struct uptime_query *query = ctx;
    const struct berth_value values[] = {
        berth_value_text(query->facility), berth_value_text(query->app),
        berth_value_int(query->since_ms), berth_value_int(query->now_ms)};
    query->count = 0;
    int r = query->alive_ms == UPTIME_NEVER
                ? berth_uptime_read_mark(txn, query->facility, &query->alive_ms, err)
                : 0;
    if (r < 0)
        return r;
    return berth_txn_run(txn, sql, values, 4, take_span, query, NULL, err);
}

void berth_uptime_settle(struct berth_uptime *uptime, struct uptime_query *query)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    const struct uptime_facility *facility = berth_uptime_find(uptime, query->facility);
    query->alive_ms = UPTIME_NEVER;
    query->is_recorder = facility && facility->recording;
    if (!query->is_recorder)
        return;
    /* As of now, since what is observed while waiting may end what is open. What cannot be written
     * may have ended it as well. */
    int64_t alive_ms = facility->alive_ms;
    query->alive_ms = berth_uptime_flush_locked(uptime, facility) ? alive_ms : facility->written_ms;
}
