/* SPDX-License-Identifier: MIT */
#include "gateway/files_api.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "facilities/containers.h"
#include "facilities/uploads.h"
#include "gateway/framing.h"
#include "gateway/long_answer.h"
#include "gateway/ranges.h"
#include "gateway/stream.h"
#include "gateway/upload_body.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define PIECE (256U << 10)

/* A reference: the snapshot would keep all that is changed and removed meanwhile. That may be old:
 * whose an app is does not change, and its files are not the engine's. */
static int find_app(struct berth_exchange *exchange, struct berth_app **ret_app,
                    struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    exchange->target = exchange->item;
    int r = berth_mirror_snapshot(exchange->facility->mirror, true, &snapshot, err);
    if (r == 0)
        r = berth_containers_find(snapshot, &exchange->caller, exchange->item, &app, err);
    if (r == 0)
        *ret_app = berth_app_ref((struct berth_app *)(uintptr_t)app);
    return r;
}

/* ---- Uploads ---- */

static void received(void *ctx, int64_t bytes)
{
    berth_upload_received(ctx, bytes);
}

static void answer_upload(struct berth_exchange *exchange, const struct berth_files_tally *tally)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "cuid", exchange->item);
    berth_json_add_int(&w, "files", tally->files);
    berth_json_add_int(&w, "bytes", tally->bytes);
    berth_json_close_object(&w);
}

static int upload(struct berth_exchange *exchange, const struct berth_app *app,
                  struct berth_error *err)
{
    struct berth_upload upload;
    struct berth_files_tally tally = {0};
    BERTH_CLEANUP(fd) int archive = -1;
    int r = berth_upload_begin(&upload, exchange->facility, &exchange->caller, app,
                               berth_upload_body_length(exchange), err);
    if (r < 0) {
        exchange->must_close = true;
        return r;
    }
    r = berth_upload_body_receive(exchange, received, &upload, &archive, err);
    if (r < 0) {
        berth_upload_fail(&upload);
        return r;
    }
    r = berth_upload_unpack(&upload, archive, &tally, err);
    if (r == 0)
        answer_upload(exchange, &tally);
    return r;
}

int berth_files_upload(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    int r = find_app(exchange, &app, err);
    if (r == 0)
        r = berth_long_answer_join(exchange, err);
    if (r < 0) {
        exchange->must_close = true; /* its body is not read */
        return r;
    }
    r = upload(exchange, app, err);
    berth_long_answer_leave(exchange);
    return r;
}

/* ---- Downloads ---- */

static const char *get_path(const struct berth_exchange *exchange)
{
    const char *path = berth_params_get(&exchange->params, "path");
    return path ? path : "";
}

/* The name to save it by: ASCII for who knows no better, and as it is (RFC 6266, RFC 8187). */
static void add_disposition(struct berth_exchange *exchange, const char *path, const char *suffix)
{
    char plain[NAME_MAX + 1];
    BERTH_CLEANUP(strbuf) struct berth_strbuf encoded = BERTH_STRBUF_INIT(4 * NAME_MAX);
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    size_t len = end - begin < NAME_MAX ? end - begin : NAME_MAX;
    const char *name = path + begin;
    if (len == 0 || strspn(name, ".") >= len) {
        name = exchange->item;
        len = strlen(name);
    }
    for (size_t i = 0; i < len; i++)
        plain[i] = berth_is_alnum(name[i]) || strchr("-_. ", name[i]) ? name[i] : '_';
    plain[len] = '\0';
    berth_strbuf_add_urlencoded(&encoded, name, len);
    berth_exchange_header(exchange, "Content-Disposition",
                          "attachment; filename=\"%s%s\"; filename*=UTF-8''%s%s", plain, suffix,
                          berth_strbuf_str(&encoded), suffix);
}

/* ---- One file ---- */

static void add_version(struct berth_exchange *exchange, const struct berth_file_version *version)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf date = BERTH_STRBUF_INIT(64);
    berth_clock_add_http(&date, version->modified_s * BERTH_NS_PER_S);
    berth_exchange_header(exchange, "ETag", "%s", version->etag);
    berth_exchange_header(exchange, "Last-Modified", "%s", berth_strbuf_str(&date));
    berth_exchange_header(exchange, "Accept-Ranges", "bytes");
}

/* A file that became shorter cuts the answer, with its connection. */
static int send_range(struct berth_exchange *exchange, int file, const struct berth_range *range,
                      struct berth_error *err)
{
    struct berth_stream stream;
    BERTH_CLEANUP(free) char *piece = malloc(PIECE);
    if (!piece)
        return berth_error_nomem(err);
    berth_stream_begin(&stream, exchange);
    int r = range->len == 0 ? berth_stream_flush(&stream, err) : 0;
    for (int64_t sent = 0; r == 0 && sent < range->len;) {
        int64_t left = range->len - sent;
        ssize_t len = pread(file, piece, left < PIECE ? (size_t)left : PIECE, range->from + sent);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0) {
            r = berth_error_set_errno(err, BERTH_E_INTERNAL, len < 0 ? errno : 0,
                                      "the file became shorter, or cannot be read");
            break;
        }
        berth_stream_add(&stream, piece, (size_t)len);
        r = berth_stream_flush(&stream, err);
        sent += len;
    }
    if (r < 0)
        berth_stream_abandon(&stream);
    berth_stream_release(&stream);
    return r == BERTH_E_IO ? 0 : r; /* clients come and go */
}

static int send_file(struct berth_exchange *exchange, int file, const char *path,
                     struct berth_error *err)
{
    struct stat status;
    struct berth_file_version version;
    struct berth_range range;
    bool is_head = exchange->method == BERTH_HEAD; /* to which Range means nothing */
    if (fstat(file, &status) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the file cannot be read");
    berth_file_version_of(&status, &version);
    add_version(exchange, &version);
    if (berth_ranges_is_known(&version, berth_exchange_request_header(exchange, "If-None-Match"),
                              berth_exchange_request_header(exchange, "If-Modified-Since"))) {
        exchange->status = 304;
        return 0;
    }
    int r = berth_ranges_choose(&version, status.st_size,
                                is_head ? NULL : berth_exchange_request_header(exchange, "Range"),
                                berth_exchange_request_header(exchange, "If-Range"), &range, err);
    if (r < 0) {
        berth_exchange_header(exchange, "Content-Range", "bytes */%" PRId64,
                              (int64_t)status.st_size);
        return r;
    }
    add_disposition(exchange, path, "");
    if (range.is_part) {
        exchange->status = 206;
        berth_exchange_header(exchange, "Content-Range", "bytes %" PRId64 "-%" PRId64 "/%" PRId64,
                              range.from, range.from + range.len - 1, (int64_t)status.st_size);
    }
    exchange->content_type = "application/octet-stream";
    exchange->has_length = true;
    exchange->length = range.len;
    return is_head ? 0 : send_range(exchange, file, &range, err);
}

int berth_files_download(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(fd) int file = -1;
    const char *path = get_path(exchange);
    int r = find_app(exchange, &app, err);
    if (r == 0)
        r = berth_long_answer_join(exchange, err);
    if (r < 0)
        return r;
    r = berth_backend_get_file(exchange->facility->backend, app, path, &file, err);
    if (r == 0)
        r = send_file(exchange, file, path, err);
    berth_long_answer_leave(exchange);
    return r;
}

/* ---- A folder ---- */

struct packing {
    struct berth_exchange *exchange;
    const char *path;
    struct berth_stream stream;
    bool is_begun;
    int result; /* why it did not go on, with err */
    struct berth_error err;
};

static void begin_archive(struct packing *packing)
{
    struct berth_exchange *exchange = packing->exchange;
    bool is_1_1 = false;
    (void)berth_framing_keeps(exchange, &is_1_1);
    add_disposition(exchange, packing->path, ".zip");
    exchange->content_type = "application/zip";
    exchange->has_no_end = true;
    exchange->is_chunked = is_1_1;
    packing->is_begun = true;
    if (exchange->method != BERTH_HEAD)
        berth_stream_begin(&packing->stream, exchange);
}

static bool send_piece(void *ctx, const char *data, size_t len)
{
    struct packing *packing = ctx;
    if (!packing->is_begun)
        begin_archive(packing);
    if (packing->exchange->method == BERTH_HEAD)
        return false;
    berth_stream_add(&packing->stream, data, len);
    packing->result = berth_stream_flush(&packing->stream, &packing->err);
    return packing->result == 0;
}

static int send_archive(struct packing *packing, const struct berth_app *app,
                        struct berth_error *err)
{
    int r = berth_backend_get_archive(packing->exchange->facility->backend, app, packing->path,
                                      send_piece, packing, err);
    if (!packing->is_begun || packing->exchange->method == BERTH_HEAD)
        return packing->is_begun ? 0 : r;
    if (r == 0) {
        berth_stream_complete(&packing->stream);
        packing->result = berth_stream_flush(&packing->stream, &packing->err);
    }
    if (r < 0 || packing->result < 0)
        berth_stream_abandon(&packing->stream);
    berth_stream_release(&packing->stream);
    if (packing->result == BERTH_E_IO) /* clients come and go */
        return 0;
    if (packing->result < 0)
        *err = packing->err;
    return packing->result < 0 ? packing->result : r;
}

int berth_files_download_zip(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    struct packing packing = {.exchange = exchange, .path = get_path(exchange)};
    int r = find_app(exchange, &app, err);
    if (r == 0)
        r = berth_long_answer_join(exchange, err);
    if (r < 0)
        return r;
    r = send_archive(&packing, app, err);
    berth_long_answer_leave(exchange);
    return r;
}
