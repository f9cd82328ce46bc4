/* SPDX-License-Identifier: MIT */
/*
 * Uploads of archives into the files of an app: those who watch the facility
 * are told how far one is, and the trail of audit gets a row.
 *
 * Threading: an upload belongs to one thread.
 */
#ifndef BERTH_FACILITIES_UPLOADS_H
#define BERTH_FACILITIES_UPLOADS_H

#include "facilities/facility.h"

struct berth_upload {
    struct berth_facility *facility; /* borrowed, as the next two */
    const struct berth_caller *by;
    const struct berth_app *app;
    struct berth_upload_news news;
    int64_t told_ms; /* monotonic */
};

/* The archive is going to come, of so many bytes; 0: nobody knows yet. BERTH_E_NO_SPACE: there is
 * no room for a row. */
BERTH_MUST_CHECK int berth_upload_begin(struct berth_upload *upload,
                                        struct berth_facility *facility,
                                        const struct berth_caller *by, const struct berth_app *app,
                                        int64_t archive_bytes, struct berth_error *err);

/* So much of it is here; told of every BERTH_UPLOAD_PROGRESS_MS at most. */
void berth_upload_received(struct berth_upload *upload, int64_t bytes);

/* It is here: unpacks it into the app's files, as put_archive of backends/backend.h. */
BERTH_MUST_CHECK int berth_upload_unpack(struct berth_upload *upload, int archive,
                                         struct berth_files_tally *ret_tally,
                                         struct berth_error *err);

/* It is not coming. */
void berth_upload_fail(struct berth_upload *upload);

#endif
