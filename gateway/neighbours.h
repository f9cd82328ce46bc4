/* SPDX-License-Identifier: MIT */
/*
 * Other gateways on the same store: what one of them changes of users, tokens
 * and images counts here within a second, for requests under way too.
 *
 * Threading: open and close from one thread; news come on a thread of the store.
 */
#ifndef BERTH_GATEWAY_NEIGHBOURS_H
#define BERTH_GATEWAY_NEIGHBOURS_H

#include "gateway/berth.h"

BERTH_MUST_CHECK int berth_neighbours_open(struct berth *berth, struct berth_error *err);
/* Returns when the last news has been dealt with; fine where it was not opened. */
void berth_neighbours_close(struct berth *berth);

#endif
