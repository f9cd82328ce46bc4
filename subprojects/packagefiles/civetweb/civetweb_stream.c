/* SPDX-License-Identifier: MIT */
/*
 * civetweb with the calls of civetweb_stream.h, which need to see inside a
 * connection: the library itself is taken as it is.
 */
#include "src/civetweb.c"

#include "civetweb_stream.h"

int mg_get_socket(const struct mg_connection *conn)
{
    return conn->client.sock;
}

/* What OpenSSL says of a write that sent nothing. */
static int ssl_would_block(SSL *ssl, int result)
{
    int reason = SSL_get_error(ssl, result);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ ? 0 : -1;
}

int mg_write_some(struct mg_connection *conn, const void *data, size_t len)
{
    int written;
    int size = len > INT_MAX ? INT_MAX : (int)len;
    conn->request_state = 10; /* as mg_write: an answer has begun */
    if (conn->ssl) {
        SSL_set_mode(conn->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        ERR_clear_error();
        written = SSL_write(conn->ssl, data, size);
        if (written <= 0)
            return ssl_would_block(conn->ssl, written);
    } else {
        written = (int)send(conn->client.sock, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    }
    conn->num_bytes_sent += written;
    return written;
}

/* What civetweb has read beyond the head of the request, and has not been taken. */
static int take_read_ahead(struct mg_connection *conn, void *data, int size)
{
    int64_t at = conn->request_len + conn->consumed_content;
    int64_t left = conn->data_len - at;
    int len = left < size ? (int)left : size;
    if (len <= 0)
        return 0;
    memcpy(data, conn->buf + at, (size_t)len);
    return len;
}

static int receive(struct mg_connection *conn, void *data, int size)
{
    int received;
    if (conn->ssl) {
        ERR_clear_error();
        received = SSL_read(conn->ssl, data, size);
        return received > 0 ? received : ssl_would_block(conn->ssl, received);
    }
    received = (int)recv(conn->client.sock, data, (size_t)size, MSG_DONTWAIT);
    if (received < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    return received > 0 ? received : -1;
}

int mg_read_some(struct mg_connection *conn, void *data, size_t len)
{
    int size = len > INT_MAX ? INT_MAX : (int)len;
    int received = take_read_ahead(conn, data, size);
    if (received == 0)
        received = receive(conn, data, size);
    if (received > 0)
        conn->consumed_content += received;
    return received;
}
