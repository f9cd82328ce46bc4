/* SPDX-License-Identifier: MIT */
/*
 * An interactive process in a container, through the engine's exec. The engine
 * ends no exec, whoever hangs up: so each has a keeper beside it, a second exec
 * whose input is the connection to us. It passes signals on, and when its input
 * ends, however that came about, it ends the process and all that it started:
 * those of its session, and those that have its mark in their environment. Both
 * are shell scripts that want no more than busybox has.
 *
 * Threading: as backends/exec.h.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_EXEC_H
#define BERTH_BACKENDS_ENGINE_ENGINE_EXEC_H

#include "backends/engine/engine.h"
#include "backends/exec.h"

/* As the verb exec; id: the container's. The engine outlives it. */
BERTH_MUST_CHECK int berth_engine_exec(struct berth_engine *engine, const char *id,
                                       const struct berth_exec_spec *spec,
                                       struct berth_exec **ret_exec, struct berth_error *err);

/* ---- engine_exec_scripts.c ---- */

/* What begins the first line that the starter prints; its process id follows. */
#define BERTH_ENGINE_EXEC_GREETING "\001berth "
/* The environment variable that marks all processes of one exec. */
#define BERTH_ENGINE_EXEC_MARK "BERTH_TERMINAL"
/* The environment variable that holds the keeper's script. */
#define BERTH_ENGINE_EXEC_KEEPER "BERTH_KEEPER"

/* Run as sh -c SCRIPT sh COLS ROWS DIRECTORY [ARGV...]; becomes the process. COLS 0: no terminal;
 * DIRECTORY "": stay. */
extern const char berth_engine_exec_starter[];
/* Run with the mark's value as $1. */
extern const char berth_engine_exec_keeper[];

#endif
