/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_stream.h"

#include "backends/engine/engine_lines.h"

struct berth_engine_stream {
    struct berth_engine *engine;
    struct berth_engine_transfer *transfer;
    struct berth_engine_lines lines; /* or the error message in place of a stream */
    long status;
    const struct berth_engine_stream_ops *ops;
    void *ctx;
};

static void on_head(void *ctx, long status)
{
    struct berth_engine_stream *stream = ctx;
    stream->status = status;
    if (status == 200 && stream->ops->open)
        stream->ops->open(stream->ctx);
}

static bool on_line(void *ctx, const char *line, size_t len)
{
    struct berth_engine_stream *stream = ctx;
    return stream->ops->line(stream->ctx, line, len);
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct berth_engine_stream *stream = ctx;
    if (stream->status != 200) {
        berth_strbuf_add(&stream->lines.rest, data, len);
        return;
    }
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_engine_lines_add(&stream->lines, data, len, on_line, stream, &err)) {
        berth_engine_transfer_free(berth_steal(&stream->transfer));
        stream->ops->end(stream->ctx, &err);
    }
}

static void on_done(void *ctx, CURLcode code, const char *text)
{
    struct berth_engine_stream *stream = ctx;
    const struct berth_strbuf *rest = &stream->lines.rest;
    struct berth_error err = BERTH_ERROR_INIT;
    if (code != CURLE_OK)
        berth_engine_failure(stream->engine, code, text, &err);
    else if (stream->status != 200)
        berth_engine_refusal(stream->engine, stream->status, berth_strbuf_str(rest), rest->len,
                             &err);
    else if (rest->len > 0)
        berth_error_set(&err, BERTH_E_UNREACHABLE, "the engine broke off in the middle of a line");
    stream->ops->end(stream->ctx, err.status ? &err : NULL);
}

static const struct berth_engine_transfer_ops transfer_ops = {
    .head = on_head, .data = on_data, .done = on_done};

static int start_transfer(struct berth_engine_io *io, struct berth_engine_stream *stream,
                          const char *path, struct berth_error *err)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return berth_error_nomem(err);
    int status = berth_engine_prepare(stream->engine, easy, path, err);
    if (status) {
        curl_easy_cleanup(easy);
        return status;
    }
    return berth_engine_transfer_start(io, easy, &transfer_ops, stream, &stream->transfer, err);
}

int berth_engine_stream_start(struct berth_engine_io *io, struct berth_engine *engine,
                              const char *path, const struct berth_engine_stream_ops *ops,
                              void *ctx, struct berth_engine_stream **ret_stream,
                              struct berth_error *err)
{
    struct berth_engine_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return berth_error_nomem(err);
    *stream = (struct berth_engine_stream){.engine = engine, .ops = ops, .ctx = ctx};
    berth_engine_lines_init(&stream->lines, BERTH_ENGINE_EVENT_MAX);
    int status = start_transfer(io, stream, path, err);
    if (status) {
        free(stream);
        return status;
    }
    *ret_stream = stream;
    return 0;
}

void berth_engine_stream_free(struct berth_engine_stream *stream)
{
    if (!stream)
        return;
    berth_engine_transfer_free(stream->transfer);
    berth_engine_lines_release(&stream->lines);
    free(stream);
}
