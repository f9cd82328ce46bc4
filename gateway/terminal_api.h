/* SPDX-License-Identifier: MIT */
/*
 * ws/NAME: a terminal in an app (docs/facility-api.md, docs/containers-api.md).
 *
 * Threading: on the request's thread, which it takes until the terminal is left.
 */
#ifndef BERTH_GATEWAY_TERMINAL_API_H
#define BERTH_GATEWAY_TERMINAL_API_H

#include "gateway/exchange.h"

/* In an app, by its name. All that can be wrong is said before the upgrade. */
int berth_apps_open_terminal(struct berth_exchange *exchange, struct berth_error *err);

/* In a container, by its cuid, or in an app of the same facility. What is wrong with the container
 * is said in the terminal, as clients of that API expect it. */
int berth_containers_open_terminal(struct berth_exchange *exchange, struct berth_error *err);

#endif
