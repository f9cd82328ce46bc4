/* SPDX-License-Identifier: MIT */
/*
 * Locks: mutex guards mode and all below it; it is not held while a store is
 * asked. A write counts itself in before it goes to the copy, so that the
 * spool is empty when the server takes over.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "facilities/store_fallback_internal.h"

#include <string.h>

#define COPY_WAIT_MS 2000 /* of a change for its copy */

/* ---- Jobs ---- */

static int run_job(struct berth_txn *under, void *ctx, struct berth_error *err)
{
    struct fallback_job *job = ctx;
    struct fallback_txn txn = {.base.store = &job->store->base, .under = under, .mode = job->mode};
    job->has_begun = true;
    int r = berth_txn_run_job(&txn.base, job->job, job->ctx, err);
    job->tells = txn.tells;
    return r;
}

static int refuse(const struct fallback_store *store, const char *what, struct berth_error *err)
{
    (void)berth_error_set_coded(err, BERTH_E_UNREACHABLE, "STORE_AWAY",
                                "%s cannot be reached: %s until it is back", store->config.server,
                                what);
    if (err)
        err->retry_after_s = 5;
    return BERTH_E_UNREACHABLE;
}

static int run_under_copy(struct fallback_txn *txn, const char *sql,
                          const struct berth_value *values, size_t count, berth_row_fn *on_row,
                          void *ctx, int64_t *ret_changes, struct berth_error *err)
{
    const struct fallback_store *store = fallback(txn->base.store);
    unsigned what = berth_fallback_policy(sql);
    if (what & BERTH_FALLBACK_UNKNOWN)
        return refuse(store, "uptime is not known", err);
    if (what & BERTH_FALLBACK_REFUSE)
        return refuse(store, "users, roles, tokens and image requests stay as they are", err);
    int r = 0;
    if (what & BERTH_FALLBACK_SPOOL)
        r = berth_store_spool_add(txn->under, txn->hold, sql, values, count, err);
    if (r == 0 && what & BERTH_FALLBACK_RUN)
        return berth_txn_run(txn->under, sql, values, count, on_row, ctx, ret_changes, err);
    if (r == 0 && ret_changes)
        *ret_changes = 0;
    return r;
}

static int driver_run(struct berth_txn *base, const char *sql, const struct berth_value *values,
                      size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                      struct berth_error *err)
{
    struct fallback_txn *txn = (struct fallback_txn *)base;
    if (txn->mode == BERTH_FALLBACK_COPY)
        return run_under_copy(txn, sql, values, count, on_row, ctx, ret_changes, err);
    return berth_txn_run(txn->under, sql, values, count, on_row, ctx, ret_changes, err);
}

static int driver_tell(struct berth_txn *base, const struct berth_store_news *news,
                       struct berth_error *err)
{
    struct fallback_txn *txn = (struct fallback_txn *)base;
    txn->tells = true;
    return txn->mode == BERTH_FALLBACK_SERVER ? berth_txn_tell(txn->under, news, err) : 0;
}

/* ---- Which store ---- */

/* A store opened once and kept; without it, nothing serves. */
static int open_alone(struct fallback_store *store, struct berth_error *err)
{
    struct berth_store *alone = NULL;
    {
        BERTH_LOCK_SCOPE(lock, &store->mutex);
        if (store->alone)
            return 0;
    }
    int r = berth_store_sqlite_open(store->config.alone_path, &alone, err);
    if (r < 0)
        return r;
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->alone = alone;
    return 0;
}

/* The caller holds the mutex. */
static struct berth_store *store_of(const struct fallback_store *store,
                                    enum berth_fallback_mode mode)
{
    return mode == BERTH_FALLBACK_SERVER ? store->server
           : mode == BERTH_FALLBACK_COPY ? store->copy
                                         : store->alone;
}

/* The store that serves now; one that is written to is given back by leave. */
struct berth_store *berth_fallback_enter(struct fallback_store *store, bool writes,
                                         enum berth_fallback_mode *ret_mode)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    while (writes && store->is_rejoining)
        (void)pthread_cond_wait(&store->changed, &store->mutex);
    store->writing += writes && store->mode == BERTH_FALLBACK_COPY;
    *ret_mode = store->mode;
    return store_of(store, store->mode);
}

static void leave(struct fallback_store *store, enum berth_fallback_mode mode)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    if (mode != BERTH_FALLBACK_COPY)
        return;
    store->writing--;
    (void)pthread_cond_broadcast(&store->changed);
}

/* The server was there: its copy is what counts from now on. */
void berth_fallback_fall(struct fallback_store *store, const struct berth_error *why)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    if (store->mode != BERTH_FALLBACK_SERVER)
        return;
    store->mode = BERTH_FALLBACK_COPY;
    store->fallen_ns = berth_clock_wall_ns();
    (void)pthread_cond_broadcast(&store->changed);
    berth_log_error(BERTH_LOG_ERROR, why,
                    "%s cannot be reached: apps go on under the copy in %s; users, roles, tokens "
                    "and approvals cannot be changed until it is back",
                    store->config.server, store->config.copy_path);
}

static void note_change(struct fallback_store *store)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->changes++;
    (void)pthread_cond_broadcast(&store->changed);
}

/* What is answered is in the copy too, unless that takes long. */
static void await_copy(struct fallback_store *store)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + COPY_WAIT_MS;
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    uint64_t change = ++store->changes;
    (void)pthread_cond_broadcast(&store->changed);
    while (store->copied < change && store->mode == BERTH_FALLBACK_SERVER &&
           berth_cond_wait_until(&store->changed, &store->mutex, deadline_ms))
        ;
}

/* ---- Writing and reading ---- */

_Static_assert(sizeof(struct fallback_job) <= BERTH_STORE_REQUEST_ROOM,
               "a request has room for it");

static void begin(struct fallback_store *store, struct berth_store_request *request,
                  berth_store_job *job, void *ctx)
{
    struct fallback_job *own = (struct fallback_job *)(void *)request->room;
    *own = (struct fallback_job){.store = store, .job = job, .ctx = ctx};
    struct berth_store *under = berth_fallback_enter(store, true, &own->mode);
    request->job = run_job;
    request->ctx = own;
    under->ops->begin_write(under, request);
}

static int end(struct fallback_store *store, struct berth_store_request *request,
               struct berth_error *err)
{
    const struct fallback_job *own = (const struct fallback_job *)(const void *)request->room;
    struct berth_store *under;
    {
        BERTH_LOCK_SCOPE(lock, &store->mutex);
        under = store_of(store, own->mode);
    }
    int r = under->ops->end_write(under, request, err);
    leave(store, own->mode);
    if (r == 0 && own->tells && own->mode == BERTH_FALLBACK_SERVER)
        await_copy(store);
    return r;
}

static void driver_begin_write(struct berth_store *base, struct berth_store_request *request)
{
    begin(fallback(base), request, request->job, request->ctx);
}

static int driver_end_write(struct berth_store *base, struct berth_store_request *request,
                            struct berth_error *err)
{
    struct fallback_store *store = fallback(base);
    struct berth_error why = BERTH_ERROR_INIT;
    int r = end(store, request, &why);
    const struct fallback_job own = *(const struct fallback_job *)(const void *)request->room;
    if (r == BERTH_E_UNREACHABLE && own.mode == BERTH_FALLBACK_SERVER) {
        berth_fallback_fall(store, &why);
        if (!own.has_begun || request->may_repeat) {
            bool may_repeat = request->may_repeat;
            *request = (struct berth_store_request){.may_repeat = may_repeat};
            begin(store, request, own.job, own.ctx);
            return end(store, request, err);
        }
    }
    if (r < 0 && err)
        *err = why;
    return r;
}

static int read_once(struct fallback_store *store, struct fallback_job *job,
                     struct berth_error *err)
{
    struct berth_store *under = berth_fallback_enter(store, false, &job->mode);
    return berth_store_read(under, run_job, job, err);
}

static int driver_read(struct berth_store *base, berth_store_job *job, void *ctx,
                       struct berth_error *err)
{
    struct fallback_store *store = fallback(base);
    struct fallback_job own = {.store = store, .job = job, .ctx = ctx};
    struct berth_error why = BERTH_ERROR_INIT;
    int r = read_once(store, &own, &why);
    if (r == BERTH_E_UNREACHABLE && own.mode == BERTH_FALLBACK_SERVER) {
        berth_fallback_fall(store, &why);
        if (!own.has_begun)
            return read_once(store, &own, err);
    }
    if (r < 0 && err)
        *err = why;
    return r;
}

/* ---- News ---- */

int berth_fallback_tell(struct fallback_store *store, const struct berth_store_news *news)
{
    berth_news_fn *fn;
    {
        BERTH_LOCK_SCOPE(lock, &store->mutex);
        fn = store->fn;
        store->calling++;
    }
    int r = fn ? fn(news, store->fn_ctx) : 0;
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->calling--;
    (void)pthread_cond_broadcast(&store->changed);
    return r;
}

/* Of other gateways. While the copy serves, nothing is read of the server. */
int berth_fallback_on_news(const struct berth_store_news *news, void *ctx)
{
    struct fallback_store *store = ctx;
    enum berth_fallback_mode mode;
    (void)berth_fallback_enter(store, false, &mode);
    if (mode != BERTH_FALLBACK_SERVER)
        return 0;
    note_change(store);
    return berth_fallback_tell(store, news);
}

static int driver_listen(struct berth_store *base, berth_news_fn *fn, void *ctx,
                         struct berth_error *err __attribute__((unused)))
{
    struct fallback_store *store = fallback(base);
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->fn_ctx = ctx;
    store->fn = fn;
    store->missed++; /* what the server's others told until now */
    (void)pthread_cond_broadcast(&store->changed);
    return 0;
}

static void driver_deafen(struct berth_store *base)
{
    struct fallback_store *store = fallback(base);
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->fn = NULL;
    while (store->calling > 0)
        (void)pthread_cond_wait(&store->changed, &store->mutex);
}

/* ---- Opening ---- */

static int note_copy(const struct berth_row *row __attribute__((unused)), void *ctx,
                     struct berth_error *err __attribute__((unused)))
{
    *(bool *)ctx = true;
    return 0;
}

static int has_copy_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, "SELECT 1 FROM user_account LIMIT 1", NULL, 0, note_copy, ctx, NULL,
                         err);
}

/* ---- Life ---- */

static int driver_condition(struct berth_store *base, struct berth_error *err)
{
    struct fallback_store *store = fallback(base);
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    if (store->mode == BERTH_FALLBACK_SERVER)
        return 0;
    BERTH_CLEANUP(strbuf) struct berth_strbuf since = BERTH_STRBUF_INIT(64);
    berth_clock_add_rfc3339(&since, store->fallen_ns, 0);
    (void)berth_error_set(err, BERTH_E_UNREACHABLE, "%s cannot be reached since %s: %s",
                          store->config.server, berth_strbuf_str(&since),
                          store->mode == BERTH_FALLBACK_COPY
                              ? "apps go on under a copy, users, roles, tokens and "
                                "approvals cannot be changed"
                              : "the embedded store serves");
    return BERTH_E_UNREACHABLE;
}

static void driver_close(struct berth_store *base)
{
    struct fallback_store *store = fallback(base);
    if (store->has_thread) {
        {
            BERTH_LOCK_SCOPE(lock, &store->mutex);
            store->stopping = true;
            (void)pthread_cond_broadcast(&store->changed);
        }
        (void)pthread_join(store->thread, NULL);
    }
    berth_store_close(store->server);
    berth_store_spool_close(store->spool);
    berth_store_close(store->copy);
    berth_store_close(store->alone);
    while (store->held) {
        struct held *held = store->held;
        store->held = held->next;
        free(held);
    }
    if (store->config.release)
        store->config.release(store->config.ctx);
    (void)pthread_cond_destroy(&store->changed);
    (void)pthread_mutex_destroy(&store->mutex);
    free((void *)(uintptr_t)store->config.server);
    free((void *)(uintptr_t)store->config.copy_path);
    free((void *)(uintptr_t)store->config.alone_path);
    free(store);
}

static const struct berth_store_ops fallback_ops = {
    .close = driver_close,
    .begin_write = driver_begin_write,
    .end_write = driver_end_write,
    .read = driver_read,
    .run = driver_run,
    .tell = driver_tell,
    .listen = driver_listen,
    .deafen = driver_deafen,
    .hold = berth_fallback_hold,
    .let_go = berth_fallback_let_go,
    .holds = berth_fallback_holds,
    .condition = driver_condition,
};

/* The server is there: a copy is made before anything is served. */
static int begin_with_server(struct fallback_store *store, struct berth_error *err)
{
    int64_t count = 0;
    int r = berth_store_read(store->copy, berth_fallback_read_holds, store, err);
    if (r == 0)
        r = berth_fallback_hold_again(store, err);
    if (r == 0)
        r = berth_store_spool_deliver(store->spool, store->server, &count, err);
    if (r == 0)
        r = berth_fallback_make_copy(store, err);
    if (r == 0)
        r = berth_fallback_hear(store, err);
    if (r == 0 && count > 0)
        berth_log(BERTH_LOG_WARNING, "%lld statements of uptime and audit were delivered to %s",
                  (long long)count, store->config.server);
    return r;
}

static int begin_without(struct fallback_store *store, const struct berth_error *why,
                         struct berth_error *err)
{
    bool has_copy = false;
    int r = berth_store_read(store->copy, has_copy_job, &has_copy, err);
    if (r == 0 && has_copy)
        r = berth_store_read(store->copy, berth_fallback_read_holds, store, err);
    if (r == 0 && !has_copy)
        r = open_alone(store, err);
    if (r < 0)
        return r;
    store->mode = has_copy ? BERTH_FALLBACK_COPY : BERTH_FALLBACK_ALONE;
    store->fallen_ns = berth_clock_wall_ns();
    berth_log_error(BERTH_LOG_ERROR, why,
                    has_copy ? "%s cannot be reached: apps go on under the copy in %s; users, "
                               "roles, tokens and approvals cannot be changed until it is back"
                             : "%s cannot be reached: the embedded store %s serves",
                    store->config.server,
                    has_copy ? store->config.copy_path : store->config.alone_path);
    return 0;
}

static int begin_serving(struct fallback_store *store, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int r = berth_store_sqlite_open(store->config.copy_path, &store->copy, err);
    if (r == 0)
        r = berth_store_spool_open(store->copy, &store->spool, err);
    if (r < 0)
        return r;
    r = berth_fallback_reach(store, &why);
    if (r == 0)
        r = begin_with_server(store, &why);
    if (r == BERTH_E_UNREACHABLE)
        return begin_without(store, &why, err);
    if (r < 0 && err)
        *err = why;
    return r;
}

static int copy_config(struct fallback_store *store, const struct berth_fallback_config *config,
                       struct berth_error *err)
{
    store->config = *config;
    store->config.server = berth_text_dup(config->server);
    store->config.copy_path = berth_text_dup(config->copy_path);
    store->config.alone_path = berth_text_dup(config->alone_path);
    return store->config.server && store->config.copy_path && store->config.alone_path
               ? 0
               : berth_error_nomem(err);
}

int berth_store_fallback_open(const struct berth_fallback_config *config,
                              struct berth_store **ret_store, struct berth_error *err)
{
    struct fallback_store *store = calloc(1, sizeof(*store));
    if (!store) {
        if (config->release)
            config->release(config->ctx);
        return berth_error_nomem(err);
    }
    store->base = (struct berth_store){.ops = &fallback_ops, .lock_fd = -1};
    (void)pthread_mutex_init(&store->mutex, NULL);
    berth_cond_init(&store->changed);
    int r = copy_config(store, config, err);
    if (r == 0)
        r = begin_serving(store, err);
    if (r == 0)
        r = berth_thread_start(&store->thread, "fallback", berth_fallback_look_after, store, err);
    store->has_thread = r == 0;
    if (r < 0) {
        driver_close(&store->base);
        return r;
    }
    *ret_store = &store->base;
    return 0;
}
