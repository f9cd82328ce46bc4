/* SPDX-License-Identifier: MIT */
/* The way to the server, and the connections that read. */
#include "base/clock.h"
#include "base/thread.h"
#include "facilities/store_postgres.h"

#define AGAIN_MS 1000
#define READERS_MAX                                                                                \
    (BERTH_PG_CONNECTIONS_MAX - 2) /* without the one that writes and the one that hears */
#define POOL_WAIT_MS BERTH_PG_TIMEOUT_MS

/* ---- The server ---- */

static int may_try(struct berth_pg_server *server, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(lock, &server->mutex);
    if (berth_clock_monotonic_ms() >= server->again_ms)
        return 0;
    if (err)
        *err = server->last;
    return server->last.status;
}

int berth_pg_server_try(struct berth_pg_server *server, struct berth_pg *ret_pg,
                        struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int r = berth_pg_open(&server->settings, ret_pg, &why);
    BERTH_LOCK_SCOPE(lock, &server->mutex);
    server->again_ms = r == BERTH_E_UNREACHABLE ? berth_clock_monotonic_ms() + AGAIN_MS : 0;
    server->last = why;
    if (r < 0 && err)
        *err = why;
    return r;
}

int berth_pg_server_connect(struct berth_pg_server *server, struct berth_pg *ret_pg,
                            struct berth_error *err)
{
    int r = may_try(server, err);
    return r < 0 ? r : berth_pg_server_try(server, ret_pg, err);
}

/* ---- Those that read ---- */

void berth_pg_pool_init(struct berth_pg_pool *pool, struct berth_pg_server *server)
{
    *pool = (struct berth_pg_pool){.server = server};
    (void)pthread_mutex_init(&pool->mutex, NULL);
    berth_cond_init(&pool->freed);
}

void berth_pg_pool_release(struct berth_pg_pool *pool)
{
    for (size_t i = 0; i < pool->idle_count; i++)
        berth_pg_close(&pool->idle[i]);
    (void)pthread_cond_destroy(&pool->freed);
    (void)pthread_mutex_destroy(&pool->mutex);
}

/* An idle one, or the right to open one: ret_pg is not connected then. */
static int take_place(struct berth_pg_pool *pool, struct berth_pg *ret_pg, struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + POOL_WAIT_MS;
    BERTH_LOCK_SCOPE(lock, &pool->mutex);
    bool in_time = true;
    while (pool->idle_count == 0 && pool->open_count == READERS_MAX && in_time)
        in_time = berth_cond_wait_until(&pool->freed, &pool->mutex, deadline_ms);
    if (pool->idle_count > 0) {
        *ret_pg = pool->idle[--pool->idle_count];
        return 0;
    }
    if (pool->open_count == READERS_MAX) {
        (void)berth_error_set(err, BERTH_E_BUSY, "all connections to the database are in use");
        if (err)
            err->retry_after_s = 1;
        return BERTH_E_BUSY;
    }
    pool->open_count++;
    *ret_pg = (struct berth_pg){0};
    return 0;
}

/* One that is of no use, or too many, is closed. */
static void give_place(struct berth_pg_pool *pool, struct berth_pg *pg)
{
    {
        BERTH_LOCK_SCOPE(lock, &pool->mutex);
        if (berth_pg_is_open(pg) && pool->idle_count < BERTH_PG_IDLE_MAX) {
            pool->idle[pool->idle_count++] = *pg;
            *pg = (struct berth_pg){0};
        } else {
            pool->open_count--;
        }
        (void)pthread_cond_signal(&pool->freed);
    }
    berth_pg_close(pg);
}

static int begin(struct berth_pg *pg, struct berth_error *err)
{
    return berth_pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", BERTH_PG_TIMEOUT_MS,
                         err);
}

/* An idle one may have been lost long ago: another one is opened in its place. */
int berth_pg_pool_take(struct berth_pg_pool *pool, struct berth_pg *ret_pg, struct berth_error *err)
{
    struct berth_pg pg;
    int r = take_place(pool, &pg, err);
    if (r < 0)
        return r;
    bool is_old = pg.conn != NULL;
    if (is_old)
        r = begin(&pg, err);
    if (is_old && !berth_pg_is_open(&pg) && !pg.silent) /* else it has kept the caller waiting */
        berth_pg_close(&pg);
    if (!pg.conn) {
        r = berth_pg_server_connect(pool->server, &pg, err);
        if (r == 0)
            r = begin(&pg, err);
    }
    if (r < 0)
        give_place(pool, &pg);
    else
        *ret_pg = pg;
    return r;
}

void berth_pg_pool_give(struct berth_pg_pool *pool, struct berth_pg *pg)
{
    berth_pg_rollback(pg); /* there is nothing to commit */
    give_place(pool, pg);
}
