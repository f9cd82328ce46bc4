/* SPDX-License-Identifier: MIT */
/*
 * The program `docker compose`, version 2: found, and run. It is the plugin
 * itself that is run: it is a program of its own, and needs no docker command.
 *
 * Threading: any thread at once, init and release excepted.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_PROGRAM_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_PROGRAM_H

#include "backends/backend.h"

#include <pthread.h>

struct berth_compose_program {
    char *configured; /* the only place to look, or NULL */
    char *engine;     /* DOCKER_HOST=unix:///… */
    char *home;       /* HOME=…: a folder that nothing is in */
    char *config;     /* DOCKER_CONFIG=…: the same, so that nobody's settings count */
    pthread_mutex_t lock;
    char *path;                      /* lock; NULL until it was found */
    char version[BERTH_VERSION_MAX]; /* lock */
};

/* configured: a path, or NULL. Nothing is run yet. */
BERTH_MUST_CHECK int berth_compose_program_init(struct berth_compose_program *program,
                                                const char *configured, const char *engine,
                                                const char *home, struct berth_error *err);
void berth_compose_program_release(struct berth_compose_program *program);

/*
 * Makes sure that it is found. BERTH_E_UNREACHABLE says what is there instead,
 * and what to install; it is looked for anew each time until then.
 */
BERTH_MUST_CHECK int berth_compose_program_find(struct berth_compose_program *program,
                                                char ret_version[BERTH_VERSION_MAX],
                                                struct berth_error *err);

/* Whether something stands where it is looked for. Runs nothing. */
bool berth_compose_program_is_there(struct berth_compose_program *program);

/*
 * Runs it with these arguments (NULL at the end) in folder (-1: the root). held
 * stays open in it: what is locked by that file remains so while it runs, even
 * if we do not. BERTH_E_REFUSED has its last word; BERTH_E_UNREACHABLE: it is
 * not there; BERTH_E_TIMEOUT.
 */
BERTH_MUST_CHECK int berth_compose_program_run(struct berth_compose_program *program,
                                               const char *const *args, int folder, int held,
                                               int64_t timeout_ms, struct berth_error *err);

/*
 * The same, for what it prints: out takes as much as its cap allows, and
 * BERTH_E_TOO_LARGE tells that there was more. It is not told of the engine.
 */
BERTH_MUST_CHECK int berth_compose_program_ask(struct berth_compose_program *program,
                                               const char *const *args, int folder, int held,
                                               int64_t timeout_ms, struct berth_strbuf *out,
                                               struct berth_error *err);

#endif
