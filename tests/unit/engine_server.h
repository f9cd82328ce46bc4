/* SPDX-License-Identifier: MIT */
/*
 * A scripted Docker engine on a unix socket: containers and images that the
 * test puts there, streams that the test writes byte by byte, and every way to
 * misbehave. It answers what the engine client asks for and nothing more.
 *
 * Threading: one thread of its own; all functions from the test's thread.
 */
#ifndef BERTH_TESTS_UNIT_ENGINE_SERVER_H
#define BERTH_TESTS_UNIT_ENGINE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct engine_server;

/* Listens on a socket of its own; ends the test if it cannot. */
struct engine_server *engine_server_new(void);
void engine_server_free(struct engine_server *server);

/* "unix:///tmp/…/engine.sock" */
const char *engine_server_endpoint(const struct engine_server *server);

/* Stops listening and breaks all connections; and comes back. */
void engine_server_stop(struct engine_server *server);
void engine_server_start(struct engine_server *server);

/* Reads and answers nothing, all connections staying open; and goes on. */
void engine_server_freeze(struct engine_server *server, bool frozen);

/* Adds or changes a container of facility "demo" (NULL: without that label). */
void engine_server_put(struct engine_server *server, const char *id, const char *name,
                       const char *facility, const char *state);
void engine_server_remove(struct engine_server *server, const char *id);
/* The image's name in the list. */
void engine_server_put_image(struct engine_server *server, const char *id, const char *image);

/* The images' JSON; "[]" at first. */
void engine_server_images(struct engine_server *server, const char *json);

/* A whole raw answer ("HTTP/1.1 500 …") to requests whose target contains the text; NULL: no
 * longer. "" is never answered at all. One at a time. */
void engine_server_answer(struct engine_server *server, const char *target, const char *raw);

/* Writes to the open streams whose target contains the text: chunk is one HTTP chunk. */
void engine_server_chunk(struct engine_server *server, const char *target, const char *data,
                         size_t len);
/* Ends those streams: whole (the last chunk), or by closing the connection. */
void engine_server_end(struct engine_server *server, const char *target, bool whole);

/* Requests so far whose target contains the text; streams open now. */
unsigned engine_server_asked(struct engine_server *server, const char *target);
unsigned engine_server_streams(struct engine_server *server, const char *target);
/* Waits up to 30 s until that many were asked, or are open; false if that did not come. */
bool engine_server_wait_asked(struct engine_server *server, const char *target, unsigned count);
bool engine_server_wait_streams(struct engine_server *server, const char *target, unsigned count);

/* Answers no request whose target contains the text; NULL: no longer, and answers those it held. */
void engine_server_hold(struct engine_server *server, const char *target);

/* Answers all but pings late by delay_ms; the most requests that waited for an answer at once. */
void engine_server_delay(struct engine_server *server, int delay_ms);
unsigned engine_server_most_at_once(struct engine_server *server);

#endif
