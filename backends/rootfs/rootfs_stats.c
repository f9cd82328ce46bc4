/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_stats.h"

#include "backends/rootfs/rootfs_inside.h"
#include "backends/rootfs/rootfs_usage.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"

#include <poll.h>
#include <string.h>
#include <sys/sysinfo.h>

#define BUCKETS     256
#define FRESH_MS    1000  /* for so long a sample is told again, as docker takes one a second */
#define FIRST_MS    250   /* between the two looks of a first question */
#define STALE_MS    60000 /* an older look is none to compare with */
#define NETWORK_MAX (1U << 20)

/* What was seen of one app. */
struct meter {
    struct meter *next; /* in its bucket */
    int64_t started_ns; /* of the run that it is of */
    bool is_first;      /* it has seen one look alone: there is no share of the CPU yet */
    int64_t seen_ms;
    int64_t asked_ms;
    pid_t pid;
    struct berth_rootfs_counters cgroup;
    struct berth_rootfs_usage counts;
    uint64_t received, sent;
    double cpu_percent;
    char id[BERTH_ROOTFS_ID_SIZE];
};

struct berth_rootfs_stats {
    pthread_mutex_t lock;
    struct meter *buckets[BUCKETS]; /* lock */
    int64_t swept_ms;               /* lock */
};

/* ---- Life ---- */

int berth_rootfs_stats_new(struct berth_rootfs_stats **ret_stats, struct berth_error *err)
{
    struct berth_rootfs_stats *stats = calloc(1, sizeof(*stats));
    if (!stats)
        return berth_error_nomem(err);
    pthread_mutex_init(&stats->lock, NULL);
    *ret_stats = stats;
    return 0;
}

/* Those that nobody has asked about since. */
static void sweep(struct berth_rootfs_stats *stats, int64_t since_ms)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct meter **at = &stats->buckets[i]; *at;) {
            struct meter *meter = *at;
            if (meter->asked_ms >= since_ms) {
                at = &meter->next;
                continue;
            }
            *at = meter->next;
            free(meter);
        }
}

void berth_rootfs_stats_free(struct berth_rootfs_stats *stats)
{
    if (!stats)
        return;
    sweep(stats, INT64_MAX);
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}

/* ---- Looking, under the lock ---- */

/* The CPU's share is of one of the host's: 200% is two of them. */
static void look(struct meter *meter, int64_t now_ms)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(NETWORK_MAX);
    char path[64];
    struct berth_rootfs_usage before = meter->counts;
    int64_t passed_ms = now_ms - meter->seen_ms;
    berth_rootfs_usage_read(&meter->cgroup, &meter->counts);
    (void)snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)meter->pid);
    if (berth_rootfs_slurp(path, &text))
        berth_rootfs_usage_network(berth_strbuf_str(&text), &meter->received, &meter->sent);
    if (meter->seen_ms > 0 && passed_ms > 0 && passed_ms < STALE_MS &&
        meter->counts.cpu_ns >= before.cpu_ns) {
        meter->cpu_percent = (double)(meter->counts.cpu_ns - before.cpu_ns) /
                             (double)(passed_ms * BERTH_NS_PER_MS) * 100;
        meter->is_first = false;
    } else {
        meter->is_first = true;
    }
    meter->seen_ms = now_ms;
}

static struct meter *find(const struct berth_rootfs_stats *stats, const char *id)
{
    struct meter *meter = stats->buckets[berth_text_hash(id) % BUCKETS];
    while (meter && strcmp(meter->id, id) != 0)
        meter = meter->next;
    return meter;
}

static struct meter *add(struct berth_rootfs_stats *stats, const char *id)
{
    struct meter *meter = calloc(1, sizeof(*meter));
    if (!meter)
        return NULL;
    (void)snprintf(meter->id, sizeof(meter->id), "%s", id);
    struct meter **bucket = &stats->buckets[berth_text_hash(id) % BUCKETS];
    meter->next = *bucket;
    *bucket = meter;
    return meter;
}

static bool is_metered(const struct berth_app *app)
{
    return app->state == BERTH_APP_RUNNING || app->state == BERTH_APP_PAUSED;
}

/* A meter of the run that the app is in; false: it does not run after all. */
static bool begin(struct berth_rootfs *rootfs, struct meter *meter, const struct berth_app *app)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app found = BERTH_ROOTFS_APP_INIT;
    struct berth_rootfs_counters cgroup;
    if (berth_rootfs_find(rootfs, app->id, &found, NULL) < 0 || !berth_rootfs_runs(&found) ||
        !berth_rootfs_usage_of(found.state.init.pid, &cgroup))
        return false;
    meter->cgroup = cgroup;
    meter->pid = found.state.init.pid;
    meter->started_ns = app->started_ns;
    meter->seen_ms = 0;
    return true;
}

/* Sees to it that each of them has been looked at lately; true: some for the first time. */
static int look_at_all(struct berth_rootfs *rootfs, const struct berth_app *const *apps,
                       size_t count, bool *ret_is_first, struct berth_error *err)
{
    struct berth_rootfs_stats *stats = rootfs->stats;
    int64_t now_ms = berth_clock_monotonic_ms();
    *ret_is_first = false;
    for (size_t i = 0; i < count; i++) {
        if (!is_metered(apps[i]))
            continue;
        struct meter *meter = find(stats, apps[i]->id);
        if (!meter)
            meter = add(stats, apps[i]->id);
        if (!meter)
            return berth_error_nomem(err);
        meter->asked_ms = now_ms;
        if ((meter->seen_ms == 0 || meter->started_ns != apps[i]->started_ns) &&
            !begin(rootfs, meter, apps[i]))
            continue;
        if (meter->seen_ms == 0 ||
            now_ms - meter->seen_ms >= (meter->is_first ? FIRST_MS / 2 : FRESH_MS))
            look(meter, now_ms);
        *ret_is_first |= meter->is_first;
    }
    if (now_ms - stats->swept_ms >= STALE_MS) {
        sweep(stats, now_ms - STALE_MS);
        stats->swept_ms = now_ms;
    }
    return 0;
}

/* ---- Telling ---- */

static double host_memory(void)
{
    struct sysinfo info;
    return sysinfo(&info) < 0 ? 0 : (double)info.totalram * info.mem_unit;
}

static int fill(struct berth_app_stats *item, const struct berth_app *app,
                const struct meter *meter, double host_bytes, struct berth_error *err)
{
    item->id = berth_text_dup(app->container);
    item->name = berth_text_dup(app->engine_name);
    if (!item->id || !item->name)
        return berth_error_nomem(err);
    if (!meter || meter->seen_ms == 0)
        return 0;
    const struct berth_rootfs_usage *counts = &meter->counts;
    double limit = (double)counts->memory_limit_bytes;
    item->known = true;
    item->cpu_percent = meter->cpu_percent;
    item->memory_bytes = (double)counts->memory_bytes;
    item->memory_limit_bytes = limit > 0 && limit < host_bytes ? limit : host_bytes;
    if (item->memory_limit_bytes > 0)
        item->memory_percent = item->memory_bytes / item->memory_limit_bytes * 100;
    item->network_rx_bytes = (double)meter->received;
    item->network_tx_bytes = (double)meter->sent;
    item->block_read_bytes = (double)counts->block_read_bytes;
    item->block_write_bytes = (double)counts->block_write_bytes;
    item->pids = counts->pids;
    return 0;
}

static int collect(struct berth_rootfs_stats *stats, const struct berth_app *const *apps,
                   size_t count, struct berth_stats_list *list, struct berth_error *err)
{
    double host_bytes = host_memory();
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct meter *meter = is_metered(apps[i]) ? find(stats, apps[i]->id) : NULL;
        rc = fill(&list->items[list->count++], apps[i], meter, host_bytes, err);
    }
    return rc;
}

int berth_rootfs_stats(struct berth_backend *backend, const struct berth_app *const *apps,
                       size_t count, struct berth_stats_list *ret_stats, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(stats_list)
    struct berth_stats_list list = {.items = calloc(count + 1, sizeof(*list.items))};
    if (!list.items)
        return berth_error_nomem(err);
    bool is_first = true;
    for (int tries = 0; is_first && tries < 2; tries++) {
        if (tries > 0)
            (void)poll(NULL, 0, FIRST_MS);
        BERTH_LOCK_SCOPE(lock, &rootfs->stats->lock);
        int rc = look_at_all(rootfs, apps, count, &is_first, err);
        if (rc < 0)
            return rc;
    }
    {
        BERTH_LOCK_SCOPE(lock, &rootfs->stats->lock);
        int rc = collect(rootfs->stats, apps, count, &list, err);
        if (rc < 0)
            return rc;
    }
    *ret_stats = list;
    list = (struct berth_stats_list){0};
    return 0;
}
