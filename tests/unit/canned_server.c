/* SPDX-License-Identifier: MIT */
#include "tests/unit/canned_server.h"

#include "base/strbuf.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECTIONS   64
#define REQUEST_BYTES 65536
#define RULES         32

struct connection {
    struct canned_server *server;
    int fd;
    pthread_t thread;
};

struct canned_server {
    char *socket_path;
    char endpoint[256];
    const struct canned_rule *rules;
    int listen_fd;
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards what follows */
    const char *version;
    unsigned used[RULES];
    struct berth_strbuf asked;
    char *asked_copy;
    unsigned pings;
    unsigned connection_count;
    struct connection connections[CONNECTIONS]; /* since the last start */
    size_t open_count;
};

/* ---- One connection ---- */

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Reads up to the end of the text `until`, or len bytes where that is NULL. */
static bool read_more(int fd, struct berth_strbuf *buf, const char *until, size_t len)
{
    char piece[4096];
    while (until ? !strstr(berth_strbuf_str(buf), until) : buf->len < len) {
        ssize_t got = recv(fd, piece, sizeof(piece), 0);
        if (got <= 0)
            return false;
        berth_strbuf_add(buf, piece, (size_t)got);
    }
    return true;
}

/* One request as "METHOD target body". */
static bool read_request(int fd, struct berth_strbuf *request)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf all = BERTH_STRBUF_INIT(REQUEST_BYTES);
    if (!read_more(fd, &all, "\r\n\r\n", 0))
        return false;
    size_t head_len = (size_t)(strstr(all.data, "\r\n\r\n") + 4 - all.data);
    const char *length = strstr(all.data, "Content-Length: ");
    size_t body_len = length ? strtoul(length + 16, NULL, 10) : 0;
    if (!read_more(fd, &all, NULL, head_len + body_len))
        return false;
    berth_strbuf_add(request, all.data,
                     strcspn(strchr(all.data, ' ') + 1, " ") +
                         (size_t)(strchr(all.data, ' ') + 1 - all.data));
    if (body_len > 0)
        berth_strbuf_addf(request, " %s", all.data + head_len);
    return true;
}

static const struct canned_rule *find_rule(struct canned_server *server, const char *request)
{
    static const struct canned_rule none = {.answer = "501 {\"message\":\"no rule\"}"};
    static const struct canned_rule ping = {.answer = "200 OK"};
    BERTH_LOCK_SCOPE(held, &server->lock);
    bool is_ping = strcmp(request, "GET /_ping") == 0;
    if (is_ping)
        server->pings++;
    else
        berth_strbuf_addf(&server->asked, "%s\n", request);
    for (size_t i = 0; server->rules[i].request; i++) {
        const struct canned_rule *rule = &server->rules[i];
        if (strncmp(request, rule->request, strlen(rule->request)) != 0)
            continue;
        if (rule->times == 0 || server->used[i]++ < rule->times)
            return rule;
    }
    return is_ping ? &ping : &none;
}

static bool drip(int fd, const char *body, int drip_ms)
{
    for (; *body; body++) {
        (void)poll(NULL, 0, drip_ms);
        if (!send_all(fd, body, 1))
            return false;
    }
    return true;
}

/* False when the connection is over. */
static bool answer(struct canned_server *server, int fd, const struct canned_rule *rule)
{
    if (!rule->answer[0])
        return true;
    char *body;
    unsigned long status = strtoul(rule->answer, &body, 10);
    if (*body++ != ' ' || status < 100) {
        (void)send_all(fd, rule->answer, strlen(rule->answer));
        return false;
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf head = BERTH_STRBUF_INIT(4096);
    berth_strbuf_addf(&head, "HTTP/1.1 %lu Whatever\r\n", status);
    {
        BERTH_LOCK_SCOPE(held, &server->lock);
        if (server->version)
            berth_strbuf_addf(&head, "Api-Version: %s\r\n", server->version);
    }
    if (status != 304 && status != 204)
        berth_strbuf_addf(&head, "Content-Length: %zu\r\n", strlen(body));
    berth_strbuf_adds(&head, "\r\n");
    if (!send_all(fd, head.data, head.len))
        return false;
    return rule->drip_ms ? drip(fd, body, rule->drip_ms) : send_all(fd, body, strlen(body));
}

static void *serve(void *ctx)
{
    const struct connection *connection = ctx;
    BERTH_CLEANUP(strbuf) struct berth_strbuf request = BERTH_STRBUF_INIT(REQUEST_BYTES);
    while (read_request(connection->fd, &request)) {
        const struct canned_rule *rule = find_rule(connection->server, berth_strbuf_str(&request));
        berth_strbuf_clear(&request);
        if (!answer(connection->server, connection->fd, rule))
            break;
    }
    (void)shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

/* ---- The socket ---- */

static void *accept_all(void *ctx)
{
    struct canned_server *server = ctx;
    int fd;
    while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        BERTH_LOCK_SCOPE(held, &server->lock);
        ck_assert_uint_lt(server->open_count, CONNECTIONS);
        struct connection *connection = &server->connections[server->open_count++];
        server->connection_count++;
        *connection = (struct connection){.server = server, .fd = fd};
        ck_assert_int_eq(pthread_create(&connection->thread, NULL, serve, connection), 0);
    }
    return NULL;
}

static void start(struct canned_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_uint_lt(strlen(server->socket_path), sizeof(address.sun_path));
    memcpy(address.sun_path, server->socket_path, strlen(server->socket_path));
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(server->listen_fd, 0);
    ck_assert_int_eq(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(server->listen_fd, CONNECTIONS), 0);
    ck_assert_int_eq(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
}

static void stop(struct canned_server *server)
{
    (void)shutdown(server->listen_fd, SHUT_RDWR);
    (void)pthread_join(server->acceptor, NULL);
    berth_fd_close(&server->listen_fd);
    for (size_t i = 0; i < server->open_count; i++) {
        (void)shutdown(server->connections[i].fd, SHUT_RDWR);
        (void)pthread_join(server->connections[i].thread, NULL);
        berth_fd_close(&server->connections[i].fd);
    }
    server->open_count = 0;
    (void)unlink(server->socket_path);
}

struct canned_server *canned_server_new(const struct canned_rule *rules, const char *version)
{
    struct canned_server *server = calloc(1, sizeof(*server));
    ck_assert_ptr_nonnull(server);
    server->rules = rules;
    server->version = version;
    berth_strbuf_init(&server->asked, 1U << 20);
    (void)pthread_mutex_init(&server->lock, NULL);
    server->socket_path = unit_scratch("socket");
    (void)snprintf(server->endpoint, sizeof(server->endpoint), "unix://%s", server->socket_path);
    start(server);
    return server;
}

void canned_server_free(struct canned_server *server)
{
    stop(server);
    free(server->socket_path);
    berth_strbuf_release(&server->asked);
    free(server->asked_copy);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *canned_server_endpoint(const struct canned_server *server)
{
    return server->endpoint;
}

void canned_server_restart(struct canned_server *server, const char *version)
{
    stop(server);
    server->version = version;
    start(server);
}

const char *canned_server_asked(struct canned_server *server)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    free(server->asked_copy);
    server->asked_copy = strdup(berth_strbuf_str(&server->asked));
    return server->asked_copy;
}

unsigned canned_server_pings(struct canned_server *server)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    return server->pings;
}

unsigned canned_server_connections(struct canned_server *server)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    return server->connection_count;
}
