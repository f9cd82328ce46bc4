/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define BYTES(literal) literal, sizeof(literal) - 1

START_TEST(texts_are_parsed_or_refused)
{
    static const struct {
        const char *name;
        const char *text;
        size_t len;
        const char *message; /* NULL: good */
    } rows[] = {
        {"object", BYTES("{\"a\": [1, 2.5e3, true, null, \"x\"]}"), NULL},
        {"white space around", BYTES(" \t\r\n[1]\n "), NULL},
        {"scalar", BYTES("\"text\""), NULL},
        {"escapes", BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\udea2\""), NULL},
        {"bracket in a string", BYTES("[\"]\"]"), NULL},
        {"quote escaped before a bracket", BYTES("[\"\\\"[\"]"), NULL},
        {"empty", BYTES(""), "JSON is empty"},
        {"white space alone", BYTES("  "), "JSON is malformed at byte 1"},
        {"cut object", BYTES("{\"a\":1"), "JSON is malformed at byte 5"},
        {"cut string", BYTES("\"abc"), "JSON is malformed at byte 1"},
        {"trailing value", BYTES("{} {}"), "JSON is malformed at byte 3"},
        {"trailing NUL", BYTES("{}\0"), "JSON is malformed at byte 2"},
        {"NUL as white space", BYTES("[\0]"), "JSON is malformed at byte 1"},
        {"control as white space", BYTES("[\x01]"), "JSON is malformed at byte 1"},
        {"newline in a string", BYTES("\"a\nb\""), "JSON is malformed at byte 2"},
        {"NUL in a string", BYTES("\"a\0b\""), "JSON is malformed at byte 2"},
        {"bad digit of an escape", BYTES("\"\\u00g0\""), "JSON is malformed at byte 1"},
        {"cut escape", BYTES("\"\\u00"), "JSON is malformed at byte 1"},
        {"escape outside a string", BYTES("\"\\u0000\"\\u"), "JSON is malformed at byte 8"},
        {"quote within an escape", BYTES("\"\\u00\"0\""), "JSON is malformed at byte 1"},
        {"lone surrogate", BYTES("\"\\ud83d\""), "JSON is malformed at byte 1"},
        {"backslash at the end", BYTES("\"\\"), "JSON is malformed at byte 1"},
        {"word", BYTES("nul"), "JSON is malformed at byte 0"},
        {"closing first", BYTES("]"), "JSON is malformed at byte 0"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(json) cJSON *json = NULL;
        /* A copy of the exact size: reading past it is an error that sanitizers see. */
        BERTH_CLEANUP(free) char *text = malloc(rows[i].len ? rows[i].len : 1);
        memcpy(text, rows[i].text, rows[i].len);
        int r = berth_json_parse(text, rows[i].len, &json, &err);
        if (rows[i].message) {
            ck_assert_msg(r == BERTH_E_INVALID, "%s", rows[i].name);
            ck_assert_msg(strcmp(err.message, rows[i].message) == 0, "%s: %s", rows[i].name,
                          err.message);
            ck_assert_msg(!json, "%s", rows[i].name);
        } else {
            ck_assert_msg(r == 0 && json, "%s: %s", rows[i].name, err.message);
        }
    }
}
END_TEST

static int parse_nested(size_t depth, struct berth_error *err)
{
    BERTH_CLEANUP(free) char *text = malloc(2 * depth);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    BERTH_CLEANUP(json) cJSON *json = NULL;
    return berth_json_parse(text, 2 * depth, &json, err);
}

START_TEST(depth_is_bounded)
{
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(parse_nested(BERTH_JSON_DEPTH_MAX, &err), 0);
    ck_assert_int_eq(parse_nested(BERTH_JSON_DEPTH_MAX + 1, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "JSON is nested deeper than 100 levels at byte 100");
    ck_assert_int_eq(parse_nested(1000000, &err), BERTH_E_INVALID);

    /* Width is not depth. */
    BERTH_CLEANUP(strbuf) struct berth_strbuf wide = BERTH_STRBUF_INIT(4096);
    for (int i = 0; i < 500; i++)
        berth_strbuf_adds(&wide, i ? ",{}" : "[{}");
    berth_strbuf_addc(&wide, ']');
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(wide.data, wide.len, &json, &err), 0);
    ck_assert_int_eq(cJSON_GetArraySize(json), 500);
}
END_TEST

START_TEST(an_escaped_nul_does_not_cut)
{
    static const char text[] = "{\"a\\u0000b\": \"c\\u0000d\\\\u0000\", \"e\": \"\\u00e9\"}";
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, NULL), 0);
    ck_assert_str_eq(berth_json_string(json,
                                       "a\xEF\xBF\xBD"
                                       "b",
                                       ""),
                     "c\xEF\xBF\xBD"
                     "d\\u0000");
    ck_assert_str_eq(berth_json_string(json, "e", ""), "\xC3\xA9");
}
END_TEST

static void *no_memory(size_t size)
{
    (void)size;
    errno = ENOMEM;
    return NULL;
}

START_TEST(parsing_reports_out_of_memory)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    cJSON_Hooks failing = {.malloc_fn = no_memory, .free_fn = free};
    cJSON_InitHooks(&failing);
    int r = berth_json_parse(BYTES("[1]"), &json, NULL);
    cJSON_InitHooks(NULL);
    ck_assert_int_eq(r, BERTH_E_NOMEM);

    unit_alloc_fail_after(0);
    r = berth_json_parse(BYTES("\"\\u0000\""), &json, NULL);
    ck_assert(unit_alloc_restore());
    ck_assert_int_eq(r, BERTH_E_NOMEM);
    ck_assert_ptr_null(json);
}
END_TEST

START_TEST(getters_fall_back)
{
    static const char text[] = "{\"s\": \"x\", \"n\": 42, \"b\": true, \"z\": null, \"f\": -1.9,"
                               " \"big\": 9007199254740993, \"huge\": 1e300, \"min\": "
                               "-9223372036854775808, \"past\": 9223372036854775808}";
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, NULL), 0);

    ck_assert_str_eq(berth_json_string(json, "s", "y"), "x");
    ck_assert_str_eq(berth_json_string(json, "S", "y"), "y");
    ck_assert_str_eq(berth_json_string(json, "n", "y"), "y");
    ck_assert_str_eq(berth_json_string(json, "z", "y"), "y");
    ck_assert_ptr_null(berth_json_string(json, "none", NULL));
    ck_assert_int_eq(berth_json_int(json, "n", 7), 42);
    ck_assert_int_eq(berth_json_int(json, "s", 7), 7);
    ck_assert_int_eq(berth_json_int(json, "f", 7), -1);
    ck_assert_int_eq(berth_json_int(json, "huge", 7), 7);
    ck_assert_int_eq(berth_json_int(json, "past", 7), 7);
    ck_assert_int_eq(berth_json_int(json, "min", 7), INT64_MIN);
    ck_assert(berth_json_bool(json, "b", false));
    ck_assert(berth_json_bool(json, "n", true));
    ck_assert(!berth_json_bool(json, "none", false));

    ck_assert_ptr_null(berth_json_get(NULL, "s"));
    ck_assert_ptr_null(berth_json_get(berth_json_get(json, "n"), "s"));
    ck_assert_int_eq(berth_json_int(NULL, "s", 7), 7);
}
END_TEST

struct app {
    char *name;
    char *image;
    int64_t memory;
    bool detached;
};

static const struct berth_json_field app_fields[] = {
    {"name", BERTH_JSON_STRING, offsetof(struct app, name), true, 1, 4},
    {"image", BERTH_JSON_STRING, offsetof(struct app, image), false, 0, 8},
    {"memory", BERTH_JSON_INT, offsetof(struct app, memory), false, 1, 5},
    {"detached", BERTH_JSON_BOOL, offsetof(struct app, detached), false, 0, 0},
};

static int decode(const char *text, struct app *app, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, err), 0);
    return berth_json_decode(json, app_fields, UNIT_COUNT(app_fields), app, err);
}

START_TEST(objects_are_decoded)
{
    struct app app = {0};
    ck_assert_int_eq(decode("{\"other\": [], \"memory\": 5, \"detached\": true, \"image\": \"\","
                            "\"name\": \"jule\"}",
                            &app, NULL),
                     0);
    ck_assert_str_eq(app.name, "jule");
    ck_assert_str_eq(app.image, "");
    ck_assert_int_eq(app.memory, 5);
    ck_assert(app.detached);
    berth_json_fields_release(app_fields, UNIT_COUNT(app_fields), &app);
    ck_assert_ptr_null(app.name);
    ck_assert_ptr_null(app.image);

    ck_assert_int_eq(decode("{\"name\": \"x\", \"image\": null}", &app, NULL), 0);
    ck_assert_ptr_null(app.image);
    berth_json_fields_release(app_fields, UNIT_COUNT(app_fields), &app);
}
END_TEST

START_TEST(decoding_names_what_it_refuses)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"[]", "a JSON object is expected"},
        {"{}", "member name is missing"},
        {"{\"name\": null}", "member name is missing"},
        {"{\"Name\": \"x\"}", "member name is missing"},
        {"{\"name\": 1}", "member name must be UTF-8 text of 1 to 4 bytes"},
        {"{\"name\": \"\"}", "member name must be UTF-8 text of 1 to 4 bytes"},
        {"{\"name\": \"abcde\"}", "member name must be UTF-8 text of 1 to 4 bytes"},
        {"{\"name\": \"a\xFF\"}", "member name must be UTF-8 text of 1 to 4 bytes"},
        {"{\"name\": \"a\", \"memory\": 0}", "member memory must be a whole number from 1 to 5"},
        {"{\"name\": \"a\", \"memory\": 6}", "member memory must be a whole number from 1 to 5"},
        {"{\"name\": \"a\", \"memory\": 1.5}", "member memory must be a whole number from 1 to 5"},
        {"{\"name\": \"a\", \"memory\": 1e99}", "member memory must be a whole number from 1 to 5"},
        {"{\"name\": \"a\", \"memory\": \"2\"}",
         "member memory must be a whole number from 1 to 5"},
        {"{\"name\": \"a\", \"detached\": 1}", "member detached must be true or false"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct app app = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(decode(rows[i].text, &app, &err) == BERTH_E_INVALID, "%s", rows[i].text);
        ck_assert_str_eq(err.message, rows[i].message);
        ck_assert_msg(!app.name, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(decoding_reports_out_of_memory)
{
    for (size_t n = 0; n < 2; n++) {
        BERTH_CLEANUP(json) cJSON *json = NULL;
        ck_assert_int_eq(
            berth_json_parse(BYTES("{\"name\": \"a\", \"image\": \"b\"}"), &json, NULL), 0);
        struct app app = {0};
        unit_alloc_fail_after(n);
        int r = berth_json_decode(json, app_fields, UNIT_COUNT(app_fields), &app, NULL);
        ck_assert(unit_alloc_restore());
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert_ptr_null(app.name);
    }
}
END_TEST

START_TEST(the_writer_places_commas)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(1000);
    struct berth_json_writer w = BERTH_JSON_WRITER(&out);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "s", "a\"b");
    berth_json_add_string(&w, "none", NULL);
    berth_json_add_stringn(&w, "n", "a\0b", 3);
    berth_json_add_stringn(&w, "e", NULL, 0);
    berth_json_open_array(&w, "list");
    berth_json_add_int(&w, NULL, INT64_MIN);
    berth_json_open_object(&w, NULL);
    berth_json_close_object(&w);
    berth_json_open_array(&w, NULL);
    berth_json_close_array(&w);
    berth_json_add_bool(&w, NULL, true);
    berth_json_close_array(&w);
    berth_json_add_bool(&w, "b", false);
    berth_json_add_null(&w, "z\n");
    berth_json_add_raw(&w, "raw", BYTES("{\"n\":18446744073709551615}"));
    berth_json_close_object(&w);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&out),
                     "{\"s\":\"a\\\"b\",\"none\":null,\"n\":\"a\\u0000b\",\"e\":\"\","
                     "\"list\":[-9223372036854775808,{},[],true],\"b\":false,\"z\\n\":null,"
                     "\"raw\":{\"n\":18446744073709551615}}");
}
END_TEST

START_TEST(strings_are_escaped)
{
    static const struct {
        const char *name;
        const char *text;
        size_t len;
        const char *expected;
    } rows[] = {
        {"empty", BYTES(""), "\"\""},
        {"plain", BYTES("jupyter-lab--ana, 12345678"), "\"jupyter-lab--ana, 12345678\""},
        {"quote and backslash", BYTES("\"\\"), "\"\\\"\\\\\""},
        {"letters", BYTES("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\""},
        {"other controls", BYTES("\x01\x0B\x1F"), "\"\\u0001\\u000b\\u001f\""},
        {"NUL", BYTES("a\0b"), "\"a\\u0000b\""},
        {"DEL", BYTES("\x7F"), "\"\x7F\""},
        {"space", BYTES(" "), "\" \""},
        {"UTF-8", BYTES("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\xA2"),
         "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\xA2\""},
        {"bad byte",
         BYTES("a\xFF"
               "b"),
         "\"a\xEF\xBF\xBD"
         "b\""},
        {"each bad byte", BYTES("\xE2\x82"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"surrogate", BYTES("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(100);
        berth_json_escape(&out, rows[i].text, rows[i].len);
        ck_assert_msg(strcmp(berth_strbuf_str(&out), rows[i].expected) == 0, "%s: %s", rows[i].name,
                      berth_strbuf_str(&out));
    }
}
END_TEST

/* Escaping and parsing give each byte back, wherever it stands within a run of plain ones. */
START_TEST(each_byte_survives_at_each_place)
{
    for (int c = 1; c < 0x80; c++) {
        for (size_t place = 0; place < 20; place++) {
            char text[21];
            memset(text, 'x', 20);
            text[20] = '\0';
            text[place] = (char)c;
            BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(100);
            berth_json_escape(&out, text, 20);
            BERTH_CLEANUP(json) cJSON *json = NULL;
            ck_assert_int_eq(berth_json_parse(out.data, out.len, &json, NULL), 0);
            ck_assert_str_eq(cJSON_GetStringValue(json), text);
        }
    }
}
END_TEST

START_TEST(a_full_buffer_is_reported)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(4);
    berth_json_escape(&out, "ab", 2);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), 0);
    berth_strbuf_clear(&out);
    berth_json_escape(&out, "abc", 3);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), BERTH_E_TOO_LARGE);
    berth_strbuf_clear(&out);
    berth_json_escape(&out, "\xFF\xFF", 2);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), BERTH_E_TOO_LARGE);
    ck_assert_uint_eq(strlen(out.data), out.len);
}
END_TEST

UNIT_SUITE("json", texts_are_parsed_or_refused, depth_is_bounded, an_escaped_nul_does_not_cut,
           parsing_reports_out_of_memory, getters_fall_back, objects_are_decoded,
           decoding_names_what_it_refuses, decoding_reports_out_of_memory, the_writer_places_commas,
           strings_are_escaped, each_byte_survives_at_each_place, a_full_buffer_is_reported)
