/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_logs.h"
#include "tests/unit/unit.h"

#include <string.h>

struct taken {
    char out[256];
    char err[256];
    unsigned calls_left;
};

static bool take(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct taken *taken = ctx;
    char *to = stream == BERTH_OUTPUT_STDERR ? taken->err : taken->out;
    size_t used = strlen(to);
    ck_assert_uint_lt(used + len, sizeof(taken->out));
    memcpy(to + used, data, len);
    to[used + len] = '\0';
    return taken->calls_left == 0 || --taken->calls_left > 0;
}

static const char frames_text[] = "\1\0\0\0\0\0\0\6ready\n"
                                  "\2\0\0\0\0\0\0\3up\n"
                                  "\1\0\0\0\0\0\0\0"
                                  "\0\0\0\0\0\0\0\1x";

START_TEST(frames_come_in_any_pieces)
{
    const size_t len = sizeof(frames_text) - 1;
    for (size_t piece = 1; piece <= len; piece++) {
        struct taken taken = {0};
        struct berth_engine_frames frames = {.output = take, .ctx = &taken};
        for (size_t at = 0; at < len; at += piece) {
            size_t part = len - at < piece ? len - at : piece;
            ck_assert(berth_engine_frames_add(&frames, frames_text + at, part));
            ck_assert(at + part == len || !berth_engine_frames_whole(&frames) || part == 0 ||
                      at + part == 14 || at + part == 25 || at + part == 33);
        }
        ck_assert(berth_engine_frames_whole(&frames));
        ck_assert_str_eq(taken.out, "ready\nx");
        ck_assert_str_eq(taken.err, "up\n");
    }
}
END_TEST

START_TEST(what_is_no_frame_is_garbled)
{
    static const char *const heads[] = {"\3\0\0\0\0\0\0\1x", "\1\1\0\0\0\0\0\1x",
                                        "\1\0\1\0\0\0\0\1x", "\1\0\0\1\0\0\0\1x", "ready\nup"};
    for (size_t i = 0; i < UNIT_COUNT(heads); i++) {
        struct taken taken = {0};
        struct berth_engine_frames frames = {.output = take, .ctx = &taken};
        ck_assert(!berth_engine_frames_add(&frames, heads[i], 8));
        ck_assert(frames.garbled && !berth_engine_frames_whole(&frames));
        ck_assert_str_eq(taken.out, "");
    }
}
END_TEST

START_TEST(who_has_enough_gets_no_more)
{
    struct taken taken = {.calls_left = 1};
    struct berth_engine_frames frames = {.output = take, .ctx = &taken};
    ck_assert(!berth_engine_frames_add(&frames, frames_text, sizeof(frames_text) - 1));
    ck_assert(!frames.garbled);
    ck_assert_str_eq(taken.out, "ready\n");
    ck_assert_str_eq(taken.err, "");
}
END_TEST

UNIT_SUITE("engine_logs", frames_come_in_any_pieces, what_is_no_frame_is_garbled,
           who_has_enough_gets_no_more)
