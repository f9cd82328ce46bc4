/* SPDX-License-Identifier: MIT */
/*
 * get-app-logs: what an app has printed, as it comes from the backend. Nothing
 * is kept: while the client does not read, the log is not read either.
 */
#include "base/clock.h"
#include "base/text.h"
#include "facilities/apps.h"
#include "gateway/apps_api.h"
#include "gateway/framing.h"
#include "gateway/long_answer.h"
#include "gateway/stream.h"

#include <string.h>

#define PIECE     16384 /* bytes collected before they are sent */
#define TAIL_MAX  INT64_C(1000000000)
#define AGO_MAX_S (INT64_C(100000) * 86400) /* before any log; fits in nanoseconds */

struct logs {
    struct berth_exchange *exchange;
    struct berth_stream stream;
    struct berth_strbuf piece;
    enum berth_output only; /* 0: both streams */
    bool is_begun;
    int result; /* why it did not go on, with err */
    struct berth_error *err;
};

/* ---- Parameters ---- */

/* "30s", "10m", "2h", "7d": so long ago; or a time (RFC 3339). */
static int parse_since(const char *text, int64_t *ret_ns, struct berth_error *err)
{
    int64_t seconds = 0;
    if (berth_text_parse_duration(text, "smhd", &seconds, NULL) == 0) {
        seconds = seconds < AGO_MAX_S ? seconds : AGO_MAX_S;
        *ret_ns = berth_clock_wall_ns() - seconds * BERTH_NS_PER_S;
        return 0;
    }
    if (berth_clock_parse_rfc3339(text, strlen(text), ret_ns, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter since must be a time such as 2026-01-20T15:30:00Z, or "
                               "how long ago: 30s, 10m, 2h, 7d");
    return 0;
}

static int parse_tail(const char *text, int64_t *ret_tail, struct berth_error *err)
{
    if (strcmp(text, "all") == 0) {
        *ret_tail = -1;
        return 0;
    }
    if (berth_text_parse_int(text, 0, TAIL_MAX, ret_tail, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter tail must be a number of lines, or all");
    return 0;
}

static int parse_stream(const char *text, enum berth_output *ret_only, struct berth_error *err)
{
    if (strcmp(text, "stdout") == 0)
        *ret_only = BERTH_OUTPUT_STDOUT;
    else if (strcmp(text, "stderr") == 0)
        *ret_only = BERTH_OUTPUT_STDERR;
    else if (strcmp(text, "both") != 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter stream must be stdout, stderr or both");
    return 0;
}

static int read_params(const struct berth_params *params, struct berth_logs_spec *spec,
                       enum berth_output *ret_only, struct berth_error *err)
{
    const char *tail = berth_params_get(params, "tail");
    const char *since = berth_params_get(params, "since");
    const char *stream = berth_params_get(params, "stream");
    spec->tail = -1;
    spec->service = berth_params_get(params, "service");
    int r = tail ? parse_tail(tail, &spec->tail, err) : 0;
    if (r == 0 && since)
        r = parse_since(since, &spec->since_ns, err);
    if (r == 0 && stream)
        r = parse_stream(stream, ret_only, err);
    if (r == 0)
        r = berth_params_bool(params, "follow", false, &spec->follow, err);
    if (r == 0)
        r = berth_params_bool(params, "timestamps", false, &spec->timestamps, err);
    return r;
}

/* ---- The answer ---- */

static void set_head(struct berth_exchange *exchange)
{
    bool is_1_1 = false;
    (void)berth_framing_keeps(exchange, &is_1_1);
    exchange->content_type = BERTH_TYPE_TEXT;
    exchange->has_no_end = true;
    exchange->is_chunked = is_1_1;
    berth_exchange_header(exchange, "X-Accel-Buffering", "no"); /* a proxy's, which would wait */
}

/* The head waits for the log's first sign: until then the answer can still be an error. */
static void begin(struct logs *logs)
{
    if (logs->is_begun)
        return;
    logs->is_begun = true;
    set_head(logs->exchange);
    berth_stream_begin(&logs->stream, logs->exchange);
}

static int send_piece(struct logs *logs)
{
    begin(logs);
    berth_stream_add(&logs->stream, berth_strbuf_str(&logs->piece), logs->piece.len);
    berth_strbuf_clear(&logs->piece);
    return berth_stream_flush(&logs->stream, logs->err);
}

/* While nothing comes: whether anybody still listens, and the engine still answers. */
static int check(struct logs *logs)
{
    struct berth_mirror *mirror = logs->exchange->facility->mirror;
    if (berth_stream_is_gone(&logs->stream))
        return berth_error_set(logs->err, BERTH_E_IO, "the client is gone");
    berth_mirror_touch(mirror);
    return berth_mirror_status(mirror, logs->err);
}

static bool take(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct logs *logs = ctx;
    if (len > 0 && (!logs->only || logs->only == stream))
        berth_strbuf_add(&logs->piece, data, len);
    logs->result = berth_strbuf_check(&logs->piece, logs->err);
    if (logs->result == 0 && (len == 0 || logs->piece.len >= PIECE))
        logs->result = send_piece(logs);
    if (logs->result == 0 && len == 0)
        logs->result = check(logs);
    return logs->result == 0;
}

static int complete(struct logs *logs)
{
    begin(logs);
    berth_stream_add(&logs->stream, berth_strbuf_str(&logs->piece), logs->piece.len);
    berth_stream_complete(&logs->stream);
    return berth_stream_flush(&logs->stream, logs->err);
}

/* A failure before the first sign is answered as any other. */
static int send_logs(struct berth_exchange *exchange, const struct berth_app *app,
                     const struct berth_logs_spec *spec, enum berth_output only,
                     struct berth_error *err)
{
    struct logs logs = {.exchange = exchange, .only = only, .err = err};
    struct berth_error failure = BERTH_ERROR_INIT;
    berth_strbuf_init(&logs.piece, BERTH_ENGINE_ANSWER_MAX);
    int r = berth_backend_logs(exchange->facility->backend, app->id, spec, take, &logs, &failure);
    if (logs.result < 0)
        r = logs.result; /* and its error */
    else if (r < 0)
        *err = failure;
    else
        r = complete(&logs);
    if (r < 0 && logs.is_begun)
        berth_stream_abandon(&logs.stream);
    if (logs.is_begun)
        berth_stream_release(&logs.stream);
    berth_strbuf_release(&logs.piece);
    if (r == BERTH_E_NOT_FOUND)
        return berth_apps_unknown(app->name, err);
    return r == BERTH_E_IO ? 0 : r; /* clients come and go */
}

/* A reference: the snapshot would keep all that is changed and removed while a log is followed. */
static int find_app(struct berth_exchange *exchange, const char *name, struct berth_app **ret_app,
                    struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    exchange->target = name;
    int r = berth_mirror_snapshot(exchange->facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_apps_find(snapshot, &exchange->caller, name, &app, err);
    if (r == 0)
        *ret_app = berth_app_ref((struct berth_app *)(uintptr_t)app);
    return r;
}

int berth_apps_get_logs(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_logs_spec spec = {0};
    enum berth_output only = 0;
    const char *name = NULL;
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    int r = berth_params_require(&exchange->params, "name", &name, err);
    if (r == 0)
        r = read_params(&exchange->params, &spec, &only, err);
    if (r == 0)
        r = find_app(exchange, name, &app, err);
    if (r == 0)
        r = berth_apps_check_service(app, spec.service, err);
    if (r < 0)
        return r;
    if (exchange->method == BERTH_HEAD) {
        set_head(exchange);
        return 0;
    }
    if (!spec.follow)
        return send_logs(exchange, app, &spec, only, err);
    r = berth_long_answer_join(exchange, err);
    if (r < 0)
        return r;
    r = send_logs(exchange, app, &spec, only, err);
    berth_long_answer_leave(exchange);
    return r;
}
