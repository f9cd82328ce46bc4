/* SPDX-License-Identifier: MIT */
/*
 * One connection and the terminal it is attached to: what the client types goes
 * to the app, what the app prints to the client, and neither is read faster
 * than the other takes it.
 *
 * Threading: on the request's thread, which waits for both.
 */
#ifndef BERTH_GATEWAY_TERMINAL_PUMP_H
#define BERTH_GATEWAY_TERMINAL_PUMP_H

#include "gateway/exchange.h"
#include "gateway/terminal.h"

/* Answers the upgrade, and returns when the connection has ended; the terminal is ended or
 * detached by then. The error says why, for the log alone; 0: the process or the client did it. */
BERTH_MUST_CHECK int berth_terminal_pump(struct berth_exchange *exchange,
                                         struct berth_terminal *terminal, bool is_resumed,
                                         struct berth_error *err);

/* Answers the upgrade, says the error in a message, and closes for it; returns its status. */
BERTH_MUST_CHECK int berth_terminal_refuse(struct berth_exchange *exchange,
                                           struct berth_error *err);

#endif
