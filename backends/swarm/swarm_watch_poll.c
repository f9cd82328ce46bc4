/* SPDX-License-Identifier: MIT */
/* Single services asked about, and tasks polled: when, and what comes of it. */
#include "backends/swarm/swarm_watch_private.h"

#include "base/clock.h"

#define HOT_MS     300   /* between polls of a task that is about to run */
#define HOT_FOR_MS 10000 /* after its last change */
#define READ_MS    1000  /* while somebody reads */
#define IDLE_MS    5000

static int64_t pause_of(const struct berth_swarm_watch *watch,
                        const struct berth_swarm_entry *entry, int64_t now_ms)
{
    bool is_running = entry->task.phase == BERTH_TASK_RUNNING;
    if (!is_running && now_ms - entry->changed_ms < HOT_FOR_MS)
        return HOT_MS;
    if (berth_swarm_entry_is_followed(watch, entry))
        return IDLE_MS;
    return berth_swarm_watch_is_read(watch) ? READ_MS : IDLE_MS;
}

static void schedule(const struct berth_swarm_watch *watch, struct berth_swarm_entry *entry)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    entry->due_ms =
        berth_swarm_entry_is_final(entry) ? INT64_MAX : now_ms + pause_of(watch, entry, now_ms);
}

static void lose(struct berth_swarm_watch *watch, const struct berth_error *why)
{
    berth_swarm_watch_lose(watch, why);
}

/* ---- One service ---- */

static void release_ask(struct berth_swarm_ask *ask)
{
    berth_engine_fetch_free(berth_steal(&ask->fetch));
    cJSON_Delete(berth_steal(&ask->service));
    struct berth_swarm_entry *entry = berth_swarm_entry_find(ask->watch, ask->id);
    if (entry)
        entry->is_asked = false;
}

static int choose_task(const cJSON *json, struct berth_swarm_task *chosen, struct berth_error *err)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, json)
    {
        struct berth_swarm_task task;
        int status = berth_swarm_task_parse(each, &task, err);
        if (status < 0)
            return status;
        if (!chosen->id[0] || berth_swarm_task_supersedes(&task, chosen))
            *chosen = task;
    }
    return 0;
}

/* Puts what was learned into the entry. BERTH_E_NOT_FOUND: the service is not the facility's. */
static int take_answers(struct berth_swarm_ask *ask, const cJSON *tasks,
                        struct berth_swarm_entry *entry, struct berth_error *err)
{
    struct berth_swarm_watch *watch = ask->watch;
    struct berth_swarm_service service;
    struct berth_swarm_task task = {.phase = BERTH_TASK_NONE};
    int status = choose_task(tasks, &task, err);
    if (status == 0)
        status = berth_swarm_service_parse(&watch->swarm->scope, ask->service, &service, err);
    if (status < 0)
        return status;
    berth_swarm_service_release(&entry->service);
    entry->service = service;
    entry->ticket = ask->ticket;
    entry->asked_ns = ask->asked_ns;
    (void)berth_swarm_entry_take(entry, task.id[0] ? &task : NULL);
    return 0;
}

static void end_ask(struct berth_swarm_ask *ask)
{
    struct berth_swarm_watch *watch = ask->watch;
    struct berth_swarm_entry *entry = berth_swarm_entry_find(watch, ask->id);
    uint64_t ticket = ask->ticket;
    release_ask(ask);
    if (entry)
        berth_swarm_entry_end(watch, entry, ticket, berth_clock_wall_ns());
    berth_swarm_poll_wake(watch);
}

static void on_service_tasks(void *ctx, const struct berth_engine_answer *answer,
                             const struct berth_error *why)
{
    struct berth_swarm_ask *ask = ctx;
    struct berth_swarm_watch *watch = ask->watch;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *tasks = NULL;
    struct berth_swarm_entry *entry = berth_swarm_entry_find(watch, ask->id);
    int status = why ? why->status : 0;
    if (why)
        err = *why;
    else
        status = berth_engine_parse(watch->swarm->manager, answer->body, answer->len, &tasks, &err);
    if (status == 0 && entry)
        status = take_answers(ask, tasks, entry, &err);
    if (status == BERTH_E_NOT_FOUND || !entry) {
        end_ask(ask);
        return;
    }
    if (status < 0) {
        lose(watch, &err);
        return;
    }
    uint64_t ticket = ask->ticket;
    release_ask(ask);
    schedule(watch, entry);
    if (berth_swarm_entry_tell(watch, entry, ticket))
        berth_swarm_poll_wake(watch);
}

static int fetch(struct berth_swarm_ask *ask, const struct berth_strbuf *path,
                 berth_engine_fetch_done *done, struct berth_error *err)
{
    struct berth_swarm_watch *watch = ask->watch;
    int status = berth_strbuf_check(path, err);
    berth_engine_fetch_free(berth_steal(&ask->fetch));
    return status < 0
               ? status
               : berth_engine_fetch_start(watch->io, watch->swarm->manager, berth_strbuf_str(path),
                                          berth_engine_timeout_ms(watch->swarm->manager), done, ask,
                                          &ask->fetch, err);
}

static void on_service(void *ctx, const struct berth_engine_answer *answer,
                       const struct berth_error *why)
{
    struct berth_swarm_ask *ask = ctx;
    struct berth_swarm_watch *watch = ask->watch;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    if (why && why->status == BERTH_E_NOT_FOUND) {
        end_ask(ask);
        return;
    }
    const char *id = ask->id;
    berth_swarm_tasks_path(&watch->swarm->scope, &id, 1, &path);
    int status = why ? why->status : 0;
    if (why)
        err = *why;
    else
        status = berth_engine_parse(watch->swarm->manager, answer->body, answer->len, &ask->service,
                                    &err);
    if (status == 0)
        status = fetch(ask, &path, on_service_tasks, &err);
    if (status < 0)
        lose(watch, &err);
}

static int start_ask(struct berth_swarm_watch *watch, struct berth_swarm_ask *ask,
                     struct berth_swarm_entry *entry, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    entry->is_wanted = false;
    entry->is_asked = true;
    ask->ticket = watch->sink.ticket(watch->sink.ctx);
    ask->asked_ns = berth_clock_wall_ns();
    (void)snprintf(ask->id, sizeof(ask->id), "%s", entry->id);
    berth_swarm_service_path(entry->id, &path);
    return fetch(ask, &path, on_service, err);
}

static struct berth_swarm_ask *free_ask(struct berth_swarm_watch *watch)
{
    for (size_t i = 0; i < BERTH_SWARM_ASKS; i++)
        if (!watch->asks[i].fetch)
            return &watch->asks[i];
    return NULL;
}

/* ---- Polls ---- */

static void on_poll(void *ctx, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct berth_swarm_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    if (why && why->status == BERTH_E_NOT_FOUND) { /* one of them is gone: which, a round tells */
        berth_engine_fetch_free(berth_steal(&watch->poll_fetch));
        berth_swarm_round_start(watch);
        return;
    }
    int status = why ? why->status : 0;
    if (why)
        err = *why;
    else
        status = berth_engine_parse(watch->swarm->manager, answer->body, answer->len, &json, &err);
    struct berth_swarm_task chosen[BERTH_SWARM_CHUNK] = {0};
    const cJSON *each;
    cJSON_ArrayForEach(each, json)
    {
        struct berth_swarm_task task;
        if (status == 0)
            status = berth_swarm_task_parse(each, &task, &err);
        for (size_t i = 0; status == 0 && i < watch->polled_count; i++)
            if (strcmp(watch->polled[i], task.service) == 0 &&
                (!chosen[i].id[0] || berth_swarm_task_supersedes(&task, &chosen[i])))
                chosen[i] = task;
    }
    if (status < 0) {
        lose(watch, &err);
        return;
    }
    berth_engine_fetch_free(berth_steal(&watch->poll_fetch));
    for (size_t i = 0; i < watch->polled_count; i++) {
        struct berth_swarm_entry *entry = berth_swarm_entry_find(watch, watch->polled[i]);
        if (!entry || entry->ticket > watch->poll_ticket)
            continue;
        entry->ticket = watch->poll_ticket;
        entry->asked_ns = watch->poll_asked_ns;
        bool is_news = berth_swarm_entry_take(entry, chosen[i].id[0] ? &chosen[i] : NULL);
        schedule(watch, entry);
        if (is_news && !berth_swarm_entry_tell(watch, entry, watch->poll_ticket))
            return;
    }
    berth_swarm_poll_wake(watch);
}

static int start_poll(struct berth_swarm_watch *watch, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    const char *ids[BERTH_SWARM_CHUNK];
    for (size_t i = 0; i < watch->polled_count; i++)
        ids[i] = watch->polled[i];
    watch->poll_ticket = watch->sink.ticket(watch->sink.ctx);
    watch->poll_asked_ns = berth_clock_wall_ns();
    berth_swarm_tasks_path(&watch->swarm->scope, ids, watch->polled_count, &path);
    int status = berth_strbuf_check(&path, err);
    return status < 0
               ? status
               : berth_engine_fetch_start(watch->io, watch->swarm->manager, berth_strbuf_str(&path),
                                          berth_engine_timeout_ms(watch->swarm->manager), on_poll,
                                          watch, &watch->poll_fetch, err);
}

/* ---- What is due ---- */

struct look {
    int64_t now_ms;
    int64_t next_ms; /* when something is due next */
    bool may_poll;
    int status;
    struct berth_error err;
};

static bool look_at(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    struct look *look = ctx;
    berth_swarm_rescue(watch, entry);
    if (entry->is_asked)
        return true;
    if (entry->is_wanted) {
        struct berth_swarm_ask *ask = free_ask(watch);
        if (ask)
            look->status = start_ask(watch, ask, entry, &look->err);
        return look->status == 0; /* with none free, the end of one looks again */
    }
    if (entry->due_ms > look->now_ms) {
        if (entry->due_ms < look->next_ms)
            look->next_ms = entry->due_ms;
        return true;
    }
    if (look->may_poll && watch->polled_count < BERTH_SWARM_CHUNK)
        memcpy(watch->polled[watch->polled_count++], entry->id, sizeof(entry->id));
    return true;
}

static void on_tick(void *ctx)
{
    struct berth_swarm_watch *watch = ctx;
    struct look look = {.now_ms = berth_clock_monotonic_ms(), .next_ms = INT64_MAX};
    if (watch->state != BERTH_SWARM_LIVE)
        return;
    look.may_poll = !watch->poll_fetch;
    if (look.may_poll)
        watch->polled_count = 0;
    berth_swarm_entries_walk(watch, look_at, &look);
    if (look.status == 0 && look.may_poll && watch->polled_count > 0)
        look.status = start_poll(watch, &look.err);
    if (look.status < 0)
        lose(watch, &look.err);
    else if (look.next_ms < INT64_MAX)
        berth_engine_timer_set(watch->io, &watch->tick_timer, look.next_ms - look.now_ms);
}

static bool hurry(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry, void *ctx)
{
    const int64_t *now_ms = ctx;
    int64_t due_ms = *now_ms + pause_of(watch, entry, *now_ms);
    if (entry->due_ms != INT64_MAX && due_ms < entry->due_ms)
        entry->due_ms = due_ms;
    return true;
}

void berth_swarm_poll_wake(struct berth_swarm_watch *watch)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    if (watch->state != BERTH_SWARM_LIVE)
        return;
    berth_swarm_entries_walk(watch, hurry, &now_ms);
    berth_engine_timer_set(watch->io, &watch->tick_timer, 0);
}

int berth_swarm_poll_want(struct berth_swarm_watch *watch, const char *service,
                          struct berth_error *err)
{
    struct berth_swarm_entry *entry;
    int status = berth_swarm_entry_get(watch, service, &entry, err);
    if (status < 0)
        return status;
    entry->is_wanted = true;
    if (watch->state == BERTH_SWARM_LIVE)
        berth_engine_timer_set(watch->io, &watch->tick_timer, 0);
    return 0;
}

void berth_swarm_poll_init(struct berth_swarm_watch *watch)
{
    watch->tick_timer = (struct berth_engine_timer){.run = on_tick, .ctx = watch};
    for (size_t i = 0; i < BERTH_SWARM_ASKS; i++)
        watch->asks[i].watch = watch;
}

void berth_swarm_poll_stop(struct berth_swarm_watch *watch)
{
    berth_engine_timer_clear(watch->io, &watch->tick_timer);
    berth_engine_fetch_free(berth_steal(&watch->poll_fetch));
    for (size_t i = 0; i < BERTH_SWARM_ASKS; i++)
        if (watch->asks[i].fetch)
            release_ask(&watch->asks[i]);
}
