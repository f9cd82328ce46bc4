/* SPDX-License-Identifier: MIT */
/*
 * Who makes a request: HTTP Basic (RFC 7617) against the users of the gateway,
 * a bearer token (RFC 6750, in the Authorization header alone) of one of them,
 * or nobody in particular where a facility has auth = open. And whether a
 * browser makes it on behalf of a foreign page.
 *
 * Threading: request threads.
 */
#ifndef BERTH_GATEWAY_AUTH_H
#define BERTH_GATEWAY_AUTH_H

#include "gateway/exchange.h"

/*
 * Fills exchange->caller (user, role in the facility, gateway_admin, token_id).
 * BERTH_E_UNAUTHORISED adds WWW-Authenticate; BERTH_E_THROTTLED.
 */
BERTH_MUST_CHECK int berth_auth_identify(struct berth_exchange *exchange, struct berth_error *err);

/*
 * BERTH_E_FORBIDDEN when a request that changes something comes from a foreign
 * page (Origin, Sec-Fetch-Site), or when one in open mode has a Host that is
 * not a loopback name (DNS rebinding).
 */
BERTH_MUST_CHECK int berth_auth_check_browser(const struct berth_exchange *exchange,
                                              struct berth_error *err);

#endif
