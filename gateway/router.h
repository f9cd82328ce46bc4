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
    /* Which facilities the family is for; NULL: all, and the gateway itself. */
    bool (*serves)(const struct berth_facility *facility);
    /* Pages of every origin may read its answers, unless cors_origins names some; a preflight is
     * answered 200, as its clients expect. */
    bool is_public;
    int (*http_status)(const struct berth_error *err);
    /* What stands before the message in the log; NULL: nothing. */
    const char *(*word)(const struct berth_error *err);
    /* Fills status, type and body from err. */
    void (*render_error)(struct berth_exchange *exchange, int http_status,
                         const struct berth_error *err);
};

/* What more there is to the methods of a route. A body that is wanted neither way is read and
 * thrown away. */
enum berth_route_flag {
    BERTH_MANY_TAGS = 128,   /* the parameter tag may be given several times */
    BERTH_BODY_WHOLE = 256,  /* read into request_body, up to max_body_bytes */
    BERTH_BODY_STREAM = 512, /* left to the handler; where that leaves some, it closes the
                                connection */
};

struct berth_route {
    const char *path;     /* "start-app" under /FACILITY/, or "/livez" of the gateway itself; one
                             `*` is a segment, which may be empty. Rows of one path have methods of
                             their own. */
    unsigned methods;     /* enum berth_method and berth_route_flag bits; HEAD comes with GET */
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
