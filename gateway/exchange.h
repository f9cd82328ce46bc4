/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer, on its way through router and handler.
 *
 * A handler reads the decoded parameters, the facility and the caller, and
 * fills status, content type and body; on failure it returns a status and the
 * route's dialect renders the error. Nothing is sent before the handler is
 * through, so that an error never follows half an answer; only an answer
 * without end (gateway/stream.h) is sent by its handler, whose failure then
 * is for the log alone.
 *
 * Threading: belongs to the request's thread.
 */
#ifndef BERTH_GATEWAY_EXCHANGE_H
#define BERTH_GATEWAY_EXCHANGE_H

#include "gateway/berth.h"
#include "gateway/params.h"

struct mg_connection;
struct berth_body;
struct berth_idempotency_flight;
struct berth_route;

enum berth_method {
    BERTH_GET = 1,
    BERTH_HEAD = 2,
    BERTH_POST = 4,
    BERTH_PUT = 8,
    BERTH_PATCH = 16,
    BERTH_DELETE = 32,
    BERTH_OPTIONS = 64,
};

#define BERTH_TYPE_TEXT    "text/plain; charset=utf-8"
#define BERTH_TYPE_JSON    "application/json"
#define BERTH_TYPE_PROBLEM "application/problem+json"
#define BERTH_TYPE_EVENTS  "text/event-stream"

struct berth_exchange {
    struct berth *berth;
    struct berth_config *config; /* a reference: what held when the request came */
    struct mg_connection *connection;

    /* The request */
    enum berth_method method;
    const char *method_name;
    const char *path;                /* as sent, without query */
    const struct berth_route *route; /* NULL until matched */
    unsigned allowed;                /* the methods of all routes of that path */
    char item[BERTH_APP_MAX + 2];    /* the segment that stands for `*` in the route's path, or "";
                                        cut to one more than a name may have */
    bool is_upgrade;                 /* to a WebSocket */
    struct berth_facility *facility; /* a reference; NULL for the gateway's own paths */
    struct berth_caller caller;
    char *origin_host;         /* what the client took us for, by a trusted proxy or by the target's
                                  absolute form; NULL: as Host says */
    const char *origin_scheme; /* "http" or "https", or NULL where no trusted proxy says it */
    bool wants_json;           /* Accept names JSON, and prefers it to text */
    bool wants_problem;        /* Accept names application/problem+json */
    int64_t begun_ns;          /* monotonic */
    struct berth_strbuf request_body; /* where the route wants it */

    /* The answer */
    int status;       /* HTTP */
    int error_status; /* HTTP, of an error that is HTTP's alone; 0: as the dialect has it */
    struct berth_strbuf error_details; /* what a containers error's `details` are: the text of a
                                          JSON object, or nothing */
    bool has_chunks;                   /* the body comes in chunks: its length is not known */
    bool must_close;                   /* the connection, as the rest of the request is not read */
    bool has_no_end; /* the body is as long as the connection lasts (gateway/stream.h) */
    bool has_length; /* its end is known all the same: length */
    int64_t length;
    bool is_chunked; /* such a body comes in chunks, which tell its end from a break */
    bool is_sent;    /* by the handler itself */
    const char *content_type;
    struct berth_strbuf headers; /* further header lines, each ended by CRLF */
    struct berth_strbuf body;
    struct berth_body *shared; /* a reference to a cached body, sent instead of body */

    struct berth_changes_place place;        /* of a long answer (gateway/long_answer.h) */
    struct berth_idempotency_flight *flight; /* to be ended with the answer, or NULL */

    /* For the log of actions */
    const char *target; /* app, image or host the request is about; borrowed from params */

    struct berth_params params; /* of the request; last, as it is large and not zeroed */
};

/* Adds one header line; name and value are ours, never a client's. */
void berth_exchange_header(struct berth_exchange *exchange, const char *name, const char *format,
                           ...) BERTH_PRINTF(3, 4);

/* A header of the request, or NULL. */
const char *berth_exchange_request_header(const struct berth_exchange *exchange, const char *name);

/* All lines of the header joined by ", ", appended to value: nothing where there is none. */
void berth_exchange_join_header(const struct berth_exchange *exchange, const char *name,
                                struct berth_strbuf *value);

/* Our name as the client wrote it, with its port where that is not the scheme's; NULL where it
 * wrote none. */
const char *berth_exchange_host(const struct berth_exchange *exchange);

/* Replaces the body with a plain text line. */
void berth_exchange_text(struct berth_exchange *exchange, int status, const char *text);

#endif
