/* SPDX-License-Identifier: MIT */
/*
 * What the files of the agent's listener share: the server, and one request
 * with its answer. Included by agent_*.c and nowhere else.
 *
 * Threading: an answer belongs to the thread of its connection.
 */
#ifndef BERTH_GATEWAY_AGENT_INTERNAL_H
#define BERTH_GATEWAY_AGENT_INTERNAL_H

#include "backends/engine/engine_relay.h"
#include "base/thread.h"
#include "gateway/agent_http.h"
#include "gateway/agent_tls.h"

struct mg_connection;
struct mg_context;

#define BERTH_AGENT_SLOW_MS 10000 /* a client that takes nothing for so long is cut */
#define BERTH_AGENT_TICK_MS 500   /* between two looks whether waiting still makes sense */

struct berth_agent_server {
    struct berth_engine *engine;
    struct berth_agent_tls *tls;
    struct mg_context *context;
    bool has_started;      /* set before civetweb has a thread that could look */
    char start_error[256]; /* what civetweb said first before that */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* with lock: in_flight fell to 0 */
    unsigned in_flight;  /* lock */
    unsigned draining;   /* atomic */
};

static inline bool berth_agent_is_draining(const struct berth_agent_server *server)
{
    return __atomic_load_n(&server->draining, __ATOMIC_SEQ_CST);
}

struct berth_agent_answer {
    struct berth_agent_server *server;
    struct mg_connection *connection;
    struct berth_strbuf out;
    long status;    /* 0: nothing was sent yet */
    bool is_broken; /* the client is gone, or too slow */
    bool is_endless;
};

void berth_agent_answer_init(struct berth_agent_answer *answer, struct berth_agent_server *server,
                             struct mg_connection *connection);
void berth_agent_answer_release(struct berth_agent_answer *answer);
BERTH_DEFINE_CLEANUP_VALUE(agent_answer, struct berth_agent_answer, berth_agent_answer_release)

/* A whole answer of our own, after which the connection ends. */
void berth_agent_answer_error(struct berth_agent_answer *answer, int status, const char *message);

/* The same for one of our errors. */
void berth_agent_answer_failure(struct berth_agent_answer *answer, const struct berth_error *err);

/* Asks the engine what was understood, and hands its answer on. */
void berth_agent_answer_run(struct berth_agent_answer *answer, const struct berth_relay *relay);

/* Sends all of out; false: it is broken. */
bool berth_agent_answer_flush(struct berth_agent_answer *answer);

/* ---- agent_stream.c ---- */

/*
 * Makes the connection a stream both ways with what the engine runs, and
 * carries it until either end closes. What one side does not take is not read
 * from the other, for as long as that lasts.
 */
void berth_agent_stream(struct berth_agent_answer *answer, struct berth_engine_hijack *engine);

#endif
