/* SPDX-License-Identifier: MIT */
/*
 * Who asks, where proxies stand in between: the right-most address of Forwarded
 * (RFC 7239) or X-Forwarded-For that is no trusted proxy's, taken from trusted
 * peers alone. What is malformed, hidden ("unknown", "_name") or said in both
 * headers differently leaves the peer's own address.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_PROXIES_H
#define BERTH_GATEWAY_PROXIES_H

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define BERTH_PEER_UNIX "unix" /* the address of a peer on a unix socket */

/* Addresses that are trusted: "10.0.0.7", "fd00::/8", "unix". */
struct berth_proxy {
    bool is_unix;
    struct in6_addr prefix; /* an IPv4 address as IPv6 maps it */
    unsigned bits;
};

/* The message of BERTH_E_INVALID says what is right. */
BERTH_MUST_CHECK int berth_proxy_parse(const char *text, struct berth_proxy *ret_proxy,
                                       struct berth_error *err);

/* Whether the address of a peer is in the list; BERTH_PEER_UNIX is one. */
bool berth_proxies_trust(const struct berth_proxy *proxies, size_t count, const char *address);

/* Header values of one request, several lines joined by ", "; "" where there is none. */
struct berth_forwarded {
    const char *forwarded;
    const char *x_for;
    const char *x_host;
    const char *x_proto;
};

/* What they say, each "" where they say nothing. */
struct berth_origin {
    char address[INET6_ADDRSTRLEN];
    char host[256]; /* what the client took for our name, with its port */
    char scheme[6]; /* "http", "https" */
};

/* False: the peer's own address stands, and nothing else is known either. The peer is trusted. */
bool berth_proxies_resolve(const struct berth_proxy *proxies, size_t count,
                           const struct berth_forwarded *headers, struct berth_origin *ret_origin);

#endif
