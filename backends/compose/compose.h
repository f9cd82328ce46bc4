/* SPDX-License-Identifier: MIT */
/*
 * Backend compose: each app is a Compose project of one service, on a local
 * Docker engine. The project's folder, <data_dir>/<facility>/<cuid>/, holds
 * its compose.yaml and the folder that the app sees as /app; cuid, the letter c
 * and a UUID, is the project's name, too. `docker compose` makes and removes
 * the container; all else is read from the engine and done by it.
 *
 * Threading: as backend.h.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_H

#include "backends/backend.h"

/* The label by which Compose marks what is a project's. */
#define BERTH_COMPOSE_LABEL "com.docker.compose.project"

extern const struct berth_backend_ops berth_compose_ops;

#endif
