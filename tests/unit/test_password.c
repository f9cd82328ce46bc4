/* SPDX-License-Identifier: MIT */
#include "facilities/password.h"

#include "base/limits.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(rules)
{
    char longest[BERTH_PASSWORD_MAX + 1];
    char too_long[BERTH_PASSWORD_MAX + 2];
    memset(longest, 'p', sizeof(longest));
    longest[BERTH_PASSWORD_MAX] = '\0';
    memset(too_long, 'p', sizeof(too_long));
    too_long[BERTH_PASSWORD_MAX + 1] = '\0';
    const struct {
        const char *password;
        const char *refusal; /* part of the message, NULL where it is fine */
    } rows[] = {
        {"12345678", NULL},
        {"correct horse battery staple", NULL},
        {"\xC3\xA4\xC3\xB6\xC3\xBC\xE2\x82\xAC", NULL},
        {longest, NULL},
        {"", "8 to 256"},
        {"1234567", "8 to 256"},
        {too_long, "8 to 256"},
        {"tab\tinside", "control"},
        {"delete\x7Finside", "control"},
        {"latin\xE4inside", "UTF-8"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_password_check(rows[i].password, &err);
        ck_assert_msg(r == (rows[i].refusal ? BERTH_E_INVALID : 0), "row %zu: %s", i, err.message);
        if (rows[i].refusal)
            ck_assert_msg(strstr(err.message, rows[i].refusal), "row %zu: %s", i, err.message);
        if (rows[i].password[0] != '\0')
            ck_assert_ptr_null(strstr(err.message, rows[i].password));
    }
}
END_TEST

START_TEST(hashes_match_their_password_alone)
{
    BERTH_CLEANUP(free) char *hash = NULL;
    BERTH_CLEANUP(free) char *again = NULL;
    ck_assert_int_eq(berth_password_hash("correct horse", &hash, NULL), 0);
    ck_assert_int_eq(berth_password_hash("correct horse", &again, NULL), 0);
    ck_assert_str_ne(hash, again);
    ck_assert_int_eq(strncmp(hash, "$y$", 3), 0);
    ck_assert_uint_lt(strlen(hash), BERTH_PASSWORD_HASH_SIZE);
    ck_assert_ptr_null(strstr(hash, "correct"));

    static const struct {
        const char *password;
        bool matches;
    } rows[] = {
        {"correct horse", true}, {"correct hors", false}, {"Correct horse", false}, {"", false}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        bool matches = !rows[i].matches;
        ck_assert_int_eq(berth_password_matches(rows[i].password, hash, &matches, NULL), 0);
        ck_assert_msg(matches == rows[i].matches, "'%s'", rows[i].password);
    }
}
END_TEST

START_TEST(nothing_matches_the_dummy)
{
    BERTH_CLEANUP(free) char *dummy = NULL;
    ck_assert_int_eq(berth_password_dummy(&dummy, NULL), 0);
    static const char *const rows[] = {"", "password", "12345678"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        bool matches = true;
        ck_assert_int_eq(berth_password_matches(rows[i], dummy, &matches, NULL), 0);
        ck_assert(!matches);
    }
}
END_TEST

START_TEST(what_is_no_hash_is_an_error)
{
    static const char *const rows[] = {"", "*", "$y$", "plain text", "!locked"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        bool matches = true;
        ck_assert_msg(berth_password_matches("password", rows[i], &matches, NULL) ==
                          BERTH_E_INTERNAL,
                      "'%s'", rows[i]);
    }
}
END_TEST

START_TEST(hashing_survives_want_of_memory)
{
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(free) char *hash = NULL;
        unit_alloc_fail_after(n);
        int r = berth_password_hash("correct horse", &hash, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            break;
        }
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert_ptr_null(hash);
    }
}
END_TEST

UNIT_SUITE("password", rules, hashes_match_their_password_alone, nothing_matches_the_dummy,
           what_is_no_hash_is_an_error, hashing_survives_want_of_memory)
