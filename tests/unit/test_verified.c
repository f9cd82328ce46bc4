/* SPDX-License-Identifier: MIT */
#include "facilities/verified.h"

#include "tests/unit/unit.h"

#include <string.h>

/* A pair whose set and rest are chosen. */
struct pair {
    unsigned char bytes[BERTH_SHA256_BYTES];
};

static struct pair pair_of(unsigned char set, unsigned char rest)
{
    struct pair pair;
    memset(pair.bytes, rest, sizeof(pair.bytes));
    pair.bytes[0] = 0;
    pair.bytes[1] = set;
    return pair;
}

START_TEST(pairs_are_remembered_for_a_minute)
{
    BERTH_CLEANUP(verified) struct berth_verified *verified = NULL;
    ck_assert_int_eq(berth_verified_new(&verified, NULL), 0);
    struct pair a = pair_of(1, 7);
    struct pair b = pair_of(1, 8);
    ck_assert(!berth_verified_has(verified, a.bytes, 1));
    berth_verified_add(verified, a.bytes, 1000);
    ck_assert(berth_verified_has(verified, a.bytes, 1000));
    ck_assert(berth_verified_has(verified, a.bytes, 1000 + BERTH_VERIFIED_MS - 1));
    ck_assert(!berth_verified_has(verified, a.bytes, 1000 + BERTH_VERIFIED_MS));
    ck_assert(!berth_verified_has(verified, b.bytes, 1000));
    berth_verified_add(verified, a.bytes, 50000);
    ck_assert(berth_verified_has(verified, a.bytes, 1000 + BERTH_VERIFIED_MS));
}
END_TEST

START_TEST(nothing_is_known_at_first)
{
    BERTH_CLEANUP(verified) struct berth_verified *verified = NULL;
    ck_assert_int_eq(berth_verified_new(&verified, NULL), 0);
    struct pair zero = pair_of(0, 0);
    ck_assert(!berth_verified_has(verified, zero.bytes, 1));
}
END_TEST

START_TEST(the_oldest_is_forgotten_for_a_new_one)
{
    BERTH_CLEANUP(verified) struct berth_verified *verified = NULL;
    ck_assert_int_eq(berth_verified_new(&verified, NULL), 0);
    for (unsigned char i = 0; i < 5; i++) /* one more than a set holds */
        berth_verified_add(verified, pair_of(3, (unsigned char)(i + 1)).bytes, 1000 + (i + 3) % 5);
    unsigned known = 0;
    for (unsigned char i = 0; i < 5; i++)
        known += berth_verified_has(verified, pair_of(3, (unsigned char)(i + 1)).bytes, 1001);
    ck_assert_uint_eq(known, 4);
    ck_assert(!berth_verified_has(verified, pair_of(3, 3).bytes, 1001)); /* added at 1000 */
    /* Adding what is there takes no second place. */
    berth_verified_add(verified, pair_of(3, 1).bytes, 1010);
    ck_assert(berth_verified_has(verified, pair_of(3, 4).bytes, 1010));
}
END_TEST

UNIT_SUITE("verified", pairs_are_remembered_for_a_minute, nothing_is_known_at_first,
           the_oldest_is_forgotten_for_a_new_one)
