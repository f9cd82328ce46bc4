/* SPDX-License-Identifier: MIT */
/*
 * Idempotency-Key on requests that change something: the first answer is
 * replayed to whoever asks the same again, with `Idempotency-Replayed: true`.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_REPLAY_H
#define BERTH_GATEWAY_REPLAY_H

#include "gateway/exchange.h"

/*
 * Before the handler. *ret_replayed: the exchange has the answer already.
 * BERTH_E_INVALID (a malformed key; 422 where the key is another request's),
 * BERTH_E_CONFLICT (the first is under way).
 */
BERTH_MUST_CHECK int berth_replay_begin(struct berth_exchange *exchange, bool *ret_replayed,
                                        struct berth_error *err);

/* When the answer stands in the exchange, before it is sent. */
void berth_replay_end(struct berth_exchange *exchange);

#endif
