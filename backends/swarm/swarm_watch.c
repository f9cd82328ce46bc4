/* SPDX-License-Identifier: MIT */
/* The life of a swarm's watch: contact, its stream of events, the first listing, losing it. */
#include "backends/swarm/swarm_watch_private.h"

#include "base/clock.h"
#include "base/log.h"

#define RETRY_MS       1000  /* while the engine answers, but not for its swarm */
#define OPEN_MS        5000  /* for the head of the stream's answer */
#define GREET_MS       1000  /* for the nodes' engines to speak before the first listing */
#define READ_FOR_MS    60000 /* after a touch */
#define TOUCH_EVERY_MS 500

bool berth_swarm_watch_is_read(const struct berth_swarm_watch *watch)
{
    int64_t touched_ms = atomic_load_explicit(&watch->touched_ms, memory_order_relaxed);
    return berth_clock_monotonic_ms() - touched_ms < READ_FOR_MS;
}

/* ---- Losing ---- */

static void stop(struct berth_swarm_watch *watch)
{
    watch->state = BERTH_SWARM_DOWN;
    berth_swarm_set_nodes(watch->swarm, NULL);
    berth_engine_stream_free(berth_steal(&watch->stream));
    berth_engine_timer_clear(watch->io, &watch->retry_timer);
    berth_engine_timer_clear(watch->io, &watch->open_timer);
    berth_engine_timer_clear(watch->io, &watch->greet_timer);
    berth_swarm_round_stop(watch);
    berth_swarm_rescue_stop(watch);
    berth_swarm_poll_stop(watch);
}

void berth_swarm_watch_lose(struct berth_swarm_watch *watch, const struct berth_error *why)
{
    struct berth_error reason = *why; /* it may lie in what is stopped now */
    (void)berth_swarm_restate(reason.status, &reason);
    stop(watch);
    if (watch->links && watch->links->is_live) /* else its watch says when it is back */
        berth_engine_timer_set(watch->io, &watch->retry_timer, RETRY_MS);
    if (watch->told_lost)
        return;
    watch->told_lost = true;
    berth_log_error(BERTH_LOG_WARNING, &reason, "facility %s: contact with the swarm is lost",
                    watch->swarm->facility);
    watch->sink.lost(watch->sink.ctx, &reason, watch->alive_ns);
}

/* ---- Events ---- */

static void on_open(void *ctx)
{
    struct berth_swarm_watch *watch = ctx;
    berth_engine_timer_clear(watch->io, &watch->open_timer);
    watch->state = BERTH_SWARM_ROUND;
    berth_swarm_round_start(watch);
}

/* False: the stream is gone. */
static bool on_line(void *ctx, const char *line, size_t len)
{
    struct berth_swarm_watch *watch = ctx;
    BERTH_CLEANUP(json) cJSON *event = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    int status = berth_engine_parse(watch->swarm->manager, line, len, &event, &err);
    const char *type = berth_json_string(event, "Type", "");
    const char *id = berth_json_string(berth_json_get(event, "Actor"), "ID", "");
    if (status == 0 && strcmp(type, "service") == 0)
        status = berth_swarm_poll_want(watch, id, &err);
    else if (status == 0 && strcmp(type, "node") == 0)
        berth_swarm_nodes_ask(watch);
    if (status < 0)
        berth_swarm_watch_lose(watch, &err);
    return watch->state != BERTH_SWARM_DOWN;
}

static void on_end(void *ctx, const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (!why)
        berth_error_set(&err, BERTH_E_UNREACHABLE,
                        "the manager of facility %s ended its stream of events",
                        watch->swarm->facility);
    berth_swarm_watch_lose(watch, why ? why : &err);
}

static const struct berth_engine_stream_ops stream_ops = {
    .open = on_open, .line = on_line, .end = on_end};

static void on_open_timer(void *ctx)
{
    struct berth_swarm_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    berth_engine_silence(watch->swarm->manager, OPEN_MS, &err);
    berth_swarm_watch_lose(watch, &err);
}

void berth_swarm_watch_begin(struct berth_swarm_watch *watch)
{
    static const char filters[] = "{\"type\":[\"service\",\"node\"]}";
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    struct berth_error err = BERTH_ERROR_INIT;
    berth_engine_timer_clear(watch->io, &watch->retry_timer);
    watch->state = BERTH_SWARM_OPENING;
    berth_strbuf_adds(&path, "/events?filters=");
    berth_strbuf_add_urlencoded(&path, filters, sizeof(filters) - 1);
    if (berth_engine_stream_start(watch->io, watch->swarm->manager, berth_strbuf_str(&path),
                                  &stream_ops, watch, &watch->stream, &err))
        berth_swarm_watch_lose(watch, &err);
    else
        berth_engine_timer_set(watch->io, &watch->open_timer, OPEN_MS);
}

static void on_retry(void *ctx)
{
    berth_swarm_watch_begin(ctx);
}

/* ---- The first listing ---- */

struct gathering {
    struct berth_app_list apps;
    int status;
    struct berth_error err;
};

static bool gather(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    struct gathering *gathering = ctx;
    struct berth_app *app = NULL;
    if (!entry->service.shape)
        return true;
    gathering->status = berth_swarm_entry_app(watch, entry, &app, &gathering->err);
    if (gathering->status == 0)
        gathering->status = berth_app_list_add(&gathering->apps, app, &gathering->err);
    return gathering->status == 0;
}

static void tell_listing(struct berth_swarm_watch *watch)
{
    struct gathering gathering = {.err = BERTH_ERROR_INIT};
    berth_engine_timer_clear(watch->io, &watch->greet_timer);
    berth_swarm_entries_walk(watch, gather, &gathering);
    if (gathering.status) {
        berth_app_list_release(&gathering.apps);
        berth_swarm_watch_lose(watch, &gathering.err);
        return;
    }
    if (watch->told_lost)
        berth_log(BERTH_LOG_INFO, "facility %s: the swarm is back", watch->swarm->facility);
    watch->told_lost = false;
    watch->state = BERTH_SWARM_LIVE;
    watch->sink.listing(watch->sink.ctx, watch->round_ticket, &gathering.apps,
                        watch->round_as_of_ns);
    berth_app_list_release(&gathering.apps);
    watch->alive_ns = watch->round_as_of_ns;
    watch->sink.alive(watch->sink.ctx, watch->alive_ns);
    berth_swarm_poll_wake(watch);
}

static void on_greet_timer(void *ctx)
{
    tell_listing(ctx);
}

void berth_swarm_watch_greet(struct berth_swarm_watch *watch)
{
    if (watch->state == BERTH_SWARM_GREETING && berth_swarm_links_have_spoken(watch))
        tell_listing(watch);
}

void berth_swarm_watch_known(struct berth_swarm_watch *watch)
{
    if (watch->state != BERTH_SWARM_ROUND)
        return;
    watch->state = BERTH_SWARM_GREETING;
    berth_engine_timer_set(watch->io, &watch->greet_timer, GREET_MS);
    berth_swarm_watch_greet(watch);
}

/* ---- Contact ---- */

static bool find_oldest(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    int64_t *oldest_ns = ctx;
    if (entry->service.shape && !berth_swarm_entry_is_final(entry) &&
        !berth_swarm_entry_is_followed(watch, entry) && entry->asked_ns < *oldest_ns)
        *oldest_ns = entry->asked_ns;
    return true;
}

/* What was told is known to hold since what is polled was asked about. */
void berth_swarm_watch_alive(struct berth_swarm_watch *watch, int64_t wall_ns)
{
    if (watch->state != BERTH_SWARM_LIVE)
        return;
    berth_swarm_entries_walk(watch, find_oldest, &wall_ns);
    if (wall_ns > watch->alive_ns)
        watch->alive_ns = wall_ns;
    watch->sink.alive(watch->sink.ctx, watch->alive_ns);
}

static void on_touch(void *ctx)
{
    struct berth_swarm_watch *watch = ctx;
    berth_swarm_links_touch(watch);
    berth_swarm_poll_wake(watch);
}

void berth_swarm_watch_touch(struct berth_swarm_watch *watch)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    int64_t passed_ms = atomic_load_explicit(&watch->passed_ms, memory_order_relaxed);
    atomic_store_explicit(&watch->touched_ms, now_ms, memory_order_relaxed);
    /* Passed on to the links again and again, as each of them forgets it after a while. */
    if (now_ms - passed_ms >= TOUCH_EVERY_MS &&
        atomic_compare_exchange_strong(&watch->passed_ms, &passed_ms, now_ms))
        berth_engine_io_post(watch->io, &watch->touch_task);
}

uint64_t berth_swarm_watch_ticket(const struct berth_swarm_watch *watch)
{
    return watch->sink.ticket(watch->sink.ctx);
}

static void tell_images_on_thread(void *ctx)
{
    berth_swarm_links_tell_images(ctx);
}

void berth_swarm_watch_images(struct berth_swarm_watch *watch)
{
    berth_engine_io_call(watch->io, tell_images_on_thread, watch);
}

struct wish {
    struct berth_swarm_watch *watch;
    const char *service;
};

static void want_on_thread(void *ctx)
{
    const struct wish *wish = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (wish->watch->state == BERTH_SWARM_LIVE &&
        berth_swarm_poll_want(wish->watch, wish->service, &err))
        berth_swarm_watch_lose(wish->watch, &err);
}

void berth_swarm_watch_want(struct berth_swarm_watch *watch, const char *service)
{
    berth_engine_io_call(watch->io, want_on_thread,
                         &(struct wish){.watch = watch, .service = service});
}

/* ---- Starting and ending ---- */

static void close_on_thread(void *ctx)
{
    struct berth_swarm_watch *watch = ctx;
    stop(watch);
    berth_engine_io_withdraw(watch->io, &watch->touch_task);
    berth_swarm_links_close(watch);
}

void berth_swarm_watch_close(struct berth_swarm_watch *watch)
{
    if (!watch)
        return;
    berth_engine_io_call(watch->io, close_on_thread, watch);
    berth_swarm_entries_clear(watch);
    berth_swarm_node_list_release(&watch->nodes);
    free(watch);
}

struct opening {
    struct berth_swarm_watch *watch;
    struct berth_error *err;
    int status;
};

static void open_on_thread(void *ctx)
{
    struct opening *opening = ctx;
    struct berth_swarm_watch *watch = opening->watch;
    opening->status =
        berth_swarm_link_open(watch, berth_swarm_nodes_at(watch->swarm->nodes, 0), opening->err);
}

int berth_swarm_watch_open(struct swarm *swarm, const struct berth_watch_sink *sink,
                           struct berth_swarm_watch **ret_watch, struct berth_error *err)
{
    struct berth_swarm_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return berth_error_nomem(err);
    watch->swarm = swarm;
    watch->io = swarm->io;
    watch->sink = *sink;
    watch->retry_timer = (struct berth_engine_timer){.run = on_retry, .ctx = watch};
    watch->open_timer = (struct berth_engine_timer){.run = on_open_timer, .ctx = watch};
    watch->greet_timer = (struct berth_engine_timer){.run = on_greet_timer, .ctx = watch};
    watch->touch_task = (struct berth_engine_task){.run = on_touch, .ctx = watch};
    atomic_init(&watch->touched_ms, berth_clock_monotonic_ms() - READ_FOR_MS);
    atomic_init(&watch->passed_ms, berth_clock_monotonic_ms() - TOUCH_EVERY_MS);
    berth_swarm_round_init(watch);
    berth_swarm_poll_init(watch);
    struct opening opening = {.watch = watch, .err = err};
    berth_engine_io_call(watch->io, open_on_thread, &opening);
    if (opening.status < 0) {
        free(watch);
        return opening.status;
    }
    *ret_watch = watch;
    return 0;
}
