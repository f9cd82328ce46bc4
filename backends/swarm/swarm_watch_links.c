/* SPDX-License-Identifier: MIT */
/* The engines of the nodes: each is watched as a solo engine is, and its containers are the rows
 * of the apps whose tasks run there. */
#include "backends/swarm/swarm_watch_private.h"

#include "base/clock.h"
#include "base/log.h"

/* ---- Rows ---- */

static const char *task_of(const struct berth_app *row)
{
    const char *task = berth_app_label(row, BERTH_SWARM_TASK_ID_LABEL);
    return task ? task : "";
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct berth_app *)a)->id, ((const struct berth_app *)b)->id);
}

static int compare_id(const void *id, const void *row)
{
    return strcmp(id, ((const struct berth_app *)row)->id);
}

static int compare_tasks(const void *a, const void *b)
{
    return strcmp(task_of(a), task_of(b));
}

static int compare_task(const void *task, const void *row)
{
    return strcmp(task, task_of(row));
}

static void ref_row(void *row)
{
    (void)berth_app_ref(row);
}

static void unref_row(void *row)
{
    berth_app_unref(row);
}

static const struct berth_pmap_type ids_type = {
    .compare = compare_ids, .compare_key = compare_id, .ref = ref_row, .unref = unref_row};
static const struct berth_pmap_type tasks_type = {
    .compare = compare_tasks, .compare_key = compare_task, .ref = ref_row, .unref = unref_row};

static void set_map(const struct berth_pmap_type *type, struct berth_pmap_node **slot,
                    struct berth_pmap_node *map)
{
    berth_pmap_unref(type, *slot);
    *slot = map;
}

static int put_row(struct berth_swarm_link *link, struct berth_app *row, struct berth_error *err)
{
    struct berth_pmap_node *map;
    if (!task_of(row)[0])
        return 0;
    int status = berth_pmap_put(&ids_type, link->by_id, row, &map, err);
    if (status < 0)
        return status;
    set_map(&ids_type, &link->by_id, map);
    status = berth_pmap_put(&tasks_type, link->by_task, row, &map, err);
    if (status == 0)
        set_map(&tasks_type, &link->by_task, map);
    return status;
}

static int remove_row(struct berth_swarm_link *link, const struct berth_app *row,
                      struct berth_error *err)
{
    struct berth_pmap_node *map;
    int status = berth_pmap_remove(&tasks_type, link->by_task, task_of(row), &map, err);
    if (status < 0)
        return status;
    set_map(&tasks_type, &link->by_task, map);
    status = berth_pmap_remove(&ids_type, link->by_id, row->id, &map, err);
    if (status == 0)
        set_map(&ids_type, &link->by_id, map); /* row is gone with the old one */
    return status;
}

static void forget_rows(struct berth_swarm_link *link)
{
    set_map(&ids_type, &link->by_id, NULL);
    set_map(&tasks_type, &link->by_task, NULL);
}

const struct berth_app *berth_swarm_link_row(const struct berth_swarm_link *link, const char *task)
{
    return berth_pmap_find(&tasks_type, link->by_task, task);
}

/* The app that is shown by this container, or NULL. */
static struct berth_swarm_entry *entry_of(const struct berth_swarm_link *link,
                                          const struct berth_app *row)
{
    const char *service = berth_app_label(row, BERTH_SWARM_SERVICE_ID_LABEL);
    return service ? berth_swarm_entry_find(link->watch, service) : NULL;
}

static bool shows(const struct berth_swarm_entry *entry, const struct berth_app *row)
{
    return entry && strcmp(entry->task.id, task_of(row)) == 0;
}

/* ---- What a node's engine tells ---- */

static bool is_manager(const struct berth_swarm_link *link)
{
    return link == link->watch->links;
}

static uint64_t on_ticket(void *ctx)
{
    const struct berth_swarm_link *link = ctx;
    return link->watch->sink.ticket(link->watch->sink.ctx);
}

struct speech {
    const struct berth_swarm_link *link;
    int64_t alive_ns; /* of one that is lost */
};

/* What changes with the link: the apps on its node. */
static bool retell(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    const struct speech *speech = ctx;
    const struct berth_swarm_node *node =
        entry->task.node[0] ? berth_swarm_node_find(&watch->nodes, entry->task.node) : NULL;
    if (!node || berth_swarm_link_find(watch, node) != speech->link)
        return true;
    if (!speech->link->is_live)
        return berth_swarm_entry_lose(watch, entry, speech->alive_ns);
    return berth_swarm_entry_tell(watch, entry, watch->sink.ticket(watch->sink.ctx));
}

/* alive_ns: of one that is lost. */
static void spoke(struct berth_swarm_link *link, int64_t alive_ns)
{
    struct berth_swarm_watch *watch = link->watch;
    struct speech speech = {link, alive_ns};
    link->has_spoken = true;
    berth_swarm_entries_walk(watch, retell, &speech);
    berth_swarm_watch_greet(watch);
    berth_swarm_poll_wake(watch);
}

static void on_listing(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                       int64_t as_of_ns)
{
    struct berth_swarm_link *link = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    (void)ticket;
    (void)as_of_ns;
    forget_rows(link);
    for (size_t i = 0; i < apps->count; i++)
        if (put_row(link, apps->items[i], &err)) {
            berth_swarm_watch_lose(link->watch, &err);
            return;
        }
    link->is_live = true;
    berth_swarm_endpoint_set(link->watch->swarm->nodes, link->endpoint, NULL);
    if (!is_manager(link))
        spoke(link, 0);
    else if (link->watch->state == BERTH_SWARM_DOWN) {
        link->has_spoken = true;
        berth_swarm_watch_begin(link->watch);
    }
}

/* A container the manager has not told of, or that is not as it says: the manager knows more. */
static bool is_news(const struct berth_swarm_entry *entry, const struct berth_app *row)
{
    if (!shows(entry, row))
        return !entry || row->state != BERTH_APP_EXITED;
    return (row->state == BERTH_APP_RUNNING) != (entry->task.phase == BERTH_TASK_RUNNING);
}

/*
 * The answer to a question about the service shows the container, too: whether
 * there is an app yet is the manager's to say, and it may be gone.
 */
static bool is_in_question(const struct berth_swarm_entry *entry)
{
    return entry && (entry->is_wanted || entry->is_asked);
}

static void on_app(void *ctx, uint64_t ticket, struct berth_app *row)
{
    struct berth_swarm_link *link = ctx;
    struct berth_swarm_watch *watch = link->watch;
    struct berth_error err = BERTH_ERROR_INIT;
    const char *service = berth_app_label(row, BERTH_SWARM_SERVICE_ID_LABEL);
    int status = put_row(link, row, &err);
    if (status == 0 && service) {
        const struct berth_swarm_entry *entry = entry_of(link, row);
        bool is_told_later = is_in_question(entry);
        if (is_told_later || is_news(entry, row))
            status = berth_swarm_poll_want(watch, service, &err);
        if (status == 0 && !is_told_later && shows(entry, row))
            (void)berth_swarm_entry_tell(watch, entry, ticket);
    }
    if (status < 0)
        berth_swarm_watch_lose(watch, &err);
}

static void on_gone(void *ctx, uint64_t ticket, const char *id, int64_t at_ns)
{
    struct berth_swarm_link *link = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    const struct berth_app *row = berth_pmap_find(&ids_type, link->by_id, id);
    (void)at_ns;
    if (!row)
        return;
    const struct berth_swarm_entry *entry = entry_of(link, row);
    bool was_shown = shows(entry, row);
    bool is_told_later = is_in_question(entry);
    int status = remove_row(link, row, &err);
    if (status == 0 && was_shown) {
        status = berth_swarm_poll_want(link->watch, entry->id, &err);
        if (status == 0 && !is_told_later)
            (void)berth_swarm_entry_tell(link->watch, entry, ticket);
    }
    if (status < 0)
        berth_swarm_watch_lose(link->watch, &err);
}

static void on_changed(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns)
{
    struct berth_swarm_link *link = ctx;
    struct berth_swarm_watch *watch = link->watch;
    const struct berth_app *row = berth_pmap_find(&ids_type, link->by_id, id);
    const struct berth_swarm_entry *entry = row ? entry_of(link, row) : NULL;
    if (watch->state == BERTH_SWARM_LIVE && shows(entry, row))
        watch->sink.changed(watch->sink.ctx, entry->id, state, at_ns);
}

void berth_swarm_links_tell_images(struct berth_swarm_watch *watch)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    uint64_t ticket = watch->sink.ticket(watch->sink.ctx);
    if (berth_swarm_gather_images(watch->swarm, &images, &err) < 0)
        berth_swarm_watch_lose(watch, &err);
    else if (images)
        watch->sink.images(watch->sink.ctx, ticket, images);
}

static void on_images(void *ctx, uint64_t ticket, struct berth_image_list *images)
{
    struct berth_swarm_link *link = ctx;
    struct berth_swarm_watch *watch = link->watch;
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_swarm_stock_put(watch->swarm->stock, link->endpoint, ticket, images, &err) < 0)
        berth_swarm_watch_lose(watch, &err);
    else
        berth_swarm_links_tell_images(watch);
}

static void on_alive(void *ctx, int64_t at_ns)
{
    struct berth_swarm_link *link = ctx;
    if (is_manager(link))
        berth_swarm_watch_alive(link->watch, at_ns);
}

static void on_lost(void *ctx, const struct berth_error *why, int64_t last_alive_ns)
{
    struct berth_swarm_link *link = ctx;
    link->is_live = false;
    berth_swarm_endpoint_set(link->watch->swarm->nodes, link->endpoint, why);
    if (is_manager(link)) {
        berth_swarm_nodes_set_self(link->watch->swarm->nodes, "");
        berth_swarm_watch_lose(link->watch, why);
    } else {
        spoke(link, last_alive_ns);
        berth_swarm_links_tell_images(link->watch);
    }
}

/* ---- Life ---- */

int berth_swarm_link_open(struct berth_swarm_watch *watch, struct berth_swarm_endpoint *endpoint,
                          struct berth_error *err)
{
    struct berth_swarm_link *link = calloc(1, sizeof(*link));
    if (!link)
        return berth_error_nomem(err);
    link->watch = watch;
    link->endpoint = endpoint;
    struct berth_swarm_link **last = &watch->links;
    while (*last)
        last = &(*last)->next;
    *last = link;
    const struct berth_watch_sink sink = {
        .ctx = link,
        .ticket = on_ticket,
        .listing = on_listing,
        .app = on_app,
        .gone = on_gone,
        .changed = on_changed,
        .images = on_images,
        .alive = on_alive,
        .lost = on_lost,
    };
    int status = berth_engine_watch_open(watch->io, endpoint->engine, &watch->swarm->scope, &sink,
                                         &link->engine_watch, err);
    if (status < 0) {
        *last = NULL;
        free(link);
    }
    return status;
}

static struct berth_swarm_link *link_of(const struct berth_swarm_watch *watch,
                                        const struct berth_swarm_endpoint *endpoint)
{
    struct berth_swarm_link *link = watch->links;
    while (link && link->endpoint != endpoint)
        link = link->next;
    return link;
}

static void close_link(struct berth_swarm_link *link, const struct berth_error *why)
{
    berth_engine_watch_close(link->engine_watch);
    berth_swarm_endpoint_set(link->watch->swarm->nodes, link->endpoint, why);
    forget_rows(link);
    free(link);
}

/* Nobody waits any more for the agent of a node that has left. */
static void drop_left(struct berth_swarm_watch *watch)
{
    bool is_less = false;
    for (struct berth_swarm_link **slot = &watch->links; *slot;) {
        struct berth_swarm_link *link = *slot;
        struct berth_error why = BERTH_ERROR_INIT;
        if (!berth_swarm_endpoint_is_left(watch->swarm->nodes, link->endpoint, &watch->nodes)) {
            slot = &link->next;
            continue;
        }
        *slot = link->next;
        (void)berth_error_set(&why, BERTH_E_UNREACHABLE, "node %s has left the swarm",
                              link->endpoint->hostname);
        close_link(link, &why);
        is_less = true;
    }
    if (is_less)
        berth_swarm_links_tell_images(watch);
}

int berth_swarm_links_ensure(struct berth_swarm_watch *watch, struct berth_error *err)
{
    int status = 0;
    drop_left(watch);
    for (size_t i = 0; i < watch->nodes.count && status == 0; i++) {
        struct berth_swarm_endpoint *endpoint =
            berth_swarm_nodes_find(watch->swarm->nodes, &watch->nodes.items[i]);
        if (endpoint && !link_of(watch, endpoint))
            status = berth_swarm_link_open(watch, endpoint, err);
    }
    return status;
}

void berth_swarm_links_close(struct berth_swarm_watch *watch)
{
    while (watch->links) {
        struct berth_swarm_link *link = watch->links;
        watch->links = link->next;
        close_link(link, NULL);
    }
}

void berth_swarm_links_touch(struct berth_swarm_watch *watch)
{
    for (struct berth_swarm_link *link = watch->links; link; link = link->next)
        berth_engine_watch_touch(link->engine_watch);
}

bool berth_swarm_links_have_spoken(const struct berth_swarm_watch *watch)
{
    const struct berth_swarm_link *link = watch->links;
    while (link && link->has_spoken)
        link = link->next;
    return !link;
}

struct berth_swarm_link *berth_swarm_link_find(const struct berth_swarm_watch *watch,
                                               const struct berth_swarm_node *node)
{
    struct berth_swarm_endpoint *endpoint = berth_swarm_nodes_find(watch->swarm->nodes, node);
    return endpoint ? link_of(watch, endpoint) : NULL;
}
