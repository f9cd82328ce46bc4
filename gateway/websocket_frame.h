/* SPDX-License-Identifier: MIT */
/*
 * The frames of a WebSocket (RFC 6455), as its server's end reads and writes
 * them: no extensions, messages of text alone.
 *
 * Threading: stateless, but for the reader, which belongs to its owner.
 */
#ifndef BERTH_GATEWAY_WEBSOCKET_FRAME_H
#define BERTH_GATEWAY_WEBSOCKET_FRAME_H

#include "base/strbuf.h"

#define BERTH_WS_CONTROL_MAX 125 /* bytes of a control frame: RFC 6455 section 5.5 */

/* Section 5.2. */
enum berth_ws_opcode {
    BERTH_WS_OP_CONTINUATION = 0,
    BERTH_WS_OP_TEXT = 1,
    BERTH_WS_OP_BINARY = 2,
    BERTH_WS_OP_CLOSE = 8,
    BERTH_WS_OP_PING = 9,
    BERTH_WS_OP_PONG = 10,
};

/* RFC 6455 section 7.4.1, and ours from 4000 on. */
enum berth_ws_close {
    BERTH_WS_NORMAL = 1000,
    BERTH_WS_GOING_AWAY = 1001,
    BERTH_WS_PROTOCOL = 1002,
    BERTH_WS_BAD_TYPE = 1003,
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

/* Appends a whole frame. */
void berth_ws_add_frame(struct berth_strbuf *out, enum berth_ws_opcode opcode, const char *data,
                        size_t len);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
BERTH_MUST_CHECK int berth_ws_accept(const char *key, struct berth_strbuf *out,
                                     struct berth_error *err);

#endif
