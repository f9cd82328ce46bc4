/* SPDX-License-Identifier: MIT */
#include "base/linelog.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES_LEAST   4096
#define QUEUE_BYTES_LEAST 4096
#define KEEP_MOST         100
#define PATH_MOST         (PATH_MAX - sizeof(".100"))
#define NOTICE_BYTES_MOST 128
#define GATHER_MS         20 /* how long a line may wait for others to be written with it */

/* Whole lines, each with its newline. */
struct lines {
    char *text; /* queue_bytes of memory */
    size_t len;
};

/* Where lines go. */
struct target {
    char *path;
    int fd;         /* -1 while there is no file */
    bool is_stream; /* standard error: path is what it is called */
    int64_t max_bytes;
    unsigned keep;
};

struct berth_linelog {
    size_t queue_bytes;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct lines queue; /* guarded by mutex, as are the four after it */
    struct target next; /* what takes the place of target; no path: nothing does */
    uint64_t dropped;
    bool reopen;
    bool closing;

    /* The thread's own. */
    struct lines batch; /* what it took from the queue, by swapping the two */
    struct target target;
    int64_t size_bytes; /* of its file */
    uint64_t reported;  /* of the dropped lines, those that a notice has told of */
    bool write_failed;  /* the two failures that are on the program's log already */
    bool rotate_failed;
};

/* ---- The file: the log's own thread, or open and close while there is none ---- */

static int open_file(struct target *target)
{
    BERTH_CLEANUP(fd)
    int fd =
        open(target->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL; /* rotation would move it away: a device, for one */
    target->fd = berth_fd_steal(&fd);
    return 0;
}

static void target_release(struct target *target)
{
    berth_fd_close(&target->fd);
    free(target->path);
    target->path = NULL;
}
BERTH_DEFINE_CLEANUP_VALUE(target, struct target, target_release)

static int stream_open(struct target *ret_target, struct berth_error *err)
{
    struct target target = {.path = strdup("stderr"), .is_stream = true};
    if (!target.path)
        return berth_error_nomem(err);
    target.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0); /* -1 where it is closed */
    *ret_target = target;
    return 0;
}

/* The target that config describes, its file open. */
static int target_open(const struct berth_linelog_config *config, struct target *ret_target,
                       struct berth_error *err)
{
    if (!config->path)
        return stream_open(ret_target, err);
    if (strlen(config->path) > PATH_MOST || config->max_bytes < MAX_BYTES_LEAST ||
        config->keep > KEEP_MOST)
        return berth_error_set(err, BERTH_E_INVALID, "log file %s: a setting is out of bounds",
                               config->path);
    BERTH_CLEANUP(target)
    struct target target = {
        .path = strdup(config->path),
        .fd = -1,
        .max_bytes = config->max_bytes,
        .keep = config->keep,
    };
    if (!target.path)
        return berth_error_nomem(err);
    int r = open_file(&target);
    if (r < 0)
        return berth_error_set_errno(err, BERTH_E_IO, -r, "log file %s cannot be opened",
                                     config->path);
    *ret_target = target;
    target = (struct target){.fd = -1};
    return 0;
}

/* Says a failure once, until what failed has worked again. */
static void report(const struct berth_linelog *log, bool *reported, const char *what, int errnum)
{
    char text[128];
    if (!*reported)
        berth_log(BERTH_LOG_ERROR, "%s %s: %s", log->target.path, what,
                  strerror_r(errnum, text, sizeof(text)));
    *reported = true;
}

/* An open file of known size; someone else may have truncated it. */
static bool make_ready(struct berth_linelog *log)
{
    struct stat status;
    if (log->target.is_stream)
        return log->target.fd >= 0;
    int r = log->target.fd < 0 ? open_file(&log->target) : 0;
    if (r < 0 || fstat(log->target.fd, &status) < 0) {
        report(log, &log->write_failed, "cannot be opened, its lines are dropped",
               r < 0 ? -r : errno);
        return false;
    }
    log->size_bytes = status.st_size;
    return true;
}

/* FILE.n, or FILE itself for 0. */
static void rotated_name(const struct berth_linelog *log, unsigned n, char name[static PATH_MAX])
{
    size_t len = strlen(log->target.path);
    memcpy(name, log->target.path, len + 1);
    if (n > 0)
        (void)snprintf(name + len, PATH_MAX - len, ".%u", n);
}

/* Moves each file one number up; the last one goes. */
static int shift_files(const struct berth_linelog *log)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    if (log->target.keep == 0 && unlink(log->target.path) < 0 && errno != ENOENT)
        return -errno;
    for (unsigned n = log->target.keep; n > 0; n--) {
        rotated_name(log, n - 1, from);
        rotated_name(log, n, to);
        if (rename(from, to) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* False when the file could not be moved away: it goes on growing. */
static bool rotate(struct berth_linelog *log)
{
    int r = shift_files(log);
    if (r < 0) {
        report(log, &log->rotate_failed, "cannot be rotated and goes on growing", -r);
        return false;
    }
    log->rotate_failed = false;
    berth_fd_close(&log->target.fd);
    return true;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        len -= (size_t)written;
    }
    return 0;
}

/* All of the lines or none; the file is ready. */
static bool append(struct berth_linelog *log, const char *lines, size_t len)
{
    int r = write_all(log->target.fd, lines, len);
    if (r == 0) {
        log->write_failed = false;
        return true;
    }
    report(log, &log->write_failed, "cannot be written, its lines are dropped", -r);
    /* A part of a line must not stand in front of the next one. */
    if (!log->target.is_stream && ftruncate(log->target.fd, log->size_bytes) < 0)
        berth_fd_close(&log->target.fd);
    return false;
}

static size_t first_line(const char *lines, size_t len)
{
    const char *end = memchr(lines, '\n', len);
    return (size_t)(end - lines) + 1;
}

/* The length of the whole lines that fit into room; 0 when the first does not. */
static size_t lines_within(const char *lines, size_t len, int64_t room)
{
    if (room <= 0)
        return 0;
    if ((uint64_t)room >= len)
        return len;
    const char *end = memrchr(lines, '\n', (size_t)room);
    return end ? (size_t)(end - lines) + 1 : 0;
}

/* Writes lines, rotating as needed; gives how many bytes of them are in a file. */
static size_t write_lines(struct berth_linelog *log, const char *lines, size_t len)
{
    size_t done = 0;
    while (done < len && make_ready(log)) {
        int64_t room = log->target.is_stream ? INT64_MAX : log->target.max_bytes - log->size_bytes;
        size_t part = lines_within(lines + done, len - done, room);
        if (part == 0 && log->size_bytes > 0 && rotate(log))
            continue;
        if (part == 0)
            part = first_line(lines + done, len - done);
        if (!append(log, lines + done, part))
            break;
        done += part;
    }
    return done;
}

static void write_notice(struct berth_linelog *log, uint64_t dropped)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf notice = BERTH_STRBUF_INIT(NOTICE_BYTES_MOST);
    uint64_t count = dropped - log->reported;
    if (log->target.is_stream) {
        berth_strbuf_addf(&notice, "(%" PRIu64 " line%s lost)\n", count, count == 1 ? "" : "s");
    } else {
        berth_strbuf_adds(&notice, "{\"time\":\"");
        berth_clock_add_rfc3339(&notice, berth_clock_wall_ns(), 3);
        berth_strbuf_addf(&notice, "\",\"dropped\":%" PRIu64 "}\n", count);
    }
    if (berth_strbuf_check(&notice, NULL) == 0 &&
        write_lines(log, notice.data, notice.len) == notice.len)
        log->reported = dropped;
}

static void write_batch(struct berth_linelog *log)
{
    size_t done = write_lines(log, log->batch.text, log->batch.len);
    uint64_t lost = 0;
    while (done < log->batch.len) {
        done += first_line(log->batch.text + done, log->batch.len - done);
        lost++;
    }
    log->batch.len = 0;
    if (lost > 0) {
        BERTH_LOCK_SCOPE(guard, &log->mutex);
        log->dropped += lost;
    }
}

/* Too full to wait for more. */
static bool is_half_full(const struct berth_linelog *log)
{
    return log->queue.len >= log->queue_bytes / 2;
}

/* Returns when there is something to do. Waking up for each line would cost a busy gateway more
 * than all else about the line, so the first one waits a little for others. */
static void wait_for_lines(struct berth_linelog *log)
{
    while (log->queue.len == 0 && !log->reopen && !log->closing)
        (void)pthread_cond_wait(&log->changed, &log->mutex);
    int64_t deadline_ms = berth_clock_monotonic_ms() + GATHER_MS;
    while (!is_half_full(log) && !log->reopen && !log->closing &&
           berth_cond_wait_until(&log->changed, &log->mutex, deadline_ms))
        continue;
}

static void *run(void *arg)
{
    struct berth_linelog *log = arg;
    for (;;) {
        bool reopen;
        bool closing;
        uint64_t dropped;
        BERTH_CLEANUP(target) struct target old = {.fd = -1};
        {
            BERTH_LOCK_SCOPE(guard, &log->mutex);
            wait_for_lines(log);
            struct lines emptied = log->batch;
            log->batch = log->queue;
            log->queue = emptied;
            dropped = log->dropped;
            reopen = log->reopen;
            closing = log->closing;
            log->reopen = false;
            if (log->next.path) {
                old = log->target;
                log->target = log->next;
                log->next = (struct target){.fd = -1};
            }
        }
        if (reopen) {
            log->write_failed = false;
            log->rotate_failed = false;
            berth_fd_close(&log->target.fd);
            (void)make_ready(log);
        }
        if (dropped > log->reported)
            write_notice(log, dropped);
        write_batch(log);
        if (closing)
            return NULL;
    }
}

/* ---- What the others call ---- */

static void linelog_free(struct berth_linelog *log)
{
    target_release(&log->target);
    target_release(&log->next);
    free(log->queue.text);
    free(log->batch.text);
    (void)pthread_cond_destroy(&log->changed);
    (void)pthread_mutex_destroy(&log->mutex);
    free(log);
}

BERTH_DEFINE_CLEANUP(unstarted, struct berth_linelog *, linelog_free)

static struct berth_linelog *linelog_new(size_t queue_bytes)
{
    struct berth_linelog *log = calloc(1, sizeof(*log));
    if (!log)
        return NULL;
    (void)pthread_mutex_init(&log->mutex, NULL);
    berth_cond_init(&log->changed);
    log->target.fd = -1;
    log->next.fd = -1;
    log->queue_bytes = queue_bytes;
    log->queue.text = malloc(queue_bytes);
    log->batch.text = malloc(queue_bytes);
    if (log->queue.text && log->batch.text)
        return log;
    linelog_free(log);
    return NULL;
}

int berth_linelog_open(const struct berth_linelog_config *config, struct berth_linelog **ret_log,
                       struct berth_error *err)
{
    if (config->queue_bytes < QUEUE_BYTES_LEAST)
        return berth_error_set(err, BERTH_E_INVALID, "log file %s: a setting is out of bounds",
                               config->path ? config->path : "stderr");
    BERTH_CLEANUP(unstarted) struct berth_linelog *log = linelog_new(config->queue_bytes);
    if (!log)
        return berth_error_nomem(err);
    int r = target_open(config, &log->target, err);
    if (r == 0)
        r = berth_thread_start(&log->thread, "berth-linelog", run, log, err);
    if (r < 0)
        return r;
    *ret_log = berth_steal(&log);
    return 0;
}

int berth_linelog_configure(struct berth_linelog *log, const struct berth_linelog_config *config,
                            struct berth_error *err)
{
    BERTH_CLEANUP(target) struct target target = {.fd = -1};
    int r = target_open(config, &target, err);
    if (r < 0)
        return r;
    berth_fd_close(&target.fd); /* a rotation may come first: its thread opens what is there then */
    BERTH_LOCK_SCOPE(guard, &log->mutex);
    struct target unused = log->next;
    log->next = target;
    target = unused;
    log->reopen = true;
    (void)pthread_cond_signal(&log->changed);
    return 0;
}

void berth_linelog_close(struct berth_linelog *log)
{
    if (!log)
        return;
    {
        BERTH_LOCK_SCOPE(guard, &log->mutex);
        log->closing = true;
        (void)pthread_cond_signal(&log->changed);
    }
    (void)pthread_join(log->thread, NULL);
    linelog_free(log);
}

bool berth_linelog_write(struct berth_linelog *log, const char *line, size_t len)
{
    BERTH_LOCK_SCOPE(guard, &log->mutex);
    struct lines *queue = &log->queue;
    if (len >= log->queue_bytes - queue->len) {
        log->dropped++;
        return false;
    }
    bool was_empty = queue->len == 0;
    bool was_half_full = is_half_full(log);
    memcpy(queue->text + queue->len, line, len);
    queue->text[queue->len + len] = '\n';
    queue->len += len + 1;
    if (was_empty || (is_half_full(log) && !was_half_full))
        (void)pthread_cond_signal(&log->changed);
    return true;
}

void berth_linelog_reopen(struct berth_linelog *log)
{
    BERTH_LOCK_SCOPE(guard, &log->mutex);
    log->reopen = true;
    (void)pthread_cond_signal(&log->changed);
}

uint64_t berth_linelog_dropped(struct berth_linelog *log)
{
    BERTH_LOCK_SCOPE(guard, &log->mutex);
    return log->dropped;
}
