/* SPDX-License-Identifier: MIT */
/*
 * The server's end of a WebSocket (RFC 6455) on a connection of civetweb's,
 * which has seen to the request; from the upgrade on it is read and written
 * here, as its own reader takes frames of any size, waits where it must not,
 * and its writers use a TLS connection from several threads at once.
 *
 * Nothing waits: the owner polls the connection. What is sent first are whole
 * control messages, then the one other message there may be: so a pong never
 * stands behind output. Pings of the client are answered here.
 *
 * Threading: belongs to the request's thread.
 */
#ifndef BERTH_GATEWAY_WEBSOCKET_H
#define BERTH_GATEWAY_WEBSOCKET_H

#include "gateway/websocket_frame.h"

struct mg_connection;

struct berth_ws {
    struct mg_connection *connection;
    struct berth_ws_reader reader;
    char input[4096]; /* read, and not looked at from input_at on */
    size_t input_at;
    size_t input_len;
    bool is_plain;               /* no TLS, which may hold more than the socket shows */
    bool is_dry;                 /* what was read last was all there was */
    struct berth_strbuf out;     /* frames, sent up to out_at */
    struct berth_strbuf control; /* whole frames that go before the next one of out */
    size_t out_at;
    size_t control_at;
    int64_t moved_ms;   /* monotonic: when the client last sent or took something */
    int64_t pinged_ms;  /* when it was last asked whether it is there */
    bool out_begun;     /* the first of out has been offered to the connection */
    bool is_closing;    /* our close frame is in out: nothing is added any more */
    bool client_closed; /* its close frame has come */
};

/* The request must be one that civetweb took for an upgrade. Queues the answer, with these further
 * header lines. */
BERTH_MUST_CHECK int berth_ws_open(struct berth_ws *ws, struct mg_connection *connection,
                                   size_t message_max, const char *headers,
                                   struct berth_error *err);
void berth_ws_release(struct berth_ws *ws);

int berth_ws_fd(const struct berth_ws *ws);

/* A message: output when none is under way, and what is said last. */
void berth_ws_send(struct berth_ws *ws, const char *text, size_t len);
/* One that overtakes it. */
void berth_ws_send_first(struct berth_ws *ws, const char *text, size_t len);
void berth_ws_ping(struct berth_ws *ws);
/* The last that is sent. reason is cut to what a frame holds. */
void berth_ws_close(struct berth_ws *ws, enum berth_ws_close code, const char *reason);

/* Whether a message may be sent, and whether something waits for room in the connection. */
bool berth_ws_is_free(const struct berth_ws *ws);
bool berth_ws_has_more(const struct berth_ws *ws);

/* Sends what goes. BERTH_E_IO: the client is gone. */
BERTH_MUST_CHECK int berth_ws_flush(struct berth_ws *ws, struct berth_error *err);

/* The next message, in *ret_text until the next call, or NULL for none now. BERTH_E_IO: the client
 * is gone, or has closed. Else a close frame is queued. */
BERTH_MUST_CHECK int berth_ws_receive(struct berth_ws *ws, const struct berth_strbuf **ret_text,
                                      struct berth_error *err);

#endif
