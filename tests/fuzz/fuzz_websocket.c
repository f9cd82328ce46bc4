/* SPDX-License-Identifier: MIT */
/*
 * Frames of a WebSocket's client. The first byte says how the rest is cut into
 * pieces: whatever they are, it means the same. The rest could be a terminal's
 * output, too, which is cut between characters.
 */
#include "base/text.h"
#include "gateway/terminal_message.h"
#include "gateway/websocket_frame.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define MESSAGE_MAX 1024

/* Lengths of pieces from 1 to 64, the same for the same seed. */
static size_t next_piece(uint32_t *state, size_t left)
{
    *state = *state * 1664525U + 1013904223U;
    size_t len = 1 + (*state >> 26);
    return len < left ? len : left;
}

static void read_frames(const char *data, size_t size, uint32_t seed, struct berth_strbuf *seen)
{
    struct berth_ws_reader reader;
    BERTH_CLEANUP(free) char *copy = malloc(size + 1);
    FUZZ_CHECK(copy);
    memcpy(copy, data, size);
    berth_ws_reader_init(&reader, MESSAGE_MAX);
    int r = 0;
    for (size_t at = 0; at < size && r == 0;) {
        struct berth_error err = BERTH_ERROR_INIT;
        enum berth_ws_event event = BERTH_WS_NOTHING;
        enum berth_ws_close code = 0;
        size_t used = 0;
        size_t len = seed ? next_piece(&seed, size - at) : size - at;
        r = berth_ws_read(&reader, copy + at, len, &used, &event, &code, &err);
        fuzz_check_error(r, &err);
        FUZZ_CHECK(used <= len && (r < 0 || used == len || event != BERTH_WS_NOTHING));
        at += used;
        if (r < 0)
            berth_strbuf_addf(seen, "closed %d", (int)code);
        const struct berth_strbuf *whole = event == BERTH_WS_TEXT ? &reader.text : &reader.small;
        if (event != BERTH_WS_NOTHING) {
            FUZZ_CHECK(whole->len <= (event == BERTH_WS_TEXT ? MESSAGE_MAX : BERTH_WS_CONTROL_MAX));
            FUZZ_CHECK(event != BERTH_WS_TEXT ||
                       berth_text_is_utf8(berth_strbuf_str(whole), whole->len));
            berth_strbuf_addf(seen, "%d %zu ", (int)event, whole->len);
            berth_strbuf_add(seen, berth_strbuf_str(whole), whole->len);
        }
    }
    berth_ws_reader_release(&reader);
}

/* What is written as a client's message is read as one. */
static void check_round_trip(const char *data, size_t size)
{
    static const char mask[] = "\0\0\0\0";
    struct berth_ws_reader reader;
    BERTH_CLEANUP(strbuf) struct berth_strbuf frame = BERTH_STRBUF_INIT(size + 16);
    BERTH_CLEANUP(strbuf) struct berth_strbuf masked = BERTH_STRBUF_INIT(size + 32);
    enum berth_ws_event event;
    enum berth_ws_close code;
    size_t used;
    if (size > MESSAGE_MAX || !berth_text_is_utf8(data, size))
        return;
    berth_ws_add_frame(&frame, BERTH_WS_OP_TEXT, data, size);
    frame.data[1] = (char)(frame.data[1] | 0x80);
    berth_strbuf_add(&masked, frame.data, frame.len - size);
    berth_strbuf_add(&masked, mask, 4);
    berth_strbuf_add(&masked, data, size);
    berth_ws_reader_init(&reader, MESSAGE_MAX);
    int r = berth_ws_read(&reader, masked.data, masked.len, &used, &event, &code, NULL);
    FUZZ_CHECK(r == 0 && event == BERTH_WS_TEXT && used == masked.len);
    FUZZ_CHECK(reader.text.len == size && memcmp(berth_strbuf_str(&reader.text), data, size) == 0);
    berth_ws_reader_release(&reader);
}

static void check_split(const char *data, size_t size)
{
    bool is_text = false;
    size_t whole = berth_terminal_split(data, size, &is_text);
    FUZZ_CHECK(whole <= size && size - whole <= 3);
    FUZZ_CHECK(is_text == berth_text_is_utf8(data, whole));
    FUZZ_CHECK(!berth_text_is_utf8(data, size) || (is_text && whole == size));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_input input = {bytes, size};
    uint8_t seed = fuzz_byte(&input);
    const char *data = (const char *)input.data;
    BERTH_CLEANUP(strbuf) struct berth_strbuf whole = BERTH_STRBUF_INIT(64 * size + 4096);
    BERTH_CLEANUP(strbuf) struct berth_strbuf pieces = BERTH_STRBUF_INIT(64 * size + 4096);
    read_frames(data, input.size, 0, &whole);
    read_frames(data, input.size, seed + 1U, &pieces);
    FUZZ_CHECK(!whole.failed && !pieces.failed);
    FUZZ_CHECK_MSG(whole.len == pieces.len &&
                       memcmp(berth_strbuf_str(&whole), berth_strbuf_str(&pieces), whole.len) == 0,
                   berth_strbuf_str(&pieces));
    check_round_trip(data, input.size);
    check_split(data, input.size);
    return 0;
}
