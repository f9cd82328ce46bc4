/* SPDX-License-Identifier: MIT */
/*
 * The backend's own state, and what its files call of each other. Included by
 * those of this folder alone.
 *
 * Threading: fixed after open, but for what follows a lock: that is under it.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_INTERNAL_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_INTERNAL_H

#include "backends/rootfs/rootfs.h"
#include "backends/rootfs/rootfs_record.h"
#include "backends/rootfs/rootfs_userns.h"
#include "base/process.h"

/* In the app's folder, which is the bundle. */
#define BERTH_ROOTFS_UPPER  "upper"  /* what it has changed in its root file system */
#define BERTH_ROOTFS_WORK   "work"   /* the overlay's own */
#define BERTH_ROOTFS_MOUNT  "mount"  /* what it sees as /app */
#define BERTH_ROOTFS_LOG    "log"    /* conmon's, in k8s-file format */
#define BERTH_ROOTFS_ATTACH "attach" /* conmon's socket (SOCK_SEQPACKET), while it runs */
#define BERTH_ROOTFS_PID    "pid"    /* of its first process, while it runs */
#define BERTH_ROOTFS_CTL    "ctl"    /* conmon's fifo, while it runs: "1 ROWS COLS\n" resizes */

/* What conmon writes into one file of an app's log; the one before is kept. */
#define BERTH_ROOTFS_LOG_BYTES 16777216

struct berth_rootfs_watch; /* rootfs_watch.c */

/* Of the mender's thread. ENDED and CLOSING: it is to be joined, if it was started. */
enum berth_rootfs_mend_state {
    BERTH_ROOTFS_MEND_IDLE,
    BERTH_ROOTFS_MEND_RUNNING,
    BERTH_ROOTFS_MEND_ENDED,
    BERTH_ROOTFS_MEND_CLOSING,
};

struct berth_rootfs_keeper; /* rootfs_keeper.h */
struct berth_rootfs_stats;  /* rootfs_stats.h */

struct berth_rootfs {
    struct berth_backend head; /* first */
    char *facility;
    char *path;                    /* <data_dir>/<facility>, without a link in it */
    int root;                      /* the same, open */
    char *states_path;             /* its folder .states, which is watched: see rootfs_record.h */
    int states;                    /* the same, open */
    char boot[BERTH_BOOT_ID_SIZE]; /* of the machine, as it runs now */
    int64_t request_timeout_ms;
    struct berth_rootfs_config config; /* a copy; command is never NULL */
    struct berth_rootfs_userns userns;
    char *seccomp;    /* the profile, as the runtime takes it */
    bool counts_swap; /* the kernel bounds memory and swap together */
    struct berth_engine_io *io;
    pthread_mutex_t version_lock;
    char version[BERTH_VERSION_MAX]; /* version_lock; of the runtime, "" until it has told */
    struct berth_rootfs_watch *watch;
    pthread_mutex_t mend_lock;
    pthread_cond_t mend_wake;
    pthread_t mender;
    enum berth_rootfs_mend_state mend_state; /* mend_lock, as is the next */
    bool mend_wanted;                        /* since its last look began */
    struct berth_rootfs_keeper *keeper;      /* rootfs_inside.c, as is the next */
    struct berth_rootfs_stats *stats;
};

static inline struct berth_rootfs *berth_rootfs_of(struct berth_backend *backend)
{
    return (struct berth_rootfs *)(void *)backend;
}

/* ---- rootfs_find.c: an app, as it stands at the moment ---- */

struct berth_rootfs_app {
    char id[BERTH_ROOTFS_ID_SIZE];
    char *path; /* of its folder, absolute */
    int folder; /* the same, open */
    struct berth_rootfs_record record;
    struct berth_rootfs_state state; /* the truth: a process that is said to run does */
};

#define BERTH_ROOTFS_APP_INIT                                                                      \
    {                                                                                              \
        .folder = -1                                                                               \
    }

/* Gives its lock back, where it is taken. */
void berth_rootfs_app_release(struct berth_rootfs_app *app);
BERTH_DEFINE_CLEANUP_VALUE(rootfs_app, struct berth_rootfs_app, berth_rootfs_app_release)

/* BERTH_E_NOT_FOUND: there is none, or none that is whole. */
BERTH_MUST_CHECK int berth_rootfs_find(struct berth_rootfs *rootfs, const char *id,
                                       struct berth_rootfs_app *ret_app, struct berth_error *err);
/* The same for whoever starts, changes or removes it: nobody else does, until it is released.
 * BERTH_E_BUSY: somebody has done so for wait_ms. */
BERTH_MUST_CHECK int berth_rootfs_take(struct berth_rootfs *rootfs, const char *id, int64_t wait_ms,
                                       struct berth_rootfs_app *ret_app, struct berth_error *err);
/* Looks anew how one that was found stands. */
BERTH_MUST_CHECK int berth_rootfs_look(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                                       struct berth_error *err);

static inline bool berth_rootfs_runs(const struct berth_rootfs_app *app)
{
    return app->state.state == BERTH_APP_RUNNING || app->state.state == BERTH_APP_PAUSED;
}

/* As it is at the moment, for later. */
void berth_rootfs_process_note(pid_t pid, struct berth_rootfs_process *ret_process);
bool berth_rootfs_process_lives(const struct berth_rootfs_process *process);
/* A pidfd, readable once it has ended. BERTH_E_NOT_FOUND: it has. */
BERTH_MUST_CHECK int berth_rootfs_process_open(const struct berth_rootfs_process *process,
                                               int *ret_fd, struct berth_error *err);

bool berth_rootfs_is_id(const char *text);
/* "No such container: ID", as the engine says it. */
int berth_rootfs_unknown(const char *id, struct berth_error *err);

/* As the verb of backend.h. */
int berth_rootfs_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                      struct berth_error *err);
/* As it is listed. */
BERTH_MUST_CHECK int berth_rootfs_show(const struct berth_rootfs *rootfs,
                                       const struct berth_rootfs_app *app,
                                       struct berth_app **ret_app, struct berth_error *err);

/* ---- rootfs_cgroup.c ---- */

/* The app's cgroup as the runtime is told ("/berth/ID"), appended to path. */
void berth_rootfs_cgroup(const char *id, struct berth_strbuf *path);
bool berth_rootfs_has_cgroup(const char *id);
/* Kills what is in it, and removes it. False: it is still there. */
bool berth_rootfs_drop_cgroup(const char *id);
/* Takes a conmon out of the service's control group, with which systemd would end it when the
 * gateway is restarted; where there is no systemd, nothing depends on it. */
void berth_rootfs_keep_apart(pid_t conmon);
bool berth_rootfs_is_frozen(const char *id);
/* Freezes or thaws it, and waits until it is. */
BERTH_MUST_CHECK int berth_rootfs_freeze(const char *id, bool is_wanted, int64_t wait_ms,
                                         struct berth_error *err);

/* ---- rootfs_prepare.c ---- */

/* Whether it can be split. BERTH_E_INVALID. */
BERTH_MUST_CHECK int berth_rootfs_command_check(const char *command, struct berth_error *err);
/* Makes the folder of the app's own files. run_as: "UID[:GID]", or NULL for root. */
BERTH_MUST_CHECK int berth_rootfs_make_mount(const struct berth_rootfs *rootfs, int folder,
                                             const char *run_as, struct berth_error *err);
/* Writes the bundle. */
BERTH_MUST_CHECK int berth_rootfs_prepare(const struct berth_rootfs *rootfs,
                                          const struct berth_rootfs_app *app,
                                          struct berth_error *err);

/* ---- rootfs_run.c ---- */

/* Starts an app that is taken, and does not run. BERTH_E_REFUSED: the runtime's own words. */
BERTH_MUST_CHECK int berth_rootfs_run(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                                      struct berth_error *err);
/* Waits until it does not run (any more), for wait_ms at most; app is as it is then. Any number may
 * wait. */
BERTH_MUST_CHECK int berth_rootfs_await_end(struct berth_rootfs *rootfs,
                                            struct berth_rootfs_app *app, int64_t wait_ms,
                                            bool *ret_ended, struct berth_error *err);
/* Waits until its run has ended and all that it had is cleared away. BERTH_E_TIMEOUT. */
BERTH_MUST_CHECK int berth_rootfs_await_cleared(struct berth_rootfs *rootfs,
                                                const struct berth_rootfs_app *app,
                                                struct berth_error *err);
/* Of an app that is taken: clears away what is left of a run that was cut short, or whose conmon
 * has died, and writes down how it ended. */
BERTH_MUST_CHECK int berth_rootfs_sweep(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                                        struct berth_error *err);
/* Whether sweep has something to do. */
bool berth_rootfs_is_littered(const struct berth_rootfs_app *app);

/* ---- rootfs_node.c: as the verbs of backend.h ---- */

int berth_rootfs_versions(struct berth_backend *backend, struct berth_versions *ret_versions,
                          struct berth_error *err);
int berth_rootfs_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                       struct berth_error *err);
int berth_rootfs_condition(struct berth_backend *backend, struct berth_error *err);

/* What a run needs. BERTH_E_UNREACHABLE: one is not here; BERTH_E_REFUSED: the host's cgroups are
 * not what the runtime takes. */
BERTH_MUST_CHECK int berth_rootfs_find_tools(const struct berth_rootfs *rootfs,
                                             const char **ret_conmon, const char **ret_runtime,
                                             struct berth_error *err);

/* ---- rootfs_act.c: as the verbs of backend.h ---- */

int berth_rootfs_start(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_rootfs_stop(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_rootfs_pause(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_rootfs_unpause(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_rootfs_restart(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_rootfs_kill(struct berth_backend *backend, const char *id, struct berth_error *err);

/* Ends one that was found or taken, with the grace of stop. */
BERTH_MUST_CHECK int berth_rootfs_end(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                                      struct berth_error *err);

/* ---- rootfs_update.c: as the verbs of backend.h ---- */

int berth_rootfs_update(struct berth_backend *backend, const char *id,
                        const struct berth_container_change *change, char **ret_id,
                        struct berth_error *err);
int berth_rootfs_describe(struct berth_backend *backend, const struct berth_app *app,
                          struct berth_container *ret_container, struct berth_error *err);

/* ---- rootfs_create.c: as the verbs of backend.h ---- */

int berth_rootfs_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                        char **ret_id, struct berth_error *err);
int berth_rootfs_remove(struct berth_backend *backend, const char *id, struct berth_error *err);
int berth_rootfs_remove_ended(struct berth_backend *backend, const char *id,
                              struct berth_error *err);
int berth_rootfs_reset(struct berth_backend *backend, const char *id,
                       const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                       struct berth_error *err);
/* Under this lock folders of apps are made, and found to be half-made. */
BERTH_MUST_CHECK int berth_rootfs_lock_all(struct berth_rootfs *rootfs, int *ret_held,
                                           struct berth_error *err);
/* Removes an app that is taken and does not run, or what is left of one. */
BERTH_MUST_CHECK int berth_rootfs_discard(struct berth_rootfs *rootfs, const char *id, int folder,
                                          struct berth_error *err);

/* ---- rootfs_mend.c ---- */

/* The mender is a thread that lives while there is something to do: it removes what was left
 * half-made, and sweeps after runs whose end nobody saw. */
BERTH_MUST_CHECK int berth_rootfs_mend(struct berth_rootfs *rootfs, struct berth_error *err);
void berth_rootfs_mend_end(struct berth_rootfs *rootfs);

/* ---- rootfs_watch.c ---- */

/* As the verbs of backend.h. */
int berth_rootfs_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                       struct berth_error *err);
void berth_rootfs_touch(struct berth_backend *backend);
void berth_rootfs_watch_end(struct berth_rootfs *rootfs);
/* Returns once the sink, if there is one, has been told of all that has happened. */
void berth_rootfs_tell(struct berth_rootfs *rootfs);

#endif
