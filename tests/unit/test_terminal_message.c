/* SPDX-License-Identifier: MIT */
#include "gateway/terminal_message.h"
#include "tests/unit/unit.h"

#include <string.h>

/* ---- From a client ---- */

static void say(const struct berth_terminal_input *input, struct berth_strbuf *out)
{
    switch (input->word) {
    case BERTH_TERMINAL_STDIN:
        berth_strbuf_adds(out, "stdin ");
        berth_strbuf_add(out, berth_strbuf_str(&input->data), input->data.len);
        break;
    case BERTH_TERMINAL_RESIZE:
        berth_strbuf_addf(out, "resize %u %u", input->cols, input->rows);
        break;
    case BERTH_TERMINAL_SIGNAL:
        berth_strbuf_addf(out, "signal %s", berth_exec_signal_names[input->number]);
        break;
    case BERTH_TERMINAL_CLOSE:
        berth_strbuf_adds(out, "close");
        break;
    case BERTH_TERMINAL_PING:
        berth_strbuf_adds(out, "ping");
        break;
    }
}

#define STDIN  "{\"type\":\"stdin\","
#define RESIZE "{\"type\":\"resize\","
#define SIGNAL "{\"type\":\"signal\","

static const struct {
    const char *text;
    const char *seen; /* NULL: refused */
    const char *message;
} messages[] = {
    {STDIN "\"data\":\"ls\\n\",\"encoding\":\"utf8\"}", "stdin ls\n", NULL},
    {STDIN "\"data\":\"ls\\n\"}", "stdin ls\n", NULL},
    {STDIN "\"data\":\"caf\xc3\xa9\"}", "stdin caf\xc3\xa9", NULL},
    {STDIN "\"data\":\"\\u0003\"}", "stdin \x03", NULL},
    {STDIN "\"data\":\"\"}", "stdin ", NULL},
    {STDIN "\"data\":\"/w==\",\"encoding\":\"base64\"}", "stdin \xff", NULL},
    {STDIN "\"data\":\"\",\"encoding\":\"base64\"}", "stdin ", NULL},
    {STDIN "\"data\":\"\\\\u0000\"}", "stdin \\u0000", NULL},
    {STDIN "\"data\":\"\\u0000\\ufffd\"}", NULL, "U+FFFD"},
    {STDIN "\"data\":\"\\u0000\xef\xbf\xbd\"}", NULL, "U+FFFD"},
    {STDIN "\"data\":\"?\",\"encoding\":\"base64\"}", NULL, "member data"},
    {STDIN "\"data\":\"a\",\"encoding\":\"latin1\"}", NULL, "utf8 or base64"},
    {STDIN "\"data\":7}", NULL, "member data"},
    {"{\"type\":\"stdin\"}", NULL, "member data"},
    {RESIZE "\"cols\":1,\"rows\":65535}", "resize 1 65535", NULL},
    {RESIZE "\"cols\":0,\"rows\":24}", NULL, "cols and rows"},
    {RESIZE "\"cols\":80,\"rows\":65536}", NULL, "cols and rows"},
    {RESIZE "\"cols\":\"80\",\"rows\":24}", NULL, "cols and rows"},
    {RESIZE "\"cols\":80}", NULL, "cols and rows"},
    {SIGNAL "\"name\":\"INT\"}", "signal INT", NULL},
    {SIGNAL "\"name\":\"TERM\"}", "signal TERM", NULL},
    {SIGNAL "\"name\":\"KILL\"}", "signal KILL", NULL},
    {SIGNAL "\"name\":\"HUP\"}", "signal HUP", NULL},
    {SIGNAL "\"name\":\"QUIT\"}", "signal QUIT", NULL},
    {SIGNAL "\"name\":\"USR1\"}", "signal USR1", NULL},
    {SIGNAL "\"name\":\"USR2\"}", "signal USR2", NULL},
    {SIGNAL "\"name\":\"int\"}", NULL, "member name"},
    {SIGNAL "\"name\":\"STOP\"}", NULL, "member name"},
    {"{\"type\":\"signal\"}", NULL, "member name"},
    {"{\"type\":\"close\"}", "close", NULL},
    {"{\"type\":\"ping\",\"more\":[1]}", "ping", NULL},
    {"{\"type\":\"exit\"}", NULL, "member type"},
    {"{\"type\":1}", NULL, "member type"},
    {"[]", NULL, "member type"},
    {"", NULL, "no JSON"},
    {"{\"type\":\"ping\"", NULL, "no JSON"},
};

START_TEST(messages_are_read)
{
    for (size_t i = 0; i < UNIT_COUNT(messages); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(terminal_input) struct berth_terminal_input input;
        BERTH_CLEANUP(strbuf) struct berth_strbuf seen = BERTH_STRBUF_INIT(256);
        const char *text = messages[i].text;
        int r = berth_terminal_parse(text, strlen(text), &input, &err);
        if (messages[i].seen) {
            ck_assert_msg(r == 0, "%s: %s", text, err.message);
            say(&input, &seen);
            ck_assert_str_eq(berth_strbuf_str(&seen), messages[i].seen);
        } else {
            ck_assert_msg(r == BERTH_E_INVALID, "%s: %d", text, r);
            ck_assert_msg(strstr(err.message, messages[i].message), "%s: %s", text, err.message);
        }
    }
}
END_TEST

START_TEST(a_nul_can_be_typed)
{
    static const char text[] = STDIN "\"data\":\"a\\u0000b\\u0000\"}";
    BERTH_CLEANUP(terminal_input) struct berth_terminal_input input;
    ck_assert_int_eq(berth_terminal_parse(text, strlen(text), &input, NULL), 0);
    ck_assert_uint_eq(input.data.len, 4);
    ck_assert_mem_eq(input.data.data, "a\0b", 4);
}
END_TEST

/* ---- To a client ---- */

START_TEST(characters_are_not_cut)
{
    static const struct {
        const char *data;
        size_t whole;
        bool is_text;
    } rows[] = {
        {"plain", 5, true},
        {"", 0, true},
        {"caf\xc3\xa9", 5, true},
        {"caf\xc3", 3, true},
        {"\xc3", 0, true},
        {"\xe2\x82", 0, true},
        {"a\xf0\x9f\x98", 1, true},
        {"a\xf0\x9f\x98\x80", 5, true},
        {"a\xff", 2, false},
        {"\xff\xc3", 1, false},
        {"\x80\x80\x80\x80\x80", 5, false}, /* the rest of nothing */
        {"\xc0\xaf", 2, false},             /* too long a form */
        {"\xed\xa0\x80", 3, false},         /* half a pair */
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        bool is_text = !rows[i].is_text;
        size_t whole = berth_terminal_split(rows[i].data, strlen(rows[i].data), &is_text);
        ck_assert_msg(whole == rows[i].whole, "row %zu: %zu", i, whole);
        ck_assert_msg(is_text == rows[i].is_text, "row %zu", i);
    }
}
END_TEST

START_TEST(messages_are_written)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
    berth_terminal_add_output(&out, BERTH_OUTPUT_STDOUT, "a\"\n\x1b\0b", 6, true);
    berth_terminal_add_output(&out, BERTH_OUTPUT_STDERR, "\xff\0", 2, false);
    berth_terminal_add_session(&out, "id");
    berth_terminal_add_exit(&out, 137);
    berth_terminal_add_pong(&out);
    ck_assert_str_eq(
        berth_strbuf_str(&out),
        "{\"type\":\"stdout\",\"data\":\"a\\\"\\n\\u001b\\u0000b\",\"encoding\":\"utf8\"}"
        "{\"type\":\"stderr\",\"data\":\"/wA=\",\"encoding\":\"base64\"}"
        "{\"type\":\"session\",\"id\":\"id\"}{\"type\":\"exit\",\"code\":137}{\"type\":\"pong\"}");
}
END_TEST

UNIT_SUITE("terminal_message", messages_are_read, a_nul_can_be_typed, characters_are_not_cut,
           messages_are_written)
