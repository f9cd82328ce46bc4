/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define THREAD_STACK_BYTES (256U << 10)
#define PARALLEL_WIDTH_MAX 64

static int create_thread(pthread_t *ret_thread, pthread_attr_t *attr, void *(*run)(void *),
                         void *arg)
{
    sigset_t all;
    (void)sigfillset(&all);
    int errnum = pthread_attr_setstacksize(attr, THREAD_STACK_BYTES);
    if (errnum == 0)
        errnum = pthread_attr_setsigmask_np(attr, &all);
    if (errnum == 0)
        errnum = pthread_create(ret_thread, attr, run, arg);
    return errnum;
}

int berth_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg,
                       struct berth_error *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    int errnum = pthread_attr_init(&attr);
    if (errnum == 0) {
        errnum = create_thread(&thread, &attr, run, arg);
        (void)pthread_attr_destroy(&attr);
    }
    if (errnum != 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errnum, "thread %s could not start",
                                     name);
    (void)pthread_setname_np(thread, name); /* for ps and debuggers: not worth failing */
    *ret_thread = thread;
    return 0;
}

void berth_rwlock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    (void)pthread_rwlockattr_init(&attr);
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(lock, &attr);
    (void)pthread_rwlockattr_destroy(&attr);
}

void berth_thread_block_signals(sigset_t *ret_signals)
{
    (void)sigemptyset(ret_signals);
    (void)sigaddset(ret_signals, SIGTERM);
    (void)sigaddset(ret_signals, SIGINT);
    (void)sigaddset(ret_signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

void berth_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

bool berth_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
    if (deadline_ms < 0)
        deadline_ms = 0;
    const struct timespec deadline = {
        .tv_sec = deadline_ms / 1000,
        .tv_nsec = deadline_ms % 1000 * 1000000,
    };
    return pthread_cond_timedwait(cond, mutex, &deadline) == 0;
}

struct parallel {
    void (*task)(void *ctx, size_t i);
    void *ctx;
    size_t count;
    atomic_size_t next;
};

static void *run_tasks(void *arg)
{
    struct parallel *work = arg;
    for (;;) {
        size_t i = atomic_fetch_add(&work->next, 1);
        if (i >= work->count)
            return NULL;
        work->task(work->ctx, i);
    }
}

void berth_parallel_for(size_t count, unsigned width, void (*task)(void *ctx, size_t i), void *ctx)
{
    struct parallel work = {.task = task, .ctx = ctx, .count = count};
    pthread_t threads[PARALLEL_WIDTH_MAX - 1];
    size_t started = 0;
    while (started < PARALLEL_WIDTH_MAX - 1 && started + 1 < width && started + 1 < count &&
           berth_thread_start(&threads[started], "berth-parallel", run_tasks, &work, NULL) == 0)
        started++;
    (void)run_tasks(&work);
    while (started > 0)
        (void)pthread_join(threads[--started], NULL);
}
