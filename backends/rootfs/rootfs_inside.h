/* SPDX-License-Identifier: MIT */
/*
 * What is done within an app and asked of it: processes, its terminal, its
 * log, what it uses, its files. Included by this folder's files alone.
 *
 * Threading: as backends/backend.h.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_INSIDE_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_INSIDE_H

#include "backends/rootfs/rootfs_internal.h"

/* With the backend: what these verbs keep. */
BERTH_MUST_CHECK int berth_rootfs_inside_open(struct berth_rootfs *rootfs, struct berth_error *err);
void berth_rootfs_inside_close(struct berth_rootfs *rootfs); /* one that was not opened, too */

/* As the verbs of backend.h. */
int berth_rootfs_exec(struct berth_backend *backend, const char *id,
                      const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                      struct berth_error *err);
int berth_rootfs_attach(struct berth_backend *backend, const char *id, unsigned cols, unsigned rows,
                        struct berth_exec **ret_exec, struct berth_error *err);
int berth_rootfs_logs(struct berth_backend *backend, const char *id,
                      const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                      struct berth_error *err);
int berth_rootfs_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                       size_t count, struct berth_stats_list *ret_stats, struct berth_error *err);
int berth_rootfs_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                         struct berth_error *err);
int berth_rootfs_put_archive(struct berth_backend *backend, const struct berth_app *app,
                             int archive, berth_files_progress *progress, void *ctx,
                             struct berth_files_tally *ret_tally, struct berth_error *err);
int berth_rootfs_get_archive(struct berth_backend *backend, const struct berth_app *app,
                             const char *path, berth_files_output *output, void *ctx,
                             struct berth_error *err);
int berth_rootfs_get_file(struct berth_backend *backend, const struct berth_app *app,
                          const char *path, int *ret_fd, struct berth_error *err);

/* BERTH_E_CONFLICT unless it runs and is not paused. */
BERTH_MUST_CHECK int berth_rootfs_need_running(const struct berth_rootfs_app *app,
                                               struct berth_error *err);

/* The kernel's number. */
int berth_rootfs_signal_number(enum berth_exec_signal number);

/* The process group in the foreground of a process's terminal; without one its own; 0: it has
 * ended. */
pid_t berth_rootfs_foreground(pid_t pid);

/* Keeps the log's file before the last, in an app's folder: when a run is found, and when conmon
 * has begun a new one. One thread at a time. */
void berth_rootfs_keep_log(int folder);

/* Whether something is, or was left, under way in its folder: an upload, the start of a process. */
bool berth_rootfs_is_strewn(const struct berth_rootfs_app *app);
/* Completes or removes what nobody is at any more; the app is taken. */
BERTH_MUST_CHECK int berth_rootfs_tidy(const struct berth_rootfs_app *app, struct berth_error *err);

#endif
