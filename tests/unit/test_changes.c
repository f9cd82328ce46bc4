/* SPDX-License-Identifier: MIT */
#include "facilities/changes.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#include <string.h>

#define BATCH 64
#define LONG  30000 /* ms: longer than any test waits */

static struct berth_changes *changes;

static void open_changes(void)
{
    ck_assert_int_eq(berth_changes_new(&changes, NULL), 0);
}

static void close_changes(void)
{
    berth_changes_free(changes);
}

/* Adds what tells of nothing but its number, and tells of it. */
static void tell(uint64_t sequence)
{
    berth_changes_add_listed(changes, sequence);
    berth_changes_told(changes, sequence);
}

/* Reads at most size changes after *sequence without waiting; the status, or how many came. Each
 * is the one after the one before, beginning after *sequence. */
static int read_now(uint64_t *sequence, size_t size)
{
    struct berth_change *items[BATCH];
    uint64_t last = *sequence;
    size_t count = 0;
    int r = berth_changes_read(changes, sequence, items, size, 0, &count, NULL);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(items[i]->sequence, ++last);
        berth_change_unref(items[i]);
    }
    return (int)count;
}

START_TEST(changes_are_read_in_order_and_in_pieces)
{
    open_changes();
    for (uint64_t n = 1; n <= 100; n++)
        tell(n);
    uint64_t at = 0;
    ck_assert_int_eq(read_now(&at, BATCH), BATCH);
    ck_assert_uint_eq(at, BATCH);
    ck_assert_int_eq(read_now(&at, BATCH), 100 - BATCH);
    ck_assert_int_eq(read_now(&at, BATCH), 0);
    ck_assert_uint_eq(at, 100);
    uint64_t middle = 40; /* another reader, elsewhere */
    ck_assert_int_eq(read_now(&middle, 1), 1);
    ck_assert_uint_eq(middle, 41);
    close_changes();
}
END_TEST

START_TEST(what_is_not_told_is_not_read)
{
    open_changes();
    uint64_t at = 0;
    berth_changes_add_listed(changes, 1);
    berth_changes_add_listed(changes, 2);
    ck_assert_int_eq(read_now(&at, BATCH), 0);
    ck_assert_uint_eq(at, 0);
    ck_assert(!berth_changes_hold(changes, 1));
    berth_changes_told(changes, 2);
    ck_assert_int_eq(read_now(&at, BATCH), 2);
    berth_changes_told(changes, 7); /* numbers without items move the reader on */
    ck_assert_int_eq(read_now(&at, BATCH), 0);
    ck_assert_uint_eq(at, 7);
    ck_assert_uint_eq(berth_changes_end(changes), 7);
    close_changes();
}
END_TEST

START_TEST(the_newest_are_kept_up_to_the_bound)
{
    open_changes();
    for (uint64_t n = 1; n <= BERTH_CHANGES_KEPT; n++)
        tell(n);
    uint64_t at = 0;
    ck_assert(berth_changes_hold(changes, 0));
    ck_assert_int_eq(read_now(&at, 1), 1);
    tell(BERTH_CHANGES_KEPT + 1);
    at = 0;
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_change *item;
    size_t count;
    ck_assert(!berth_changes_hold(changes, 0));
    ck_assert_int_eq(berth_changes_read(changes, &at, &item, 1, 0, &count, &err),
                     BERTH_E_NOT_FOUND);
    ck_assert_str_eq(err.message, "more than 4096 changes behind");
    ck_assert(berth_changes_hold(changes, 1));
    at = 1;
    uint64_t read = 0;
    for (int r = 1; r > 0; read += (uint64_t)r)
        ck_assert_int_ge(r = read_now(&at, BATCH), 0);
    ck_assert_uint_eq(read, BERTH_CHANGES_KEPT);
    ck_assert(berth_changes_hold(changes, BERTH_CHANGES_KEPT + 1));
    ck_assert(!berth_changes_hold(changes, BERTH_CHANGES_KEPT + 2)); /* of the future */
    close_changes();
}
END_TEST

START_TEST(an_item_outlives_the_ring)
{
    open_changes();
    tell(1);
    struct berth_change *item;
    uint64_t at = 0;
    size_t count;
    ck_assert_int_eq(berth_changes_read(changes, &at, &item, 1, 0, &count, NULL), 0);
    for (uint64_t n = 2; n <= BERTH_CHANGES_KEPT + 2; n++)
        tell(n);
    ck_assert_uint_eq(item->sequence, 1);
    close_changes();
    ck_assert_int_eq(item->kind, BERTH_CHANGE_LISTED);
    berth_change_unref(item);
}
END_TEST

START_TEST(items_hold_what_they_are_about)
{
    open_changes();
    const struct berth_app fields = {.id = "1", .name = "demo--ana", .user = "ana"};
    char image[] = "demo";
    struct berth_approval request = {.id = 3, .image = image, .percent = 40};
    struct berth_app *app;
    ck_assert_int_eq(berth_app_new(&fields, &app, NULL), 0);
    berth_changes_add_app(changes, 1, NULL, app);
    berth_app_unref(app);
    berth_changes_add_request(changes, 2, &request, true);
    berth_changes_add_lost(changes, 3, "it is silent");
    berth_changes_told(changes, 3);
    image[0] = 'x';
    struct berth_change *items[BATCH];
    uint64_t at = 0;
    size_t count;
    ck_assert_int_eq(berth_changes_read(changes, &at, items, BATCH, 0, &count, NULL), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_ptr_null(items[0]->before);
    ck_assert_str_eq(items[0]->after->name, "demo--ana");
    ck_assert_str_eq(items[1]->request.image, "demo");
    ck_assert_int_eq(items[1]->request.percent, 40);
    ck_assert(items[1]->was_approved);
    ck_assert_str_eq(items[2]->reason, "it is silent");
    for (size_t i = 0; i < count; i++)
        berth_change_unref(items[i]);
    close_changes();
}
END_TEST

/* ---- Waiting ---- */

struct reader {
    _Atomic pid_t tid;
    int result;
    size_t count;
    uint64_t at;
};

static void *wait_for_news(void *arg)
{
    struct reader *reader = arg;
    struct berth_change *item = NULL;
    reader->tid = gettid();
    reader->result = berth_changes_read(changes, &reader->at, &item, 1,
                                        berth_clock_monotonic_ms() + LONG, &reader->count, NULL);
    berth_change_unref(item);
    return NULL;
}

static void *await_the_fifth(void *arg)
{
    struct reader *reader = arg;
    reader->tid = gettid();
    reader->result = berth_changes_await(changes, 5, NULL);
    return NULL;
}

static pthread_t start_asleep(void *(*run)(void *), struct reader *reader)
{
    pthread_t thread;
    ck_assert_int_eq(berth_thread_start(&thread, "reader", run, reader, NULL), 0);
    unit_wait_asleep(&reader->tid);
    return thread;
}

START_TEST(who_waits_is_woken_by_news)
{
    open_changes();
    struct reader reader = {0};
    pthread_t thread = start_asleep(wait_for_news, &reader);
    tell(1);
    (void)pthread_join(thread, NULL);
    ck_assert_int_eq(reader.result, 0);
    ck_assert_uint_eq(reader.count, 1);
    ck_assert_uint_eq(reader.at, 1);
    close_changes();
}
END_TEST

START_TEST(who_waits_for_a_number_waits_until_it_is_told)
{
    open_changes();
    struct reader reader = {.result = 1};
    pthread_t thread = start_asleep(await_the_fifth, &reader);
    tell(4);
    unit_wait_asleep(&reader.tid);
    ck_assert_int_eq(reader.result, 1);
    tell(5);
    (void)pthread_join(thread, NULL);
    ck_assert_int_eq(reader.result, 0);
    close_changes();
}
END_TEST

START_TEST(closing_ends_all_waiting_now_and_later)
{
    open_changes();
    struct reader reader = {0};
    struct reader other = {0};
    pthread_t thread = start_asleep(wait_for_news, &reader);
    pthread_t second = start_asleep(await_the_fifth, &other);
    berth_changes_close(changes, "it is over");
    berth_changes_close(changes, "over again");
    (void)pthread_join(thread, NULL);
    (void)pthread_join(second, NULL);
    ck_assert_int_eq(reader.result, BERTH_E_CANCELLED);
    ck_assert_int_eq(other.result, BERTH_E_CANCELLED);
    tell(1);
    struct berth_error err = BERTH_ERROR_INIT;
    uint64_t at = 0;
    ck_assert_int_eq(read_now(&at, 1), BERTH_E_CANCELLED);
    struct berth_changes_place place = {.user = ""};
    ck_assert_int_eq(berth_changes_join(changes, &place, 1, 1, NULL), BERTH_E_CANCELLED);
    ck_assert_int_eq(berth_changes_check(changes, &err), BERTH_E_CANCELLED);
    ck_assert_str_eq(err.message, "it is over");
    close_changes();
}
END_TEST

/* ---- Bounds ---- */

START_TEST(so_many_may_watch_and_no_more)
{
    open_changes();
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_changes_place ana[3] = {{.user = "ana"}, {.user = "ana"}, {.user = "ana"}};
    struct berth_changes_place bob[2] = {{.user = "bob"}, {.user = "bob"}};
    ck_assert_int_eq(berth_changes_join(changes, &ana[0], 3, 2, NULL), 0);
    ck_assert_int_eq(berth_changes_join(changes, &ana[1], 3, 2, NULL), 0);
    ck_assert_int_eq(berth_changes_join(changes, &ana[2], 3, 2, &err), BERTH_E_BUSY);
    ck_assert_str_eq(err.message, "you have 2 long answers under way, the most that may be");
    ck_assert_uint_eq(err.retry_after_s, BERTH_WATCH_RETRY_AFTER_S);
    ck_assert_int_eq(berth_changes_join(changes, &bob[0], 3, 2, NULL), 0);
    ck_assert_int_eq(berth_changes_join(changes, &bob[1], 3, 2, &err), BERTH_E_BUSY);
    ck_assert_str_eq(err.message,
                     "this facility has 3 long answers under way, the most that may be");
    berth_changes_leave(changes, &ana[0]);
    ck_assert_int_eq(berth_changes_join(changes, &ana[2], 3, 2, NULL), 0);
    close_changes();
}
END_TEST

START_TEST(what_there_is_no_memory_for_is_not_passed_over)
{
    for (size_t n = 0;; n++) {
        open_changes();
        tell(1);
        unit_alloc_fail_after(n);
        berth_changes_add_lost(changes, 2, "it is silent");
        bool failed = unit_alloc_restore();
        berth_changes_told(changes, 2);
        tell(3);
        uint64_t at = 1;
        int r = read_now(&at, BATCH);
        uint64_t later = 2;
        ck_assert_int_eq(read_now(&later, BATCH), 1);
        close_changes();
        ck_assert_int_eq(r, failed ? BERTH_E_NOT_FOUND : 2);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("changes", changes_are_read_in_order_and_in_pieces, what_is_not_told_is_not_read,
           the_newest_are_kept_up_to_the_bound, an_item_outlives_the_ring,
           items_hold_what_they_are_about, who_waits_is_woken_by_news,
           who_waits_for_a_number_waits_until_it_is_told, closing_ends_all_waiting_now_and_later,
           so_many_may_watch_and_no_more, what_there_is_no_memory_for_is_not_passed_over)
