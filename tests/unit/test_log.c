/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "tests/unit/unit.h"

#include <string.h>

/* Sends stderr into a pipe until end_capture(), which gives back what was written. */
struct capture {
    int saved;
    int read_end;
    char text[8192];
};

static void begin_capture(struct capture *capture)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    capture->saved = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(close(ends[1]), 0);
    capture->read_end = ends[0];
}

static const char *end_capture(struct capture *capture)
{
    ck_assert_int_eq(dup2(capture->saved, STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(close(capture->saved), 0);
    ssize_t len = read(capture->read_end, capture->text, sizeof(capture->text) - 1);
    ck_assert_int_ge(len, 0);
    capture->text[len] = '\0';
    ck_assert_int_eq(close(capture->read_end), 0);
    return capture->text;
}

START_TEST(lines_carry_their_level)
{
    static struct capture capture;
    begin_capture(&capture);
    berth_log(BERTH_LOG_DEBUG, "hidden");
    berth_log(BERTH_LOG_INFO, "listening on %s:%d", "127.0.0.1", 8080);
    berth_log(BERTH_LOG_WARNING, "w");
    berth_log(BERTH_LOG_ERROR, "e");
    ck_assert_str_eq(end_capture(&capture),
                     "INFO listening on 127.0.0.1:8080\nWARNING w\nERROR e\n");
}
END_TEST

START_TEST(the_level_decides)
{
    static struct capture capture;
    begin_capture(&capture);
    berth_log_set_level(BERTH_LOG_ERROR);
    berth_log(BERTH_LOG_WARNING, "hidden");
    berth_log_error(BERTH_LOG_WARNING, &(struct berth_error)BERTH_ERROR_INIT, "hidden");
    berth_log(BERTH_LOG_ERROR, "shown");
    berth_log_set_level(BERTH_LOG_DEBUG);
    berth_log(BERTH_LOG_DEBUG, "shown");
    ck_assert_str_eq(end_capture(&capture), "ERROR shown\nDEBUG shown\n");
}
END_TEST

START_TEST(control_characters_do_not_break_lines)
{
    static struct capture capture;
    begin_capture(&capture);
    berth_log(BERTH_LOG_INFO, "a\nERROR forged\r\t\x1B[2J\x7F.");
    ck_assert_str_eq(end_capture(&capture), "INFO a ERROR forged   [2J .\n");
}
END_TEST

START_TEST(long_lines_are_cut)
{
    static const struct {
        const char *name;
        size_t text_len;
        size_t expected_len; /* of the line with its newline */
    } rows[] = {{"fits", 1018, 1024}, {"one too long", 1019, 1024}, {"much too long", 4000, 1024}};
    char text[4001];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        static struct capture capture;
        memset(text, 'x', rows[i].text_len);
        text[rows[i].text_len] = '\0';
        begin_capture(&capture);
        berth_log(BERTH_LOG_INFO, "%s", text);
        const char *line = end_capture(&capture);
        ck_assert_msg(strlen(line) == rows[i].expected_len, "%s: %zu", rows[i].name, strlen(line));
        ck_assert_int_eq(line[rows[i].expected_len - 1], '\n');
    }
    static struct capture capture;
    memset(text, 'x', 1018);
    memcpy(text + 1017, "\xC3\xA9", 3);
    begin_capture(&capture);
    berth_log(BERTH_LOG_INFO, "%s", text);
    const char *line = end_capture(&capture);
    ck_assert_uint_eq(strlen(line), 1023);
    ck_assert_int_eq(line[1021], 'x');
}
END_TEST

START_TEST(errors_are_logged_with_their_detail)
{
    static struct capture capture;
    struct berth_error err = BERTH_ERROR_INIT;
    begin_capture(&capture);
    (void)berth_error_set(&err, BERTH_E_IO, "could not be read");
    berth_log_error(BERTH_LOG_ERROR, &err, "store %s", "a");
    berth_error_detail(&err, "errno %d", 5);
    berth_log_error(BERTH_LOG_ERROR, &err, "store %s", "b");
    ck_assert_str_eq(end_capture(&capture), "ERROR store a: could not be read\n"
                                            "ERROR store b: could not be read (errno 5)\n");
}
END_TEST

START_TEST(a_long_error_is_cut_once)
{
    static struct capture capture;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct berth_error err = BERTH_ERROR_INIT;
    (void)berth_error_set(&err, BERTH_E_IO, "%s", text);
    berth_error_detail(&err, "%s", text);
    begin_capture(&capture);
    berth_log_error(BERTH_LOG_ERROR, &err, "%s", text);
    const char *line = end_capture(&capture);
    ck_assert_uint_eq(strlen(line), 1024);
    ck_assert_int_eq(line[1023], '\n');
}
END_TEST

START_TEST(levels_have_names)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (int i = 0; i < 4; i++) {
        enum berth_log_level level;
        ck_assert_int_eq(berth_log_parse_level(names[i], &level, NULL), 0);
        ck_assert_int_eq(level, i);
    }
    enum berth_log_level level = BERTH_LOG_ERROR;
    ck_assert_int_eq(berth_log_parse_level("loud", &level, NULL), BERTH_E_INVALID);
    ck_assert_int_eq(level, BERTH_LOG_ERROR);
}
END_TEST

UNIT_SUITE("log", lines_carry_their_level, the_level_decides, control_characters_do_not_break_lines,
           long_lines_are_cut, errors_are_logged_with_their_detail, a_long_error_is_cut_once,
           levels_have_names)
