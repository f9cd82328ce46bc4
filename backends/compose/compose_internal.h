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
#include "backends/compose/compose_file.h"
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

#define BERTH_COMPOSE_ID_MAX 64 /* of a container */
#define BERTH_COMPOSE_KINDS  64 /* remembered: those that were asked about last */

/* What never changes of a container: its labels say it. */
struct berth_compose_kind {
    char id[BERTH_COMPOSE_ID_MAX + 1];
    char cuid[BERTH_CUID_SIZE]; /* of its project; "" where it has none of ours */
    bool boots;                 /* it cannot start without boot.py */
    bool is_project;            /* it stands for one of its owner's compose file */
};

struct berth_compose {
    struct berth_engine_host host; /* first */
    struct berth_compose_program program;
    int data; /* data_dir, which all facilities of the gateway have in common */
    int root; /* the folder of the facility's projects */
    int64_t request_timeout_ms;
    pthread_mutex_t creating_lock;
    struct berth_compose_creation *creating;
    pthread_mutex_t kinds_lock;
    struct berth_compose_kind kinds[BERTH_COMPOSE_KINDS]; /* by a hash of the id */
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

/* What to run for an image that is on the engine, under a name that people read in docker ps where
 * it has one. label: as image_label of struct berth_create_spec. BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int berth_compose_choose_image(const struct berth_compose *compose,
                                                const char *image, const char *label,
                                                const char **ret_image, struct berth_error *err);

/* ---- compose_find.c ---- */

/* A container, as the engine knows it at the moment. */
struct berth_compose_container {
    char cuid[BERTH_CUID_SIZE]; /* as of its kind */
    bool boots;
    bool is_project;
    enum berth_app_state state;
};

/* BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int berth_compose_find(const struct berth_compose *compose, const char *id,
                                        struct berth_compose_container *ret_container,
                                        struct berth_error *err);
/* What it is, which is asked of the engine once: it may have gone since. */
BERTH_MUST_CHECK int berth_compose_find_kind(struct berth_compose *compose, const char *id,
                                             struct berth_compose_kind *ret_kind,
                                             struct berth_error *err);
/* Opens the container's project for a change, which is to come next; no folder: it has none.
 * ret_container: as it is now that nobody else changes it. */
BERTH_MUST_CHECK int berth_compose_find_project(const struct berth_compose *compose, const char *id,
                                                struct berth_compose_container *ret_container,
                                                struct berth_compose_project *ret_project,
                                                struct berth_error *err);
/* The project's containers, as GET /containers/json lists them. */
BERTH_MUST_CHECK int berth_compose_containers(struct berth_compose *compose, const char *cuid,
                                              cJSON **ret_entries, struct berth_error *err);
/* The id of the project's only container, malloc'ed; it must be of image, where that is an id. */
BERTH_MUST_CHECK int berth_compose_find_made(struct berth_compose *compose, const char *cuid,
                                             const char *image, char **ret_id,
                                             struct berth_error *err);

/* ---- compose_act.c ---- */

/* As the verbs of backend.h. */
int berth_compose_start(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_compose_restart(struct berth_backend *backend, const char *id, struct berth_error *err);

/* Starts a container. BERTH_E_PORT_IN_USE: somebody has one of its ports. */
BERTH_MUST_CHECK int berth_compose_start_container(struct berth_compose *compose, const char *id,
                                                   struct berth_error *err);

/* ---- compose_logs.c ---- */

/* As the verb of backend.h; of a project, the lines of all its containers. */
int berth_compose_logs(struct berth_backend *backend, const char *id,
                       const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                       struct berth_error *err);

/* ---- compose_parts.c ---- */

typedef int berth_compose_verb(struct berth_engine *engine, const char *id,
                               struct berth_error *err);

/* As the verbs of backend.h. */
int berth_compose_stop(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_compose_pause(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_compose_unpause(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_compose_kill(struct berth_backend *backend, const char *id, struct berth_error *err);
/* Does that to all containers of a project that are in a state for it. */
BERTH_MUST_CHECK int berth_compose_act_on_all(struct berth_compose *compose, const char *cuid,
                                              berth_compose_verb *verb, struct berth_error *err);
/* All containers of a project, each after what it depends on; or before. */
BERTH_MUST_CHECK int berth_compose_start_project(struct berth_compose *compose, const char *cuid,
                                                 struct berth_error *err);
/* The same, of those that the project's file has. */
BERTH_MUST_CHECK int berth_compose_start_file(struct berth_compose *compose,
                                              const struct berth_compose_project *project,
                                              struct berth_error *err);
BERTH_MUST_CHECK int berth_compose_stop_project(struct berth_compose *compose, const char *cuid,
                                                struct berth_error *err);

/* ---- compose_services.c ---- */

/* As the verbs of backend.h. */
int berth_compose_services(struct berth_backend *backend, const struct berth_app *app,
                           struct berth_services *ret_services, struct berth_error *err);
int berth_compose_exec(struct berth_backend *backend, const char *id,
                       const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                       struct berth_error *err);

/* BERTH_E_INVALID (INVALID_PARAMETER). */
int berth_compose_unknown_service(const char *service, struct berth_error *err);

/* ---- compose_own_make.c ---- */

/* As the verb of backend.h. */
int berth_compose_plan(struct berth_backend *backend, const struct berth_create_spec *spec,
                       struct berth_texts *ret_images, struct berth_error *err);
/* Has Compose make the containers of spec's compose file. service: of the one that stands for
 * them; its ports become those of all. BERTH_E_INVALID (COMPOSE_REFUSED), BERTH_E_PORT_IN_USE. */
BERTH_MUST_CHECK int berth_compose_own_make(struct berth_compose *compose,
                                            const struct berth_compose_project *project,
                                            const struct berth_create_spec *spec,
                                            struct berth_compose_service *service,
                                            struct berth_error *err);
/* Makes that file without writing it. service: as before, and its overrides in own.h's words; the
 * mount stays as it is. */
BERTH_MUST_CHECK int berth_compose_own_make_file(struct berth_compose *compose,
                                                 const struct berth_compose_project *project,
                                                 const struct berth_create_spec *spec,
                                                 const cJSON *overrides,
                                                 struct berth_compose_service *service,
                                                 cJSON **ret_file, struct berth_error *err);
/* Writes a file in folder. */
BERTH_MUST_CHECK int berth_compose_own_write_tree(int folder, const cJSON *file,
                                                  struct berth_error *err);
/* The id of the one that stands for the project, malloc'ed. */
BERTH_MUST_CHECK int berth_compose_own_find(struct berth_compose *compose, const char *cuid,
                                            char **ret_id, struct berth_error *err);
/* The same; all must be of the images that spec has. */
BERTH_MUST_CHECK int berth_compose_own_find_made(struct berth_compose *compose, const char *cuid,
                                                 const struct berth_create_spec *spec,
                                                 char **ret_id, struct berth_error *err);

/* ---- compose_own_change.c ---- */

/* What a project of its owner's file was doing, by all of its containers. */
BERTH_MUST_CHECK int berth_compose_own_before(struct berth_compose *compose, const char *cuid,
                                              enum berth_compose_before *ret_before,
                                              struct berth_error *err);
/* The file as change is to have it. Nothing is changed. */
BERTH_MUST_CHECK int berth_compose_own_plan(struct berth_compose *compose,
                                            const struct berth_compose_project *project,
                                            const struct berth_container_change *change,
                                            cJSON **ret_file, struct berth_error *err);
/* Has Compose make the containers of the file that is there, and do what those before did. */
BERTH_MUST_CHECK int berth_compose_own_settle(struct berth_compose *compose,
                                              const struct berth_compose_project *project,
                                              const struct berth_compose_service *service,
                                              enum berth_compose_before before,
                                              struct berth_error *err);
/* The file, for making all of it anew with an empty mount, of the images that run now.
 * BERTH_E_CONFLICT: it needs files of the mount. */
BERTH_MUST_CHECK int berth_compose_own_plan_reset(struct berth_compose *compose,
                                                  const struct berth_compose_project *project,
                                                  cJSON **ret_file, struct berth_error *err);
/* Makes the containers of that file, once what was there has gone. */
BERTH_MUST_CHECK int berth_compose_own_make_again(struct berth_compose *compose,
                                                  const struct berth_compose_project *project,
                                                  const cJSON *file, struct berth_error *err);

/* ---- compose_update.c ---- */

/* As the verb of backend.h. */
int berth_compose_update(struct berth_backend *backend, const char *id,
                         const struct berth_container_change *change, char **ret_id,
                         struct berth_error *err);
/*
 * Makes what the project's file says out of what there is of its container,
 * once the file before was kept: or has everything as it was before.
 * BERTH_E_TIMEOUT, BERTH_E_UNREACHABLE: it is to be called again.
 */
BERTH_MUST_CHECK int berth_compose_carry_out(struct berth_compose *compose,
                                             const struct berth_compose_project *project,
                                             struct berth_error *err);

/* ---- compose_describe.c ---- */

/* As the verb of backend.h. */
int berth_compose_describe(struct berth_backend *backend, const struct berth_app *app,
                           struct berth_container *ret_container, struct berth_error *err);
/* Reads a project's file; ret_changed_ns: when it was written, or NULL. BERTH_E_CONFLICT: it is
 * none of ours. */
BERTH_MUST_CHECK int berth_compose_read_file(int folder, const char *path,
                                             struct berth_compose_service *ret_service,
                                             int64_t *ret_changed_ns, struct berth_error *err);
/* The same, as it stands there. */
BERTH_MUST_CHECK int berth_compose_read_tree(int folder, const char *path, cJSON **ret_file,
                                             struct berth_error *err);
/* Writes it, and what it needs beside it. */
BERTH_MUST_CHECK int berth_compose_write_file(const struct berth_compose *compose,
                                              const struct berth_compose_project *project,
                                              const struct berth_compose_service *service,
                                              struct berth_error *err);

/* ---- compose_ports.c ---- */

/* Takes the lock that is held while ports are looked for and given to a container: until *ret_fd
 * is closed. */
BERTH_MUST_CHECK int berth_compose_ports_lock(const struct berth_compose *compose, int *ret_fd,
                                              struct berth_error *err);
/* Whether those ports of service are free that the project has not had before (NULL: it is new).
 * BERTH_E_PORT_IN_USE. */
BERTH_MUST_CHECK int berth_compose_ports_check(const struct berth_compose *compose,
                                               const char *cuid,
                                               const struct berth_container *asked,
                                               const struct berth_container *before,
                                               struct berth_error *err);

/* ---- compose_files.c ---- */

/* As the verbs of backend.h. */
int berth_compose_put_archive(struct berth_backend *backend, const struct berth_app *app,
                              int archive, berth_files_progress *progress, void *ctx,
                              struct berth_files_tally *ret_tally, struct berth_error *err);
int berth_compose_get_archive(struct berth_backend *backend, const struct berth_app *app,
                              const char *path, berth_files_output *output, void *ctx,
                              struct berth_error *err);
int berth_compose_get_file(struct berth_backend *backend, const struct berth_app *app,
                           const char *path, int *ret_fd, struct berth_error *err);

/* Completes an upload that was cut short, and removes what is left of others. */
BERTH_MUST_CHECK int berth_compose_recover_files(const struct berth_compose_project *project,
                                                 struct berth_error *err);

/* ---- compose_up.c ---- */

/* Why Compose failed with BERTH_E_REFUSED: the engine is asked whether it is there. */
int berth_compose_explain(struct berth_compose *compose, int rc, struct berth_error *err);
/* Has Compose make the container of the project's file, or make it anew. */
BERTH_MUST_CHECK int berth_compose_up(struct berth_compose *compose,
                                      const struct berth_compose_project *project,
                                      struct berth_error *err);
/* Has Compose stop and remove all that is the project's on the engine. */
BERTH_MUST_CHECK int berth_compose_down(struct berth_compose *compose,
                                        const struct berth_compose_project *project,
                                        struct berth_error *err);
/* Removes those volumes of a container, listed before it was removed, that nobody has named. Once
 * Compose has made it anew, the engine does not any more. */
BERTH_MUST_CHECK int berth_compose_remove_volumes(struct berth_compose *compose, const cJSON *entry,
                                                  struct berth_error *err);
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
