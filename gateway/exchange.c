/* SPDX-License-Identifier: MIT */
#include "gateway/exchange.h"

#include <civetweb.h>
#include <string.h>

void berth_exchange_header(struct berth_exchange *exchange, const char *name, const char *format,
                           ...)
{
    va_list args;
    va_start(args, format);
    berth_strbuf_addf(&exchange->headers, "%s: ", name);
    berth_strbuf_vaddf(&exchange->headers, format, args);
    berth_strbuf_adds(&exchange->headers, "\r\n");
    va_end(args);
}

const char *berth_exchange_request_header(const struct berth_exchange *exchange, const char *name)
{
    return mg_get_header(exchange->connection, name);
}

void berth_exchange_text(struct berth_exchange *exchange, int status, const char *text)
{
    exchange->status = status;
    exchange->content_type = BERTH_TYPE_TEXT;
    berth_strbuf_clear(&exchange->body);
    berth_strbuf_adds(&exchange->body, text);
}
