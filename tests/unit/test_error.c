/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

START_TEST(setting_fills_everything)
{
    struct berth_error err;
    memset(&err, 'x', sizeof(err));
    ck_assert_int_eq(berth_error_set(&err, BERTH_E_NOT_FOUND, "no app %s", "a--b"),
                     BERTH_E_NOT_FOUND);
    ck_assert_int_eq(err.status, BERTH_E_NOT_FOUND);
    ck_assert_str_eq(err.message, "no app a--b");
    ck_assert_str_eq(err.detail, "");
    ck_assert_uint_eq(err.retry_after_s, 0);
    ck_assert_ptr_null(err.code);
    berth_error_clear(&err);
    ck_assert_int_eq(err.status, BERTH_OK);
    ck_assert_str_eq(err.message, "");
}
END_TEST

START_TEST(a_code_stays_until_the_next_error)
{
    struct berth_error err;
    memset(&err, 'x', sizeof(err));
    ck_assert_int_eq(berth_error_set_coded(&err, BERTH_E_CONFLICT, "NO_BOOT_FILE", "no %s", "x"),
                     BERTH_E_CONFLICT);
    ck_assert_str_eq(err.message, "no x");
    ck_assert_str_eq(err.detail, "");
    ck_assert_int_eq(berth_error_wrap(&err, "app a--b"), BERTH_E_CONFLICT);
    ck_assert_str_eq(err.code, "NO_BOOT_FILE");
    ck_assert_int_eq(berth_error_set(&err, BERTH_E_IO, "y"), BERTH_E_IO);
    ck_assert_ptr_null(err.code);
    berth_error_code(&err, "LATER");
    ck_assert_str_eq(err.code, "LATER");
    ck_assert_int_eq(berth_error_set_errno(&err, BERTH_E_IO, EIO, "y"), BERTH_E_IO);
    ck_assert_ptr_null(err.code);
}
END_TEST

START_TEST(an_error_is_optional)
{
    ck_assert_int_eq(berth_error_set_coded(NULL, BERTH_E_IO, "X", "x"), BERTH_E_IO);
    berth_error_code(NULL, "X");
    ck_assert_int_eq(berth_error_set(NULL, BERTH_E_IO, "x"), BERTH_E_IO);
    ck_assert_int_eq(berth_error_set_errno(NULL, BERTH_E_IO, EIO, "x"), BERTH_E_IO);
    ck_assert_int_eq(berth_error_set_errno(NULL, BERTH_E_IO, ENOSPC, "x"), BERTH_E_NO_SPACE);
    ck_assert_int_eq(berth_error_nomem(NULL), BERTH_E_NOMEM);
    ck_assert_int_lt(berth_error_wrap(NULL, "x"), 0);
    berth_error_detail(NULL, "x");
}
END_TEST

START_TEST(errno_decides_some_statuses)
{
    static const struct {
        int errnum;
        int expected;
    } rows[] = {{EIO, BERTH_E_IO},
                {ENOMEM, BERTH_E_NOMEM},
                {ENOSPC, BERTH_E_NO_SPACE},
                {EDQUOT, BERTH_E_NO_SPACE}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err;
        memset(&err, 'x', sizeof(err));
        ck_assert_int_eq(berth_error_set_errno(&err, BERTH_E_IO, rows[i].errnum, "store %d", 1),
                         rows[i].expected);
        ck_assert_int_eq(err.status, rows[i].expected);
        ck_assert_str_eq(err.message, "store 1");
        ck_assert_str_eq(err.detail, strerrordesc_np(rows[i].errnum));
        ck_assert_uint_eq(err.retry_after_s, 0);
    }
}
END_TEST

START_TEST(long_messages_are_cut_between_characters)
{
    static const struct {
        const char *name;
        size_t plain; /* characters of one byte, followed by one of two */
        size_t expected_len;
    } rows[] = {
        {"fits", 509, 511},
        {"would be cut in two", 510, 510},
        {"does not fit at all", 511, 511},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[600];
        memset(text, 'a', rows[i].plain);
        memcpy(text + rows[i].plain, "\xC3\xA9", 3);
        struct berth_error err;
        (void)berth_error_set(&err, BERTH_E_INVALID, "%s", text);
        ck_assert_msg(strlen(err.message) == rows[i].expected_len, "%s: %zu", rows[i].name,
                      strlen(err.message));
        berth_error_detail(&err, "%s", text);
        ck_assert_str_eq(err.detail, err.message);

        struct berth_error wrapped = BERTH_ERROR_INIT;
        (void)berth_error_set(&wrapped, BERTH_E_INVALID, "%s", text + 3);
        (void)berth_error_wrap(&wrapped, "a");
        ck_assert_msg(strlen(wrapped.message) == rows[i].expected_len, "%s wrapped: %zu",
                      rows[i].name, strlen(wrapped.message));
    }
}
END_TEST

START_TEST(a_message_is_one_line)
{
    struct berth_error err;
    (void)berth_error_set(&err, BERTH_E_REFUSED, "engine: %s", "no\r\nsuch\timage\x7F");
    ck_assert_str_eq(err.message, "engine: no  such image ");
    berth_error_detail(&err, "a\nb");
    ck_assert_str_eq(err.detail, "a b");
}
END_TEST

START_TEST(an_argument_may_be_the_error_itself)
{
    struct berth_error err;
    (void)berth_error_set(&err, BERTH_E_REFUSED, "no such image");
    (void)berth_error_set(&err, BERTH_E_NOT_FOUND, "pull: %s", err.message);
    ck_assert_str_eq(err.message, "pull: no such image");
    berth_error_detail(&err, "%s", err.message);
    berth_error_detail(&err, "%s, %s", err.detail, err.detail);
    ck_assert_str_eq(err.detail, "pull: no such image, pull: no such image");
    ck_assert_int_eq(berth_error_set(&err, BERTH_E_IO, "%s", err.detail), BERTH_E_IO);
    ck_assert_str_eq(err.message, "pull: no such image, pull: no such image");
}
END_TEST

START_TEST(wrapping_prepends_and_keeps)
{
    struct berth_error err;
    (void)berth_error_set(&err, BERTH_E_BUSY, "too many requests");
    err.retry_after_s = 3;
    berth_error_detail(&err, "32 in flight");
    ck_assert_int_eq(berth_error_wrap(&err, "facility %s", "demo"), BERTH_E_BUSY);
    ck_assert_str_eq(err.message, "facility demo: too many requests");
    ck_assert_str_eq(err.detail, "32 in flight");
    ck_assert_uint_eq(err.retry_after_s, 3);

    char context[600];
    memset(context, 'c', sizeof(context) - 1);
    context[sizeof(context) - 1] = '\0';
    (void)berth_error_wrap(&err, "%s", context);
    ck_assert_uint_eq(strlen(err.message), BERTH_ERROR_MESSAGE_MAX - 1);
}
END_TEST

START_TEST(each_status_has_a_name)
{
    for (int status = BERTH_E_PORT_IN_USE; status <= BERTH_OK; status++) {
        ck_assert_str_ne(berth_status_name((enum berth_status)status), "unknown");
        for (int other = BERTH_E_PORT_IN_USE; other < status; other++)
            ck_assert_str_ne(berth_status_name((enum berth_status)status),
                             berth_status_name((enum berth_status)other));
    }
    ck_assert_str_eq(berth_status_name(BERTH_OK), "ok");
    ck_assert_str_eq(berth_status_name(BERTH_E_NOT_FOUND), "not_found");
    ck_assert_str_eq(berth_status_name(BERTH_E_CANCELLED), "cancelled");
    ck_assert_str_eq(berth_status_name((enum berth_status)(BERTH_E_PORT_IN_USE - 1)), "unknown");
    ck_assert_str_eq(berth_status_name((enum berth_status)1), "unknown");
}
END_TEST

START_TEST(cleanup_runs_at_the_end_of_the_scope)
{
    int number;
    {
        BERTH_CLEANUP(fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        number = fd;
        errno = EINTR;
    }
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_lt(fcntl(number, F_GETFD), 0);

    int kept = -1;
    {
        BERTH_CLEANUP(fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        kept = berth_fd_steal(&fd);
        ck_assert_int_eq(fd, -1);
    }
    ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
    berth_fd_close(&kept);
    ck_assert_int_eq(kept, -1);
    berth_fd_close(&kept);

    char *text;
    {
        BERTH_CLEANUP(free) char *local = malloc(1);
        text = berth_steal(&local);
        ck_assert_ptr_null(local);
    }
    free(text);
}
END_TEST

UNIT_SUITE("error", setting_fills_everything, a_code_stays_until_the_next_error,
           an_error_is_optional, errno_decides_some_statuses,
           long_messages_are_cut_between_characters, a_message_is_one_line,
           an_argument_may_be_the_error_itself, wrapping_prepends_and_keeps, each_status_has_a_name,
           cleanup_runs_at_the_end_of_the_scope)
