/* SPDX-License-Identifier: MIT */
#include "gateway/request_id.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define MANY 20000

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

START_TEST(ids_are_uuids_that_never_repeat)
{
    struct berth_request_ids ids;
    ck_assert_int_eq(berth_request_ids_init(&ids, NULL), 0);
    char(*all)[BERTH_REQUEST_ID_SIZE] = calloc(MANY, sizeof(*all));
    ck_assert_ptr_nonnull(all);
    for (size_t i = 0; i < MANY; i++) {
        berth_request_id_next(&ids, all[i]);
        ck_assert_uint_eq(strlen(all[i]), 36);
        ck_assert_uint_eq(strspn(all[i], "0123456789abcdef-"), 36);
        ck_assert(all[i][8] == '-' && all[i][13] == '-' && all[i][18] == '-' && all[i][23] == '-');
        ck_assert_int_eq(all[i][14], '8');
        ck_assert_ptr_nonnull(strchr("89ab", all[i][19]));
    }
    qsort(all, MANY, sizeof(*all), by_text);
    for (size_t i = 1; i < MANY; i++)
        ck_assert_str_ne(all[i - 1], all[i]);
    free(all);
}
END_TEST

START_TEST(two_starts_have_different_ids)
{
    struct berth_request_ids one;
    struct berth_request_ids other;
    char first[BERTH_REQUEST_ID_SIZE];
    char second[BERTH_REQUEST_ID_SIZE];
    ck_assert_int_eq(berth_request_ids_init(&one, NULL), 0);
    ck_assert_int_eq(berth_request_ids_init(&other, NULL), 0);
    berth_request_id_next(&one, first);
    berth_request_id_next(&other, second);
    ck_assert_str_ne(first, second);
}
END_TEST

UNIT_SUITE("request_id", ids_are_uuids_that_never_repeat, two_starts_have_different_ids)
