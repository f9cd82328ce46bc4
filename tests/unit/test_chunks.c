/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "gateway/chunks.h"
#include "tests/unit/unit.h"

#include <string.h>

/* The body, taken in pieces of so many bytes. */
static int decode(const char *text, size_t len, size_t piece, struct berth_strbuf *out,
                  bool *ret_ended)
{
    struct berth_chunks chunks = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    char data[64];
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < len; at += piece) {
        size_t got = len - at < piece ? len - at : piece;
        memcpy(data, text + at, got);
        rc = berth_chunks_decode(&chunks, data, got, &got, &err);
        if (rc == 0)
            berth_strbuf_add(out, data, got);
    }
    *ret_ended = chunks.state == BERTH_CHUNKS_ENDED;
    return rc;
}

START_TEST(a_body_is_read_however_it_is_cut)
{
    static const struct {
        const char *name, *text, *body;
        bool has_ended;
    } rows[] = {
        {"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", true},
        {"two, in hexadecimal", "A\r\n0123456789\r\n00b\r\nabc\r\ndef\r\ng\r\n0\r\n\r\n",
         "0123456789abc\r\ndef\r\ng", true},
        {"extensions", "1;a=b\r\nx\r\n1 ; c\r\ny\r\n0;z\r\n\r\n", "xy", true},
        {"trailers", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "x", true},
        {"nothing", "0\r\n\r\n", "", true},
        {"what follows", "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "x", true},
        {"an end that is missing", "5\r\nhello\r\n", "hello", false},
        {"a chunk that breaks off", "5\r\nhel", "hel", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t piece = 1; piece <= 64; piece++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(256);
            bool has_ended = false;
            ck_assert_msg(decode(rows[i].text, strlen(rows[i].text), piece, &out, &has_ended) == 0,
                          "%s", rows[i].name);
            ck_assert_str_eq(berth_strbuf_str(&out), rows[i].body);
            ck_assert_msg(has_ended == rows[i].has_ended, "%s", rows[i].name);
        }
}
END_TEST

START_TEST(what_are_no_chunks_is_refused)
{
    static const char *const rows[] = {
        "\r\n",
        "x\r\n",
        "-5\r\nhello",
        "0x5\r\nhello\r\n",
        "5\nhello",
        "5\rhello",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "1000000000000000\r\nhello", /* 16 digits */
        "5;\x01\r\nhello",
        "0\r\nA\n\r\n",
        "0\r\n\rx",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t piece = 1; piece <= 64; piece += 63) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(256);
            bool has_ended = false;
            ck_assert_msg(decode(rows[i], strlen(rows[i]), piece, &out, &has_ended) ==
                              BERTH_E_INVALID,
                          "%s", rows[i]);
        }
}
END_TEST

START_TEST(lines_have_bounds)
{
    static const struct {
        const char *before, *after;
        size_t most;
    } rows[] = {{"1;", "\r\nx\r\n0\r\n\r\n", BERTH_CHUNK_LINE_MAX},
                {"0\r\n", "\r\n\r\n", BERTH_CHUNK_TRAILER_MAX}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t past = 0; past < 2; past++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(65536);
            BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(256);
            bool has_ended = false;
            berth_strbuf_adds(&text, rows[i].before);
            for (size_t n = 0; n + 1 < rows[i].most + past; n++) /* the CR counts */
                berth_strbuf_addc(&text, 'a');
            berth_strbuf_adds(&text, rows[i].after);
            int rc = decode(berth_strbuf_str(&text), text.len, 64, &out, &has_ended);
            ck_assert_int_eq(rc, past ? BERTH_E_INVALID : 0);
            ck_assert(has_ended == !past);
        }
}
END_TEST

UNIT_SUITE("chunks", a_body_is_read_however_it_is_cut, what_are_no_chunks_is_refused,
           lines_have_bounds)
