/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_refresh.h"

#include "backends/engine/engine_fetch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define PATH_MAX_BYTES 4096
#define ROWS_AT_ONCE   4
#define BUCKETS        256
#define RETRY_MIN_MS   1000 /* after an error of the engine, doubled each time */
#define RETRY_MAX_MS   30000

/* A container that is to be asked about: waiting (its timer is set), ready or being asked about. */
struct row {
    struct berth_engine_refresh *refresh;
    struct row *next; /* in its bucket */
    struct row *next_ready;
    struct berth_engine_timer timer;
    struct berth_engine_fetch *fetch; /* set: being asked about */
    cJSON *inspect;                   /* the first answer */
    uint64_t ticket;
    int64_t again_ms; /* ask once more, so long after this answer; -1: no */
    unsigned failures;
    bool is_ready;
    char id[];
};

struct berth_engine_refresh {
    struct berth_engine_io *io;
    struct berth_engine *engine;
    const struct berth_engine_scope *scope;
    const struct berth_engine_refresh_ops *ops;
    void *ctx;
    bool held;
    unsigned asking;
    struct row *first_ready;
    struct row **last_ready;
    struct row *buckets[BUCKETS];
};

/* ---- The table ---- */

static struct row **bucket_of(struct berth_engine_refresh *refresh, const char *id)
{
    return &refresh->buckets[berth_text_hash(id) % BUCKETS];
}

static struct row *find(struct berth_engine_refresh *refresh, const char *id)
{
    struct row *row = *bucket_of(refresh, id);
    while (row && strcmp(row->id, id) != 0)
        row = row->next;
    return row;
}

static void stop_asking(struct row *row)
{
    if (row->fetch)
        row->refresh->asking--;
    berth_engine_fetch_free(berth_steal(&row->fetch));
    cJSON_Delete(berth_steal(&row->inspect));
}

static void leave_ready(struct row *row)
{
    if (!row->is_ready)
        return;
    struct berth_engine_refresh *refresh = row->refresh;
    struct row **at = &refresh->first_ready;
    while (*at != row)
        at = &(*at)->next_ready;
    *at = row->next_ready;
    if (!*at)
        refresh->last_ready = at;
    row->is_ready = false;
}

/* Out of all lists, but not freed. */
static void detach(struct row *row)
{
    struct berth_engine_refresh *refresh = row->refresh;
    stop_asking(row);
    leave_ready(row);
    berth_engine_timer_clear(refresh->io, &row->timer);
    struct row **at = bucket_of(refresh, row->id);
    while (*at != row)
        at = &(*at)->next;
    *at = row->next;
}

static void forget(struct row *row)
{
    detach(row);
    free(row);
}

/* ---- Asking ---- */

static void ask(struct row *row);

static void pump(struct berth_engine_refresh *refresh)
{
    while (!refresh->held && refresh->first_ready && refresh->asking < ROWS_AT_ONCE) {
        struct row *row = refresh->first_ready;
        leave_ready(row);
        ask(row);
    }
}

static void on_due(void *ctx)
{
    struct row *row = ctx;
    struct berth_engine_refresh *refresh = row->refresh;
    row->is_ready = true;
    row->next_ready = NULL;
    *refresh->last_ready = row;
    refresh->last_ready = &row->next_ready;
    pump(refresh);
}

/* The question is answered; what came meanwhile asks again, else the row is forgotten. */
static void settle(struct row *row)
{
    stop_asking(row);
    int64_t again_ms = row->again_ms;
    if (again_ms < 0) {
        forget(row);
        return;
    }
    row->again_ms = -1;
    row->failures = 0;
    berth_engine_timer_set(row->refresh->io, &row->timer, again_ms);
}

/* The engine could not say: it is asked again later. */
static void postpone(struct row *row, const struct berth_error *err)
{
    berth_log_error(BERTH_LOG_WARNING, err, "container %.12s cannot be looked at", row->id);
    stop_asking(row);
    int64_t delay_ms = RETRY_MIN_MS << row->failures;
    if (delay_ms >= RETRY_MAX_MS)
        delay_ms = RETRY_MAX_MS;
    else
        row->failures++;
    row->again_ms = -1;
    berth_engine_timer_set(row->refresh->io, &row->timer, delay_ms);
}

static void fail(struct row *row, const struct berth_error *err)
{
    struct berth_engine_refresh *refresh = row->refresh;
    postpone(row, err);
    pump(refresh);
}

static void tell_gone(struct row *row)
{
    struct berth_engine_refresh *refresh = row->refresh;
    detach(row);
    pump(refresh);
    refresh->ops->gone(refresh->ctx, row->ticket, row->id);
    free(row);
}

/* Takes app over. */
static void tell_app(struct row *row, struct berth_app *app)
{
    struct berth_engine_refresh *refresh = row->refresh;
    uint64_t ticket = row->ticket;
    settle(row);
    pump(refresh);
    refresh->ops->app(refresh->ctx, ticket, app);
    berth_app_unref(app);
}

/* Not of the scope, or on its way out (the event of its end will tell). */
static void tell_nothing(struct row *row)
{
    struct berth_engine_refresh *refresh = row->refresh;
    settle(row);
    pump(refresh);
}

static void on_list(void *ctx, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct row *row = ctx;
    struct berth_engine_refresh *refresh = row->refresh;
    if (why) {
        fail(row, why);
        return;
    }
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *list = NULL;
    struct berth_app *app;
    int status = berth_engine_parse(refresh->engine, answer->body, answer->len, &list, &err);
    if (!status && cJSON_GetArraySize(list) == 0)
        status = BERTH_E_NOT_FOUND;
    if (!status)
        status = berth_engine_app_parse(refresh->scope, list->child, row->inspect, &app, &err);
    if (status == BERTH_E_NOT_FOUND)
        tell_nothing(row);
    else if (status)
        fail(row, &err);
    else
        tell_app(row, app);
}

/* The next question about a row; the one before is over. */
static int fetch(struct row *row, const char *path, berth_engine_fetch_done *done,
                 struct berth_error *err)
{
    struct berth_engine_refresh *refresh = row->refresh;
    berth_engine_fetch_free(berth_steal(&row->fetch));
    int status = berth_engine_fetch_start(refresh->io, refresh->engine, path,
                                          berth_engine_timeout_ms(refresh->engine), done, row,
                                          &row->fetch, err);
    if (status)
        refresh->asking--;
    return status;
}

static int ask_list(struct row *row, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_list_path(row->refresh->scope, row->id, &path);
    int status = berth_strbuf_check(&path, err);
    return status ? status : fetch(row, berth_strbuf_str(&path), on_list, err);
}

static void on_inspect(void *ctx, const struct berth_engine_answer *answer,
                       const struct berth_error *why)
{
    struct row *row = ctx;
    struct berth_engine_refresh *refresh = row->refresh;
    if (why && why->status == BERTH_E_NOT_FOUND) {
        tell_gone(row);
        return;
    }
    if (why) {
        fail(row, why);
        return;
    }
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_engine_parse(refresh->engine, answer->body, answer->len, &row->inspect, &err)) {
        fail(row, &err);
        return;
    }
    const cJSON *config = berth_json_get(row->inspect, "Config");
    if (!berth_engine_in_scope(refresh->scope, berth_json_get(config, "Labels")))
        tell_nothing(row);
    else if (ask_list(row, &err))
        fail(row, &err);
}

static void ask(struct row *row)
{
    struct berth_engine_refresh *refresh = row->refresh;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(row->id, "/json", &path);
    row->ticket = refresh->ops->ticket(refresh->ctx);
    int status = berth_strbuf_check(&path, &err);
    if (!status) {
        refresh->asking++;
        status = fetch(row, berth_strbuf_str(&path), on_inspect, &err);
    }
    if (status)
        postpone(row, &err);
}

/* ---- The interface ---- */

int berth_engine_refresh_new(struct berth_engine_io *io, struct berth_engine *engine,
                             const struct berth_engine_scope *scope,
                             const struct berth_engine_refresh_ops *ops, void *ctx,
                             struct berth_engine_refresh **ret_refresh, struct berth_error *err)
{
    struct berth_engine_refresh *refresh = calloc(1, sizeof(*refresh));
    if (!refresh)
        return berth_error_nomem(err);
    *refresh = (struct berth_engine_refresh){
        .io = io, .engine = engine, .scope = scope, .ops = ops, .ctx = ctx, .held = true};
    refresh->last_ready = &refresh->first_ready;
    *ret_refresh = refresh;
    return 0;
}

void berth_engine_refresh_clear(struct berth_engine_refresh *refresh)
{
    refresh->held = true;
    for (size_t i = 0; i < BUCKETS; i++)
        while (refresh->buckets[i])
            forget(refresh->buckets[i]);
}

void berth_engine_refresh_free(struct berth_engine_refresh *refresh)
{
    if (!refresh)
        return;
    berth_engine_refresh_clear(refresh);
    free(refresh);
}

void berth_engine_refresh_release(struct berth_engine_refresh *refresh)
{
    refresh->held = false;
    pump(refresh);
}

static int add_row(struct berth_engine_refresh *refresh, const char *id, struct row **ret_row,
                   struct berth_error *err)
{
    size_t size = strlen(id) + 1;
    struct row *row = calloc(1, sizeof(*row) + size);
    if (!row)
        return berth_error_nomem(err);
    row->refresh = refresh;
    row->timer = (struct berth_engine_timer){.run = on_due, .ctx = row};
    row->again_ms = -1;
    memcpy(row->id, id, size);
    struct row **bucket = bucket_of(refresh, id);
    row->next = *bucket;
    *bucket = row;
    *ret_row = row;
    return 0;
}

int berth_engine_refresh_want(struct berth_engine_refresh *refresh, const char *id,
                              int64_t delay_ms, struct berth_error *err)
{
    struct row *row = find(refresh, id);
    if (row && row->is_ready)
        return 0;
    if (row && row->fetch) {
        if (row->again_ms < 0 || delay_ms < row->again_ms)
            row->again_ms = delay_ms;
        return 0;
    }
    if (row && row->timer.due_ms <= berth_clock_monotonic_ms() + delay_ms)
        return 0;
    if (!row) {
        int status = add_row(refresh, id, &row, err);
        if (status)
            return status;
    }
    berth_engine_timer_set(refresh->io, &row->timer, delay_ms);
    return 0;
}

void berth_engine_refresh_drop(struct berth_engine_refresh *refresh, const char *id)
{
    struct row *row = find(refresh, id);
    if (!row)
        return;
    forget(row);
    pump(refresh);
}
