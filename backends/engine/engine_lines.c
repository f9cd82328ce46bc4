/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_lines.h"

void berth_engine_lines_init(struct berth_engine_lines *lines, size_t max)
{
    berth_strbuf_init(&lines->rest, max);
}

void berth_engine_lines_release(struct berth_engine_lines *lines)
{
    berth_strbuf_release(&lines->rest);
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static int fault(const struct berth_engine_lines *lines, struct berth_error *err)
{
    if (lines->rest.failed == BERTH_E_NOMEM)
        return berth_error_nomem(err);
    return berth_error_set(err, BERTH_E_UNREACHABLE,
                           "the engine sent a line of more than %zu bytes", lines->rest.cap);
}

int berth_engine_lines_add(struct berth_engine_lines *lines, const char *data, size_t len,
                           bool (*take)(void *ctx, const char *line, size_t len), void *ctx,
                           struct berth_error *err)
{
    struct berth_strbuf *rest = &lines->rest;
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t piece = end ? (size_t)(end - data) : len;
        berth_strbuf_add(rest, data, piece);
        if (rest->failed)
            return fault(lines, err);
        if (!end)
            return 0;
        data += piece + 1;
        len -= piece + 1;
        /* Taken out first: take() may release the lines. */
        struct berth_strbuf line = *rest;
        berth_strbuf_init(rest, line.cap);
        bool more = is_blank(berth_strbuf_str(&line), line.len) ||
                    take(ctx, berth_strbuf_str(&line), line.len);
        if (!more) {
            berth_strbuf_release(&line);
            return 0;
        }
        *rest = line; /* its memory serves the next line */
        berth_strbuf_clear(rest);
    }
    return 0;
}
