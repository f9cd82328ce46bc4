/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_request.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <string.h>

static int decode(const char *text, struct berth_minirun_body *ret_body, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(1 << 20);
    berth_strbuf_adds(&buf, text);
    return berth_minirun_body_decode(&buf, ret_body, err);
}

static void assert_text(const char *row, const char *text, const char *expected)
{
    ck_assert_msg((text == NULL) == (expected == NULL), "%s: %s", row, text ? text : "none");
    if (text)
        ck_assert_str_eq(text, expected);
}

START_TEST(what_is_asked_for)
{
    static const struct {
        const char *name;
        const char *text;
        const char *rootfs;
        const char *command;
    } rows[] = {
        {"all", "{\"name\":\"webapp\",\"rootfs\":\"/srv/a b\",\"command\":\"sh -c 'a b'\"}",
         "/srv/a b", "sh -c 'a b'"},
        {"the name alone", "{\"name\": \"webapp\"}", NULL, NULL},
        {"null is the default", "{\"name\":\"webapp\",\"rootfs\":null,\"command\":null}", NULL,
         NULL},
        {"so is nothing", "{\"name\":\"webapp\",\"rootfs\":\"\",\"command\":\"\"}", NULL, NULL},
        {"others are ignored", "{\"status\":\"x\",\"name\":\"webapp\",\"env\":[{}]}\n", NULL, NULL},
        {"lines in a command", "{\"name\":\"webapp\",\"command\":\"sh -c 'a\\nb'\"}", NULL,
         "sh -c 'a\nb'"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(minirun_body) struct berth_minirun_body body = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(decode(rows[i].text, &body, &err) == 0, "%s: %s", rows[i].name, err.message);
        ck_assert_str_eq(body.name, "webapp");
        assert_text(rows[i].name, body.rootfs, rows[i].rootfs);
        assert_text(rows[i].name, body.command, rows[i].command);
    }
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"", "Invalid request body: JSON is empty"},
        {"{\"name\":", "Invalid request body: "},
        {"{\"name\":\"a\"} x", "Invalid request body: "},
        {"[]", "Invalid request body: a JSON object is expected"},
        {"\"webapp\"", "Invalid request body: a JSON object is expected"},
        {"{\"name\":7}", "Invalid request body: member name must be "},
        {"{\"name\":\"a\",\"rootfs\":{}}", "Invalid request body: member rootfs must be "},
        {"{\"name\":\"a\",\"command\":[\"sh\"]}", "Invalid request body: member command must be "},
        {"{\"name\":\"a\",\"rootfs\":\"/a\\nb\"}",
         "Invalid request body: member rootfs must have no control characters"},
        {"{\"name\":\"a\",\"command\":\"\xff\"}", "Invalid request body: member command must be "},
        {"{}", "Container name is required"},
        {"{\"name\":\"\"}", "Container name is required"},
        {"{\"name\":null}", "Container name is required"},
        {"{\"Name\":\"a\"}", "Container name is required"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_minirun_body body = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(decode(rows[i].text, &body, &err) == BERTH_E_INVALID, "%s", rows[i].text);
        ck_assert_msg(strncmp(err.message, rows[i].message, strlen(rows[i].message)) == 0, "%s: %s",
                      rows[i].text, err.message);
        ck_assert_ptr_null(body.name);
    }
}
END_TEST

static int decode_long(const char *member, size_t len)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 20);
    struct berth_minirun_body body = {0};
    berth_strbuf_addf(&text, "{\"name\":\"a\",\"%s\":\"", member);
    for (size_t i = 0; i < len; i++)
        berth_strbuf_addc(&text, 'x');
    berth_strbuf_adds(&text, "\"}");
    int r = berth_minirun_body_decode(&text, &body, NULL);
    berth_minirun_body_release(&body);
    return r;
}

START_TEST(lengths_are_bounded)
{
    ck_assert_int_eq(decode_long("rootfs", BERTH_MINIRUN_ROOTFS_MAX), 0);
    ck_assert_int_eq(decode_long("rootfs", BERTH_MINIRUN_ROOTFS_MAX + 1), BERTH_E_INVALID);
    ck_assert_int_eq(decode_long("command", BERTH_MINIRUN_COMMAND_MAX), 0);
    ck_assert_int_eq(decode_long("command", BERTH_MINIRUN_COMMAND_MAX + 1), BERTH_E_INVALID);
}
END_TEST

START_TEST(out_of_memory_is_reported)
{
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(minirun_body) struct berth_minirun_body body = {0};
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1024);
        berth_strbuf_adds(&text, "{\"name\":\"a\",\"rootfs\":\"/b\",\"command\":\"c\"}");
        unit_alloc_fail_once_after(n);
        int r = berth_minirun_body_decode(&text, &body, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(r, failed ? BERTH_E_NOMEM : 0);
        ck_assert_int_eq(body.name != NULL, r == 0);
        if (!failed)
            return;
    }
}
END_TEST

UNIT_SUITE("minirun_request", what_is_asked_for, what_is_refused, lengths_are_bounded,
           out_of_memory_is_reported)
