/* SPDX-License-Identifier: MIT */
/* Unpacks an archive into a folder of ours, where nobody else writes. */
#include "backends/files/files_internal.h"
#include "backends/files/files_reader.h"
#include "base/encoding.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define HOME_MODE   0700
#define FOLDER_MODE 0755
#define FILE_MODE   0644
#define PROGRAM     0755

/* Content that is told of without being asked for each block. */
#define PROGRESS_BYTES (1 << 20)

struct stage {
    struct berth_files_reader reader;
    struct berth_files_tally tally;
    int files; /* the folder that is filled */
    uid_t uid;
    gid_t gid;
    bool gives;         /* the owner is somebody else than we are */
    int64_t room_bytes; /* that the file system has */
    int folder;         /* that of the entry before: its path follows */
    char folder_path[BERTH_FILES_PATH_MAX + 1];
    int64_t told_bytes;
    berth_files_progress *progress;
    void *ctx;
};

static int fail(struct berth_error *err, const char *path)
{
    int errnum = errno;
    if (errnum == EEXIST || errnum == ENOTDIR || errnum == EISDIR || errnum == ELOOP)
        return berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE",
                                     "the archive has two entries of one name: %s", path);
    return berth_error_set_errno(err, errnum == ENOENT ? BERTH_E_NOT_FOUND : BERTH_E_IO, errnum,
                                 "%s cannot be unpacked: %s", path, strerrordesc_np(errnum));
}

/* ---- The stage ---- */

void berth_files_upload_release(struct berth_files_upload *upload)
{
    /* What stays, because the disk fails, is for berth_files_recover. */
    if (upload->stage >= 0)
        (void)!berth_folder_remove(upload->home, upload->name, NULL);
    berth_fd_close(&upload->stage);
}

/* Whoever finds a stage that is not locked removes it: also in the moment before it is. */
static int make_stage(int home, struct berth_files_upload *upload, struct berth_error *err)
{
    char uuid[37];
    struct stat status = {0};
    while (status.st_nlink == 0) {
        berth_fd_close(&upload->stage);
        int rc = berth_random_uuid(uuid, err);
        if (rc < 0)
            return rc;
        (void)snprintf(upload->name, sizeof(upload->name), BERTH_FILES_STAGE "%s", uuid);
        rc = berth_folder_make(home, upload->name, HOME_MODE, &upload->stage, err);
        if (rc == BERTH_E_NOT_FOUND)
            continue;
        if (rc < 0)
            return rc;
        if ((flock(upload->stage, LOCK_EX | LOCK_NB) < 0 && errno != EWOULDBLOCK) ||
            fstat(upload->stage, &status) < 0)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "an upload cannot be locked");
    }
    upload->home = home;
    return 0;
}

/* ---- Folders ---- */

static int own(const struct stage *stage, int fd, mode_t mode, const char *path,
               struct berth_error *err)
{
    if (fchmod(fd, mode) < 0 || (stage->gives && fchown(fd, stage->uid, stage->gid) < 0))
        return fail(err, path);
    return 0;
}

static int enter_folder(const struct stage *stage, int within, const char *name, const char *path,
                        int *ret_fd, struct berth_error *err)
{
    bool is_new = mkdirat(within, name, FOLDER_MODE) == 0;
    if (!is_new && errno != EEXIST)
        return fail(err, path);
    BERTH_CLEANUP(fd)
    int fd = openat(within, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail(err, path);
    int rc = is_new ? own(stage, fd, FOLDER_MODE, path, err) : 0;
    if (rc == 0)
        *ret_fd = berth_fd_steal(&fd);
    return rc;
}

/* Makes stage->folder that of path, its first len bytes, and what is missing on the way. */
static int open_folder(struct stage *stage, const char *path, size_t len, struct berth_error *err)
{
    if (stage->folder >= 0 && strlen(stage->folder_path) == len &&
        strncmp(stage->folder_path, path, len) == 0)
        return 0;
    BERTH_CLEANUP(fd) int fd = openat(stage->files, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, path);
    for (size_t at = 0; at < len;) {
        char name[BERTH_FILES_PATH_MAX + 1];
        size_t name_len = strcspn(path + at, "/");
        int within = -1;
        (void)snprintf(name, sizeof(name), "%.*s", (int)name_len, path + at);
        int rc = enter_folder(stage, fd, name, path, &within, err);
        if (rc < 0)
            return rc;
        berth_fd_close(&fd);
        fd = within;
        at += name_len + 1;
    }
    berth_fd_close(&stage->folder);
    stage->folder = berth_fd_steal(&fd);
    (void)snprintf(stage->folder_path, sizeof(stage->folder_path), "%.*s", (int)len, path);
    return 0;
}

/* ---- Files ---- */

static int tell(struct stage *stage, int64_t step, struct berth_error *err)
{
    if (!stage->progress || stage->tally.bytes - stage->told_bytes < step)
        return 0;
    stage->told_bytes = stage->tally.bytes;
    if (stage->progress(stage->ctx, &stage->tally))
        return 0;
    return berth_error_set(err, BERTH_E_CANCELLED, "the upload was stopped");
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno != EINTR)
            return -1;
        if (done > 0) {
            data += done;
            len -= (size_t)done;
        }
    }
    return 0;
}

static int fill(struct stage *stage, const struct berth_files_entry *entry, int fd,
                struct berth_error *err)
{
    for (;;) {
        const void *data;
        size_t len;
        int rc = berth_files_reader_data(&stage->reader, entry, &data, &len, err);
        if (rc < 0 || len == 0)
            return rc;
        if (write_all(fd, data, len) < 0)
            return fail(err, entry->path);
        stage->tally.bytes += (int64_t)len;
        rc = tell(stage, PROGRESS_BYTES, err);
        if (rc < 0)
            return rc;
    }
}

static int add_file(struct stage *stage, const struct berth_files_entry *entry,
                    struct berth_error *err)
{
    const char *slash = strrchr(entry->path, '/');
    int rc = open_folder(stage, entry->path, slash ? (size_t)(slash - entry->path) : 0, err);
    if (rc < 0)
        return rc;
    BERTH_CLEANUP(fd)
    int fd = openat(stage->folder, slash ? slash + 1 : entry->path,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return fail(err, entry->path);
    rc = fill(stage, entry, fd, err);
    if (rc == 0)
        rc = own(stage, fd, entry->is_executable ? PROGRAM : FILE_MODE, entry->path, err);
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = entry->time_s}};
    if (rc == 0 && entry->has_time && futimens(fd, times) < 0)
        rc = fail(err, entry->path);
    stage->tally.files++;
    return rc;
}

/* The archive tells its size before it is unpacked: no need to fill the disk to find it too small.
 */
static int check_room(const struct stage *stage, struct berth_error *err)
{
    if (stage->reader.bytes <= stage->room_bytes)
        return 0;
    return berth_error_set(err, BERTH_E_NO_SPACE, "the disk has no room for the archive's files");
}

static int unpack(struct stage *stage, struct berth_error *err)
{
    struct berth_files_entry entry;
    bool more = true;
    int rc = tell(stage, 0, err);
    while (rc == 0) {
        rc = berth_files_reader_next(&stage->reader, &entry, &more, err);
        if (rc < 0 || !more)
            return rc;
        rc = check_room(stage, err);
        if (rc == 0 && entry.is_folder)
            rc = open_folder(stage, entry.path, strlen(entry.path), err);
        else if (rc == 0)
            rc = add_file(stage, &entry, err);
    }
    return rc;
}

/* ---- All of it ---- */

static int set_owner(struct stage *stage, int mount, struct berth_error *err)
{
    struct stat status;
    struct statvfs room;
    if (fstat(mount, &status) < 0 || fstatvfs(stage->files, &room) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the app's files cannot be reached");
    stage->uid = status.st_uid;
    stage->gid = status.st_gid;
    stage->gives = status.st_uid != geteuid() || status.st_gid != getegid();
    stage->room_bytes = (int64_t)(room.f_bavail * room.f_frsize);
    return 0;
}

static int stage_files(struct stage *stage, int mount, int archive,
                       struct berth_files_upload *upload, struct berth_error *err)
{
    int rc = berth_folder_make(upload->stage, BERTH_FILES_TREE, FOLDER_MODE, &stage->files, err);
    if (rc == 0)
        rc = set_owner(stage, mount, err);
    if (rc == 0)
        rc = berth_files_reader_open(archive, &stage->reader, err);
    if (rc == 0)
        rc = unpack(stage, err);
    if (rc == 0 && syncfs(upload->stage) < 0)
        rc = berth_error_set_errno(err, BERTH_E_IO, errno, "the files cannot be written");
    return rc;
}

int berth_files_stage(int home, int mount, int archive, berth_files_progress *progress, void *ctx,
                      struct berth_files_upload *ret_upload, struct berth_error *err)
{
    BERTH_CLEANUP(files_upload) struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    struct stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return berth_error_nomem(err);
    stage->files = stage->folder = -1;
    stage->progress = progress;
    stage->ctx = ctx;
    int rc = make_stage(home, &upload, err);
    if (rc == 0)
        rc = stage_files(stage, mount, archive, &upload, err);
    upload.tally = stage->tally;
    berth_files_reader_close(&stage->reader);
    berth_fd_close(&stage->folder);
    berth_fd_close(&stage->files);
    free(stage);
    if (rc < 0)
        return rc;
    *ret_upload = upload;
    upload.stage = -1;
    return 0;
}
