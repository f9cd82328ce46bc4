/* SPDX-License-Identifier: MIT */
#include "gateway/stream.h"

#include "base/clock.h"
#include "gateway/answer.h"
#include "gateway/cors.h"
#include "gateway/long_answer.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <inttypes.h>
#include <poll.h>

void berth_stream_begin(struct berth_stream *stream, struct berth_exchange *exchange)
{
    *stream = (struct berth_stream){.exchange = exchange};
    berth_strbuf_init(&stream->out, BERTH_ENGINE_ANSWER_MAX);
    stream->moved_ms = berth_clock_monotonic_ms();
    exchange->has_no_end = true;
    exchange->must_close |= !exchange->is_chunked && !exchange->has_length;
    berth_cors_add(exchange);
    berth_answer_add_head(exchange, &stream->out);
    exchange->is_sent = true;
}

void berth_stream_release(struct berth_stream *stream)
{
    berth_strbuf_release(&stream->out);
}

void berth_stream_add(struct berth_stream *stream, const char *data, size_t len)
{
    if (len == 0) /* would be the last chunk */
        return;
    if (stream->exchange->is_chunked)
        berth_strbuf_addf(&stream->out, "%zx\r\n", len);
    berth_strbuf_add(&stream->out, data, len);
    if (stream->exchange->is_chunked)
        berth_strbuf_adds(&stream->out, "\r\n");
}

void berth_stream_complete(struct berth_stream *stream)
{
    if (stream->exchange->is_chunked)
        berth_strbuf_adds(&stream->out, "0\r\n\r\n");
}

void berth_stream_abandon(struct berth_stream *stream)
{
    mg_disable_connection_keep_alive(stream->exchange->connection);
}

static short poll_socket(const struct berth_stream *stream, short events, int timeout_ms)
{
    struct pollfd poll_fd = {
        .fd = mg_get_socket(stream->exchange->connection),
        .events = (short)(events | POLLRDHUP),
    };
    return poll(&poll_fd, 1, timeout_ms) > 0 ? poll_fd.revents : 0;
}

static bool says_gone(short revents)
{
    return (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static int refuse_gone(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_IO, "the client is gone");
}

/* Waits until more can be sent. */
static int await_room(const struct berth_stream *stream, struct berth_error *err)
{
    int64_t timeout_ms = stream->exchange->config->request_timeout_ms;
    int r = berth_long_answer_confirm(stream->exchange, err);
    if (r < 0)
        return r;
    if (berth_clock_monotonic_ms() - stream->moved_ms >= timeout_ms)
        return berth_error_set(err, BERTH_E_TIMEOUT, "the client took nothing for %" PRId64 " s",
                               timeout_ms / 1000);
    return says_gone(poll_socket(stream, POLLOUT, BERTH_STREAM_TICK_MS)) ? refuse_gone(err) : 0;
}

/* Nothing of the head has been sent: an error may be the answer. */
static void take_back(struct berth_exchange *exchange)
{
    berth_strbuf_clear(&exchange->headers);
    exchange->has_no_end = exchange->is_chunked = exchange->has_length = false;
    exchange->is_sent = false;
}

int berth_stream_flush(struct berth_stream *stream, struct berth_error *err)
{
    int r = berth_long_answer_confirm(stream->exchange, err);
    if (r < 0 && !stream->has_begun)
        take_back(stream->exchange);
    if (r == 0)
        r = berth_strbuf_check(&stream->out, err);
    stream->moved_ms = berth_clock_monotonic_ms();
    while (r == 0 && stream->sent < stream->out.len) {
        int written = mg_write_some(stream->exchange->connection, stream->out.data + stream->sent,
                                    stream->out.len - stream->sent);
        if (written < 0)
            return refuse_gone(err);
        if (written > 0) {
            stream->sent += (size_t)written;
            stream->moved_ms = berth_clock_monotonic_ms();
        } else {
            r = await_room(stream, err);
        }
    }
    if (r == 0) {
        berth_strbuf_clear(&stream->out);
        stream->sent = 0;
        stream->has_begun = true;
    }
    return r;
}

bool berth_stream_is_gone(const struct berth_stream *stream)
{
    return says_gone(poll_socket(stream, 0, 0));
}

void berth_stream_end(struct berth_stream *stream, const struct berth_strbuf *text)
{
    if (stream->has_begun && stream->sent == 0 && !text->failed && text->len > 0)
        (void)mg_write_some(stream->exchange->connection, text->data, text->len);
}
