/* SPDX-License-Identifier: MIT */
/*
 * Requests on stderr, a line when one has come and one when it is answered:
 *
 *     [POST] /containers 192.168.1.100:52341
 *     [POST] /containers completed in 15.234ms
 *
 * For those that [log] requests names. No request waits for who reads stderr:
 * where nobody does, lines are lost.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_REQUEST_LOG_H
#define BERTH_GATEWAY_REQUEST_LOG_H

#include "gateway/exchange.h"

/* Once it is known what the request is about, and once it is answered. */
void berth_request_log_begin(const struct berth_exchange *exchange);
void berth_request_log_end(const struct berth_exchange *exchange);

/* Appends "[METHOD] PATH": what is no visible ASCII as \xHH, and what is long cut. The query is not
 * told: it may hold what a client types. */
void berth_request_log_add(struct berth_strbuf *line, const char *method, const char *path);

/* Appends " ADDRESS:PORT"; port 0: it is not known. */
void berth_request_log_add_peer(struct berth_strbuf *line, const char *address, int port);

#endif
