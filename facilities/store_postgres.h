/* SPDX-License-Identifier: MIT */
/*
 * The PostgreSQL driver's parts: one connection (store_postgres_conn.c), those
 * that read (store_postgres_pool.c), the one that hears other gateways
 * (store_postgres_news.c), the one that writes (store_postgres.c), and the
 * schema (store_schema_postgres.c). Included nowhere else.
 *
 * Nothing here waits for a server without a limit: what does not come in time
 * is a lost connection, and BERTH_E_UNREACHABLE.
 *
 * Threading: one thread at a time per connection; settings and server may be
 * used by any.
 */
#ifndef BERTH_FACILITIES_STORE_POSTGRES_H
#define BERTH_FACILITIES_STORE_POSTGRES_H

#include "facilities/store_driver.h"

#include <libpq-fe.h>
#include <pthread.h>

#define BERTH_PG_CONNECTIONS_MAX 25 /* of one gateway: one writes, one hears, the rest read */
#define BERTH_PG_IDLE_MAX        5  /* of those that read */
#define BERTH_PG_TIMEOUT_MS      5000
#define BERTH_PG_LONG_MS         600000 /* for a migration, which may have much to do */

/* All that berth has is in a schema of its own, so that a database may be shared, and so that its
 * user needs no right to the schema public. */
#define BERTH_PG_SCHEMA "berth"

/* Held by every transaction that writes, in whichever gateway, until its end: jobs are written for
 * one writer. A number that no other program of the database is likely to use: "berth". */
#define BERTH_PG_WRITE_LOCK "422608794728"

/* ---- Settings ---- */

#define BERTH_PG_SETTINGS_MAX 16

/* Arrays as PQconnectdbParams() takes them. */
struct berth_pg_settings {
    const char *keywords[BERTH_PG_SETTINGS_MAX + 1];
    char *values[BERTH_PG_SETTINGS_MAX + 1];
    size_t count;
    int64_t timeout_ms;
};

/* BERTH_E_INVALID for a connection string that libpq does not understand; its text, which may hold
 * a password, is never told. */
BERTH_MUST_CHECK int berth_pg_settings_init(struct berth_pg_settings *settings,
                                            const struct berth_postgres_config *config,
                                            struct berth_error *err);
void berth_pg_settings_release(struct berth_pg_settings *settings);

/* ---- One connection ---- */

struct berth_pg_statement;

struct berth_pg {
    PGconn *conn;       /* NULL: not connected */
    int64_t timeout_ms; /* of its statements, with berth_pg_run() */
    bool lost;          /* of no use any more */
    bool silent;        /* lost since the server did not answer in time */
    struct berth_pg_statement *statements;
    size_t count;
    size_t size;
};

BERTH_MUST_CHECK int berth_pg_open(const struct berth_pg_settings *settings,
                                   struct berth_pg *ret_pg, struct berth_error *err);
void berth_pg_close(struct berth_pg *pg); /* what is closed may be closed again */

static inline bool berth_pg_is_open(const struct berth_pg *pg)
{
    return pg->conn && !pg->lost;
}

/* Statements without parameters, which may give rows that nobody wants. timeout_ms: past
 * BERTH_PG_TIMEOUT_MS, which the server has for its own, it has to be told. */
BERTH_MUST_CHECK int berth_pg_exec(struct berth_pg *pg, const char *sql, int64_t timeout_ms,
                                   struct berth_error *err);

/* As berth_txn_run. */
BERTH_MUST_CHECK int berth_pg_run(struct berth_pg *pg, const char *sql,
                                  const struct berth_value *values, size_t count,
                                  berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                                  struct berth_error *err);

/* Ends the transaction, whatever state it is in; a connection where that fails is lost. */
void berth_pg_rollback(struct berth_pg *pg);

/* Takes the connection for lost, and says so. */
int berth_pg_lose(struct berth_pg *pg, struct berth_error *err);

/* ---- The server, as all connections of a store see it ---- */

/*
 * A server that could not be reached is not tried again for a second, so that
 * many requests do not all wait for the same.
 */
struct berth_pg_server {
    struct berth_pg_settings settings;
    char id[37];           /* of this store: tells its news and commits from others' */
    pthread_mutex_t mutex; /* guards the rest */
    int64_t again_ms;      /* monotonic; when the next try may be made */
    struct berth_error last;
};

BERTH_MUST_CHECK int berth_pg_server_connect(struct berth_pg_server *server,
                                             struct berth_pg *ret_pg, struct berth_error *err);
/* The same, but tries in any case: for who waits between tries by itself. */
BERTH_MUST_CHECK int berth_pg_server_try(struct berth_pg_server *server, struct berth_pg *ret_pg,
                                         struct berth_error *err);

/* ---- Those that read ---- */

struct berth_pg_pool {
    struct berth_pg_server *server;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t freed;
    struct berth_pg idle[BERTH_PG_IDLE_MAX];
    size_t idle_count;
    size_t open_count; /* idle ones and those in use */
};

void berth_pg_pool_init(struct berth_pg_pool *pool, struct berth_pg_server *server);
void berth_pg_pool_release(struct berth_pg_pool *pool);

/* One that is in a transaction of one consistent view, without changes. BERTH_E_BUSY when none got
 * free in time. */
BERTH_MUST_CHECK int berth_pg_pool_take(struct berth_pg_pool *pool, struct berth_pg *ret_pg,
                                        struct berth_error *err);
/* Ends the transaction. */
void berth_pg_pool_give(struct berth_pg_pool *pool, struct berth_pg *pg);

/* ---- What other gateways tell ---- */

struct berth_pg_listener;

BERTH_MUST_CHECK int berth_pg_tell(struct berth_pg *pg, const char *own_id,
                                   const struct berth_store_news *news, struct berth_error *err);
BERTH_MUST_CHECK int berth_pg_listener_start(struct berth_pg_server *server, berth_news_fn *fn,
                                             void *ctx, struct berth_pg_listener **ret_listener,
                                             struct berth_error *err);
void berth_pg_listener_stop(struct berth_pg_listener *listener);

/* ---- The schema ---- */

/* Brings it up to date, one gateway at a time. Both: BERTH_E_CONFLICT when it is of a newer
 * berth. */
BERTH_MUST_CHECK int berth_pg_migrate(struct berth_pg *pg, struct berth_error *err);

/* Its version as it is, 0: there is none. */
BERTH_MUST_CHECK int berth_pg_schema_version(struct berth_pg *pg, int64_t *ret_version,
                                             struct berth_error *err);

#endif
