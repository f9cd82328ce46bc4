/* SPDX-License-Identifier: MIT */
/*
 * `berth agent`: lets the gateway into berth's apps on a node of a swarm. It is
 * a part of the node's Engine API behind mutual TLS (engine_relay.h), so that
 * the gateway's engine client speaks to it as to an engine.
 *
 * Threading: called by main, before any other thread is there.
 */
#ifndef BERTH_GATEWAY_AGENT_H
#define BERTH_GATEWAY_AGENT_H

#include "base/credentials.h"

/* Beside swarm's own 2377; another one is named after a colon: agent:PORT. */
#define BERTH_AGENT_PORT "2378"

struct berth_agent_options {
    const char *listen; /* "0.0.0.0:2378", "[::]:2378" */
    const char *engine; /* unix:///path or tcp://host:port */
    struct berth_credential_files files;
};

/* Serves until SIGTERM or SIGINT; 0 when it ended in order. */
BERTH_MUST_CHECK int berth_agent_run(const struct berth_agent_options *options,
                                     struct berth_error *err);

#endif
