/* SPDX-License-Identifier: MIT */
/*
 * Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol):
 * pages of the origins that cors_origins lists may read answers and send
 * credentials of their own; for all others a browser keeps the answer to itself.
 * Where it lists none, pages of every origin may read the answers of the families
 * that are public (struct berth_dialect): what they may do is not CORS's to say.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_CORS_H
#define BERTH_GATEWAY_CORS_H

#include "gateway/exchange.h"

/* True if the configuration lists the origin. */
bool berth_cors_lists(const struct berth_config *config, const char *origin);

/* Adds the headers that the request's Origin calls for, to any answer; the request is matched. */
void berth_cors_add(struct berth_exchange *exchange);

#endif
