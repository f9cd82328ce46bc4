/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_stats.h"

#include "backends/engine/engine_sample.h"
#include "backends/engine/engine_stream.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"

#define PATH_MAX_BYTES 4096
#define BUCKETS        256
#define WAIT_MS        4000  /* for a first sample, from when it was first asked for */
#define STALE_MS       10000 /* a stream that said nothing for so long is started anew */

enum meter_state {
    METER_WANTED,  /* in the list of those to be started */
    METER_WAITING, /* started, no full sample yet */
    METER_READY,
    METER_FAILED,
};

/* What is known of one container. Made by askers, removed on the I/O thread alone. */
struct meter {
    struct berth_engine_stats *stats;
    /* Guarded by stats->lock: */
    struct meter *next; /* in its bucket */
    struct meter *next_wanted;
    enum meter_state state;
    int64_t wanted_ms; /* when it was to be started */
    int64_t asked_ms;
    int64_t sampled_ms;
    struct berth_engine_sample sample;
    struct berth_error why; /* it failed */
    /* The I/O thread's own: */
    struct berth_engine_stream *stream;
    unsigned samples;
    char id[];
};

struct berth_engine_stats {
    struct berth_engine_io *io;
    struct berth_engine *engine;
    int64_t keep_ms; /* after the last question */
    struct berth_engine_task start_task;
    struct berth_engine_timer idle_timer;
    pthread_mutex_t lock;
    pthread_cond_t changed;         /* a meter left METER_WAITING */
    struct meter *wanted;           /* lock */
    struct meter *buckets[BUCKETS]; /* lock */
};

/* ---- The table, under the lock ---- */

static struct meter **bucket_of(struct berth_engine_stats *stats, const char *id)
{
    return &stats->buckets[berth_text_hash(id) % BUCKETS];
}

static struct meter *find(struct berth_engine_stats *stats, const char *id)
{
    struct meter *meter = *bucket_of(stats, id);
    while (meter && strcmp(meter->id, id) != 0)
        meter = meter->next;
    return meter;
}

static void want(struct meter *meter)
{
    meter->state = METER_WANTED;
    meter->wanted_ms = berth_clock_monotonic_ms();
    meter->next_wanted = meter->stats->wanted;
    meter->stats->wanted = meter;
}

static int add(struct berth_engine_stats *stats, const char *id, struct meter **ret_meter,
               struct berth_error *err)
{
    size_t size = strlen(id) + 1;
    struct meter *meter = calloc(1, sizeof(*meter) + size);
    if (!meter)
        return berth_error_nomem(err);
    meter->stats = stats;
    memcpy(meter->id, id, size);
    struct meter **bucket = bucket_of(stats, id);
    meter->next = *bucket;
    *bucket = meter;
    want(meter);
    *ret_meter = meter;
    return 0;
}

static void unlink_meter(struct meter *meter)
{
    struct meter **at = bucket_of(meter->stats, meter->id);
    while (*at != meter)
        at = &(*at)->next;
    *at = meter->next;
}

/* ---- Streams, on the I/O thread ---- */

static void close_stream(struct meter *meter)
{
    berth_engine_stream_free(berth_steal(&meter->stream));
    meter->samples = 0;
}

static void free_meter(struct meter *meter)
{
    close_stream(meter);
    free(meter);
}

/* The container is not running, or gone. */
static void end_meter(struct meter *meter)
{
    struct berth_engine_stats *stats = meter->stats;
    {
        BERTH_LOCK_SCOPE(held, &stats->lock);
        if (meter->state == METER_WANTED) /* asked for anew: the next stream tells */
            return;
        unlink_meter(meter);
        pthread_cond_broadcast(&stats->changed);
    }
    free_meter(meter);
}

static void fail_meter(struct meter *meter, const struct berth_error *why)
{
    struct berth_engine_stats *stats = meter->stats;
    close_stream(meter);
    BERTH_LOCK_SCOPE(held, &stats->lock);
    if (meter->state == METER_WANTED)
        return;
    meter->state = METER_FAILED;
    meter->why = *why;
    pthread_cond_broadcast(&stats->changed);
}

static void keep_sample(struct meter *meter, const struct berth_engine_sample *sample)
{
    BERTH_LOCK_SCOPE(held, &meter->stats->lock);
    meter->sample = *sample;
    meter->sampled_ms = berth_clock_monotonic_ms();
    if (meter->state != METER_WAITING)
        return;
    meter->state = METER_READY;
    pthread_cond_broadcast(&meter->stats->changed);
}

static bool on_line(void *ctx, const char *line, size_t len)
{
    struct meter *meter = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_engine_sample sample;
    if (berth_engine_sample_parse(line, len, &sample, &err)) {
        fail_meter(meter, &err);
        return false;
    }
    if (!sample.is_running) {
        end_meter(meter);
        return false;
    }
    meter->samples++;
    if (sample.has_previous || meter->samples > 1)
        keep_sample(meter, &sample);
    return true;
}

static void on_end(void *ctx, const struct berth_error *why)
{
    if (why && why->status != BERTH_E_NOT_FOUND)
        fail_meter(ctx, why);
    else
        end_meter(ctx);
}

static const struct berth_engine_stream_ops stream_ops = {.line = on_line, .end = on_end};

static int open_stream(struct meter *meter, struct berth_error *err)
{
    struct berth_engine_stats *stats = meter->stats;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_path_add(&path, "/containers/", meter->id);
    berth_strbuf_adds(&path, "/stats?stream=1");
    int status = berth_strbuf_check(&path, err);
    if (status)
        return status;
    return berth_engine_stream_start(stats->io, stats->engine, berth_strbuf_str(&path), &stream_ops,
                                     meter, &meter->stream, err);
}

static struct meter *take_wanted(struct berth_engine_stats *stats)
{
    BERTH_LOCK_SCOPE(held, &stats->lock);
    struct meter *meter = stats->wanted;
    if (meter) {
        stats->wanted = meter->next_wanted;
        meter->state = METER_WAITING;
    }
    return meter;
}

static void start_wanted(void *ctx)
{
    struct berth_engine_stats *stats = ctx;
    struct meter *meter;
    while ((meter = take_wanted(stats))) {
        struct berth_error err = BERTH_ERROR_INIT;
        close_stream(meter);
        if (open_stream(meter, &err))
            fail_meter(meter, &err);
    }
    if (!berth_engine_timer_is_set(&stats->idle_timer))
        berth_engine_timer_set(stats->io, &stats->idle_timer, stats->keep_ms);
}

/* Takes out the meters nobody asked about since before_ms; *ret_oldest_ms: when the one that
 * waits the longest was asked about, INT64_MAX if none is left. */
static struct meter *take_idle(struct berth_engine_stats *stats, int64_t before_ms,
                               int64_t *ret_oldest_ms)
{
    BERTH_LOCK_SCOPE(held, &stats->lock);
    struct meter *idle = NULL;
    *ret_oldest_ms = INT64_MAX;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct meter **at = &stats->buckets[i];
        while (*at) {
            struct meter *meter = *at;
            if (meter->asked_ms > before_ms || meter->state == METER_WANTED) {
                if (meter->asked_ms < *ret_oldest_ms)
                    *ret_oldest_ms = meter->asked_ms;
                at = &meter->next;
                continue;
            }
            *at = meter->next;
            meter->next = idle;
            idle = meter;
        }
    }
    pthread_cond_broadcast(&stats->changed);
    return idle;
}

static void free_meters(struct meter *list)
{
    while (list) {
        struct meter *meter = list;
        list = meter->next;
        free_meter(meter);
    }
}

static void on_idle_timer(void *ctx)
{
    struct berth_engine_stats *stats = ctx;
    int64_t now_ms = berth_clock_monotonic_ms();
    int64_t oldest_ms;
    free_meters(take_idle(stats, now_ms - stats->keep_ms, &oldest_ms));
    if (oldest_ms < INT64_MAX)
        berth_engine_timer_set(stats->io, &stats->idle_timer, oldest_ms + stats->keep_ms - now_ms);
}

/* ---- Asking ---- */

/* A paused container still counts; one that restarts has no statistics, as docker sees it. */
static bool is_metered(const struct berth_app *app)
{
    return app->state == BERTH_APP_RUNNING || app->state == BERTH_APP_PAUSED;
}

/* Under the lock: sees to it that each running app has a meter. */
static int ask_for(struct berth_engine_stats *stats, const struct berth_app *const *apps,
                   size_t count, struct berth_error *err)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    for (size_t i = 0; i < count; i++) {
        if (!is_metered(apps[i]))
            continue;
        struct meter *meter = find(stats, apps[i]->container);
        int status = meter ? 0 : add(stats, apps[i]->container, &meter, err);
        if (status)
            return status;
        meter->asked_ms = now_ms;
        if (meter->state == METER_FAILED ||
            (meter->state == METER_READY && now_ms - meter->sampled_ms > STALE_MS))
            want(meter);
    }
    return 0;
}

/* Under the lock: until each meter has said something, or has had its time. A container that
 * never says anything holds up the first question about it alone. */
static void wait_for(struct berth_engine_stats *stats, const struct berth_app *const *apps,
                     size_t count)
{
    for (size_t i = 0; i < count;) {
        const struct meter *meter = is_metered(apps[i]) ? find(stats, apps[i]->container) : NULL;
        if (!meter || meter->state == METER_READY || meter->state == METER_FAILED ||
            !berth_cond_wait_until(&stats->changed, &stats->lock, meter->wanted_ms + WAIT_MS))
            i++;
    }
}

static int fill(struct berth_app_stats *item, const struct berth_app *app,
                const struct meter *meter, struct berth_error *err)
{
    item->id = berth_text_dup(app->container);
    item->name = berth_text_dup(app->engine_name);
    if (!item->id || !item->name)
        return berth_error_nomem(err);
    if (!meter || meter->state != METER_READY)
        return 0;
    const struct berth_engine_sample *sample = &meter->sample;
    item->known = true;
    item->cpu_percent = sample->cpu_percent;
    item->memory_percent = sample->memory_percent;
    item->memory_bytes = sample->memory_bytes;
    item->memory_limit_bytes = sample->memory_limit_bytes;
    item->network_rx_bytes = sample->network_rx_bytes;
    item->network_tx_bytes = sample->network_tx_bytes;
    item->block_read_bytes = sample->block_read_bytes;
    item->block_write_bytes = sample->block_write_bytes;
    item->pids = sample->pids;
    return 0;
}

/* Under the lock: what the meters say now. */
static int collect(struct berth_engine_stats *stats, const struct berth_app *const *apps,
                   size_t count, struct berth_stats_list *list, struct berth_error *err)
{
    bool any_known = false;
    const struct meter *silent = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct meter *meter = is_metered(apps[i]) ? find(stats, apps[i]->container) : NULL;
        int status = fill(&list->items[list->count++], apps[i], meter, err);
        if (status)
            return status;
        any_known = any_known || list->items[i].known;
        if (meter && !list->items[i].known)
            silent = meter;
    }
    if (any_known || !silent)
        return 0;
    if (silent->state != METER_FAILED)
        return berth_engine_silence(stats->engine, WAIT_MS, err);
    if (err)
        *err = silent->why;
    return silent->why.status;
}

static int ask_locked(struct berth_engine_stats *stats, const struct berth_app *const *apps,
                      size_t count, struct berth_stats_list *list, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(held, &stats->lock);
    int status = ask_for(stats, apps, count, err);
    if (stats->wanted)
        berth_engine_io_post(stats->io, &stats->start_task);
    if (status)
        return status;
    wait_for(stats, apps, count);
    return collect(stats, apps, count, list, err);
}

int berth_engine_stats_ask(struct berth_engine_stats *stats, const struct berth_app *const *apps,
                           size_t count, struct berth_stats_list *ret_stats,
                           struct berth_error *err)
{
    BERTH_CLEANUP(stats_list)
    struct berth_stats_list list = {.items = calloc(count + 1, sizeof(*list.items))};
    if (!list.items)
        return berth_error_nomem(err);
    int status = ask_locked(stats, apps, count, &list, err);
    if (status)
        return status;
    *ret_stats = list;
    list = (struct berth_stats_list){0};
    return 0;
}

/* ---- Life ---- */

int berth_engine_stats_new(struct berth_engine_io *io, struct berth_engine *engine, int64_t keep_ms,
                           struct berth_engine_stats **ret_stats, struct berth_error *err)
{
    struct berth_engine_stats *stats = calloc(1, sizeof(*stats));
    if (!stats)
        return berth_error_nomem(err);
    stats->io = io;
    stats->engine = engine;
    stats->keep_ms = keep_ms;
    stats->start_task = (struct berth_engine_task){.run = start_wanted, .ctx = stats};
    stats->idle_timer = (struct berth_engine_timer){.run = on_idle_timer, .ctx = stats};
    pthread_mutex_init(&stats->lock, NULL);
    berth_cond_init(&stats->changed);
    *ret_stats = stats;
    return 0;
}

static void stop_on_thread(void *ctx)
{
    struct berth_engine_stats *stats = ctx;
    berth_engine_io_withdraw(stats->io, &stats->start_task);
    berth_engine_timer_clear(stats->io, &stats->idle_timer);
    for (size_t i = 0; i < BUCKETS; i++)
        free_meters(berth_steal(&stats->buckets[i]));
}

void berth_engine_stats_free(struct berth_engine_stats *stats)
{
    if (!stats)
        return;
    berth_engine_io_call(stats->io, stop_on_thread, stats);
    pthread_cond_destroy(&stats->changed);
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}
