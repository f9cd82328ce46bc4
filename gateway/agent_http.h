/* SPDX-License-Identifier: MIT */
/*
 * The agent's listener: civetweb over the agent's TLS. Every request is taken
 * apart by engine_relay.h, and its answer handed on as it comes. A connection
 * has a thread; there are BERTH_AGENT_CONNECTIONS at most. Whoever is slow to
 * ask, or takes nothing of an answer for 10 s, is cut off.
 *
 * Threading: open and close from the main thread.
 */
#ifndef BERTH_GATEWAY_AGENT_HTTP_H
#define BERTH_GATEWAY_AGENT_HTTP_H

#include "backends/engine/engine.h"

struct berth_agent_server;

/* listen: "ADDRESS:PORT". store and engine are borrowed. BERTH_E_IO names an address that cannot
 * be listened on. */
BERTH_MUST_CHECK int berth_agent_server_open(const char *listen,
                                             struct berth_credential_store *store,
                                             struct berth_engine *engine,
                                             struct berth_agent_server **ret_server,
                                             struct berth_error *err);

/* Ends what has no end, lets the rest be answered, closes. NULL is fine. */
void berth_agent_server_close(struct berth_agent_server *server);
BERTH_DEFINE_CLEANUP(agent_server, struct berth_agent_server *, berth_agent_server_close)

#endif
