/* SPDX-License-Identifier: MIT */
#include "base/folder.h"

#include "base/clock.h"
#include "base/encoding.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LOCK_RETRY_MS 5
#define NAME_BYTES    256
/* A path that others move things in is looked up anew. */
#define OPEN_TRIES 100

static int fail(struct berth_error *err, int errnum, const char *name, const char *what)
{
    enum berth_status status = BERTH_E_IO;
    if (errnum == ENOENT)
        status = BERTH_E_NOT_FOUND;
    else if (errnum == EEXIST)
        status = BERTH_E_EXISTS;
    else if (errnum == EXDEV || errnum == ELOOP)
        status = BERTH_E_INVALID;
    return berth_error_set_errno(err, status, errnum, "%s cannot be %s: %s", name, what,
                                 status == BERTH_E_INVALID ? "it leads elsewhere"
                                                           : strerrordesc_np(errnum));
}

int berth_folder_open(int folder, const char *path, int flags, mode_t mode, int *ret_fd,
                      struct berth_error *err)
{
    const struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    for (unsigned tries = 0; fd < 0 && tries < OPEN_TRIES; tries++) {
        fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
        if (fd < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    if (fd < 0 && (errno == ENAMETOOLONG || (errno == ENOTDIR && !(flags & O_DIRECTORY))))
        errno = ENOENT; /* beneath what is no folder, or of a name that nothing can have */
    if (fd < 0)
        return fail(err, errno, path, "opened");
    *ret_fd = (int)fd;
    return 0;
}

int berth_folder_make(int folder, const char *name, mode_t mode, int *ret_fd,
                      struct berth_error *err)
{
    if (mkdirat(folder, name, mode) < 0 && errno != EEXIST)
        return fail(err, errno, name, "made");
    return berth_folder_open(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_fd, err);
}

int berth_folder_sync(int folder, struct berth_error *err)
{
    return fsync(folder) < 0 ? fail(err, errno, "folder", "written") : 0;
}

bool berth_folder_has(int folder, const char *name)
{
    return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int berth_folder_list(int folder, DIR **ret_dir, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    int rc = berth_folder_open(folder, ".", O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (rc < 0)
        return rc;
    DIR *dir = fdopendir(fd);
    if (!dir)
        return fail(err, errno, "folder", "read");
    (void)berth_fd_steal(&fd);
    *ret_dir = dir;
    return 0;
}

/* ---- Writing ---- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        len -= (size_t)done;
    }
    return fsync(fd);
}

int berth_folder_write(int folder, const char *name, const void *data, size_t len, mode_t mode,
                       struct berth_error *err)
{
    char draft[NAME_BYTES];
    char uuid[37];
    BERTH_CLEANUP(fd) int fd = -1;
    int rc = berth_random_uuid(uuid, err);
    if (rc < 0)
        return rc;
    (void)snprintf(draft, sizeof(draft), ".%s.%.8s", name, uuid);
    rc = berth_folder_open(folder, draft, O_WRONLY | O_CREAT | O_EXCL, mode, &fd, err);
    if (rc < 0)
        return rc;
    if (write_all(fd, data, len) < 0 || renameat(folder, draft, folder, name) < 0) {
        rc = fail(err, errno, name, "written");
        (void)unlinkat(folder, draft, 0);
        return rc;
    }
    return berth_folder_sync(folder, err);
}

/* ---- Removing ---- */

int berth_folder_unlink(int folder, const char *name, struct berth_error *err)
{
    if (unlinkat(folder, name, 0) == 0)
        return berth_folder_sync(folder, err);
    return errno == ENOENT ? 0 : fail(err, errno, name, "removed");
}

static bool is_entry(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Gives a folder within dir a place and a new name in top. */
static int move_up(int top, int dir, const char *name, struct berth_error *err)
{
    for (;;) {
        char moved[NAME_BYTES];
        uint64_t number;
        int rc = berth_random_bytes(&number, sizeof(number), err);
        if (rc < 0)
            return rc;
        (void)snprintf(moved, sizeof(moved), ".removed.%016" PRIx64, number);
        if (renameat2(dir, name, top, moved, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            return fail(err, errno, name, "removed");
    }
}

/*
 * Removes the files in dir, and the folders if dir is top, emptied first; from
 * another dir they move up to top. So two open folders are enough for any depth,
 * and each round over top leaves fewer of them.
 */
static int clear_round(int top, int dir, bool *ret_folders, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    int rc = berth_folder_list(dir, &list, err);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(list))) {
        const char *name = entry->d_name;
        if (!is_entry(name) || unlinkat(dir, name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR)
            return fail(err, errno, name, "removed");
        *ret_folders = true;
        if (dir != top) {
            rc = move_up(top, dir, name, err);
            continue;
        }
        bool nested = false;
        BERTH_CLEANUP(fd) int within = -1;
        rc = berth_folder_open(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &within, err);
        if (rc == 0)
            rc = clear_round(top, within, &nested, err); /* no deeper than that */
        /* Not empty: the listing missed what came or moved meanwhile, the next round has it. */
        if (rc == 0 && unlinkat(top, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
            rc = fail(err, errno, name, "removed");
    }
    return rc;
}

int berth_folder_clear(int folder, struct berth_error *err)
{
    int rc = 0;
    for (bool folders = true; rc == 0 && folders;) {
        folders = false;
        rc = clear_round(folder, folder, &folders, err);
    }
    return rc;
}

int berth_folder_remove(int folder, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = berth_folder_open(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, &why);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = berth_folder_clear(fd, &why);
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    if (unlinkat(folder, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail(err, errno, name, "removed");
    return berth_folder_sync(folder, err);
}

int berth_folder_lock(int folder, int64_t wait_ms, struct berth_error *err)
{
    const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * BERTH_NS_PER_MS};
    int64_t deadline_ms = berth_clock_monotonic_ms() + wait_ms;
    while (flock(folder, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "an app cannot be locked");
        if (berth_clock_monotonic_ms() >= deadline_ms) {
            int rc = berth_error_set(err, BERTH_E_BUSY, "another change of the app is under way");
            if (err)
                err->retry_after_s = 1;
            return rc;
        }
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}
