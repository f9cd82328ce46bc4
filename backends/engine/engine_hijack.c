/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_hijack.h"

#include "backends/engine/engine_internal.h"
#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX     16384
#define REQUEST_MAX  (1U << 20)
#define BODY_MAX     65536 /* of a refusal */
#define HEAD_BEGIN   "HTTP/1.1 "
#define END_OF_LINE  "\r\n"
#define END_OF_LINES "\r\n\r\n"

struct berth_engine_hijack {
    struct berth_engine *engine;
    CURL *easy;
    int fd;
    bool is_plain; /* no TLS, which may hold more than the socket shows */
    bool is_dry;   /* what was read last was all there was */
};

/* ---- The head ---- */

/* The value of a line "name: value" that ends at end, or NULL. */
static const char *value_of(const char *line, const char *end, const char *name)
{
    size_t len = strlen(name);
    if ((size_t)(end - line) <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    line += len + 1;
    return line + strspn(line, " \t");
}

static int refuse_head(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_INVALID, "the head of the answer is garbled");
}

int berth_engine_head_parse(const char *text, size_t len, long *ret_status, int64_t *ret_body_len,
                            struct berth_error *err)
{
    const size_t begin = strlen(HEAD_BEGIN);
    char head[HEAD_MAX + 1];
    int64_t body_len = -1;
    int64_t status = 0;
    if (len > HEAD_MAX || len < begin + 3 || memchr(text, '\0', len) ||
        strncmp(text, HEAD_BEGIN, begin) != 0)
        return refuse_head(err);
    memcpy(head, text, len);
    head[len] = '\0';
    char *line = strstr(head, END_OF_LINE);
    if (!line || (head[begin + 3] != ' ' && head[begin + 3] != '\r'))
        return refuse_head(err);
    head[begin + 3] = '\0';
    if (berth_text_parse_int(head + begin, 100, 999, &status, NULL) < 0)
        return refuse_head(err);
    for (line += 2; *line && *line != '\r';) {
        char *end = strstr(line, END_OF_LINE);
        if (!end)
            return refuse_head(err);
        *end = '\0';
        const char *value = value_of(line, end, "Content-Length");
        if (value && berth_text_parse_int(value, 0, INT64_MAX, &body_len, NULL) < 0)
            return refuse_head(err);
        line = end + 2;
    }
    *ret_status = (long)status;
    *ret_body_len = body_len;
    return 0;
}

/* ---- Bytes ---- */

static int broken(const struct berth_engine_hijack *hijack, CURLcode code, struct berth_error *err)
{
    return berth_engine_failure(hijack->engine, code, NULL, err);
}

int berth_engine_hijack_fd(const struct berth_engine_hijack *hijack)
{
    return hijack->fd;
}

int berth_engine_hijack_read(struct berth_engine_hijack *hijack, char *data, size_t size,
                             size_t *ret_len, bool *ret_has_ended, struct berth_error *err)
{
    size_t len = 0;
    if (hijack->is_dry) { /* saves a call for each few bytes */
        hijack->is_dry = false;
        *ret_len = 0;
        *ret_has_ended = false;
        return 0;
    }
    CURLcode code = curl_easy_recv(hijack->easy, data, size, &len);
    if (code != CURLE_OK && code != CURLE_AGAIN)
        return broken(hijack, code, err);
    *ret_len = len;
    *ret_has_ended = code == CURLE_OK && len == 0;
    hijack->is_dry = hijack->is_plain && len > 0 && len < size;
    return 0;
}

int berth_engine_hijack_write(struct berth_engine_hijack *hijack, const char *data, size_t len,
                              size_t *ret_written, struct berth_error *err)
{
    size_t written = 0;
    CURLcode code = curl_easy_send(hijack->easy, data, len, &written);
    if (code != CURLE_OK && code != CURLE_AGAIN)
        return broken(hijack, code, err);
    *ret_written = code == CURLE_OK ? written : 0;
    return 0;
}

static int await(struct berth_engine_hijack *hijack, short events, int64_t deadline_ms,
                 struct berth_error *err)
{
    struct pollfd poll_fd = {.fd = hijack->fd, .events = events};
    for (;;) {
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms < 0)
            left_ms = 0; /* what has come by then has */
        if (poll(&poll_fd, 1, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX) > 0)
            return 0;
        if (left_ms == 0)
            return berth_engine_silence(hijack->engine, hijack->engine->request_timeout_ms, err);
    }
}

int berth_engine_hijack_await(struct berth_engine_hijack *hijack, int64_t deadline_ms,
                              struct berth_error *err)
{
    return await(hijack, POLLIN, deadline_ms, err);
}

static int write_all(struct berth_engine_hijack *hijack, const struct berth_strbuf *text,
                     int64_t deadline_ms, struct berth_error *err)
{
    size_t sent = 0;
    while (sent < text->len) {
        size_t written = 0;
        int rc =
            berth_engine_hijack_write(hijack, text->data + sent, text->len - sent, &written, err);
        sent += written;
        if (rc == 0 && written == 0)
            rc = await(hijack, POLLOUT, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Appends what comes until the text ends so, or is `most` bytes long. One byte at a time: what
 * follows belongs to the stream. */
static int read_until(struct berth_engine_hijack *hijack, const char *ending, size_t most,
                      int64_t deadline_ms, struct berth_strbuf *text, struct berth_error *err)
{
    size_t ending_len = strlen(ending);
    while (text->len < most &&
           (ending_len == 0 || text->len < ending_len ||
            memcmp(text->data + text->len - ending_len, ending, ending_len) != 0)) {
        char byte;
        size_t len = 0;
        bool has_ended = false;
        int rc = berth_engine_hijack_read(hijack, &byte, 1, &len, &has_ended, err);
        if (rc == 0 && has_ended)
            rc = broken(hijack, CURLE_GOT_NOTHING, err);
        if (rc == 0 && len == 0)
            rc = berth_engine_hijack_await(hijack, deadline_ms, err);
        if (rc < 0)
            return rc;
        berth_strbuf_add(text, &byte, len);
        if (text->failed)
            return berth_strbuf_check(text, err);
    }
    return 0;
}

/* ---- Opening ---- */

static int send_request(struct berth_engine_hijack *hijack, const char *path, const char *body,
                        int64_t deadline_ms, struct berth_error *err)
{
    struct berth_engine *engine = hijack->engine;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(REQUEST_MAX);
    int minor;
    {
        BERTH_LOCK_SCOPE(held, &engine->lock);
        minor = engine->api_minor;
    }
    berth_strbuf_addf(&text,
                      "POST /v1.%d%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                      "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: %zu\r\n\r\n%s",
                      minor, path, strstr(engine->endpoint.base_url, "://") + 3, strlen(body),
                      body);
    int rc = berth_strbuf_check(&text, err);
    return rc < 0 ? rc : write_all(hijack, &text, deadline_ms, err);
}

static int read_refusal(struct berth_engine_hijack *hijack, long status, int64_t body_len,
                        int64_t deadline_ms, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BODY_MAX);
    size_t most = body_len < 0 || body_len > BODY_MAX ? 0 : (size_t)body_len;
    int rc = read_until(hijack, "", most, deadline_ms, &body, err);
    return rc < 0 ? rc
                  : berth_engine_refusal(hijack->engine, status, berth_strbuf_str(&body), body.len,
                                         err);
}

static int read_head(struct berth_engine_hijack *hijack, int64_t deadline_ms,
                     struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf head = BERTH_STRBUF_INIT(HEAD_MAX);
    long status = 0;
    int64_t body_len = 0;
    int rc = read_until(hijack, END_OF_LINES, HEAD_MAX, deadline_ms, &head, err);
    if (rc < 0)
        return rc;
    if (berth_engine_head_parse(head.data, head.len, &status, &body_len, NULL) < 0)
        return berth_engine_stranger(hijack->engine, err);
    return status == 101 || status == 200
               ? 0
               : read_refusal(hijack, status, body_len, deadline_ms, err);
}

static int connect_to(struct berth_engine_hijack *hijack, const char *path, struct berth_error *err)
{
    char text[CURL_ERROR_SIZE] = "";
    curl_socket_t fd = CURL_SOCKET_BAD;
    hijack->easy = curl_easy_init();
    if (!hijack->easy)
        return berth_error_nomem(err);
    int rc = berth_engine_prepare(hijack->engine, hijack->easy, path, err);
    if (rc < 0)
        return rc;
    if (curl_easy_setopt(hijack->easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
        curl_easy_setopt(hijack->easy, CURLOPT_ERRORBUFFER, text) != CURLE_OK)
        return berth_error_nomem(err);
    CURLcode code = curl_easy_perform(hijack->easy);
    (void)curl_easy_setopt(hijack->easy, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(hijack->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code != CURLE_OK)
        return berth_engine_failure(hijack->engine, code, text, err);
    hijack->fd = fd;
    hijack->is_plain = strncmp(hijack->engine->endpoint.base_url, "http:", 5) == 0;
    return 0;
}

int berth_engine_hijack_open(struct berth_engine *engine, const char *path, const char *body,
                             struct berth_engine_hijack **ret_hijack, struct berth_error *err)
{
    BERTH_CLEANUP(engine_hijack) struct berth_engine_hijack *hijack = calloc(1, sizeof(*hijack));
    if (!hijack)
        return berth_error_nomem(err);
    *hijack = (struct berth_engine_hijack){.engine = engine, .fd = -1};
    int64_t deadline_ms = berth_clock_monotonic_ms() + engine->request_timeout_ms;
    int rc = connect_to(hijack, path, err);
    if (rc == 0)
        rc = send_request(hijack, path, body, deadline_ms, err);
    if (rc == 0)
        rc = read_head(hijack, deadline_ms, err);
    if (rc == 0)
        *ret_hijack = berth_steal(&hijack);
    return rc;
}

void berth_engine_hijack_close(struct berth_engine_hijack *hijack)
{
    if (!hijack)
        return;
    if (hijack->easy)
        curl_easy_cleanup(hijack->easy);
    free(hijack);
}
