/* SPDX-License-Identifier: MIT */
/* Answers: our own, and the engine's as they come. */
#include "gateway/agent_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <poll.h>
#include <string.h>

#define PIECE_MAX (1U << 20) /* of an answer, with its framing */

void berth_agent_answer_init(struct berth_agent_answer *answer, struct berth_agent_server *server,
                             struct mg_connection *connection)
{
    *answer = (struct berth_agent_answer){
        .server = server, .connection = connection, .out = BERTH_STRBUF_INIT(PIECE_MAX)};
}

void berth_agent_answer_release(struct berth_agent_answer *answer)
{
    berth_strbuf_release(&answer->out);
}

/* ---- Writing ---- */

static short poll_client(const struct berth_agent_answer *answer, short events, int timeout_ms)
{
    struct pollfd poll_fd = {
        .fd = mg_get_socket(answer->connection),
        .events = (short)(events | POLLRDHUP),
    };
    return poll(&poll_fd, 1, timeout_ms) > 0 ? poll_fd.revents : 0;
}

static bool says_gone(short revents)
{
    return (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool berth_agent_answer_flush(struct berth_agent_answer *answer)
{
    struct berth_strbuf *out = &answer->out;
    int64_t moved_ms = berth_clock_monotonic_ms();
    size_t sent = 0;
    answer->is_broken |= out->failed != 0;
    while (!answer->is_broken && sent < out->len) {
        int written = mg_write_some(answer->connection, out->data + sent, out->len - sent);
        int64_t now_ms = berth_clock_monotonic_ms();
        if (written > 0) {
            sent += (size_t)written;
            moved_ms = now_ms;
            continue;
        }
        if (written < 0 || now_ms - moved_ms >= BERTH_AGENT_SLOW_MS ||
            (answer->is_endless && berth_agent_is_draining(answer->server)) ||
            says_gone(poll_client(answer, POLLOUT, BERTH_AGENT_TICK_MS)))
            answer->is_broken = true;
    }
    berth_strbuf_clear(out);
    return !answer->is_broken;
}

/* ---- Whole answers, of our own ---- */

static int status_of(enum berth_status status)
{
    switch (status) {
    case BERTH_E_INVALID:
        return 400;
    case BERTH_E_FORBIDDEN:
        return 403;
    case BERTH_E_NOT_FOUND:
        return 404;
    case BERTH_E_CONFLICT:
        return 409;
    case BERTH_E_TIMEOUT:
        return 504;
    case BERTH_E_UNREACHABLE:
        return 503;
    default:
        return 500;
    }
}

void berth_agent_answer_error(struct berth_agent_answer *answer, int status, const char *message)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BERTH_RELAY_REFUSAL_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&body);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "message", message);
    berth_json_close_object(&w);
    answer->status = status;
    berth_strbuf_addf(&answer->out,
                      "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                      status, mg_get_response_code_text(answer->connection, status), body.len,
                      berth_strbuf_str(&body));
    mg_disable_connection_keep_alive(answer->connection);
    (void)berth_agent_answer_flush(answer);
}

void berth_agent_answer_failure(struct berth_agent_answer *answer, const struct berth_error *err)
{
    berth_agent_answer_error(answer, status_of(err->status), err->message);
}

/* ---- The engine's answers ---- */

/* A gateway that watches begins with what its engine tells from this time on. */
static void add_date(struct berth_strbuf *head)
{
    berth_strbuf_adds(head, "Date: ");
    berth_clock_add_http(head, berth_clock_wall_ns());
    berth_strbuf_adds(head, "\r\n");
}

/* A media type and its parameters, as engines write it. */
static bool is_type(const char *type)
{
    size_t len = strlen(type);
    for (size_t i = 0; i < len; i++)
        if (!berth_is_alnum(type[i]) && !strchr("/.+-_;= ", type[i]))
            return false;
    return len > 0 && len < 128;
}

static bool on_head(void *ctx, long status, const char *type, int api_minor)
{
    struct berth_agent_answer *answer = ctx;
    answer->status = status;
    berth_strbuf_addf(&answer->out,
                      "HTTP/1.1 %ld %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n",
                      status, mg_get_response_code_text(answer->connection, (int)status),
                      is_type(type) ? type : "application/octet-stream");
    if (api_minor > 0)
        berth_strbuf_addf(&answer->out, "Api-Version: 1.%d\r\n", api_minor);
    add_date(&answer->out);
    berth_strbuf_adds(&answer->out, "\r\n");
    return berth_agent_answer_flush(answer);
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    struct berth_agent_answer *answer = ctx;
    if (len == 0) {
        answer->is_broken |= (answer->is_endless && berth_agent_is_draining(answer->server)) ||
                             says_gone(poll_client(answer, 0, 0));
        return !answer->is_broken;
    }
    while (len > 0) {
        size_t part = len < PIECE_MAX / 2 ? len : PIECE_MAX / 2;
        berth_strbuf_addf(&answer->out, "%zx\r\n", part);
        berth_strbuf_add(&answer->out, data, part);
        berth_strbuf_adds(&answer->out, "\r\n");
        if (!berth_agent_answer_flush(answer))
            return false;
        data += part;
        len -= part;
    }
    return true;
}

/* For the log, and the client where it has not been answered yet. */
static void fail(struct berth_agent_answer *answer, const struct berth_error *err)
{
    if (err->status != BERTH_E_CANCELLED)
        berth_log_error(BERTH_LOG_WARNING, err, "the answer");
    if (answer->status == 0 && !answer->is_broken)
        berth_agent_answer_failure(answer, err);
    else
        answer->is_broken = true; /* the missing last chunk tells the client */
}

void berth_agent_answer_run(struct berth_agent_answer *answer, const struct berth_relay *relay)
{
    BERTH_CLEANUP(engine_hijack) struct berth_engine_hijack *stream = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    const struct berth_relay_sink sink = {.ctx = answer, .head = on_head, .data = on_data};
    answer->is_endless = relay->is_endless;
    int r = berth_relay_is_stream(relay)
                ? berth_relay_open(answer->server->engine, relay, &sink, &stream, &err)
                : berth_relay_run(answer->server->engine, relay, &sink, &err);
    if (r < 0) {
        fail(answer, &err);
    } else if (stream) {
        berth_agent_stream(answer, stream);
    } else {
        berth_strbuf_adds(&answer->out, "0\r\n\r\n");
        (void)berth_agent_answer_flush(answer);
    }
}
