/* SPDX-License-Identifier: MIT */
#include "gateway/server.h"

#include "base/clock.h"
#include "base/thread.h"
#include "gateway/config_tls.h"
#include "gateway/router.h"
#include "gateway/tls.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define UNIX_PREFIX    "unix:"
#define DRAIN_ROUND_MS 60000

struct berth_server {
    struct berth *berth;
    struct berth_config *config; /* a reference: what the listeners were opened by */
    struct berth_credential_store *certificates; /* NULL: there is no HTTPS */
    struct berth_tls *tls;
    struct mg_context *context;
    bool has_started;      /* set before civetweb has a thread that could look */
    char start_error[256]; /* what civetweb said first before that */
    unsigned draining;     /* atomic: 1 once no more are taken */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* with lock: busy fell to 0 while draining */
};

static int refuse_request(struct berth_server *server, struct mg_connection *connection)
{
    berth_router_refuse(server->berth, connection, 503, "the gateway is stopping");
    return 503;
}

static int serve_request(struct berth_server *server, struct mg_connection *connection,
                         bool is_upgrade)
{
    (void)__atomic_add_fetch(&server->berth->in_flight, 1, __ATOMIC_SEQ_CST);
    int status = __atomic_load_n(&server->draining, __ATOMIC_SEQ_CST)
                     ? refuse_request(server, connection)
                     : berth_router_handle(server->berth, connection, is_upgrade);
    if (__atomic_sub_fetch(&server->berth->in_flight, 1, __ATOMIC_SEQ_CST) == 0 &&
        __atomic_load_n(&server->draining, __ATOMIC_SEQ_CST)) {
        BERTH_LOCK_SCOPE(lock, &server->lock);
        (void)pthread_cond_broadcast(&server->idle);
    }
    return status;
}

static int on_request(struct mg_connection *connection, void *ctx)
{
    return serve_request(ctx, connection, false);
}

/* Upgrades are requests as others: what is not 0 keeps civetweb from going on with them. */
static int on_upgrade(const struct mg_connection *connection, void *ctx)
{
    return serve_request(ctx, (struct mg_connection *)(uintptr_t)connection, true);
}

unsigned berth_server_drain(struct berth_server *server, int64_t timeout_ms)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + timeout_ms;
    unsigned left;
    bool in_time = true;
    __atomic_store_n(&server->draining, 1, __ATOMIC_SEQ_CST);
    BERTH_LOCK_SCOPE(lock, &server->lock);
    /* Looked at once more when time is up: idle tells of the last request alone. */
    while ((left = __atomic_load_n(&server->berth->in_flight, __ATOMIC_SEQ_CST)) > 0 && in_time)
        in_time = berth_cond_wait_until(&server->idle, &server->lock, deadline_ms);
    return left;
}

static int on_http_error(struct mg_connection *connection, int status, const char *message)
{
    struct berth_server *server = mg_get_user_data(mg_get_context(connection));
    berth_router_refuse(server->berth, connection, status, message);
    return 0;
}

/* civetweb's own messages: about the start they belong to the caller's error. */
static int on_log_message(const struct mg_connection *connection, const char *message)
{
    struct berth_server *server = mg_get_user_data(mg_get_context(connection));
    if (server && !server->has_started && server->start_error[0] == '\0')
        (void)snprintf(server->start_error, sizeof(server->start_error), "%s", message);
    else
        berth_log(BERTH_LOG_DEBUG, "civetweb: %s", message);
    return 1;
}

/* All listens, but nothing is accepted yet: no request can come before its handler. */
static void on_start(const struct mg_context *context)
{
    struct berth_server *server = mg_get_user_data(context);
    struct mg_context *own = (struct mg_context *)(uintptr_t)context;
    server->has_started = true;
    mg_set_request_handler(own, "**", on_request, server);
    mg_set_websocket_handler(own, "**", on_upgrade, NULL, NULL, NULL, server);
}

/* 1: civetweb is to leave its context as it is. */
static int on_init_ssl(void *context, void *ctx)
{
    struct berth_server *server = ctx;
    return berth_tls_prepare(server->tls, context) ? 1 : -1;
}

static int open_tls(struct berth_server *server, struct berth_error *err)
{
    int r = berth_config_open_tls(server->config, &server->certificates, err);
    if (r < 0 || !server->certificates)
        return r;
    return berth_tls_open(server->certificates, NULL, &server->tls, err);
}

/* ---- Listeners ---- */

static bool is_unix(const char *listener)
{
    return strncmp(listener, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
}

/* True if something accepts connections on the socket file. */
static bool is_answering(const struct sockaddr_un *address)
{
    BERTH_CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

/* Removes the socket file that a gateway which was killed left behind. */
static int clear_stale_socket(const char *path, struct berth_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof(address.sun_path))
        return berth_error_set(err, BERTH_E_INVALID, "listen: the path %s is too long", path);
    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return berth_error_set(err, BERTH_E_EXISTS, "listen: %s is there and is no socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (is_answering(&address))
        return berth_error_set(err, BERTH_E_EXISTS, "listen: %s is in use by another process",
                               path);
    if (unlink(path) < 0 && errno != ENOENT)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "listen: %s cannot be replaced", path);
    return 0;
}

/* civetweb's word for a unix socket is "x/path". */
static int add_unix(const struct berth_config *config, struct berth_strbuf *out,
                    struct berth_error *err)
{
    for (size_t i = 0; i < config->listen.count; i++) {
        if (!is_unix(config->listen.items[i]))
            continue;
        const char *path = config->listen.items[i] + sizeof(UNIX_PREFIX) - 1;
        int r = clear_stale_socket(path, err);
        if (r < 0)
            return r;
        berth_strbuf_addf(out, "%sx%s", out->len > 0 ? "," : "", path);
    }
    return 0;
}

/* civetweb's listening_ports: "127.0.0.1:8080,x/path". It takes a path for a host name where an
 * address follows. */
static int build_listeners(const struct berth_config *config, struct berth_strbuf *out,
                           struct berth_error *err)
{
    for (size_t i = 0; i < config->listen.count; i++)
        if (!is_unix(config->listen.items[i]))
            berth_strbuf_addf(out, "%s%s", out->len > 0 ? "," : "", config->listen.items[i]);
    if (config->listen_tls)
        berth_strbuf_addf(out, "%s%ss", out->len > 0 ? "," : "", config->listen_tls);
    int r = add_unix(config, out, err);
    return r < 0 ? r : berth_strbuf_check(out, err);
}

static int start(struct berth_server *server, const struct berth_strbuf *listeners,
                 struct berth_error *err)
{
    const struct berth_config *config = server->config;
    char threads[24];
    char timeout[24];
    (void)snprintf(threads, sizeof(threads), "%" PRId64, config->worker_threads);
    (void)snprintf(timeout, sizeof(timeout), "%" PRId64, config->request_timeout_ms);
    const char *options[] = {
        "listening_ports",
        berth_strbuf_str(listeners),
        "num_threads",
        threads,
        "request_timeout_ms",
        timeout, /* of silence while a request is read */
        "keep_alive_timeout_ms",
        "15000",
        "enable_keep_alive",
        "yes",
        "tcp_nodelay",
        "1",
        "listen_backlog",
        "1024",
        "connection_queue",
        "1024",
        "decode_url",
        "no", /* our own decoder is stricter */
        "decode_query_string",
        "no",
        "max_request_size",
        "16384",
        "access_control_allow_origin",
        "", /* it would answer every page's preflight with yes */
        NULL,
    };
    struct mg_callbacks callbacks = {
        .init_context = on_start,
        .init_ssl = on_init_ssl,
        .http_error = on_http_error,
        .log_message = on_log_message,
    };
    struct mg_init_data init = {&callbacks, server, options};
    char text[256] = "";
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof(text)};
    server->context = mg_start2(&init, &error);
    if (!server->context) {
        const char *said = server->start_error[0] ? server->start_error : text;
        return berth_error_set(err, BERTH_E_IO, "cannot listen on %s: %s",
                               berth_strbuf_str(listeners), said);
    }
    return 0;
}

int berth_server_open(struct berth *berth, struct berth_server **ret_server,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf listeners = BERTH_STRBUF_INIT(8192);
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    int r = build_listeners(view->config, &listeners, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(server) struct berth_server *server = calloc(1, sizeof(*server));
    if (!server)
        return berth_error_nomem(err);
    server->berth = berth;
    server->config = berth_config_ref(view->config);
    (void)pthread_mutex_init(&server->lock, NULL);
    berth_cond_init(&server->idle);
    (void)mg_init_library(MG_FEATURES_TLS);
    r = open_tls(server, err);
    if (r == 0)
        r = start(server, &listeners, err);
    if (r < 0)
        return r;
    *ret_server = berth_steal(&server);
    return 0;
}

void berth_server_close(struct berth_server *server)
{
    if (!server)
        return;
    if (server->context) {
        /* civetweb's stop cuts the answers that are not written yet: wait until there are none. */
        while (berth_server_drain(server, DRAIN_ROUND_MS) > 0)
            continue;
        mg_stop(server->context);
        const struct berth_texts *listen = &server->config->listen;
        for (size_t i = 0; i < listen->count; i++)
            if (is_unix(listen->items[i]))
                (void)unlink(listen->items[i] + sizeof(UNIX_PREFIX) - 1);
    }
    (void)mg_exit_library();
    berth_tls_close(server->tls);
    berth_credential_store_close(server->certificates);
    (void)pthread_cond_destroy(&server->idle);
    (void)pthread_mutex_destroy(&server->lock);
    berth_config_unref(server->config);
    free(server);
}
