/* SPDX-License-Identifier: MIT */
/* How a watch knows that its engine is alive. */
#include "backends/engine/engine_watch_private.h"
#include "base/clock.h"

#define PING_BUSY_MS    900   /* between contacts while somebody reads */
#define PING_IDLE_MS    10000 /* and while nobody does */
#define PING_SILENCE_MS 1000  /* for an answer */
#define BUSY_FOR_MS     5000  /* after a touch */
#define TELL_ALIVE_MS   500   /* the sink is told this often at most */

bool berth_watch_touched_within(const struct berth_engine_watch *watch, int64_t age_ms)
{
    int64_t touched_ms = atomic_load_explicit(&watch->touched_ms, memory_order_relaxed);
    return berth_clock_monotonic_ms() - touched_ms < age_ms;
}

void berth_engine_watch_touch(struct berth_engine_watch *watch)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    int64_t before_ms = atomic_exchange_explicit(&watch->touched_ms, now_ms, memory_order_relaxed);
    if (now_ms - before_ms >= PING_BUSY_MS)
        berth_engine_io_post(watch->io, &watch->touch_task);
}

void berth_watch_contact(struct berth_engine_watch *watch, int64_t wall_ns)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    watch->contact_ms = now_ms;
    if (wall_ns > watch->last_alive_ns)
        watch->last_alive_ns = wall_ns;
    if (watch->state != BERTH_WATCH_LIVE || now_ms - watch->told_alive_ms < TELL_ALIVE_MS)
        return;
    watch->told_alive_ms = now_ms;
    watch->sink.alive(watch->sink.ctx, watch->last_alive_ns);
}

static int64_t next_ping_ms(const struct berth_engine_watch *watch)
{
    int64_t pause_ms = berth_watch_touched_within(watch, BUSY_FOR_MS) ? PING_BUSY_MS : PING_IDLE_MS;
    int64_t left_ms = watch->contact_ms + pause_ms - berth_clock_monotonic_ms();
    return left_ms > 0 ? left_ms : 0;
}

void berth_watch_ping_schedule(struct berth_engine_watch *watch)
{
    if (!watch->ping && watch->state > BERTH_WATCH_PINGING)
        berth_engine_timer_set(watch->io, &watch->ping_timer, next_ping_ms(watch));
}

static void on_touch(void *ctx)
{
    berth_watch_ping_schedule(ctx);
}

static void on_ping_timer(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    if (next_ping_ms(watch) > 0)
        berth_watch_ping_schedule(watch); /* events have proved contact since it was set */
    else
        berth_watch_ping_now(watch);
}

/* The engine's clock by the head of its answer, exact to a second; 0 if it does not tell. */
static int64_t date_of(const struct berth_engine_answer *answer)
{
    const char *date = berth_engine_answer_header(answer, "Date");
    time_t seconds = date ? curl_getdate(date, NULL) : -1;
    return seconds > 0 ? seconds * BERTH_NS_PER_S : 0;
}

static void on_ping(void *ctx, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (why)
        err = *why;
    else if (watch->state == BERTH_WATCH_PINGING)
        (void)!berth_engine_learn_version(
            watch->engine, berth_engine_answer_header(answer, BERTH_ENGINE_VERSION_HEADER), &err);
    if (err.status) {
        berth_watch_lose(watch, &err);
        return;
    }
    if (watch->since_ns == 0 && date_of(answer) > 0)
        watch->since_ns = date_of(answer) - BERTH_NS_PER_S;
    berth_engine_fetch_free(berth_steal(&watch->ping));
    berth_watch_contact(watch, watch->ping_sent_ns);
    if (watch->state == BERTH_WATCH_PINGING)
        berth_watch_open_stream(watch);
    else
        berth_watch_ping_schedule(watch);
}

void berth_watch_ping_now(struct berth_engine_watch *watch)
{
    struct berth_error err = BERTH_ERROR_INIT;
    watch->ping_sent_ns = berth_clock_wall_ns();
    if (berth_engine_fetch_start(watch->io, watch->engine, BERTH_ENGINE_PING, PING_SILENCE_MS,
                                 on_ping, watch, &watch->ping, &err))
        berth_watch_lose(watch, &err);
}

void berth_watch_ping_init(struct berth_engine_watch *watch)
{
    watch->ping_timer = (struct berth_engine_timer){.run = on_ping_timer, .ctx = watch};
    watch->touch_task = (struct berth_engine_task){.run = on_touch, .ctx = watch};
    atomic_init(&watch->touched_ms, berth_clock_monotonic_ms() - PING_IDLE_MS);
}

void berth_watch_ping_stop(struct berth_engine_watch *watch)
{
    berth_engine_fetch_free(berth_steal(&watch->ping));
    berth_engine_timer_clear(watch->io, &watch->ping_timer);
}
