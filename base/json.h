/* SPDX-License-Identifier: MIT */
/*
 * JSON in and out.
 *
 * In: cJSON behind a checked parser (depth, trailing bytes, NUL), getters that
 * never crash on a missing or wrongly typed member, and declarative field
 * tables for decoding request bodies. cJSON's strings are C strings, so an
 * escaped NUL (\u0000) becomes U+FFFD instead of cutting its text short;
 * texts are taken as they are otherwise (UTF-8 is checked in decoding).
 * Numbers become doubles; nothing here or in cJSON is to run under a locale
 * with another decimal point: berth never calls setlocale().
 *
 * Out: a writer that streams into a berth_strbuf. Answers are built in one
 * pass without a tree; commas and escapes are its business. Strings that are
 * not UTF-8 have each bad byte replaced by U+FFFD, as Go's encoder does.
 *
 * Threading: stateless; a writer belongs to its buffer's owner.
 */
#ifndef BERTH_BASE_JSON_H
#define BERTH_BASE_JSON_H

#include "base/strbuf.h"

#include <cjson/cJSON.h>

BERTH_DEFINE_CLEANUP(json, cJSON *, cJSON_Delete)

/*
 * Parses the whole text (len bytes, at most BERTH_JSON_DEPTH_MAX levels deep).
 * BERTH_E_INVALID names the byte where reading stopped; BERTH_E_NOMEM.
 */
BERTH_MUST_CHECK int berth_json_parse(const char *text, size_t len, cJSON **ret_json,
                                      struct berth_error *err);

/* Members of an object; the default when absent, null or of another type. object may be NULL. */
const cJSON *berth_json_get(const cJSON *object, const char *name); /* case-sensitive, or NULL */
const char *berth_json_string(const cJSON *object, const char *name, const char *otherwise);
bool berth_json_bool(const cJSON *object, const char *name, bool otherwise);
/* Numbers are doubles here: exact up to 2^53, a fraction is cut; out of int64_t range gives the
 * default. */
int64_t berth_json_int(const cJSON *object, const char *name, int64_t otherwise);

/* ---- Decoding into a struct ---- */

enum berth_json_type {
    BERTH_JSON_STRING, /* char *, malloc'ed; freed by berth_json_fields_release */
    BERTH_JSON_INT,    /* int64_t */
    BERTH_JSON_BOOL,   /* bool */
};

struct berth_json_field {
    const char *name;
    enum berth_json_type type;
    size_t offset; /* of the member in the target struct */
    bool required;
    int64_t min; /* of the value, or of a string's length in bytes; not for BERTH_JSON_BOOL */
    int64_t max;
};

/*
 * Fills target (zeroed by the caller) from an object. Unknown members are
 * ignored, null counts as missing and leaves the zero. A missing required
 * member, a wrong type, text that is not UTF-8 or a value out of bounds is
 * BERTH_E_INVALID naming the member and the rule ("member memory must be a
 * whole number from 1 to 5"), and target is released.
 */
BERTH_MUST_CHECK int berth_json_decode(const cJSON *object, const struct berth_json_field *fields,
                                       size_t count, void *target, struct berth_error *err);

/* Frees the strings, wiping them first, and leaves NULL in their place. */
void berth_json_fields_release(const struct berth_json_field *fields, size_t count, void *target);

/* ---- Writing ---- */

/* A failure is the buffer's: see berth_strbuf_check(). */

struct berth_json_writer {
    struct berth_strbuf *out;
    bool need_comma;
};

#define BERTH_JSON_WRITER(buffer)                                                                  \
    {                                                                                              \
        .out = (buffer)                                                                            \
    }

/* name is NULL inside arrays and at the top. */
void berth_json_open_object(struct berth_json_writer *w, const char *name);
void berth_json_close_object(struct berth_json_writer *w);
void berth_json_open_array(struct berth_json_writer *w, const char *name);
void berth_json_close_array(struct berth_json_writer *w);
/* A NULL value is written as null. */
void berth_json_add_string(struct berth_json_writer *w, const char *name, const char *value);
void berth_json_add_stringn(struct berth_json_writer *w, const char *name, const char *value,
                            size_t len);
void berth_json_add_int(struct berth_json_writer *w, const char *name, int64_t value);
void berth_json_add_bool(struct berth_json_writer *w, const char *name, bool value);
void berth_json_add_null(struct berth_json_writer *w, const char *name);
/* Bytes that are JSON already (an engine's own object). */
void berth_json_add_raw(struct berth_json_writer *w, const char *name, const char *json,
                        size_t len);

/* The quoted and escaped string alone. */
void berth_json_escape(struct berth_strbuf *out, const char *text, size_t len);

#endif
