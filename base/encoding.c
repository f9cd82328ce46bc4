/* SPDX-License-Identifier: MIT */
#include "base/encoding.h"

#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

static bool is_base64(char c)
{
    return berth_is_alnum(c) || c == '+' || c == '/';
}

static int base64_malformed(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_INVALID, "base64 text is malformed");
}

int berth_base64_decode(const char *text, size_t len, struct berth_strbuf *out,
                        struct berth_error *err)
{
    if (len == 0)
        return 0;
    if (len % 4 != 0)
        return base64_malformed(err);
    if (len > INT_MAX)
        return berth_error_set(err, BERTH_E_TOO_LARGE, "base64 text is too long");
    size_t padding = text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < len - padding; i++) {
        if (!is_base64(text[i]))
            return base64_malformed(err);
    }
    size_t decoded = len / 4 * 3;
    if (!berth_strbuf_reserve(out, decoded))
        return berth_strbuf_check(out, err);
    unsigned char *to = (unsigned char *)out->data + out->len;
    bool good = EVP_DecodeBlock(to, (const unsigned char *)text, (int)len) == (int)decoded;
    /* OpenSSL decodes padding to zero bytes; anything else there are stray bits of the text. */
    for (size_t i = decoded - padding; i < decoded; i++)
        good = good && to[i] == 0;
    if (!good) {
        to[0] = '\0';
        return base64_malformed(err);
    }
    out->len += decoded - padding;
    out->data[out->len] = '\0';
    return 0;
}

void berth_base64_encode(const void *data, size_t len, struct berth_strbuf *out)
{
    const unsigned char *from = data;
    while (len > 0) {
        size_t part = len < INT_MAX / 6 * 3 ? len : INT_MAX / 6 * 3;
        if (!berth_strbuf_reserve(out, (part + 2) / 3 * 4))
            return;
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->len, from, (int)part);
        from += part;
        len -= part;
    }
}

void berth_base64url_encode(const void *data, size_t len, struct berth_strbuf *out)
{
    size_t start = out->len;
    berth_base64_encode(data, len, out);
    size_t end = out->len;
    for (size_t i = start; i < out->len; i++) {
        if (out->data[i] == '+')
            out->data[i] = '-';
        else if (out->data[i] == '/')
            out->data[i] = '_';
        else if (out->data[i] == '=')
            end--;
    }
    berth_strbuf_truncate(out, end);
}

static char *put_hex(char *at, const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *at++ = digits[data[i] >> 4];
        *at++ = digits[data[i] & 15];
    }
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool berth_form_decode(const char *text, size_t len, char *out, size_t *ret_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (len - i < 3)
                return false;
            int high = hex_value(text[i + 1]);
            int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *ret_len = n;
    return true;
}

void berth_hex_encode(const void *data, size_t len, struct berth_strbuf *out)
{
    if (len == 0 || !berth_strbuf_reserve(out, len > SIZE_MAX / 2 ? SIZE_MAX : 2 * len))
        return;
    *put_hex(out->data + out->len, data, len) = '\0';
    out->len += 2 * len;
}

int berth_sha256(const void *data, size_t len, unsigned char ret_digest[static BERTH_SHA256_BYTES],
                 struct berth_error *err)
{
    unsigned char digest[BERTH_SHA256_BYTES];
    if (!EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL))
        return berth_error_set(err, BERTH_E_INTERNAL, "SHA-256 failed");
    memcpy(ret_digest, digest, sizeof(digest));
    return 0;
}

int berth_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                      unsigned char ret_digest[static BERTH_SHA256_BYTES], struct berth_error *err)
{
    unsigned char digest[BERTH_SHA256_BYTES];
    if (key_len > INT_MAX ||
        !HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, data, len, digest, NULL))
        return berth_error_set(err, BERTH_E_INTERNAL, "HMAC-SHA-256 failed");
    memcpy(ret_digest, digest, sizeof(digest));
    return 0;
}

int berth_random_bytes(void *data, size_t len, struct berth_error *err)
{
    unsigned char *at = data;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "no random bytes");
        }
        at += got;
        len -= (size_t)got;
    }
    return 0;
}

int berth_random_uuid(char ret_uuid[static 37], struct berth_error *err)
{
    unsigned char bytes[16];
    int r = berth_random_bytes(bytes, sizeof(bytes), err);
    if (r < 0)
        return r;
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    static const size_t groups[] = {4, 2, 2, 2, 6};
    char *at = ret_uuid;
    const unsigned char *from = bytes;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        at = put_hex(at, from, groups[i]);
        from += groups[i];
        *at++ = '-';
    }
    at[-1] = '\0';
    return 0;
}
