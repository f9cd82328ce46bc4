/* SPDX-License-Identifier: MIT */
#include "gateway/report.h"

#include "gateway/report_internal.h"

#include <string.h>

/* Text is handed on once there is so much. */
#define PIECE_BYTES (256U << 10)

static const struct berth_report_format *const formats[] = {&berth_report_text, &berth_report_csv,
                                                            &berth_report_json, &berth_report_html};

int berth_report_parse_format(const char *name, const struct berth_report_format **ret_format,
                              struct berth_error *err)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            *ret_format = formats[i];
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID, "format must be text, csv, json or html");
}

static void add_up(struct report *report, const struct berth_uptime_app *app)
{
    const struct berth_uptime_figures *figures = &app->figures;
    report->app_count++;
    report->running_count += figures->state == BERTH_APP_RUNNING;
    report->running_ms += figures->running_ms;
    report->observed_ms += figures->observed_ms;
    report->unknown_ms += figures->unknown_ms;
    report->interruptions += figures->interruptions;
    if (figures->longest_outage_ms > report->longest_outage_ms) {
        report->longest_outage_ms = figures->longest_outage_ms;
        (void)snprintf(report->longest_app, sizeof(report->longest_app), "%s", app->name);
    }
}

/* What stands above all apps has to be known before the first is written: they are read twice. */
static int add_up_all(struct report *report, struct berth_uptime_report *uptime,
                      struct berth_error *err)
{
    const struct berth_uptime_app *app = NULL;
    int r = 0;
    while ((r = berth_uptime_report_next(uptime, &app, err)) == 0 && app)
        add_up(report, app);
    berth_uptime_report_rewind(uptime);
    return r;
}

int berth_report_uptime(struct berth *berth, const struct berth_report_request *request,
                        struct berth_command_output *output, struct berth_error *err)
{
    const struct berth_report_format *format = request->format;
    BERTH_CLEANUP(uptime_report) struct berth_uptime_report *uptime = NULL;
    int r = berth_uptime_report_open(berth->store, berth->uptime, request->facility->id,
                                     request->window, request->now_ns, &uptime, err);
    if (r < 0)
        return r;
    struct report report = {
        .facility = request->facility,
        .window = request->window,
        .from_ms = berth_uptime_report_from_ms(uptime),
        .to_ms = berth_uptime_report_to_ms(uptime),
        .json = BERTH_JSON_WRITER(&output->text),
    };
    r = add_up_all(&report, uptime, err);
    if (r == 0)
        format->begin(&report, &output->text);
    const struct berth_uptime_app *app = NULL;
    while (r == 0 && (r = berth_uptime_report_next(uptime, &app, err)) == 0 && app) {
        format->app(&report, app, &output->text);
        report.index++;
        if (output->text.len >= PIECE_BYTES)
            r = berth_command_drain(output, err);
    }
    if (r == 0)
        format->end(&report, &output->text);
    return r == 0 ? berth_strbuf_check(&output->text, err) : r;
}
