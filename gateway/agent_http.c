/* SPDX-License-Identifier: MIT */
#include "gateway/agent_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#define BODY_MS     5000 /* until a body has come */
#define DRAIN_MS    20000
#define TARGET_SHOW 300

/* ---- Requests ---- */

static const char *header_of(const struct mg_request_info *info, const char *name)
{
    for (int i = 0; i < info->num_headers; i++)
        if (strcasecmp(info->http_headers[i].name, name) == 0)
            return info->http_headers[i].value;
    return NULL;
}

static bool has_header(const struct mg_request_info *info, const char *name, const char *value)
{
    const char *given = header_of(info, name);
    return given && strcasecmp(given, value) == 0;
}

/* The number that Content-Length begins with is civetweb's; one header, and nothing but digits. */
static bool has_length(const struct mg_request_info *info)
{
    const char *length = header_of(info, "Content-Length");
    size_t count = 0;
    for (int i = 0; i < info->num_headers; i++)
        count += strcasecmp(info->http_headers[i].name, "Content-Length") == 0;
    return count == 1 && length[0] && length[strspn(length, "0123456789")] == '\0';
}

static int check_framing(const struct mg_request_info *info, const struct berth_relay *relay,
                         struct berth_error *err)
{
    bool is_post = strcmp(info->request_method, "POST") == 0;
    bool is_stream = berth_relay_is_stream(relay);
    if (!info->http_version || strcmp(info->http_version, "1.1") != 0)
        return berth_error_set(err, BERTH_E_INVALID, "the agent speaks HTTP/1.1");
    if (info->num_headers >= MG_MAX_HEADERS)
        return berth_error_set(err, BERTH_E_INVALID, "the request has too many headers");
    if (header_of(info, "Transfer-Encoding") || header_of(info, "Expect"))
        return berth_error_set(err, BERTH_E_INVALID, "a body must come at once, with its length");
    if (is_post ? !has_length(info) : header_of(info, "Content-Length") != NULL)
        return berth_error_set(err, BERTH_E_INVALID,
                               is_post ? "the header Content-Length is missing, or no number"
                                       : "that request has no body");
    if (info->content_length > (berth_relay_has_body(relay) ? (int64_t)BERTH_RELAY_BODY_MAX : 0))
        return berth_error_set(err, BERTH_E_INVALID, "the body is too long");
    if (is_stream
            ? !has_header(info, "Upgrade", "tcp") || !has_header(info, "Connection", "Upgrade")
            : header_of(info, "Upgrade") != NULL)
        return berth_error_set(err, BERTH_E_INVALID,
                               is_stream ? "a stream is asked for with Upgrade: tcp"
                                         : "that request has no stream for an answer");
    return 0;
}

static int read_body(struct berth_agent_answer *answer, size_t len, struct berth_strbuf *body,
                     struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + BODY_MS;
    while (body->len < len) {
        char piece[4096];
        size_t left = len - body->len;
        int received =
            mg_read_some(answer->connection, piece, left < sizeof(piece) ? left : sizeof(piece));
        struct pollfd poll_fd = {.fd = mg_get_socket(answer->connection), .events = POLLIN};
        if (received > 0)
            berth_strbuf_add(body, piece, (size_t)received);
        if (received < 0 || berth_clock_monotonic_ms() >= deadline_ms)
            return berth_error_set(err, BERTH_E_INVALID, "the body ended early");
        if (received == 0)
            (void)poll(&poll_fd, 1, BERTH_AGENT_TICK_MS);
        if (body->failed)
            return berth_strbuf_check(body, err);
    }
    return 0;
}

static int take_body(struct berth_agent_answer *answer, struct berth_relay *relay,
                     struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BERTH_RELAY_BODY_MAX + 1);
    const struct mg_request_info *info = mg_get_request_info(answer->connection);
    if (!berth_relay_has_body(relay))
        return 0;
    int r = read_body(answer, (size_t)info->content_length, &body, err);
    return r < 0 ? r : berth_relay_take_body(relay, berth_strbuf_str(&body), body.len, err);
}

/* Path and query as they came. */
static void add_target(const struct mg_request_info *info, struct berth_strbuf *target)
{
    berth_strbuf_adds(target, info->local_uri_raw ? info->local_uri_raw : "");
    if (info->query_string)
        berth_strbuf_addf(target, "?%s", info->query_string);
}

/* The node that asks, by its certificate. */
static const char *client_of(const struct mg_request_info *info)
{
    const char *subject = info->client_cert ? info->client_cert->subject : NULL;
    const char *name = subject ? strstr(subject, "CN=") : NULL;
    return name ? name + 3 : "?";
}

static void handle(struct berth_agent_answer *answer)
{
    const struct mg_request_info *info = mg_get_request_info(answer->connection);
    int64_t begun_ms = berth_clock_monotonic_ms();
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf target = BERTH_STRBUF_INIT(BERTH_TARGET_MAX * 4);
    BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
    add_target(info, &target);
    int r = berth_strbuf_check(&target, &err);
    if (r == 0)
        r = berth_relay_parse(info->request_method, berth_strbuf_str(&target), &relay, &err);
    if (r == 0)
        r = check_framing(info, &relay, &err);
    if (r == 0)
        r = take_body(answer, &relay, &err);
    if (r < 0)
        berth_agent_answer_failure(answer, &err);
    else
        berth_agent_answer_run(answer, &relay);
    enum berth_log_level level = r < 0 ? BERTH_LOG_WARNING : BERTH_LOG_INFO;
    if (r == 0 && berth_relay_is_ping(&relay) && answer->status == 200)
        level = BERTH_LOG_DEBUG; /* one a second */
    berth_log(level, "%s: %s %.*s: %ld%s, %" PRId64 " ms", client_of(info), info->request_method,
              TARGET_SHOW, berth_strbuf_str(&target), answer->status,
              answer->is_broken ? ", cut" : "", berth_clock_monotonic_ms() - begun_ms);
}

static int on_request(struct mg_connection *connection, void *ctx)
{
    struct berth_agent_server *server = ctx;
    BERTH_CLEANUP(agent_answer) struct berth_agent_answer answer;
    berth_agent_answer_init(&answer, server, connection);
    {
        BERTH_LOCK_SCOPE(held, &server->lock);
        server->in_flight++;
    }
    if (berth_agent_is_draining(server))
        berth_agent_answer_error(&answer, 503, "the agent is stopping");
    else
        handle(&answer);
    if (answer.is_broken)
        mg_disable_connection_keep_alive(connection);
    BERTH_LOCK_SCOPE(held, &server->lock);
    if (--server->in_flight == 0)
        (void)pthread_cond_broadcast(&server->idle);
    return (int)answer.status;
}

static int on_http_error(struct mg_connection *connection, int status, const char *message)
{
    struct berth_agent_server *server = mg_get_user_data(mg_get_context(connection));
    BERTH_CLEANUP(agent_answer) struct berth_agent_answer answer;
    berth_agent_answer_init(&answer, server, connection);
    berth_agent_answer_error(&answer, status, message);
    return 0;
}

/* ---- The listener ---- */

/* civetweb's own messages: about the start they belong to the caller's error. */
static int on_log_message(const struct mg_connection *connection, const char *message)
{
    struct berth_agent_server *server = mg_get_user_data(mg_get_context(connection));
    if (server && !server->has_started && server->start_error[0] == '\0')
        (void)snprintf(server->start_error, sizeof(server->start_error), "%s", message);
    else
        berth_log(BERTH_LOG_DEBUG, "civetweb: %s", message);
    return 1;
}

/* All listens, but nothing is accepted yet: no request can come before its handler. */
static void on_start(const struct mg_context *context)
{
    struct berth_agent_server *server = mg_get_user_data(context);
    server->has_started = true;
    mg_set_request_handler((struct mg_context *)(uintptr_t)context, "**", on_request, server);
}

/* The TLS is ours: civetweb changes nothing of it, and does not free it. */
static int on_external_ssl(void **ret_context, void *ctx)
{
    struct berth_agent_server *server = ctx;
    *ret_context = berth_agent_tls_context(server->tls);
    return 1;
}

/* "ADDRESS:PORT" alone: civetweb would take a list, and flags after the port. */
static int check_listen(const char *listen, struct berth_error *err)
{
    const char *colon = strrchr(listen, ':');
    int64_t port;
    size_t len = colon ? (size_t)(colon - listen) : 0;
    bool is_v6 = len > 2 && listen[0] == '[' && listen[len - 1] == ']';
    size_t first = is_v6 ? 1 : 0;
    size_t span = strspn(listen + first, is_v6 ? "0123456789abcdefABCDEF:." : "0123456789.");
    if (len == 0 || first + span != len - first ||
        berth_text_parse_int(colon + 1, 1, 65535, &port, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "--listen must be ADDRESS:PORT, such as 0.0.0.0:2378 or [::]:2378");
    return 0;
}

static int start(struct berth_agent_server *server, const char *listen, struct berth_error *err)
{
    char listeners[128];
    char threads[24];
    (void)snprintf(listeners, sizeof(listeners), "%ss", listen); /* s: TLS */
    (void)snprintf(threads, sizeof(threads), "%d", BERTH_AGENT_CONNECTIONS);
    const char *options[] = {
        "listening_ports",
        listeners,
        "num_threads",
        threads,
        "request_timeout_ms",
        "5000", /* of silence, for the handshake and while a request is read */
        "keep_alive_timeout_ms",
        "30000",
        "enable_keep_alive",
        "yes",
        "tcp_nodelay",
        "1",
        "listen_backlog",
        "128",
        "connection_queue",
        "64",
        "decode_url",
        "no",
        "decode_query_string",
        "no",
        "max_request_size",
        "16384",
        "access_control_allow_origin",
        "",
        NULL,
    };
    struct mg_callbacks callbacks = {
        .init_context = on_start,
        .http_error = on_http_error,
        .log_message = on_log_message,
        .external_ssl_ctx = on_external_ssl,
    };
    struct mg_init_data init = {&callbacks, server, options};
    char text[256] = "";
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof(text)};
    server->context = mg_start2(&init, &error);
    if (!server->context)
        return berth_error_set(err, BERTH_E_IO, "cannot listen on %s: %s", listen,
                               server->start_error[0] ? server->start_error : text);
    return 0;
}

int berth_agent_server_open(const char *listen, struct berth_credential_store *store,
                            struct berth_engine *engine, struct berth_agent_server **ret_server,
                            struct berth_error *err)
{
    int r = check_listen(listen, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(agent_server) struct berth_agent_server *server = calloc(1, sizeof(*server));
    if (!server)
        return berth_error_nomem(err);
    server->engine = engine;
    (void)pthread_mutex_init(&server->lock, NULL);
    berth_cond_init(&server->idle);
    (void)mg_init_library(MG_FEATURES_TLS);
    r = berth_agent_tls_open(store, &server->tls, err);
    if (r == 0)
        r = start(server, listen, err);
    if (r < 0)
        return r;
    *ret_server = berth_steal(&server);
    return 0;
}

static void drain(struct berth_agent_server *server)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + DRAIN_MS;
    __atomic_store_n(&server->draining, 1, __ATOMIC_SEQ_CST);
    BERTH_LOCK_SCOPE(held, &server->lock);
    while (server->in_flight > 0)
        if (!berth_cond_wait_until(&server->idle, &server->lock, deadline_ms))
            break;
}

void berth_agent_server_close(struct berth_agent_server *server)
{
    if (!server)
        return;
    if (server->context) {
        drain(server);
        mg_stop(server->context);
    }
    berth_agent_tls_close(server->tls);
    (void)mg_exit_library();
    (void)pthread_cond_destroy(&server->idle);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}
