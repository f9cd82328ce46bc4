/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_log.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define RECORD_MAX (64U << 10) /* conmon's are 8 KiB and their head at most */
#define MADE_MAX   (64U << 10)
#define TOLD_AT    (16U << 10)
#define BLOCK      (64U << 10)
#define HEAD_MAX   64 /* time, stream and tag */

/* ---- Records ---- */

/* Takes a word and the space behind it off the line. */
static bool take_word(const char **line, size_t *len, const char **ret_word, size_t *ret_len)
{
    const char *space = memchr(*line, ' ', *len);
    if (!space)
        return false;
    *ret_word = *line;
    *ret_len = (size_t)(space - *line);
    *line += *ret_len + 1;
    *len -= *ret_len + 1;
    return true;
}

static bool is_word(const char *word, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(word, wanted, len) == 0;
}

/* Stream and tag, behind the time. */
static bool parse_kind(const char **line, size_t *len, struct berth_rootfs_log_record *record)
{
    const char *word;
    size_t word_len;
    if (!take_word(line, len, &word, &word_len))
        return false;
    if (is_word(word, word_len, "stdout"))
        record->stream = BERTH_OUTPUT_STDOUT;
    else if (is_word(word, word_len, "stderr"))
        record->stream = BERTH_OUTPUT_STDERR;
    else
        return false;
    if (!take_word(line, len, &word, &word_len))
        return false;
    record->is_partial = is_word(word, word_len, "P");
    return record->is_partial || is_word(word, word_len, "F");
}

bool berth_rootfs_log_parse(const char *line, size_t len,
                            struct berth_rootfs_log_record *ret_record)
{
    struct berth_rootfs_log_record record;
    const char *time;
    size_t time_len;
    if (!take_word(&line, &len, &time, &time_len) || !parse_kind(&line, &len, &record) ||
        berth_clock_parse_rfc3339(time, time_len, &record.at_ns, NULL) < 0)
        return false;
    record.text = line;
    record.len = len;
    *ret_record = record;
    return true;
}

/* ---- Telling ---- */

void berth_rootfs_log_init(struct berth_rootfs_log *log, const struct berth_logs_spec *spec,
                           berth_logs_output *output, void *ctx)
{
    *log = (struct berth_rootfs_log){
        .output = output,
        .ctx = ctx,
        .since_ns = spec->since_ns,
        .timestamps = spec->timestamps,
        .stream = BERTH_OUTPUT_STDOUT,
        .record = BERTH_STRBUF_INIT(RECORD_MAX),
        .made = BERTH_STRBUF_INIT(MADE_MAX + RECORD_MAX),
    };
}

void berth_rootfs_log_release(struct berth_rootfs_log *log)
{
    berth_strbuf_release(&log->record);
    berth_strbuf_release(&log->made);
}

static int tell(struct berth_rootfs_log *log, struct berth_error *err)
{
    int rc = berth_strbuf_check(&log->made, err);
    if (rc == 0 && log->made.len > 0 &&
        !log->output(log->ctx, log->stream, log->made.data, log->made.len))
        rc = berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
    berth_strbuf_clear(&log->made);
    return rc;
}

int berth_rootfs_log_flush(struct berth_rootfs_log *log, struct berth_error *err)
{
    int rc = tell(log, err);
    if (rc == 0 && !log->output(log->ctx, BERTH_OUTPUT_STDOUT, NULL, 0))
        rc = berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
    return rc;
}

static int take_record(struct berth_rootfs_log *log, const char *line, size_t len,
                       struct berth_error *err)
{
    struct berth_rootfs_log_record record;
    if (!berth_rootfs_log_parse(line, len, &record) || record.at_ns < log->since_ns)
        return 0;
    if (record.stream != log->stream || log->made.len >= TOLD_AT) {
        int rc = tell(log, err);
        if (rc < 0)
            return rc;
        log->stream = record.stream;
    }
    bool *is_within = &log->is_within[record.stream == BERTH_OUTPUT_STDERR];
    if (log->timestamps && !*is_within) { /* as `docker logs` prints it */
        berth_clock_add_utc(&log->made, record.at_ns, 9);
        berth_strbuf_addc(&log->made, ' ');
    }
    *is_within = record.is_partial;
    berth_strbuf_add(&log->made, record.text, record.len);
    if (!record.is_partial)
        berth_strbuf_addc(&log->made, '\n');
    return 0;
}

/* The rest of a record whose beginning is kept. */
static int end_record(struct berth_rootfs_log *log, const char *data, size_t len,
                      struct berth_error *err)
{
    int rc = 0;
    berth_strbuf_add(&log->record, data, len);
    if (!log->is_lost && !log->record.failed)
        rc = take_record(log, log->record.data, log->record.len, err);
    log->is_lost = false;
    berth_strbuf_clear(&log->record);
    return rc;
}

int berth_rootfs_log_add(struct berth_rootfs_log *log, const char *data, size_t len,
                         struct berth_error *err)
{
    int rc = 0;
    while (rc == 0 && len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t piece = end ? (size_t)(end - data) : len;
        if (!end) {
            berth_strbuf_add(&log->record, data, piece);
            if (log->record.failed == BERTH_E_NOMEM)
                return berth_error_nomem(err);
            log->is_lost = log->is_lost || log->record.failed;
            return 0;
        }
        rc = log->record.len > 0 || log->is_lost ? end_record(log, data, piece, err)
                                                 : take_record(log, data, piece, err);
        data += piece + 1;
        len -= piece + 1;
    }
    return rc;
}

/* ---- The tail ---- */

struct tail {
    int64_t wanted;
    int64_t found;
    bool has_end[2]; /* what comes before, in that stream, is of a line that is counted */
    int64_t at;      /* where the first record of those found begins */
};

/* The record that begins at `at`, going backwards. False: it is one too many. */
static bool count_record(struct tail *tail, const char *head, size_t len, int64_t at)
{
    struct berth_rootfs_log_record record;
    const char *time;
    size_t time_len;
    if (!take_word(&head, &len, &time, &time_len) || !parse_kind(&head, &len, &record))
        return true;
    bool *has_end = &tail->has_end[record.stream == BERTH_OUTPUT_STDERR];
    if (!record.is_partial || !*has_end) {
        if (tail->found == tail->wanted)
            return false;
        tail->found++;
        *has_end = true;
    }
    tail->at = at;
    return true;
}

static int read_at(int file, char *data, size_t size, int64_t at, size_t *ret_len,
                   struct berth_error *err)
{
    ssize_t got;
    do
        got = pread(file, data, size, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the log cannot be read");
    *ret_len = (size_t)got;
    return 0;
}

/* Looks at the records that begin in [from, to), the last first; each has its head in what is read
 * past `to`. False: all that is wanted is found. */
static int count_block(int file, struct tail *tail, char *block, int64_t from, int64_t to,
                       bool *ret_goes_on, struct berth_error *err)
{
    size_t len = 0;
    int rc = read_at(file, block, (size_t)(to - from) + HEAD_MAX, from, &len, err);
    if (rc < 0)
        return rc;
    int64_t before = from == 0 ? -1 : 0; /* a record begins behind a line's end, or the file */
    for (int64_t i = to - from - 1; i >= before && *ret_goes_on; i--) {
        size_t begin = (size_t)(i + 1);
        if (begin < len && (i < 0 || block[i] == '\n'))
            *ret_goes_on = count_record(tail, block + begin, len - begin, from + (int64_t)begin);
    }
    return 0;
}

int berth_rootfs_log_seek(int file, int64_t *tail, int64_t *ret_at, struct berth_error *err)
{
    off_t size = lseek(file, 0, SEEK_END);
    if (size < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the log cannot be read");
    struct tail found = {.wanted = *tail, .at = (int64_t)size};
    BERTH_CLEANUP(free) char *block = malloc(BLOCK + HEAD_MAX);
    if (!block)
        return berth_error_nomem(err);
    bool goes_on = *tail >= 0;
    for (int64_t to = (int64_t)size; goes_on && to > 0; to -= BLOCK) {
        int rc = count_block(file, &found, block, to > BLOCK ? to - BLOCK : 0, to, &goes_on, err);
        if (rc < 0)
            return rc;
    }
    *ret_at = *tail < 0 ? 0 : found.at;
    if (*tail >= 0)
        *tail -= found.found;
    return 0;
}
