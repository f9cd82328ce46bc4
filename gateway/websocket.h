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

#include "base/strbuf.h"

struct mg_connection;

/* RFC 6455 section 7.4.1, and ours from 4000 on. */
enum berth_ws_close {
    BERTH_WS_NORMAL = 1000,
    BERTH_WS_GOING_AWAY = 1001,
    BERTH_WS_PROTOCOL = 1002,
    BERTH_WS_BAD_DATA = 1007,
    BERTH_WS_POLICY = 1008,
    BERTH_WS_TOO_BIG = 1009,
    BERTH_WS_INTERNAL = 1011,
    BERTH_WS_TAKEN_OVER = 4001, /* the terminal goes on over another connection */
};

/* Takes frames apart, in whatever pieces they come, and puts messages together. */
struct berth_ws_reader {
    unsigned char head[14];
    size_t head_len;
    uint64_t left; /* bytes of the frame still to come; its head is whole */
    uint64_t at;   /* of the frame's payload: how far its mask is */
    bool in_frame;
    bool in_message;           /* a message of several frames has begun */
    struct berth_strbuf text;  /* of the message so far */
    struct berth_strbuf small; /* payload of the control frame so far */
};

enum berth_ws_event {
    BERTH_WS_NOTHING, /* all that was given is taken, and more is needed */
    BERTH_WS_TEXT,    /* a message is whole: in text until the next call */
    BERTH_WS_PING,    /* in small */
    BERTH_WS_PONG,
    BERTH_WS_CLOSED, /* the client's close frame: in small */
};

void berth_ws_reader_init(struct berth_ws_reader *reader, size_t message_max);
void berth_ws_reader_release(struct berth_ws_reader *reader);

/*
 * Takes bytes (and unmasks them in place) until something is whole;
 * *ret_used says how many. BERTH_E_INVALID: against the protocol, or no text;
 * BERTH_E_TOO_LARGE: longer than message_max. *ret_code is what to close with.
 */
BERTH_MUST_CHECK int berth_ws_read(struct berth_ws_reader *reader, char *data, size_t len,
                                   size_t *ret_used, enum berth_ws_event *ret_event,
                                   enum berth_ws_close *ret_code, struct berth_error *err);

/* Appends a whole frame. opcode: 1 text, 8 close, 9 ping, 10 pong. */
void berth_ws_add_frame(struct berth_strbuf *out, unsigned opcode, const char *data, size_t len);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
BERTH_MUST_CHECK int berth_ws_accept(const char *key, struct berth_strbuf *out,
                                     struct berth_error *err);

/* ---- A connection ---- */

struct berth_ws {
    struct mg_connection *connection;
    struct berth_ws_reader reader;
    char input[4096]; /* read, and not looked at from input_at on */
    size_t input_at;
    size_t input_len;
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

/* A message, when none is under way. */
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
