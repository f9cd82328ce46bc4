/* SPDX-License-Identifier: MIT */
#include "gateway/agent_http.h"

#include "backends/engine/engine_relay.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "gateway/agent_tls.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#define SLOW_MS     10000 /* a client that takes nothing for so long is cut */
#define TICK_MS     500   /* between two looks whether a write may go on waiting */
#define DRAIN_MS    20000
#define PIECE_MAX   (1U << 20) /* of an answer, with its framing */
#define TARGET_SHOW 300

struct berth_agent_server {
    struct berth_engine *engine;
    struct berth_agent_tls *tls;
    struct mg_context *context;
    char start_error[256]; /* what civetweb said while starting */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* with lock: in_flight fell to 0 */
    unsigned in_flight;  /* lock */
    unsigned draining;   /* atomic */
};

/* One request and its answer. */
struct answer {
    struct berth_agent_server *server;
    struct mg_connection *connection;
    struct berth_strbuf out;
    long status;    /* 0: nothing was sent yet */
    bool is_broken; /* the client is gone, or too slow */
    bool is_endless;
};

/* ---- Writing ---- */

static bool is_draining(const struct berth_agent_server *server)
{
    return __atomic_load_n(&server->draining, __ATOMIC_SEQ_CST);
}

static short poll_client(const struct answer *answer, short events, int timeout_ms)
{
    struct pollfd poll_fd = {
        .fd = mg_get_socket(answer->connection),
        .events = (short)(events | POLLRDHUP),
    };
    return poll(&poll_fd, 1, timeout_ms) > 0 ? poll_fd.revents : 0;
}

static bool says_gone(short revents)
{
    return (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Sends all of out. */
static bool flush(struct answer *answer)
{
    struct berth_strbuf *out = &answer->out;
    int64_t moved_ms = berth_clock_monotonic_ms();
    size_t sent = 0;
    answer->is_broken |= out->failed != 0;
    while (!answer->is_broken && sent < out->len) {
        int written = mg_write_some(answer->connection, out->data + sent, out->len - sent);
        int64_t now_ms = berth_clock_monotonic_ms();
        if (written > 0) {
            sent += (size_t)written;
            moved_ms = now_ms;
            continue;
        }
        if (written < 0 || now_ms - moved_ms >= SLOW_MS ||
            (answer->is_endless && is_draining(answer->server)) ||
            says_gone(poll_client(answer, POLLOUT, TICK_MS)))
            answer->is_broken = true;
    }
    berth_strbuf_clear(out);
    return !answer->is_broken;
}

/* ---- Whole answers, of our own ---- */

static long status_of(int r)
{
    switch (r) {
    case BERTH_E_INVALID:
        return 400;
    case BERTH_E_FORBIDDEN:
        return 403;
    case BERTH_E_TIMEOUT:
        return 504;
    case BERTH_E_UNREACHABLE:
        return 503;
    default:
        return 500;
    }
}

static void answer_error(struct answer *answer, long status, const char *message)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BERTH_RELAY_REFUSAL_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&body);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "message", message);
    berth_json_close_object(&w);
    answer->status = status;
    berth_strbuf_addf(&answer->out,
                      "HTTP/1.1 %ld %s\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                      status, mg_get_response_code_text(answer->connection, (int)status), body.len,
                      berth_strbuf_str(&body));
    mg_disable_connection_keep_alive(answer->connection);
    (void)flush(answer);
}

/* ---- The engine's answers ---- */

/* A media type and its parameters, as engines write it. */
static bool is_type(const char *type)
{
    size_t len = strlen(type);
    for (size_t i = 0; i < len; i++)
        if (!berth_is_alnum(type[i]) && !strchr("/.+-_;= ", type[i]))
            return false;
    return len > 0 && len < 128;
}

static bool on_head(void *ctx, long status, const char *type, int api_minor)
{
    struct answer *answer = ctx;
    answer->status = status;
    berth_strbuf_addf(&answer->out,
                      "HTTP/1.1 %ld %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n",
                      status, mg_get_response_code_text(answer->connection, (int)status),
                      is_type(type) ? type : "application/octet-stream");
    if (api_minor > 0)
        berth_strbuf_addf(&answer->out, "Api-Version: 1.%d\r\n", api_minor);
    berth_strbuf_adds(&answer->out, "\r\n");
    return flush(answer);
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    struct answer *answer = ctx;
    if (len == 0) {
        answer->is_broken |= (answer->is_endless && is_draining(answer->server)) ||
                             says_gone(poll_client(answer, 0, 0));
        return !answer->is_broken;
    }
    while (len > 0) {
        size_t part = len < PIECE_MAX / 2 ? len : PIECE_MAX / 2;
        berth_strbuf_addf(&answer->out, "%zx\r\n", part);
        berth_strbuf_add(&answer->out, data, part);
        berth_strbuf_adds(&answer->out, "\r\n");
        if (!flush(answer))
            return false;
        data += part;
        len -= part;
    }
    return true;
}

static void run(struct answer *answer, const struct berth_relay *relay)
{
    struct berth_error err = BERTH_ERROR_INIT;
    const struct berth_relay_sink sink = {.ctx = answer, .head = on_head, .data = on_data};
    answer->is_endless = relay->is_endless;
    int r = berth_relay_run(answer->server->engine, relay, &sink, &err);
    if (r < 0 && r != BERTH_E_CANCELLED)
        berth_log_error(BERTH_LOG_WARNING, &err, "the engine's answer");
    if (r == 0) {
        berth_strbuf_adds(&answer->out, "0\r\n\r\n");
        (void)flush(answer);
    } else if (answer->status == 0 && !answer->is_broken) {
        answer_error(answer, status_of(r), err.message);
    } else {
        answer->is_broken = true; /* the missing last chunk tells the client */
    }
}

/* ---- Requests ---- */

static const char *header_of(const struct mg_request_info *info, const char *name)
{
    for (int i = 0; i < info->num_headers; i++)
        if (strcasecmp(info->http_headers[i].name, name) == 0)
            return info->http_headers[i].value;
    return NULL;
}

/* What is read here has no body. */
static int check_framing(const struct mg_request_info *info, struct berth_error *err)
{
    if (!info->http_version || strcmp(info->http_version, "1.1") != 0)
        return berth_error_set(err, BERTH_E_INVALID, "the agent speaks HTTP/1.1");
    if (info->num_headers >= MG_MAX_HEADERS)
        return berth_error_set(err, BERTH_E_INVALID, "the request has too many headers");
    if (header_of(info, "Transfer-Encoding") || header_of(info, "Content-Length") ||
        header_of(info, "Upgrade"))
        return berth_error_set(err, BERTH_E_INVALID, "the agent takes no bodies");
    return 0;
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

static void handle(struct answer *answer)
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
        r = check_framing(info, &err);
    if (r < 0)
        answer_error(answer, status_of(r), err.message);
    else
        run(answer, &relay);
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
    struct answer answer = {
        .server = server, .connection = connection, .out = BERTH_STRBUF_INIT(PIECE_MAX)};
    {
        BERTH_LOCK_SCOPE(held, &server->lock);
        server->in_flight++;
    }
    if (is_draining(server))
        answer_error(&answer, 503, "the agent is stopping");
    else
        handle(&answer);
    if (answer.is_broken)
        mg_disable_connection_keep_alive(connection);
    berth_strbuf_release(&answer.out);
    BERTH_LOCK_SCOPE(held, &server->lock);
    if (--server->in_flight == 0)
        (void)pthread_cond_broadcast(&server->idle);
    return (int)answer.status;
}

static int on_http_error(struct mg_connection *connection, int status, const char *message)
{
    struct berth_agent_server *server = mg_get_user_data(mg_get_context(connection));
    struct answer answer = {
        .server = server, .connection = connection, .out = BERTH_STRBUF_INIT(PIECE_MAX)};
    answer_error(&answer, status, message);
    berth_strbuf_release(&answer.out);
    return 0;
}

/* ---- The listener ---- */

/* civetweb's own messages: about the start they belong to the caller's error. */
static int on_log_message(const struct mg_connection *connection, const char *message)
{
    struct berth_agent_server *server = mg_get_user_data(mg_get_context(connection));
    if (server && !server->context && server->start_error[0] == '\0')
        (void)snprintf(server->start_error, sizeof(server->start_error), "%s", message);
    else
        berth_log(BERTH_LOG_DEBUG, "civetweb: %s", message);
    return 1;
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
        .http_error = on_http_error,
        .log_message = on_log_message,
        .external_ssl_ctx = on_external_ssl,
    };
    struct mg_init_data init = {&callbacks, server, options};
    char text[256] = "";
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof(text)};
    struct mg_context *context = mg_start2(&init, &error);
    if (!context)
        return berth_error_set(err, BERTH_E_IO, "cannot listen on %s: %s", listen,
                               server->start_error[0] ? server->start_error : text);
    mg_set_request_handler(context, "**", on_request, server);
    server->context = context;
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
