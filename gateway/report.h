/* SPDX-License-Identifier: MIT */
/*
 * The report on uptime (facilities/uptime_report.h) as a document. Texts, rows
 * and charts are written app by app and handed on in pieces: the document of a
 * facility with many apps is never held as a whole. Times are in the zone of
 * the process. docs/reports.md lists columns and members.
 *
 * Threading: any thread.
 */
#ifndef BERTH_GATEWAY_REPORT_H
#define BERTH_GATEWAY_REPORT_H

#include "facilities/uptime.h"
#include "gateway/commands.h"

struct berth_report_format; /* text, csv, json or html */

struct berth_report_request {
    const struct berth_facility_config *facility;
    enum berth_uptime_window window;
    int64_t now_ns;
    const struct berth_report_format *format;
};

/* BERTH_E_INVALID for a word that names none. */
BERTH_MUST_CHECK int berth_report_parse_format(const char *name,
                                               const struct berth_report_format **ret_format,
                                               struct berth_error *err);

/* berth->uptime may be NULL: then no gateway runs, and what was last known of open spans counts. */
BERTH_MUST_CHECK int berth_report_uptime(struct berth *berth,
                                         const struct berth_report_request *request,
                                         struct berth_command_output *output,
                                         struct berth_error *err);

#endif
