/* SPDX-License-Identifier: MIT */
/*
 * Files beneath a folder that is open. Every path is resolved from there by
 * openat2(2) and never leads out of it: not by "..", not from the root, not
 * by a link, whatever others change meanwhile.
 *
 * Errors: BERTH_E_NOT_FOUND, BERTH_E_EXISTS, BERTH_E_INVALID (the path leads
 * out), BERTH_E_NO_SPACE, else BERTH_E_IO; the message names the path alone.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BASE_FOLDER_H
#define BERTH_BASE_FOLDER_H

#include "base/error.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

BERTH_DEFINE_CLEANUP(dir, DIR *, closedir)

/* open(2) of a path beneath folder; flags as there, O_CLOEXEC is added. mode: of what O_CREAT
 * makes, else 0. */
BERTH_MUST_CHECK int berth_folder_open(int folder, const char *path, int flags, mode_t mode,
                                       int *ret_fd, struct berth_error *err);

/* Makes the folder name in folder, unless it is there, and opens it. */
BERTH_MUST_CHECK int berth_folder_make(int folder, const char *name, mode_t mode, int *ret_fd,
                                       struct berth_error *err);

/* Puts a file of this content in place of name, whole and on the disk, or changes nothing. name
 * is no path, and at most 200 bytes long. */
BERTH_MUST_CHECK int berth_folder_write(int folder, const char *name, const void *data, size_t len,
                                        mode_t mode, struct berth_error *err);

/* True if there is something of that name, whatever it is. */
bool berth_folder_has(int folder, const char *name);

/* Removes the file name, for good; that there is none is fine. */
BERTH_MUST_CHECK int berth_folder_unlink(int folder, const char *name, struct berth_error *err);

/* Removes all that is in folder, however deep; links are removed, not followed. */
BERTH_MUST_CHECK int berth_folder_clear(int folder, struct berth_error *err);

/* Removes the folder name with all that is in it; that there is none is fine. */
BERTH_MUST_CHECK int berth_folder_remove(int folder, const char *name, struct berth_error *err);

/* Another DIR of folder, from its first entry. */
BERTH_MUST_CHECK int berth_folder_list(int folder, DIR **ret_dir, struct berth_error *err);

/* Locks an app's folder (flock) for as long as what it is open by, and waits up to wait_ms for
 * another to be through with it: then BERTH_E_BUSY. */
BERTH_MUST_CHECK int berth_folder_lock(int folder, int64_t wait_ms, struct berth_error *err);

/* What was made or removed in folder is on the disk. */
BERTH_MUST_CHECK int berth_folder_sync(int folder, struct berth_error *err);

#endif
