/* SPDX-License-Identifier: MIT */
#include "gateway/websocket.h"

#include "base/clock.h"
#include "base/text.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define REASON_MAX (BERTH_WS_CONTROL_MAX - 2)
#define FRAME_MAX  (2U << 20)
#define QUEUED_MAX (64U << 10) /* of control frames: who sends pings and reads no pongs */
#define UNSENT_MAX 32768       /* bytes that the kernel keeps before those it has on the way */

int berth_ws_open(struct berth_ws *ws, struct mg_connection *connection, size_t message_max,
                  const char *headers, struct berth_error *err)
{
    const char *key = mg_get_header(connection, "Sec-WebSocket-Key");
    int unsent = UNSENT_MAX;
    memset(ws, 0, sizeof(*ws));
    ws->connection = connection;
    ws->is_plain = !mg_get_request_info(connection)->is_ssl;
    ws->moved_ms = ws->pinged_ms = berth_clock_monotonic_ms();
    berth_ws_reader_init(&ws->reader, message_max);
    berth_strbuf_init(&ws->out, FRAME_MAX);
    berth_strbuf_init(&ws->control, QUEUED_MAX);
    /* So that a pong has little before it. A unix socket has no such option. */
    (void)setsockopt(berth_ws_fd(ws), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    berth_strbuf_adds(&ws->out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    int r = berth_ws_accept(key ? key : "", &ws->out, err);
    berth_strbuf_addf(&ws->out, "\r\n%s\r\n", headers);
    ws->out_begun = true; /* nothing goes before the head, whoever does not wait for it */
    mg_disable_connection_keep_alive(connection);
    return r < 0 ? r : berth_strbuf_check(&ws->out, err);
}

void berth_ws_release(struct berth_ws *ws)
{
    berth_ws_reader_release(&ws->reader);
    berth_strbuf_release(&ws->out);
    berth_strbuf_release(&ws->control);
}

int berth_ws_fd(const struct berth_ws *ws)
{
    return mg_get_socket(ws->connection);
}

void berth_ws_send(struct berth_ws *ws, const char *text, size_t len)
{
    if (!ws->is_closing)
        berth_ws_add_frame(&ws->out, BERTH_WS_OP_TEXT, text, len);
}

void berth_ws_send_first(struct berth_ws *ws, const char *text, size_t len)
{
    if (!ws->is_closing)
        berth_ws_add_frame(&ws->control, BERTH_WS_OP_TEXT, text, len);
}

void berth_ws_ping(struct berth_ws *ws)
{
    ws->pinged_ms = berth_clock_monotonic_ms();
    if (!ws->is_closing)
        berth_ws_add_frame(&ws->control, BERTH_WS_OP_PING, "", 0);
}

void berth_ws_close(struct berth_ws *ws, enum berth_ws_close code, const char *reason)
{
    char payload[BERTH_WS_CONTROL_MAX];
    size_t len = berth_text_utf8_prefix(reason, strnlen(reason, REASON_MAX));
    if (ws->is_closing)
        return;
    payload[0] = (char)((unsigned)code >> 8 & 0xFF);
    payload[1] = (char)((unsigned)code & 0xFF);
    memcpy(payload + 2, reason, len);
    /* Behind all else. */
    berth_ws_add_frame(&ws->out, BERTH_WS_OP_CLOSE, payload, len + 2);
    ws->is_closing = true;
}

bool berth_ws_is_free(const struct berth_ws *ws)
{
    return ws->out.len == 0;
}

bool berth_ws_has_more(const struct berth_ws *ws)
{
    return ws->out.len > 0 || ws->control.len > 0;
}

/* Sends from *at on; true when all is sent, and the buffer empty. */
static int flush_buffer(struct berth_ws *ws, struct berth_strbuf *buffer, size_t *at,
                        bool *ret_is_done, struct berth_error *err)
{
    *ret_is_done = false;
    int r = berth_strbuf_check(buffer, err);
    if (r < 0)
        return r;
    while (*at < buffer->len) {
        int written = mg_write_some(ws->connection, buffer->data + *at, buffer->len - *at);
        if (written < 0)
            return berth_error_set(err, BERTH_E_IO, "the client is gone");
        if (written == 0)
            return 0;
        *at += (size_t)written;
        ws->moved_ms = berth_clock_monotonic_ms();
    }
    berth_strbuf_clear(buffer);
    *at = 0;
    *ret_is_done = true;
    return 0;
}

int berth_ws_flush(struct berth_ws *ws, struct berth_error *err)
{
    bool is_done = true;
    int r = 0;
    /* What has begun is sent to its end, control frames go before what has not. */
    if (ws->out_begun) {
        r = flush_buffer(ws, &ws->out, &ws->out_at, &is_done, err);
        ws->out_begun = !is_done;
    }
    if (r == 0 && is_done)
        r = flush_buffer(ws, &ws->control, &ws->control_at, &is_done, err);
    if (r == 0 && is_done) {
        r = flush_buffer(ws, &ws->out, &ws->out_at, &is_done, err);
        ws->out_begun = !is_done;
    }
    return r;
}

/* Fills the input; 0 bytes: none now. */
static int pull(struct berth_ws *ws, struct berth_error *err)
{
    if (ws->is_dry) { /* saves a call for each message of a few bytes */
        ws->is_dry = false;
        return 0;
    }
    int len = mg_read_some(ws->connection, ws->input, sizeof(ws->input));
    ws->input_at = 0;
    ws->input_len = len > 0 ? (size_t)len : 0;
    ws->is_dry = ws->is_plain && ws->input_len > 0 && ws->input_len < sizeof(ws->input);
    if (len > 0)
        ws->moved_ms = berth_clock_monotonic_ms();
    return len < 0 ? berth_error_set(err, BERTH_E_IO, "the client is gone") : 0;
}

static int on_event(struct berth_ws *ws, enum berth_ws_event event, struct berth_error *err)
{
    const struct berth_strbuf *small = &ws->reader.small;
    if (event == BERTH_WS_PING && !ws->is_closing)
        berth_ws_add_frame(&ws->control, BERTH_WS_OP_PONG, berth_strbuf_str(small), small->len);
    if (event != BERTH_WS_CLOSED)
        return berth_strbuf_check(&ws->control, err);
    ws->client_closed = true;
    berth_ws_close(ws, BERTH_WS_NORMAL, "");
    return berth_error_set(err, BERTH_E_IO, "the client has closed the connection");
}

int berth_ws_receive(struct berth_ws *ws, const struct berth_strbuf **ret_text,
                     struct berth_error *err)
{
    enum berth_ws_close code = BERTH_WS_INTERNAL;
    *ret_text = NULL;
    for (;;) {
        int r = ws->input_at == ws->input_len ? pull(ws, err) : 0;
        if (r < 0 || ws->input_at == ws->input_len)
            return r;
        enum berth_ws_event event;
        size_t used;
        r = berth_ws_read(&ws->reader, ws->input + ws->input_at, ws->input_len - ws->input_at,
                          &used, &event, &code, err);
        ws->input_at += used;
        if (r < 0) {
            berth_ws_close(ws, code, err->message);
            return r;
        }
        if (event == BERTH_WS_TEXT) {
            *ret_text = &ws->reader.text;
            return 0;
        }
        r = event == BERTH_WS_NOTHING ? 0 : on_event(ws, event, err);
        if (r < 0)
            return r;
    }
}
