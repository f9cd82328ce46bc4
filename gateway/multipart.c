/* SPDX-License-Identifier: MIT */
#include "gateway/multipart.h"

#include <string.h>
#include <strings.h>

#define REST_MAX (128U << 10)

static const char type[] = "multipart/form-data";

static int refuse(struct berth_error *err, const char *why)
{
    return berth_error_set(err, BERTH_E_INVALID, "the form %s", why);
}

bool berth_multipart_is(const char *content_type)
{
    size_t len = sizeof(type) - 1;
    return content_type && strncasecmp(content_type, type, len) == 0 &&
           strchr("; \t", content_type[len]);
}

/* Where the value of boundary= begins. */
static const char *find_boundary(const char *content_type)
{
    for (const char *at = strchr(content_type, ';'); at; at = strchr(at, ';')) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, "boundary=", 9) == 0)
            return at + 9;
    }
    return NULL;
}

int berth_multipart_begin(struct berth_multipart *multipart, const char *content_type,
                          struct berth_error *err)
{
    const char *boundary = find_boundary(content_type);
    if (!boundary)
        return refuse(err, "has no boundary");
    bool is_quoted = *boundary == '"';
    boundary += is_quoted;
    size_t len = strcspn(boundary, is_quoted ? "\"" : "; \t");
    if (len == 0 || len > BERTH_MULTIPART_BOUNDARY_MAX || (is_quoted && boundary[len] != '"'))
        return refuse(err, "has a malformed boundary");
    *multipart = (struct berth_multipart){0};
    multipart->delimiter_len = (size_t)snprintf(multipart->delimiter, sizeof(multipart->delimiter),
                                                "\r\n--%.*s", (int)len, boundary);
    berth_strbuf_init(&multipart->rest, REST_MAX);
    berth_strbuf_adds(&multipart->rest, "\r\n"); /* the first boundary may be the first line */
    return berth_strbuf_check(&multipart->rest, err);
}

void berth_multipart_release(struct berth_multipart *multipart)
{
    berth_strbuf_release(&multipart->rest);
}

/* ---- Parts ---- */

/* A header of a part, by its name; the length of its value, which may be followed by anything. */
static const char *find_header(const char *head, size_t len, const char *name, size_t *ret_len)
{
    size_t name_len = strlen(name);
    const char *end = head + len;
    for (const char *line = head; line < end;) {
        const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
        size_t line_len = (size_t)((stop ? stop : end) - line);
        if (line_len > name_len && strncasecmp(line, name, name_len) == 0 &&
            line[name_len] == ':') {
            *ret_len = line_len - name_len - 1;
            return line + name_len + 1;
        }
        line += line_len + 2;
    }
    return NULL;
}

/* A file is what has a name: filename= or filename*= stands in its disposition, outside of quotes.
 */
static bool is_file(const char *head, size_t len)
{
    size_t left = 0;
    bool is_quoted = false;
    const char *at = find_header(head, len, "Content-Disposition", &left);
    for (; at && left > 0; at++, left--) {
        if (*at == '\\' && is_quoted && left > 1) {
            at++;
            left--;
        } else if (*at == '"') {
            is_quoted = !is_quoted;
        } else if (*at == ';' && !is_quoted) {
            size_t space = 1;
            while (space < left && (at[space] == ' ' || at[space] == '\t'))
                space++;
            if (left - space > 8 && strncasecmp(at + space, "filename", 8) == 0 &&
                (at[space + 8] == '=' || at[space + 8] == '*'))
                return true;
        }
    }
    return false;
}

/* ---- Steps; each says how many bytes of the rest it has taken ---- */

/* What comes before the next boundary. */
static int take_content(struct berth_multipart *multipart, size_t from, berth_multipart_sink *sink,
                        void *ctx, size_t *ret_taken, struct berth_error *err)
{
    const char *data = multipart->rest.data + from;
    size_t len = multipart->rest.len - from;
    const char *end = memmem(data, len, multipart->delimiter, multipart->delimiter_len);
    size_t content = end ? (size_t)(end - data) : 0;
    if (!end && len >= multipart->delimiter_len)
        content = len - multipart->delimiter_len + 1;
    if (multipart->state == BERTH_MULTIPART_FILE && content > 0) {
        int r = sink(ctx, data, content, err);
        if (r < 0)
            return r;
    }
    *ret_taken = content;
    if (end) {
        *ret_taken += multipart->delimiter_len;
        multipart->state = BERTH_MULTIPART_DELIMITER;
    }
    return 0;
}

/* Two dashes after the last boundary; else spaces, and the end of the line. */
static int take_delimiter(struct berth_multipart *multipart, size_t from, size_t *ret_taken,
                          struct berth_error *err)
{
    const char *data = multipart->rest.data + from;
    size_t len = multipart->rest.len - from;
    size_t space = 0;
    *ret_taken = 0;
    if (len >= 2 && memcmp(data, "--", 2) == 0) {
        multipart->state = BERTH_MULTIPART_END;
        *ret_taken = 2;
        return 0;
    }
    while (space < len && (data[space] == ' ' || data[space] == '\t'))
        space++;
    if (len - space < 2)
        return space > BERTH_MULTIPART_HEAD_MAX ? refuse(err, "has a malformed boundary") : 0;
    if (memcmp(data + space, "\r\n", 2) != 0)
        return refuse(err, "has a malformed boundary");
    multipart->state = BERTH_MULTIPART_HEAD;
    *ret_taken = space; /* the end of the line begins the headers: there may be none */
    return 0;
}

static int take_head(struct berth_multipart *multipart, size_t from, size_t *ret_taken,
                     struct berth_error *err)
{
    const char *data = multipart->rest.data + from;
    size_t len = multipart->rest.len - from;
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    *ret_taken = 0;
    if (!end && len <= BERTH_MULTIPART_HEAD_MAX)
        return 0;
    if (!end || end - data > BERTH_MULTIPART_HEAD_MAX)
        return refuse(err, "has headers that are too long");
    multipart->state = BERTH_MULTIPART_FIELD;
    if (is_file(data, (size_t)(end - data))) {
        if (multipart->has_file)
            return refuse(err, "has more than one file");
        multipart->has_file = true;
        multipart->state = BERTH_MULTIPART_FILE;
    }
    *ret_taken = (size_t)(end - data) + 4;
    return 0;
}

static int step(struct berth_multipart *multipart, size_t from, berth_multipart_sink *sink,
                void *ctx, size_t *ret_taken, struct berth_error *err)
{
    switch (multipart->state) {
    case BERTH_MULTIPART_PREAMBLE:
    case BERTH_MULTIPART_FIELD:
    case BERTH_MULTIPART_FILE:
        return take_content(multipart, from, sink, ctx, ret_taken, err);
    case BERTH_MULTIPART_DELIMITER:
        return take_delimiter(multipart, from, ret_taken, err);
    case BERTH_MULTIPART_HEAD:
        return take_head(multipart, from, ret_taken, err);
    case BERTH_MULTIPART_END:
        *ret_taken = multipart->rest.len - from; /* the epilogue */
        break;
    }
    return 0;
}

/* ---- The body ---- */

int berth_multipart_feed(struct berth_multipart *multipart, const char *data, size_t len,
                         berth_multipart_sink *sink, void *ctx, struct berth_error *err)
{
    struct berth_strbuf *rest = &multipart->rest;
    size_t used = 0;
    berth_strbuf_add(rest, data, len);
    int r = berth_strbuf_check(rest, err);
    while (r == 0 && used < rest->len) {
        enum berth_multipart_state before = multipart->state;
        size_t taken = 0;
        r = step(multipart, used, sink, ctx, &taken, err);
        used += taken;
        if (taken == 0 && multipart->state == before)
            break;
    }
    if (r == 0 && used > 0) {
        size_t left = rest->len - used;
        memmove(rest->data, rest->data + used, left);
        berth_strbuf_truncate(rest, left);
    }
    return r;
}

int berth_multipart_finish(const struct berth_multipart *multipart, struct berth_error *err)
{
    if (multipart->state != BERTH_MULTIPART_END)
        return refuse(err, "is cut short");
    return multipart->has_file ? 0 : refuse(err, "has no file");
}
