/* SPDX-License-Identifier: MIT */
#include "tests/unit/engine_server.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECTIONS 256
#define CONTAINERS  256
#define REQUESTS    4096
#define WAIT_MS     30000

struct connection {
    int fd; /* -1: free */
    char head[16384];
    size_t len;
    char target[4096];
    bool is_stream;
    int64_t answer_at_ms; /* 0: nothing to answer */
};

struct container {
    char id[80];
    char name[80];
    char facility[40];
    char state[20];
    char image[80];
};

struct engine_server {
    char *socket_path;
    char endpoint[128];
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool stop;
    bool frozen;
    int listen_fd;
    int delay_ms;
    unsigned most_at_once;
    char *images;
    char answer_target[128];
    char held_target[128]; /* "": none */
    char *answer;
    struct container containers[CONTAINERS];
    size_t container_count;
    char *requests[REQUESTS];
    size_t request_count;
    struct connection connections[CONNECTIONS];
};

/* ---- Answers, under the lock ---- */

static void send_all(struct connection *connection, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(connection->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        data += sent;
        len -= (size_t)sent;
    }
}

static void answer(struct connection *connection, int status, const char *body)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64U << 20);
    berth_strbuf_addf(&text,
                      "HTTP/1.1 %d Whatever\r\nApi-Version: 1.41\r\n"
                      "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                      status, strlen(body), body);
    send_all(connection, berth_strbuf_str(&text), text.len);
}

static void add_entry(struct berth_strbuf *out, const struct container *container)
{
    berth_strbuf_addf(out,
                      "{\"Id\":\"%s\",\"Names\":[\"/"
                      "%s\"],\"Image\":\"%s\",\"ImageID\":\"sha256:0123456789abcdef\","
                      "\"Command\":\"sleep\",\"Created\":1700000000,\"State\":\"%s\",\"Ports\":[],"
                      "\"Mounts\":[],\"NetworkSettings\":{\"Networks\":{}},\"Labels\":{",
                      container->id, container->name, container->image, container->state);
    if (container->facility[0])
        berth_strbuf_addf(out, "\"berth.facility\":\"%s\",\"berth.app\":\"%s\"",
                          container->facility, container->name);
    berth_strbuf_adds(out, "}}");
}

static void add_inspect(struct berth_strbuf *out, const struct container *container)
{
    berth_strbuf_addf(
        out,
        "{\"Id\":\"%s\",\"Name\":\"/%s\",\"Created\":\"2023-11-14T22:13:20.5Z\","
        "\"Image\":\"sha256:0123456789abcdef\",\"State\":{\"Status\":\"%s\",\"StartedAt\":\"2023-"
        "11-14T22:13:"
        "21Z\","
        "\"FinishedAt\":\"0001-01-01T00:00:00Z\",\"ExitCode\":0},\"Config\":{\"Labels\":{",
        container->id, container->name, container->state);
    if (container->facility[0])
        berth_strbuf_addf(out, "\"berth.facility\":\"%s\",\"berth.app\":\"%s\"",
                          container->facility, container->name);
    berth_strbuf_adds(out, "}}}");
}

static void answer_list(struct engine_server *server, struct connection *connection)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(64U << 20);
    bool filtered = strstr(connection->target, "%22id%22");
    berth_strbuf_addc(&body, '[');
    for (size_t i = 0; i < server->container_count; i++) {
        if (filtered && !strstr(connection->target, server->containers[i].id))
            continue;
        if (body.len > 1)
            berth_strbuf_addc(&body, ',');
        add_entry(&body, &server->containers[i]);
    }
    berth_strbuf_addc(&body, ']');
    answer(connection, 200, berth_strbuf_str(&body));
}

static void answer_inspect(struct engine_server *server, struct connection *connection)
{
    for (size_t i = 0; i < server->container_count; i++) {
        if (!strstr(connection->target, server->containers[i].id))
            continue;
        BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(65536);
        add_inspect(&body, &server->containers[i]);
        answer(connection, 200, berth_strbuf_str(&body));
        return;
    }
    answer(connection, 404, "{\"message\":\"No such container\"}");
}

static void answer_request(struct engine_server *server, struct connection *connection)
{
    static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n";
    const char *target = connection->target;
    connection->answer_at_ms = 0;
    if (server->answer && strstr(target, server->answer_target)) {
        if (!server->answer[0])
            return;
        send_all(connection, server->answer, strlen(server->answer));
        if (!strstr(server->answer, "Content-Length") && !strstr(server->answer, "chunked"))
            berth_fd_close(&connection->fd);
        connection->is_stream = strstr(server->answer, "chunked");
    } else if (strcmp(target, "/_ping") == 0) {
        answer(connection, 200, "OK");
    } else if (strstr(target, "/events") || strstr(target, "/stats")) {
        connection->is_stream = true;
        send_all(connection, stream_head, sizeof(stream_head) - 1);
    } else if (strstr(target, "/images/json")) {
        answer(connection, 200, server->images);
    } else if (strstr(target, "/containers/json")) {
        answer_list(server, connection);
    } else {
        answer_inspect(server, connection);
    }
}

/* ---- The thread ---- */

static void take_request(struct engine_server *server, struct connection *connection)
{
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end)
        return;
    char *target = strchr(connection->head, ' ');
    size_t len = target ? strcspn(target + 1, " ") : 0;
    ck_assert(target && len < sizeof(connection->target));
    memcpy(connection->target, target + 1, len);
    connection->target[len] = '\0';
    connection->len = 0;
    connection->head[0] = '\0';
    ck_assert_uint_lt(server->request_count, REQUESTS);
    server->requests[server->request_count++] = strdup(connection->target);
    bool slow = server->delay_ms > 0 && !strstr(connection->target, "_ping");
    connection->answer_at_ms = berth_clock_monotonic_ms() + (slow ? server->delay_ms : 0);
    unsigned at_once = 0;
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (server->connections[i].fd >= 0 && server->connections[i].answer_at_ms)
            at_once++;
    if (at_once > server->most_at_once)
        server->most_at_once = at_once;
}

static void read_connection(struct engine_server *server, struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->head + connection->len,
                       sizeof(connection->head) - 1 - connection->len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        berth_fd_close(&connection->fd);
        return;
    }
    connection->len += (size_t)got;
    connection->head[connection->len] = '\0';
    take_request(server, connection);
}

static void accept_connection(struct engine_server *server)
{
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
        if (server->connections[i].fd >= 0)
            continue;
        memset(&server->connections[i], 0, sizeof(server->connections[i]));
        server->connections[i].fd = fd;
        return;
    }
    ck_assert_msg(fd < 0, "too many connections");
}

static bool is_held(const struct engine_server *server, const struct connection *connection)
{
    return server->held_target[0] && strstr(connection->target, server->held_target);
}

static int answer_due(struct engine_server *server)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    int64_t next_ms = -1;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server->connections[i];
        if (connection->fd < 0 || !connection->answer_at_ms || is_held(server, connection))
            continue;
        if (connection->answer_at_ms <= now_ms)
            answer_request(server, connection);
        else if (next_ms < 0 || connection->answer_at_ms - now_ms < next_ms)
            next_ms = connection->answer_at_ms - now_ms;
    }
    return (int)next_ms;
}

static size_t fill_polled(struct engine_server *server, struct pollfd *polled)
{
    size_t count = 0;
    polled[count++] = (struct pollfd){.fd = server->wake_fd, .events = POLLIN};
    if (server->frozen)
        return count;
    polled[count++] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (server->connections[i].fd >= 0)
            polled[count++] = (struct pollfd){.fd = server->connections[i].fd, .events = POLLIN};
    return count;
}

static void serve(struct engine_server *server, const struct pollfd *polled, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!polled[i].revents)
            continue;
        if (polled[i].fd == server->wake_fd) {
            uint64_t woken;
            (void)!read(server->wake_fd, &woken, sizeof(woken));
        } else if (polled[i].fd == server->listen_fd) {
            accept_connection(server);
        } else {
            for (size_t k = 0; k < CONNECTIONS; k++)
                if (server->connections[k].fd == polled[i].fd)
                    read_connection(server, &server->connections[k]);
        }
    }
}

static void *run(void *ctx)
{
    struct engine_server *server = ctx;
    static _Thread_local struct pollfd polled[CONNECTIONS + 2];
    pthread_mutex_lock(&server->lock);
    while (!server->stop) {
        int timeout_ms = server->frozen ? -1 : answer_due(server);
        pthread_cond_broadcast(&server->changed);
        size_t count = fill_polled(server, polled);
        pthread_mutex_unlock(&server->lock);
        (void)poll(polled, count, timeout_ms);
        pthread_mutex_lock(&server->lock);
        if (!server->frozen)
            serve(server, polled, count);
        else if (polled[0].revents)
            (void)!read(server->wake_fd, &(uint64_t){0}, sizeof(uint64_t));
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void wake(struct engine_server *server)
{
    (void)!write(server->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* ---- Life ---- */

static void start_listening(struct engine_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_uint_lt(strlen(server->socket_path), sizeof(address.sun_path));
    memcpy(address.sun_path, server->socket_path, strlen(server->socket_path));
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(server->listen_fd, 128), 0);
}

static void stop_listening(struct engine_server *server)
{
    berth_fd_close(&server->listen_fd);
    (void)unlink(server->socket_path);
    for (size_t i = 0; i < CONNECTIONS; i++)
        berth_fd_close(&server->connections[i].fd);
}

struct engine_server *engine_server_new(void)
{
    struct engine_server *server = calloc(1, sizeof(*server));
    ck_assert_ptr_nonnull(server);
    server->socket_path = unit_scratch("engine.sock");
    (void)snprintf(server->endpoint, sizeof(server->endpoint), "unix://%s", server->socket_path);
    server->images = strdup("[]");
    for (size_t i = 0; i < CONNECTIONS; i++)
        server->connections[i].fd = -1;
    pthread_mutex_init(&server->lock, NULL);
    berth_cond_init(&server->changed);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    start_listening(server);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, run, server), 0);
    return server;
}

void engine_server_free(struct engine_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stop = true;
    pthread_mutex_unlock(&server->lock);
    wake(server);
    pthread_join(server->thread, NULL);
    stop_listening(server);
    for (size_t i = 0; i < server->request_count; i++)
        free(server->requests[i]);
    free(server->socket_path);
    free(server->images);
    free(server->answer);
    berth_fd_close(&server->wake_fd);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *engine_server_endpoint(const struct engine_server *server)
{
    return server->endpoint;
}

void engine_server_stop(struct engine_server *server)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    stop_listening(server);
    wake(server);
}

void engine_server_start(struct engine_server *server)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    start_listening(server);
    wake(server);
}

void engine_server_freeze(struct engine_server *server, bool frozen)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    server->frozen = frozen;
    wake(server);
}

/* ---- What is there ---- */

static struct container *find(struct engine_server *server, const char *id)
{
    for (size_t i = 0; i < server->container_count; i++)
        if (strcmp(server->containers[i].id, id) == 0)
            return &server->containers[i];
    return NULL;
}

void engine_server_put(struct engine_server *server, const char *id, const char *name,
                       const char *facility, const char *state)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    struct container *container = find(server, id);
    if (!container) {
        ck_assert_uint_lt(server->container_count, CONTAINERS);
        container = &server->containers[server->container_count++];
        (void)snprintf(container->image, sizeof(container->image), "httpd");
    }
    (void)snprintf(container->id, sizeof(container->id), "%s", id);
    (void)snprintf(container->name, sizeof(container->name), "%s", name);
    (void)snprintf(container->facility, sizeof(container->facility), "%s",
                   facility ? facility : "");
    (void)snprintf(container->state, sizeof(container->state), "%s", state);
}

void engine_server_put_image(struct engine_server *server, const char *id, const char *image)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    struct container *container = find(server, id);
    (void)snprintf(container->image, sizeof(container->image), "%s", image);
}

void engine_server_remove(struct engine_server *server, const char *id)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    struct container *container = find(server, id);
    *container = server->containers[--server->container_count];
}

void engine_server_images(struct engine_server *server, const char *json)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    free(server->images);
    server->images = strdup(json);
}

void engine_server_answer(struct engine_server *server, const char *target, const char *raw)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    free(server->answer);
    server->answer = raw ? strdup(raw) : NULL;
    (void)snprintf(server->answer_target, sizeof(server->answer_target), "%s", target);
}

void engine_server_hold(struct engine_server *server, const char *target)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    (void)snprintf(server->held_target, sizeof(server->held_target), "%s", target ? target : "");
    wake(server);
}

void engine_server_delay(struct engine_server *server, int delay_ms)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    server->delay_ms = delay_ms;
}

unsigned engine_server_most_at_once(struct engine_server *server)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    return server->most_at_once;
}

/* ---- Streams ---- */

static bool is_stream_of(const struct connection *connection, const char *target)
{
    return connection->fd >= 0 && connection->is_stream && strstr(connection->target, target);
}

void engine_server_chunk(struct engine_server *server, const char *target, const char *data,
                         size_t len)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    char head[32];
    int head_len = snprintf(head, sizeof(head), "%zx\r\n", len);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server->connections[i];
        if (!is_stream_of(connection, target))
            continue;
        send_all(connection, head, (size_t)head_len);
        send_all(connection, data, len);
        send_all(connection, "\r\n", 2);
    }
}

void engine_server_end(struct engine_server *server, const char *target, bool whole)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server->connections[i];
        if (!is_stream_of(connection, target))
            continue;
        if (whole)
            send_all(connection, "0\r\n\r\n", 5);
        connection->is_stream = false;
        if (!whole)
            berth_fd_close(&connection->fd);
    }
    wake(server);
}

/* ---- Waiting ---- */

static unsigned count_asked(struct engine_server *server, const char *target)
{
    unsigned count = 0;
    for (size_t i = 0; i < server->request_count; i++)
        if (strstr(server->requests[i], target))
            count++;
    return count;
}

static unsigned count_streams(struct engine_server *server, const char *target)
{
    unsigned count = 0;
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (is_stream_of(&server->connections[i], target))
            count++;
    return count;
}

unsigned engine_server_asked(struct engine_server *server, const char *target)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    return count_asked(server, target);
}

unsigned engine_server_streams(struct engine_server *server, const char *target)
{
    BERTH_LOCK_SCOPE(held, &server->lock);
    return count_streams(server, target);
}

bool engine_server_wait_asked(struct engine_server *server, const char *target, unsigned count)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    BERTH_LOCK_SCOPE(held, &server->lock);
    while (count_asked(server, target) < count)
        if (!berth_cond_wait_until(&server->changed, &server->lock, deadline_ms))
            return false;
    return true;
}

bool engine_server_wait_streams(struct engine_server *server, const char *target, unsigned count)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    BERTH_LOCK_SCOPE(held, &server->lock);
    while (count_streams(server, target) != count)
        if (!berth_cond_wait_until(&server->changed, &server->lock, deadline_ms))
            return false;
    return true;
}
