/* SPDX-License-Identifier: MIT */
/*
 * The objects of the containers API.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_CONTAINERS_JSON_H
#define BERTH_GATEWAY_CONTAINERS_JSON_H

#include "base/json.h"
#include "facilities/containers.h"

/* "running" and the like, of those that the document has. */
const char *berth_containers_status(const struct berth_app *app);

/* What of a list's filter can be a status. */
bool berth_containers_is_status(const char *word, size_t len);

/* Adds the object of a container; asked: what it was asked to be. services: NULL where they are
 * not to be told of. */
void berth_containers_json_add(struct berth_json_writer *w, const struct berth_app *app,
                               const struct berth_container *asked,
                               const struct berth_services *services);

/* Adds the object of one whose image is not there yet. */
void berth_containers_json_add_pulling(struct berth_json_writer *w,
                                       const struct berth_container_pulling *pulling);

/* Adds the object of GET …/status; pid 0: it has none; services as above. */
void berth_containers_json_add_status(struct berth_json_writer *w, const struct berth_app *app,
                                      int64_t pid, const struct berth_services *services);

#endif
