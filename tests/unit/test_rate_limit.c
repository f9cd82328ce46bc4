/* SPDX-License-Identifier: MIT */
#include "gateway/rate_limit.h"

#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#define NOW (INT64_C(1000) * BERTH_NS_PER_S)
#define MS  BERTH_NS_PER_MS

static struct berth_rate_limit *new_limit(int64_t per_second, int64_t burst)
{
    struct berth_rate_limit *limit = NULL;
    ck_assert_int_eq(berth_rate_limit_new(per_second, burst, &limit, NULL), 0);
    return limit;
}

static struct berth_rate take(struct berth_rate_limit *limit, const char *caller, int64_t now_ns)
{
    struct berth_rate rate = {0};
    ck_assert_int_eq(berth_rate_limit_take(limit, caller, now_ns, &rate, NULL), 0);
    return rate;
}

START_TEST(a_burst_then_the_rate)
{
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = new_limit(2, 3);
    for (int left = 2; left >= 0; left--) {
        struct berth_rate rate = take(limit, "ana", NOW);
        ck_assert(rate.is_allowed);
        ck_assert_int_eq(rate.quota, 3);
        ck_assert_uint_eq(rate.window_s, 2);
        ck_assert_int_eq(rate.remaining, left);
        ck_assert_uint_eq(rate.more_s, 1);
        ck_assert_uint_eq(rate.retry_after_s, 0);
    }
    struct berth_rate refused = take(limit, "ana", NOW + 499 * MS);
    ck_assert(!refused.is_allowed);
    ck_assert_int_eq(refused.remaining, 0);
    ck_assert_uint_eq(refused.more_s, 1);
    ck_assert_uint_eq(refused.retry_after_s, 1);
    /* One whose clock was read long before the others' has nothing left, and no less. */
    refused = take(limit, "ana", NOW - 3 * BERTH_NS_PER_S);
    ck_assert_int_eq(refused.remaining, 0);
    ck_assert_uint_eq(refused.more_s, 4);
    ck_assert_uint_eq(refused.retry_after_s, 4);
    /* A refused one costs nothing. */
    ck_assert(take(limit, "ana", NOW + 500 * MS).is_allowed);
    ck_assert(!take(limit, "ana", NOW + 999 * MS).is_allowed);
    ck_assert(take(limit, "ana", NOW + 1000 * MS).is_allowed);

    /* However long it rests, a bucket holds no more than the burst. */
    ck_assert_int_eq(take(limit, "ana", NOW + 3600 * BERTH_NS_PER_S).remaining, 2);
}
END_TEST

START_TEST(callers_have_a_bucket_each)
{
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = new_limit(1, 1);
    ck_assert(take(limit, "ana", NOW).is_allowed);
    ck_assert(!take(limit, "ana", NOW).is_allowed);
    ck_assert(take(limit, "ben", NOW).is_allowed);
    ck_assert(take(limit, "an", NOW).is_allowed);
    ck_assert(take(limit, "", NOW).is_allowed);
    ck_assert(!take(limit, "", NOW).is_allowed);
}
END_TEST

START_TEST(the_bounds_of_the_configuration)
{
    static const struct {
        const char *name;
        int64_t per_second, burst;
        unsigned window_s;
    } rows[] = {
        {"slowest", 1, 1, 1},       {"slow with a long burst", 1, 1000000, 1000000},
        {"fastest", 1000000, 1, 1}, {"fastest with a long burst", 1000000, 1000000, 1},
        {"a third", 3, 10, 4},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(rate_limit)
        struct berth_rate_limit *limit = new_limit(rows[i].per_second, rows[i].burst);
        for (int64_t n = 1; n <= rows[i].burst; n++) {
            struct berth_rate rate = {0};
            if (berth_rate_limit_take(limit, "ana", NOW, &rate, NULL) < 0 || !rate.is_allowed ||
                rate.remaining != rows[i].burst - n || rate.window_s != rows[i].window_s)
                ck_abort_msg("%s: request %lld", rows[i].name, (long long)n);
        }
        ck_assert_msg(!take(limit, "ana", NOW).is_allowed, "%s", rows[i].name);
        ck_assert_msg(take(limit, "ana", NOW + BERTH_NS_PER_S).is_allowed, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(no_bound_and_another_bound)
{
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = new_limit(0, 1);
    for (int i = 0; i < 1000; i++) {
        struct berth_rate rate = take(limit, "ana", NOW);
        ck_assert(rate.is_allowed && rate.quota == 0);
    }
    berth_rate_limit_set(limit, 1, 1);
    ck_assert(take(limit, "ana", NOW).is_allowed);
    ck_assert(!take(limit, "ana", NOW).is_allowed);
    /* What was taken under other bounds is forgiven: it could be long. */
    berth_rate_limit_set(limit, 2, 2);
    ck_assert_int_eq(take(limit, "ana", NOW).remaining, 1);
    berth_rate_limit_set(limit, 0, 2);
    ck_assert_int_eq(take(limit, "ana", NOW).quota, 0);
}
END_TEST

START_TEST(a_crowd_does_not_make_room_for_one_that_asks_too_much)
{
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = new_limit(1, 100);
    char name[32];
    while (take(limit, "greedy", NOW).is_allowed)
        ;
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "caller %d", i);
        ck_assert(take(limit, name, NOW).is_allowed);
    }
    ck_assert(!take(limit, "greedy", NOW).is_allowed);
}
END_TEST

struct crowd {
    struct berth_rate_limit *limit;
    unsigned allowed; /* atomic */
};

static void take_some(void *ctx, size_t i)
{
    struct crowd *crowd = ctx;
    (void)i;
    for (int n = 0; n < 1000; n++) {
        struct berth_rate rate = {0};
        if (berth_rate_limit_take(crowd->limit, "ana", NOW, &rate, NULL) == 0 && rate.is_allowed)
            (void)__atomic_fetch_add(&crowd->allowed, 1, __ATOMIC_RELAXED);
    }
}

START_TEST(threads_share_a_bucket)
{
    BERTH_CLEANUP(rate_limit) struct berth_rate_limit *limit = new_limit(1, 2500);
    struct crowd crowd = {.limit = limit};
    berth_parallel_for(4, 4, take_some, &crowd);
    ck_assert_uint_eq(crowd.allowed, 2500);
}
END_TEST

UNIT_SUITE("rate_limit", a_burst_then_the_rate, callers_have_a_bucket_each,
           the_bounds_of_the_configuration, no_bound_and_another_bound,
           a_crowd_does_not_make_room_for_one_that_asks_too_much, threads_share_a_bucket)
