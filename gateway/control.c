/* SPDX-License-Identifier: MIT */
#include "gateway/control.h"

#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SOCKET_NAME     "control.sock"
#define CONNECTIONS_MAX 16
#define LINE_MAX_BYTES  (2 * BERTH_COMMAND_TEXT_MAX)
#define IO_TIMEOUT_S    10 /* for a peer to send its line, or to take the answer */

struct berth_control {
    struct berth *berth;
    int listener;
    int wake; /* eventfd: end */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards busy and stopping */
    pthread_cond_t changed;
    unsigned busy; /* connections being served */
    bool stopping;
    struct sockaddr_un address;
};

static int make_address(const char *data_dir, struct sockaddr_un *ret_address,
                        struct berth_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_NAME, data_dir);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path))
        return berth_error_set(err, BERTH_E_INVALID, "data_dir %s is too long for its socket",
                               data_dir);
    *ret_address = address;
    return 0;
}

/* ---- Lines ---- */

static void set_timeouts(int fd)
{
    const struct timeval timeout = {.tv_sec = IO_TIMEOUT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

struct reader {
    int fd;
    struct berth_strbuf line; /* what came: a line, and what follows it */
    size_t next;              /* where in line the next one begins */
};

static void reader_release(struct reader *reader)
{
    if (reader->line.data)
        explicit_bzero(reader->line.data, reader->line.len); /* there may be a password in it */
    berth_strbuf_release(&reader->line);
}

BERTH_DEFINE_CLEANUP_VALUE(reader, struct reader, reader_release)

/* Reads up to the newline, which is left out. The line is valid until the next call. */
static int read_line(struct reader *reader, const char **ret_line, size_t *ret_len,
                     struct berth_error *err)
{
    struct berth_strbuf *line = &reader->line;
    char chunk[16384];
    size_t searched = 0;
    if (reader->next > 0) {
        memmove(line->data, line->data + reader->next, line->len - reader->next);
        berth_strbuf_truncate(line, line->len - reader->next);
        reader->next = 0;
    }
    for (;;) {
        const char *newline =
            line->len > searched ? memchr(line->data + searched, '\n', line->len - searched) : NULL;
        if (newline) {
            *ret_line = line->data;
            *ret_len = (size_t)(newline - line->data);
            line->data[*ret_len] = '\0';
            reader->next = *ret_len + 1;
            return 0;
        }
        searched = line->len;
        ssize_t len = recv(reader->fd, chunk, sizeof(chunk), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return berth_error_set(err, BERTH_E_IO, "the connection ended within a line");
        berth_strbuf_add(line, chunk, (size_t)len);
        explicit_bzero(chunk, sizeof(chunk));
        if (line->failed)
            return berth_strbuf_check(line, err);
    }
}

static int write_all(int fd, const char *data, size_t len, struct berth_error *err)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "the connection broke");
        data += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* ---- The gateway's side ---- */

static bool is_allowed(int fd, struct ucred *peer)
{
    socklen_t len = sizeof(*peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) == 0 &&
           (peer->uid == 0 || peer->uid == geteuid());
}

/* Ends with the newline. */
static int write_json(int fd, struct berth_strbuf *line, struct berth_error *err)
{
    berth_strbuf_addc(line, '\n');
    int r = berth_strbuf_check(line, err);
    return r == 0 ? write_all(fd, line->data, line->len, err) : r;
}

static void write_result(int fd, int result, const struct berth_strbuf *text,
                         const struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(LINE_MAX_BYTES);
    struct berth_json_writer w = BERTH_JSON_WRITER(&line);
    berth_json_open_object(&w, NULL);
    berth_json_add_int(&w, "status", result);
    if (result == 0)
        berth_json_add_string(&w, "output", berth_strbuf_str(text));
    else
        berth_json_add_string(&w, "error", err->message);
    berth_json_close_object(&w);
    (void)write_json(fd, &line, NULL);
}

static int write_text(struct berth_command_output *output, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(LINE_MAX_BYTES);
    struct berth_json_writer w = BERTH_JSON_WRITER(&line);
    berth_json_open_object(&w, NULL);
    berth_json_add_stringn(&w, "output", berth_strbuf_str(&output->text), output->text.len);
    berth_json_close_object(&w);
    berth_strbuf_clear(&output->text);
    return write_json(*(const int *)output->ctx, &line, err);
}

static void serve(struct berth_control *control, int fd)
{
    struct ucred peer;
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_caller by = {.user = "", .address = "control socket"};
    BERTH_CLEANUP(reader)
    struct reader reader = {.fd = fd, .line = BERTH_STRBUF_INIT(BERTH_CONTROL_REQUEST_MAX)};
    BERTH_CLEANUP(command_output)
    struct berth_command_output output = BERTH_COMMAND_OUTPUT_INIT(write_text, &fd);
    BERTH_CLEANUP(json) cJSON *request = NULL;
    const char *line = NULL;
    size_t len = 0;
    set_timeouts(fd);
    if (!is_allowed(fd, &peer)) {
        (void)berth_error_set(&err, BERTH_E_FORBIDDEN,
                              "the control socket is for root and the gateway's own user");
        write_result(fd, err.status, &output.text, &err);
        return;
    }
    int r = read_line(&reader, &line, &len, &err);
    if (r == 0)
        r = berth_json_parse(line, len, &request, &err);
    if (r == 0)
        r = berth_command_run(control->berth, &by, request, &output, &err);
    if (r == 0)
        r = berth_strbuf_check(&output.text, &err);
    write_result(fd, r, &output.text, &err);
}

struct connection {
    struct berth_control *control;
    int fd;
};

static void *connection_run(void *ctx)
{
    struct connection connection = *(struct connection *)ctx;
    free(ctx);
    serve(connection.control, connection.fd);
    berth_fd_close(&connection.fd);
    struct berth_control *control = connection.control;
    BERTH_LOCK_SCOPE(lock, &control->lock);
    control->busy--;
    (void)pthread_cond_broadcast(&control->changed);
    return NULL;
}

/* Hands the connection to a thread of its own; where there is none to be had, it is closed. */
static void start_connection(struct berth_control *control, int fd)
{
    pthread_t thread;
    struct connection *connection = malloc(sizeof(*connection));
    bool started = false;
    if (connection) {
        BERTH_LOCK_SCOPE(lock, &control->lock);
        *connection = (struct connection){control, fd};
        started = berth_thread_start(&thread, "control", connection_run, connection, NULL) == 0;
        control->busy += started;
    }
    if (started) {
        (void)pthread_detach(thread);
        return;
    }
    free(connection);
    berth_fd_close(&fd);
}

/* Those that come while all are busy wait in the socket's queue. False: all is to end. */
static bool wait_for_place(struct berth_control *control)
{
    BERTH_LOCK_SCOPE(lock, &control->lock);
    while (control->busy >= CONNECTIONS_MAX && !control->stopping)
        (void)pthread_cond_wait(&control->changed, &control->lock);
    return !control->stopping;
}

static void *accept_run(void *ctx)
{
    struct berth_control *control = ctx;
    struct pollfd fds[2] = {
        {.fd = control->listener, .events = POLLIN},
        {.fd = control->wake, .events = POLLIN},
    };
    while (wait_for_place(control)) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start_connection(control, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            (void)poll(&fds[1], 1, 100); /* it is still there: no turning round for nothing */
    }
    return NULL;
}

static int listen_on(struct berth_control *control, struct berth_error *err)
{
    const char *path = control->address.sun_path;
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    control->wake = eventfd(0, EFD_CLOEXEC);
    if (control->listener < 0 || control->wake < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the control socket: %m");
    /* The store's lock says that no other gateway lives here: what is there is left over. */
    (void)unlink(path);
    if (fchmod(control->listener, 0600) < 0 ||
        bind(control->listener, (const struct sockaddr *)&control->address,
             sizeof(control->address)) < 0 ||
        chmod(path, 0600) < 0 || listen(control->listener, 64) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s: %m", path);
    return 0;
}

int berth_control_open(struct berth *berth, struct berth_control **ret_control,
                       struct berth_error *err)
{
    BERTH_CLEANUP(control) struct berth_control *control = calloc(1, sizeof(*control));
    if (!control)
        return berth_error_nomem(err);
    control->berth = berth;
    control->listener = -1;
    control->wake = -1;
    (void)pthread_mutex_init(&control->lock, NULL);
    berth_cond_init(&control->changed);
    int r = make_address(berth->view->config->data_dir, &control->address, err);
    if (r == 0)
        r = listen_on(control, err);
    if (r == 0)
        r = berth_thread_start(&control->thread, "control", accept_run, control, err);
    if (r < 0)
        return r;
    control->running = true;
    *ret_control = berth_steal(&control);
    return 0;
}

void berth_control_close(struct berth_control *control)
{
    if (!control)
        return;
    if (control->running) {
        (void)pthread_mutex_lock(&control->lock);
        control->stopping = true;
        (void)pthread_cond_broadcast(&control->changed);
        (void)pthread_mutex_unlock(&control->lock);
        (void)eventfd_write(control->wake, 1);
        (void)pthread_join(control->thread, NULL);
        (void)unlink(control->address.sun_path);
    }
    (void)pthread_mutex_lock(&control->lock);
    while (control->busy > 0)
        (void)pthread_cond_wait(&control->changed, &control->lock);
    (void)pthread_mutex_unlock(&control->lock);
    berth_fd_close(&control->listener);
    berth_fd_close(&control->wake);
    (void)pthread_cond_destroy(&control->changed);
    (void)pthread_mutex_destroy(&control->lock);
    free(control);
}

/* ---- The command line's side ---- */

/* One line of the answer. *ret_last: it was the last. */
static int take_line(const char *line, size_t len, struct berth_command_output *output,
                     bool *ret_last, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *result = NULL;
    int r = berth_json_parse(line, len, &result, err);
    if (r < 0)
        return r;
    *ret_last = berth_json_get(result, "status") || !berth_json_get(result, "output");
    int64_t status = *ret_last ? berth_json_int(result, "status", BERTH_E_INTERNAL) : 0;
    if (status < 0)
        return berth_error_set(err, (enum berth_status)status, "%s",
                               berth_json_string(result, "error", "the gateway gave no reason"));
    berth_strbuf_adds(&output->text, berth_json_string(result, "output", ""));
    return *ret_last ? berth_strbuf_check(&output->text, err) : berth_command_drain(output, err);
}

int berth_control_connect(const char *data_dir, int *ret_fd, struct berth_error *err)
{
    struct sockaddr_un address;
    int r = make_address(data_dir, &address, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the control socket: %m");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return berth_error_set_errno(err, errno == EACCES ? BERTH_E_FORBIDDEN : BERTH_E_UNREACHABLE,
                                     errno, "%s: %m", address.sun_path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int berth_control_ask(int fd, const cJSON *request, struct berth_command_output *output,
                      struct berth_error *err)
{
    BERTH_CLEANUP(free) char *text = cJSON_PrintUnformatted(request);
    if (!text)
        return berth_error_nomem(err);
    BERTH_CLEANUP(reader)
    struct reader reader = {.fd = fd, .line = BERTH_STRBUF_INIT(LINE_MAX_BYTES)};
    int written = write_all(fd, text, strlen(text), err);
    explicit_bzero(text, strlen(text));
    if (written == 0)
        written = write_all(fd, "\n", 1, err);
    bool last = false;
    const char *line = NULL;
    size_t len = 0;
    int r = 0;
    while (r == 0 && !last) {
        /* One who is refused is answered before its request is read. */
        r = read_line(&reader, &line, &len, written == 0 ? err : NULL);
        if (r < 0)
            return written < 0 ? written : r;
        r = take_line(line, len, output, &last, err);
    }
    return r;
}
