/* SPDX-License-Identifier: MIT */
#include "base/strbuf.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <string.h>

START_TEST(text_is_appended)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(1000);
    ck_assert_str_eq(berth_strbuf_str(&buf), "");
    berth_strbuf_add(&buf, NULL, 0);
    ck_assert_ptr_null(buf.data);
    berth_strbuf_adds(&buf, "a");
    berth_strbuf_addc(&buf, 'b');
    berth_strbuf_add(&buf, "c\0d", 3);
    berth_strbuf_addf(&buf, "%d%s", 42, "e");
    ck_assert_uint_eq(buf.len, 8);
    ck_assert(memcmp(buf.data, "abc\0d42e", 9) == 0);
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
}
END_TEST

START_TEST(numbers_are_decimal)
{
    static const int64_t numbers[] = {0, 7, -1, 10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(20);
        char expected[24];
        (void)snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        berth_strbuf_add_int(&buf, numbers[i]);
        ck_assert_str_eq(berth_strbuf_str(&buf), expected);
    }
}
END_TEST

START_TEST(a_buffer_grows_to_its_cap_and_no_further)
{
    static const size_t caps[] = {1, 63, 64, 65, 1000, 5000};
    for (size_t i = 0; i < UNIT_COUNT(caps); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(caps[i]);
        for (size_t n = 0; n < caps[i]; n++)
            berth_strbuf_addc(&buf, 'x');
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
        ck_assert_uint_eq(buf.len, caps[i]);
        berth_strbuf_addc(&buf, 'x');
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_strbuf_check(&buf, &err), BERTH_E_TOO_LARGE);
        ck_assert_ptr_nonnull(strstr(err.message, "longer than"));
        ck_assert_uint_eq(strlen(berth_strbuf_str(&buf)), caps[i]);
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(SIZE_MAX / 2);
    ck_assert(!berth_strbuf_reserve(&buf, SIZE_MAX));
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), BERTH_E_TOO_LARGE);
}
END_TEST

START_TEST(a_failure_lasts_until_cleared)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(4);
    berth_strbuf_adds(&buf, "abc");
    berth_strbuf_adds(&buf, "de");
    berth_strbuf_adds(&buf, "f");
    berth_strbuf_addf(&buf, "%c", 'g');
    ck_assert_str_eq(berth_strbuf_str(&buf), "abc");
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), BERTH_E_TOO_LARGE);
    ck_assert_ptr_null(berth_strbuf_steal(&buf, NULL));
    berth_strbuf_clear(&buf);
    berth_strbuf_adds(&buf, "wxyz");
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&buf), "wxyz");
}
END_TEST

START_TEST(formatting_fits_exactly)
{
    /* 64 bytes are the first allocation: texts around it are tried in place, or made room for. */
    for (int len = 0; len < 200; len++) {
        for (size_t before = 0; before < 3; before++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(300);
            berth_strbuf_add(&buf, "##", before);
            berth_strbuf_addf(&buf, "%0*d", len, 0);
            size_t expected = before + (len ? (size_t)len : 1);
            ck_assert_uint_eq(buf.len, expected);
            ck_assert_uint_eq(strlen(berth_strbuf_str(&buf)), expected);
            ck_assert_uint_eq(strspn(berth_strbuf_str(&buf) + before, "0"), expected - before);
        }
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(10);
    berth_strbuf_adds(&buf, "ab");
    berth_strbuf_addf(&buf, "%s", "cdefghijk");
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), BERTH_E_TOO_LARGE);
    ck_assert_str_eq(berth_strbuf_str(&buf), "ab");
}
END_TEST

START_TEST(out_of_memory_is_a_failure)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(1000);
    unit_alloc_fail_after(1);
    berth_strbuf_adds(&buf, "kept");
    for (int i = 0; i < 100; i++)
        berth_strbuf_adds(&buf, "x");
    ck_assert(unit_alloc_restore());
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), BERTH_E_NOMEM);
    ck_assert_uint_eq(buf.len, 63);
    ck_assert_uint_eq(strlen(buf.data), 63);

    BERTH_CLEANUP(strbuf) struct berth_strbuf empty = BERTH_STRBUF_INIT(10);
    unit_alloc_fail_after(0);
    char *taken = berth_strbuf_steal(&empty, NULL);
    ck_assert(unit_alloc_restore());
    ck_assert_ptr_null(taken);
    ck_assert_str_eq(berth_strbuf_str(&empty), "");
}
END_TEST

START_TEST(truncating_shortens_alone)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(10);
    berth_strbuf_truncate(&buf, 0);
    berth_strbuf_adds(&buf, "abc");
    berth_strbuf_truncate(&buf, 4);
    ck_assert_uint_eq(buf.len, 3);
    berth_strbuf_truncate(&buf, 1);
    ck_assert_str_eq(berth_strbuf_str(&buf), "a");
}
END_TEST

START_TEST(content_can_be_taken)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(10);
    berth_strbuf_adds(&buf, "abc");
    size_t len;
    BERTH_CLEANUP(free) char *taken = berth_strbuf_steal(&buf, &len);
    ck_assert_str_eq(taken, "abc");
    ck_assert_uint_eq(len, 3);
    ck_assert_uint_eq(buf.len, 0);
    BERTH_CLEANUP(free) char *nothing = berth_strbuf_steal(&buf, NULL);
    ck_assert_str_eq(nothing, "");
    berth_strbuf_adds(&buf, "0123456789");
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
    berth_strbuf_release(&buf);
    berth_strbuf_adds(&buf, "0123456789");
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
}
END_TEST

START_TEST(urls_are_encoded)
{
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        {"", ""},
        {"AZaz09-._~", "AZaz09-._~"},
        {"a b/c?d=e&f", "a%20b%2Fc%3Fd%3De%26f"},
        {"%+\"\\", "%25%2B%22%5C"},
        {"\xC3\xA9\x7F\x01", "%C3%A9%7F%01"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(100);
        berth_strbuf_add_urlencoded(&buf, rows[i].text, strlen(rows[i].text));
        ck_assert_str_eq(berth_strbuf_str(&buf), rows[i].expected);
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(100);
    berth_strbuf_add_urlencoded(&buf, "\0", 1);
    ck_assert_str_eq(berth_strbuf_str(&buf), "%00");
}
END_TEST

UNIT_SUITE("strbuf", text_is_appended, numbers_are_decimal,
           a_buffer_grows_to_its_cap_and_no_further, a_failure_lasts_until_cleared,
           formatting_fits_exactly, out_of_memory_is_a_failure, truncating_shortens_alone,
           content_can_be_taken, urls_are_encoded)
