/* SPDX-License-Identifier: MIT */
/*
 * The body of an upload, received into a file without a name on the disk of
 * data_dir: whatever cuts it short, nothing of it is left.
 *
 * Threading: on the request's thread.
 */
#ifndef BERTH_GATEWAY_UPLOAD_BODY_H
#define BERTH_GATEWAY_UPLOAD_BODY_H

#include "gateway/exchange.h"

/* Called as it comes, with the bytes so far. */
typedef void berth_upload_body_progress(void *ctx, int64_t bytes);

/*
 * Receives the body, or the one file of a form (multipart/form-data), up to
 * max_upload_bytes, be it of a length that is said or in chunks. The client may be silent for
 * request_timeout_s; the caller's rights are asked for again as it comes. must_close is set where
 * the rest of the body is not read. *ret_fd: the file, to be read and closed.
 *
 * BERTH_E_INVALID: no body, cut short, or a malformed form; BERTH_E_TOO_LARGE;
 * BERTH_E_NO_SPACE; BERTH_E_TIMEOUT; BERTH_E_IO: the client is gone; and what
 * berth_long_answer_confirm() says.
 */
BERTH_MUST_CHECK int berth_upload_body_receive(struct berth_exchange *exchange,
                                               berth_upload_body_progress *received, void *ctx,
                                               int *ret_fd, struct berth_error *err);

/* The length the body says it has; 0 where it comes in chunks. */
int64_t berth_upload_body_length(const struct berth_exchange *exchange);

#endif
