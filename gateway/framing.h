/* SPDX-License-Identifier: MIT */
/*
 * Where a request ends and the next begins on its connection. What two readers
 * could take apart differently (a proxy in front and berth) is refused, and so
 * is a body that is too long or too slow; then the connection is closed.
 *
 * A body that an endpoint has no use for is read and thrown away, so that the
 * connection can be kept.
 *
 * Threading: on the request's thread.
 */
#ifndef BERTH_GATEWAY_FRAMING_H
#define BERTH_GATEWAY_FRAMING_H

#include "gateway/exchange.h"

/*
 * Checks the headers that frame the request; must_close is set where they are
 * refused. BERTH_E_INVALID, BERTH_E_TOO_LARGE, with error_status where HTTP has
 * its own.
 */
BERTH_MUST_CHECK int berth_framing_check(struct berth_exchange *exchange, struct berth_error *err);

/* Refuses a body in chunks where none is taken: an endpoint that has no use for one. */
BERTH_MUST_CHECK int berth_framing_refuse_chunks(struct berth_exchange *exchange,
                                                 struct berth_error *err);

/*
 * Read the body to its end: it is thrown away, or appended to body. Both take
 * max_body_bytes at most, in request_timeout_s altogether, and set must_close
 * where the rest is not read, as it never is of one in chunks that is thrown
 * away. BERTH_E_INVALID, BERTH_E_TOO_LARGE.
 */
BERTH_MUST_CHECK int berth_framing_drain(struct berth_exchange *exchange, struct berth_error *err);
BERTH_MUST_CHECK int berth_framing_read(struct berth_exchange *exchange, struct berth_strbuf *body,
                                        struct berth_error *err);

/* Tells a client that waits for leave to send its body (Expect: 100-continue) to go on. */
void berth_framing_go_on(const struct berth_exchange *exchange);

/* For a body that is not read to its end, once the answer is sent: takes what still comes, for a
 * while, since a client that is sending would lose the answer with the connection. */
void berth_framing_linger(const struct berth_exchange *exchange);

/* Whether the connection stays open after the answer (RFC 9112 section 9.3). */
bool berth_framing_keeps(const struct berth_exchange *exchange, bool *ret_is_1_1);

#endif
