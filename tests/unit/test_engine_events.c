/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_events.h"
#include "backends/engine/engine_lines.h"
#include "tests/unit/unit.h"

/* ---- Lines ---- */

struct taken {
    struct berth_strbuf text; /* the lines, each with '|' behind it */
    unsigned most;            /* lines to take; 0: all */
    unsigned count;
};

static bool take(void *ctx, const char *line, size_t len)
{
    struct taken *taken = ctx;
    ck_assert_uint_eq(strlen(line), len);
    berth_strbuf_adds(&taken->text, line);
    berth_strbuf_addc(&taken->text, '|');
    taken->count++;
    return taken->most == 0 || taken->count < taken->most;
}

START_TEST(lines_do_not_depend_on_how_they_are_cut)
{
    static const char text[] = "{\"a\":1}\r\n\n   \n{\"b\":22}\nrest";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct berth_engine_lines lines;
        berth_engine_lines_init(&lines, 100);
        struct taken taken = {.text = BERTH_STRBUF_INIT(1000)};
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            size_t len = sizeof(text) - 1 - at < piece ? sizeof(text) - 1 - at : piece;
            ck_assert_int_eq(berth_engine_lines_add(&lines, text + at, len, take, &taken, NULL), 0);
        }
        ck_assert_str_eq(berth_strbuf_str(&taken.text), "{\"a\":1}\r|{\"b\":22}|");
        ck_assert_str_eq(berth_strbuf_str(&lines.rest), "rest");
        berth_engine_lines_release(&lines);
        berth_strbuf_release(&taken.text);
    }
}
END_TEST

START_TEST(lines_have_a_limit)
{
    static const struct {
        const char *name;
        const char *text;
        int status;
    } rows[] = {
        {"at the limit", "12345678\n", 0},
        {"one past it", "123456789\n", BERTH_E_UNREACHABLE},
        {"one past it without end", "123456789", BERTH_E_UNREACHABLE},
        {"several short ones", "1234\n1234\n1234\n", 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_engine_lines lines;
        berth_engine_lines_init(&lines, 8);
        struct taken taken = {.text = BERTH_STRBUF_INIT(1000)};
        int status =
            berth_engine_lines_add(&lines, rows[i].text, strlen(rows[i].text), take, &taken, NULL);
        ck_assert_msg(status == rows[i].status, "%s: %d", rows[i].name, status);
        berth_engine_lines_release(&lines);
        berth_strbuf_release(&taken.text);
    }
}
END_TEST

START_TEST(who_takes_a_line_may_stop)
{
    struct berth_engine_lines lines;
    berth_engine_lines_init(&lines, 100);
    struct taken taken = {.text = BERTH_STRBUF_INIT(1000), .most = 2};
    ck_assert_int_eq(berth_engine_lines_add(&lines, "a\nb\nc\nd", 7, take, &taken, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&taken.text), "a|b|");
    berth_engine_lines_release(&lines);
    berth_strbuf_release(&taken.text);
}
END_TEST

/* ---- Events ---- */

#define EVENT(type, action, actor)                                                                 \
    "{\"Type\":\"" type "\",\"Action\":\"" action "\",\"Actor\":" actor "}"
#define ACTOR "{\"ID\":\"c1\",\"Attributes\":{\"name\":\"x\",\"container\":\"c2\"}}"

START_TEST(events_say_what_happened)
{
    static const struct {
        const char *line;
        enum berth_engine_event_kind kind;
        enum berth_app_state state;
        const char *id;
    } rows[] = {
        {EVENT("container", "create", ACTOR), BERTH_EVENT_STATE, BERTH_APP_CREATED, "c1"},
        {EVENT("container", "start", ACTOR), BERTH_EVENT_STATE, BERTH_APP_RUNNING, "c1"},
        {EVENT("container", "die", ACTOR), BERTH_EVENT_STATE, BERTH_APP_EXITED, "c1"},
        {EVENT("container", "pause", ACTOR), BERTH_EVENT_STATE, BERTH_APP_PAUSED, "c1"},
        {EVENT("container", "unpause", ACTOR), BERTH_EVENT_STATE, BERTH_APP_RUNNING, "c1"},
        {EVENT("container", "destroy", ACTOR), BERTH_EVENT_DESTROY, BERTH_APP_UNKNOWN, "c1"},
        {EVENT("container", "rename", ACTOR), BERTH_EVENT_ROW, BERTH_APP_UNKNOWN, "c1"},
        {EVENT("container", "update", ACTOR), BERTH_EVENT_ROW, BERTH_APP_UNKNOWN, "c1"},
        {EVENT("container", "oom", ACTOR), BERTH_EVENT_ROW, BERTH_APP_UNKNOWN, "c1"},
        {EVENT("container", "health_status: healthy", ACTOR), BERTH_EVENT_ROW, BERTH_APP_UNKNOWN,
         "c1"},
        {EVENT("container", "exec_die", ACTOR), BERTH_EVENT_EXEC, BERTH_APP_UNKNOWN, "c1"},
        {EVENT("container", "exec_start: sh -c die", ACTOR), BERTH_EVENT_NONE, BERTH_APP_UNKNOWN,
         ""},
        {EVENT("container", "died", ACTOR), BERTH_EVENT_STATE, BERTH_APP_EXITED, "c1"},
        {EVENT("container", "remove", ACTOR), BERTH_EVENT_DESTROY, BERTH_APP_UNKNOWN, "c1"},
        {EVENT("container", "started", ACTOR), BERTH_EVENT_NONE, BERTH_APP_UNKNOWN, ""},
        {EVENT("container", "kill", ACTOR), BERTH_EVENT_NONE, BERTH_APP_UNKNOWN, ""},
        {EVENT("network", "connect", ACTOR), BERTH_EVENT_NETWORK, BERTH_APP_UNKNOWN, "c2"},
        {EVENT("network", "disconnect", ACTOR), BERTH_EVENT_NETWORK, BERTH_APP_UNKNOWN, "c2"},
        {EVENT("network", "create", ACTOR), BERTH_EVENT_NONE, BERTH_APP_UNKNOWN, ""},
        {EVENT("network", "connect", "null"), BERTH_EVENT_NETWORK, BERTH_APP_UNKNOWN, ""},
        {EVENT("image", "tag", ACTOR), BERTH_EVENT_IMAGE, BERTH_APP_UNKNOWN, ""},
        {EVENT("volume", "create", ACTOR), BERTH_EVENT_NONE, BERTH_APP_UNKNOWN, ""},
        {EVENT("container", "start", "{}"), BERTH_EVENT_STATE, BERTH_APP_RUNNING, ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(engine_event) struct berth_engine_event event = {0};
        ck_assert_int_eq(berth_engine_event_parse(rows[i].line, strlen(rows[i].line), &event, NULL),
                         0);
        ck_assert_msg(event.kind == rows[i].kind, "%s: kind %d", rows[i].line, event.kind);
        ck_assert_msg(event.state == rows[i].state, "%s: state %d", rows[i].line, event.state);
        ck_assert_str_eq(event.id, rows[i].id);
    }
}
END_TEST

START_TEST(times_of_events_are_exact)
{
    static const struct {
        const char *name;
        const char *tail;
        int64_t at_ns;
    } rows[] = {
        {"nanoseconds", "\"time\":1700000000,\"timeNano\":1700000000123456789",
         1700000000123456789},
        {"seconds alone", "\"time\":1700000000", 1700000000000000000},
        {"more seconds than there are", "\"time\":9300000000", 0},
        {"none", "\"x\":0", 0},
        {"an attribute of that name",
         "\"timeNano\":1700000000123456789,\"y\":{\"timeNano\":\"1500000000000000000\"}",
         1700000000123456789},
        {"text that looks like it", "\"z\":\"\\\"timeNano\\\":5\",\"timeNano\":1700000000123456789",
         1700000000123456789},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char line[256];
        int len = snprintf(line, sizeof(line), "{\"Type\":\"image\",\"Action\":\"tag\",%s}",
                           rows[i].tail);
        BERTH_CLEANUP(engine_event) struct berth_engine_event event = {0};
        ck_assert_int_eq(berth_engine_event_parse(line, (size_t)len, &event, NULL), 0);
        ck_assert_msg(event.at_ns == rows[i].at_ns, "%s: %lld", rows[i].name,
                      (long long)event.at_ns);
    }
}
END_TEST

START_TEST(what_is_no_event_is_refused)
{
    static const char *const lines[] = {"",     "{",      "[]",
                                        "null", "\"x\"",  "{\"Type\":\"container\"}",
                                        "{}",   "<html>", "{\"Type\":1,\"Action\":\"die\"}"};
    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        struct berth_engine_event event = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_engine_event_parse(lines[i], strlen(lines[i]), &event, &err) ==
                          BERTH_E_UNREACHABLE,
                      "%s", lines[i]);
        ck_assert_int_eq(err.status, BERTH_E_UNREACHABLE);
        ck_assert_ptr_null(event.json);
    }
}
END_TEST

START_TEST(an_event_survives_no_lack_of_memory)
{
    static const char line[] = EVENT("container", "start", ACTOR);
    for (size_t n = 0;; n++) {
        struct berth_engine_event event = {0};
        unit_alloc_fail_after(n);
        int status = berth_engine_event_parse(line, sizeof(line) - 1, &event, NULL);
        bool failed = unit_alloc_restore();
        berth_engine_event_release(&event);
        ck_assert_int_eq(status, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

START_TEST(the_stream_begins_where_it_is_told)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(1000);
    berth_engine_events_path(0, &path);
    ck_assert_str_eq(berth_strbuf_str(&path),
                     "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%2C"
                     "%22network%22%5D%7D");
    size_t len = path.len;
    berth_strbuf_clear(&path);
    berth_engine_events_path(1700000000000000042, &path);
    ck_assert_str_eq(berth_strbuf_str(&path) + len, "&since=1700000000.000000042");
}
END_TEST

UNIT_SUITE("engine_events", lines_do_not_depend_on_how_they_are_cut, lines_have_a_limit,
           who_takes_a_line_may_stop, events_say_what_happened, times_of_events_are_exact,
           what_is_no_event_is_refused, an_event_survives_no_lack_of_memory,
           the_stream_begins_where_it_is_told)
