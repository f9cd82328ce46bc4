/* SPDX-License-Identifier: MIT */
#include "gateway/websocket_frame.h"

#include "base/encoding.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <string.h>

#define FIN         0x80U
#define RESERVED    0x70U
#define OPCODE      0x0FU
#define MASKED      0x80U
#define CONTROL     0x08U /* set in the opcodes of control frames */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* ---- Reading frames ---- */

void berth_ws_reader_init(struct berth_ws_reader *reader, size_t message_max)
{
    *reader = (struct berth_ws_reader){0};
    berth_strbuf_init(&reader->text, message_max);
    berth_strbuf_init(&reader->small, BERTH_WS_CONTROL_MAX);
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
        if (opcode > BERTH_WS_OP_PONG || !(reader->head[0] & FIN) ||
            reader->left > BERTH_WS_CONTROL_MAX)
            return refuse(BERTH_WS_PROTOCOL, ret_code, "a control frame is malformed", err);
        return 0;
    }
    if (opcode == BERTH_WS_OP_BINARY)
        return refuse(BERTH_WS_BAD_TYPE, ret_code, "messages must be text", err);
    if (opcode > BERTH_WS_OP_BINARY || (opcode == BERTH_WS_OP_CONTINUATION) != reader->in_message)
        return refuse(BERTH_WS_PROTOCOL, ret_code, "a frame is out of order", err);
    if (opcode == BERTH_WS_OP_TEXT)
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
        *ret_event = opcode == BERTH_WS_OP_CLOSE  ? BERTH_WS_CLOSED
                     : opcode == BERTH_WS_OP_PING ? BERTH_WS_PING
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

void berth_ws_add_frame(struct berth_strbuf *out, enum berth_ws_opcode opcode, const char *data,
                        size_t len)
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
