/* SPDX-License-Identifier: MIT */
/*
 * A growable byte string with a mandatory cap. Appending past the cap or out
 * of memory marks the buffer failed: later appends do nothing, and one check
 * at the end (berth_strbuf_check) reports it, so that building text needs no
 * check per call. The content is always NUL-terminated.
 *
 * Threading: one owner at a time.
 */
#ifndef BERTH_BASE_STRBUF_H
#define BERTH_BASE_STRBUF_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct berth_strbuf {
    char *data; /* NULL until the first append */
    size_t len;
    size_t size;
    size_t cap; /* most bytes of content, terminator not counted */
    int failed; /* 0 or the negative status */
};

/* Sets the buffer up empty; nothing is allocated. cap: 1 to SIZE_MAX/2 bytes. */
void berth_strbuf_init(struct berth_strbuf *buf, size_t cap);

#define BERTH_STRBUF_INIT(cap_bytes)                                                               \
    {                                                                                              \
        .cap = (cap_bytes)                                                                         \
    }

/* Frees the content; the buffer may be used again with the same cap. */
void berth_strbuf_release(struct berth_strbuf *buf);
BERTH_DEFINE_CLEANUP_VALUE(strbuf, struct berth_strbuf, berth_strbuf_release)

/* Empties the buffer and its failure, keeping the memory. */
void berth_strbuf_clear(struct berth_strbuf *buf);

/* Makes room for extra more bytes; false when the buffer has failed. */
bool berth_strbuf_reserve(struct berth_strbuf *buf, size_t extra);

void berth_strbuf_add(struct berth_strbuf *buf, const void *data, size_t len);
void berth_strbuf_adds(struct berth_strbuf *buf, const char *text);
void berth_strbuf_addc(struct berth_strbuf *buf, char c);
void berth_strbuf_add_int(struct berth_strbuf *buf, int64_t value); /* decimal */
void berth_strbuf_addf(struct berth_strbuf *buf, const char *format, ...) BERTH_PRINTF(2, 3);
void berth_strbuf_vaddf(struct berth_strbuf *buf, const char *format, va_list args)
    BERTH_PRINTF(2, 0);

/* Percent-encodes everything but RFC 3986 unreserved characters (for URL paths and queries). */
void berth_strbuf_add_urlencoded(struct berth_strbuf *buf, const char *text, size_t len);

/* Shortens the content to len bytes; a longer len changes nothing. */
void berth_strbuf_truncate(struct berth_strbuf *buf, size_t len);

/* The content as a C string, "" when nothing was appended; valid until the next append. */
const char *berth_strbuf_str(const struct berth_strbuf *buf);

/* 0, BERTH_E_NOMEM or BERTH_E_TOO_LARGE. */
BERTH_MUST_CHECK int berth_strbuf_check(const struct berth_strbuf *buf, struct berth_error *err);

/* Hands the content over (malloc'ed, NUL-terminated) and empties the buffer; NULL if it failed. */
BERTH_MUST_CHECK char *berth_strbuf_steal(struct berth_strbuf *buf, size_t *ret_len);

#endif
