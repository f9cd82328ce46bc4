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

/* What civetweb has read beyond the head of the request. */
static int take_read_ahead(struct mg_connection *conn, void *data, int size)
{
    int left = conn->data_len - conn->request_len;
    int len = left < size ? left : size;
    char *start = conn->buf + conn->request_len;
    memcpy(data, start, (size_t)len);
    memmove(start, start + len, (size_t)(left - len));
    conn->data_len -= len;
    return len;
}

int mg_read_some(struct mg_connection *conn, void *data, size_t len)
{
    int received;
    int size = len > INT_MAX ? INT_MAX : (int)len;
    if (conn->data_len > conn->request_len)
        return take_read_ahead(conn, data, size);
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
