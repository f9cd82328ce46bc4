/* SPDX-License-Identifier: MIT */
/*
 * Moves what was unpacked to its place. The app may change its files all the
 * while: each step is relative to a folder that is open, follows no link, and
 * what comes into the way at the last moment is set aside, so that a move that
 * has begun can always be completed.
 */
#include "backends/files/files_internal.h"
#include "base/folder.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Of an app that puts something into the way again and again. */
#define TRIES 100

struct move {
    int journal; /* the folder of the upload */
    unsigned long aside;
};

static int fail(struct berth_error *err, const char *name)
{
    int errnum = errno;
    return berth_error_set_errno(err, BERTH_E_IO, errnum, "%s cannot be put into place: %s", name,
                                 strerrordesc_np(errnum));
}

static bool is_entry(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int open_folder(int within, const char *name)
{
    return openat(within, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Of an attempt to open one. */
static bool is_no_folder(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP;
}

/* What is in that folder of a stage: a folder, or a file. Nobody but us writes there. */
static bool is_folder(int within, const struct dirent *entry)
{
    struct stat status;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(within, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

/* ---- Whether it can be moved ---- */

static int refuse_conflict(struct berth_error *err, const char *name, bool is_folder_in_archive)
{
    return berth_error_set_coded(err, BERTH_E_EXISTS, "FILE_CONFLICT",
                                 is_folder_in_archive
                                     ? "%s is a folder in the archive, and none in the app"
                                     : "%s is a file in the archive, and a folder in the app",
                                 name);
}

static int check_folder(int from, int to, struct berth_error *err);

static int check_entry(int from, int to, const struct dirent *entry, struct berth_error *err)
{
    const char *name = entry->d_name;
    struct stat status;
    bool wants_folder = is_folder(from, entry);
    if (fstatat(to, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : fail(err, name);
    if (wants_folder != (S_ISDIR(status.st_mode) != 0))
        return refuse_conflict(err, name, wants_folder);
    if (!wants_folder)
        return 0;
    BERTH_CLEANUP(fd) int from_within = open_folder(from, name);
    BERTH_CLEANUP(fd) int to_within = open_folder(to, name);
    if (to_within < 0 && is_no_folder(errno)) /* not any more: what comes, is set aside */
        return 0;
    if (from_within < 0 || to_within < 0)
        return fail(err, name);
    int rc = check_folder(from_within, to_within, err);
    if (rc == BERTH_E_EXISTS && err) {
        char inner[BERTH_ERROR_MESSAGE_MAX];
        (void)snprintf(inner, sizeof(inner), "%s", err->message);
        rc = berth_error_set_coded(err, rc, "FILE_CONFLICT", "%s/%s", name, inner);
    }
    return rc;
}

static int check_folder(int from, int to, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    int rc = berth_folder_list(from, &list, err);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(list)))
        if (is_entry(entry->d_name))
            rc = check_entry(from, to, entry, err);
    return rc;
}

/* ---- Moving ---- */

static int set_aside(struct move *move, int to, const char *name, struct berth_error *err)
{
    char moved[32];
    BERTH_CLEANUP(fd) int aside = -1;
    int rc = berth_folder_make(move->journal, BERTH_FILES_ASIDE, 0700, &aside, err);
    if (rc < 0)
        return rc;
    do
        (void)snprintf(moved, sizeof(moved), "%lu", move->aside++);
    while (renameat2(to, name, aside, moved, RENAME_NOREPLACE) < 0 && errno == EEXIST);
    return 0; /* if it did not go, the next try to take its place says so */
}

static int move_folder(struct move *move, int from, int to, struct berth_error *err);

/* Into the folder that is there; BERTH_E_NOT_FOUND, without an error: there is none now. */
static int move_into(struct move *move, int from, int to, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int from_within = open_folder(from, name);
    if (from_within < 0)
        return fail(err, name);
    BERTH_CLEANUP(fd) int to_within = open_folder(to, name);
    if (to_within < 0)
        return is_no_folder(errno) ? BERTH_E_NOT_FOUND : fail(err, name);
    int rc = move_folder(move, from_within, to_within, err);
    if (rc == 0 && unlinkat(from, name, AT_REMOVEDIR) < 0)
        rc = fail(err, name);
    return rc;
}

/* BERTH_E_NOT_FOUND, without an error: the folder to move to has gone. */
static int move_one(struct move *move, int from, int to, const char *name, bool as_folder,
                    struct berth_error *err)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        if (renameat2(from, name, to, name, as_folder ? RENAME_NOREPLACE : 0) == 0)
            return 0;
        if (errno == ENOENT)
            return BERTH_E_NOT_FOUND;
        if (errno != EEXIST && errno != EISDIR)
            return fail(err, name);
        int rc = as_folder ? move_into(move, from, to, name, err) : BERTH_E_NOT_FOUND;
        if (rc == BERTH_E_NOT_FOUND)
            rc = set_aside(move, to, name, err);
        else if (rc == 0)
            return 0;
        if (rc < 0)
            return rc;
    }
    return fail(err, name);
}

static int move_folder(struct move *move, int from, int to, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    int rc = berth_folder_list(from, &list, err);
    bool moved = true;
    while (rc == 0 && moved) { /* a listing may miss what moves meanwhile */
        const struct dirent *entry;
        moved = false;
        rewinddir(list);
        while (rc == 0 && (entry = readdir(list)))
            if (is_entry(entry->d_name)) {
                rc = move_one(move, from, to, entry->d_name, is_folder(from, entry), err);
                moved = true;
            }
    }
    return rc;
}

/* What is left of it, then the journal itself. */
static int complete(int home, int journal, const char *name, int mount, struct berth_error *err)
{
    struct move move = {.journal = journal};
    BERTH_CLEANUP(fd) int files = open_folder(journal, BERTH_FILES_TREE);
    if (files < 0 && errno != ENOENT)
        return fail(err, name);
    int rc = files < 0 ? 0 : move_folder(&move, files, mount, err);
    if (rc == BERTH_E_NOT_FOUND)
        rc = berth_error_set(err, rc, "the folder of the app's files has gone");
    return rc < 0 ? rc : berth_folder_remove(home, name, err);
}

int berth_files_move(struct berth_files_upload *upload, int mount, struct berth_error *err)
{
    char journal[BERTH_FILES_STAGE_SIZE];
    BERTH_CLEANUP(fd) int files = open_folder(upload->stage, BERTH_FILES_TREE);
    if (files < 0)
        return fail(err, "the upload");
    int rc = check_folder(files, mount, err);
    if (rc < 0)
        return rc;
    (void)snprintf(journal, sizeof(journal), BERTH_FILES_JOURNAL "%s",
                   upload->name + strlen(BERTH_FILES_STAGE));
    if (renameat2(upload->home, upload->name, upload->home, journal, RENAME_NOREPLACE) < 0)
        return fail(err, "the upload");
    /* From here on it happens, now or later. */
    BERTH_CLEANUP(fd) int stage = berth_fd_steal(&upload->stage);
    rc = berth_folder_sync(upload->home, err);
    return rc < 0 ? rc : complete(upload->home, stage, journal, mount, err);
}

/* ---- After a restart ---- */

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool berth_files_is_cut_short(int home)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    bool found = false;
    if (berth_folder_list(home, &list, NULL) < 0)
        return false;
    const struct dirent *entry;
    while (!found && (entry = readdir(list)))
        found = has_prefix(entry->d_name, BERTH_FILES_JOURNAL);
    return found;
}

/* An upload that nobody works on was cut short. */
static int remove_stage(int home, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int stage = open_folder(home, name);
    if (stage < 0)
        return errno == ENOENT ? 0 : fail(err, name);
    if (flock(stage, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : fail(err, name);
    return berth_folder_remove(home, name, err);
}

static int complete_journal(int home, const char *name, int mount, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int journal = open_folder(home, name);
    if (journal < 0)
        return fail(err, name);
    berth_log(BERTH_LOG_INFO, "an upload was cut short while its files were moved: completing it");
    return complete(home, journal, name, mount, err);
}

int berth_files_recover(int home, int mount, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    int rc = berth_folder_list(home, &list, err);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(list))) {
        if (has_prefix(entry->d_name, BERTH_FILES_STAGE))
            rc = remove_stage(home, entry->d_name, err);
        else if (has_prefix(entry->d_name, BERTH_FILES_JOURNAL))
            rc = complete_journal(home, entry->d_name, mount, err);
    }
    return rc;
}
