/* SPDX-License-Identifier: MIT */
/*
 * An app as `docker ps -a --format json` (26.1) prints a container: the body
 * of get-app-status. Labels, networks and mounts, which docker prints in
 * random order, are sorted.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_APP_JSON_H
#define BERTH_GATEWAY_APP_JSON_H

#include "backends/app.h"
#include "base/json.h"

/*
 * Adds the object, as of now_ns (wall), at the top or within an array; lowers
 * *valid_until_ns to when its text changes. What fails is noted in the
 * writer's buffer.
 */
void berth_app_json_add(struct berth_json_writer *w, const struct berth_app *app, int64_t now_ns,
                        int64_t *valid_until_ns);

#endif
