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

/* In the app's folder, which is the bundle. */
#define BERTH_ROOTFS_UPPER  "upper"  /* what it has changed in its root file system */
#define BERTH_ROOTFS_WORK   "work"   /* the overlay's own */
#define BERTH_ROOTFS_MOUNT  "mount"  /* what it sees as /app */
#define BERTH_ROOTFS_LOG    "log"    /* conmon's, in k8s-file format */
#define BERTH_ROOTFS_ATTACH "attach" /* conmon's socket (SOCK_SEQPACKET), while it runs */
#define BERTH_ROOTFS_CTL    "ctl"    /* conmon's fifo, while it runs: "1 ROWS COLS\n" resizes */

/* What an app writes at most, kept in two files. */
#define BERTH_ROOTFS_LOG_BYTES (16 << 20)

struct berth_rootfs_watch; /* rootfs_watch.c */

struct berth_rootfs {
    struct berth_backend head; /* first */
    char *facility;
    char *path; /* <data_dir>/<facility>, without a link in it */
    int root;   /* the same, open */
    int states; /* its folder .states, which is watched: see rootfs_record.h */
    int64_t request_timeout_ms;
    const char *runtime;               /* path of the runtime for what is started from now on */
    struct berth_rootfs_config config; /* a copy */
    struct berth_rootfs_watch *watch;
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
/* The same for whoever changes it: nobody else does, until it is released. */
BERTH_MUST_CHECK int berth_rootfs_take(struct berth_rootfs *rootfs, const char *id,
                                       struct berth_rootfs_app *ret_app, struct berth_error *err);
/* Looks anew how one that was found stands. */
BERTH_MUST_CHECK int berth_rootfs_look(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                                       struct berth_error *err);

static inline bool berth_rootfs_runs(const struct berth_rootfs_app *app)
{
    return app->state.state == BERTH_APP_RUNNING || app->state.state == BERTH_APP_PAUSED;
}

/* A pidfd, readable once it has ended: BERTH_E_NOT_FOUND: it has. */
BERTH_MUST_CHECK int berth_rootfs_process_open(const struct berth_rootfs_process *process,
                                               int *ret_fd, struct berth_error *err);

/* The app's cgroup as the runtime is told ("/berth/FACILITY/ID"), appended to path. */
void berth_rootfs_cgroup(const struct berth_rootfs *rootfs, const char *id,
                         struct berth_strbuf *path);

/* "No such container: ID", as the engine says it. */
int berth_rootfs_unknown(const char *id, struct berth_error *err);

#endif
