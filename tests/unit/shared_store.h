/* SPDX-License-Identifier: MIT */
/*
 * One embedded store as several gateways of one process share it: each has a
 * handle of its own, which tells the others and holds against them as the
 * driver of a server does.
 *
 * Threading: as facilities/store.h.
 */
#ifndef BERTH_TESTS_UNIT_SHARED_STORE_H
#define BERTH_TESTS_UNIT_SHARED_STORE_H

#include "facilities/store.h"

#define SHARED_GATEWAYS 2

/* In a scratch directory; whatever fails fails the test. */
void shared_open(struct berth_store *ret_gateways[static SHARED_GATEWAYS]);
/* As if the gateway had died: it holds nothing any more, and goes on without knowing. */
void shared_drop_holds(struct berth_store *gateway);
/* After all of the gateways' handles were closed. */
void shared_close(void);

#endif
