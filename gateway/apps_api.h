/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the facility API (docs/facility-api.md). Each decodes its
 * parameters, calls the facility's operation and encodes the result; who may
 * call is the router's business.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_APPS_API_H
#define BERTH_GATEWAY_APPS_API_H

#include "gateway/exchange.h"

/* Changes: gateway/apps_changes.c */
int berth_apps_start(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_stop(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_pause(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_unpause(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_restart(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_kill(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_delete(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_hard_reset(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_create_app(struct berth_exchange *exchange, struct berth_error *err);

/* Reads: gateway/apps_reads.c */
int berth_apps_get_users(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_names(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_status(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_stats(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_info(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_uptime(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_images(struct berth_exchange *exchange, struct berth_error *err);

/* Changes as they come: gateway/watch_api.c */
int berth_apps_watch(struct berth_exchange *exchange, struct berth_error *err);
int berth_apps_get_logs(struct berth_exchange *exchange, struct berth_error *err);

/* Nodes: gateway/nodes_api.c */
int berth_nodes_get_names(struct berth_exchange *exchange, struct berth_error *err);
int berth_nodes_get_status(struct berth_exchange *exchange, struct berth_error *err);
int berth_nodes_get_info(struct berth_exchange *exchange, struct berth_error *err);

/* Images: gateway/approvals_api.c */
int berth_images_request(struct berth_exchange *exchange, struct berth_error *err);
int berth_images_get_requests(struct berth_exchange *exchange, struct berth_error *err);
int berth_images_approve(struct berth_exchange *exchange, struct berth_error *err);
int berth_images_reject(struct berth_exchange *exchange, struct berth_error *err);
int berth_images_remove(struct berth_exchange *exchange, struct berth_error *err);

/* The gateway's own: gateway/gateway_api.c */
int berth_gateway_outline(struct berth_exchange *exchange, struct berth_error *err);
int berth_gateway_livez(struct berth_exchange *exchange, struct berth_error *err);
int berth_gateway_readyz(struct berth_exchange *exchange, struct berth_error *err);
int berth_gateway_health(struct berth_exchange *exchange, struct berth_error *err);
int berth_gateway_healthz(struct berth_exchange *exchange, struct berth_error *err);

/* "Success", or an object for a client that asks for JSON; name is the app or image. */
void berth_apps_success(struct berth_exchange *exchange, const char *name);

#endif
