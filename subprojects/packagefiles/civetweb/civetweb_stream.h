/* SPDX-License-Identifier: MIT */
/*
 * What an answer without end needs of a connection and civetweb's own interface
 * lacks: mg_write waits for as long as request_timeout_ms, whoever must stop.
 *
 * Threading: on the thread that serves the connection.
 */
#ifndef CIVETWEB_STREAM_H
#define CIVETWEB_STREAM_H

#include <stddef.h>

struct mg_connection;

/* The socket, to poll; borrowed. */
int mg_get_socket(const struct mg_connection *conn);

/*
 * Sends as much as goes without waiting: how many bytes went, 0 for none now,
 * -1 when the connection is broken. After 0 the same bytes must be offered
 * again, from the same address (TLS asks for it).
 */
int mg_write_some(struct mg_connection *conn, const void *data, size_t len);

/*
 * Reads what is there without waiting, what civetweb has read ahead first: how
 * many bytes came, 0 for none now, -1 when the other end has closed or the
 * connection is broken. What follows the request is left to the caller alone:
 * no more than its body may be read of one that another is to follow.
 */
int mg_read_some(struct mg_connection *conn, void *data, size_t len);

#endif
