/* SPDX-License-Identifier: MIT */
/*
 * A client of the Docker Engine API (docs.docker.com/reference/api/engine):
 * one endpoint, kept connections, the negotiated API version, time limits, and
 * the engine's errors in our terms. What a path means is the callers' business.
 *
 * Nothing here connects before the first call, so that a facility can be
 * opened while its engine is down. The version is negotiated by `GET /_ping`
 * before the first call, and again after the engine was away.
 *
 * Long-lived streams are not calls: their owner (engine_io.h) runs its own curl
 * handles, set up by berth_engine_prepare(), and reports with
 * berth_engine_failure() and berth_engine_refusal() as calls do.
 *
 * Threading: all functions may be called from any thread at once, open and
 * close excepted.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_H
#define BERTH_BACKENDS_ENGINE_ENGINE_H

#include "base/credentials.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strbuf.h"

#include <curl/curl.h>

/* API versions (1.MINOR): the least we can work with, and the newest we know. */
#define BERTH_ENGINE_API_MINOR_MIN 41
#define BERTH_ENGINE_API_MINOR_MAX 45

/* The one path that goes without a version. */
#define BERTH_ENGINE_PING "/_ping"
/* The header of its answer that carries the engine's newest version. */
#define BERTH_ENGINE_VERSION_HEADER "Api-Version"

struct berth_engine;

/* Strings are copied. */
struct berth_engine_config {
    const char *facility; /* named in messages */
    const char *endpoint; /* unix:///path, tcp://host[:port]; port 2375, or 2376 with TLS */
    const char *tls_ca;   /* PEM files: all three (tcp only) or none, NULL */
    const char *tls_cert;
    const char *tls_key;
    /* Instead of the three, for tcp: borrowed, outlives the engine. */
    struct berth_credential_store *credentials;
    /* The name that its certificate must have, where that is not the endpoint's host; or NULL. */
    const char *tls_name;
    int64_t request_timeout_ms; /* longest silence; at least 1 */
    unsigned connections;       /* idle connections kept; at least 1 */
};

/* BERTH_E_INVALID names what is wrong with the endpoint or the TLS files. */
BERTH_MUST_CHECK int berth_engine_open(const struct berth_engine_config *config,
                                       struct berth_engine **ret_engine, struct berth_error *err);
void berth_engine_close(struct berth_engine *engine); /* NULL is fine; no call may be under way */
BERTH_DEFINE_CLEANUP(engine, struct berth_engine *, berth_engine_close)

/* ---- Calls ---- */

struct berth_engine_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *path;   /* "/containers/json?all=1": percent-encoded, without the version */
    const char *body;   /* JSON, or NULL for none */
    int64_t grace_ms;   /* silence allowed on top of request_timeout_ms */
    /*
     * When set, the body of a successful answer is handed over piece by piece as it comes,
     * and once a second with len 0 while nothing comes. False ends the call with
     * BERTH_E_CANCELLED.
     */
    bool (*on_data)(void *ctx, const char *data, size_t len);
    /* With on_data: told once, before the first piece, when the head of a successful answer has
     * come; content_type may be "". False as with on_data. */
    bool (*on_head)(void *ctx, long status, const char *content_type);
    void *ctx;
    bool any_status; /* an answer that is no success is none of our errors either */
    int api_minor;   /* asked for in this version, 1.MINOR; 0: the negotiated one */
};

/* What the engine answered; status is 2xx or 304, but for any_status. */
struct berth_engine_response {
    long status;
    struct berth_strbuf body; /* empty when on_data took it */
};

#define BERTH_ENGINE_RESPONSE_INIT                                                                 \
    {                                                                                              \
        .body = BERTH_STRBUF_INIT(BERTH_ENGINE_ANSWER_MAX)                                         \
    }

void berth_engine_response_release(struct berth_engine_response *response);
BERTH_DEFINE_CLEANUP_VALUE(engine_response, struct berth_engine_response,
                           berth_engine_response_release)

/*
 * Makes one call and waits for the whole answer. The limit is on silence, not
 * on the total: an answer that moves is never cut.
 *
 * BERTH_E_UNREACHABLE: no engine there, TLS refused, garbage, half an answer;
 * BERTH_E_TIMEOUT: silent too long; else as berth_engine_refusal(). response
 * (from BERTH_ENGINE_RESPONSE_INIT) may be NULL; its body is appended to, and
 * of no meaning after a failure.
 */
BERTH_MUST_CHECK int berth_engine_call(struct berth_engine *engine,
                                       const struct berth_engine_request *request,
                                       struct berth_engine_response *response,
                                       struct berth_error *err);

/* Asks the engine now, and learns its version: *ret_minor is the newest that both know. */
BERTH_MUST_CHECK int berth_engine_ping(struct berth_engine *engine, int *ret_minor,
                                       struct berth_error *err);

/* GET path, parsed. An answer that is not JSON is BERTH_E_UNREACHABLE. */
BERTH_MUST_CHECK int berth_engine_get_json(struct berth_engine *engine, const char *path,
                                           cJSON **ret_json, struct berth_error *err);

/* Parses what an engine sent; text that is not JSON is BERTH_E_UNREACHABLE. */
BERTH_MUST_CHECK int berth_engine_parse(const struct berth_engine *engine, const char *text,
                                        size_t len, cJSON **ret_json, struct berth_error *err);

/* Appends "/images/NAME", say: prefix and the percent-encoded text, '/', ':' and '@' left as
 * they are. */
void berth_engine_path_add(struct berth_strbuf *path, const char *prefix, const char *text);

/* ---- For streams ---- */

/*
 * Sets easy (fresh or after curl_easy_reset) up for a GET of path on this
 * endpoint: URL with the version, socket, TLS, connect timeout, and what holds
 * for every request (no signals, no proxy, no redirects, http and https
 * alone). Silence is the caller's to watch. The engine must outlive the
 * transfer. BERTH_E_UNREACHABLE: no version is known yet (ping first).
 */
BERTH_MUST_CHECK int berth_engine_prepare(struct berth_engine *engine, CURL *easy, const char *path,
                                          struct berth_error *err);

/* As prepare, in a version of the caller's choice; 0: the negotiated one. */
BERTH_MUST_CHECK int berth_engine_prepare_as(struct berth_engine *engine, CURL *easy,
                                             const char *path, int api_minor,
                                             struct berth_error *err);

/* Takes in the Api-Version that a ping answered. BERTH_E_REFUSED: the engine is too old;
 * BERTH_E_UNREACHABLE: that is no version (NULL: the header was missing). */
BERTH_MUST_CHECK int berth_engine_learn_version(struct berth_engine *engine, const char *version,
                                                struct berth_error *err);

/* The engine was away: the next call negotiates anew. */
void berth_engine_forget_version(struct berth_engine *engine);

/* The error for a failed transfer; text: curl's error buffer, for the detail, or NULL. */
int berth_engine_failure(const struct berth_engine *engine, CURLcode code, const char *text,
                         struct berth_error *err);

/* BERTH_E_TIMEOUT, for an engine that was silent for silence_ms. */
int berth_engine_silence(const struct berth_engine *engine, int64_t silence_ms,
                         struct berth_error *err);

/*
 * The error for an answer whose status is neither 2xx nor 304: 404
 * BERTH_E_NOT_FOUND, 409 BERTH_E_CONFLICT, other 4xx and 5xx BERTH_E_REFUSED,
 * with the engine's own message from body ({"message": …}); the rest
 * BERTH_E_UNREACHABLE.
 */
int berth_engine_refusal(const struct berth_engine *engine, long status, const char *body,
                         size_t len, struct berth_error *err);

/* Fills err with what an engine said, put on one line of UTF-8; returns status. */
int berth_engine_said(enum berth_status status, const char *message, struct berth_error *err);

int64_t berth_engine_timeout_ms(const struct berth_engine *engine);

#endif
