/* SPDX-License-Identifier: MIT */
/*
 * What counts as one address where callers are counted.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BASE_NETWORK_H
#define BERTH_BASE_NETWORK_H

#include <stddef.h>

#define BERTH_NETWORK_SIZE 100 /* of the longest text, with NUL */

/* The address itself, but IPv4 for an IPv6 address that maps it, and the /64 of any other IPv6
 * address, which one host may have for itself. Text that is no address is cut to the size. */
void berth_network_of(const char *address, char ret_network[static BERTH_NETWORK_SIZE]);

#endif
