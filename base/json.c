/* SPDX-License-Identifier: MIT */
/* Reading JSON: cJSON, with what it lets pass checked before it sees the text. */
#include "base/json.h"

#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int malformed(struct berth_error *err, size_t offset)
{
    return berth_error_set(err, BERTH_E_INVALID, "JSON is malformed at byte %zu", offset);
}

static bool is_hex(char c)
{
    return berth_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * One pass for what cJSON does not check: depth (its own bound is 1,000 levels
 * of recursion), control characters (it takes each for white space, and any in
 * a string) and the digits of \u escapes (it reads bad ones as 0). Sets
 * *ret_escaped_nul when there is a \u0000.
 */
static int scan(const char *text, size_t len, bool *ret_escaped_nul, struct berth_error *err)
{
    bool in_string = false;
    size_t depth = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if ((unsigned char)c < 0x20 && (in_string || !is_space(c)))
            return malformed(err, i);
        if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            if (c != '\\' || ++i == len || text[i] != 'u')
                continue;
            if (len - i < 5 || !is_hex(text[i + 1]) || !is_hex(text[i + 2]) ||
                !is_hex(text[i + 3]) || !is_hex(text[i + 4]))
                return malformed(err, i - 1);
            if (memcmp(text + i + 1, "0000", 4) == 0)
                *ret_escaped_nul = true;
        } else if (c == '{' || c == '[') {
            if (++depth > BERTH_JSON_DEPTH_MAX)
                return berth_error_set(err, BERTH_E_INVALID,
                                       "JSON is nested deeper than %d levels at byte %zu",
                                       BERTH_JSON_DEPTH_MAX, i);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

/* A copy of a scanned text with each \u0000 written as \ufffd. */
static char *without_escaped_nul(const char *text, size_t len)
{
    char *copy = malloc(len);
    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    for (size_t i = 0; len - i > 5; i++) {
        if (copy[i] != '\\')
            continue;
        i++;
        if (copy[i] == 'u' && memcmp(copy + i + 1, "0000", 4) == 0)
            memcpy(copy + i + 1, "fffd", 4);
    }
    return copy;
}

static int parse_scanned(const char *text, size_t len, cJSON **ret_json, struct berth_error *err)
{
    const char *end = text;
    errno = 0;
    BERTH_CLEANUP(json) cJSON *json = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (!json) {
        /* cJSON does not tell why it failed; malloc does. */
        if (errno == ENOMEM)
            return berth_error_nomem(err);
        return malformed(err, (size_t)(end - text));
    }
    while (end < text + len && is_space(*end))
        end++;
    if (end != text + len)
        return malformed(err, (size_t)(end - text));
    *ret_json = berth_steal(&json);
    return 0;
}

int berth_json_parse(const char *text, size_t len, cJSON **ret_json, struct berth_error *err)
{
    if (len == 0)
        return berth_error_set(err, BERTH_E_INVALID, "JSON is empty");
    bool escaped_nul = false;
    int r = scan(text, len, &escaped_nul, err);
    if (r < 0)
        return r;
    if (!escaped_nul)
        return parse_scanned(text, len, ret_json, err);
    BERTH_CLEANUP(free) char *copy = without_escaped_nul(text, len);
    if (!copy)
        return berth_error_nomem(err);
    return parse_scanned(copy, len, ret_json, err);
}

const cJSON *berth_json_get(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *berth_json_string(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = berth_json_get(object, name);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

bool berth_json_bool(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *item = berth_json_get(object, name);
    return cJSON_IsBool(item) ? (bool)cJSON_IsTrue(item) : otherwise;
}

/* False when the number is not in int64_t; a fraction is cut. */
static bool number_to_int(const cJSON *item, int64_t *ret_value)
{
    double number = item->valuedouble;
    if (!(number >= -0x1p63 && number < 0x1p63))
        return false;
    *ret_value = (int64_t)number;
    return true;
}

int64_t berth_json_int(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *item = berth_json_get(object, name);
    int64_t value;
    return cJSON_IsNumber(item) && number_to_int(item, &value) ? value : otherwise;
}

static char **string_slot(const struct berth_json_field *field, void *target)
{
    return (char **)((char *)target + field->offset);
}

static int decode_string(const struct berth_json_field *field, const cJSON *item, void *target,
                         struct berth_error *err)
{
    size_t len = cJSON_IsString(item) ? strlen(item->valuestring) : 0;
    if (!cJSON_IsString(item) || !berth_text_is_utf8(item->valuestring, len) ||
        (int64_t)len < field->min || (int64_t)len > field->max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "member %s must be UTF-8 text of %" PRId64 " to %" PRId64 " bytes",
                               field->name, field->min, field->max);
    char *copy = berth_text_dup(item->valuestring);
    if (!copy)
        return berth_error_nomem(err);
    *string_slot(field, target) = copy;
    return 0;
}

static int decode_int(const struct berth_json_field *field, const cJSON *item, void *target,
                      struct berth_error *err)
{
    int64_t value;
    if (!cJSON_IsNumber(item) || !number_to_int(item, &value) ||
        (double)value != item->valuedouble || value < field->min || value > field->max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "member %s must be a whole number from %" PRId64 " to %" PRId64,
                               field->name, field->min, field->max);
    memcpy((char *)target + field->offset, &value, sizeof(value));
    return 0;
}

static int decode_bool(const struct berth_json_field *field, const cJSON *item, void *target,
                       struct berth_error *err)
{
    if (!cJSON_IsBool(item))
        return berth_error_set(err, BERTH_E_INVALID, "member %s must be true or false",
                               field->name);
    bool value = cJSON_IsTrue(item);
    memcpy((char *)target + field->offset, &value, sizeof(value));
    return 0;
}

static int decode_field(const struct berth_json_field *field, const cJSON *object, void *target,
                        struct berth_error *err)
{
    const cJSON *item = berth_json_get(object, field->name);
    if (!item || cJSON_IsNull(item)) {
        if (field->required)
            return berth_error_set(err, BERTH_E_INVALID, "member %s is missing", field->name);
        return 0;
    }
    switch (field->type) {
    case BERTH_JSON_STRING:
        return decode_string(field, item, target, err);
    case BERTH_JSON_INT:
        return decode_int(field, item, target, err);
    case BERTH_JSON_BOOL:
        return decode_bool(field, item, target, err);
    }
    return berth_error_set(err, BERTH_E_INTERNAL, "member %s has no known type", field->name);
}

int berth_json_decode(const cJSON *object, const struct berth_json_field *fields, size_t count,
                      void *target, struct berth_error *err)
{
    if (!cJSON_IsObject(object))
        return berth_error_set(err, BERTH_E_INVALID, "a JSON object is expected");
    for (size_t i = 0; i < count; i++) {
        int r = decode_field(&fields[i], object, target, err);
        if (r < 0) {
            berth_json_fields_release(fields, count, target);
            return r;
        }
    }
    return 0;
}

void berth_json_fields_release(const struct berth_json_field *fields, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].type != BERTH_JSON_STRING)
            continue;
        char **slot = string_slot(&fields[i], target);
        if (*slot)
            explicit_bzero(*slot, strlen(*slot));
        free(*slot);
        *slot = NULL;
    }
}
