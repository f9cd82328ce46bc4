/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the MiniRun API (docs/minirun-api.md): each decodes, calls the
 * facility's operation and encodes the result.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_MINIRUN_API_H
#define BERTH_GATEWAY_MINIRUN_API_H

#include "gateway/exchange.h"

/* What there is: in the envelope, or the gateway's own outline for who likes to read that. */
int berth_minirun_root(struct berth_exchange *exchange, struct berth_error *err);
int berth_minirun_health(struct berth_exchange *exchange, struct berth_error *err);

int berth_minirun_post(struct berth_exchange *exchange, struct berth_error *err);
int berth_minirun_get_list(struct berth_exchange *exchange, struct berth_error *err);
int berth_minirun_get_one(struct berth_exchange *exchange, struct berth_error *err);
int berth_minirun_delete(struct berth_exchange *exchange, struct berth_error *err);
/* How to start it with a terminal; with detach=true it is started instead. */
int berth_minirun_start(struct berth_exchange *exchange, struct berth_error *err);
int berth_minirun_stop(struct berth_exchange *exchange, struct berth_error *err);
int berth_minirun_kill(struct berth_exchange *exchange, struct berth_error *err);

#endif
