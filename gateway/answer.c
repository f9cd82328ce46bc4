/* SPDX-License-Identifier: MIT */
#include "gateway/answer.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "gateway/body_cache.h"
#include "gateway/dialect.h"
#include "gateway/framing.h"
#include "gateway/match.h"
#include "gateway/router.h"

#include <civetweb.h>
#include <string.h>

#define HEAD_MAX     8192  /* bytes of status line and headers */
#define ONE_WRITE    65536 /* bodies up to this are sent together with their head */
#define LOG_LINE_MAX 8192  /* holds all members, each byte of the long ones escaped */
#define LOG_TEXT_MAX 1024  /* of path and target, which the client chooses */

/* Decides whether the connection is kept, and says so where that is not the version's default. */
static void add_connection(struct berth_strbuf *head, const struct berth_exchange *exchange)
{
    bool is_1_1 = false;
    bool keeps = berth_framing_keeps(exchange, &is_1_1);
    if (!keeps) {
        mg_disable_connection_keep_alive(exchange->connection);
        berth_strbuf_adds(head, "Connection: close\r\n");
    } else if (!is_1_1) {
        berth_strbuf_adds(head, "Connection: keep-alive\r\n");
    }
}

static bool is_unmodified(const struct berth_exchange *exchange)
{
    if (!exchange->shared || exchange->status != 200)
        return false;
    const char *tags = berth_exchange_request_header(exchange, "If-None-Match");
    return tags && (strcmp(tags, "*") == 0 || strstr(tags, exchange->shared->etag));
}

static void add_line(struct berth_strbuf *head, const char *name, const char *value)
{
    berth_strbuf_adds(head, name);
    berth_strbuf_adds(head, value);
    berth_strbuf_adds(head, "\r\n");
}

/* Every answer pays for this: no printf. */
static void add_head(struct berth_exchange *exchange, struct berth_strbuf *head, size_t body_len)
{
    berth_strbuf_adds(head, "HTTP/1.1 ");
    berth_strbuf_add_int(head, exchange->status);
    berth_strbuf_addc(head, ' ');
    add_line(head, "", berth_http_reason(exchange->status));
    berth_strbuf_adds(head, "Date: ");
    berth_clock_add_http(head, berth_clock_wall_ns());
    berth_strbuf_adds(head, "\r\n");
    if (exchange->status != 304 && exchange->status != 204)
        add_line(head, "Content-Type: ", exchange->content_type);
    if (exchange->status != 304 && exchange->status != 204 &&
        (exchange->has_length || !exchange->has_no_end)) {
        berth_strbuf_adds(head, "Content-Length: ");
        berth_strbuf_add_int(head, exchange->has_length ? exchange->length : (int64_t)body_len);
        berth_strbuf_adds(head, "\r\n");
    }
    if (exchange->is_chunked)
        add_line(head, "Transfer-Encoding: ", "chunked");
    if (exchange->shared)
        add_line(head, "ETag: ", exchange->shared->etag);
    add_line(head, "Cache-Control: ", exchange->shared ? "private, no-cache" : "no-store");
    add_line(head, "X-Request-Id: ", exchange->caller.request_id);
    add_line(head, "X-Content-Type-Options: ", "nosniff");
    if (mg_get_request_info(exchange->connection)->is_ssl)
        add_line(head, "Strict-Transport-Security: ", "max-age=31536000"); /* RFC 6797 */
    add_connection(head, exchange);
    berth_strbuf_add(head, berth_strbuf_str(&exchange->headers), exchange->headers.len);
    berth_strbuf_adds(head, "\r\n");
}

void berth_answer_add_head(struct berth_exchange *exchange, struct berth_strbuf *out)
{
    add_head(exchange, out, 0);
}

int berth_answer_send(struct berth_exchange *exchange)
{
    if (exchange->body.failed || exchange->headers.failed)
        berth_exchange_text(exchange, 500, "the answer could not be built");
    if (is_unmodified(exchange))
        exchange->status = 304;

    const char *body =
        exchange->shared ? exchange->shared->data : berth_strbuf_str(&exchange->body);
    size_t len = exchange->shared ? exchange->shared->len : exchange->body.len;
    bool has_body =
        exchange->method != BERTH_HEAD && exchange->status != 304 && exchange->status != 204;

    BERTH_CLEANUP(strbuf) struct berth_strbuf head = BERTH_STRBUF_INIT(HEAD_MAX + ONE_WRITE);
    berth_strbuf_reserve(&head, 512 + (has_body && len <= ONE_WRITE ? len : 0));
    add_head(exchange, &head, len);
    if (has_body && len <= ONE_WRITE)
        berth_strbuf_add(&head, body, len);
    if (head.failed)
        return 500; /* nothing was sent: civetweb closes the connection */
    (void)mg_write(exchange->connection, head.data, head.len);
    if (has_body && len > ONE_WRITE)
        (void)mg_write(exchange->connection, body, len);
    return exchange->status;
}

/* What the client chose, cut: a line that is too long would not be written at all. */
static void add_chosen(struct berth_json_writer *w, const char *name, const char *text)
{
    size_t len = strlen(text);
    berth_json_add_stringn(w, name, text,
                           len > LOG_TEXT_MAX ? berth_text_utf8_prefix(text, LOG_TEXT_MAX) : len);
}

/* In the words of the family: a page tells people to look for its auth_error. */
static void add_error(struct berth_json_writer *w, const struct berth_exchange *exchange,
                      const struct berth_error *failure)
{
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf text = BERTH_STRBUF_INIT((size_t)2 * BERTH_ERROR_MESSAGE_MAX);
    const struct berth_dialect *dialect = berth_match_dialect(exchange, failure);
    if (dialect->word)
        berth_strbuf_addf(&text, "%s: ", dialect->word(failure));
    berth_strbuf_adds(&text, failure->message);
    berth_json_add_string(w, "error", berth_strbuf_str(&text));
}

void berth_answer_log(const struct berth_exchange *exchange, const struct berth_error *failure)
{
    if (!exchange->berth->actions)
        return;
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(LOG_LINE_MAX);
    berth_strbuf_reserve(&line, 512);
    struct berth_json_writer w = BERTH_JSON_WRITER(&line);
    const struct berth_caller *caller = &exchange->caller;

    berth_json_open_object(&w, NULL);
    berth_strbuf_adds(&line, "\"time\":\"");
    berth_clock_add_rfc3339(&line, berth_clock_wall_ns(), 3);
    berth_strbuf_addc(&line, '"');
    w.need_comma = true;
    berth_json_add_string(&w, "request_id", caller->request_id);
    berth_json_add_string(&w, "facility", exchange->facility ? exchange->facility->config.id : "");
    berth_json_add_string(&w, "user", caller->user);
    berth_json_add_string(&w, "address", caller->address);
    berth_json_add_string(&w, "method", exchange->method_name);
    add_chosen(&w, "path", exchange->path);
    berth_json_add_int(&w, "status", exchange->status);
    berth_json_add_int(&w, "duration_ms",
                       (berth_clock_monotonic_ns() - exchange->begun_ns) / BERTH_NS_PER_MS);
    berth_json_add_string(&w, "action", exchange->route ? exchange->route->path : "");
    add_chosen(&w, "target", exchange->target ? exchange->target : "");
    if (failure)
        add_error(&w, exchange, failure);
    if (failure && failure->detail[0])
        berth_json_add_string(&w, "detail", failure->detail);
    berth_json_close_object(&w);
    if (!line.failed)
        (void)berth_linelog_write(exchange->berth->actions, line.data, line.len);
}
