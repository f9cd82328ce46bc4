/* SPDX-License-Identifier: MIT */
/*
 * Creating the container of an app: its name on the engine, labels, limits,
 * and the defaults that keep it from its host and its neighbours.
 *
 * Threading: stateless but for the engine.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_CREATE_H
#define BERTH_BACKENDS_ENGINE_ENGINE_CREATE_H

#include "backends/backend.h"
#include "backends/engine/engine_app.h"

/*
 * As the verb create of the backend contract. The container is named as the
 * app, or APP.FACILITY when a container outside the scope has that name. An
 * image given by its id is run under its label's name where that names the
 * same image now, so that `docker ps` shows a name.
 */
BERTH_MUST_CHECK int berth_engine_create(struct berth_engine *engine,
                                         const struct berth_engine_scope *scope,
                                         const struct berth_create_spec *spec, char **ret_id,
                                         struct berth_error *err);

/* What every container of ours has, under the names that containers or services call it: the
 * labels of the app, and the capabilities it keeps. */
void berth_engine_create_labels(struct berth_json_writer *w, const char *member,
                                const struct berth_engine_scope *scope,
                                const struct berth_create_spec *spec);
void berth_engine_create_capabilities(struct berth_json_writer *w, const char *drop,
                                      const char *add);

/* Appends the body of POST /containers/create; image: what to run. */
void berth_engine_create_body(const struct berth_engine_scope *scope,
                              const struct berth_create_spec *spec, const char *image,
                              struct berth_strbuf *body);

/* ---- For those who have another make the container ---- */

/* What a container keeps of root's powers; NULL at the end. */
extern const char *const berth_engine_capabilities[];

/* BERTH_E_EXISTS if the scope has a container of that app, whatever its own name. */
BERTH_MUST_CHECK int berth_engine_create_check_absent(struct berth_engine *engine,
                                                      const struct berth_engine_scope *scope,
                                                      const char *app, struct berth_error *err);
/* Whether the container of that name is in the scope. BERTH_E_NOT_FOUND: there is none. */
BERTH_MUST_CHECK int berth_engine_create_owner(struct berth_engine *engine,
                                               const struct berth_engine_scope *scope,
                                               const char *name, bool *ret_ours,
                                               struct berth_error *err);

bool berth_engine_is_image_id(const char *image);
/* Whether the image's name means this id at the moment. */
bool berth_engine_create_names(struct berth_engine *engine, const char *name, const char *id);
/* Whether the container was made of this image id. */
BERTH_MUST_CHECK int berth_engine_create_is_of(struct berth_engine *engine, const char *container,
                                               const char *image_id, bool *ret_same,
                                               struct berth_error *err);

#endif
