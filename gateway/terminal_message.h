/* SPDX-License-Identifier: MIT */
/*
 * The messages of a terminal (docs/facility-api.md): JSON both ways.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_TERMINAL_MESSAGE_H
#define BERTH_GATEWAY_TERMINAL_MESSAGE_H

#include "backends/exec.h"
#include "base/strbuf.h"

enum berth_terminal_word {
    BERTH_TERMINAL_STDIN,
    BERTH_TERMINAL_RESIZE,
    BERTH_TERMINAL_SIGNAL,
    BERTH_TERMINAL_CLOSE,
    BERTH_TERMINAL_PING,
};

struct berth_terminal_input {
    enum berth_terminal_word word;
    struct berth_strbuf data; /* of stdin: the bytes */
    unsigned cols;
    unsigned rows;
    enum berth_exec_signal number;
};

void berth_terminal_input_release(struct berth_terminal_input *input);
BERTH_DEFINE_CLEANUP_VALUE(terminal_input, struct berth_terminal_input,
                           berth_terminal_input_release)

/* What a client said; ret_input is released by the caller. BERTH_E_INVALID. */
BERTH_MUST_CHECK int berth_terminal_parse(const char *text, size_t len,
                                          struct berth_terminal_input *ret_input,
                                          struct berth_error *err);

/*
 * How much of data can be sent now: all, but for a UTF-8 character that is cut
 * at its end. *ret_is_text: it is UTF-8.
 */
size_t berth_terminal_split(const char *data, size_t len, bool *ret_is_text);

void berth_terminal_add_output(struct berth_strbuf *out, enum berth_output stream, const char *data,
                               size_t len, bool is_text);
void berth_terminal_add_session(struct berth_strbuf *out, const char *id);
void berth_terminal_add_exit(struct berth_strbuf *out, int code);
void berth_terminal_add_pong(struct berth_strbuf *out);
/* With the schema of the container API's errors. */
void berth_terminal_add_error(struct berth_strbuf *out, const struct berth_error *err,
                              const char *request_id);

#endif
