/* SPDX-License-Identifier: MIT */
/* Inspect bodies: when the engine is asked, for whom, and what is kept. */
#include "base/clock.h"
#include "facilities/mirror_internal.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <string.h>

#define LISTED (1000 * BERTH_NS_PER_S)

static struct fake fake;
static struct berth_mirror *mirror;

static void open_listed(void)
{
    fake_init(&fake);
    ck_assert_int_eq(berth_mirror_open(&fake.head, NULL, &mirror, NULL), 0);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
}

static void close_mirror(void)
{
    berth_mirror_free(mirror);
    fake_release(&fake);
}

/* The body, "ID VERSION", asked for from this thread; text takes 64 bytes. */
static int inspect(const char *id, bool fresh, char *text)
{
    BERTH_CLEANUP(app) struct berth_app *app = fake_app(id, BERTH_APP_RUNNING);
    BERTH_CLEANUP(body) struct berth_body *body = NULL;
    int status = berth_mirror_inspect(mirror, app, fresh, &body, NULL);
    (void)snprintf(text, 64, "%s", status ? "failed" : body->data);
    return status;
}

static void ck_inspect(const char *id, bool fresh, const char *expected)
{
    char text[64];
    (void)inspect(id, fresh, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(a_body_is_kept_until_the_app_changes)
{
    open_listed();
    fake_tell_app(&fake, fake_draw(&fake), "1", BERTH_APP_RUNNING);
    ck_inspect("1", false, "1 0");
    fake.version = 1;
    ck_inspect("1", false, "1 0");
    ck_assert_uint_eq(fake.inspects, 1);
    ck_inspect("2", false, "2 1");

    fake.sink->changed(fake.sink->ctx, "1", BERTH_APP_RUNNING, LISTED);
    ck_inspect("1", false, "1 1");
    fake.version = 2;
    ck_inspect("2", false, "2 1");
    fake_tell_app(&fake, fake_draw(&fake), "1",
                  BERTH_APP_RUNNING); /* the same row, but it was told */
    ck_inspect("1", false, "1 2");
    fake.version = 3;
    fake.sink->gone(fake.sink->ctx, fake_draw(&fake), "1", LISTED);
    ck_inspect("1", false, "1 3");
    fake.version = 4;
    fake_set(&fake, "2", BERTH_APP_EXITED);
    ck_assert_int_eq(berth_mirror_refresh(mirror, "2", NULL), 0);
    ck_inspect("2", false, "2 4");
    fake.version = 5;
    fake_set(&fake, "2", BERTH_APP_PAUSED);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    ck_inspect("2", false, "2 5");
    fake.version = 6;
    ck_inspect("2", true, "2 6");
    ck_inspect("2", false, "2 6");
    close_mirror();
}
END_TEST

START_TEST(nothing_is_kept_over_a_loss_of_contact)
{
    open_listed();
    ck_inspect("1", false, "1 0");
    fake_tell_lost(&fake, "scripted", LISTED);
    fake.version = 1;
    ck_inspect("1", false, "1 1");
    fake.version = 2;
    ck_inspect("1", false, "1 2");
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    fake.version = 3;
    ck_inspect("1", false, "1 3");
    fake.version = 4;
    ck_inspect("1", false, "1 3");
    close_mirror();
}
END_TEST

START_TEST(a_failure_is_not_kept)
{
    open_listed();
    char text[64];
    fake.inspect_fails = BERTH_E_NOT_FOUND;
    ck_assert_int_eq(inspect("1", false, text), BERTH_E_NOT_FOUND);
    fake.inspect_fails = 0;
    ck_inspect("1", false, "1 0");
    close_mirror();
}
END_TEST

START_TEST(bodies_are_bounded_in_bytes)
{
    open_listed();
    fake.body_bytes = BERTH_INSPECT_CACHE_MAX / 4;
    char text[64];
    ck_assert_int_eq(inspect("1", false, text), 0);
    ck_assert_int_eq(inspect("2", false, text), 0);
    ck_assert_int_eq(inspect("3", false, text), 0);
    ck_assert_int_eq(inspect("1", false, text), 0);
    ck_assert_uint_eq(fake.inspects, 3);
    ck_assert_int_eq(inspect("4", false, text), 0); /* in the place of 2 */
    ck_assert_uint_le(mirror->inspect.bytes, BERTH_INSPECT_CACHE_MAX);
    ck_assert_int_eq(inspect("1", false, text), 0);
    ck_assert_int_eq(inspect("3", false, text), 0);
    ck_assert_uint_eq(fake.inspects, 4);
    ck_assert_int_eq(inspect("2", false, text), 0);
    ck_assert_uint_eq(fake.inspects, 5);

    fake.body_bytes = BERTH_INSPECT_CACHE_MAX + 1;
    ck_assert_int_eq(inspect("huge", false, text), 0);
    ck_assert_uint_le(mirror->inspect.bytes, BERTH_INSPECT_CACHE_MAX);
    ck_assert_int_eq(inspect("huge", false, text), 0);
    ck_assert_uint_eq(fake.inspects, 7);
    ck_assert_int_eq(inspect("2", false, text), 0); /* not driven out by what cannot be kept */
    ck_assert_uint_eq(fake.inspects, 7);
    close_mirror();
}
END_TEST

START_TEST(bodies_nobody_asks_for_are_dropped)
{
    open_listed();
    ck_inspect("1", false, "1 0");
    ck_inspect("2", false, "2 0");
    int64_t asked_ms = berth_clock_monotonic_ms();
    fake.sink->alive(fake.sink->ctx, LISTED);
    ck_assert_uint_eq(berth_pmap_count(mirror->inspect.entries), 2);
    while (berth_clock_monotonic_ms() <= asked_ms + 1)
        (void)sched_yield();
    ck_inspect("1", false, "1 0");
    berth_inspect_cache_expire(&mirror->inspect, asked_ms + 1 + BERTH_INSPECT_KEEP_MS);
    ck_assert_uint_eq(berth_pmap_count(mirror->inspect.entries), 1);
    fake.version = 1;
    ck_inspect("1", false, "1 0");
    ck_inspect("2", false, "2 1");
    berth_inspect_cache_expire(&mirror->inspect, INT64_MAX);
    ck_assert_uint_eq(berth_pmap_count(mirror->inspect.entries), 0);
    ck_assert_uint_eq(mirror->inspect.bytes, 0);
    close_mirror();
}
END_TEST

struct asker {
    pthread_t thread;
    int status;
    atomic_bool is_back;
    char text[64];
};

static void *ask_for_one(void *arg)
{
    struct asker *asker = arg;
    asker->status = inspect("1", false, asker->text);
    asker->is_back = true;
    return NULL;
}

static void start_askers(struct asker *askers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(
            berth_thread_start(&askers[i].thread, "asker", ask_for_one, &askers[i], NULL), 0);
}

static void await_waiting(unsigned count)
{
    for (;;) {
        BERTH_LOCK_SCOPE(guard, &mirror->inspect.lock);
        if (mirror->inspect.waiting == count)
            return;
        (void)sched_yield();
    }
}

static void await_back(const struct asker *askers, size_t count, size_t wanted)
{
    for (size_t back = 0; back < wanted;) {
        (void)sched_yield();
        back = 0;
        for (size_t i = 0; i < count; i++)
            back += askers[i].is_back;
    }
}

START_TEST(a_hundred_askers_cost_one_question)
{
    open_listed();
    fake.head.max_inflight = 100;
    static struct asker askers[100];
    fake_hold_inspect(&fake, true);
    start_askers(askers, 100);
    await_waiting(99);
    fake_hold_inspect(&fake, false);
    for (size_t i = 0; i < 100; i++) {
        (void)pthread_join(askers[i].thread, NULL);
        ck_assert_str_eq(askers[i].text, "1 0");
    }
    ck_assert_uint_eq(fake.inspects, 1);
    close_mirror();
}
END_TEST

START_TEST(a_failure_is_everybodys)
{
    open_listed();
    static struct asker askers[10];
    fake_hold_inspect(&fake, true);
    fake.inspect_fails = BERTH_E_TIMEOUT;
    start_askers(askers, 10);
    await_waiting(9);
    fake_hold_inspect(&fake, false);
    for (size_t i = 0; i < 10; i++) {
        (void)pthread_join(askers[i].thread, NULL);
        ck_assert_int_eq(askers[i].status, BERTH_E_TIMEOUT);
    }
    ck_assert_uint_eq(fake.inspects, 1);
    close_mirror();
}
END_TEST

START_TEST(a_hung_engine_holds_max_inflight_askers)
{
    open_listed();
    fake.head.max_inflight = 3;
    static struct asker askers[10];
    fake_hold_inspect(&fake, true);
    start_askers(askers, 10);
    await_back(askers, 10, 6); /* out of patience, each in its time */
    await_waiting(3);
    fake_hold_inspect(&fake, false);
    size_t busy = 0;
    for (size_t i = 0; i < 10; i++) {
        (void)pthread_join(askers[i].thread, NULL);
        if (askers[i].status == BERTH_E_BUSY)
            busy++;
        else
            ck_assert_int_eq(askers[i].status, 0);
    }
    ck_assert_uint_eq(busy, 6);
    close_mirror();
}
END_TEST

START_TEST(a_change_meanwhile_makes_the_answer_old)
{
    open_listed();
    static struct asker early[5];
    fake_hold_inspect(&fake, true);
    start_askers(early, 5);
    fake_await_inspects(&fake, 1);
    await_waiting(4);
    fake.version = 1;
    fake.sink->changed(fake.sink->ctx, "1", BERTH_APP_PAUSED, LISTED);
    static struct asker late[5];
    start_askers(late, 5);
    fake_await_inspects(&fake, 2);
    await_waiting(8);
    fake_hold_inspect(&fake, false);
    for (size_t i = 0; i < 5; i++) {
        (void)pthread_join(early[i].thread, NULL);
        ck_assert_str_eq(early[i].text, "1 0");
        (void)pthread_join(late[i].thread, NULL);
        ck_assert_str_eq(late[i].text, "1 1");
    }
    ck_inspect("1", false, "1 1");
    ck_assert_uint_eq(fake.inspects, 2);
    close_mirror();
}
END_TEST

START_TEST(an_answer_that_is_old_is_not_kept)
{
    open_listed();
    static struct asker early;
    fake_hold_inspect(&fake, true);
    start_askers(&early, 1);
    fake_await_inspects(&fake, 1);
    fake.version = 1;
    fake.sink->changed(fake.sink->ctx, "1", BERTH_APP_PAUSED, LISTED);
    fake_hold_inspect(&fake, false);
    (void)pthread_join(early.thread, NULL);
    ck_assert_str_eq(early.text, "1 0");
    ck_inspect("1", false, "1 1");
    close_mirror();
}
END_TEST

START_TEST(an_answer_does_not_replace_one_asked_for_later)
{
    open_listed();
    static struct asker early;
    fake_hold_inspect(&fake, true);
    start_askers(&early, 1);
    fake_await_inspects(&fake, 1);
    fake.hold_version = 0;
    fake.version = 1;
    ck_inspect("1", true, "1 1");
    fake_hold_inspect(&fake, false);
    (void)pthread_join(early.thread, NULL);
    ck_assert_str_eq(early.text, "1 0");
    ck_inspect("1", false, "1 1");
    ck_assert_uint_eq(fake.inspects, 2);
    close_mirror();
}
END_TEST

UNIT_SUITE("mirror_inspect", a_body_is_kept_until_the_app_changes,
           nothing_is_kept_over_a_loss_of_contact, a_failure_is_not_kept,
           bodies_are_bounded_in_bytes, bodies_nobody_asks_for_are_dropped,
           a_hundred_askers_cost_one_question, a_failure_is_everybodys,
           a_hung_engine_holds_max_inflight_askers, a_change_meanwhile_makes_the_answer_old,
           an_answer_that_is_old_is_not_kept, an_answer_does_not_replace_one_asked_for_later)
