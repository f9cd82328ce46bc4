/* SPDX-License-Identifier: MIT */
#include "base/yaml_read.h"

#include "base/limits.h"
#include "base/text.h"

#include <math.h>
#include <string.h>
#include <yaml.h>

#define STRING_TAG "tag:yaml.org,2002:str"
#define MERGE_KEY  "<<"

static void release_event(yaml_event_t *event)
{
    yaml_event_delete(event);
}
BERTH_DEFINE_CLEANUP_VALUE(yaml_event, yaml_event_t, release_event)

/* value: borrowed of the tree, or of what was merged. */
struct anchor {
    char *name;
    const cJSON *value;
    struct anchor *next;
};

struct reader {
    yaml_parser_t parser;
    struct anchor *anchors; /* the latest first: a name may be given anew */
    cJSON *merged;          /* the values of merge keys, which anchors may point into */
    size_t nodes;
    size_t depth;
    struct berth_error *err;
};

static int fail(struct reader *r, const yaml_event_t *event, const char *what, const char *name)
{
    return berth_error_set(r->err, BERTH_E_INVALID, "line %zu: %s%s", event->start_mark.line + 1,
                           what, name);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    *event = (yaml_event_t){0};
    if (r->parser.error == YAML_MEMORY_ERROR)
        return berth_error_nomem(r->err);
    return berth_error_set(r->err, BERTH_E_INVALID, "line %zu: it is no YAML: %s",
                           r->parser.problem_mark.line + 1,
                           r->parser.problem ? r->parser.problem : "unknown problem");
}

/* ---- Bounds ---- */

static int count_nodes(struct reader *r, size_t count)
{
    if (count <= BERTH_YAML_NODES_MAX - r->nodes) {
        r->nodes += count;
        return 0;
    }
    return berth_error_set(r->err, BERTH_E_TOO_LARGE,
                           "it has more than %d values, those that aliases repeat included",
                           BERTH_YAML_NODES_MAX);
}

static size_t height(const cJSON *value)
{
    size_t most = 0;
    for (const cJSON *item = value->child; item; item = item->next) {
        size_t of_item = height(item);
        most = of_item > most ? of_item : most;
    }
    return most + 1;
}

static size_t size(const cJSON *value)
{
    size_t sum = 1;
    for (const cJSON *item = value->child; item; item = item->next)
        sum += size(item);
    return sum;
}

static int check_depth(struct reader *r, size_t more)
{
    if (r->depth + more <= BERTH_YAML_DEPTH_MAX)
        return 0;
    return berth_error_set(r->err, BERTH_E_TOO_LARGE, "it is more than %d levels deep",
                           BERTH_YAML_DEPTH_MAX);
}

/* ---- Scalars ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

static const char *skip_digits(const char *text)
{
    while (berth_is_digit(*text))
        text++;
    return text;
}

/* 0440 is an octal number to those who read Compose's files. */
static bool read_integer(const char *text, double *ret_value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || *skip_digits(digits))
        return false;
    bool is_octal = digits[0] == '0' && digits[1];
    if (is_octal && strspn(digits, "01234567") != strlen(digits))
        return false;
    *ret_value = is_octal ? (double)strtoll(text, NULL, 8) : strtod(text, NULL);
    return true;
}

static bool read_float(const char *text, double *ret_value)
{
    const char *whole = text + (*text == '-' || *text == '+');
    const char *end = skip_digits(whole);
    size_t digits = (size_t)(end - whole);
    if (!*end)
        return false;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        digits += (size_t)(end - fraction);
    }
    if (digits > 0 && (*end == 'e' || *end == 'E')) {
        const char *exponent = end + 1 + (end[1] == '-' || end[1] == '+');
        end = skip_digits(exponent);
        if (end == exponent)
            return false;
    }
    if (digits == 0 || *end)
        return false;
    *ret_value = strtod(text, NULL);
    return true;
}

static cJSON *make_plain(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const truths[] = {"true", "True", "TRUE", NULL};
    static const char *const falsehoods[] = {"false", "False", "FALSE", NULL};
    double value = 0;
    if (is_one_of(text, nulls))
        return cJSON_CreateNull();
    if (is_one_of(text, truths))
        return cJSON_CreateTrue();
    if (is_one_of(text, falsehoods))
        return cJSON_CreateFalse();
    bool is_number = read_integer(text, &value) || read_float(text, &value);
    if (!is_number || !isfinite(value))
        return cJSON_CreateString(text);
    cJSON *number = cJSON_CreateString(text);
    if (number) {
        number->type = cJSON_Number;
        cJSON_SetNumberValue(number, value);
    }
    return number;
}

static int read_scalar(struct reader *r, const yaml_event_t *event, cJSON **ret_value)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    if (strlen(text) != event->data.scalar.length)
        return fail(r, event, "a text has a NUL in it", "");
    if (tag && strcmp(tag, STRING_TAG) != 0)
        return fail(r, event, "tags are not taken here: ", tag);
    bool is_plain = !tag && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    *ret_value = is_plain ? make_plain(text) : cJSON_CreateString(text);
    return *ret_value ? 0 : berth_error_nomem(r->err);
}

/* ---- Anchors ---- */

static int remember(struct reader *r, const yaml_char_t *name, const cJSON *value)
{
    if (!name)
        return 0;
    struct anchor *anchor = malloc(sizeof(*anchor));
    char *copy = berth_text_dup((const char *)name);
    if (!anchor || !copy) {
        free(anchor);
        free(copy);
        return berth_error_nomem(r->err);
    }
    *anchor = (struct anchor){.name = copy, .value = value, .next = r->anchors};
    r->anchors = anchor;
    return 0;
}

/* What encloses an alias is not remembered yet, so that nothing contains itself. */
static int read_alias(struct reader *r, const yaml_event_t *event, cJSON **ret_value)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = r->anchors;
    while (anchor && strcmp(anchor->name, name) != 0)
        anchor = anchor->next;
    if (!anchor)
        return fail(r, event, "nothing before it is called &", name);
    int rc = check_depth(r, height(anchor->value) - 1);
    if (rc == 0)
        rc = count_nodes(r, size(anchor->value) - 1);
    if (rc < 0)
        return rc;
    *ret_value = cJSON_Duplicate(anchor->value, true);
    return *ret_value ? 0 : berth_error_nomem(r->err);
}

/* ---- Collections ---- */

static int read_value(struct reader *r, const yaml_event_t *event, cJSON **ret_value);

static int read_list(struct reader *r, cJSON *list)
{
    for (;;) {
        BERTH_CLEANUP(yaml_event) yaml_event_t event = {0};
        cJSON *item = NULL;
        int rc = next_event(r, &event);
        if (rc < 0 || event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        rc = read_value(r, &event, &item);
        if (rc < 0)
            return rc;
        cJSON_AddItemToArray(list, item);
    }
}

static int read_key(struct reader *r, const yaml_event_t *event, const cJSON *map)
{
    if (event->type != YAML_SCALAR_EVENT)
        return fail(r, event, "a key must be a text", "");
    const char *key = (const char *)event->data.scalar.value;
    if (strlen(key) != event->data.scalar.length)
        return fail(r, event, "a text has a NUL in it", "");
    if (event->data.scalar.tag || event->data.scalar.anchor)
        return fail(r, event, "a key has neither tag nor anchor here: ", key);
    if (cJSON_GetObjectItemCaseSensitive(map, key))
        return fail(r, event, "it has the key twice: ", key);
    return count_nodes(r, 1);
}

static int merge_map(struct reader *r, cJSON *map, const cJSON *from)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, from)
    {
        if (cJSON_GetObjectItemCaseSensitive(map, item->string))
            continue;
        int rc = count_nodes(r, size(item));
        cJSON *copy = rc == 0 ? cJSON_Duplicate(item, true) : NULL;
        if (rc < 0)
            return rc;
        if (!copy || !cJSON_AddItemToObject(map, item->string, copy)) {
            cJSON_Delete(copy);
            return berth_error_nomem(r->err);
        }
    }
    return 0;
}

/* What the map has itself comes first, then the merged ones in their order. */
static int merge(struct reader *r, const yaml_event_t *event, cJSON *map, const cJSON *from)
{
    const cJSON *item;
    if (cJSON_IsObject(from))
        return merge_map(r, map, from);
    bool are_maps = cJSON_IsArray(from);
    cJSON_ArrayForEach(item, from) are_maps &= cJSON_IsObject(item);
    if (!are_maps)
        return fail(r, event, "what is merged must be a map, or a list of maps", "");
    cJSON_ArrayForEach(item, from)
    {
        int rc = merge_map(r, map, item);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool is_merge_key(const yaml_event_t *key)
{
    return strcmp((const char *)key->data.scalar.value, MERGE_KEY) == 0 &&
           key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* ret_merged: what follows a merge key; owned by the reader. */
static int read_entry(struct reader *r, const yaml_event_t *key, cJSON *map,
                      const cJSON **ret_merged)
{
    BERTH_CLEANUP(yaml_event) yaml_event_t event = {0};
    BERTH_CLEANUP(json) cJSON *value = NULL;
    int rc = read_key(r, key, map);
    if (rc == 0 && is_merge_key(key) && *ret_merged)
        rc = fail(r, key, "it has the key twice: ", MERGE_KEY);
    if (rc == 0)
        rc = next_event(r, &event);
    if (rc == 0)
        rc = read_value(r, &event, &value);
    if (rc < 0)
        return rc;
    if (is_merge_key(key)) {
        *ret_merged = value;
        cJSON_AddItemToArray(r->merged, berth_steal(&value));
        return 0;
    }
    if (!cJSON_AddItemToObject(map, (const char *)key->data.scalar.value, value))
        return berth_error_nomem(r->err);
    (void)berth_steal(&value);
    return 0;
}

static int read_map(struct reader *r, const yaml_event_t *start, cJSON *map)
{
    const cJSON *merged = NULL;
    for (;;) {
        BERTH_CLEANUP(yaml_event) yaml_event_t event = {0};
        int rc = next_event(r, &event);
        if (rc == 0 && event.type == YAML_MAPPING_END_EVENT)
            return merged ? merge(r, start, map, merged) : 0;
        if (rc == 0)
            rc = read_entry(r, &event, map, &merged);
        if (rc < 0)
            return rc;
    }
}

static int read_collection(struct reader *r, const yaml_event_t *event, cJSON **ret_value)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (tag)
        return fail(r, event, "tags are not taken here: ", (const char *)tag);
    BERTH_CLEANUP(json) cJSON *value = is_map ? cJSON_CreateObject() : cJSON_CreateArray();
    if (!value)
        return berth_error_nomem(r->err);
    int rc = is_map ? read_map(r, event, value) : read_list(r, value);
    if (rc == 0)
        *ret_value = berth_steal(&value);
    return rc;
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor;
    default:
        return NULL;
    }
}

static int read_value(struct reader *r, const yaml_event_t *event, cJSON **ret_value)
{
    BERTH_CLEANUP(json) cJSON *value = NULL;
    r->depth++;
    int rc = check_depth(r, 0);
    if (rc == 0)
        rc = count_nodes(r, 1);
    if (rc == 0 && event->type == YAML_ALIAS_EVENT)
        rc = read_alias(r, event, &value);
    else if (rc == 0 && event->type == YAML_SCALAR_EVENT)
        rc = read_scalar(r, event, &value);
    else if (rc == 0)
        rc = read_collection(r, event, &value);
    r->depth--;
    if (rc == 0)
        rc = remember(r, anchor_of(event), value);
    if (rc == 0)
        *ret_value = berth_steal(&value);
    return rc;
}

/* ---- Documents ---- */

static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
    BERTH_CLEANUP(yaml_event) yaml_event_t event = {0};
    int rc = next_event(r, &event);
    return rc == 0 && event.type != type ? fail(r, &event, otherwise, "") : rc;
}

static int read_document(struct reader *r, cJSON **ret_value)
{
    BERTH_CLEANUP(yaml_event) yaml_event_t event = {0};
    BERTH_CLEANUP(json) cJSON *value = NULL;
    int rc = expect(r, YAML_STREAM_START_EVENT, "");
    if (rc == 0)
        rc = expect(r, YAML_DOCUMENT_START_EVENT, "it is empty");
    if (rc == 0)
        rc = next_event(r, &event);
    if (rc == 0)
        rc = read_value(r, &event, &value);
    if (rc == 0)
        rc = expect(r, YAML_DOCUMENT_END_EVENT, "");
    if (rc == 0)
        rc = expect(r, YAML_STREAM_END_EVENT, "there is more than one document");
    if (rc == 0)
        *ret_value = berth_steal(&value);
    return rc;
}

static void release(struct reader *r)
{
    while (r->anchors) {
        struct anchor *anchor = r->anchors;
        r->anchors = anchor->next;
        free(anchor->name);
        free(anchor);
    }
    cJSON_Delete(r->merged);
    yaml_parser_delete(&r->parser);
}

int berth_yaml_parse(const char *text, size_t len, cJSON **ret_json, struct berth_error *err)
{
    struct reader r = {.err = err};
    if (!berth_text_is_utf8(text, len))
        return berth_error_set(err, BERTH_E_INVALID, "it is not UTF-8");
    if (!yaml_parser_initialize(&r.parser))
        return berth_error_nomem(err);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    r.merged = cJSON_CreateArray();
    cJSON *value = NULL;
    int rc = r.merged ? read_document(&r, &value) : berth_error_nomem(err);
    release(&r);
    if (rc == 0)
        *ret_json = value;
    return rc;
}
