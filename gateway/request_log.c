/* SPDX-License-Identifier: MIT */
#include "gateway/request_log.h"

#include "base/clock.h"
#include "gateway/match.h"
#include "gateway/minirun_error.h"

#include <civetweb.h>
#include <inttypes.h>
#include <string.h>

#define LINE_MAX_BYTES 8192
#define METHOD_MAX     32   /* shown, */
#define PATH_LENGTH    1024 /* likewise: a client chooses them */

static void add_visible(struct berth_strbuf *line, const char *text, size_t most)
{
    size_t len = strnlen(text, most + 1);
    for (size_t i = 0; i < len && i < most; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > ' ' && c < 0x7f && c != '\\')
            berth_strbuf_addc(line, (char)c);
        else
            berth_strbuf_addf(line, "\\x%02x", c);
    }
    if (len > most)
        berth_strbuf_adds(line, "...");
}

void berth_request_log_add(struct berth_strbuf *line, const char *method, const char *path)
{
    berth_strbuf_addc(line, '[');
    add_visible(line, method, METHOD_MAX);
    berth_strbuf_adds(line, "] ");
    add_visible(line, path, PATH_LENGTH);
}

void berth_request_log_add_peer(struct berth_strbuf *line, const char *address, int port)
{
    bool is_bracketed = port > 0 && strchr(address, ':');
    berth_strbuf_adds(line, is_bracketed ? " [" : " ");
    berth_strbuf_adds(line, address);
    berth_strbuf_adds(line, is_bracketed ? "]" : "");
    if (port > 0)
        berth_strbuf_addf(line, ":%d", port);
}

static bool is_wanted(const struct berth_exchange *exchange)
{
    const struct berth_error none = BERTH_ERROR_INIT;
    switch ((enum berth_log_requests)exchange->config->log_requests) {
    case BERTH_REQUESTS_ALL:
        return true;
    case BERTH_REQUESTS_MINIRUN:
        return berth_match_dialect(exchange, &none) == &berth_minirun_dialect;
    case BERTH_REQUESTS_NONE:
        break;
    }
    return false;
}

static void write_line(const struct berth_exchange *exchange, const struct berth_strbuf *line)
{
    if (!line->failed)
        (void)berth_linelog_write(exchange->berth->requests, line->data, line->len);
}

void berth_request_log_begin(const struct berth_exchange *exchange)
{
    if (!is_wanted(exchange))
        return;
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(LINE_MAX_BYTES);
    const struct mg_request_info *info = mg_get_request_info(exchange->connection);
    const char *address = exchange->caller.address;
    berth_request_log_add(&line, exchange->method_name, exchange->path);
    /* A proxy that says whom it speaks for says no port. */
    berth_request_log_add_peer(&line, address,
                               strcmp(address, info->remote_addr) == 0 ? info->remote_port : 0);
    write_line(exchange, &line);
}

void berth_request_log_end(const struct berth_exchange *exchange)
{
    if (!is_wanted(exchange))
        return;
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(LINE_MAX_BYTES);
    int64_t took_us = (berth_clock_monotonic_ns() - exchange->begun_ns) / 1000;
    berth_request_log_add(&line, exchange->method_name, exchange->path);
    berth_strbuf_addf(&line, " completed in %" PRId64 ".%03" PRId64 "ms", took_us / 1000,
                      took_us % 1000);
    write_line(exchange, &line);
}
