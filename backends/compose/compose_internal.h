/* SPDX-License-Identifier: MIT */
/*
 * The backend's own state, and what its files call of each other. Included by
 * those of this folder alone.
 *
 * Threading: what follows a lock is under it; the rest is fixed after open.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_INTERNAL_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_INTERNAL_H

#include "backends/compose/compose.h"
#include "backends/compose/compose_program.h"
#include "backends/compose/compose_project.h"
#include "backends/engine/engine_host.h"

struct berth_compose_creation; /* compose_create.c */

/* Of the mender's thread. ENDED and CLOSING: it is to be joined, if it was started. */
enum berth_mend_state {
    BERTH_MEND_IDLE,
    BERTH_MEND_RUNNING,
    BERTH_MEND_ENDED,
    BERTH_MEND_CLOSING,
};

struct berth_compose {
    struct berth_engine_host host; /* first */
    struct berth_compose_program program;
    int root; /* the folder of the facility's projects */
    int64_t request_timeout_ms;
    pthread_mutex_t creating_lock;
    struct berth_compose_creation *creating;
    pthread_mutex_t mend_lock;
    pthread_cond_t mend_wake;
    pthread_t mender;
    enum berth_mend_state mend_state;
    bool mend_wanted; /* since its last look began */
    bool mend_first;  /* the look that is due is the one after opening */
};

static inline struct berth_compose *berth_compose_of(struct berth_backend *backend)
{
    return (struct berth_compose *)(void *)backend;
}

/* ---- compose_create.c ---- */

/* As the verbs of backend.h. */
int berth_compose_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                         char **ret_id, struct berth_error *err);
int berth_compose_remove(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_compose_reset(struct berth_backend *backend, const char *id,
                        const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                        struct berth_error *err);

/* ---- compose_up.c ---- */

/* Has Compose make the container of the project's file, or make it anew. */
BERTH_MUST_CHECK int berth_compose_up(struct berth_compose *compose,
                                      const struct berth_compose_project *project,
                                      struct berth_error *err);
/* Has Compose stop and remove all that is the project's on the engine. */
BERTH_MUST_CHECK int berth_compose_down(struct berth_compose *compose,
                                        const struct berth_compose_project *project,
                                        struct berth_error *err);
/* The project's containers, as GET /containers/json lists them. */
BERTH_MUST_CHECK int berth_compose_containers(struct berth_compose *compose, const char *cuid,
                                              cJSON **ret_entries, struct berth_error *err);
/*
 * Removes all there is of an unfinished project, containers first being barred
 * from coming; the lock is given back. Where that fails, the mender takes it up.
 */
BERTH_MUST_CHECK int berth_compose_discard(struct berth_compose *compose,
                                           struct berth_compose_project *project,
                                           struct berth_error *err);
/* Leaves an unfinished project to the mender: the engine did not answer. */
void berth_compose_leave(struct berth_compose *compose, struct berth_compose_project *project);

/* ---- compose_mend.c ---- */

/*
 * The mender is a thread that lives while there is something to do: it removes
 * projects that were left unfinished, and, at its first look, has containers
 * made again whose projects are whole (somebody has removed them).
 */
BERTH_MUST_CHECK int berth_compose_mend(struct berth_compose *compose, struct berth_error *err);
void berth_compose_mend_end(struct berth_compose *compose);

/* ---- compose.c ---- */

/* BERTH_E_INVALID: the engine is not one of this machine. */
BERTH_MUST_CHECK int berth_compose_check_engine(const struct berth_backend_config *config,
                                                struct berth_error *err);

/* ---- compose_check.c ---- */

/* As check of backend.h. */
int berth_compose_check(const struct berth_backend_config *config, struct berth_strbuf *notes,
                        struct berth_error *err);

#endif
