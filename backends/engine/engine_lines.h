/* SPDX-License-Identifier: MIT */
/*
 * Lines out of a stream that comes in pieces of any size: events and
 * statistics are JSON objects, one a line.
 *
 * Threading: one owner.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_LINES_H
#define BERTH_BACKENDS_ENGINE_ENGINE_LINES_H

#include "base/strbuf.h"

struct berth_engine_lines {
    struct berth_strbuf rest; /* the beginning of the next line */
};

/* max: bytes of the longest line allowed. */
void berth_engine_lines_init(struct berth_engine_lines *lines, size_t max);
void berth_engine_lines_release(struct berth_engine_lines *lines);

/*
 * Takes the next piece in and calls take for each line that is complete now
 * (without its newline, blank ones left out), until it returns false; the rest
 * of the piece is dropped then. take may release lines if it returns false.
 * BERTH_E_UNREACHABLE: a line is too long; BERTH_E_NOMEM.
 */
BERTH_MUST_CHECK int berth_engine_lines_add(struct berth_engine_lines *lines, const char *data,
                                            size_t len,
                                            bool (*take)(void *ctx, const char *line, size_t len),
                                            void *ctx, struct berth_error *err);

#endif
