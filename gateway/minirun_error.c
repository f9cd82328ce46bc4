/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_error.h"

#include "base/json.h"

static bool serves(const struct berth_facility *facility)
{
    return facility->backend->ops->attach != NULL;
}

/* The page's table: what went wrong on our side is 500, but for what a client may try again. */
static int http_status_of(const struct berth_error *err)
{
    switch (err->status) {
    case BERTH_OK:
        return 200;
    case BERTH_E_INVALID:
    case BERTH_E_UNSUPPORTED:
        return 400;
    case BERTH_E_UNAUTHORISED:
        return 401;
    case BERTH_E_FORBIDDEN:
    case BERTH_E_QUOTA:
        return 403;
    case BERTH_E_NOT_FOUND:
        return 404;
    case BERTH_E_EXISTS:
    case BERTH_E_CONFLICT:
    case BERTH_E_PORT_IN_USE:
        return 409;
    case BERTH_E_TOO_LARGE:
        return 413;
    case BERTH_E_THROTTLED:
        return 429;
    case BERTH_E_BUSY:
    case BERTH_E_UNREACHABLE:
    case BERTH_E_CANCELLED:
        return 503;
    case BERTH_E_TIMEOUT:
        return 504;
    case BERTH_E_NO_SPACE:
        return 507;
    case BERTH_E_REFUSED:
    case BERTH_E_NOMEM:
    case BERTH_E_INTERNAL:
    case BERTH_E_IO:
        break;
    }
    return 500;
}

static void render(struct berth_exchange *exchange, int http_status, const struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    berth_strbuf_clear(&exchange->body);
    exchange->status = http_status;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_bool(&w, "success", false);
    berth_json_add_string(&w, "error", err->message);
    berth_json_close_object(&w);
}

const struct berth_dialect berth_minirun_dialect = {
    .serves = serves, .is_public = true, .http_status = http_status_of, .render_error = render};
