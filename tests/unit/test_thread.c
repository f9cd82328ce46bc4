/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include "base/clock.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

struct seen {
    char name[16];
    size_t stack_bytes;
    bool blocked;
    pthread_barrier_t named;
};

static void *look_around(void *arg)
{
    struct seen *seen = arg;
    pthread_attr_t attr;
    (void)pthread_barrier_wait(&seen->named);
    (void)pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    (void)pthread_getattr_np(pthread_self(), &attr);
    (void)pthread_attr_getstacksize(&attr, &seen->stack_bytes);
    (void)pthread_attr_destroy(&attr);
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
    return seen;
}

START_TEST(a_thread_has_its_name_stack_and_mask)
{
    struct seen seen = {.blocked = false};
    ck_assert_int_eq(pthread_barrier_init(&seen.named, NULL, 2), 0);
    pthread_t thread;
    ck_assert_int_eq(berth_thread_start(&thread, "berth-fifteen-x", look_around, &seen, NULL), 0);
    (void)pthread_barrier_wait(&seen.named);
    void *result;
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    (void)pthread_barrier_destroy(&seen.named);
    ck_assert_ptr_eq(result, &seen);
    ck_assert_str_eq(seen.name, "berth-fifteen-x");
    ck_assert_uint_ge(seen.stack_bytes, 256 << 10);
    ck_assert_uint_le(seen.stack_bytes, 1 << 20); /* sanitizers add to it */
    ck_assert(seen.blocked);

    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGTERM), 0);
}
END_TEST

static void add_in_scope(pthread_mutex_t *mutex, int *value)
{
    BERTH_LOCK_SCOPE(lock, mutex);
    ck_assert_int_ne(pthread_mutex_trylock(mutex), 0);
    (*value)++;
}

START_TEST(a_scope_holds_its_lock)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int value = 0;
    add_in_scope(&mutex, &value);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(value, 1);
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    berth_cond_init(&cond);
    BERTH_LOCK_SCOPE(lock, &mutex);
    int64_t deadline_ms = berth_clock_monotonic_ms() + 20;
    while (berth_cond_wait_until(&cond, &mutex, deadline_ms))
        continue;
    ck_assert_int_ge(berth_clock_monotonic_ms(), deadline_ms);
    ck_assert(!berth_cond_wait_until(&cond, &mutex, 0));
    ck_assert(!berth_cond_wait_until(&cond, &mutex, -1));
}
END_TEST

struct box {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool full;
};

static void *fill_box(void *arg)
{
    struct box *box = arg;
    BERTH_LOCK_SCOPE(lock, &box->mutex);
    box->full = true;
    (void)pthread_cond_signal(&box->cond);
    return NULL;
}

START_TEST(a_signal_ends_a_wait)
{
    struct box box = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    berth_cond_init(&box.cond);
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    pthread_t thread;
    {
        BERTH_LOCK_SCOPE(lock, &box.mutex);
        ck_assert_int_eq(berth_thread_start(&thread, "fill", fill_box, &box, NULL), 0);
        while (!box.full)
            ck_assert(berth_cond_wait_until(&box.cond, &box.mutex, deadline_ms));
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

struct tally {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    unsigned inside;
    unsigned most_inside;
    unsigned wanted_inside; /* the first tasks wait for so many, then a moment for one too many */
    bool left;
    unsigned char done[1000];
};

/* The lock is held. Ends early once a task has left. */
static void wait_inside(struct tally *tally, unsigned wanted, int64_t timeout_ms)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + timeout_ms;
    while (tally->inside < wanted && !tally->left &&
           berth_cond_wait_until(&tally->cond, &tally->mutex, deadline_ms))
        continue;
}

static void tally_task(void *ctx, size_t i)
{
    struct tally *tally = ctx;
    BERTH_LOCK_SCOPE(lock, &tally->mutex);
    tally->done[i]++;
    if (++tally->inside > tally->most_inside)
        tally->most_inside = tally->inside;
    (void)pthread_cond_broadcast(&tally->cond);
    wait_inside(tally, tally->wanted_inside, 10000);
    wait_inside(tally, tally->wanted_inside + 1, 20);
    tally->left = true;
    tally->inside--;
}

START_TEST(a_parallel_loop_runs_each_task_once)
{
    static const struct {
        const char *name;
        size_t count;
        unsigned width;
        unsigned expected_inside;
    } rows[] = {
        {"nothing", 0, 4, 0},
        {"one", 1, 4, 1},
        {"alone", 10, 1, 1},
        {"fewer tasks than threads", 3, 8, 3},
        {"more tasks than threads", 1000, 4, 4},
        {"widest", 200, 64, 64},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct tally tally = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                              .wanted_inside = rows[i].expected_inside};
        berth_cond_init(&tally.cond);
        berth_parallel_for(rows[i].count, rows[i].width, tally_task, &tally);
        for (size_t n = 0; n < UNIT_COUNT(tally.done); n++)
            ck_assert_msg(tally.done[n] == (n < rows[i].count), "%s: task %zu", rows[i].name, n);
        ck_assert_msg(tally.most_inside == rows[i].expected_inside, "%s: %u inside", rows[i].name,
                      tally.most_inside);
    }
}
END_TEST

UNIT_SUITE("thread", a_thread_has_its_name_stack_and_mask, a_scope_holds_its_lock,
           a_wait_ends_at_its_deadline, a_signal_ends_a_wait, a_parallel_loop_runs_each_task_once)
