/* SPDX-License-Identifier: MIT */
#include "gateway/router.h"

#include "base/clock.h"
#include "base/network.h"
#include "gateway/accept.h"
#include "gateway/answer.h"
#include "gateway/auth.h"
#include "gateway/body_cache.h"
#include "gateway/cors.h"
#include "gateway/dialect.h"
#include "gateway/framing.h"
#include "gateway/match.h"
#include "gateway/rate_limit.h"
#include "gateway/replay.h"
#include "gateway/request_log.h"

#include <civetweb.h>
#include <inttypes.h>
#include <string.h>

#define PATH_IN_LOG_MAX 255  /* of a request that could not be read */
#define FORWARDED_MAX   4096 /* of one header about proxies, all its lines */

#define ERROR_DETAILS_MAX 65536

static const struct {
    const char *name;
    enum berth_method method;
} methods[] = {
    {"GET", BERTH_GET},         {"HEAD", BERTH_HEAD},   {"POST", BERTH_POST},
    {"PUT", BERTH_PUT},         {"PATCH", BERTH_PATCH}, {"DELETE", BERTH_DELETE},
    {"OPTIONS", BERTH_OPTIONS},
};

static enum berth_method parse_method(const char *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return 0;
}

/* Letters, digits and "._-", up to the bound: a client's own id may be logged and echoed. */
static bool is_request_id(const char *id)
{
    size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return len > 0 && len <= BERTH_REQUEST_ID_MAX && id[len] == '\0';
}

static void set_request_id(struct berth_exchange *exchange)
{
    char *id = exchange->caller.request_id;
    const char *given = berth_exchange_request_header(exchange, "X-Request-Id");
    if (given && is_request_id(given))
        (void)snprintf(id, sizeof(exchange->caller.request_id), "%s", given);
    else
        berth_request_id_next(&exchange->berth->request_ids, id);
}

static void add_allow(struct berth_exchange *exchange)
{
    unsigned allowed = exchange->route ? exchange->allowed : BERTH_GET | BERTH_POST;
    if (allowed & BERTH_GET)
        allowed |= BERTH_HEAD;
    allowed |= BERTH_OPTIONS;
    char list[64] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (allowed & methods[i].method)
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
                                     methods[i].name);
    berth_exchange_header(exchange, "Allow", "%s", list);
}

/* ---- Authorising ---- */

static int authorise(const struct berth_exchange *exchange, struct berth_error *err)
{
    const struct berth_caller *caller = &exchange->caller;
    const struct berth_route *route = exchange->route;
    if (caller->role >= route->role)
        return 0;
    if (!exchange->facility)
        return berth_error_set(err, BERTH_E_FORBIDDEN, "%s is for gateway administrators",
                               route->path);
    const char *who = caller->token_id ? "this token of user" : "user";
    if (caller->role == BERTH_ROLE_NONE)
        return berth_error_set(err, BERTH_E_FORBIDDEN, "%s %s has no role in facility %s", who,
                               caller->user, exchange->facility->config.id);
    return berth_error_set(err, BERTH_E_FORBIDDEN,
                           "%s needs the role %s in facility %s, %s %s is %s", route->path,
                           berth_role_name(route->role), exchange->facility->config.id, who,
                           caller->user, berth_role_name(caller->role));
}

/* Who is counted: whoever shows the same token, the same user, else the same address. */
static void name_caller(const struct berth_caller *caller, char *ret_name, size_t size)
{
    char network[BERTH_NETWORK_SIZE];
    if (caller->token_id) {
        (void)snprintf(ret_name, size, "token %" PRId64, caller->token_id);
    } else if (caller->user[0]) {
        (void)snprintf(ret_name, size, "user %s", caller->user);
    } else {
        berth_network_of(caller->address, network);
        (void)snprintf(ret_name, size, "address %s", network);
    }
}

/*
 * Counts the request, known caller or not; identified is 0 or why the caller
 * is unknown, and the result where the request is within the limit. The
 * headers are those of draft-ietf-httpapi-ratelimit-headers-11.
 */
static int limit_rate(struct berth_exchange *exchange, int identified, struct berth_error *err)
{
    struct berth_rate_limit *limit = exchange->berth->rate_limit;
    struct berth_error own = BERTH_ERROR_INIT; /* err may hold why the caller is unknown */
    struct berth_rate rate;
    char name[BERTH_NETWORK_SIZE + 16];
    if (!berth_rate_limit_is_bounded(limit))
        return identified;
    name_caller(&exchange->caller, name, sizeof(name));
    int r = berth_rate_limit_take(limit, name, exchange->begun_ns, &rate, &own);
    if (r < 0) {
        *err = own;
        return r;
    }
    if (rate.quota == 0) /* a reload came between */
        return identified;
    if (!rate.is_allowed)
        berth_strbuf_clear(&exchange->headers); /* no credentials are asked for now */
    berth_exchange_header(exchange, "RateLimit-Policy", "\"requests\";q=%" PRId64 ";w=%u",
                          rate.quota, rate.window_s);
    berth_exchange_header(exchange, "RateLimit", "\"requests\";r=%" PRId64 ";t=%u", rate.remaining,
                          rate.more_s);
    if (rate.is_allowed)
        return identified;
    r = berth_error_set(err, BERTH_E_THROTTLED, "too many requests: try again in %u second%s",
                        rate.retry_after_s, rate.retry_after_s == 1 ? "" : "s");
    err->retry_after_s = rate.retry_after_s;
    return r;
}

/* All that stands between a matched route and its handler. */
static int admit(struct berth_exchange *exchange, struct berth_error *err)
{
    int r = berth_auth_check_browser(exchange, err);
    if (r < 0)
        return r;
    if (exchange->route->role > BERTH_ROLE_NONE) {
        r = berth_auth_identify(exchange, err);
        r = limit_rate(exchange, r, err);
        if (r == 0)
            r = authorise(exchange, err);
        if (r < 0)
            return r;
    }
    const char *repeatable = exchange->route->methods & BERTH_MANY_TAGS ? "tag" : NULL;
    return berth_params_parse(mg_get_request_info(exchange->connection)->query_string, repeatable,
                              &exchange->params, err);
}

/* ---- One request ---- */

static void set_wishes(struct berth_exchange *exchange)
{
    const char *accept = berth_exchange_request_header(exchange, "Accept");
    int json = berth_accept_weight(accept, BERTH_TYPE_JSON);
    exchange->wants_problem = berth_accept_weight(accept, BERTH_TYPE_PROBLEM) > 0;
    /* Who takes both alike ("application/json, text/plain", as some clients always send) gets what
     * the document shows: text. */
    exchange->wants_json =
        exchange->wants_problem || json > berth_accept_weight(accept, "text/plain");
}

/* The address of the client, by what trusted proxies say. */
static void set_origin(struct berth_exchange *exchange)
{
    static const char *const names[] = {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host",
                                        "X-Forwarded-Proto"};
    const struct berth_config *config = exchange->config;
    size_t count = config->trusted_proxies.count;
    char *address = exchange->caller.address;
    struct berth_strbuf values[4];
    struct berth_origin origin;
    bool complete = true;
    if (count == 0 || !berth_proxies_trust(config->proxies, count, address))
        return;
    for (size_t i = 0; i < 4; i++) {
        berth_strbuf_init(&values[i], FORWARDED_MAX);
        berth_exchange_join_header(exchange, names[i], &values[i]);
        complete &= !values[i].failed;
    }
    const struct berth_forwarded headers = {
        berth_strbuf_str(&values[0]), berth_strbuf_str(&values[1]), berth_strbuf_str(&values[2]),
        berth_strbuf_str(&values[3])};
    if (complete && berth_proxies_resolve(config->proxies, count, &headers, &origin)) {
        (void)snprintf(address, sizeof(exchange->caller.address), "%s", origin.address);
        exchange->origin_host = origin.host[0] ? strdup(origin.host) : NULL;
        if (origin.scheme[0])
            exchange->origin_scheme = strcmp(origin.scheme, "https") == 0 ? "https" : "http";
    }
    for (size_t i = 0; i < 4; i++)
        berth_strbuf_release(&values[i]);
}

static void exchange_init(struct berth_exchange *exchange, struct berth *berth,
                          const struct berth_view *view, struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    memset(exchange, 0, offsetof(struct berth_exchange, params));
    exchange->params.count = 0;
    exchange->berth = berth;
    exchange->config = berth_config_ref(view->config);
    exchange->connection = connection;
    exchange->begun_ns = berth_clock_monotonic_ns();
    exchange->method_name = info->request_method ? info->request_method : "";
    exchange->method = parse_method(exchange->method_name);
    exchange->path = info->local_uri_raw ? info->local_uri_raw : "";
    exchange->status = 200;
    exchange->content_type = BERTH_TYPE_TEXT;
    berth_strbuf_init(&exchange->headers, 4096);
    berth_strbuf_init(&exchange->request_body, (size_t)view->config->max_body_bytes);
    berth_strbuf_init(&exchange->error_details, ERROR_DETAILS_MAX);
    berth_strbuf_init(&exchange->body, BERTH_ENGINE_ANSWER_MAX);
    (void)snprintf(exchange->caller.address, sizeof(exchange->caller.address), "%s",
                   strcmp(info->remote_addr, "*") == 0 ? BERTH_PEER_UNIX : info->remote_addr);
    set_origin(exchange);
    set_request_id(exchange);
    set_wishes(exchange);
}

/* A target in absolute form names us itself, whatever the header Host says (RFC 9112 section
 * 3.2.2). */
static int take_authority(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *target = mg_get_request_info(exchange->connection)->request_uri;
    if (target == exchange->path)
        return 0;
    const char *authority = strstr(target, "://");
    authority = authority ? authority + 3 : target;
    if (authority + strcspn(authority, "/?#@") != exchange->path)
        return berth_error_set(err, BERTH_E_INVALID, "the request's target is malformed");
    if (!exchange->origin_host)
        exchange->origin_host = strndup(authority, (size_t)(exchange->path - authority));
    return exchange->origin_host ? 0 : berth_error_nomem(err);
}

static int check_target(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *query = mg_get_request_info(exchange->connection)->query_string;
    if (strlen(exchange->path) + (query ? strlen(query) + 1 : 0) <= BERTH_TARGET_MAX)
        return take_authority(exchange, err);
    exchange->error_status = 414;
    return berth_error_set(err, BERTH_E_TOO_LARGE, "path and query are longer than %d bytes",
                           BERTH_TARGET_MAX);
}

/* "OPTIONS *" is about no endpoint, but what there are (RFC 9110 section 9.3.7). */
static bool is_of_server(const struct berth_exchange *exchange)
{
    return exchange->method == BERTH_OPTIONS && strcmp(exchange->path, "*") == 0;
}

/* Whether the body is for the handler, once the request is admitted. */
static bool takes_body(const struct berth_exchange *exchange)
{
    const struct berth_route *route = exchange->route;
    return route && (route->methods & (BERTH_BODY_WHOLE | BERTH_BODY_STREAM)) &&
           (route->methods & exchange->method);
}

/* Finds out what the request is about, and reads it to its end where that has no use for a body. */
static int receive(struct berth_exchange *exchange, const struct berth_view *view,
                   struct berth_error *err)
{
    int r = berth_framing_check(exchange, err);
    if (r < 0)
        return r;
    r = check_target(exchange, err);
    if (r == 0 && !is_of_server(exchange))
        r = berth_match(exchange, view, err);
    if (r == 0 && takes_body(exchange))
        return 0;
    if (r == 0 && exchange->has_chunks)
        return berth_framing_refuse_chunks(exchange, err);
    struct berth_error why = BERTH_ERROR_INIT;
    int drained = berth_framing_drain(exchange, &why);
    if (drained == 0)
        return r;
    *err = why;
    return drained;
}

/* Has an admitted request done. */
static int handle(struct berth_exchange *exchange, struct berth_error *err)
{
    bool replayed = false;
    int r = 0;
    if (exchange->route->methods & BERTH_BODY_WHOLE)
        r = berth_framing_read(exchange, &exchange->request_body, err);
    if (r == 0)
        r = berth_replay_begin(exchange, &replayed, err);
    if (r == 0 && !replayed)
        return exchange->route->handler(exchange, err);
    if (exchange->route->methods & BERTH_BODY_STREAM) /* which nobody reads */
        exchange->must_close = true;
    return r;
}

static int dispatch(struct berth_exchange *exchange, struct berth_error *err)
{
    const struct berth_route *route = exchange->route;
    if (exchange->method == BERTH_OPTIONS) {
        add_allow(exchange);
        exchange->status = route && route->dialect->is_public ? 200 : 204;
        return 0;
    }
    enum berth_method asked = exchange->method == BERTH_HEAD ? BERTH_GET : exchange->method;
    if (!(route->methods & asked)) {
        add_allow(exchange);
        exchange->error_status = 405;
        return berth_error_set_coded(err, BERTH_E_INVALID, "METHOD_NOT_ALLOWED",
                                     "this endpoint does not take that method");
    }
    int r = admit(exchange, err);
    if (r == 0)
        return handle(exchange, err);
    /* The connection is kept, unless the body is as long as a client likes. */
    if (route->methods & BERTH_BODY_STREAM)
        exchange->must_close = true;
    else if (route->methods & BERTH_BODY_WHOLE)
        (void)!berth_framing_drain(exchange, NULL);
    return r;
}

static void render_failure(struct berth_exchange *exchange, const struct berth_error *err)
{
    const struct berth_dialect *dialect = berth_match_dialect(exchange, err);
    berth_body_unref(berth_steal(&exchange->shared));
    dialect->render_error(
        exchange, exchange->error_status ? exchange->error_status : dialect->http_status(err), err);
    if (err->retry_after_s)
        berth_exchange_header(exchange, "Retry-After", "%u", err->retry_after_s);
}

static int finish(struct berth_exchange *exchange, const struct berth_error *failure)
{
    int sent = exchange->status;
    if (!exchange->is_sent) {
        berth_cors_add(exchange);
        sent = berth_answer_send(exchange);
    }
    bool may_be_long = exchange->route && (exchange->route->methods & BERTH_BODY_STREAM);
    if (exchange->must_close && (may_be_long || exchange->has_chunks))
        berth_framing_linger(exchange);
    berth_answer_log(exchange, failure);
    berth_request_log_end(exchange);
    berth_body_unref(exchange->shared);
    berth_strbuf_release(&exchange->headers);
    berth_strbuf_release(&exchange->request_body);
    berth_strbuf_release(&exchange->error_details);
    berth_strbuf_release(&exchange->body);
    free(exchange->origin_host);
    berth_facility_unref(exchange->facility);
    berth_config_unref(exchange->config);
    return sent;
}

int berth_router_handle(struct berth *berth, struct mg_connection *connection, bool is_upgrade)
{
    struct berth_exchange exchange;
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_view *view = berth_take_view(berth);
    exchange_init(&exchange, berth, view, connection);
    exchange.is_upgrade = is_upgrade;
    int r = receive(&exchange, view, &err);
    berth_view_unref(view);
    berth_request_log_begin(&exchange);
    if (r == 0)
        r = dispatch(&exchange, &err);
    if (r < 0 && !exchange.is_sent)
        render_failure(&exchange, &err);
    berth_replay_end(&exchange);
    return finish(&exchange, r < 0 ? &err : NULL);
}

void berth_router_refuse(struct berth *berth, struct mg_connection *connection, int http_status,
                         const char *message)
{
    struct berth_exchange exchange;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    exchange_init(&exchange, berth, view, connection);
    /* Of what cannot be read, civetweb still has the path of the request before, by now
     * overwritten; the target as it came is NULL or its own. */
    char path[PATH_IN_LOG_MAX + 1];
    const char *target = mg_get_request_info(connection)->request_uri;
    (void)snprintf(path, sizeof(path), "%.*s", target ? (int)strcspn(target, "?") : 0,
                   target ? target : "");
    exchange.path = path;
    exchange.must_close = true;
    berth_request_log_begin(&exchange);
    if (http_status == 411) /* what it says of a Content-Length that is no number */
        http_status = 400;
    (void)berth_error_set(&err, BERTH_E_INVALID, "%s", message);
    berth_dialect_problem(&exchange, http_status, &err);
    (void)finish(&exchange, &err);
}
