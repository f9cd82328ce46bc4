/* SPDX-License-Identifier: MIT */
/*
 * How the store is, for /health and /readyz.
 *
 * Threading: any thread.
 */
#ifndef BERTH_GATEWAY_STORE_JSON_H
#define BERTH_GATEWAY_STORE_JSON_H

#include "base/json.h"
#include "facilities/store.h"

/* Adds a member "store" with status "fallback" and the reason; nothing while the store is itself.
 */
void berth_store_json_add(struct berth_json_writer *w, struct berth_store *store);

#endif
