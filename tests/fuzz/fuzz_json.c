/* SPDX-License-Identifier: MIT */
/* JSON: what is read and written is read as the same; decoding into a struct keeps its bounds. */
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define OUT_MAX ((size_t)1 << 24)

static void write_value(struct berth_json_writer *w, const char *name, const cJSON *value)
{
    const cJSON *item;
    if (cJSON_IsObject(value)) {
        berth_json_open_object(w, name);
        cJSON_ArrayForEach(item, value) write_value(w, item->string, item);
        berth_json_close_object(w);
    } else if (cJSON_IsArray(value)) {
        berth_json_open_array(w, name);
        cJSON_ArrayForEach(item, value) write_value(w, NULL, item);
        berth_json_close_array(w);
    } else if (cJSON_IsString(value)) {
        berth_json_add_string(w, name, value->valuestring);
    } else if (cJSON_IsBool(value)) {
        berth_json_add_bool(w, name, cJSON_IsTrue(value));
    } else if (cJSON_IsNull(value)) {
        berth_json_add_null(w, name);
    } else {
        char *number = cJSON_PrintUnformatted(value);
        FUZZ_CHECK(number);
        berth_json_add_raw(w, name, number, strlen(number));
        cJSON_free(number);
    }
}

static void write_json(const cJSON *json, struct berth_strbuf *out)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    write_value(&w, NULL, json);
    FUZZ_CHECK(!out->failed);
    FUZZ_CHECK(berth_text_is_utf8(berth_strbuf_str(out), out->len));
}

static void check_round_trip(const cJSON *json)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf first = BERTH_STRBUF_INIT(OUT_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf second = BERTH_STRBUF_INIT(OUT_MAX);
    BERTH_CLEANUP(json) cJSON *again = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    write_json(json, &first);
    FUZZ_CHECK_MSG(berth_json_parse(berth_strbuf_str(&first), first.len, &again, &err) == 0,
                   berth_strbuf_str(&first));
    write_json(again, &second);
    FUZZ_CHECK_MSG(strcmp(berth_strbuf_str(&first), berth_strbuf_str(&second)) == 0,
                   berth_strbuf_str(&first));
}

struct target {
    char *name;
    int64_t count;
    bool flag;
};

static const struct berth_json_field fields[] = {
    {"name", BERTH_JSON_STRING, offsetof(struct target, name), true, 1, 20},
    {"count", BERTH_JSON_INT, offsetof(struct target, count), false, -5, INT64_C(1) << 40},
    {"flag", BERTH_JSON_BOOL, offsetof(struct target, flag), false, 0, 0},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static void check_decoding(const cJSON *json)
{
    struct target target = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_json_decode(json, fields, FIELD_COUNT, &target, &err);
    fuzz_check_error(r, &err);
    if (r < 0) {
        FUZZ_CHECK(r == BERTH_E_INVALID && !target.name);
        FUZZ_CHECK_MSG(!cJSON_IsObject(json) || strstr(err.message, "member "), err.message);
        return;
    }
    size_t len = strlen(target.name);
    FUZZ_CHECK(len >= 1 && len <= 20 && berth_text_is_utf8(target.name, len));
    FUZZ_CHECK(target.count >= -5 && target.count <= INT64_C(1) << 40);
    berth_json_fields_release(fields, FIELD_COUNT, &target);
    FUZZ_CHECK(!target.name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    struct fuzz_input input = {data, size};
    BERTH_CLEANUP(free) char *text = fuzz_rest(&input);
    int r = berth_json_parse(text, size, &json, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r == 0 || (r == BERTH_E_INVALID && !json));
    if (r < 0)
        return 0;
    check_round_trip(json);
    check_decoding(json);
    (void)berth_json_int(json, "count", 0);
    (void)berth_json_string(json, "name", "");
    return 0;
}
