/* SPDX-License-Identifier: MIT */
#include "gateway/exchange.h"

#include <civetweb.h>
#include <string.h>
#include <strings.h>

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

void berth_exchange_join_header(const struct berth_exchange *exchange, const char *name,
                                struct berth_strbuf *value)
{
    const struct mg_request_info *info = mg_get_request_info(exchange->connection);
    for (int i = 0; i < info->num_headers; i++)
        if (strcasecmp(info->http_headers[i].name, name) == 0)
            berth_strbuf_addf(value, "%s%s", value->len > 0 ? ", " : "",
                              info->http_headers[i].value);
}

const char *berth_exchange_host(const struct berth_exchange *exchange)
{
    return exchange->origin_host ? exchange->origin_host
                                 : berth_exchange_request_header(exchange, "Host");
}

void berth_exchange_text(struct berth_exchange *exchange, int status, const char *text)
{
    exchange->status = status;
    exchange->content_type = BERTH_TYPE_TEXT;
    berth_strbuf_clear(&exchange->body);
    berth_strbuf_adds(&exchange->body, text);
}
