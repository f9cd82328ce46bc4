/* SPDX-License-Identifier: MIT */
/*
 * The end of a request: sending the answer, and its line in the log of actions.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_ANSWER_H
#define BERTH_GATEWAY_ANSWER_H

#include "gateway/exchange.h"

/* Sends status, headers and body in as few writes as can be; returns the HTTP status sent. */
int berth_answer_send(struct berth_exchange *exchange);

/* Adds the status line and all headers, for who sends an answer without end. */
void berth_answer_add_head(struct berth_exchange *exchange, struct berth_strbuf *out);

/* One JSON line in actions.jsonl; failure may be NULL. Never blocks. */
void berth_answer_log(const struct berth_exchange *exchange, const struct berth_error *failure);

#endif
