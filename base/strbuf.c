/* SPDX-License-Identifier: MIT */
#include "base/strbuf.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define STRBUF_FIRST 64 /* bytes of the first allocation: most small texts need one */

void berth_strbuf_init(struct berth_strbuf *buf, size_t cap)
{
    *buf = (struct berth_strbuf)BERTH_STRBUF_INIT(cap);
}

void berth_strbuf_release(struct berth_strbuf *buf)
{
    free(buf->data);
    berth_strbuf_init(buf, buf->cap);
}

void berth_strbuf_clear(struct berth_strbuf *buf)
{
    buf->failed = 0;
    berth_strbuf_truncate(buf, 0);
}

bool berth_strbuf_reserve(struct berth_strbuf *buf, size_t extra)
{
    if (buf->failed)
        return false;
    if (extra > buf->cap - buf->len) {
        buf->failed = BERTH_E_TOO_LARGE;
        return false;
    }
    size_t need = buf->len + extra + 1;
    if (need <= buf->size)
        return true;

    size_t size = buf->size ? buf->size : STRBUF_FIRST;
    while (size < need)
        size *= 2;
    if (size > buf->cap + 1)
        size = buf->cap + 1;
    char *grown = realloc(buf->data, size);
    if (!grown) {
        buf->failed = BERTH_E_NOMEM;
        return false;
    }
    if (!buf->data)
        grown[0] = '\0';
    buf->data = grown;
    buf->size = size;
    return true;
}

/* Most appends find room: the quick look comes first. */
static bool has_room(struct berth_strbuf *buf, size_t extra)
{
    return (!buf->failed && extra < buf->size - buf->len) || berth_strbuf_reserve(buf, extra);
}

void berth_strbuf_add(struct berth_strbuf *buf, const void *data, size_t len)
{
    if (len == 0 || !has_room(buf, len))
        return;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void berth_strbuf_adds(struct berth_strbuf *buf, const char *text)
{
    berth_strbuf_add(buf, text, strlen(text));
}

void berth_strbuf_addc(struct berth_strbuf *buf, char c)
{
    if (!has_room(buf, 1))
        return;
    buf->data[buf->len++] = c;
    buf->data[buf->len] = '\0';
}

void berth_strbuf_add_int(struct berth_strbuf *buf, int64_t value)
{
    char digits[20]; /* "-9223372036854775808" */
    char *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    berth_strbuf_add(buf, at, (size_t)(digits + sizeof(digits) - at));
}

void berth_strbuf_vaddf(struct berth_strbuf *buf, const char *format, va_list args)
{
    if (buf->failed)
        return;
    va_list again;
    va_copy(again, args);
    size_t room = buf->size - buf->len; /* with the terminator's byte; 0 before the first append */
    int len = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
    if (len < 0) {
        buf->failed = BERTH_E_INTERNAL;
    } else if ((size_t)len < room) {
        buf->len += (size_t)len;
    } else if (berth_strbuf_reserve(buf, (size_t)len)) {
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    if (buf->failed && buf->data)
        buf->data[buf->len] = '\0'; /* takes back what the first try has written */
}

void berth_strbuf_addf(struct berth_strbuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    berth_strbuf_vaddf(buf, format, args);
    va_end(args);
}

static bool is_unreserved(char c)
{
    return berth_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void berth_strbuf_add_urlencoded(struct berth_strbuf *buf, const char *text, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_unreserved(text[i])) {
            berth_strbuf_addc(buf, text[i]);
        } else {
            const char coded[3] = {'%', hex[c >> 4], hex[c & 15]};
            berth_strbuf_add(buf, coded, sizeof(coded));
        }
    }
}

void berth_strbuf_truncate(struct berth_strbuf *buf, size_t len)
{
    if (len < buf->len) {
        buf->len = len;
        buf->data[len] = '\0';
    }
}

const char *berth_strbuf_str(const struct berth_strbuf *buf)
{
    return buf->data ? buf->data : "";
}

int berth_strbuf_check(const struct berth_strbuf *buf, struct berth_error *err)
{
    switch (buf->failed) {
    case 0:
        return 0;
    case BERTH_E_NOMEM:
        return berth_error_nomem(err);
    case BERTH_E_TOO_LARGE:
        return berth_error_set(err, BERTH_E_TOO_LARGE, "text is longer than %zu bytes", buf->cap);
    default:
        return berth_error_set(err, BERTH_E_INTERNAL, "text could not be formatted");
    }
}

char *berth_strbuf_steal(struct berth_strbuf *buf, size_t *ret_len)
{
    if (!berth_strbuf_reserve(buf, 0))
        return NULL;
    if (ret_len)
        *ret_len = buf->len;
    char *data = berth_steal(&buf->data);
    berth_strbuf_init(buf, buf->cap);
    return data;
}
