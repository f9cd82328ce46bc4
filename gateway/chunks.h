/* SPDX-License-Identifier: MIT */
/*
 * A body whose length its client does not know when it begins: in chunks (RFC
 * 9112 section 7.1). civetweb's own reader waits for as long as somebody goes on
 * with the extension of one chunk, and takes for a length what is none.
 *
 * Extensions and trailers are passed over, up to BERTH_CHUNK_LINE_MAX and
 * BERTH_CHUNK_TRAILER_MAX bytes. What follows the body is left out: its connection
 * is not to be kept.
 *
 * Threading: belongs to one thread.
 */
#ifndef BERTH_GATEWAY_CHUNKS_H
#define BERTH_GATEWAY_CHUNKS_H

#include "gateway/exchange.h"

enum berth_chunks_state {
    BERTH_CHUNKS_SIZE, /* the digits of one's length */
    BERTH_CHUNKS_EXTENSION,
    BERTH_CHUNKS_SIZE_END, /* the LF behind them */
    BERTH_CHUNKS_DATA,
    BERTH_CHUNKS_DATA_CR,
    BERTH_CHUNKS_DATA_LF,
    BERTH_CHUNKS_TRAILER, /* the beginning of a line */
    BERTH_CHUNKS_TRAILER_LINE,
    BERTH_CHUNKS_TRAILER_LF,
    BERTH_CHUNKS_END_LF,
    BERTH_CHUNKS_ENDED,
};

/* Zeroed at the beginning. */
struct berth_chunks {
    enum berth_chunks_state state;
    int64_t left;    /* of the chunk's bytes; of its length, what has come */
    unsigned digits; /* of that */
    unsigned line;   /* bytes of a chunk's line, or of the trailers */
};

/* Whether the request's body comes so. */
bool berth_chunks_is(const struct berth_exchange *exchange);

/* Puts the body's own bytes of what came in place of it. BERTH_E_INVALID: these are no chunks. */
BERTH_MUST_CHECK int berth_chunks_decode(struct berth_chunks *chunks, char *data, size_t len,
                                         size_t *ret_len, struct berth_error *err);

/*
 * Reads what comes until deadline_ms (monotonic): up to size of the body's own
 * bytes, 0 when it has ended. BERTH_E_INVALID; BERTH_E_TIMEOUT: nothing of it came;
 * BERTH_E_IO: the client is gone.
 */
BERTH_MUST_CHECK int berth_chunks_read(struct berth_chunks *chunks,
                                       const struct berth_exchange *exchange, char *data,
                                       size_t size, int64_t deadline_ms, size_t *ret_len,
                                       struct berth_error *err);

#endif
