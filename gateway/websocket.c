/* SPDX-License-Identifier: MIT */
#include "gateway/websocket.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/text.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/socket.h>

#define FIN         0x80U
#define RESERVED    0x70U
#define OPCODE      0x0FU
#define MASKED      0x80U
#define CONTROL     0x08U /* set in the opcodes of control frames */
#define CONTROL_MAX 125
#define REASON_MAX  (CONTROL_MAX - 2)

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

#define FRAME_MAX   (2U << 20)
#define QUEUED_MAX  (64U << 10) /* of control frames: who sends pings and reads no pongs */
#define UNSENT_MAX  32768       /* bytes that the kernel keeps before those it has on the way */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* ---- Reading frames ---- */

void berth_ws_reader_init(struct berth_ws_reader *reader, size_t message_max)
{
    *reader = (struct berth_ws_reader){0};
    berth_strbuf_init(&reader->text, message_max);
    berth_strbuf_init(&reader->small, CONTROL_MAX);
}

void berth_ws_reader_release(struct berth_ws_reader *reader)
{
    berth_strbuf_release(&reader->text);
    berth_strbuf_release(&reader->small);
}

static unsigned opcode_of(const struct berth_ws_reader *reader)
{
    return reader->head[0] & OPCODE;
}

static bool is_control(const struct berth_ws_reader *reader)
{
    return (reader->head[0] & CONTROL) != 0;
}

/* How long the head is, as far as its first two bytes tell. */
static size_t head_size(const struct berth_ws_reader *reader)
{
    if (reader->head_len < 2)
        return 2;
    unsigned len = reader->head[1] & ~MASKED;
    return 2 + (size_t)(len == 126 ? 2 : len == 127 ? 8 : 0) + 4;
}

static uint64_t payload_len(const struct berth_ws_reader *reader)
{
    unsigned len = reader->head[1] & ~MASKED;
    size_t bytes = len == 126 ? 2 : 8;
    uint64_t value = 0;
    if (len < 126)
        return len;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | reader->head[2 + i];
    return value;
}

static int refuse(enum berth_ws_close code, enum berth_ws_close *ret_code, const char *why,
                  struct berth_error *err)
{
    *ret_code = code;
    return berth_error_set(err, code == BERTH_WS_TOO_BIG ? BERTH_E_TOO_LARGE : BERTH_E_INVALID,
                           "%s", why);
}

/* RFC 6455 sections 5.2, 5.4 and 5.5. */
static int begin_frame(struct berth_ws_reader *reader, enum berth_ws_close *ret_code,
                       struct berth_error *err)
{
    unsigned opcode = opcode_of(reader);
    reader->left = payload_len(reader);
    reader->at = 0;
    reader->in_frame = true;
    if (reader->head[0] & RESERVED)
        return refuse(BERTH_WS_PROTOCOL, ret_code, "a frame uses an extension", err);
    if (is_control(reader)) {
        berth_strbuf_clear(&reader->small);
        if (opcode > PONG || !(reader->head[0] & FIN) || reader->left > CONTROL_MAX)
            return refuse(BERTH_WS_PROTOCOL, ret_code, "a control frame is malformed", err);
        return 0;
    }
    if (opcode == BINARY)
        return refuse(BERTH_WS_BAD_DATA, ret_code, "messages must be text", err);
    if (opcode > BINARY || (opcode == CONTINUATION) != reader->in_message)
        return refuse(BERTH_WS_PROTOCOL, ret_code, "a frame is out of order", err);
    if (opcode == TEXT)
        berth_strbuf_clear(&reader->text);
    if (reader->left > reader->text.cap - reader->text.len)
        return refuse(BERTH_WS_TOO_BIG, ret_code, "the message is too long", err);
    reader->in_message = !(reader->head[0] & FIN);
    return 0;
}

static int take_head(struct berth_ws_reader *reader, const char *data, size_t len, size_t *ret_used,
                     enum berth_ws_close *ret_code, struct berth_error *err)
{
    while (*ret_used < len) {
        reader->head[reader->head_len++] = (unsigned char)data[(*ret_used)++];
        if (reader->head_len == 2 && !(reader->head[1] & MASKED))
            return refuse(BERTH_WS_PROTOCOL, ret_code, "a frame is not masked", err);
        if (reader->head_len == head_size(reader) && reader->head_len > 2)
            return begin_frame(reader, ret_code, err);
    }
    return 0;
}

static size_t take_payload(struct berth_ws_reader *reader, char *data, size_t len)
{
    const unsigned char *mask = reader->head + reader->head_len - 4;
    if (len > reader->left)
        len = (size_t)reader->left;
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(data[i] ^ mask[reader->at++ & 3]);
    berth_strbuf_add(is_control(reader) ? &reader->small : &reader->text, data, len);
    reader->left -= len;
    return len;
}

static int end_frame(struct berth_ws_reader *reader, enum berth_ws_event *ret_event,
                     enum berth_ws_close *ret_code, struct berth_error *err)
{
    const struct berth_strbuf *text = &reader->text;
    reader->in_frame = false;
    reader->head_len = 0;
    if (is_control(reader)) {
        unsigned opcode = opcode_of(reader);
        *ret_event = opcode == CLOSE  ? BERTH_WS_CLOSED
                     : opcode == PING ? BERTH_WS_PING
                                      : BERTH_WS_PONG;
    } else if (!reader->in_message) {
        if (!berth_text_is_utf8(berth_strbuf_str(text), text->len))
            return refuse(BERTH_WS_BAD_DATA, ret_code, "the message is not UTF-8", err);
        *ret_event = BERTH_WS_TEXT;
    }
    *ret_code = BERTH_WS_INTERNAL;
    return is_control(reader) ? berth_strbuf_check(&reader->small, err)
                              : berth_strbuf_check(text, err);
}

int berth_ws_read(struct berth_ws_reader *reader, char *data, size_t len, size_t *ret_used,
                  enum berth_ws_event *ret_event, enum berth_ws_close *ret_code,
                  struct berth_error *err)
{
    int r = 0;
    *ret_used = 0;
    *ret_event = BERTH_WS_NOTHING;
    while (r == 0 && *ret_event == BERTH_WS_NOTHING) {
        if (!reader->in_frame)
            r = take_head(reader, data, len, ret_used, ret_code, err);
        if (r < 0 || !reader->in_frame)
            break;
        *ret_used += take_payload(reader, data + *ret_used, len - *ret_used);
        if (reader->left > 0)
            break;
        r = end_frame(reader, ret_event, ret_code, err);
    }
    return r;
}

/* ---- Writing frames ---- */

void berth_ws_add_frame(struct berth_strbuf *out, unsigned opcode, const char *data, size_t len)
{
    berth_strbuf_addc(out, (char)(FIN | opcode));
    if (len < 126) {
        berth_strbuf_addc(out, (char)len);
    } else {
        int bytes = len <= 0xFFFF ? 2 : 8;
        berth_strbuf_addc(out, (char)(bytes == 2 ? 126 : 127));
        for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
            berth_strbuf_addc(out, (char)((uint64_t)len >> shift & 0xFF));
    }
    berth_strbuf_add(out, data, len);
}

int berth_ws_accept(const char *key, struct berth_strbuf *out, struct berth_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(256);
    berth_strbuf_adds(&text, key);
    berth_strbuf_adds(&text, ACCEPT_GUID);
    int r = berth_strbuf_check(&text, err);
    if (r < 0)
        return r;
    if (EVP_Digest(text.data, text.len, digest, &digest_len, EVP_sha1(), NULL) != 1)
        return berth_error_set(err, BERTH_E_INTERNAL, "no digest of the key could be made");
    berth_base64_encode(digest, digest_len, out);
    return berth_strbuf_check(out, err);
}

/* ---- A connection ---- */

int berth_ws_open(struct berth_ws *ws, struct mg_connection *connection, size_t message_max,
                  const char *headers, struct berth_error *err)
{
    const char *key = mg_get_header(connection, "Sec-WebSocket-Key");
    int unsent = UNSENT_MAX;
    memset(ws, 0, sizeof(*ws));
    ws->connection = connection;
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
        berth_ws_add_frame(&ws->out, TEXT, text, len);
}

void berth_ws_send_first(struct berth_ws *ws, const char *text, size_t len)
{
    if (!ws->is_closing)
        berth_ws_add_frame(&ws->control, TEXT, text, len);
}

void berth_ws_ping(struct berth_ws *ws)
{
    ws->pinged_ms = berth_clock_monotonic_ms();
    if (!ws->is_closing)
        berth_ws_add_frame(&ws->control, PING, "", 0);
}

void berth_ws_close(struct berth_ws *ws, enum berth_ws_close code, const char *reason)
{
    char payload[CONTROL_MAX];
    size_t len = berth_text_utf8_prefix(reason, strnlen(reason, REASON_MAX));
    if (ws->is_closing)
        return;
    payload[0] = (char)((unsigned)code >> 8 & 0xFF);
    payload[1] = (char)((unsigned)code & 0xFF);
    memcpy(payload + 2, reason, len);
    /* Behind all else. */
    berth_ws_add_frame(&ws->out, CLOSE, payload, len + 2);
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
    int len = mg_read_some(ws->connection, ws->input, sizeof(ws->input));
    ws->input_at = 0;
    ws->input_len = len > 0 ? (size_t)len : 0;
    if (len > 0)
        ws->moved_ms = berth_clock_monotonic_ms();
    return len < 0 ? berth_error_set(err, BERTH_E_IO, "the client is gone") : 0;
}

static int on_event(struct berth_ws *ws, enum berth_ws_event event, struct berth_error *err)
{
    const struct berth_strbuf *small = &ws->reader.small;
    if (event == BERTH_WS_PING && !ws->is_closing)
        berth_ws_add_frame(&ws->control, PONG, berth_strbuf_str(small), small->len);
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
