/* SPDX-License-Identifier: MIT */
/*
 * The folder of a project: <data_dir>/<facility>/<cuid>/ with compose.yaml, the
 * mount, and, while it is being made or removed, the mark .unfinished: whoever
 * finds that mark, and nobody at work, removes the project.
 *
 * At work is who holds the lock of the folder (flock(2)). Compose is handed the
 * open folder: should the gateway die, the lock lives as long as what it ran.
 *
 * Threading: a project belongs to one thread; the folder to any number.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_PROJECT_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_PROJECT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* The letter c and a UUID, with the terminating NUL. */
#define BERTH_CUID_SIZE 38

#define BERTH_COMPOSE_FILE "compose.yaml"

/* The text of its owner's, beside ours, where there is one. */
#define BERTH_COMPOSE_ORIGINAL "compose.orig.yaml"

struct berth_compose_project {
    char cuid[BERTH_CUID_SIZE];
    int folder; /* locked; -1: there is none */
};

#define BERTH_COMPOSE_PROJECT_INIT                                                                 \
    {                                                                                              \
        .folder = -1                                                                               \
    }

/* Gives the lock back; the folder stays. */
void berth_compose_project_release(struct berth_compose_project *project);
BERTH_DEFINE_CLEANUP_VALUE(compose_project, struct berth_compose_project,
                           berth_compose_project_release)

bool berth_compose_is_cuid(const char *name);

/* Takes the lock of a folder of projects, until *ret_fd is closed; it is held while a new one is
 * made and locked itself. */
BERTH_MUST_CHECK int berth_compose_projects_lock(int root, int *ret_fd, struct berth_error *err);

/* Makes a new one within root, marked as unfinished, with an empty mount that belongs to run_as
 * ("UID[:GID]", or NULL for the gateway's own user), and takes its lock. cuid: its name, or NULL
 * for one that nobody has. BERTH_E_EXISTS. */
BERTH_MUST_CHECK int berth_compose_project_new(int root, const char *cuid, const char *run_as,
                                               struct berth_compose_project *ret_project,
                                               struct berth_error *err);

/* Opens the one of that name and takes its lock, for which it waits at most wait_ms.
 * BERTH_E_NOT_FOUND; BERTH_E_BUSY: somebody is at work. */
BERTH_MUST_CHECK int berth_compose_project_open(int root, const char *cuid, int64_t wait_ms,
                                                struct berth_compose_project *ret_project,
                                                struct berth_error *err);

BERTH_MUST_CHECK int berth_compose_project_mark(const struct berth_compose_project *project,
                                                struct berth_error *err);
/* It is whole: it stays. */
BERTH_MUST_CHECK int berth_compose_project_finish(const struct berth_compose_project *project,
                                                  struct berth_error *err);
/* Marked, or without its file: it was never made whole. */
bool berth_compose_project_is_unfinished(const struct berth_compose_project *project);

/* ---- A change, while it is made ---- */

/* What became of the container of the file before. */
enum berth_compose_before {
    BERTH_BEFORE_NONE, /* no change is under way */
    BERTH_BEFORE_STOPPED,
    BERTH_BEFORE_RUNNING,
    BERTH_BEFORE_PAUSED,
};

enum berth_compose_before berth_compose_project_before(const struct berth_compose_project *project);
/* Keeps the file as it is beside the one that is to come. */
BERTH_MUST_CHECK int berth_compose_project_keep(const struct berth_compose_project *project,
                                                enum berth_compose_before before,
                                                struct berth_error *err);
/* Keeps the owner's text of the file that is to come, until the change is made. */
BERTH_MUST_CHECK int berth_compose_project_keep_original(
    const struct berth_compose_project *project, const char *text, struct berth_error *err);
/* Puts the file that was kept in its place again. */
BERTH_MUST_CHECK int berth_compose_project_restore(const struct berth_compose_project *project,
                                                   struct berth_error *err);
/* The change is made, or undone: what was kept goes, and an owner's text goes where it belongs. */
BERTH_MUST_CHECK int berth_compose_project_drop(const struct berth_compose_project *project,
                                                struct berth_error *err);

/* ---- The mount ---- */

/* Empties the mount, or makes it where it has gone, for run_as. */
BERTH_MUST_CHECK int berth_compose_project_clear(const struct berth_compose_project *project,
                                                 const char *run_as, struct berth_error *err);
/* Removes the mount: nothing can be made of the project from here on. */
BERTH_MUST_CHECK int berth_compose_project_unmount(const struct berth_compose_project *project,
                                                   struct berth_error *err);
/* Removes the folder with all that is in it, and gives the lock back. */
BERTH_MUST_CHECK int berth_compose_project_remove(int root, struct berth_compose_project *project,
                                                  struct berth_error *err);

#endif
