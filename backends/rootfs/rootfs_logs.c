/* SPDX-License-Identifier: MIT */
/* The verb logs: what conmon has written, and what it writes on. */
#include "backends/rootfs/rootfs_inside.h"
#include "backends/rootfs/rootfs_log.h"
#include "backends/rootfs/rootfs_spawn.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define PIECE   16384
#define KEPT    "log.kept"
#define BEFORE  "log.before"
#define TRIES   10
#define TICK_MS 1000 /* of silence, after which whoever listens is asked whether it goes on */

/* ---- Files ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

void berth_rootfs_keep_log(int folder)
{
    struct stat log;
    struct stat kept;
    if (fstatat(folder, BERTH_ROOTFS_LOG, &log, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (fstatat(folder, KEPT, &kept, AT_SYMLINK_NOFOLLOW) == 0) {
        if (is_same(&log, &kept) || renameat(folder, KEPT, folder, BEFORE) < 0)
            return;
    }
    (void)!linkat(folder, BERTH_ROOTFS_LOG, folder, KEPT, 0);
}

enum { OLDEST, OLDER, NEWEST, FILES };

struct reader {
    struct berth_rootfs_log log;
    int folder;       /* borrowed: the app's */
    int files[FILES]; /* -1: there is none */
    int conmon;       /* pidfd of who writes it; -1: nobody */
    int news;         /* inotify */
};

static void reader_release(struct reader *reader)
{
    berth_rootfs_log_release(&reader->log);
    for (int i = 0; i < FILES; i++)
        berth_fd_close(&reader->files[i]);
    berth_fd_close(&reader->conmon);
    berth_fd_close(&reader->news);
}
BERTH_DEFINE_CLEANUP_VALUE(reader, struct reader, reader_release)

/* That there is none is fine: an app that was never started has no log. */
static int open_file(struct reader *reader, int which, struct berth_error *err)
{
    static const char *const names[] = {
        [OLDEST] = BEFORE, [OLDER] = KEPT, [NEWEST] = BERTH_ROOTFS_LOG};
    struct berth_error why = BERTH_ERROR_INIT;
    berth_fd_close(&reader->files[which]);
    int rc = berth_folder_open(reader->folder, names[which], O_RDONLY | O_NOFOLLOW, 0,
                               &reader->files[which], &why);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* Whether two of them are one, or there is no first. */
static bool are_same(const struct reader *reader, int first, int second)
{
    struct stat a;
    struct stat b;
    return fstat(reader->files[first], &a) < 0 ||
           (fstat(reader->files[second], &b) == 0 && is_same(&a, &b));
}

/* Whether conmon has begun a new file. */
static bool is_outdated(const struct reader *reader)
{
    struct stat ours;
    struct stat named;
    if (fstatat(reader->folder, BERTH_ROOTFS_LOG, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return fstat(reader->files[NEWEST], &ours) < 0 || !is_same(&ours, &named);
}

/* All of them, at one moment. */
static int open_files(struct reader *reader, struct berth_error *err)
{
    int rc = 0;
    for (int tries = 0; tries < TRIES && rc == 0; tries++) {
        for (int i = NEWEST; i >= OLDEST && rc == 0; i--)
            rc = open_file(reader, i, err);
        if (!is_outdated(reader))
            break;
    }
    if (are_same(reader, OLDER, NEWEST))
        berth_fd_close(&reader->files[OLDER]);
    return rc;
}

/* From where it is on, all that there is of a file. */
static int read_file(struct reader *reader, int which, struct berth_error *err)
{
    char data[PIECE];
    while (reader->files[which] >= 0) {
        ssize_t got = read(reader->files[which], data, sizeof(data));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "the log cannot be read");
        if (got == 0)
            break;
        int rc = berth_rootfs_log_add(&reader->log, data, (size_t)got, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_on(struct reader *reader, struct berth_error *err)
{
    int rc = read_file(reader, NEWEST, err);
    return rc < 0 ? rc : berth_rootfs_log_flush(&reader->log, err);
}

/* ---- Following ---- */

static int watch(struct reader *reader, struct berth_error *err)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", reader->files[NEWEST]);
    if (reader->files[NEWEST] >= 0 &&
        inotify_add_watch(reader->news, path, IN_MODIFY | IN_ATTRIB) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the log cannot be followed");
    return 0;
}

/* Past its bound the log goes on in a new file. */
static int follow_file(struct reader *reader, struct berth_error *err)
{
    if (!is_outdated(reader))
        return 0;
    int rc = read_on(reader, err); /* what came before it was renamed */
    if (rc == 0)
        rc = open_file(reader, NEWEST, err);
    if (rc == 0)
        rc = watch(reader, err);
    return rc < 0 ? rc : read_on(reader, err);
}

static int follow(struct reader *reader, struct berth_error *err)
{
    char ignored[4096];
    reader->news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (reader->news < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the log cannot be followed");
    int rc = watch(reader, err);
    for (bool has_ended = false; rc == 0 && !has_ended;) {
        struct pollfd polled[] = {{.fd = reader->news, .events = POLLIN},
                                  {.fd = reader->conmon, .events = POLLIN}};
        has_ended = berth_rootfs_await(reader->conmon, 0); /* and has written all */
        while (read(reader->news, ignored, sizeof(ignored)) > 0)
            ;
        rc = read_on(reader, err);
        if (rc == 0)
            rc = follow_file(reader, err);
        if (rc == 0 && !has_ended)
            (void)poll(polled, 2, TICK_MS);
    }
    return rc;
}

/* ---- The verb ---- */

/* To where the tail begins; what lies before it is closed. */
static int seek(struct reader *reader, int64_t tail, struct berth_error *err)
{
    for (int i = NEWEST; i >= OLDEST; i--) {
        int64_t at = 0;
        if (tail == 0 && i < NEWEST)
            berth_fd_close(&reader->files[i]);
        if (reader->files[i] < 0)
            continue;
        int rc = berth_rootfs_log_seek(reader->files[i], &tail, &at, err);
        if (rc == 0 && lseek(reader->files[i], (off_t)at, SEEK_SET) < 0)
            rc = berth_error_set_errno(err, BERTH_E_IO, errno, "the log cannot be read");
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_log(struct reader *reader, const struct berth_logs_spec *spec,
                    struct berth_error *err)
{
    int rc = open_files(reader, err);
    if (rc == 0)
        rc = seek(reader, spec->tail, err);
    for (int i = OLDEST; i < NEWEST && rc == 0; i++)
        rc = read_file(reader, i, err);
    if (rc < 0)
        return rc;
    return spec->follow && reader->conmon >= 0 ? follow(reader, err) : read_on(reader, err);
}

int berth_rootfs_logs(struct berth_backend *backend, const char *id,
                      const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                      struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    BERTH_CLEANUP(reader) struct reader reader = {.files = {-1, -1, -1}, .conmon = -1, .news = -1};
    int rc = berth_rootfs_find(berth_rootfs_of(backend), id, &app, err);
    if (rc == 0 && spec->follow && berth_rootfs_runs(&app)) {
        rc = berth_rootfs_process_open(&app.state.conmon, &reader.conmon, err);
        rc = rc == BERTH_E_NOT_FOUND ? 0 : rc;
    }
    if (rc < 0)
        return rc;
    reader.folder = app.folder;
    berth_rootfs_log_init(&reader.log, spec, output, ctx);
    return read_log(&reader, spec, err);
}
