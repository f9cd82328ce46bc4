/* SPDX-License-Identifier: MIT */
/*
 * The files of an app, beneath a folder that is open and that the app changes
 * at will: archives are unpacked into it, it is packed into archives, and
 * single files are read. Nothing that the app puts there, and nothing that an
 * archive or a client names, leads out of it.
 *
 * An upload is all or nothing, whatever happens: the archive is checked while it
 * is unpacked into a folder of its own beside the app's (struct
 * berth_files_upload), on the same file system. When that is whole and on the
 * disk it is given the name of a journal, and then each file moves to its place
 * by rename(2). Cut short before, nothing has changed; after, berth_files_recover
 * moves the rest.
 *
 * Errors besides those of base/folder.h, with the code that clients see:
 * BERTH_E_INVALID BAD_ARCHIVE (what is wrong is said), PATH_ESCAPE (a path leads
 * out), WRONG_KIND (a folder where a file is asked for, or the reverse);
 * BERTH_E_EXISTS FILE_CONFLICT (a folder is where the archive has a file, or the
 * reverse); BERTH_E_NO_SPACE; BERTH_E_CANCELLED (the callback says so).
 *
 * Threading: stateless; an upload belongs to one thread.
 */
#ifndef BERTH_BACKENDS_FILES_FILES_H
#define BERTH_BACKENDS_FILES_FILES_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What an upload brought. */
struct berth_files_tally {
    int64_t files;
    int64_t bytes; /* of their content */
};

/* How much of an archive is unpacked; called often, at least once before anything is. False stops
 * it. */
typedef bool berth_files_progress(void *ctx, const struct berth_files_tally *done);

/* A piece of an archive; data is borrowed. False stops it. */
typedef bool berth_files_output(void *ctx, const char *data, size_t len);

/* ---- Uploads ---- */

#define BERTH_FILES_STAGE_SIZE 48

/* One that is unpacked, and not yet where it belongs. */
struct berth_files_upload {
    int home;                          /* borrowed: the folder that the stage is in */
    int stage;                         /* locked (flock) while somebody works on it; -1: none */
    char name[BERTH_FILES_STAGE_SIZE]; /* of the stage, in home */
    struct berth_files_tally tally;
};

#define BERTH_FILES_UPLOAD_INIT                                                                    \
    {                                                                                              \
        .home = -1, .stage = -1                                                                    \
    }

/* Removes what was not moved; an upload that is moved leaves nothing. */
void berth_files_upload_release(struct berth_files_upload *upload);
BERTH_DEFINE_CLEANUP_VALUE(files_upload, struct berth_files_upload, berth_files_upload_release)

/*
 * Unpacks the ZIP archive, a file that is open and can seek, into a stage in home,
 * which is no app's. Its files get the owner of mount, mode 0644 or, where the
 * archive has them executable, 0755, and the archive's times; folders 0755.
 * progress may be NULL.
 */
BERTH_MUST_CHECK int berth_files_stage(int home, int mount, int archive,
                                       berth_files_progress *progress, void *ctx,
                                       struct berth_files_upload *ret_upload,
                                       struct berth_error *err);

/* Appends the file of that path in the archive. BERTH_E_NOT_FOUND; BERTH_E_TOO_LARGE: past the cap
 * of out. */
BERTH_MUST_CHECK int berth_files_peek(int archive, const char *path, struct berth_strbuf *out,
                                      struct berth_error *err);

/*
 * Moves all of it into mount, over the files that are there; what the archive
 * does not name stays. Whoever calls holds the lock of home: nobody else moves
 * or recovers. On BERTH_E_EXISTS nothing has changed; on another failure the
 * rest is moved by berth_files_recover.
 */
BERTH_MUST_CHECK int berth_files_move(struct berth_files_upload *upload, int mount,
                                      struct berth_error *err);

/* True if an upload was cut short while it was moved: recover before anything is read. */
bool berth_files_is_cut_short(int home);

/* Completes what was cut short while it was moved, and removes what was so before. Under the lock
 * of home. */
BERTH_MUST_CHECK int berth_files_recover(int home, int mount, struct berth_error *err);

/* ---- Downloads ---- */

/*
 * Opens a file, or (is_folder) a folder, of mount for reading. path: relative;
 * "" or "." is mount itself. Links are followed as long as they stay within.
 */
BERTH_MUST_CHECK int berth_files_open(int mount, const char *path, bool is_folder, int *ret_fd,
                                      struct berth_error *err);

/*
 * The folder as ZIP (deflate, with Zip64 where it must be), names relative to
 * it. A link to a file within mount is stored as that file; other links, and
 * what is neither file nor folder, are left out. A file that changes
 * meanwhile is as long as it was when it was opened, with zeros for what is cut off. Output is
 * called once with len 0 when the folder is open, before its content. Depth is bounded by
 * BERTH_FILES_DEPTH_MAX: BERTH_E_TOO_LARGE.
 */
BERTH_MUST_CHECK int berth_files_pack(int mount, const char *path, berth_files_output *output,
                                      void *ctx, struct berth_error *err);

#endif
