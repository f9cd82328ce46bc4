/* SPDX-License-Identifier: MIT */
/* The thread that keeps the copy, looks whether the server is there, and delivers what waits. */
#include "base/clock.h"
#include "base/log.h"
#include "facilities/store_fallback_internal.h"
#include "facilities/store_tables.h"

/* ---- The copy ---- */

static int copy_row(const struct berth_store_table *table, const struct berth_value *values,
                    size_t count, void *ctx, struct berth_error *err)
{
    return berth_store_insert(ctx, table, values, count, err);
}

static int copy_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct fallback_store *store = ctx;
    int r = berth_store_empty(txn, true, err);
    if (r == 0)
        r = berth_store_walk(store->server, true, copy_row, txn, err);
    return r;
}

/* What changes while it is made makes another one due. */
int berth_fallback_make_copy(struct fallback_store *store, struct berth_error *err)
{
    uint64_t change;
    {
        BERTH_LOCK_SCOPE(lock, &store->mutex);
        change = store->changes;
    }
    int r = berth_store_write(store->copy, copy_job, store, err);
    if (r < 0)
        return r;
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->copied = change;
    (void)pthread_cond_broadcast(&store->changed);
    return 0;
}

/* ---- The server, once it is there ---- */

static int ask_job(struct berth_txn *txn, void *ctx __attribute__((unused)),
                   struct berth_error *err)
{
    return berth_txn_run(txn, "SELECT 1", NULL, 0, NULL, NULL, NULL, err);
}

int berth_fallback_reach(struct fallback_store *store, struct berth_error *err)
{
    if (store->server)
        return berth_store_read(store->server, ask_job, NULL, err);
    struct berth_store *server = NULL;
    int r = store->config.open_server(store->config.ctx, &server, err);
    if (r < 0)
        return r;
    {
        BERTH_LOCK_SCOPE(lock, &store->mutex);
        store->server = server;
    }
    return 0;
}

int berth_fallback_hear(struct fallback_store *store, struct berth_error *err)
{
    if (store->hears)
        return 0;
    int r = berth_store_listen(store->server, berth_fallback_on_news, store, err);
    store->hears = r == 0;
    return r;
}

/* Lets writes to the copy end, and no other begin. */
static void close_copy(struct fallback_store *store)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->is_rejoining = true;
    while (store->writing > 0)
        (void)pthread_cond_wait(&store->changed, &store->mutex);
}

static void open_again(struct fallback_store *store, bool is_server)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    if (is_server) {
        store->mode = BERTH_FALLBACK_SERVER;
        store->changes++;
        store->missed++;
        store->grace_ms = berth_clock_monotonic_ms() + BERTH_FALLBACK_GRACE_MS;
    }
    store->is_rejoining = false;
    (void)pthread_cond_broadcast(&store->changed);
}

/* Delivers what waits: most of it while more comes, then the rest. */
static int deliver(struct fallback_store *store, int64_t *ret_count, struct berth_error *err)
{
    int64_t early = 0;
    int64_t late = 0;
    int r = berth_fallback_hold_again(store, err);
    if (r == 0)
        r = berth_store_spool_deliver(store->spool, store->server, &early, err);
    close_copy(store);
    if (r == 0)
        r = berth_store_spool_deliver(store->spool, store->server, &late, err);
    *ret_count = early + late;
    return r;
}

static void rejoin(struct fallback_store *store, bool was_alone)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t count = 0;
    int r = deliver(store, &count, &err);
    open_again(store, r == 0);
    if (r < 0) {
        berth_log_error(BERTH_LOG_WARNING, &err, "what was kept for %s is delivered later",
                        store->config.server);
        return;
    }
    berth_log(BERTH_LOG_WARNING, "%s is back: %lld statements of uptime and audit were delivered",
              store->config.server, (long long)count);
    if (was_alone)
        berth_log(BERTH_LOG_WARNING, "what was changed meanwhile stays in %s",
                  store->config.alone_path);
}

/* ---- The thread ---- */

/* False: it was not taken in. */
static bool tell_all(struct fallback_store *store, uint64_t missed)
{
    static const struct berth_store_news all = {BERTH_NEWS_ALL, "", ""};
    if (berth_fallback_tell(store, &all) < 0)
        return false;
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    store->retold = missed;
    return true;
}

/* False: it is to be left alone for a while. */
static bool look_after_server(struct fallback_store *store, bool is_stale)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = is_stale ? berth_fallback_make_copy(store, &err) : berth_fallback_reach(store, &err);
    if (r == BERTH_E_UNREACHABLE)
        berth_fallback_fall(store, &err);
    else if (r < 0)
        berth_log_error(BERTH_LOG_ERROR, &err, "the copy of %s could not be made",
                        store->config.server);
    return r == 0;
}

static void look_for_server(struct fallback_store *store, bool is_alone)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_fallback_reach(store, &err);
    if (r == 0)
        r = berth_fallback_hear(store, &err);
    if (r == 0)
        rejoin(store, is_alone);
    else if (r != BERTH_E_UNREACHABLE)
        berth_log_error(BERTH_LOG_ERROR, &err, "%s", store->config.server);
}

/* Until the server is to be looked at, or something has changed. The caller holds the mutex. */
static void wait_for_work(struct fallback_store *store)
{
    enum berth_fallback_mode mode = store->mode;
    uint64_t changes = store->changes;
    uint64_t missed = store->missed;
    int64_t deadline_ms =
        berth_clock_monotonic_ms() +
        (mode == BERTH_FALLBACK_SERVER ? BERTH_FALLBACK_PING_MS : BERTH_FALLBACK_RETRY_MS);
    while (!store->stopping && store->mode == mode && store->changes == changes &&
           store->missed == missed &&
           berth_cond_wait_until(&store->changed, &store->mutex, deadline_ms))
        ;
}

void *berth_fallback_look_after(void *arg)
{
    struct fallback_store *store = arg;
    (void)pthread_mutex_lock(&store->mutex);
    while (!store->stopping) {
        enum berth_fallback_mode mode = store->mode;
        bool is_stale = store->copied < store->changes;
        uint64_t missed = store->missed;
        bool is_told = store->retold == missed;
        bool is_well = true;
        (void)pthread_mutex_unlock(&store->mutex);
        if (mode == BERTH_FALLBACK_SERVER && !is_told)
            is_well = tell_all(store, missed);
        if (mode == BERTH_FALLBACK_SERVER)
            is_well &= look_after_server(store, is_stale);
        else
            look_for_server(store, mode == BERTH_FALLBACK_ALONE);
        (void)pthread_mutex_lock(&store->mutex);
        bool is_done = store->copied == store->changes && store->retold == store->missed;
        if (!is_well || store->mode != BERTH_FALLBACK_SERVER || is_done)
            wait_for_work(store);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return NULL;
}
