/* SPDX-License-Identifier: MIT */
/*
 * An answer without end: its head, then pieces for as long as the client
 * listens. A write never waits for longer than a moment without asking whether
 * the answer may go on, and gives up on a client that does not read.
 *
 * Threading: belongs to the request's thread.
 */
#ifndef BERTH_GATEWAY_STREAM_H
#define BERTH_GATEWAY_STREAM_H

#include "gateway/exchange.h"

struct berth_stream {
    struct berth_exchange *exchange;
    struct berth_strbuf out; /* what is to be sent next, chunks with their frames */
    size_t sent;             /* bytes of it */
    int64_t moved_ms;        /* monotonic; when the client last took some of it */
    bool has_begun;          /* the head has been sent */
};

#define BERTH_STREAM_TICK_MS 500

/* Puts the head into out, without a length; from now on the exchange counts as answered. Without
 * is_chunked or has_length the connection ends with the answer. */
void berth_stream_begin(struct berth_stream *stream, struct berth_exchange *exchange);
void berth_stream_release(struct berth_stream *stream);

/* Appends a piece of the body to out. */
void berth_stream_add(struct berth_stream *stream, const char *data, size_t len);

/* Appends what tells that the body is whole. */
void berth_stream_complete(struct berth_stream *stream);

/* The body is cut: with the connection, so that nobody takes it for whole. */
void berth_stream_abandon(struct berth_stream *stream);

/*
 * Sends all of out. BERTH_E_IO when the client is gone, BERTH_E_TIMEOUT when it
 * has taken nothing for request_timeout_s, and what
 * berth_long_answer_confirm() says, which is asked now and then; if it says no before the head
 * is sent, the exchange counts as not answered again, and the error is the answer.
 */
BERTH_MUST_CHECK int berth_stream_flush(struct berth_stream *stream, struct berth_error *err);

/* True when the client has closed its end. */
bool berth_stream_is_gone(const struct berth_stream *stream);

/* Where the head and all that followed has been sent, sends as much of the text as goes without
 * waiting. */
void berth_stream_end(struct berth_stream *stream, const struct berth_strbuf *text);

#endif
