/* SPDX-License-Identifier: MIT */
/*
 * What can be done to one container, by its full id. Every backend whose apps
 * are containers of a Docker engine does these the same way.
 *
 * Errors are those of the backend contract: BERTH_E_NOT_FOUND only when the
 * container is not there, BERTH_E_CONFLICT when it is in the wrong state.
 *
 * Threading: stateless but for the engine.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_CONTAINER_H
#define BERTH_BACKENDS_ENGINE_ENGINE_CONTAINER_H

#include "backends/engine/engine.h"

/* Started already: success. Paused: BERTH_E_CONFLICT. */
BERTH_MUST_CHECK int berth_engine_container_start(struct berth_engine *engine, const char *id,
                                                  struct berth_error *err);

/* SIGTERM, and SIGKILL after BERTH_STOP_GRACE_S. Stopped already: success. */
BERTH_MUST_CHECK int berth_engine_container_stop(struct berth_engine *engine, const char *id,
                                                 struct berth_error *err);

/* stop, then start; starts a stopped one. */
BERTH_MUST_CHECK int berth_engine_container_restart(struct berth_engine *engine, const char *id,
                                                    struct berth_error *err);

/* Not running, or paused already: BERTH_E_CONFLICT. */
BERTH_MUST_CHECK int berth_engine_container_pause(struct berth_engine *engine, const char *id,
                                                  struct berth_error *err);

/* Not paused: BERTH_E_CONFLICT. */
BERTH_MUST_CHECK int berth_engine_container_unpause(struct berth_engine *engine, const char *id,
                                                    struct berth_error *err);

/* SIGKILL. Not running: BERTH_E_CONFLICT. */
BERTH_MUST_CHECK int berth_engine_container_kill(struct berth_engine *engine, const char *id,
                                                 struct berth_error *err);

/* stop, then removes it and its anonymous volumes; returns when it is gone. */
BERTH_MUST_CHECK int berth_engine_container_remove(struct berth_engine *engine, const char *id,
                                                   struct berth_error *err);

/* SIGKILL, and removes it and its anonymous volumes. Somebody else removing it: BERTH_E_CONFLICT.
 */
BERTH_MUST_CHECK int berth_engine_container_destroy(struct berth_engine *engine, const char *id,
                                                    struct berth_error *err);

/* name: letters, digits, dots, dashes and underscores. BERTH_E_CONFLICT: another has it. */
BERTH_MUST_CHECK int berth_engine_container_rename(struct berth_engine *engine, const char *id,
                                                   const char *name, struct berth_error *err);

/* Removes it without grace; no error, as it is for what was half made. */
void berth_engine_container_discard(struct berth_engine *engine, const char *id);

/* Appends the engine's own object, byte for byte. */
BERTH_MUST_CHECK int berth_engine_container_inspect(struct berth_engine *engine, const char *id,
                                                    struct berth_strbuf *body,
                                                    struct berth_error *err);

#endif
