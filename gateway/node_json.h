/* SPDX-License-Identifier: MIT */
/*
 * A container host as `docker node ls --format json` (26.1) prints a node: the
 * body of get-node-status.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_NODE_JSON_H
#define BERTH_GATEWAY_NODE_JSON_H

#include "backends/backend.h"
#include "base/json.h"

/* Adds the object, at the top or within an array. */
void berth_node_json_add(struct berth_json_writer *w, const struct berth_node *node);

#endif
