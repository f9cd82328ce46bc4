/* SPDX-License-Identifier: MIT */
/* Writing JSON: a comma in time, and strings escaped in runs. */
#include "base/json.h"
#include "base/text.h"

#include <string.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/*
 * Not 0 when one of eight bytes may need a look: below 0x20, '"', '\\' or not
 * ASCII. (x - ONES * n) & ~x & HIGHS marks bytes below n; a borrow can only
 * mark one byte too many, behind a byte that is marked rightly.
 */
static uint64_t special_bytes(const char *text)
{
    uint64_t x;
    memcpy(&x, text, sizeof(x));
    uint64_t quote = x ^ (ONES * '"');
    uint64_t backslash = x ^ (ONES * '\\');
    uint64_t low = (x - ONES * 0x20) | (quote - ONES) | (backslash - ONES);
    return (x | low) & HIGHS;
}

/* The number of bytes from the start of text that are written as they are. */
static size_t plain_run(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len) {
        while (len - i >= 8 && !special_bytes(text + i))
            i += 8;
        if (i == len)
            break;
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        size_t width = c < 0x80 ? 1 : berth_text_utf8_char(text + i, len - i);
        if (width == 0)
            break;
        i += width;
    }
    return i;
}

static void add_special(struct berth_strbuf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    if (c >= 0x80) {
        berth_strbuf_add(out, "\xEF\xBF\xBD", 3);
    } else if (letters[c]) {
        const char coded[2] = {'\\', letters[c]};
        berth_strbuf_add(out, coded, sizeof(coded));
    } else {
        const char coded[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        berth_strbuf_add(out, coded, sizeof(coded));
    }
}

/* Appends to room that is reserved already. */
static void append_reserved(struct berth_strbuf *out, const char *text, size_t len)
{
    if (len > 0) /* text may be NULL then */
        memcpy(out->data + out->len, text, len);
    out->len += len;
    out->data[out->len] = '\0';
}

void berth_json_escape(struct berth_strbuf *out, const char *text, size_t len)
{
    /* No string gets shorter: room for it all at once, or a failure at once. */
    if (len > SIZE_MAX - 2 || !berth_strbuf_reserve(out, len + 2))
        return;
    append_reserved(out, "\"", 1);
    size_t run = plain_run(text, len);
    append_reserved(out, text, run);
    while (run < len) {
        add_special(out, (unsigned char)text[run]);
        text += run + 1;
        len -= run + 1;
        run = plain_run(text, len);
        berth_strbuf_add(out, text, run);
    }
    berth_strbuf_addc(out, '"');
}

/* What stands before each value: the comma after the one before it, and its name. */
static void begin_value(struct berth_json_writer *w, const char *name)
{
    if (w->need_comma)
        berth_strbuf_addc(w->out, ',');
    w->need_comma = true;
    if (name) {
        berth_json_escape(w->out, name, strlen(name));
        berth_strbuf_addc(w->out, ':');
    }
}

static void open_container(struct berth_json_writer *w, const char *name, char bracket)
{
    begin_value(w, name);
    berth_strbuf_addc(w->out, bracket);
    w->need_comma = false;
}

static void close_container(struct berth_json_writer *w, char bracket)
{
    berth_strbuf_addc(w->out, bracket);
    w->need_comma = true;
}

void berth_json_open_object(struct berth_json_writer *w, const char *name)
{
    open_container(w, name, '{');
}

void berth_json_close_object(struct berth_json_writer *w)
{
    close_container(w, '}');
}

void berth_json_open_array(struct berth_json_writer *w, const char *name)
{
    open_container(w, name, '[');
}

void berth_json_close_array(struct berth_json_writer *w)
{
    close_container(w, ']');
}

void berth_json_add_string(struct berth_json_writer *w, const char *name, const char *value)
{
    if (value)
        berth_json_add_stringn(w, name, value, strlen(value));
    else
        berth_json_add_null(w, name);
}

void berth_json_add_stringn(struct berth_json_writer *w, const char *name, const char *value,
                            size_t len)
{
    begin_value(w, name);
    berth_json_escape(w->out, value, len);
}

void berth_json_add_int(struct berth_json_writer *w, const char *name, int64_t value)
{
    begin_value(w, name);
    berth_strbuf_add_int(w->out, value);
}

void berth_json_add_bool(struct berth_json_writer *w, const char *name, bool value)
{
    begin_value(w, name);
    berth_strbuf_adds(w->out, value ? "true" : "false");
}

void berth_json_add_null(struct berth_json_writer *w, const char *name)
{
    begin_value(w, name);
    berth_strbuf_adds(w->out, "null");
}

void berth_json_add_raw(struct berth_json_writer *w, const char *name, const char *json, size_t len)
{
    begin_value(w, name);
    berth_strbuf_add(w->out, json, len);
}
