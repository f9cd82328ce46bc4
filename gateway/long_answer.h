/* SPDX-License-Identifier: MIT */
/*
 * Requests that go on for as long as their client likes: watch, logs that are
 * followed, uploads and downloads. Each takes a worker, so their number is
 * bounded; and each asks now and then whether its caller still may.
 *
 * Threading: on the request's thread.
 */
#ifndef BERTH_GATEWAY_LONG_ANSWER_H
#define BERTH_GATEWAY_LONG_ANSWER_H

#include "gateway/exchange.h"

/* BERTH_E_BUSY with retry_after_s when there are as many as may be, in all, in the facility or of
 * its caller there. */
BERTH_MUST_CHECK int berth_long_answer_join(struct berth_exchange *exchange,
                                            struct berth_error *err);
/* Due for each that has joined. */
void berth_long_answer_leave(struct berth_exchange *exchange);

/* Whether the answer may go on: not when the gateway stops, the facility has gone or has other
 * rules, or the caller has lost the right (within 1 s). The error says which. */
BERTH_MUST_CHECK int berth_long_answer_confirm(struct berth_exchange *exchange,
                                               struct berth_error *err);

#endif
