/* SPDX-License-Identifier: MIT */
/*
 * How errors are said, per family: one table from status to HTTP and one
 * renderer each. Nothing else knows an HTTP status for an error.
 *
 * Threading: const.
 */
#ifndef BERTH_GATEWAY_DIALECT_H
#define BERTH_GATEWAY_DIALECT_H

#include "gateway/router.h"

/* The facility API: a line of text, or problem+json for a client that asks for JSON. */
extern const struct berth_dialect berth_apps_dialect;

/* The gateway's own paths: problem+json (RFC 9457). */
extern const struct berth_dialect berth_gateway_dialect;

/* Members of a problem+json object for err, into the exchange's body. */
void berth_dialect_problem(struct berth_exchange *exchange, int http_status,
                           const struct berth_error *err);

/* The reason phrase of a status we send, "Unknown" otherwise. */
const char *berth_http_reason(int http_status);

#endif
