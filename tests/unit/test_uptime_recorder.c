/* SPDX-License-Identifier: MIT */
/* What is written when, what is kept when nothing can be, and what is deleted. */
#include "base/clock.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"
#include "tests/unit/uptime_fixture.h"

#include <string.h>

static bool is_known(const char *app)
{
    bool known;
    ck_assert_int_eq(berth_uptime_known(uptime, "demo", app, &known, NULL), 0);
    return known;
}

START_TEST(apps_are_known_while_their_spans_are_kept)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS;
    observe("present--ana", BERTH_APP_EXITED, now_ms - AT(72, 0, 0));
    alive(now_ms);
    observe("gone--ana", BERTH_APP_RUNNING, now_ms - AT(12, 0, 0));
    gone("gone--ana", now_ms - AT(11, 0, 0));
    observe("old--ana", BERTH_APP_RUNNING, now_ms - AT(72, 0, 0));
    gone("old--ana", now_ms - AT(25, 0, 0));
    observe("twice--ana", BERTH_APP_RUNNING, now_ms - AT(72, 0, 0));
    observe("twice--ana", BERTH_APP_EXITED, now_ms - AT(48, 0, 0));
    gone("twice--ana", now_ms - AT(11, 0, 0));
    ck_assert(is_known("present--ana"));
    ck_assert(is_known("gone--ana"));
    ck_assert(is_known("old--ana"));
    ck_assert(!is_known("never--ana"));
    close_recorder();
    open_recorder(600, 1);
    ck_assert(is_known("present--ana"));
    ck_assert(is_known("gone--ana"));
    ck_assert(is_known("twice--ana"));
    ck_assert(!is_known("old--ana"));
    tear_down();
}
END_TEST

START_TEST(spans_past_the_retention_are_deleted)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS;
    char app[32];
    /* More than two batches of them. */
    for (int i = 0; i < 2 * BERTH_UPTIME_PURGE_ROWS + 10; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_RUNNING, now_ms - AT(72, 0, 0));
        observe(app, BERTH_APP_EXITED, now_ms - AT(48, 0, 0) + i);
    }
    alive(now_ms);
    close_recorder();
    open_recorder(600, 36500);
    ck_assert_int_eq(count_beside("SELECT count(*) FROM uptime_span"),
                     2 * (2 * BERTH_UPTIME_PURGE_ROWS + 10));
    close_recorder();
    open_recorder(600, 1);
    while (count_beside("SELECT count(*) FROM uptime_span WHERE state = 'running'") > 0)
        nap();
    ck_assert_int_eq(count_beside("SELECT count(*) FROM uptime_span"),
                     2 * BERTH_UPTIME_PURGE_ROWS + 10);
    tear_down();
}
END_TEST

#define WATERMARK "SELECT coalesce(max(at_ms), 0) FROM uptime_watermark"

START_TEST(a_watermark_is_written_with_every_sample)
{
    set_up();
    open_recorder(1, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    alive(day_ms);
    while (count_beside(WATERMARK) == 0) /* where it is as it was opened */
        nap();
    ck_assert_int_eq(count_beside(WATERMARK), day_ms);
    alive(day_ms + 500);
    alive(day_ms + 400);
    while (count_beside("SELECT at_ms FROM uptime_watermark") == day_ms)
        nap();
    ck_assert_int_eq(count_beside("SELECT at_ms FROM uptime_watermark"), day_ms + 500);

    /* It never turns back, and an open span does not end before it begins. */
    run_beside("INSERT INTO uptime_span (facility, app, state, from_ms)"
               " VALUES ('demo', 'app--ana', 'running', 1787219200000)");
    close_recorder();
    open_recorder(1, 36500);
    alive(day_ms - 1000);
    while (count_beside("SELECT count(*) FROM uptime_span WHERE to_ms IS NULL") > 0)
        nap();
    if (!unit_store_server()) /* else another gateway saw it at one moment, which says nothing */
        ck_assert_int_eq(count_beside("SELECT to_ms FROM uptime_span"), 1787219200000);
    close_recorder();
    open_recorder(1, 36500);
    ck_assert_int_eq(count_beside("SELECT at_ms FROM uptime_watermark"), day_ms + 500);
    tear_down();
}
END_TEST

START_TEST(a_watermark_waits_for_the_changes_before_it)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    refuse_spans(REFUSE_ALL); /* until all are in the queue, however long that takes */
    char app[32];
    for (int i = 0; i < BERTH_UPTIME_BATCH + 10; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_RUNNING, day_ms);
    }
    observe("last--ana", BERTH_APP_RUNNING, day_ms);
    alive(day_ms + 1000);
    refuse_spans(REFUSE_LAST);
    take_spans(REFUSE_ALL);
    while (count_beside("SELECT count(*) FROM uptime_span") < BERTH_UPTIME_BATCH)
        nap();
    ck_assert_int_eq(count_beside(WATERMARK), 0);
    take_spans(REFUSE_LAST);
    while (count_beside("SELECT count(*) FROM uptime_span") < BERTH_UPTIME_BATCH + 11)
        nap();
    ck_assert_int_eq(count_beside(WATERMARK), day_ms + 1000);
    tear_down();
}
END_TEST

START_TEST(a_watermark_is_not_written_with_others_changes)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    observe("app--ana", BERTH_APP_RUNNING, day_ms);
    free(summarise("demo", "app--ana", BERTH_UPTIME_HOUR, day_ms));
    alive(day_ms + 1000);
    berth_uptime_observe(uptime, "other", "app--ana", BERTH_APP_RUNNING, day_ms * BERTH_NS_PER_MS);
    free(summarise("other", "app--ana", BERTH_UPTIME_HOUR, day_ms));
    ck_assert_int_eq(count_beside(WATERMARK), day_ms);
    tear_down();
}
END_TEST

START_TEST(a_summary_does_not_linger)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    int64_t fastest_ms = INT64_MAX;
    for (int i = 0; i < 100 && fastest_ms >= BERTH_UPTIME_LINGER_MS - 10; i++) {
        observe("app--ana", i % 2 ? BERTH_APP_EXITED : BERTH_APP_RUNNING, day_ms + i);
        int64_t begin_ms = berth_clock_monotonic_ms();
        free(summarise("demo", "app--ana", BERTH_UPTIME_HOUR, day_ms));
        int64_t spent_ms = berth_clock_monotonic_ms() - begin_ms;
        fastest_ms = spent_ms < fastest_ms ? spent_ms : fastest_ms;
    }
    ck_assert_int_lt(fastest_ms, BERTH_UPTIME_LINGER_MS - 10);
    tear_down();
}
END_TEST

START_TEST(rows_grow_with_changes_alone)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    for (int64_t at_ms = 0; at_ms < AT(20, 0, 0); at_ms += AT(0, 1, 0)) {
        observe("app--ana", BERTH_APP_RUNNING, day_ms + at_ms);
        alive(day_ms + at_ms);
    }
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(20, 0, 0));
    observe("app--ana", BERTH_APP_PAUSED, day_ms + AT(20, 0, 0)); /* no length before it */
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(20, 0, 5));
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(20, 0, 0)); /* nor before this */
    free(summarise("demo", "app--ana", BERTH_UPTIME_HOUR, day_ms));
    ck_assert_int_eq(count_beside("SELECT count(*) FROM uptime_span"), 2);
    ck_assert_int_eq(count_beside("SELECT count(*) FROM uptime_watermark"), 1);
    tear_down();
}
END_TEST

/* The recorder knows of a success only a moment after the store shows it. */
static bool is_failing(void)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    return uptime->failing;
}

START_TEST(what_cannot_be_written_is_kept_and_written_later)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    int64_t now_ms = day_ms + AT(10, 45, 0);
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    alive(day_ms + AT(10, 15, 0));
    ck_summary("before", "app--ana", BERTH_UPTIME_DAY, now_ms, "12:00:00+ 12:10:00+");
    refuse_spans(REFUSE_ALL);
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 25, 0));
    alive(now_ms);
    /* Until then only what is written is said, and nothing of it that may have ended. */
    ck_summary("while it cannot", "app--ana", BERTH_UPTIME_DAY, now_ms, "12:00:00+ 12:10:00+");
    int64_t asked_ms = berth_clock_monotonic_ms();
    ck_assert(!is_known("new--ana"));
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 25, 0));
    ck_assert(is_known("new--ana"));
    ck_summary("again", "app--ana", BERTH_UPTIME_DAY, now_ms, "12:00:00+ 12:10:00+");
    ck_assert_int_lt(berth_clock_monotonic_ms() - asked_ms, PATIENCE_MS);
    take_spans(REFUSE_ALL);
    while (count_beside("SELECT count(*) FROM uptime_span") < 4 || is_failing())
        nap();
    ck_summary("after", "app--ana", BERTH_UPTIME_DAY, now_ms,
               "12:00:00+ 12:10:00+ 12:15:00- 12:20:00- 12:25:00+ 12:30:00+ 12:40:00+");
    tear_down();
}
END_TEST

static size_t count_behind(void)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    return berth_uptime_find(uptime, "demo")->behind;
}

#define APPS 100

/* The queue is full: what does not fit is a gap, from the end of what is known to the last state.
 */
START_TEST(past_the_bound_the_present_is_kept)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    char app[32];
    for (int i = 0; i < APPS; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    }
    free(summarise("demo", "app--1", BERTH_UPTIME_DAY, day_ms));
    refuse_spans(REFUSE_ALL);
    for (int i = 0; i < BERTH_UPTIME_QUEUE_MAX; i++) /* of another app, and nothing else fits */
        observe("busy--ana", i % 2 ? BERTH_APP_PAUSED : BERTH_APP_RUNNING, day_ms + i);
    for (int i = 0; i < APPS; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
        if (i % 4 == 1)
            observe(app, BERTH_APP_PAUSED, day_ms + AT(10, 25, 0));
        if (i % 4 == 2)
            gone(app, day_ms + AT(10, 25, 0));
        if (i % 4 != 2)
            observe(app, BERTH_APP_RUNNING, day_ms + AT(10, 35, 0));
    }
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 20, 0));
    alive(day_ms + AT(10, 45, 0));
    ck_assert_uint_eq(uptime->queue_count, BERTH_UPTIME_QUEUE_MAX);
    ck_assert_uint_eq(count_behind(), APPS + 1);
    ck_assert(berth_uptime_find_track(berth_uptime_find(uptime, "demo"), "app--2") != NULL);
    ck_assert_int_eq(count_beside("SELECT at_ms FROM uptime_watermark"), day_ms + AT(10, 0, 0));
    /* What is behind is not in the queue yet when the watermark could be written for the rest. */
    refuse_spans(REFUSE_NEW);
    take_spans(REFUSE_ALL);
    while (count_behind() > 0)
        nap();
    ck_assert_int_eq(count_beside(WATERMARK), day_ms + AT(10, 0, 0));
    take_spans(REFUSE_NEW);
    while (count_beside("SELECT count(*) FROM uptime_span WHERE app = 'new--ana'") == 0 ||
           is_failing())
        nap();
    int64_t now_ms = day_ms + AT(10, 45, 0);
    for (int i = 0; i < APPS; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        ck_summary(app, app, BERTH_UPTIME_DAY, now_ms,
                   i % 4 == 2 ? "12:00:00+ 12:10:00+" : "12:00:00+ 12:10:00+ 12:35:00+ 12:40:00+");
    }
    ck_summary("new", "new--ana", BERTH_UPTIME_DAY, now_ms, "12:20:00+ 12:30:00+ 12:40:00+");
    ck_assert(!berth_uptime_find_track(berth_uptime_find(uptime, "demo"), "app--2"));
    tear_down();
}
END_TEST

START_TEST(lost_while_behind)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    free(summarise("demo", "app--ana", BERTH_UPTIME_DAY, day_ms));
    refuse_spans(REFUSE_ALL);
    for (int i = 0; i < BERTH_UPTIME_QUEUE_MAX; i++)
        observe("busy--ana", i % 2 ? BERTH_APP_PAUSED : BERTH_APP_RUNNING, day_ms + i);
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
    lost(day_ms + AT(10, 25, 0));
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 35, 0));
    ck_assert_uint_eq(count_behind(), 2); /* that and the busy one */
    alive(day_ms + AT(10, 45, 0));
    take_spans(REFUSE_ALL);
    while (count_beside("SELECT count(*) FROM uptime_span WHERE app = 'app--ana'") < 2 ||
           is_failing())
        nap();
    ck_summary("lost", "app--ana", BERTH_UPTIME_DAY, day_ms + AT(10, 45, 0),
               "12:00:00+ 12:10:00+ 12:35:00+ 12:40:00+");
    tear_down();
}
END_TEST

/* ---- Threads ---- */

#define THREADS 4
#define CHANGES 50

static void *change_and_read(void *arg)
{
    char app[32];
    (void)snprintf(app, sizeof(app), "app--%zu", (size_t)(uintptr_t)arg);
    int64_t day_ms = JUNE_20 * 1000;
    for (int i = 0; i < CHANGES; i++) {
        int64_t at_ms = day_ms + AT(0, i, 0);
        observe(app, i % 2 ? BERTH_APP_EXITED : BERTH_APP_RUNNING, at_ms);
        if (i % 10 == 0)
            alive(at_ms);
        BERTH_CLEANUP(free) char *text = summarise("demo", app, BERTH_UPTIME_DAY, at_ms);
        /* All before is there: one sample a minute. */
        ck_assert_uint_eq((strlen(text) + 1) / strlen("02:00:00+ "), (size_t)i + 1);
    }
    return NULL;
}

START_TEST(a_summary_sees_all_that_was_observed_before)
{
    set_up();
    open_recorder(86400, 36500);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "observer", change_and_read,
                                            (void *)(uintptr_t)i, NULL),
                         0);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    tear_down();
}
END_TEST

START_TEST(without_memory_a_change_is_recorded_later)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    alive(day_ms + AT(10, 35, 0));
    free(summarise("demo", "app--ana", BERTH_UPTIME_DAY, day_ms));
    unit_alloc_fail_after(0);
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
    ck_assert(unit_alloc_restore());
    ck_summary("one change", "app--ana", BERTH_UPTIME_DAY, day_ms + AT(10, 35, 0),
               "12:00:00+ 12:10:00+ 12:15:00- 12:20:00- 12:30:00-");
    unit_alloc_fail_after(0);
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 25, 0));
    ck_assert(unit_alloc_restore());
    while (count_beside("SELECT count(*) FROM uptime_span") < 3) /* though nobody asks */
        nap();
    unit_alloc_fail_after(0);
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 30, 0));
    ck_assert(unit_alloc_restore());
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 35, 0));
    ck_summary("a new app", "new--ana", BERTH_UPTIME_DAY, day_ms + AT(10, 45, 0), "12:35:00+");
    tear_down();
}
END_TEST

/* ---- Size ---- */

#define MANY 10000

/* 10,000 apps with 20 spans each, of which one changes its state every ten minutes of a month. */
START_TEST(a_month_of_many)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = JUNE_20 * 1000;
    add_spans(0, MANY / 2 - 1, 20, now_ms);
    add_spans(MANY / 2, MANY / 2, 4464, now_ms);
    add_spans(MANY / 2 + 1, MANY - 1, 20, now_ms);
    static const int apps[] = {17, MANY / 2};
    for (size_t i = 0; i < UNIT_COUNT(apps); i++) {
        char app[32];
        (void)snprintf(app, sizeof(app), "app--%d", apps[i]);
        int64_t best_ns = INT64_MAX;
        size_t bytes = 0;
        for (int round = 0; round < 5; round++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(64U << 20);
            int64_t begin_ns = berth_clock_monotonic_ns();
            ck_assert_int_eq(berth_uptime_summary(uptime, "demo", app, BERTH_UPTIME_MONTH,
                                                  now_ms * BERTH_NS_PER_MS, &json, NULL),
                             0);
            int64_t spent_ns = berth_clock_monotonic_ns() - begin_ns;
            best_ns = spent_ns < best_ns ? spent_ns : best_ns;
            bytes = json.len;
        }
        printf("a month of %s among %d apps: %.2f ms, %zu bytes\n", app, MANY,
               (double)best_ns / 1e6, bytes);
    }
    tear_down();
}
END_TEST

UNIT_SUITE("uptime_recorder", apps_are_known_while_their_spans_are_kept,
           spans_past_the_retention_are_deleted, a_watermark_is_written_with_every_sample,
           a_watermark_waits_for_the_changes_before_it,
           a_watermark_is_not_written_with_others_changes, a_summary_does_not_linger,
           rows_grow_with_changes_alone, what_cannot_be_written_is_kept_and_written_later,
           past_the_bound_the_present_is_kept, lost_while_behind,
           a_summary_sees_all_that_was_observed_before, without_memory_a_change_is_recorded_later,
           a_month_of_many)
