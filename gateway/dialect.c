/* SPDX-License-Identifier: MIT */
#include "gateway/dialect.h"

#include "base/json.h"

const char *berth_http_reason(int http_status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == http_status)
            return reasons[i].reason;
    return "Unknown";
}

/* DESIGN's table for the facility API: what the client got wrong is 400. */
static int apps_http_status(const struct berth_error *err)
{
    switch (err->status) {
    case BERTH_OK:
        return 200;
    case BERTH_E_INVALID:
    case BERTH_E_NOT_FOUND:
    case BERTH_E_EXISTS:
    case BERTH_E_UNSUPPORTED:
        return 400;
    case BERTH_E_UNAUTHORISED:
        return 401;
    case BERTH_E_FORBIDDEN:
    case BERTH_E_QUOTA:
        return 403;
    case BERTH_E_CONFLICT:
    case BERTH_E_PORT_IN_USE:
        return 409;
    case BERTH_E_TOO_LARGE:
        return 413;
    case BERTH_E_THROTTLED:
        return 429;
    case BERTH_E_REFUSED:
        return 502;
    case BERTH_E_BUSY:
    case BERTH_E_UNREACHABLE:
    case BERTH_E_CANCELLED:
        return 503;
    case BERTH_E_TIMEOUT:
        return 504;
    case BERTH_E_NO_SPACE:
        return 507;
    case BERTH_E_NOMEM:
    case BERTH_E_INTERNAL:
    case BERTH_E_IO:
        break;
    }
    return 500;
}

static int gateway_http_status(const struct berth_error *err)
{
    return err->status == BERTH_E_NOT_FOUND ? 404 : apps_http_status(err);
}

void berth_dialect_problem(struct berth_exchange *exchange, int http_status,
                           const struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    berth_strbuf_clear(&exchange->body);
    exchange->status = http_status;
    exchange->content_type = BERTH_TYPE_PROBLEM;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "type", "about:blank");
    berth_json_add_string(&w, "title", berth_http_reason(http_status));
    berth_json_add_int(&w, "status", http_status);
    berth_json_add_string(&w, "detail", err->message);
    berth_json_add_string(&w, "code", berth_status_name(err->status));
    berth_json_add_string(&w, "request_id", exchange->caller.request_id);
    berth_json_close_object(&w);
}

static void apps_render_error(struct berth_exchange *exchange, int http_status,
                              const struct berth_error *err)
{
    if (exchange->wants_json)
        berth_dialect_problem(exchange, http_status, err);
    else
        berth_exchange_text(exchange, http_status, err->message);
}

const struct berth_dialect berth_apps_dialect = {.http_status = apps_http_status,
                                                 .render_error = apps_render_error};
const struct berth_dialect berth_gateway_dialect = {.http_status = gateway_http_status,
                                                    .render_error = berth_dialect_problem};
