/* SPDX-License-Identifier: MIT */
#include "facilities/uploads.h"

#include "base/clock.h"
#include "base/limits.h"
#include "facilities/audit.h"

#include <inttypes.h>

static void tell_number(void *ctx, uint64_t sequence)
{
    const struct berth_upload *upload = ctx;
    struct berth_changes *changes = upload->facility->changes;
    berth_changes_add_upload(changes, sequence, upload->app, &upload->news);
    berth_changes_told(changes, sequence);
}

static void tell(struct berth_upload *upload, enum berth_upload_phase phase)
{
    upload->news.phase = phase;
    upload->told_ms = berth_clock_monotonic_ms();
    berth_mirror_number(upload->facility->mirror, tell_number, upload);
}

static void tell_progress(struct berth_upload *upload)
{
    if (berth_clock_monotonic_ms() - upload->told_ms >= BERTH_UPLOAD_PROGRESS_MS)
        tell(upload, upload->news.phase);
}

int berth_upload_begin(struct berth_upload *upload, struct berth_facility *facility,
                       const struct berth_caller *by, const struct berth_app *app,
                       int64_t archive_bytes, struct berth_error *err)
{
    int r = berth_store_check_space(facility->store, err);
    if (r < 0)
        return r;
    *upload = (struct berth_upload){.facility = facility, .by = by, .app = app};
    upload->news.archive_bytes = archive_bytes;
    (void)snprintf(upload->news.request_id, sizeof(upload->news.request_id), "%s", by->request_id);
    tell(upload, BERTH_UPLOAD_RECEIVING);
    return 0;
}

void berth_upload_received(struct berth_upload *upload, int64_t bytes)
{
    upload->news.received_bytes = bytes;
    tell_progress(upload);
}

void berth_upload_fail(struct berth_upload *upload)
{
    tell(upload, BERTH_UPLOAD_FAILED);
}

/* ---- Unpacking ---- */

static bool unpacked(void *ctx, const struct berth_files_tally *done)
{
    struct berth_upload *upload = ctx;
    upload->news.tally = *done;
    tell_progress(upload);
    return true;
}

/* The result of a failure stands, with its message in err. */
static int audit(const struct berth_upload *upload, int result, struct berth_error *err)
{
    char detail[64];
    struct berth_store_request request;
    struct berth_facility *facility = upload->facility;
    (void)snprintf(detail, sizeof(detail), "%" PRId64 " files, %" PRId64 " bytes",
                   upload->news.tally.files, upload->news.tally.bytes);
    struct berth_audit_entry entry = {
        .by = upload->by,
        .facility = facility->config.id,
        .action = "upload-zip",
        .target = upload->app->name,
        .status = result,
        .detail = result < 0 ? (err ? err->message : NULL) : detail,
    };
    berth_audit_begin_write(facility->store, &request, &entry);
    int r = berth_store_end_write(facility->store, &request, result < 0 ? NULL : err);
    if (result < 0)
        return result;
    return r < 0 ? berth_error_wrap(err, "the files are uploaded, but that could not be recorded")
                 : 0;
}

int berth_upload_unpack(struct berth_upload *upload, int archive,
                        struct berth_files_tally *ret_tally, struct berth_error *err)
{
    struct berth_facility *facility = upload->facility;
    if (upload->news.archive_bytes == 0) /* nobody had said */
        upload->news.archive_bytes = upload->news.received_bytes;
    upload->news.received_bytes = upload->news.archive_bytes;
    tell(upload, BERTH_UPLOAD_UNPACKING);
    int r = berth_backend_put_archive(facility->backend, upload->app, archive, unpacked, upload,
                                      &upload->news.tally, err);
    tell(upload, r < 0 ? BERTH_UPLOAD_FAILED : BERTH_UPLOAD_DONE);
    r = audit(upload, r, err);
    if (r == 0)
        *ret_tally = upload->news.tally;
    return r;
}
