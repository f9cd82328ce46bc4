/* SPDX-License-Identifier: MIT */
#include "base/yaml_write.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Takes the event over; made: whether it could be made. */
static void emit(struct berth_yaml_writer *w, yaml_event_t *event, int made)
{
    if (!made)
        w->failed = true;
    else if (w->failed)
        yaml_event_delete(event);
    else if (!yaml_emitter_emit(&w->emitter, event))
        w->failed = true;
}

static int take(void *ctx, unsigned char *data, size_t len)
{
    struct berth_strbuf *out = ctx;
    berth_strbuf_add(out, data, len);
    return !out->failed;
}

static void add_scalar(struct berth_yaml_writer *w, const char *value, bool plain)
{
    yaml_event_t event;
    size_t len = strlen(value);
    if (!berth_text_is_utf8(value, len))
        w->failed = w->is_text_bad = true;
    if (w->failed)
        return;
    /* What is not to be plain, the emitter quotes as it must. */
    emit(w, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)(uintptr_t)value,
                                      (int)len, plain, !plain, YAML_PLAIN_SCALAR_STYLE));
}

/* Whether nobody takes it for anything but a text. */
static bool is_word(const char *name)
{
    static const char *const others[] = {"y",   "n",    "yes",   "no",   "on",
                                         "off", "true", "false", "null", NULL};
    size_t i = 0;
    while (others[i] && strcasecmp(name, others[i]) != 0)
        i++;
    for (const char *c = name; *c; c++)
        if (!berth_is_alnum(*c) && !strchr("_-.", *c))
            return false;
    return !others[i] && (berth_is_alnum(name[0]) || name[0] == '_') && !berth_is_digit(name[0]);
}

static void add_name(struct berth_yaml_writer *w, const char *name)
{
    if (name)
        add_scalar(w, name, is_word(name));
}

static void open_map(struct berth_yaml_writer *w)
{
    yaml_event_t event;
    emit(w, &event,
         yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

void berth_yaml_open(struct berth_yaml_writer *w, struct berth_strbuf *out)
{
    yaml_event_t event;
    *w = (struct berth_yaml_writer){.out = out};
    if (!yaml_emitter_initialize(&w->emitter)) {
        w->failed = true;
        return;
    }
    yaml_emitter_set_output(&w->emitter, take, out);
    yaml_emitter_set_unicode(&w->emitter, 1);
    yaml_emitter_set_width(&w->emitter, -1);
    emit(w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    open_map(w);
}

void berth_yaml_open_map(struct berth_yaml_writer *w, const char *name)
{
    add_name(w, name);
    open_map(w);
}

void berth_yaml_close_map(struct berth_yaml_writer *w)
{
    yaml_event_t event;
    emit(w, &event, yaml_mapping_end_event_initialize(&event));
}

void berth_yaml_open_list(struct berth_yaml_writer *w, const char *name)
{
    yaml_event_t event;
    add_name(w, name);
    emit(w, &event,
         yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
}

void berth_yaml_close_list(struct berth_yaml_writer *w)
{
    yaml_event_t event;
    emit(w, &event, yaml_sequence_end_event_initialize(&event));
}

void berth_yaml_add_string(struct berth_yaml_writer *w, const char *name, const char *value)
{
    add_name(w, name);
    add_scalar(w, value, false);
}

void berth_yaml_add_plain(struct berth_yaml_writer *w, const char *name, const char *value)
{
    add_name(w, name);
    add_scalar(w, value, true);
}

void berth_yaml_add_int(struct berth_yaml_writer *w, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    berth_yaml_add_plain(w, name, text);
}

static void add_number(struct berth_yaml_writer *w, const char *name, const cJSON *value)
{
    BERTH_CLEANUP(free) char *text = value->valuestring ? NULL : cJSON_PrintUnformatted(value);
    if (!value->valuestring && !text)
        w->failed = true;
    else
        berth_yaml_add_plain(w, name, text ? text : value->valuestring);
}

static void add_collection(struct berth_yaml_writer *w, const char *name, const cJSON *value)
{
    const cJSON *item;
    bool is_map = cJSON_IsObject(value);
    if (is_map)
        berth_yaml_open_map(w, name);
    else
        berth_yaml_open_list(w, name);
    cJSON_ArrayForEach(item, value) berth_yaml_add_json(w, is_map ? item->string : NULL, item);
    if (is_map)
        berth_yaml_close_map(w);
    else
        berth_yaml_close_list(w);
}

void berth_yaml_add_json(struct berth_yaml_writer *w, const char *name, const cJSON *value)
{
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        add_collection(w, name, value);
    else if (cJSON_IsString(value))
        berth_yaml_add_string(w, name, value->valuestring);
    else if (cJSON_IsNumber(value))
        add_number(w, name, value);
    else if (cJSON_IsBool(value))
        berth_yaml_add_plain(w, name, cJSON_IsTrue(value) ? "true" : "false");
    else
        berth_yaml_add_plain(w, name, "null");
}

int berth_yaml_close(struct berth_yaml_writer *w, struct berth_error *err)
{
    yaml_event_t event;
    berth_yaml_close_map(w);
    emit(w, &event, yaml_document_end_event_initialize(&event, 1));
    emit(w, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&w->emitter);
    int rc = berth_strbuf_check(w->out, err);
    if (rc < 0 || !w->failed)
        return rc;
    return w->is_text_bad ? berth_error_set(err, BERTH_E_INVALID, "a text is not UTF-8")
                          : berth_error_nomem(err);
}
