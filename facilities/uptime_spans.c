/* SPDX-License-Identifier: MIT */
/* Spans read back from the store. */
#include "facilities/uptime_internal.h"

void berth_uptime_query_release(struct uptime_query *query)
{
    free(query->spans);
}

static int add_span(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct uptime_query *query = ctx;
    if (query->count == query->size) {
        size_t size = query->size ? query->size * 2 : 64;
        struct uptime_span *spans = realloc(query->spans, size * sizeof(*spans));
        if (!spans)
            return berth_error_nomem(err);
        query->spans = spans;
        query->size = size;
    }
    struct uptime_span *span = &query->spans[query->count++];
    span->state = berth_app_state_parse(berth_row_text(row, 0));
    span->from_ms = berth_row_int(row, 1);
    span->open = berth_row_is_null(row, 2);
    span->to_ms = span->open ? query->alive_ms : berth_row_int(row, 2);
    return 0;
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
    return berth_txn_run(txn, sql, values, 4, add_span, query, NULL, err);
}

int64_t berth_uptime_settle(struct berth_uptime *uptime, const char *facility_id)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    const struct uptime_facility *facility = berth_uptime_find(uptime, facility_id);
    if (!facility)
        return 0;
    /* As of now, since what is observed while waiting may end what is open. What cannot be written
     * may have ended it as well. */
    int64_t alive_ms = facility->alive_ms;
    return berth_uptime_flush_locked(uptime, facility) ? alive_ms : facility->written_ms;
}
