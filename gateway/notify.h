/* SPDX-License-Identifier: MIT */
/*
 * Telling the service manager how the gateway is: datagrams to $NOTIFY_SOCKET,
 * as sd_notify(3) describes them. Without that variable nothing is told. What
 * cannot be sent is not said again: the manager has time limits of its own.
 *
 * Threading: the main thread.
 */
#ifndef BERTH_GATEWAY_NOTIFY_H
#define BERTH_GATEWAY_NOTIFY_H

#include "base/error.h"

#include <stdint.h>

/* Sends assignments, one a line: "READY=1\nSTATUS=...". No argument holds a newline. */
void berth_notify(const char *format, ...) BERTH_PRINTF(1, 2);

/* RELOADING=1, with the time it takes effect from; READY=1 ends it. */
void berth_notify_reloading(void);

/* How often WATCHDOG=1 is due, in ms: half of what the manager allows; 0: it does not watch. */
int64_t berth_notify_watchdog_ms(void);

#endif
