/* SPDX-License-Identifier: MIT */
/*
 * One endless GET on the I/O thread whose answer is JSON objects, one a line:
 * events, statistics.
 *
 * Threading: all functions and callbacks on the I/O thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_STREAM_H
#define BERTH_BACKENDS_ENGINE_ENGINE_STREAM_H

#include "backends/engine/engine.h"
#include "backends/engine/engine_io.h"

struct berth_engine_stream;

struct berth_engine_stream_ops {
    /* The engine has agreed; may be NULL. May free the stream. */
    void (*open)(void *ctx);
    /* A line (NUL-terminated, blank ones are left out). False: it freed the stream. */
    bool (*line)(void *ctx, const char *line, size_t len);
    /* It is over: the engine ended it after a whole line (why is NULL), refused or broke it, or
     * sent a line of more than BERTH_ENGINE_EVENT_MAX bytes. May free the stream. */
    void (*end)(void *ctx, const struct berth_error *why);
};

/* engine and ops outlive the stream. */
BERTH_MUST_CHECK int berth_engine_stream_start(struct berth_engine_io *io,
                                               struct berth_engine *engine, const char *path,
                                               const struct berth_engine_stream_ops *ops, void *ctx,
                                               struct berth_engine_stream **ret_stream,
                                               struct berth_error *err);

/* Ends it if need be, without end(), and frees it; due after end() too. NULL is fine. */
void berth_engine_stream_free(struct berth_engine_stream *stream);

#endif
