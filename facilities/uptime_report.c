/* SPDX-License-Identifier: MIT */
#include "facilities/uptime_report.h"

#include "base/clock.h"
#include "facilities/naming.h"
#include "facilities/uptime_internal.h"

#include <string.h>

struct berth_uptime_report {
    struct berth_store *store;
    struct uptime_query query; /* app is `name` */
    struct berth_uptime_span *spans;
    size_t span_size;
    struct berth_uptime_app app;
    bool found;
    char name[BERTH_APP_MAX + 1]; /* of the present app; "" before the first */
};

/* ---- Figures ---- */

struct counting {
    struct berth_uptime_figures *figures;
    int64_t known_ms;  /* all before is accounted for */
    int64_t outage_ms; /* of the stretch not running that reaches to known_ms */
    bool was_running;  /* when it was last known */
};

static void count_span(struct counting *counting, const struct berth_uptime_span *span)
{
    struct berth_uptime_figures *figures = counting->figures;
    int64_t length_ms = span->to_ms - span->from_ms;
    bool running = span->state == BERTH_APP_RUNNING;
    if (span->from_ms > counting->known_ms) {
        figures->unknown_ms += span->from_ms - counting->known_ms;
        figures->gaps++;
        counting->outage_ms = 0;
    }
    figures->observed_ms += length_ms;
    figures->running_ms += running ? length_ms : 0;
    figures->interruptions += counting->was_running && !running;
    counting->outage_ms = running ? 0 : counting->outage_ms + length_ms;
    if (counting->outage_ms > figures->longest_outage_ms)
        figures->longest_outage_ms = counting->outage_ms;
    counting->was_running = running;
    counting->known_ms = span->to_ms;
    figures->last_ms = span->to_ms;
    figures->state = span->state;
}

void berth_uptime_figure(const struct berth_uptime_span *spans, size_t count, int64_t since_ms,
                         struct berth_uptime_figures *ret_figures)
{
    *ret_figures = (struct berth_uptime_figures){0};
    struct counting counting = {.figures = ret_figures, .known_ms = since_ms};
    for (size_t i = 0; i < count; i++)
        if (spans[i].state != BERTH_APP_UNKNOWN)
            count_span(&counting, &spans[i]);
}

/* ---- One app after the other ---- */

static int note_app(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct berth_uptime_report *report = ctx;
    const char *name = berth_row_text(row, 0);
    if (strlen(name) >= sizeof(report->name))
        return berth_error_set(err, BERTH_E_INTERNAL, "the store holds an app's name that is none");
    memcpy(report->name, name, strlen(name) + 1);
    report->app.first_ms = berth_row_int(row, 1);
    report->found = true;
    return 0;
}

/* The name that follows, and its spans, each found through the index: what lies outside of the
 * window is not read. */
static int read_app(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] = "SELECT app, from_ms FROM uptime_span WHERE facility = $1"
                              " AND app > $2 ORDER BY app, from_ms LIMIT 1";
    struct berth_uptime_report *report = ctx;
    const struct berth_value values[] = {berth_value_text(report->query.facility),
                                         berth_value_text(report->name)};
    report->found = false;
    int r = berth_txn_run(txn, sql, values, 2, note_app, report, NULL, err);
    return r == 0 && report->found ? berth_uptime_read_spans(txn, &report->query, err) : r;
}

/* Cuts what was read at the window's ends; true if a known state is left. */
static bool take_spans(struct berth_uptime_report *report)
{
    const struct uptime_query *query = &report->query;
    bool known = false;
    report->app.span_count = 0;
    for (size_t i = 0; i < query->count; i++) {
        struct berth_uptime_span span = {
            .from_ms = query->spans[i].from_ms,
            .to_ms = query->spans[i].to_ms,
            .state = query->spans[i].state,
        };
        if (span.from_ms < query->since_ms)
            span.from_ms = query->since_ms;
        /* Nothing is known past the moment the report was opened: a span that has ended since was
         * open then. */
        if (span.to_ms > query->now_ms)
            span.to_ms = query->now_ms;
        if (span.from_ms >= span.to_ms)
            continue;
        report->spans[report->app.span_count++] = span;
        known |= span.state != BERTH_APP_UNKNOWN;
    }
    return known;
}

static int make_room(struct berth_uptime_report *report, struct berth_error *err)
{
    size_t count = report->query.count;
    if (count <= report->span_size)
        return 0;
    struct berth_uptime_span *spans = realloc(report->spans, count * sizeof(*spans));
    if (!spans)
        return berth_error_nomem(err);
    report->spans = spans;
    report->span_size = count;
    return 0;
}

int berth_uptime_report_next(struct berth_uptime_report *report,
                             const struct berth_uptime_app **ret_app, struct berth_error *err)
{
    struct berth_uptime_app *app = &report->app;
    for (;;) {
        int r = berth_store_read(report->store, read_app, report, err);
        if (r == 0)
            r = make_room(report, err);
        if (r < 0)
            return r;
        if (!report->found) {
            *ret_app = NULL;
            return 0;
        }
        if (take_spans(report))
            break;
    }
    int64_t since_ms =
        app->first_ms > report->query.since_ms ? app->first_ms : report->query.since_ms;
    app->name = report->name;
    app->user = berth_naming_user_of_app(report->name);
    app->spans = report->spans;
    berth_uptime_figure(app->spans, app->span_count, since_ms, &app->figures);
    *ret_app = app;
    return 0;
}

void berth_uptime_report_rewind(struct berth_uptime_report *report)
{
    report->name[0] = '\0';
}

/* ---- Opening ---- */

int berth_uptime_report_open(struct berth_store *store, struct berth_uptime *uptime,
                             const char *facility, enum berth_uptime_window window, int64_t now_ns,
                             struct berth_uptime_report **ret_report, struct berth_error *err)
{
    BERTH_CLEANUP(uptime_report)
    struct berth_uptime_report *report = calloc(1, sizeof(*report));
    if (!report)
        return berth_error_nomem(err);
    int64_t now_ms = now_ns / BERTH_NS_PER_MS;
    report->store = store;
    report->query = (struct uptime_query){.facility = facility,
                                          .app = report->name,
                                          .since_ms = now_ms - berth_uptime_window_ms(window),
                                          .now_ms = now_ms,
                                          .alive_ms = UPTIME_NEVER};
    if (uptime)
        berth_uptime_settle(uptime, &report->query);
    *ret_report = berth_steal(&report);
    return 0;
}

void berth_uptime_report_close(struct berth_uptime_report *report)
{
    if (!report)
        return;
    berth_uptime_query_release(&report->query);
    free(report->spans);
    free(report);
}

int64_t berth_uptime_report_from_ms(const struct berth_uptime_report *report)
{
    return report->query.since_ms;
}

int64_t berth_uptime_report_to_ms(const struct berth_uptime_report *report)
{
    return report->query.now_ms;
}
