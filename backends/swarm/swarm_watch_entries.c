/* SPDX-License-Identifier: MIT */
/* The apps a watch knows: a table by service, and what is made of each for the sink. */
#include "backends/swarm/swarm_watch_private.h"

#include "base/clock.h"
#include "base/text.h"

static struct berth_swarm_entry **bucket_of(struct berth_swarm_watch *watch, const char *id)
{
    return &watch->buckets[berth_text_hash(id) % BERTH_SWARM_BUCKETS];
}

struct berth_swarm_entry *berth_swarm_entry_find(struct berth_swarm_watch *watch, const char *id)
{
    struct berth_swarm_entry *entry = *bucket_of(watch, id);
    while (entry && strcmp(entry->id, id) != 0)
        entry = entry->next;
    return entry;
}

int berth_swarm_entry_get(struct berth_swarm_watch *watch, const char *id,
                          struct berth_swarm_entry **ret_entry, struct berth_error *err)
{
    struct berth_swarm_entry *entry = berth_swarm_entry_find(watch, id);
    if (!entry) {
        if (strlen(id) > BERTH_SWARM_ID_MAX)
            return berth_error_set(err, BERTH_E_UNREACHABLE, "the manager's id is too long");
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            return berth_error_nomem(err);
        (void)snprintf(entry->id, sizeof(entry->id), "%s", id);
        struct berth_swarm_entry **bucket = bucket_of(watch, id);
        entry->next = *bucket;
        *bucket = entry;
    }
    *ret_entry = entry;
    return 0;
}

void berth_swarm_entry_remove(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry)
{
    struct berth_swarm_entry **at = bucket_of(watch, entry->id);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    berth_swarm_service_release(&entry->service);
    free(entry);
}

void berth_swarm_entries_walk(struct berth_swarm_watch *watch,
                              bool (*visit)(struct berth_swarm_watch *watch,
                                            struct berth_swarm_entry *entry, void *ctx),
                              void *ctx)
{
    for (size_t i = 0; i < BERTH_SWARM_BUCKETS; i++) {
        struct berth_swarm_entry *next;
        for (struct berth_swarm_entry *entry = watch->buckets[i]; entry; entry = next) {
            next = entry->next;
            if (!visit(watch, entry, ctx))
                return;
        }
    }
}

static bool remove_entry(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry,
                         void *ctx)
{
    (void)ctx;
    berth_swarm_entry_remove(watch, entry);
    return true;
}

void berth_swarm_entries_clear(struct berth_swarm_watch *watch)
{
    berth_swarm_entries_walk(watch, remove_entry, NULL);
}

/* ---- What is known ---- */

bool berth_swarm_entry_take(struct berth_swarm_entry *entry, const struct berth_swarm_task *task)
{
    static const struct berth_swarm_task none = {.phase = BERTH_TASK_NONE};
    if (!task)
        task = &none;
    bool is_same = strcmp(entry->task.id, task->id) == 0 && entry->task.version == task->version;
    if (is_same)
        return false;
    entry->task = *task;
    entry->changed_ms = berth_clock_monotonic_ms();
    return true;
}

static const struct berth_swarm_node *node_of(const struct berth_swarm_watch *watch,
                                              const struct berth_swarm_entry *entry)
{
    return entry->task.node[0] ? berth_swarm_node_find(&watch->nodes, entry->task.node) : NULL;
}

static struct berth_swarm_link *link_of(const struct berth_swarm_watch *watch,
                                        const struct berth_swarm_entry *entry)
{
    const struct berth_swarm_node *node = node_of(watch, entry);
    return node ? berth_swarm_link_find(watch, node) : NULL;
}

bool berth_swarm_entry_is_final(const struct berth_swarm_entry *entry)
{
    return entry->service.shape && entry->service.is_job && entry->task.phase == BERTH_TASK_ENDED;
}

bool berth_swarm_entry_is_followed(const struct berth_swarm_watch *watch,
                                   const struct berth_swarm_entry *entry)
{
    const struct berth_swarm_link *link = link_of(watch, entry);
    const struct berth_app *row =
        link && link->is_live ? berth_swarm_link_row(link, entry->task.id) : NULL;
    return entry->task.phase == BERTH_TASK_RUNNING && row &&
           (row->state == BERTH_APP_RUNNING || row->state == BERTH_APP_PAUSED);
}

int berth_swarm_entry_app(struct berth_swarm_watch *watch, const struct berth_swarm_entry *entry,
                          struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf image_id = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    const struct berth_swarm_node *node = node_of(watch, entry);
    const struct berth_swarm_link *link = link_of(watch, entry);
    struct berth_swarm_sight sight = {.hostname = node ? node->hostname : entry->task.node};
    if (entry->task.node[0])
        sight.node_down = berth_swarm_node_trouble(node);
    if (link) {
        sight.row = berth_swarm_link_row(link, entry->task.id);
        sight.silence = link->is_live ? NULL : "does not answer";
    }
    if (!sight.row)
        berth_swarm_image_id(watch->swarm, entry->service.shape->image, &image_id);
    sight.image_id = berth_strbuf_str(&image_id);
    return berth_swarm_app_make(&entry->service,
                                entry->task.phase == BERTH_TASK_NONE ? NULL : &entry->task, &sight,
                                ret_app, err);
}

/* ---- Telling ---- */

/* The app that is to be told, or NULL where nothing is. False: contact was given up. */
static bool make_told(struct berth_swarm_watch *watch, const struct berth_swarm_entry *entry,
                      struct berth_app **ret_app)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (watch->state != BERTH_SWARM_LIVE || !entry->service.shape ||
        berth_swarm_entry_app(watch, entry, ret_app, &err) == 0)
        return true;
    berth_swarm_watch_lose(watch, &err);
    return false;
}

bool berth_swarm_entry_tell(struct berth_swarm_watch *watch, const struct berth_swarm_entry *entry,
                            uint64_t ticket)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    if (!make_told(watch, entry, &app))
        return false;
    if (!app)
        return true;
    watch->sink.app(watch->sink.ctx, ticket, app);
    return true;
}

bool berth_swarm_entry_lose(struct berth_swarm_watch *watch, const struct berth_swarm_entry *entry,
                            int64_t alive_ns)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    if (!make_told(watch, entry, &app))
        return false;
    if (!app)
        return true;
    if (app->state == BERTH_APP_UNKNOWN && alive_ns > 0)
        watch->sink.changed(watch->sink.ctx, entry->id, app->state, alive_ns);
    watch->sink.app(watch->sink.ctx, watch->sink.ticket(watch->sink.ctx), app);
    return true;
}

void berth_swarm_entry_end(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry,
                           uint64_t ticket, int64_t at_ns)
{
    if (watch->state == BERTH_SWARM_LIVE && entry->service.shape)
        watch->sink.gone(watch->sink.ctx, ticket, entry->id, at_ns);
    berth_swarm_entry_remove(watch, entry);
}
