/* SPDX-License-Identifier: MIT */
/*
 * Requests without a server: the functions of civetweb that the gateway calls
 * while it answers are linked to the ones of connection.c (--wrap), which take
 * a request from a text and keep the answer.
 */
#ifndef BERTH_TESTS_FUZZ_CONNECTION_H
#define BERTH_TESTS_FUZZ_CONNECTION_H

#include "base/strbuf.h"

#include <civetweb.h>

struct mg_connection {
    struct mg_request_info info;
    char *text; /* what info points into */
    const char *body;
    size_t body_left;
    bool is_closing;            /* keep-alive was switched off */
    struct berth_strbuf answer; /* all that was written */
};

/*
 * Takes "METHOD TARGET HTTP/VERSION", header lines, a blank line and a body
 * apart, as far as civetweb would call the gateway with it; false: it would not.
 */
bool fuzz_connection_read(struct mg_connection *connection, const uint8_t *data, size_t size);
void fuzz_connection_release(struct mg_connection *connection);
BERTH_DEFINE_CLEANUP_VALUE(connection, struct mg_connection, fuzz_connection_release)

#endif
