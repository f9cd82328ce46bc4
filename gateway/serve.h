/* SPDX-License-Identifier: MIT */
/*
 * `berth serve`: the gateway's life from configuration to drain.
 *
 * Threading: called by main, before any other thread is there.
 */
#ifndef BERTH_GATEWAY_SERVE_H
#define BERTH_GATEWAY_SERVE_H

#include "gateway/config.h"

/* Serves until SIGTERM or SIGINT; 0 when it ended in order. */
BERTH_MUST_CHECK int berth_serve(const char *config_path, struct berth_error *err);

#endif
