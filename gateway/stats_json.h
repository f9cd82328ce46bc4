/* SPDX-License-Identifier: MIT */
/*
 * An app's resource use as `docker stats -a --no-stream --format json` (26.1)
 * prints a container: the body of get-app-stats. What does not run has zeros,
 * what gave no sample in time has "--".
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_STATS_JSON_H
#define BERTH_GATEWAY_STATS_JSON_H

#include "backends/backend.h"
#include "base/json.h"

/* Adds the object, at the top or within an array. What fails is noted in the writer's buffer. */
void berth_stats_json_add(struct berth_json_writer *w, const struct berth_app_stats *stats);

#endif
