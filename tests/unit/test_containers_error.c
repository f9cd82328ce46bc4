/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "gateway/containers_error.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static bool is_upper_snake(const char *word)
{
    return word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0';
}

static bool is_of_the_eight(const char *word)
{
    static const char *const words[] = {"auth_error", "validation_error", "not_found",
                                        "conflict",   "compose_error",    "io_error",
                                        "timeout",    "state_error"};
    for (size_t i = 0; i < UNIT_COUNT(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

START_TEST(each_code_stands_once)
{
    for (const struct berth_containers_code *row = berth_containers_codes; row->code; row++) {
        ck_assert_msg(is_upper_snake(row->code), "%s", row->code);
        ck_assert_msg(is_of_the_eight(row->error), "%s", row->error);
        for (const struct berth_containers_code *other = row + 1; other->code; other++)
            ck_assert_str_ne(row->code, other->code);
    }
}
END_TEST

START_TEST(the_page_has_each_code)
{
    BERTH_CLEANUP(free) char *page = calloc(1, 1 << 20);
    BERTH_CLEANUP(file) FILE *file = fopen(UNIT_ROOT "/docs/containers-api.md", "re");
    ck_assert_ptr_nonnull(page);
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(page, 1, (1 << 20) - 1, file), 0);
    for (const struct berth_containers_code *code = berth_containers_codes; code->code; code++) {
        char row[128];
        (void)snprintf(row, sizeof(row), "\n| `%s` | `%s` | %d |", code->code, code->error,
                       code->http_status);
        ck_assert_msg(strstr(page, row), "docs/containers-api.md lacks the row%s", row);
    }
}
END_TEST

/* The status alone; a code that is not in the table counts for nothing. */
START_TEST(each_status_has_a_row)
{
    static const struct {
        enum berth_status status;
        const char *error;
        int http_status;
    } rows[] = {
        {BERTH_E_NOMEM, "io_error", 500},
        {BERTH_E_INTERNAL, "io_error", 500},
        {BERTH_E_IO, "io_error", 500},
        {BERTH_E_INVALID, "validation_error", 400},
        {BERTH_E_TOO_LARGE, "validation_error", 413},
        {BERTH_E_UNAUTHORISED, "auth_error", 401},
        {BERTH_E_FORBIDDEN, "auth_error", 403},
        {BERTH_E_NOT_FOUND, "not_found", 404},
        {BERTH_E_EXISTS, "conflict", 409},
        {BERTH_E_CONFLICT, "state_error", 422},
        {BERTH_E_UNSUPPORTED, "validation_error", 400},
        {BERTH_E_THROTTLED, "auth_error", 429},
        {BERTH_E_BUSY, "compose_error", 503},
        {BERTH_E_REFUSED, "compose_error", 500},
        {BERTH_E_UNREACHABLE, "compose_error", 503},
        {BERTH_E_TIMEOUT, "timeout", 408},
        {BERTH_E_NO_SPACE, "io_error", 500},
        {BERTH_E_QUOTA, "auth_error", 403},
        {BERTH_E_CANCELLED, "compose_error", 503},
        {BERTH_E_PORT_IN_USE, "conflict", 409},
    };
    ck_assert_uint_eq(UNIT_COUNT(rows), (size_t)-BERTH_E_PORT_IN_USE);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        (void)!berth_error_set_coded(&err, rows[i].status, "NEVER_HEARD_OF", "x");
        const struct berth_containers_code *row = berth_containers_code(&err);
        ck_assert_msg(strcmp(row->error, rows[i].error) == 0, "%s: %s",
                      berth_status_name(rows[i].status), row->error);
        ck_assert_int_eq(row->http_status, rows[i].http_status);
    }
}
END_TEST

START_TEST(a_code_decides)
{
    struct berth_error err = BERTH_ERROR_INIT;
    (void)!berth_error_set_coded(&err, BERTH_E_CONFLICT, "REQUEST_IN_PROGRESS", "x");
    const struct berth_containers_code *row = berth_containers_code(&err);
    ck_assert_str_eq(row->code, "REQUEST_IN_PROGRESS");
    ck_assert_str_eq(row->error, "conflict");
    ck_assert_int_eq(row->http_status, 409);
}
END_TEST

/* ---- The object ---- */

static cJSON *object_of(struct berth_exchange *exchange, const struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(8192);
    struct berth_json_writer w = BERTH_JSON_WRITER(&text);
    cJSON *object = NULL;
    berth_containers_error_add(&w, NULL, exchange, err);
    ck_assert_int_eq(berth_json_parse(text.data, text.len, &object, NULL), 0);
    return object;
}

START_TEST(the_object_has_all_members)
{
    static struct berth_config config;
    static struct berth_exchange exchange = {.config = &config, .method_name = "POST"};
    struct berth_error err = BERTH_ERROR_INIT;
    berth_strbuf_init(&exchange.error_details, 1024);
    (void)snprintf(exchange.caller.request_id, sizeof(exchange.caller.request_id), "r-1");
    (void)!berth_error_set_coded(&err, BERTH_E_INVALID, "MISSING_IMAGE", "Image is required");
    berth_error_detail(&err, "for the log");
    berth_containers_error_details(&exchange.error_details, "image", NULL);

    BERTH_CLEANUP(json) cJSON *object = object_of(&exchange, &err);
    BERTH_CLEANUP(free) char *details = cJSON_PrintUnformatted(berth_json_get(object, "details"));
    ck_assert_str_eq(berth_json_string(object, "error", ""), "validation_error");
    ck_assert_str_eq(berth_json_string(object, "code", ""), "MISSING_IMAGE");
    ck_assert_str_eq(berth_json_string(object, "message", ""), "Image is required");
    ck_assert_int_eq(berth_json_int(object, "status", 0), 400);
    ck_assert_str_eq(berth_json_string(object, "request_id", ""), "r-1");
    ck_assert_str_eq(details, "{\"field\":\"image\",\"provided\":null}");
    const char *timestamp = berth_json_string(object, "timestamp", "");
    int64_t told_ns = 0;
    ck_assert_int_eq(berth_clock_parse_rfc3339(timestamp, strlen(timestamp), &told_ns, NULL), 0);
    ck_assert(!cJSON_HasObjectItem(object, "stacktrace"));
    berth_strbuf_release(&exchange.error_details);
}
END_TEST

START_TEST(details_are_an_object_always)
{
    static struct berth_config config;
    static struct berth_exchange exchange = {.config = &config};
    struct berth_error err = BERTH_ERROR_INIT;
    (void)!berth_error_set(&err, BERTH_E_IO, "x");
    BERTH_CLEANUP(json) cJSON *object = object_of(&exchange, &err);
    ck_assert(cJSON_IsObject(berth_json_get(object, "details")));
}
END_TEST

START_TEST(development_shows_the_chain)
{
    static struct berth_config config = {.development = true};
    static struct berth_exchange exchange = {.config = &config, .method_name = "POST"};
    struct berth_error err = BERTH_ERROR_INIT;
    (void)!berth_error_set_errno(&err, BERTH_E_IO, EIO, "compose.yaml cannot be written");
    (void)!berth_error_wrap(&err, "container c1");
    BERTH_CLEANUP(json) cJSON *object = object_of(&exchange, &err);
    ck_assert_str_eq(berth_json_string(object, "stacktrace", ""),
                     "POST \nio: container c1: compose.yaml cannot be written\n"
                     "Input/output error");
}
END_TEST

UNIT_SUITE("containers_error", each_code_stands_once, the_page_has_each_code, each_status_has_a_row,
           a_code_decides, the_object_has_all_members, details_are_an_object_always,
           development_shows_the_chain)
