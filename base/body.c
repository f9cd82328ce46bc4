/* SPDX-License-Identifier: MIT */
#include "base/body.h"

#include "base/encoding.h"

#include <string.h>

struct berth_body *berth_body_ref(struct berth_body *body)
{
    __atomic_add_fetch(&body->refs, 1, __ATOMIC_RELAXED);
    return body;
}

void berth_body_unref(struct berth_body *body)
{
    if (body && __atomic_sub_fetch(&body->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(body);
}

int berth_body_new(const struct berth_strbuf *text, struct berth_body **ret_body,
                   struct berth_error *err)
{
    int r = berth_strbuf_check(text, err);
    if (r < 0)
        return r;
    unsigned char digest[BERTH_SHA256_BYTES];
    r = berth_sha256(berth_strbuf_str(text), text->len, digest, err);
    if (r < 0)
        return r;
    struct berth_body *body = malloc(sizeof(*body) + text->len + 1);
    if (!body)
        return berth_error_nomem(err);
    body->refs = 1;
    body->len = text->len;
    memcpy(body->data, berth_strbuf_str(text), text->len + 1);

    /* Sixteen bytes of the digest: equal tags mean equal bytes. */
    static const char hex[] = "0123456789abcdef";
    char *out = body->etag;
    *out++ = '"';
    for (size_t i = 0; i < 16; i++) {
        *out++ = hex[digest[i] >> 4];
        *out++ = hex[digest[i] & 15];
    }
    *out++ = '"';
    *out = '\0';
    *ret_body = body;
    return 0;
}
