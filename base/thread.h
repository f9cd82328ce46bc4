/* SPDX-License-Identifier: MIT */
/*
 * Threads: named start with a bounded stack, a scoped mutex lock, condition
 * variables on the monotonic clock, and a bounded parallel loop.
 *
 * Threading: what it is for.
 */
#ifndef BERTH_BASE_THREAD_H
#define BERTH_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a joinable thread of 256 KiB stack with all signals blocked. name: at most 15 bytes. */
BERTH_MUST_CHECK int berth_thread_start(pthread_t *ret_thread, const char *name,
                                        void *(*run)(void *), void *arg, struct berth_error *err);

/* For a program that waits for its signals (SIGTERM, SIGINT, SIGHUP) on the main thread: blocks
 * them, before any thread is started, which inherits that; ret_signals is for sigwait(). SIGPIPE is
 * ignored. */
void berth_thread_block_signals(sigset_t *ret_signals);

static inline pthread_mutex_t *berth_mutex_lock(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_lock(mutex);
    return mutex;
}

static inline void berth_mutex_unlock(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

BERTH_DEFINE_CLEANUP(mutex, pthread_mutex_t *, berth_mutex_unlock)

/* Holds the mutex until the end of the scope. */
#define BERTH_LOCK_SCOPE(guard, lock)                                                              \
    BERTH_CLEANUP(mutex) pthread_mutex_t *guard = berth_mutex_lock(lock)

/* A lock of many readers whose writers have their turn: by default, readers that never stop keep a
 * writer out for good. A reader must not take it twice. */
void berth_rwlock_init(pthread_rwlock_t *lock);

/* A condition variable for berth_cond_wait_until. */
void berth_cond_init(pthread_cond_t *cond);

/* False when the deadline (monotonic ms) has passed; spurious wake-ups return true. */
bool berth_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

/*
 * Runs task(ctx, i) for i in [0, count) on at most `width` threads at once,
 * the caller's own included; returns when all are done. width 1 to 64. When a
 * thread cannot be started the others do its work.
 */
void berth_parallel_for(size_t count, unsigned width, void (*task)(void *ctx, size_t i), void *ctx);

#endif
