/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_json.h"

#include "tests/unit/unit.h"

#include <string.h>

#define CREATED_NS INT64_C(1705314600123456789) /* 2024-01-15T10:30:00.123Z */

static void assert_json(const struct berth_app *fields, const char *expected)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    struct berth_json_writer w = BERTH_JSON_WRITER(&text);
    ck_assert_int_eq(berth_app_new(fields, &app, NULL), 0);
    berth_minirun_json_add(&w, NULL, app);
    ck_assert_str_eq(berth_strbuf_str(&text), expected);
}

#define HEAD                                                                                       \
    "{\"name\":\"webapp\",\"rootfs\":\"/srv/myroot\",\"command\":\"/bin/bash\",\"status\":\""
#define MADE "\",\"created_at\":\"2024-01-15T10:30:00Z\""

START_TEST(a_container_in_each_state)
{
    static const struct {
        enum berth_app_state state;
        const char *text;
    } rows[] = {
        {BERTH_APP_UNKNOWN, HEAD "unknown" MADE "}"},
        {BERTH_APP_CREATED, HEAD "created" MADE "}"},
        {BERTH_APP_RUNNING, HEAD "running" MADE "}"},
        {BERTH_APP_PAUSED, HEAD "running" MADE "}"},
        {BERTH_APP_RESTARTING, HEAD "running" MADE "}"},
        {BERTH_APP_EXITED, HEAD "stopped" MADE ",\"exit_code\":7}"},
        {BERTH_APP_DEAD, HEAD "stopped" MADE ",\"exit_code\":7}"},
        {BERTH_APP_REMOVING, HEAD "stopped" MADE "}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct berth_app fields = {.id = "1",
                                         .name = "webapp",
                                         .image = "/srv/myroot",
                                         .command = "/bin/bash",
                                         .state = rows[i].state,
                                         .exit_code = 7,
                                         .created_ns = CREATED_NS};
        assert_json(&fields, rows[i].text);
    }
}
END_TEST

START_TEST(times_are_told_once_there_are_any)
{
    struct berth_app fields = {.id = "1",
                               .name = "webapp",
                               .image = "/srv/myroot",
                               .command = "/bin/bash",
                               .state = BERTH_APP_EXITED,
                               .created_ns = CREATED_NS,
                               .started_ns = CREATED_NS + 60000000000,
                               .finished_ns = CREATED_NS + 120000000000};
    assert_json(&fields, HEAD "stopped" MADE ",\"started_at\":\"2024-01-15T10:31:00Z\","
                              "\"finished_at\":\"2024-01-15T10:32:00Z\",\"exit_code\":0}");
    fields.state = BERTH_APP_RUNNING; /* again: the end was of the time before */
    assert_json(&fields, HEAD "running" MADE ",\"started_at\":\"2024-01-15T10:31:00Z\"}");
}
END_TEST

START_TEST(the_envelope)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    struct berth_json_writer w = BERTH_JSON_WRITER(&text);
    berth_minirun_json_open(&w, "Found 0 container(s)");
    berth_json_open_array(&w, "data");
    berth_json_close_array(&w);
    berth_minirun_json_close(&w);
    ck_assert_str_eq(berth_strbuf_str(&text),
                     "{\"success\":true,\"message\":\"Found 0 container(s)\",\"data\":[]}");
}
END_TEST

START_TEST(uptime_as_people_read_it)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {0, "0s"},        {59, "59s"},        {60, "1m0s"},         {1805, "30m5s"},
        {3600, "1h0m0s"}, {5445, "1h30m45s"}, {360000, "100h0m0s"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
        berth_minirun_add_uptime(&text, rows[i].seconds);
        ck_assert_str_eq(berth_strbuf_str(&text), rows[i].text);
    }
}
END_TEST

START_TEST(words_of_a_command_line)
{
    static const char *const rows[][2] = {
        {"/usr/bin/berth", "/usr/bin/berth"},
        {"/srv/a b/c", "'/srv/a b/c'"},
        {"", "''"},
        {"it's", "'it'\\''s'"},
        {"$HOME", "'$HOME'"},
        {"a;b", "'a;b'"},
        {"\xc3\xa4", "'\xc3\xa4'"},
        {"~/x", "'~/x'"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
        berth_minirun_add_word(&text, rows[i][0]);
        ck_assert_str_eq(berth_strbuf_str(&text), rows[i][1]);
    }
}
END_TEST

UNIT_SUITE("minirun_json", a_container_in_each_state, times_are_told_once_there_are_any,
           the_envelope, uptime_as_people_read_it, words_of_a_command_line)
