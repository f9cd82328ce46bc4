/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the containers API (docs/containers-api.md): each decodes,
 * calls the facility's operation and encodes the result.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_CONTAINERS_API_H
#define BERTH_GATEWAY_CONTAINERS_API_H

#include "base/json.h"
#include "gateway/exchange.h"

/* gateway/containers_list.c */
int berth_containers_get_list(struct berth_exchange *exchange, struct berth_error *err);

/* gateway/containers_api.c */
int berth_containers_post(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_get_one(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_patch(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_patch_ports(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_delete(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_get_status(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_start(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_stop(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_restart(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_pause(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_unpause(struct berth_exchange *exchange, struct berth_error *err);
int berth_containers_kill(struct berth_exchange *exchange, struct berth_error *err);

/* All of it for who may read in the facility, the status alone for others. */
int berth_containers_health(struct berth_exchange *exchange, struct berth_error *err);

/* Adds the app's object, in full: as it was asked for, as far as that is known. */
BERTH_MUST_CHECK int berth_containers_add(struct berth_exchange *exchange,
                                          struct berth_json_writer *w, const struct berth_app *app,
                                          struct berth_error *err);

#endif
