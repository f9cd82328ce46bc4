/* SPDX-License-Identifier: MIT */
/*
 * The listeners: civetweb with the options we stand for, every request handed
 * to the router.
 *
 * Threading: open and close from the main thread; requests run on civetweb's
 * worker threads, one per connection for its life.
 */
#ifndef BERTH_GATEWAY_SERVER_H
#define BERTH_GATEWAY_SERVER_H

#include "gateway/berth.h"

struct berth_server;

/* Opens all listeners of the configuration; the message of a failure names the address. */
BERTH_MUST_CHECK int berth_server_open(struct berth *berth, struct berth_server **ret_server,
                                       struct berth_error *err);

/* Answers no more requests (503), and waits until those under way have ended, timeout_ms at most:
 * returns how many have not. */
unsigned berth_server_drain(struct berth_server *server, int64_t timeout_ms);

/* Stops accepting, lets running requests end, closes. NULL is fine. */
void berth_server_close(struct berth_server *server);
BERTH_DEFINE_CLEANUP(server, struct berth_server *, berth_server_close)

#endif
