/* SPDX-License-Identifier: MIT */
#include "gateway/upload_body.h"

#include "base/clock.h"
#include "gateway/chunks.h"
#include "gateway/framing.h"
#include "gateway/long_answer.h"
#include "gateway/multipart.h"

#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/statvfs.h>

#define PIECE (64U << 10)

struct upload {
    struct berth_exchange *exchange;
    struct berth_chunks chunks; /* where the body comes in such */
    struct berth_multipart form;
    bool is_form;
    int file;
    char *piece; /* of PIECE bytes */
    berth_upload_body_progress *received;
    void *ctx;
};

int64_t berth_upload_body_length(const struct berth_exchange *exchange)
{
    long long length = mg_get_request_info(exchange->connection)->content_length;
    return length > 0 ? length : 0;
}

/* ---- The file ---- */

static int fail(struct berth_error *err)
{
    return berth_error_set_errno(err, BERTH_E_IO, errno, "the upload cannot be kept: %m");
}

static int open_file(const char *folder, int *ret_fd, struct berth_error *err)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        char name[4096]; /* of a file system that has no such files */
        (void)snprintf(name, sizeof(name), "%s/.upload.XXXXXX", folder);
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            (void)unlink(name);
    }
    if (fd < 0)
        return fail(err);
    *ret_fd = fd;
    return 0;
}

/* What does not fit is refused before it is sent. */
static int check_room(const struct upload *upload, int64_t length, struct berth_error *err)
{
    struct statvfs room;
    if (fstatvfs(upload->file, &room) < 0)
        return fail(err);
    if ((uint64_t)length / room.f_frsize < room.f_bavail)
        return 0;
    return berth_error_set(err, BERTH_E_NO_SPACE, "the disk has no room for the upload");
}

static int write_file(void *ctx, const char *data, size_t len, struct berth_error *err)
{
    const struct upload *upload = ctx;
    while (len > 0) {
        ssize_t done = write(upload->file, data, len);
        if (done < 0 && errno != EINTR)
            return fail(err);
        if (done > 0) {
            data += done;
            len -= (size_t)done;
        }
    }
    return 0;
}

/* ---- The body ---- */

static int refuse_empty(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_INVALID,
                           "the request has no body: a ZIP archive is wanted, or a form with one "
                           "file");
}

static int check_bound(const struct berth_exchange *exchange, int64_t length,
                       struct berth_error *err)
{
    int64_t bound = exchange->config->max_upload_bytes;
    if (bound > 0 && length > bound)
        return berth_error_set(err, BERTH_E_TOO_LARGE,
                               "the upload is longer than %" PRId64 " bytes", bound);
    return 0;
}

static int refuse_short(const struct upload *upload, int got, int64_t left, struct berth_error *err)
{
    if (got < 0)
        return berth_error_set(err, BERTH_E_IO, "the client is gone, %" PRId64 " bytes early",
                               left);
    return berth_error_set(err, BERTH_E_TIMEOUT, "nothing of the upload came for %" PRId64 " s",
                           upload->exchange->config->request_timeout_ms / 1000);
}

/* The next bytes of a body of that length, of which so many are left; none where it has ended. */
static int read_piece(struct upload *upload, int64_t left, size_t *ret_len, struct berth_error *err)
{
    struct berth_exchange *exchange = upload->exchange;
    if (exchange->has_chunks)
        return berth_chunks_read(&upload->chunks, exchange, upload->piece, PIECE,
                                 berth_clock_monotonic_ms() + exchange->config->request_timeout_ms,
                                 ret_len, err);
    *ret_len = 0;
    if (left == 0)
        return 0;
    /* Returns with less when the time is up, with -1 when the client has closed. */
    int got = mg_read(exchange->connection, upload->piece, left < PIECE ? (size_t)left : PIECE);
    if (got <= 0)
        return refuse_short(upload, got, left, err);
    *ret_len = (size_t)got;
    return 0;
}

static int receive(struct upload *upload, int64_t length, struct berth_error *err)
{
    int64_t done = 0;
    for (;;) {
        size_t got = 0;
        int r = berth_long_answer_confirm(upload->exchange, err);
        if (r == 0)
            r = read_piece(upload, length - done, &got, err);
        if (r < 0)
            return r;
        if (got == 0)
            break;
        done += (int64_t)got;
        r = check_bound(upload->exchange, done, err);
        if (r == 0)
            r = upload->is_form ? berth_multipart_feed(&upload->form, upload->piece, got,
                                                       write_file, upload, err)
                                : write_file(upload, upload->piece, got, err);
        if (r < 0)
            return r;
        upload->received(upload->ctx, done);
    }
    if (done == 0)
        return refuse_empty(err);
    return upload->is_form ? berth_multipart_finish(&upload->form, err) : 0;
}

static int begin(struct upload *upload, int64_t length, struct berth_error *err)
{
    const char *type = berth_exchange_request_header(upload->exchange, "Content-Type");
    int r = check_bound(upload->exchange, length, err);
    if (r == 0 && length == 0 && !upload->exchange->has_chunks)
        r = refuse_empty(err);
    if (r == 0)
        r = open_file(upload->exchange->config->data_dir, &upload->file, err);
    if (r == 0)
        r = check_room(upload, length, err);
    if (r == 0 && berth_multipart_is(type)) {
        upload->is_form = true;
        r = berth_multipart_begin(&upload->form, type, err);
    }
    upload->piece = malloc(PIECE);
    return r == 0 && !upload->piece ? berth_error_nomem(err) : r;
}

int berth_upload_body_receive(struct berth_exchange *exchange, berth_upload_body_progress *received,
                              void *ctx, int *ret_fd, struct berth_error *err)
{
    struct upload upload = {.exchange = exchange, .file = -1, .received = received, .ctx = ctx};
    int64_t length = berth_upload_body_length(exchange);
    int r = begin(&upload, length, err);
    if (r == 0) {
        berth_framing_go_on(exchange);
        r = receive(&upload, length, err);
    }
    free(upload.piece);
    berth_multipart_release(&upload.form);
    exchange->must_close |= exchange->has_chunks;
    if (r < 0) {
        exchange->must_close = true;
        berth_fd_close(&upload.file);
        return r;
    }
    *ret_fd = upload.file;
    return 0;
}
