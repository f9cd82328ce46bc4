/* SPDX-License-Identifier: MIT */
/*
 * Takes the one file out of a body of multipart/form-data as it comes, however
 * it is cut into pieces (RFC 7578; RFC 2046 section 5.1.1). Other fields are
 * passed over.
 *
 * Threading: belongs to one thread.
 */
#ifndef BERTH_GATEWAY_MULTIPART_H
#define BERTH_GATEWAY_MULTIPART_H

#include "base/strbuf.h"

#define BERTH_MULTIPART_BOUNDARY_MAX 70
#define BERTH_MULTIPART_HEAD_MAX     8192 /* the headers of a part */

enum berth_multipart_state {
    BERTH_MULTIPART_PREAMBLE,
    BERTH_MULTIPART_DELIMITER, /* behind the boundary */
    BERTH_MULTIPART_HEAD,
    BERTH_MULTIPART_FIELD,
    BERTH_MULTIPART_FILE,
    BERTH_MULTIPART_END,
};

struct berth_multipart {
    enum berth_multipart_state state;
    bool has_file;
    char delimiter[BERTH_MULTIPART_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
    size_t delimiter_len;
    struct berth_strbuf rest; /* what came, and is not understood yet */
};

/* Takes a piece of the file; 0 or a status, which ends it. */
typedef int berth_multipart_sink(void *ctx, const char *data, size_t len, struct berth_error *err);

bool berth_multipart_is(const char *content_type);

/* content_type: the header, which berth_multipart_is() knows. BERTH_E_INVALID: no boundary. */
BERTH_MUST_CHECK int berth_multipart_begin(struct berth_multipart *multipart,
                                           const char *content_type, struct berth_error *err);
void berth_multipart_release(struct berth_multipart *multipart);
BERTH_DEFINE_CLEANUP_VALUE(multipart, struct berth_multipart, berth_multipart_release)

/* A piece of the body, of 64 KiB at most. BERTH_E_INVALID: it is malformed, or has a second file.
 */
BERTH_MUST_CHECK int berth_multipart_feed(struct berth_multipart *multipart, const char *data,
                                          size_t len, berth_multipart_sink *sink, void *ctx,
                                          struct berth_error *err);

/* The body is over. BERTH_E_INVALID: it was cut short, or had no file. */
BERTH_MUST_CHECK int berth_multipart_finish(const struct berth_multipart *multipart,
                                            struct berth_error *err);

#endif
