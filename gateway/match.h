/* SPDX-License-Identifier: MIT */
/*
 * Which route and which facility a request is about, by its path: one of the
 * gateway's own paths, one of the root facility's, or /FACILITY/…
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_MATCH_H
#define BERTH_GATEWAY_MATCH_H

#include "gateway/router.h"

/*
 * Sets route, item, allowed and facility, the last also where no route is
 * found. A path whose routes have other methods matches the first of them.
 * BERTH_E_NOT_FOUND, BERTH_E_INVALID (no such facility), BERTH_E_UNSUPPORTED (the path is of a
 * family of containers, and this facility serves none).
 */
BERTH_MUST_CHECK int berth_match(struct berth_exchange *exchange, const struct berth_view *view,
                                 struct berth_error *err);

/* The dialect in which an error of this request is said. */
const struct berth_dialect *berth_match_dialect(const struct berth_exchange *exchange,
                                                const struct berth_error *err);

#endif
