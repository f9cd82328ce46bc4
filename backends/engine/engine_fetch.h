/* SPDX-License-Identifier: MIT */
/*
 * One GET, or POST, on the I/O thread: the answer is collected and handed over whole.
 * What berth_engine_call() is to threads that may wait, this is to state
 * machines that may not.
 *
 * Threading: all functions and the callback on the I/O thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_FETCH_H
#define BERTH_BACKENDS_ENGINE_ENGINE_FETCH_H

#include "backends/engine/engine.h"
#include "backends/engine/engine_io.h"

struct berth_engine_fetch;

/* A 2xx answer, valid within the callback. */
struct berth_engine_answer {
    const char *body; /* NUL-terminated */
    size_t len;
    struct berth_engine_fetch *fetch; /* for its headers */
};

/*
 * Called once: with the answer, or with NULL and what went wrong, as
 * berth_engine_call() would say it. May free the fetch.
 */
typedef void berth_engine_fetch_done(void *ctx, const struct berth_engine_answer *answer,
                                     const struct berth_error *err);

/* Starts; silence_ms: the longest wait for the next piece of the answer. done comes later. */
BERTH_MUST_CHECK int berth_engine_fetch_start(struct berth_engine_io *io,
                                              struct berth_engine *engine, const char *path,
                                              int64_t silence_ms, berth_engine_fetch_done *done,
                                              void *ctx, struct berth_engine_fetch **ret_fetch,
                                              struct berth_error *err);

/* The same as a POST of a JSON body, which is copied; NULL: a GET after all. */
BERTH_MUST_CHECK int berth_engine_fetch_post(struct berth_engine_io *io,
                                             struct berth_engine *engine, const char *path,
                                             const char *post, int64_t silence_ms,
                                             berth_engine_fetch_done *done, void *ctx,
                                             struct berth_engine_fetch **ret_fetch,
                                             struct berth_error *err);

/* Ends it if need be, without done, and frees it; due after done too. NULL is fine. */
void berth_engine_fetch_free(struct berth_engine_fetch *fetch);

/* A header of the answer, or NULL; within the callback. */
const char *berth_engine_answer_header(const struct berth_engine_answer *answer, const char *name);

#endif
