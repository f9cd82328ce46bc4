/* SPDX-License-Identifier: MIT */
/*
 * A connection that an engine gives up to the two ends of a stream: the answer
 * to POST /exec/{id}/start is a head, and after it raw bytes both ways (Engine
 * API, "Attach to a container", hijacking). libcurl makes the connection,
 * socket and TLS; the head is read here.
 *
 * Threading: one thread at a time.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_HIJACK_H
#define BERTH_BACKENDS_ENGINE_ENGINE_HIJACK_H

#include "backends/engine/engine.h"

struct berth_engine_hijack;

/* Connects, posts body (JSON) to path, and waits for the head of the answer. Errors as those of
 * berth_engine_call(). A version must be known: some call comes first. */
BERTH_MUST_CHECK int berth_engine_hijack_open(struct berth_engine *engine, const char *path,
                                              const char *body,
                                              struct berth_engine_hijack **ret_hijack,
                                              struct berth_error *err);
/* Ends the connection, as the engine sees it both ways. NULL is fine. */
void berth_engine_hijack_close(struct berth_engine_hijack *hijack);
BERTH_DEFINE_CLEANUP(engine_hijack, struct berth_engine_hijack *, berth_engine_hijack_close)

/* To poll; borrowed. */
int berth_engine_hijack_fd(const struct berth_engine_hijack *hijack);

/* What is there, without waiting: up to size bytes; none, or none any more. */
BERTH_MUST_CHECK int berth_engine_hijack_read(struct berth_engine_hijack *hijack, char *data,
                                              size_t size, size_t *ret_len, bool *ret_has_ended,
                                              struct berth_error *err);

/* What goes without waiting: 0 to len bytes. */
BERTH_MUST_CHECK int berth_engine_hijack_write(struct berth_engine_hijack *hijack, const char *data,
                                               size_t len, size_t *ret_written,
                                               struct berth_error *err);

/* Waits for something to read until deadline_ms (monotonic): BERTH_E_TIMEOUT. */
BERTH_MUST_CHECK int berth_engine_hijack_await(struct berth_engine_hijack *hijack,
                                               int64_t deadline_ms, struct berth_error *err);

/* ---- For tests ---- */

/* The head of an answer: its status, and how long the body of one that is no stream is (-1: as
 * long as the connection lasts). Text is the whole head, the empty line included. BERTH_E_INVALID:
 * that is no head of HTTP/1.1. */
BERTH_MUST_CHECK int berth_engine_head_parse(const char *text, size_t len, long *ret_status,
                                             int64_t *ret_body_len, struct berth_error *err);

#endif
