/* SPDX-License-Identifier: MIT */
#include "facilities/throttle.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct berth_throttle *new_throttle(void)
{
    struct berth_throttle *throttle = NULL;
    ck_assert_int_eq(berth_throttle_new(&throttle, NULL), 0);
    return throttle;
}

/* One attempt that ends at once; returns what enter said, and the wait. */
static int attempt(struct berth_throttle *throttle, const char *user, const char *address,
                   int64_t now_ms, unsigned failures, unsigned *ret_wait_s)
{
    struct berth_throttle_ticket ticket;
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_throttle_enter(throttle, user, address, now_ms, &ticket, &err);
    if (r == 0)
        berth_throttle_leave(throttle, &ticket, now_ms, failures);
    *ret_wait_s = err.retry_after_s;
    return r;
}

#define FAIL(user, address, now)  attempt(throttle, user, address, now, 1, &wait)
#define RIGHT(user, address, now) attempt(throttle, user, address, now, 0, &wait)

START_TEST(a_user_from_an_address_has_ten_failures_a_minute)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
    unsigned wait = 0;
    for (int i = 0; i < BERTH_THROTTLE_USER_FAILURES; i++)
        ck_assert_int_eq(FAIL("ana", "192.0.2.1", 1000 + i * 1000), 0);
    ck_assert_int_eq(FAIL("ana", "192.0.2.1", 10000), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 51);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 10001), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 51); /* rounded up */

    ck_assert_int_eq(RIGHT("ana", "192.0.2.2", 10000), 0);
    ck_assert_int_eq(RIGHT("ben", "192.0.2.1", 10000), 0);
    ck_assert_int_eq(RIGHT("an", "a192.0.2.1", 10000), 0);

    /* The window slides: one place a second comes free. */
    ck_assert_int_eq(FAIL("ana", "192.0.2.1", 60999), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 1);
    ck_assert_int_eq(FAIL("ana", "192.0.2.1", 61000), 0);
    ck_assert_int_eq(FAIL("ana", "192.0.2.1", 61000), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 1);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 62000), 0);
    ck_assert_int_eq(FAIL("ana", "192.0.2.1", 62000), 0);
    ck_assert_int_eq(FAIL("ana", "192.0.2.1", 62000), BERTH_E_THROTTLED);
}
END_TEST

START_TEST(right_ones_cost_nothing)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
    unsigned wait = 0;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 1000), 0);
}
END_TEST

START_TEST(an_address_has_a_hundred_failures_a_minute)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
    unsigned wait = 0;
    char user[32];
    for (int i = 0; i < BERTH_THROTTLE_FAILURES; i++) {
        (void)snprintf(user, sizeof(user), "user%d", i);
        ck_assert_int_eq(FAIL(user, "192.0.2.1", 1000), 0);
    }
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 2000), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 59);
    ck_assert_int_eq(RIGHT("user0", "192.0.2.2", 2000), 0);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 61000), 0);
}
END_TEST

START_TEST(attempts_under_way_count)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
    struct berth_throttle_ticket tickets[BERTH_THROTTLE_USER_FAILURES];
    unsigned wait = 0;
    for (size_t i = 0; i < UNIT_COUNT(tickets); i++)
        ck_assert_int_eq(
            berth_throttle_enter(throttle, "ana", "192.0.2.1", 1000, &tickets[i], NULL), 0);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 1000), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 1);
    berth_throttle_leave(throttle, &tickets[0], 1000, 0);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 1000), 0);
    for (size_t i = 1; i < UNIT_COUNT(tickets); i++)
        berth_throttle_leave(throttle, &tickets[i], 1000, 2); /* two callers shared it */
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 1000), BERTH_E_THROTTLED);
    ck_assert_uint_eq(wait, 60);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 61000), 0);
}
END_TEST

START_TEST(networks_count_as_one_address)
{
    static const struct {
        const char *name;
        const char *a;
        const char *b;
        bool same;
    } rows[] = {
        {"IPv4", "192.0.2.1", "192.0.2.1", true},
        {"another IPv4", "192.0.2.1", "192.0.2.2", false},
        {"mapped", "192.0.2.1", "::ffff:192.0.2.1", true},
        {"mapped, another", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"within a /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
        {"another /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
        {"a name", "unix", "unix", true},
        {"nothing", "", "unix", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
        unsigned wait = 0;
        for (int j = 0; j < BERTH_THROTTLE_USER_FAILURES; j++)
            ck_assert_int_eq(FAIL("ana", rows[i].a, 1000), 0);
        ck_assert_msg(RIGHT("ana", rows[i].b, 1000) == (rows[i].same ? BERTH_E_THROTTLED : 0), "%s",
                      rows[i].name);
    }
}
END_TEST

START_TEST(a_crowd_of_names_does_not_clear_the_count)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
    unsigned wait = 0;
    for (int i = 0; i < BERTH_THROTTLE_USER_FAILURES; i++)
        ck_assert_int_eq(FAIL("ana", "192.0.2.1", 1000), 0);
    /* More than there are places; none of them has failed. */
    for (int i = 0; i < 20000; i++) {
        char user[32];
        char address[32];
        (void)snprintf(user, sizeof(user), "user%d", i);
        (void)snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
        ck_assert_int_eq(RIGHT(user, address, 1000), 0);
    }
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 1000), BERTH_E_THROTTLED);
}
END_TEST

START_TEST(attempts_under_way_keep_their_place)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = new_throttle();
    struct berth_throttle_ticket ticket;
    unsigned wait = 0;
    ck_assert_int_eq(berth_throttle_enter(throttle, "ana", "192.0.2.1", 1000, &ticket, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
        ck_assert_int_eq(FAIL("ben", address, 2000), 0);
    }
    berth_throttle_leave(throttle, &ticket, 3000, BERTH_THROTTLE_USER_FAILURES);
    ck_assert_int_eq(RIGHT("ana", "192.0.2.1", 3000), BERTH_E_THROTTLED);
}
END_TEST

START_TEST(making_one_survives_want_of_memory)
{
    for (size_t n = 0;; n++) {
        struct berth_throttle *throttle = NULL;
        unit_alloc_fail_after(n);
        int r = berth_throttle_new(&throttle, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            berth_throttle_free(throttle);
            break;
        }
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert_ptr_null(throttle);
    }
}
END_TEST

UNIT_SUITE("throttle", a_user_from_an_address_has_ten_failures_a_minute, right_ones_cost_nothing,
           an_address_has_a_hundred_failures_a_minute, attempts_under_way_count,
           networks_count_as_one_address, a_crowd_of_names_does_not_clear_the_count,
           attempts_under_way_keep_their_place, making_one_survives_want_of_memory)
