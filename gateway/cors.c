/* SPDX-License-Identifier: MIT */
#include "gateway/cors.h"

#include <strings.h>

#include "gateway/match.h"
#include "gateway/router.h"

#define MAX_AGE_S "600" /* how long a browser may remember what it was told */

bool berth_cors_lists(const struct berth_config *config, const char *origin)
{
    for (size_t i = 0; i < config->cors_origins.count; i++)
        if (strcasecmp(config->cors_origins.items[i], origin) == 0)
            return true;
    return false;
}

/* The origin that may read the answer, "*" for any, or NULL. */
static const char *allowed_origin(struct berth_exchange *exchange)
{
    const struct berth_config *config = exchange->config;
    const struct berth_error none = BERTH_ERROR_INIT;
    if (config->cors_origins.count == 0)
        return berth_match_dialect(exchange, &none)->is_public ? "*" : NULL;
    berth_exchange_header(exchange, "Vary", "Origin");
    const char *origin = berth_exchange_request_header(exchange, "Origin");
    return origin && berth_cors_lists(config, origin) ? origin : NULL;
}

void berth_cors_add(struct berth_exchange *exchange)
{
    const char *origin = allowed_origin(exchange);
    if (!origin)
        return;
    berth_exchange_header(exchange, "Access-Control-Allow-Origin", "%s", origin);
    if (exchange->method != BERTH_OPTIONS) {
        berth_exchange_header(exchange, "Access-Control-Expose-Headers",
                              "Age, ETag, Retry-After, Warning, X-Request-Id");
        return;
    }
    /* What a page may send is what the router takes: it decides when the request comes. */
    berth_exchange_header(exchange, "Access-Control-Allow-Methods",
                          "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
    berth_exchange_header(exchange, "Access-Control-Allow-Headers",
                          "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, "
                          "X-Request-Id");
    berth_exchange_header(exchange, "Access-Control-Max-Age", MAX_AGE_S);
}
