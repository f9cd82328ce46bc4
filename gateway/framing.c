/* SPDX-License-Identifier: MIT */
#include "gateway/framing.h"

#include "base/clock.h"
#include "base/text.h"
#include "gateway/chunks.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* How long a client may go on sending what is not read. */
#define LINGER_MS 2000

#define PIECE 4096 /* of a body in chunks */

/* ---- Headers ---- */

static size_t count_header(const struct mg_request_info *info, const char *name)
{
    size_t count = 0;
    for (int i = 0; i < info->num_headers; i++)
        count += strcasecmp(info->http_headers[i].name, name) == 0;
    return count;
}

static bool is_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool is_version(const struct mg_request_info *info, const char *version)
{
    return info->http_version && strcmp(info->http_version, version) == 0;
}

int berth_framing_refuse_chunks(struct berth_exchange *exchange, struct berth_error *err)
{
    exchange->error_status = 411;
    exchange->must_close = true;
    return berth_error_set(err, BERTH_E_INVALID, "a body must come with its Content-Length");
}

/* RFC 9112 sections 3.2, 6.1 and 6.3. civetweb takes the first of several and the number that
 * Content-Length begins with. */
static int check_headers(struct berth_exchange *exchange, struct berth_error *err)
{
    static const char *const single[] = {"Host", "Content-Length", "Transfer-Encoding",
                                         "Authorization"};
    const struct mg_request_info *info = mg_get_request_info(exchange->connection);
    const char *length = berth_exchange_request_header(exchange, "Content-Length");
    bool is_coded = berth_exchange_request_header(exchange, "Transfer-Encoding") != NULL;
    if (info->num_headers >= MG_MAX_HEADERS) { /* it drops those past its bound */
        exchange->error_status = 431;
        return berth_error_set(err, BERTH_E_TOO_LARGE, "the request has more than %d headers",
                               MG_MAX_HEADERS - 1);
    }
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (count_header(info, single[i]) > 1)
            return berth_error_set(err, BERTH_E_INVALID, "the header %s is given twice", single[i]);
    if (length && !is_digits(length))
        return berth_error_set(err, BERTH_E_INVALID, "Content-Length must be a number");
    if (length && is_coded)
        return berth_error_set(err, BERTH_E_INVALID,
                               "Content-Length and Transfer-Encoding exclude each other");
    if (is_version(info, "1.1") && !berth_exchange_request_header(exchange, "Host"))
        return berth_error_set(err, BERTH_E_INVALID, "the header Host is missing");
    exchange->has_chunks = is_coded;
    if (is_coded && (!berth_chunks_is(exchange) || !is_version(info, "1.1")))
        return berth_framing_refuse_chunks(exchange, err);
    return 0;
}

/* ---- Bodies ---- */

static int refuse_late(const struct berth_exchange *exchange, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_INVALID, "the body did not arrive within %" PRId64 " s",
                           exchange->config->request_timeout_ms / 1000);
}

/* body NULL: it is thrown away. */
static int read_bytes(struct berth_exchange *exchange, int64_t left, struct berth_strbuf *body,
                      struct berth_error *err)
{
    int64_t timeout_ms = exchange->config->request_timeout_ms;
    int64_t deadline_ns = berth_clock_monotonic_ns() + timeout_ms * BERTH_NS_PER_MS;
    for (; left > 0; left--) {
        /* One at a time: of more it would wait for the last, however slowly they come. What has
         * arrived with the head costs no call of the system. */
        char byte;
        if (mg_read(exchange->connection, &byte, 1) != 1)
            return berth_error_set(err, BERTH_E_INVALID, "the body ended %" PRId64 " bytes early",
                                   left);
        if (berth_clock_monotonic_ns() > deadline_ns)
            return refuse_late(exchange, err);
        if (body)
            berth_strbuf_addc(body, byte);
    }
    return body ? berth_strbuf_check(body, err) : 0;
}

static int refuse_long(const struct berth_exchange *exchange, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_TOO_LARGE, "the body is longer than %" PRId64 " bytes",
                           exchange->config->max_body_bytes);
}

/* The length of the body, which may be 0. */
static int check_length(const struct berth_exchange *exchange, int64_t *ret_length,
                        struct berth_error *err)
{
    long long length = mg_get_request_info(exchange->connection)->content_length;
    if (length > exchange->config->max_body_bytes)
        return refuse_long(exchange, err);
    *ret_length = length > 0 ? length : 0;
    return 0;
}

static int read_chunks(struct berth_exchange *exchange, struct berth_strbuf *body,
                       struct berth_error *err)
{
    struct berth_chunks chunks = {0};
    char piece[PIECE];
    size_t len = 0;
    int64_t deadline_ms = berth_clock_monotonic_ms() + exchange->config->request_timeout_ms;
    int r;
    exchange->must_close = true;
    while ((r = berth_chunks_read(&chunks, exchange, piece, sizeof(piece), deadline_ms, &len,
                                  err)) == 0 &&
           len > 0) {
        if (body->len + len > (uint64_t)exchange->config->max_body_bytes)
            return refuse_long(exchange, err);
        berth_strbuf_add(body, piece, len);
        if (berth_clock_monotonic_ms() > deadline_ms)
            return refuse_late(exchange, err);
    }
    if (r == BERTH_E_IO)
        return berth_error_set(err, BERTH_E_INVALID, "the body ended early");
    if (r == BERTH_E_TIMEOUT)
        return refuse_late(exchange, err);
    return r < 0 ? r : berth_strbuf_check(body, err);
}

static bool expects_continue(const struct berth_exchange *exchange)
{
    return berth_exchange_request_header(exchange, "Expect") != NULL;
}

void berth_framing_go_on(const struct berth_exchange *exchange)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (expects_continue(exchange))
        (void)mg_write(exchange->connection, go_on, sizeof(go_on) - 1);
}

void berth_framing_linger(const struct berth_exchange *exchange)
{
    char piece[4096];
    int64_t deadline_ms = berth_clock_monotonic_ms() + LINGER_MS;
    struct pollfd poll_fd = {.fd = mg_get_socket(exchange->connection), .events = POLLIN};
    (void)shutdown(poll_fd.fd, SHUT_WR); /* the answer ends here */
    for (;;) {
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) <= 0 ||
            recv(poll_fd.fd, piece, sizeof(piece), MSG_DONTWAIT) <= 0)
            return;
    }
}

int berth_framing_drain(struct berth_exchange *exchange, struct berth_error *err)
{
    int64_t length = 0;
    if (exchange->has_chunks) { /* it may be long */
        exchange->must_close = true;
        return 0;
    }
    int r = check_length(exchange, &length, err);
    if (r == 0 && length > 0 && expects_continue(exchange)) {
        exchange->must_close = true; /* it may come or not: the answer does not wait for it */
        return 0;
    }
    if (r == 0)
        r = read_bytes(exchange, length, NULL, err);
    if (r < 0)
        exchange->must_close = true;
    return r;
}

int berth_framing_read(struct berth_exchange *exchange, struct berth_strbuf *body,
                       struct berth_error *err)
{
    int64_t length = 0;
    if (exchange->has_chunks) {
        berth_framing_go_on(exchange);
        return read_chunks(exchange, body, err);
    }
    int r = check_length(exchange, &length, err);
    if (r == 0 && length > 0)
        berth_framing_go_on(exchange);
    if (r == 0)
        r = read_bytes(exchange, length, body, err);
    if (r < 0)
        exchange->must_close = true;
    return r;
}

int berth_framing_check(struct berth_exchange *exchange, struct berth_error *err)
{
    int r = check_headers(exchange, err);
    if (r < 0)
        exchange->must_close = true;
    return r;
}

/* ---- Connections ---- */

/* Whether a list of tokens has that one, in any case. */
static bool has_token(const char *list, const char *token)
{
    size_t len = strlen(token);
    while (*list) {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, " \t,");
        if (item == len && strncasecmp(list, token, len) == 0)
            return true;
        list += item;
    }
    return false;
}

bool berth_framing_keeps(const struct berth_exchange *exchange, bool *ret_is_1_1)
{
    const struct mg_request_info *info = mg_get_request_info(exchange->connection);
    const char *wish = berth_exchange_request_header(exchange, "Connection");
    *ret_is_1_1 = is_version(info, "1.1");
    if (exchange->must_close || (wish && has_token(wish, "close")))
        return false;
    /* civetweb closes where there is a wish, and it is not this one. */
    return wish ? has_token(wish, "keep-alive") : *ret_is_1_1;
}
