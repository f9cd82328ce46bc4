/* SPDX-License-Identifier: MIT */
/*
 * Streams of an engine: events (first byte 'e'), the progress of a pull ('p') and
 * the frames of a log ('l').
 * The second byte says how the rest is cut into pieces: whatever they are, the
 * stream means the same.
 */
#include "backends/engine/engine_events.h"
#include "backends/engine/engine_lines.h"
#include "backends/engine/engine_logs.h"
#include "backends/engine/engine_pull.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <string.h>

#define LINE_MAX_BYTES 512

/* Lengths of pieces from 1 to 64, the same for the same seed. */
static size_t next_piece(uint32_t *state, size_t left)
{
    *state = *state * 1664525U + 1013904223U;
    size_t len = 1 + (*state >> 26);
    return len < left ? len : left;
}

/* ---- Events ---- */

static bool take_event(void *ctx, const char *line, size_t len)
{
    struct berth_strbuf *seen = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(engine_event) struct berth_engine_event event = {.id = ""};
    FUZZ_CHECK(line[len] == '\0' && !memchr(line, '\n', len) && len <= LINE_MAX_BYTES);
    int r = berth_engine_event_parse(line, len, &event, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r == 0 || r == BERTH_E_UNREACHABLE);
    berth_strbuf_addf(seen, "%d %d %d %s %" PRId64 "\n", r, (int)event.kind, (int)event.state,
                      event.id, event.at_ns);
    return r == 0;
}

static void read_events(const char *data, size_t size, uint32_t seed, struct berth_strbuf *seen)
{
    struct berth_engine_lines lines;
    berth_engine_lines_init(&lines, LINE_MAX_BYTES);
    int r = 0;
    while (size > 0 && r == 0) {
        struct berth_error err = BERTH_ERROR_INIT;
        size_t piece = seed ? next_piece(&seed, size) : size;
        size_t before = seen->len;
        r = berth_engine_lines_add(&lines, data, piece, take_event, seen, &err);
        fuzz_check_error(r, &err);
        /* A line that is no event ends the stream. */
        const char *last = berth_strbuf_str(seen);
        for (const char *at = last + before; *at; at = strchr(at, '\n') + 1)
            if (*at == '-')
                r = BERTH_E_CANCELLED;
        data += piece;
        size -= piece;
    }
    berth_strbuf_addf(seen, "end %d", r);
    berth_engine_lines_release(&lines);
    FUZZ_CHECK(!seen->failed);
}

/* ---- Pulls ---- */

static void feed(struct berth_pull *pull, const char *data, size_t len)
{
    int before = pull->percent;
    berth_pull_feed(pull, data, len);
    FUZZ_CHECK(pull->percent >= before && pull->percent <= 100);
    FUZZ_CHECK(pull->layer_count <= BERTH_PULL_LAYERS_MAX);
}

static void read_pull(const char *data, size_t size, uint32_t seed, struct berth_strbuf *seen)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_pull *pull = malloc(sizeof(*pull));
    FUZZ_CHECK(pull);
    *pull = (struct berth_pull){.line = BERTH_STRBUF_INIT(LINE_MAX_BYTES)};
    while (size > 0) {
        size_t piece = seed ? next_piece(&seed, size) : size;
        feed(pull, data, piece);
        data += piece;
        size -= piece;
    }
    int r = berth_pull_finish(pull, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r < 0 || pull->percent == 100);
    berth_strbuf_addf(seen, "%d %s %s %zu", r, err.message, pull->digest, pull->layer_count);
    for (size_t i = 0; i < pull->layer_count; i++)
        berth_strbuf_addf(seen, " %s %g %g", pull->layers[i].id, pull->layers[i].size,
                          pull->layers[i].done);
    FUZZ_CHECK(!seen->failed);
    berth_pull_release(pull);
    free(pull);
}

/* ---- Logs ---- */

static bool take_output(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct berth_strbuf *seen = ctx;
    FUZZ_CHECK(len > 0);
    for (size_t i = 0; i < len; i++)
        berth_strbuf_addf(seen, "%d%02x", (int)stream, (unsigned char)data[i]);
    return true;
}

static void read_log(const char *data, size_t size, uint32_t seed, struct berth_strbuf *seen)
{
    struct berth_engine_frames frames = {.output = take_output, .ctx = seen};
    bool more = true;
    while (size > 0 && more) {
        size_t piece = seed ? next_piece(&seed, size) : size;
        more = berth_engine_frames_add(&frames, data, piece);
        data += piece;
        size -= piece;
    }
    FUZZ_CHECK(more == !frames.garbled);
    berth_strbuf_addf(seen, " %d", berth_engine_frames_whole(&frames));
    FUZZ_CHECK(!seen->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    BERTH_CLEANUP(strbuf) struct berth_strbuf whole = BERTH_STRBUF_INIT((size_t)1 << 24);
    BERTH_CLEANUP(strbuf) struct berth_strbuf pieces = BERTH_STRBUF_INIT((size_t)1 << 24);
    uint8_t kind = fuzz_byte(&input);
    uint32_t seed = 1U + fuzz_byte(&input);
    size_t len = input.size;
    BERTH_CLEANUP(free) char *text = fuzz_rest(&input);
    void (*read)(const char *, size_t, uint32_t, struct berth_strbuf *) =
        kind == 'p' ? read_pull : (kind == 'l' ? read_log : read_events);
    read(text, len, 0, &whole);
    read(text, len, seed, &pieces);
    FUZZ_CHECK_MSG(strcmp(berth_strbuf_str(&whole), berth_strbuf_str(&pieces)) == 0,
                   berth_strbuf_str(&pieces));
    return 0;
}
