/* SPDX-License-Identifier: MIT */
#include "gateway/chunks.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

#include <civetweb_stream.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#define DIGITS_MAX 15 /* of a length: more would not fit */

bool berth_chunks_is(const struct berth_exchange *exchange)
{
    const char *coding = berth_exchange_request_header(exchange, "Transfer-Encoding");
    return coding && strcasecmp(coding, "chunked") == 0;
}

/* ---- Decoding ---- */

static int digit_of(char c)
{
    if (berth_is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_size(struct berth_chunks *chunks, char c)
{
    int digit = digit_of(c);
    if (digit >= 0) {
        chunks->left = chunks->left * 16 + digit;
        return ++chunks->digits <= DIGITS_MAX;
    }
    if (chunks->digits == 0)
        return false;
    if (c == '\r')
        chunks->state = BERTH_CHUNKS_SIZE_END;
    else if (c == ';' || c == ' ' || c == '\t')
        chunks->state = BERTH_CHUNKS_EXTENSION;
    else
        return false;
    return true;
}

/* A byte of a line, which ends where then begins; without control characters. */
static bool take_line(struct berth_chunks *chunks, char c, unsigned most,
                      enum berth_chunks_state then)
{
    if (c == '\r')
        chunks->state = then;
    else if (((unsigned char)c < ' ' && c != '\t') || c == '\x7f')
        return false;
    return ++chunks->line <= most;
}

static bool expect(struct berth_chunks *chunks, char c, char wanted, enum berth_chunks_state then)
{
    chunks->state = then;
    return c == wanted;
}

/* A byte that is none of the body's own; false: it must not be there. */
static bool take(struct berth_chunks *chunks, char c)
{
    switch (chunks->state) {
    case BERTH_CHUNKS_SIZE:
        return take_size(chunks, c);
    case BERTH_CHUNKS_EXTENSION:
        return take_line(chunks, c, BERTH_CHUNK_LINE_MAX, BERTH_CHUNKS_SIZE_END);
    case BERTH_CHUNKS_SIZE_END:
        chunks->line = 0;
        return expect(chunks, c, '\n', chunks->left > 0 ? BERTH_CHUNKS_DATA : BERTH_CHUNKS_TRAILER);
    case BERTH_CHUNKS_DATA_CR:
        return expect(chunks, c, '\r', BERTH_CHUNKS_DATA_LF);
    case BERTH_CHUNKS_DATA_LF:
        chunks->digits = 0;
        return expect(chunks, c, '\n', BERTH_CHUNKS_SIZE);
    case BERTH_CHUNKS_TRAILER:
        if (c == '\r')
            return expect(chunks, c, '\r', BERTH_CHUNKS_END_LF);
        chunks->state = BERTH_CHUNKS_TRAILER_LINE;
        return take_line(chunks, c, BERTH_CHUNK_TRAILER_MAX, BERTH_CHUNKS_TRAILER_LF);
    case BERTH_CHUNKS_TRAILER_LINE:
        return take_line(chunks, c, BERTH_CHUNK_TRAILER_MAX, BERTH_CHUNKS_TRAILER_LF);
    case BERTH_CHUNKS_TRAILER_LF:
        return expect(chunks, c, '\n', BERTH_CHUNKS_TRAILER);
    case BERTH_CHUNKS_END_LF:
        return expect(chunks, c, '\n', BERTH_CHUNKS_ENDED);
    case BERTH_CHUNKS_DATA:
    case BERTH_CHUNKS_ENDED:
        break;
    }
    return true;
}

int berth_chunks_decode(struct berth_chunks *chunks, char *data, size_t len, size_t *ret_len,
                        struct berth_error *err)
{
    size_t kept = 0;
    for (size_t at = 0; at < len && chunks->state != BERTH_CHUNKS_ENDED;) {
        if (chunks->state != BERTH_CHUNKS_DATA) {
            if (!take(chunks, data[at++]))
                return berth_error_set(err, BERTH_E_INVALID, "the body's chunks are malformed");
            continue;
        }
        size_t piece = (int64_t)(len - at) < chunks->left ? len - at : (size_t)chunks->left;
        memmove(data + kept, data + at, piece);
        kept += piece;
        at += piece;
        chunks->left -= (int64_t)piece;
        if (chunks->left == 0)
            chunks->state = BERTH_CHUNKS_DATA_CR;
    }
    *ret_len = kept;
    return 0;
}

/* ---- Reading ---- */

/* What has come, at least a byte. */
static int receive(const struct berth_exchange *exchange, char *data, size_t size,
                   int64_t deadline_ms, size_t *ret_len, struct berth_error *err)
{
    struct pollfd wait = {.fd = mg_get_socket(exchange->connection), .events = POLLIN};
    int got;
    while ((got = mg_read_some(exchange->connection, data, size)) == 0) {
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms <= 0)
            return berth_error_set(err, BERTH_E_TIMEOUT,
                                   "nothing of the body came for %" PRId64 " s",
                                   exchange->config->request_timeout_ms / 1000);
        (void)poll(&wait, 1, (int)left_ms);
    }
    if (got < 0)
        return berth_error_set(err, BERTH_E_IO, "the client is gone before the body's end");
    *ret_len = (size_t)got;
    return 0;
}

int berth_chunks_read(struct berth_chunks *chunks, const struct berth_exchange *exchange,
                      char *data, size_t size, int64_t deadline_ms, size_t *ret_len,
                      struct berth_error *err)
{
    size_t len = 0;
    while (len == 0 && chunks->state != BERTH_CHUNKS_ENDED) {
        int r = receive(exchange, data, size, deadline_ms, &len, err);
        if (r == 0)
            r = berth_chunks_decode(chunks, data, len, &len, err);
        if (r < 0)
            return r;
    }
    *ret_len = len;
    return 0;
}
