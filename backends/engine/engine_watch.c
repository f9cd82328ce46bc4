/* SPDX-License-Identifier: MIT */
/* The life of a watch: connecting, following the stream, losing it, starting again. */
#include "backends/engine/engine_watch.h"

#include "backends/engine/engine_watch_private.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_MIN_MS    100
#define RETRY_MAX_MS    800
#define STEADY_MS       5000 /* live for so long: the next loss is a new story */
#define OPEN_SILENCE_MS 5000 /* for the head of the stream's answer */

/* ---- Losing ---- */

static void stop_all(struct berth_engine_watch *watch)
{
    berth_engine_stream_free(berth_steal(&watch->stream));
    berth_engine_timer_clear(watch->io, &watch->retry_timer);
    berth_engine_timer_clear(watch->io, &watch->open_timer);
    berth_watch_ping_stop(watch);
    berth_watch_state_stop(watch);
}

void berth_watch_lose(struct berth_engine_watch *watch, const struct berth_error *why)
{
    const struct berth_error reason = *why; /* it may lie in what is stopped now */
    if (watch->state == BERTH_WATCH_LIVE &&
        berth_clock_monotonic_ms() - watch->live_since_ms > STEADY_MS)
        watch->failures = 0;
    stop_all(watch);
    watch->state = BERTH_WATCH_DOWN;
    berth_engine_forget_version(watch->engine);

    int64_t delay_ms = RETRY_MIN_MS << watch->failures;
    if (delay_ms < RETRY_MAX_MS)
        watch->failures++;
    berth_engine_timer_set(watch->io, &watch->retry_timer, delay_ms);
    if (watch->told_lost)
        return;
    watch->told_lost = true;
    berth_log_error(BERTH_LOG_WARNING, &reason, "facility %s: contact with the engine is lost",
                    watch->scope.facility);
    watch->sink.lost(watch->sink.ctx, &reason, watch->last_alive_ns);
}

/* ---- The stream ---- */

static void on_open(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    berth_engine_timer_clear(watch->io, &watch->open_timer);
    watch->state = BERTH_WATCH_LISTING;
    berth_watch_list(watch);
}

/* False: the stream is gone. */
static bool on_line(void *ctx, const char *line, size_t len)
{
    struct berth_engine_watch *watch = ctx;
    berth_watch_contact(watch, berth_clock_wall_ns());
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(engine_event) struct berth_engine_event event = {.id = ""};
    if (berth_engine_event_parse(line, len, &event, &err)) {
        berth_watch_lose(watch, &err);
        return false;
    }
    return berth_watch_take_event(watch, &event);
}

static void on_end(void *ctx, const struct berth_error *why)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (!why)
        berth_error_set(&err, BERTH_E_UNREACHABLE,
                        "engine of facility %s ended its stream of events", watch->scope.facility);
    berth_watch_lose(watch, why ? why : &err);
}

static const struct berth_engine_stream_ops stream_ops = {
    .open = on_open, .line = on_line, .end = on_end};

static void on_open_timer(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    berth_engine_silence(watch->engine, OPEN_SILENCE_MS, &err);
    berth_watch_lose(watch, &err);
}

static int start_stream(struct berth_engine_watch *watch, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_WATCH_PATH_MAX);
    berth_engine_events_path(watch->since_ns, &path);
    int status = berth_strbuf_check(&path, err);
    if (status)
        return status;
    return berth_engine_stream_start(watch->io, watch->engine, berth_strbuf_str(&path), &stream_ops,
                                     watch, &watch->stream, err);
}

void berth_watch_open_stream(struct berth_engine_watch *watch)
{
    struct berth_error err = BERTH_ERROR_INIT;
    watch->state = BERTH_WATCH_OPENING;
    if (start_stream(watch, &err)) {
        berth_watch_lose(watch, &err);
        return;
    }
    berth_engine_timer_set(watch->io, &watch->open_timer, OPEN_SILENCE_MS);
    berth_watch_ping_schedule(watch);
}

void berth_watch_live(struct berth_engine_watch *watch)
{
    if (watch->told_lost)
        berth_log(BERTH_LOG_INFO, "facility %s: the engine is back", watch->scope.facility);
    watch->state = BERTH_WATCH_LIVE;
    watch->live_since_ms = berth_clock_monotonic_ms();
    watch->has_listed = true;
    watch->told_lost = false;
    watch->told_alive_ms = 0;
    berth_watch_contact(watch, watch->listing_as_of_ns);
}

/* ---- Starting and ending ---- */

static void connect_engine(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    watch->state = BERTH_WATCH_PINGING;
    berth_watch_ping_now(watch);
}

static void close_on_thread(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    stop_all(watch);
    berth_engine_io_withdraw(watch->io, &watch->touch_task);
}

int berth_engine_watch_open(struct berth_engine_io *io, struct berth_engine *engine,
                            const struct berth_engine_scope *scope,
                            const struct berth_watch_sink *sink,
                            struct berth_engine_watch **ret_watch, struct berth_error *err)
{
    struct berth_engine_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return berth_error_nomem(err);
    watch->io = io;
    watch->engine = engine;
    watch->scope = *scope;
    watch->sink = *sink;
    watch->retry_timer = (struct berth_engine_timer){.run = connect_engine, .ctx = watch};
    watch->open_timer = (struct berth_engine_timer){.run = on_open_timer, .ctx = watch};
    berth_watch_ping_init(watch);
    int status = berth_watch_state_init(watch, err);
    if (status) {
        free(watch);
        return status;
    }
    *ret_watch = watch;
    berth_engine_io_call(io, connect_engine, watch);
    return 0;
}

void berth_engine_watch_close(struct berth_engine_watch *watch)
{
    if (!watch)
        return;
    berth_engine_io_call(watch->io, close_on_thread, watch);
    berth_watch_state_release(watch);
    free(watch);
}
