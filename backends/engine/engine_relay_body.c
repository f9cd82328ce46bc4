/* SPDX-License-Identifier: MIT */
/* What may come with a request: from a body's text to one made anew. */
#include "backends/engine/engine_relay_internal.h"

#include <string.h>

static int malformed(const struct relay_field *field, const char *rule, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_INVALID, "member %s must be %s", field->name, rule);
}

/* true, or a text or list with something in it. */
static bool says_something(const cJSON *value)
{
    return !cJSON_IsNull(value) && !cJSON_IsFalse(value) &&
           !(cJSON_IsString(value) && value->valuestring[0] == '\0') &&
           !(cJSON_IsArray(value) && cJSON_GetArraySize(value) == 0);
}

static int add_texts(const struct relay_field *field, const cJSON *list,
                     struct berth_json_writer *w, struct berth_error *err)
{
    const cJSON *text;
    if (!cJSON_IsArray(list))
        return malformed(field, "an array of texts", err);
    berth_json_open_array(w, field->name);
    cJSON_ArrayForEach(text, list)
    {
        if (!cJSON_IsString(text))
            return malformed(field, "an array of texts", err);
        berth_json_add_string(w, NULL, text->valuestring);
    }
    berth_json_close_array(w);
    return 0;
}

static int add_field(const struct relay_field *field, const cJSON *value,
                     struct berth_json_writer *w, struct berth_error *err)
{
    if (cJSON_IsNull(value))
        return 0;
    switch (field->kind) {
    case FIELD_BOOL:
        if (!cJSON_IsBool(value))
            return malformed(field, "true or false", err);
        berth_json_add_bool(w, field->name, cJSON_IsTrue(value));
        return 0;
    case FIELD_TEXT:
        if (!cJSON_IsString(value))
            return malformed(field, "a text", err);
        berth_json_add_string(w, field->name, value->valuestring);
        return 0;
    case FIELD_TEXTS:
        return add_texts(field, value, w, err);
    case FIELD_NO:
    default:
        return says_something(value)
                   ? berth_error_set(err, BERTH_E_FORBIDDEN,
                                     "berth's agent does not let member %s through", field->name)
                   : 0;
    }
}

static const struct relay_field *find_field(const struct relay_field *fields, const char *name)
{
    while (fields->name && strcmp(fields->name, name) != 0)
        fields++;
    return fields->name ? fields : NULL;
}

/* Names are compared as they are. The engine takes them in any case, but sees ours alone. */
static int make_body(const struct relay_field *fields, const cJSON *given, struct berth_strbuf *out,
                     struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    const cJSON *member;
    berth_json_open_object(&w, NULL);
    cJSON_ArrayForEach(member, given)
    {
        const struct relay_field *field = find_field(fields, member->string);
        if (!field)
            return berth_error_set(err, BERTH_E_FORBIDDEN,
                                   "berth's agent does not let member %s through",
                                   berth_relay_shown(member->string));
        if (berth_json_get(given, field->name) != member)
            return berth_error_set(err, BERTH_E_INVALID, "member %s is given twice", field->name);
        int r = add_field(field, member, &w, err);
        if (r < 0)
            return r;
    }
    berth_json_close_object(&w);
    return berth_strbuf_check(out, err);
}

int berth_relay_take_body(struct berth_relay *relay, const char *text, size_t len,
                          struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *given = NULL;
    if (len > BERTH_RELAY_BODY_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "the body is longer than %u bytes",
                               BERTH_RELAY_BODY_MAX);
    int r = berth_json_parse(text, len, &given, err);
    if (r == 0 && !cJSON_IsObject(given))
        r = berth_error_set(err, BERTH_E_INVALID, "the body must be a JSON object");
    if (r < 0)
        return r;
    berth_strbuf_clear(&relay->body);
    return make_body(relay->route->fields, given, &relay->body, err);
}
