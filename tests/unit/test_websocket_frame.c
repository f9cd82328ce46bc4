/* SPDX-License-Identifier: MIT */
#include "gateway/websocket_frame.h"
#include "tests/unit/unit.h"

#include <string.h>

#define MESSAGE_MAX 70000
#define MASK        "\x12\x34\x56\x78"

/* A frame as clients send it: first byte, length in its shortest form, mask, masked payload. */
static void add(struct berth_strbuf *out, unsigned first, const char *payload, size_t len)
{
    static const char mask[] = MASK;
    BERTH_CLEANUP(strbuf) struct berth_strbuf frame = BERTH_STRBUF_INIT(len + 16);
    berth_ws_add_frame(&frame, BERTH_WS_OP_TEXT, payload, len);
    size_t head_len = frame.len - len;
    frame.data[0] = (char)first;
    frame.data[1] = (char)(frame.data[1] | 0x80);
    berth_strbuf_add(out, frame.data, head_len);
    berth_strbuf_add(out, mask, 4);
    for (size_t i = 0; i < len; i++)
        berth_strbuf_addc(out, (char)(payload[i] ^ mask[i & 3]));
    ck_assert(!out->failed);
}

/* What is read of the bytes, given in pieces of that size: "TEXT hello|PING x|1002". */
static void read_all(const struct berth_strbuf *bytes, size_t piece, struct berth_strbuf *seen)
{
    static const char *const names[] = {"", "TEXT", "PING", "PONG", "CLOSED"};
    struct berth_ws_reader reader;
    BERTH_CLEANUP(free) char *copy = malloc(bytes->len + 1);
    memcpy(copy, bytes->data, bytes->len);
    berth_ws_reader_init(&reader, MESSAGE_MAX);
    int r = 0;
    for (size_t at = 0; at < bytes->len && r == 0;) {
        enum berth_ws_event event = BERTH_WS_NOTHING;
        enum berth_ws_close code = 0;
        size_t used = 0;
        size_t len = bytes->len - at < piece ? bytes->len - at : piece;
        r = berth_ws_read(&reader, copy + at, len, &used, &event, &code, NULL);
        at += used;
        if (r < 0) {
            berth_strbuf_addf(seen, "%d|", code);
        } else if (event != BERTH_WS_NOTHING) {
            const struct berth_strbuf *text = event == BERTH_WS_TEXT ? &reader.text : &reader.small;
            berth_strbuf_addf(seen, "%s ", names[event]);
            berth_strbuf_add(seen, berth_strbuf_str(text), text->len < 20 ? text->len : 20);
            berth_strbuf_addc(seen, '|');
        } else {
            ck_assert(used == len);
        }
    }
    berth_ws_reader_release(&reader);
}

static const struct {
    const char *name;
    struct {
        unsigned first;
        const char *payload; /* NULL: no more */
    } frames[4];
    const char *seen;
} streams[] = {
    {"a message", {{0x81, "hello"}}, "TEXT hello|"},
    {"an empty message", {{0x81, ""}}, "TEXT |"},
    {"two messages", {{0x81, "one"}, {0x81, "two"}}, "TEXT one|TEXT two|"},
    {"fragments", {{0x01, "a"}, {0x00, "b"}, {0x80, "c"}}, "TEXT abc|"},
    {"a ping among fragments", {{0x01, "a"}, {0x89, "p"}, {0x80, "c"}}, "PING p|TEXT ac|"},
    {"a pong", {{0x8A, "x"}}, "PONG x|"},
    {"a close", {{0x88, "\x03\xe8"}}, "CLOSED \x03\xe8|"},
    {"a character cut by fragments", {{0x01, "\xc3"}, {0x80, "\xa9"}}, "TEXT \xc3\xa9|"},
    {"an extension", {{0xC1, "a"}}, "1002|"},
    {"a fragmented ping", {{0x09, "a"}}, "1002|"},
    {"an unknown control frame", {{0x8B, "a"}}, "1002|"},
    {"an unknown frame", {{0x83, "a"}}, "1002|"},
    {"a rest of nothing", {{0x80, "a"}}, "1002|"},
    {"a message within another", {{0x01, "a"}, {0x81, "b"}}, "1002|"},
    {"binary", {{0x82, "a"}}, "1003|"},
    {"no UTF-8", {{0x81, "\xff"}}, "1007|"},
    {"a cut character", {{0x81, "\xc3"}}, "1007|"},
};

START_TEST(streams_are_read_in_any_pieces)
{
    for (size_t i = 0; i < UNIT_COUNT(streams); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf bytes = BERTH_STRBUF_INIT(4096);
        for (size_t n = 0; n < 4 && streams[i].frames[n].payload; n++)
            add(&bytes, streams[i].frames[n].first, streams[i].frames[n].payload,
                strlen(streams[i].frames[n].payload));
        for (size_t piece = 1; piece <= bytes.len; piece++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf seen = BERTH_STRBUF_INIT(4096);
            read_all(&bytes, piece, &seen);
            ck_assert_msg(strcmp(berth_strbuf_str(&seen), streams[i].seen) == 0,
                          "%s in pieces of %zu: %s", streams[i].name, piece,
                          berth_strbuf_str(&seen));
        }
    }
}
END_TEST

static const struct {
    const char *name;
    unsigned first;
    size_t len;
    const char *seen;
} sizes[] = {
    {"shortest form", 0x81, 125, "TEXT xxxxxxxxxxxxxxxxxxxx|"},
    {"two bytes of length", 0x81, 126, "TEXT xxxxxxxxxxxxxxxxxxxx|"},
    {"most of two bytes", 0x81, 65535, "TEXT xxxxxxxxxxxxxxxxxxxx|"},
    {"eight bytes of length", 0x81, 65536, "TEXT xxxxxxxxxxxxxxxxxxxx|"},
    {"the longest message", 0x81, MESSAGE_MAX, "TEXT xxxxxxxxxxxxxxxxxxxx|"},
    {"one byte more", 0x81, MESSAGE_MAX + 1, "1009|"},
    {"the longest ping", 0x89, BERTH_WS_CONTROL_MAX, "PING xxxxxxxxxxxxxxxxxxxx|"},
    {"one byte more of it", 0x89, BERTH_WS_CONTROL_MAX + 1, "1002|"},
};

START_TEST(lengths_have_a_limit)
{
    static char payload[MESSAGE_MAX + 1];
    memset(payload, 'x', sizeof(payload));
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf bytes = BERTH_STRBUF_INIT(MESSAGE_MAX + 64);
        BERTH_CLEANUP(strbuf) struct berth_strbuf seen = BERTH_STRBUF_INIT(4096);
        add(&bytes, sizes[i].first, payload, sizes[i].len);
        read_all(&bytes, 4096, &seen);
        ck_assert_msg(strcmp(berth_strbuf_str(&seen), sizes[i].seen) == 0, "%s: %s", sizes[i].name,
                      berth_strbuf_str(&seen));
    }
}
END_TEST

START_TEST(fragments_share_one_limit)
{
    static char payload[MESSAGE_MAX];
    BERTH_CLEANUP(strbuf) struct berth_strbuf bytes = BERTH_STRBUF_INIT(2 * MESSAGE_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf seen = BERTH_STRBUF_INIT(4096);
    memset(payload, 'x', sizeof(payload));
    add(&bytes, 0x01, payload, MESSAGE_MAX);
    add(&bytes, 0x80, payload, 1);
    read_all(&bytes, 4096, &seen);
    ck_assert_str_eq(berth_strbuf_str(&seen), "1009|");
}
END_TEST

START_TEST(heads_that_promise_too_much_are_refused)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        const char *seen;
    } rows[] = {
        {"no mask",
         "\x81\x01"
         "a",
         3, "1002|"},
        {"2^64 - 1 bytes", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" MASK, 14, "1009|"},
        {"2^63 bytes", "\x81\xff\x80\0\0\0\0\0\0\0" MASK, 14, "1009|"},
        {"a ping of a long form", "\x89\xfe\x00\x7e" MASK, 8, "1002|"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf bytes = BERTH_STRBUF_INIT(64);
        BERTH_CLEANUP(strbuf) struct berth_strbuf seen = BERTH_STRBUF_INIT(4096);
        berth_strbuf_add(&bytes, rows[i].bytes, rows[i].len);
        read_all(&bytes, 64, &seen);
        ck_assert_msg(strcmp(berth_strbuf_str(&seen), rows[i].seen) == 0, "%s: %s", rows[i].name,
                      berth_strbuf_str(&seen));
    }
}
END_TEST

/* The example of RFC 6455 section 1.3. */
START_TEST(a_key_is_accepted)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(64);
    ck_assert_int_eq(berth_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", &out, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&out), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

UNIT_SUITE("websocket_frame", streams_are_read_in_any_pieces, lengths_have_a_limit,
           fragments_share_one_limit, heads_that_promise_too_much_are_refused, a_key_is_accepted)
