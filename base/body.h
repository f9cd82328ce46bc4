/* SPDX-License-Identifier: MIT */
/*
 * The bytes of an answer, shared by all who are sent them, with the ETag that
 * is made of them: equal tags mean equal bytes.
 *
 * Threading: a body is immutable and reference counted; any thread.
 */
#ifndef BERTH_BASE_BODY_H
#define BERTH_BASE_BODY_H

#include "base/strbuf.h"

#define BERTH_ETAG_MAX 36 /* quotes included */

struct berth_body {
    unsigned refs; /* atomic */
    char etag[BERTH_ETAG_MAX + 1];
    size_t len;
    char data[]; /* NUL-terminated */
};

struct berth_body *berth_body_ref(struct berth_body *body);
void berth_body_unref(struct berth_body *body);
BERTH_DEFINE_CLEANUP(body, struct berth_body *, berth_body_unref)

/* Copies the text, with its ETag. */
BERTH_MUST_CHECK int berth_body_new(const struct berth_strbuf *text, struct berth_body **ret_body,
                                    struct berth_error *err);

#endif
