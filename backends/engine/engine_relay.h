/* SPDX-License-Identifier: MIT */
/*
 * A strict subset of the Engine API, for somebody who is not to have all of the
 * engine: to read berth's own containers, to run processes in them, and nothing
 * else. A request is taken apart, and what the engine is asked is made anew from
 * what was understood: no byte of a target or a body goes through that is not
 * known to be harmless.
 *
 *   GET /_ping, /version
 *   GET /info                     Name, ID, ServerVersion and Swarm.NodeID of it
 *   GET /containers/json          those with the label berth.facility
 *   GET /containers/ID/json, /containers/ID/logs, /containers/ID/stats
 *                                 the same; for others 404, as if they were not there
 *   GET /events                   those of these containers
 *   GET /images/json, /images/NAME/json
 *   POST /containers/ID/exec      in one of berth's, as its own user and not privileged
 *   POST /exec/ID/start, /exec/ID/resize, GET /exec/ID/json
 *                                 of a process in one of berth's, however it was made
 *
 * with or without a version in front ("/v1.41"). What the engine answers, its
 * refusals included, is passed on unchanged, but for /info.
 *
 * Threading: any thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_RELAY_H
#define BERTH_BACKENDS_ENGINE_ENGINE_RELAY_H

#include "backends/engine/engine_hijack.h"

struct berth_relay_route; /* private */

/* What was understood of a request. */
struct berth_relay {
    const struct berth_relay_route *route;
    int api_minor;                   /* the version asked for, 1.MINOR; 0: none */
    char id[BERTH_RELAY_ID_MAX + 1]; /* of container or process, an image's name; "": none */
    struct berth_strbuf query;       /* made anew: "all=1&filters=…" */
    struct berth_strbuf body;        /* made anew, JSON; empty where there is none */
    bool is_endless;                 /* the answer comes for as long as somebody listens */
};

#define BERTH_RELAY_QUERY_MAX 16384

#define BERTH_RELAY_INIT                                                                           \
    {                                                                                              \
        .query = BERTH_STRBUF_INIT(BERTH_RELAY_QUERY_MAX),                                         \
        .body = BERTH_STRBUF_INIT(BERTH_RELAY_BODY_MAX),                                           \
    }

void berth_relay_release(struct berth_relay *relay);
BERTH_DEFINE_CLEANUP_VALUE(relay, struct berth_relay, berth_relay_release)

/*
 * target: path and query as they came. BERTH_E_FORBIDDEN: that is not let
 * through; BERTH_E_INVALID: it is malformed. ret_relay from BERTH_RELAY_INIT.
 */
BERTH_MUST_CHECK int berth_relay_parse(const char *method, const char *target,
                                       struct berth_relay *ret_relay, struct berth_error *err);

/* Where a body belongs to the request: takes it in, at most BERTH_RELAY_BODY_MAX bytes. Errors as
 * those of parse. */
bool berth_relay_has_body(const struct berth_relay *relay);
BERTH_MUST_CHECK int berth_relay_take_body(struct berth_relay *relay, const char *text, size_t len,
                                           struct berth_error *err);

/* True where the connection becomes a stream both ways: berth_relay_open(), not run. */
bool berth_relay_is_stream(const struct berth_relay *relay);

/* True of a request that is made all the time, and says nothing about anybody. */
bool berth_relay_is_ping(const struct berth_relay *relay);

/* Who takes the answer. False from either: nobody listens any more. */
struct berth_relay_sink {
    void *ctx;
    /* Once, before the first data. api_minor: to be told as the Api-Version, 0: not. */
    bool (*head)(void *ctx, long status, const char *content_type, int api_minor);
    /* len 0: nothing came for a second; that may be before the head, too. */
    bool (*data)(void *ctx, const char *data, size_t len);
};

/*
 * Asks the engine and hands its answer over, of whatever status. A failure
 * before head was told is to be answered; after it, the answer broke off.
 * BERTH_E_CANCELLED: the sink said so; else as berth_engine_call().
 */
BERTH_MUST_CHECK int berth_relay_run(struct berth_engine *engine, const struct berth_relay *relay,
                                     const struct berth_relay_sink *sink, struct berth_error *err);

/* The same for a stream; *ret_stream NULL: there is none, and the sink was told why. The engine's
 * refusals are errors. */
BERTH_MUST_CHECK int berth_relay_open(struct berth_engine *engine, const struct berth_relay *relay,
                                      const struct berth_relay_sink *sink,
                                      struct berth_engine_hijack **ret_stream,
                                      struct berth_error *err);

#endif
