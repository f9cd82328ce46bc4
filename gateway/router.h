/* SPDX-License-Identifier: MIT */
/*
 * The router: match, authenticate, authorise, limit; then the handler. Who may
 * call what is decided here and nowhere else, from the one table of routes
 * (gateway/routes.c): a handler runs only for a caller of the route's role.
 *
 * Threading: the table is const; berth_router_handle runs on request threads.
 */
#ifndef BERTH_GATEWAY_ROUTER_H
#define BERTH_GATEWAY_ROUTER_H

#include "gateway/exchange.h"

/* How a family of endpoints speaks of errors. */
struct berth_dialect {
    int (*http_status)(enum berth_status status);
    /* Fills status, type and body from err. */
    void (*render_error)(struct berth_exchange *exchange, int http_status,
                         const struct berth_error *err);
};

struct berth_route {
    const char *path;     /* "start-app" under /FACILITY/, or "/livez" of the gateway itself; one
                             that ends in '/' is followed by a name */
    unsigned methods;     /* enum berth_method bits; HEAD comes with GET */
    enum berth_role role; /* least role in the facility; NONE: no credentials asked */
    const struct berth_dialect *dialect;
    int (*handler)(struct berth_exchange *exchange, struct berth_error *err);
    const char *summary; /* for the outline: "name=APP_NAME  what it does" */
};

/* Ended by a route without path. */
extern const struct berth_route berth_routes[];

/* Serves one request of civetweb's; returns the HTTP status. */
int berth_router_handle(struct berth *berth, struct mg_connection *connection, bool is_upgrade);

/* Renders an error that civetweb itself found (a malformed request); returns when it is sent. */
void berth_router_refuse(struct berth *berth, struct mg_connection *connection, int http_status,
                         const char *message);

#endif
