/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server on a unix socket that answers from a table: for clients of an
 * engine, which must bear any answer. It keeps what it was asked.
 *
 * Threading: a thread per connection of its own; functions from the test's thread.
 */
#ifndef BERTH_TESTS_UNIT_CANNED_SERVER_H
#define BERTH_TESTS_UNIT_CANNED_SERVER_H

#include <stddef.h>

struct canned_server;

/* The first rule that fits a request answers it; without any the status is 501. */
struct canned_rule {
    const char *request; /* how "METHOD target" begins */
    /* "200 body": status and body, sent as a proper answer with Api-Version. "": no answer at
     * all. Anything else: sent as it is, and the connection is closed. */
    const char *answer;
    unsigned times; /* rule is used up after so many; 0: never */
    int drip_ms;    /* the body comes byte by byte, each after so long */
};

/* Listens on a socket that vanishes with the test. rules end with one whose request is NULL; they
 * are borrowed. version: the header Api-Version, or NULL for none. */
struct canned_server *canned_server_new(const struct canned_rule *rules, const char *version);
void canned_server_free(struct canned_server *server);

/* "unix:///…" */
const char *canned_server_endpoint(const struct canned_server *server);

/* Closes all connections and the socket; starts anew with that version. */
void canned_server_restart(struct canned_server *server, const char *version);

/* All requests so far, "METHOD target body\n" each, pings left out; valid until the next call. */
const char *canned_server_asked(struct canned_server *server);
unsigned canned_server_pings(struct canned_server *server);
/* Connections made so far. */
unsigned canned_server_connections(struct canned_server *server);

#endif
