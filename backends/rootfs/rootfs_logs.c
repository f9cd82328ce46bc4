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
#define TICK_MS 1000 /* of silence, after which whoever listens is asked whether it goes on */

struct reader {
    struct berth_rootfs_log log;
    int folder; /* borrowed: the app's */
    int file;   /* -1: there is none yet */
    int conmon; /* pidfd of who writes it; -1: nobody */
    int news;   /* inotify */
};

static void reader_release(struct reader *reader)
{
    berth_rootfs_log_release(&reader->log);
    berth_fd_close(&reader->file);
    berth_fd_close(&reader->conmon);
    berth_fd_close(&reader->news);
}
BERTH_DEFINE_CLEANUP_VALUE(reader, struct reader, reader_release)

/* An app that was never started has no log. */
static int open_file(struct reader *reader, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = berth_folder_open(reader->folder, BERTH_ROOTFS_LOG, O_RDONLY | O_NOFOLLOW, 0,
                               &reader->file, &why);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* From where it is on, all that there is. */
static int read_on(struct reader *reader, struct berth_error *err)
{
    char data[PIECE];
    while (reader->file >= 0) {
        ssize_t got = read(reader->file, data, sizeof(data));
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
    return berth_rootfs_log_flush(&reader->log, err);
}

/* ---- Following ---- */

static int watch(struct reader *reader, struct berth_error *err)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", reader->file);
    if (reader->file >= 0 && inotify_add_watch(reader->news, path, IN_MODIFY | IN_ATTRIB) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the log cannot be followed");
    return 0;
}

/* Past its bound the log goes on in a new file. */
static int follow_file(struct reader *reader, struct berth_error *err)
{
    struct stat open_one;
    struct stat named;
    if (fstatat(reader->folder, BERTH_ROOTFS_LOG, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (reader->file >= 0 && fstat(reader->file, &open_one) == 0 &&
        open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev)
        return 0;
    int rc = reader->file >= 0 ? read_on(reader, err) : 0; /* what came before it was renamed */
    if (rc < 0)
        return rc;
    berth_fd_close(&reader->file);
    rc = open_file(reader, err);
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

static int read_log(struct reader *reader, const struct berth_logs_spec *spec,
                    struct berth_error *err)
{
    int64_t at = 0;
    int rc = open_file(reader, err);
    if (rc == 0 && reader->file >= 0)
        rc = berth_rootfs_log_seek(reader->file, spec->tail, &at, err);
    if (rc == 0 && reader->file >= 0 && lseek(reader->file, (off_t)at, SEEK_SET) < 0)
        rc = berth_error_set_errno(err, BERTH_E_IO, errno, "the log cannot be read");
    if (rc < 0)
        return rc;
    return spec->follow && reader->conmon >= 0 ? follow(reader, err) : read_on(reader, err);
}

int berth_rootfs_logs(struct berth_backend *backend, const char *id,
                      const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                      struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    BERTH_CLEANUP(reader) struct reader reader = {.file = -1, .conmon = -1, .news = -1};
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
