/* SPDX-License-Identifier: MIT */
/*
 * The images of a Docker engine: look-up, pull and removal.
 *
 * Threading: stateless but for the engine.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_IMAGE_H
#define BERTH_BACKENDS_ENGINE_ENGINE_IMAGE_H

#include "backends/backend.h"
#include "backends/engine/engine.h"

/* reference: name, name:tag, name@digest or an id. *ret_image is GET /images/{name}/json.
 * BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int berth_engine_image_inspect(struct berth_engine *engine, const char *reference,
                                                cJSON **ret_image, struct berth_error *err);

/* As the verb pull of the backend contract. */
BERTH_MUST_CHECK int berth_engine_image_pull(struct berth_engine *engine, const char *reference,
                                             berth_pull_progress *progress, void *ctx,
                                             char **ret_digest, char **ret_id,
                                             struct berth_error *err);

/* BERTH_E_NOT_FOUND, BERTH_E_CONFLICT (a container uses it). */
BERTH_MUST_CHECK int berth_engine_image_remove(struct berth_engine *engine, const char *reference,
                                               struct berth_error *err);

/* Names the image that the engine has: reference is name:tag. */
BERTH_MUST_CHECK int berth_engine_image_tag(struct berth_engine *engine, const char *image,
                                            const char *reference, struct berth_error *err);

/* malloc'ed "sha256:…" of the image in the reference's repository, NULL where it has none. When
 * the image is known by several there, prefer (may be NULL) is taken if it is one of them. */
BERTH_MUST_CHECK int berth_engine_image_digest(const cJSON *image, const char *reference,
                                               const char *prefer, char **ret_digest,
                                               struct berth_error *err);

#endif
