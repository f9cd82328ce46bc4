/* SPDX-License-Identifier: MIT */
/*
 * Reload: the configuration is read anew and takes effect as a whole or not at
 * all. Facilities come and go, or change their settings, while requests under
 * way end by what held when they came; apps are never touched. A facility is
 * opened anew only where what its engine is opened by has changed.
 *
 * Threading: the main thread.
 */
#ifndef BERTH_GATEWAY_RELOAD_H
#define BERTH_GATEWAY_RELOAD_H

#include "gateway/berth.h"

/*
 * What is new is read, checked and opened first (up to 2 s of waiting for the
 * first listing of new engines); a failure leaves everything as it was. What
 * was done is in the program's log. The log of actions is opened anew in any
 * case, as its rotation asks for.
 */
BERTH_MUST_CHECK int berth_reload(struct berth *berth, struct berth_error *err);

#endif
