/* SPDX-License-Identifier: MIT */
/*
 * The I/O thread: one thread that carries all long-lived streams of all
 * facilities (events, statistics, logs) and the calls that follow from them.
 * It runs curl's multi interface over epoll, so that a wake-up costs what is
 * ready and not what is open; with nothing to do it sleeps without a timeout.
 *
 * What runs here must never block: callbacks get bytes, keep state, start the
 * next transfer and return. A state machine that lives on the thread needs no
 * locks of its own; other threads reach it by post() and call().
 *
 * Threading: each function says where it may be called. "On the thread" means
 * in a callback of a transfer, timer or task. Whoever waits for the thread
 * (call, and freeing a transfer elsewhere) must hold no lock that a callback
 * takes.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_IO_H
#define BERTH_BACKENDS_ENGINE_ENGINE_IO_H

#include "base/error.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct berth_engine_io;

/* Starts the thread. curl_global_init() is the program's. */
BERTH_MUST_CHECK int berth_engine_io_open(struct berth_engine_io **ret_io, struct berth_error *err);

/* Ends the thread; all transfers are freed and all timers cleared by then. NULL is fine. */
void berth_engine_io_close(struct berth_engine_io *io);
BERTH_DEFINE_CLEANUP(engine_io, struct berth_engine_io *, berth_engine_io_close)

bool berth_engine_io_on_thread(const struct berth_engine_io *io);

/* ---- Functions on the thread ---- */

/* A function to run; embedded in its owner, who keeps it until it ran or was withdrawn. */
struct berth_engine_task {
    void (*run)(void *ctx);
    void *ctx;
    struct berth_engine_task *next; /* private */
    bool queued;                    /* private */
};

/* Runs task soon; nothing more if it is queued already. Any thread, does not wait or allocate. */
void berth_engine_io_post(struct berth_engine_io *io, struct berth_engine_task *task);

/* On the thread: a task that is queued will not run. */
void berth_engine_io_withdraw(struct berth_engine_io *io, struct berth_engine_task *task);

/* Runs run(ctx) on the thread and waits for its end; on the thread itself it just runs. */
void berth_engine_io_call(struct berth_engine_io *io, void (*run)(void *ctx), void *ctx);

/* ---- Timers, on the thread alone ---- */

/* Embedded in its owner, zeroed but for run and ctx; must be clear when the owner is freed. */
struct berth_engine_timer {
    void (*run)(void *ctx); /* the timer is clear by then and may be set again */
    void *ctx;
    int64_t due_ms;                   /* private: CLOCK_MONOTONIC */
    struct berth_engine_timer *child; /* private: pairing heap */
    struct berth_engine_timer *next;
    struct berth_engine_timer **at; /* what points here; NULL: clear */
};

/* Runs once, delay_ms from now (0: in this round); setting it again moves it. Cannot fail. */
void berth_engine_timer_set(struct berth_engine_io *io, struct berth_engine_timer *timer,
                            int64_t delay_ms);
/* Clear timers may be cleared. */
void berth_engine_timer_clear(struct berth_engine_io *io, struct berth_engine_timer *timer);

static inline bool berth_engine_timer_is_set(const struct berth_engine_timer *timer)
{
    return timer->at != NULL;
}

/* ---- Files of others, on the thread alone ---- */

/* Embedded in its owner, zeroed but for fd, run and ctx; must be removed when the owner is freed.
 */
struct berth_engine_file {
    int fd; /* kept open by the owner until it is removed */
    void (*run)(void *ctx);
    void *ctx;
    struct berth_engine_file *next; /* private */
};

/* Runs file->run(ctx) whenever its fd has something to read. */
BERTH_MUST_CHECK int berth_engine_io_add(struct berth_engine_io *io, struct berth_engine_file *file,
                                         struct berth_error *err);
/* One that is not there may be removed. */
void berth_engine_io_remove(struct berth_engine_io *io, struct berth_engine_file *file);

/* ---- Transfers ---- */

struct berth_engine_transfer;

/* Called on the thread. The transfer may be freed in any of them; nothing is called afterwards. */
struct berth_engine_transfer_ops {
    /* The answer's head is complete. */
    void (*head)(void *ctx, long status);
    /* A piece of the body, after head. */
    void (*data)(void *ctx, const char *data, size_t len);
    /* The end. text: curl's words for a failure, "" where it has none. */
    void (*done)(void *ctx, CURLcode code, const char *text);
};

/*
 * Starts the transfer that easy (set up but for its callbacks) describes; easy
 * is taken over, on failure too. ops outlives the transfer. Callbacks come
 * after this function has returned to the thread's loop (another thread may
 * see them before it returns). Any thread. BERTH_E_NOMEM.
 */
BERTH_MUST_CHECK int berth_engine_transfer_start(struct berth_engine_io *io, CURL *easy,
                                                 const struct berth_engine_transfer_ops *ops,
                                                 void *ctx,
                                                 struct berth_engine_transfer **ret_transfer,
                                                 struct berth_error *err);

/*
 * Ends the transfer if it still runs, without done(), and frees it: due for
 * each transfer started, after done() too. When it returns no callback runs or
 * will run. Any thread; NULL is fine.
 */
void berth_engine_transfer_free(struct berth_engine_transfer *transfer);

/* A header of the answer, or NULL; valid until the next call. On the thread, from head() on. */
const char *berth_engine_transfer_header(struct berth_engine_transfer *transfer, const char *name);

#endif
