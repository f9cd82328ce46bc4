/* SPDX-License-Identifier: MIT */
/*
 * The Accept header (RFC 9110 section 12.5.1), as far as it decides between
 * text and JSON: what it names outright, not its wildcards.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_ACCEPT_H
#define BERTH_GATEWAY_ACCEPT_H

/*
 * The weight in thousandths (0 to 1000) that accept gives to type ("text/plain"),
 * whatever further parameters it has. 0 where it does not name type, where accept
 * is NULL, and where the weight is malformed.
 */
int berth_accept_weight(const char *accept, const char *type);

#endif
