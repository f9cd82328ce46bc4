/* SPDX-License-Identifier: MIT */
#include "gateway/containers_error.h"

#include "base/clock.h"

#include <string.h>

#define STACKTRACE_MAX 2048

static const char auth[] = "auth_error";
static const char validation[] = "validation_error";
static const char not_found[] = "not_found";
static const char conflict[] = "conflict";
static const char compose[] = "compose_error";
static const char io[] = "io_error";
static const char timed_out[] = "timeout";
static const char state[] = "state_error";

const struct berth_containers_code berth_containers_codes[] = {
    {"UNAUTHORIZED", auth, 401},
    {"FORBIDDEN", auth, 403},
    {"IMAGE_NOT_APPROVED", auth, 403},
    {"QUOTA_EXCEEDED", auth, 403},
    {"THROTTLED", auth, 429},

    {"INVALID_REQUEST", validation, 400},
    {"MALFORMED_JSON", validation, 400},
    {"UNKNOWN_FIELD", validation, 400},
    {"MISSING_IMAGE", validation, 400},
    {"INVALID_IMAGE", validation, 400},
    {"IMAGE_NOT_FOUND", validation, 400},
    {"INVALID_ENV", validation, 400},
    {"INVALID_TAG", validation, 400},
    {"INVALID_RESOURCES", validation, 400},
    {"LIMIT_EXCEEDED", validation, 400},
    {"INVALID_PORT", validation, 400},
    {"DUPLICATE_PORT", validation, 400},
    {"INVALID_OWNER", validation, 400},
    {"INVALID_PARAMETER", validation, 400},
    {"COMPOSE_REFUSED", validation, 400},
    {"INVALID_CURSOR", validation, 400},
    {"BAD_ARCHIVE", validation, 400},
    {"PATH_ESCAPE", validation, 400},
    {"WRONG_KIND", validation, 400},
    {"RANGE_NOT_SATISFIABLE", validation, 416},
    {"UNSUPPORTED", validation, 400},
    {"METHOD_NOT_ALLOWED", validation, 405},
    {"TOO_LARGE", validation, 413},

    {"NOT_FOUND", not_found, 404},
    {"CONTAINER_NOT_FOUND", not_found, 404},
    {"FILE_NOT_FOUND", not_found, 404},
    {"UNKNOWN_PATH", not_found, 404},

    {"ALREADY_EXISTS", conflict, 409},
    {"PORT_IN_USE", conflict, 409},
    {"FILE_CONFLICT", conflict, 409},
    {"REQUEST_IN_PROGRESS", conflict, 409},
    {"IDEMPOTENCY_KEY_REUSED", conflict, 422},

    {"INVALID_STATE", state, 422},
    {"NO_BOOT_FILE", state, 422},

    {"TIMEOUT", timed_out, 408},

    {"COMPOSE_FAILED", compose, 500},
    {"ENGINE_UNREACHABLE", compose, 503},
    {"BUSY", compose, 503},
    {"STOPPING", compose, 503},

    {"IO_FAILED", io, 500},
    {"NO_SPACE", io, 500},
    {"INTERNAL", io, 500},
    {0},
};

/* The cause of an error that has no code of its own. */
static const char *code_of(enum berth_status status)
{
    switch (status) {
    case BERTH_E_INVALID:
        return "INVALID_REQUEST";
    case BERTH_E_TOO_LARGE:
        return "TOO_LARGE";
    case BERTH_E_UNSUPPORTED:
        return "UNSUPPORTED";
    case BERTH_E_UNAUTHORISED:
        return "UNAUTHORIZED";
    case BERTH_E_FORBIDDEN:
        return "FORBIDDEN";
    case BERTH_E_QUOTA:
        return "QUOTA_EXCEEDED";
    case BERTH_E_THROTTLED:
        return "THROTTLED";
    case BERTH_E_NOT_FOUND:
        return "NOT_FOUND";
    case BERTH_E_EXISTS:
        return "ALREADY_EXISTS";
    case BERTH_E_PORT_IN_USE:
        return "PORT_IN_USE";
    case BERTH_E_CONFLICT:
        return "INVALID_STATE";
    case BERTH_E_TIMEOUT:
        return "TIMEOUT";
    case BERTH_E_REFUSED:
        return "COMPOSE_FAILED";
    case BERTH_E_UNREACHABLE:
        return "ENGINE_UNREACHABLE";
    case BERTH_E_BUSY:
        return "BUSY";
    case BERTH_E_CANCELLED:
        return "STOPPING";
    case BERTH_E_IO:
        return "IO_FAILED";
    case BERTH_E_NO_SPACE:
        return "NO_SPACE";
    case BERTH_OK:
    case BERTH_E_NOMEM:
    case BERTH_E_INTERNAL:
        break;
    }
    return "INTERNAL";
}

static const struct berth_containers_code *find(const char *code)
{
    const struct berth_containers_code *row = berth_containers_codes;
    while (row->code && strcmp(row->code, code) != 0)
        row++;
    return row->code ? row : NULL;
}

const struct berth_containers_code *berth_containers_code(const struct berth_error *err)
{
    const struct berth_containers_code *row = err->code ? find(err->code) : NULL;
    return row ? row : find(code_of(err->status));
}

/* Where it came from, the chain of what was prepended to it, and what is for the log alone. */
static void add_stacktrace(struct berth_json_writer *w, const struct berth_exchange *exchange,
                           const struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(STACKTRACE_MAX);
    berth_strbuf_addf(&text, "%s %s\n%s: %s", exchange->method_name,
                      exchange->route ? exchange->route->path : "", berth_status_name(err->status),
                      err->message);
    if (err->detail[0])
        berth_strbuf_addf(&text, "\n%s", err->detail);
    berth_json_add_string(w, "stacktrace", berth_strbuf_str(&text));
}

static void add(struct berth_json_writer *w, const char *name,
                const struct berth_exchange *exchange, int http_status,
                const struct berth_error *err)
{
    const struct berth_containers_code *row = berth_containers_code(err);
    const struct berth_strbuf *details = &exchange->error_details;
    BERTH_CLEANUP(strbuf) struct berth_strbuf now = BERTH_STRBUF_INIT(64);
    berth_clock_add_rfc3339(&now, berth_clock_wall_ns(), 3);
    berth_json_open_object(w, name);
    berth_json_add_string(w, "error", row->error);
    berth_json_add_string(w, "code", row->code);
    berth_json_add_string(w, "message", err->message);
    berth_json_add_int(w, "status", http_status);
    berth_json_add_string(w, "request_id", exchange->caller.request_id);
    berth_json_add_string(w, "timestamp", berth_strbuf_str(&now));
    if (details->len > 0 && !details->failed)
        berth_json_add_raw(w, "details", details->data, details->len);
    else
        berth_json_add_raw(w, "details", "{}", 2);
    if (exchange->config->development)
        add_stacktrace(w, exchange, err);
    berth_json_close_object(w);
}

void berth_containers_error_add(struct berth_json_writer *w, const char *name,
                                const struct berth_exchange *exchange,
                                const struct berth_error *err)
{
    add(w, name, exchange, berth_containers_code(err)->http_status, err);
}

void berth_containers_error_details(struct berth_strbuf *details, const char *field,
                                    const char *provided)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(details);
    berth_strbuf_clear(details);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "field", field);
    if (provided)
        berth_json_add_raw(&w, "provided", provided, strlen(provided));
    else
        berth_json_add_null(&w, "provided");
    berth_json_close_object(&w);
}

void berth_containers_error_parameter(struct berth_exchange *exchange, const char *name)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->error_details);
    berth_strbuf_clear(&exchange->error_details);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "field", name);
    berth_json_add_string(&w, "provided", berth_params_get(&exchange->params, name));
    berth_json_close_object(&w);
}

/* ---- The dialect ---- */

static bool serves(const struct berth_facility *facility)
{
    return facility->backend->ops->describe && !facility->backend->ops->attach;
}

static int http_status_of(const struct berth_error *err)
{
    return berth_containers_code(err)->http_status;
}

static const char *word_of(const struct berth_error *err)
{
    return berth_containers_code(err)->error;
}

static void render(struct berth_exchange *exchange, int http_status, const struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    berth_strbuf_clear(&exchange->body);
    exchange->status = http_status;
    exchange->content_type = BERTH_TYPE_JSON;
    add(&w, NULL, exchange, http_status, err);
}

const struct berth_dialect berth_containers_dialect = {
    .serves = serves, .http_status = http_status_of, .word = word_of, .render_error = render};
