/* SPDX-License-Identifier: MIT */
/*
 * Containers and images of a Docker engine in the backends' terms: which
 * containers belong to a facility, struct berth_app from the engine's JSON, and
 * the listings.
 *
 * An app is made of two answers: its entry of GET /containers/json (command,
 * ports, mounts, networks and the image's name as `docker ps` shows them) and
 * GET /containers/{id}/json (state, exact times, exit code, health). Where
 * both tell, the second counts, being the exact one.
 *
 * Threading: stateless but for the engine.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_APP_H
#define BERTH_BACKENDS_ENGINE_ENGINE_APP_H

#include "backends/app.h"
#include "backends/engine/engine.h"
#include "backends/image.h"

/* Which containers of the engine are a facility's. */
struct berth_engine_scope {
    const char *facility; /* label berth.facility */
    bool adopt;           /* and those without that label */
};

/* labels: the object name → value, or NULL for none. (In an event: Actor.Attributes.) */
bool berth_engine_in_scope(const struct berth_engine_scope *scope, const cJSON *labels);

/* Appends the path of the listing of the scope's containers in any state, or, id not NULL, of the
 * one with that id. With adopt it holds more than the scope. */
void berth_engine_app_list_path(const struct berth_engine_scope *scope, const char *id,
                                struct berth_strbuf *path);

/* GET /containers/json of the containers in any state that have all these labels. */
BERTH_MUST_CHECK int berth_engine_app_labelled(struct berth_engine *engine,
                                               const struct berth_app_pair *labels, size_t count,
                                               cJSON **ret_entries, struct berth_error *err);

/* Appends "/containers/ID" and suffix ("/json", "/start"). */
void berth_engine_app_path(const char *id, const char *suffix, struct berth_strbuf *path);

/* The state an engine has a word for, Docker or Podman; BERTH_APP_UNKNOWN: no such word. */
enum berth_app_state berth_engine_app_state(const char *word);

/*
 * entry: one of GET /containers/json; inspect: GET /containers/{id}/json of the
 * same container. One reference. BERTH_E_NOT_FOUND: not of the scope;
 * BERTH_E_UNREACHABLE: no id or no state in it.
 */
BERTH_MUST_CHECK int berth_engine_app_parse(const struct berth_engine_scope *scope,
                                            const cJSON *entry, const cJSON *inspect,
                                            struct berth_app **ret_app, struct berth_error *err);

/* images: the array of GET /images/json, kept in its order. */
BERTH_MUST_CHECK int berth_engine_images_parse(const cJSON *images,
                                               struct berth_image_list **ret_images,
                                               struct berth_error *err);

/* One app as it is now: two calls, the inspect first. (The engine answers and tells of a change
 * before its list shows it, but holds the container's lock until then: the inspect waits for
 * that lock.) BERTH_E_NOT_FOUND: no such container, or not of the scope. */
BERTH_MUST_CHECK int berth_engine_app_fetch(struct berth_engine *engine,
                                            const struct berth_engine_scope *scope, const char *id,
                                            struct berth_app **ret_app, struct berth_error *err);

/* All apps of the scope: one listing and an inspect for each, a few at a time. Containers that
 * disappear meanwhile are left out. Appends to apps. */
BERTH_MUST_CHECK int berth_engine_app_list(struct berth_engine *engine,
                                           const struct berth_engine_scope *scope,
                                           struct berth_app_list *apps, struct berth_error *err);

#endif
