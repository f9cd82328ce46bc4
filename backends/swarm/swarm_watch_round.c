/* SPDX-License-Identifier: MIT */
/* Everything the manager has, asked for in one go: info, nodes, services, tasks. */
#include "backends/swarm/swarm_watch_private.h"

#include "backends/swarm/swarm_spread.h"
#include "base/clock.h"
#include "base/log.h"

#define ROUND_EVERY_MS 60000
#define NODES_EVERY_MS 5000

static void ask(struct berth_swarm_watch *watch, const char *path, berth_engine_fetch_done *done,
                struct berth_engine_fetch **slot)
{
    struct berth_error err = BERTH_ERROR_INIT;
    berth_engine_fetch_free(berth_steal(slot));
    if (berth_engine_fetch_start(watch->io, watch->swarm->manager, path,
                                 berth_engine_timeout_ms(watch->swarm->manager), done, watch, slot,
                                 &err))
        berth_swarm_watch_lose(watch, &err);
}

/* NULL: there was none, and contact was given up over it. */
static cJSON *parse(struct berth_swarm_watch *watch, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct berth_error err = BERTH_ERROR_INIT;
    cJSON *json = NULL;
    if (why)
        err = *why;
    else
        (void)!berth_engine_parse(watch->swarm->manager, answer->body, answer->len, &json, &err);
    if (err.status)
        berth_swarm_watch_lose(watch, &err);
    return json;
}

/* ---- Nodes ---- */

static bool retell_moved(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry,
                         void *ctx)
{
    const struct berth_swarm_node_list *before = ctx;
    if (!entry->task.node[0])
        return true;
    const struct berth_swarm_node *was = berth_swarm_node_find(before, entry->task.node);
    const struct berth_swarm_node *is = berth_swarm_node_find(&watch->nodes, entry->task.node);
    if (was && is && strcmp(was->status, is->status) == 0 &&
        strcmp(was->hostname, is->hostname) == 0)
        return true;
    return berth_swarm_entry_tell(watch, entry, watch->sink.ticket(watch->sink.ctx));
}

/* False: contact was given up over it. */
static bool take_nodes(struct berth_swarm_watch *watch, const cJSON *json)
{
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list before = {0};
    struct berth_swarm_node_list nodes = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_swarm_nodes_parse(json, &nodes, &err)) {
        berth_swarm_watch_lose(watch, &err);
        return false;
    }
    before = watch->nodes;
    watch->nodes = nodes;
    int status = berth_swarm_nodes_check(&watch->nodes, &err);
    berth_swarm_set_condition(watch->swarm, status < 0 ? &err : NULL);
    berth_swarm_set_nodes(watch->swarm, &watch->nodes);
    berth_swarm_spread_nodes(watch->swarm->spread, &watch->nodes);
    if (berth_swarm_links_ensure(watch, &err)) {
        berth_swarm_watch_lose(watch, &err);
        return false;
    }
    berth_swarm_entries_walk(watch, retell_moved, &before);
    return watch->state != BERTH_SWARM_DOWN;
}

static void on_nodes_alone(void *ctx, const struct berth_engine_answer *answer,
                           const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    BERTH_CLEANUP(json) cJSON *json = parse(watch, answer, why);
    if (!json)
        return;
    berth_engine_fetch_free(berth_steal(&watch->nodes_fetch));
    if (!take_nodes(watch, json))
        return;
    berth_engine_timer_set(watch->io, &watch->nodes_timer, NODES_EVERY_MS);
    berth_swarm_poll_wake(watch);
}

void berth_swarm_nodes_ask(struct berth_swarm_watch *watch)
{
    berth_engine_timer_clear(watch->io, &watch->nodes_timer);
    ask(watch, "/nodes", on_nodes_alone, &watch->nodes_fetch);
}

static void on_nodes_timer(void *ctx)
{
    berth_swarm_nodes_ask(ctx);
}

/* ---- Services and tasks ---- */

static bool unsee(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    (void)watch;
    (void)ctx;
    entry->is_seen = false;
    return true;
}

static int take_service(struct berth_swarm_watch *watch, const cJSON *json, struct berth_error *err)
{
    struct berth_swarm_service service;
    struct berth_swarm_entry *entry;
    int status = berth_swarm_service_parse(&watch->swarm->scope, json, &service, err);
    if (status < 0)
        return status == BERTH_E_NOT_FOUND ? 0 : status;
    status = berth_swarm_entry_get(watch, service.shape->id, &entry, err);
    if (status < 0 || entry->ticket > watch->round_ticket) { /* known better since */
        berth_swarm_service_release(&service);
        if (status == 0)
            entry->is_seen = true;
        return status;
    }
    berth_swarm_service_release(&entry->service);
    entry->service = service;
    entry->is_seen = true;
    return 0;
}

/* The tasks to show, of all services at once: sorted so that the first of a service is the one. */
struct task_table {
    struct berth_swarm_task *tasks;
    size_t count;
};

static int compare_tasks(const void *a, const void *b)
{
    const struct berth_swarm_task *x = a;
    const struct berth_swarm_task *y = b;
    int order = strcmp(x->service, y->service);
    if (order)
        return order;
    return berth_swarm_task_supersedes(x, y) ? -1 : 1;
}

static int compare_service(const void *id, const void *task)
{
    return strcmp(id, ((const struct berth_swarm_task *)task)->service);
}

static int read_tasks(const cJSON *json, struct task_table *table, struct berth_error *err)
{
    table->tasks = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof(*table->tasks));
    if (!table->tasks)
        return berth_error_nomem(err);
    size_t count = 0;
    const cJSON *each;
    cJSON_ArrayForEach(each, json)
    {
        int status = berth_swarm_task_parse(each, &table->tasks[count], err);
        if (status < 0)
            return status;
        count++;
    }
    qsort(table->tasks, count, sizeof(*table->tasks), compare_tasks);
    for (size_t i = 0; i < count; i++)
        if (table->count == 0 ||
            strcmp(table->tasks[table->count - 1].service, table->tasks[i].service) != 0)
            table->tasks[table->count++] = table->tasks[i];
    return 0;
}

static bool settle(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    const struct task_table *table = ctx;
    if (entry->ticket > watch->round_ticket || entry->is_asked)
        return true;
    if (!entry->is_seen) {
        if (!entry->is_wanted)
            berth_swarm_entry_end(watch, entry, watch->round_ticket, watch->round_as_of_ns);
        return true;
    }
    bool is_new = entry->ticket == 0;
    entry->ticket = watch->round_ticket;
    entry->asked_ns = watch->round_as_of_ns;
    const struct berth_swarm_task *task =
        bsearch(entry->id, table->tasks, table->count, sizeof(*table->tasks), compare_service);
    if (!berth_swarm_entry_take(entry, task) && !is_new)
        return true;
    return berth_swarm_entry_tell(watch, entry, watch->round_ticket);
}

static void on_tasks(void *ctx, const struct berth_engine_answer *answer,
                     const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    struct task_table table = {0};
    BERTH_CLEANUP(json) cJSON *json = parse(watch, answer, why);
    if (!json)
        return;
    berth_engine_fetch_free(berth_steal(&watch->round_fetch));
    berth_swarm_entries_walk(watch, unsee, NULL);
    int status = read_tasks(json, &table, &err);
    const cJSON *each;
    cJSON_ArrayForEach(each, watch->round_services)
    {
        if (status == 0)
            status = take_service(watch, each, &err);
    }
    cJSON_Delete(berth_steal(&watch->round_services));
    if (status == 0)
        berth_swarm_entries_walk(watch, settle, &table);
    free(table.tasks);
    if (status < 0) {
        berth_swarm_watch_lose(watch, &err);
        return;
    }
    if (watch->state == BERTH_SWARM_DOWN)
        return;
    berth_swarm_watch_known(watch);
    berth_engine_timer_set(watch->io, &watch->round_timer, watch->round_again ? 0 : ROUND_EVERY_MS);
    berth_swarm_poll_wake(watch);
}

static void on_services(void *ctx, const struct berth_engine_answer *answer,
                        const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    watch->round_services = parse(watch, answer, why);
    if (!watch->round_services)
        return;
    berth_swarm_tasks_path(&watch->swarm->scope, NULL, 0, &path);
    ask(watch, berth_strbuf_str(&path), on_tasks, &watch->round_fetch);
}

static void on_nodes(void *ctx, const struct berth_engine_answer *answer,
                     const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *json = parse(watch, answer, why);
    if (!json || !take_nodes(watch, json))
        return;
    berth_engine_timer_set(watch->io, &watch->nodes_timer, NODES_EVERY_MS);
    berth_swarm_services_path(&watch->swarm->scope, NULL, &path);
    ask(watch, berth_strbuf_str(&path), on_services, &watch->round_fetch);
}

static void on_info(void *ctx, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    BERTH_CLEANUP(json) cJSON *json = parse(watch, answer, why);
    if (!json)
        return;
    berth_swarm_nodes_set_self(watch->swarm->nodes,
                               berth_json_string(berth_json_get(json, "Swarm"), "NodeID", ""));
    ask(watch, "/nodes", on_nodes, &watch->round_fetch);
}

/* ---- Starting and ending ---- */

void berth_swarm_round_start(struct berth_swarm_watch *watch)
{
    berth_engine_timer_clear(watch->io, &watch->round_timer);
    watch->round_again = watch->round_fetch != NULL;
    if (watch->round_again)
        return;
    watch->round_ticket = watch->sink.ticket(watch->sink.ctx);
    watch->round_as_of_ns = berth_clock_wall_ns();
    if (berth_swarm_nodes_is_self(watch->swarm->nodes, ""))
        ask(watch, "/info", on_info, &watch->round_fetch);
    else
        ask(watch, "/nodes", on_nodes, &watch->round_fetch);
}

static void on_round_timer(void *ctx)
{
    berth_swarm_round_start(ctx);
}

void berth_swarm_round_init(struct berth_swarm_watch *watch)
{
    watch->round_timer = (struct berth_engine_timer){.run = on_round_timer, .ctx = watch};
    watch->nodes_timer = (struct berth_engine_timer){.run = on_nodes_timer, .ctx = watch};
}

void berth_swarm_round_stop(struct berth_swarm_watch *watch)
{
    berth_engine_fetch_free(berth_steal(&watch->round_fetch));
    berth_engine_fetch_free(berth_steal(&watch->nodes_fetch));
    cJSON_Delete(berth_steal(&watch->round_services));
    berth_engine_timer_clear(watch->io, &watch->round_timer);
    berth_engine_timer_clear(watch->io, &watch->nodes_timer);
    watch->round_again = false;
}
