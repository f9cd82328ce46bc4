/* SPDX-License-Identifier: MIT */
/*
 * The PostgreSQL driver: one thread that writes in groups, as the embedded
 * driver's does, and a pool of connections that read.
 *
 * Jobs read before they write, and count on nobody writing in between. Each
 * write transaction therefore takes one lock of the database first, which all
 * gateways share: they write one after the other, a group at a time, each
 * statement sees what the others have committed, and no job is ever run twice.
 * A gateway that dies with the lock held loses it as its connection ends.
 *
 * A commit whose answer is lost is asked after: the number of the commit is
 * part of it (last_commit), and whoever has the lock sees it or knows that the
 * commit was not.
 *
 * Locks: held_mutex guards what is held. It is not taken while PostgreSQL is asked.
 */
#include "facilities/store_postgres.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/thread.h"
#include "facilities/store_queue.h"

#include <string.h>
#include <time.h>

#define GROUP_MAX    256  /* jobs that share one commit */
#define ASK_MS       5000 /* after a commit that was not answered */
#define ASK_AGAIN_NS (200 * BERTH_NS_PER_MS)

struct held {
    struct held *next;
    char *name;
};

struct pg_store {
    struct berth_store base;
    struct berth_pg_server server;
    struct berth_pg_pool pool;
    struct berth_pg_listener *listener;

    struct berth_pg writer; /* of the writer thread once it runs */
    int64_t commits;        /* likewise; how many were tried */
    pthread_t thread;
    struct berth_store_queue queue;
    pthread_mutex_t held_mutex;
    struct held *held; /* by writer's session */
};

struct pg_txn {
    struct berth_txn base;
    struct berth_pg *pg;
};

static struct pg_store *pg_store(struct berth_store *store)
{
    return (struct pg_store *)store;
}

static struct pg_txn *pg_txn(struct berth_txn *txn)
{
    return (struct pg_txn *)txn;
}

static int set_lost(struct berth_error *err)
{
    (void)berth_error_set(err, BERTH_E_UNREACHABLE,
                          "the database cannot be reached: nothing was changed");
    if (err)
        err->retry_after_s = 1;
    return BERTH_E_UNREACHABLE;
}

static int driver_run(struct berth_txn *txn, const char *sql, const struct berth_value *values,
                      size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                      struct berth_error *err)
{
    struct berth_pg *pg = pg_txn(txn)->pg;
    if (!berth_pg_is_open(pg))
        return set_lost(err);
    return berth_pg_run(pg, sql, values, count, on_row, ctx, ret_changes, err);
}

/* ---- What the writer's session holds ---- */

/* The caller has the lock. */
static struct held **find_held(struct pg_store *store, const char *name)
{
    struct held **link = &store->held;
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static bool is_held(struct pg_store *store, const char *name)
{
    BERTH_LOCK_SCOPE(lock, &store->held_mutex);
    return *find_held(store, name) != NULL;
}

static void drop_held(struct held **link)
{
    struct held *held = *link;
    *link = held->next;
    free(held->name);
    free(held);
}

static void close_writer(struct pg_store *store)
{
    berth_pg_close(&store->writer);
    BERTH_LOCK_SCOPE(lock, &store->held_mutex);
    while (store->held)
        drop_held(&store->held);
}

/* ctx of the two jobs */
struct holding {
    struct pg_store *store;
    const char *name;
    int64_t done; /* 1: PostgreSQL has done it */
};

static int take_number(const struct berth_row *row, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

/* A lock of the session outlives the transaction, whatever becomes of that. */
static int hold_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] = "SELECT CASE WHEN pg_try_advisory_lock("
                              "hashtextextended('berth ' || $1, 0)) THEN 1 ELSE 0 END";
    struct holding *holding = ctx;
    const struct berth_value name = berth_value_text(holding->name);
    holding->done = is_held(holding->store, holding->name);
    if (holding->done) /* asked for by two at a time */
        return 0;
    struct held *held = malloc(sizeof(*held));
    char *copy = berth_text_dup(holding->name);
    int r = held && copy ? berth_txn_run(txn, sql, &name, 1, take_number, &holding->done, NULL, err)
                         : berth_error_nomem(err);
    if (r < 0 || !holding->done) {
        free(copy);
        free(held);
        return r;
    }
    BERTH_LOCK_SCOPE(lock, &holding->store->held_mutex);
    *held = (struct held){.next = holding->store->held, .name = copy};
    holding->store->held = held;
    return 0;
}

static int driver_hold(struct berth_store *base, const char *name, bool *ret_held,
                       struct berth_error *err)
{
    struct holding holding = {.store = pg_store(base), .name = name};
    int r = 0;
    if (!is_held(holding.store, name))
        r = berth_store_write(base, hold_job, &holding, err);
    if (r == 0) /* a session that was lost while it committed took it along */
        *ret_held = is_held(holding.store, name);
    return r;
}

static int let_go_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] = "SELECT CASE WHEN pg_advisory_unlock("
                              "hashtextextended('berth ' || $1, 0)) THEN 1 ELSE 0 END";
    struct holding *holding = ctx;
    const struct berth_value name = berth_value_text(holding->name);
    if (!is_held(holding->store, holding->name)) /* the session that held it has ended */
        return 0;
    int r = berth_txn_run(txn, sql, &name, 1, take_number, &holding->done, NULL, err);
    if (r < 0)
        return r;
    BERTH_LOCK_SCOPE(lock, &holding->store->held_mutex);
    drop_held(find_held(holding->store, holding->name));
    return 0;
}

static void driver_let_go(struct berth_store *base, const char *name)
{
    struct holding holding = {.store = pg_store(base), .name = name};
    struct berth_error err = BERTH_ERROR_INIT;
    if (is_held(holding.store, name) && berth_store_write(base, let_go_job, &holding, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "%s is not let go", name);
}

static bool driver_holds(struct berth_txn *txn, const char *name)
{
    return is_held(pg_store(txn->store), name);
}

/* ---- Writing ---- */

static int begin_write(struct berth_pg *pg, struct berth_error *err)
{
    return berth_pg_exec(pg,
                         "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
                         "SELECT pg_advisory_xact_lock(" BERTH_PG_WRITE_LOCK ")",
                         BERTH_PG_TIMEOUT_MS, err);
}

/* The connection may have been lost long ago: nothing was done on it yet, so another one will do.
 */
static int begin_group(struct pg_store *store, struct berth_error *err)
{
    int r = BERTH_E_UNREACHABLE;
    if (berth_pg_is_open(&store->writer))
        r = begin_write(&store->writer, err);
    if (berth_pg_is_open(&store->writer))
        return r;
    bool silent = store->writer.silent;
    close_writer(store);
    if (silent) /* and has kept all waiting already */
        return r;
    r = berth_pg_server_connect(&store->server, &store->writer, err);
    return r < 0 ? r : begin_write(&store->writer, err);
}

/* A transaction of one or more jobs. */
struct group {
    struct pg_store *store;
    bool is_alone;      /* one job needs no savepoint */
    bool has_savepoint; /* "job", with nothing done since */
    bool has_any;       /* some job has done well */
};

static int set_savepoint(struct group *group, struct berth_error *err)
{
    if (group->is_alone || group->has_savepoint)
        return 0;
    return berth_pg_exec(&group->store->writer,
                         group->has_any ? "RELEASE SAVEPOINT job; SAVEPOINT job" : "SAVEPOINT job",
                         BERTH_PG_TIMEOUT_MS, err);
}

/* Negative when the transaction is lost. */
static int run_one(struct group *group, struct berth_store_request *request,
                   struct berth_error *err)
{
    struct berth_pg *pg = &group->store->writer;
    struct pg_txn txn = {.base.store = &group->store->base, .pg = pg};
    int r = set_savepoint(group, err);
    if (r < 0)
        return r;
    request->result = berth_txn_run_job(&txn.base, request->job, request->ctx, &request->error);
    if (!berth_pg_is_open(pg))
        return set_lost(err);
    group->has_savepoint = request->result < 0;
    group->has_any |= request->result == 0;
    if (request->result == 0 || group->is_alone)
        return 0;
    return berth_pg_exec(pg, "ROLLBACK TO SAVEPOINT job", BERTH_PG_TIMEOUT_MS, err);
}

/* Whether the commit of that number was made. */
static int ask_commit(struct pg_store *store, int64_t *ret_number, struct berth_error *err)
{
    static const char sql[] = "SELECT number FROM last_commit WHERE writer = $1";
    const struct berth_value writer = berth_value_text(store->server.id);
    int64_t number = 0;
    close_writer(store);
    int r = berth_pg_server_try(&store->server, &store->writer, err);
    if (r == 0)
        r = begin_write(&store->writer, err); /* once the one that was lost has ended */
    if (r == 0)
        r = berth_pg_run(&store->writer, sql, &writer, 1, take_number, &number, NULL, err);
    berth_pg_rollback(&store->writer);
    if (r == 0)
        *ret_number = number;
    return r;
}

static int settle_commit(struct pg_store *store, int64_t number, struct berth_error *err)
{
    const struct timespec pause = {.tv_nsec = ASK_AGAIN_NS};
    int64_t deadline_ms = berth_clock_monotonic_ms() + ASK_MS;
    int64_t found = 0;
    int r;
    while ((r = ask_commit(store, &found, err)) < 0 && berth_clock_monotonic_ms() < deadline_ms)
        (void)nanosleep(&pause, NULL);
    if (r < 0)
        return berth_error_set_coded(err, BERTH_E_IO, "COMMIT_UNKNOWN",
                                     "the database was lost while it committed: whether the "
                                     "change was made is not known");
    return found >= number ? 0 : set_lost(err);
}

static int commit(struct pg_store *store, struct berth_error *err)
{
    char sql[256];
    int64_t number = ++store->commits;
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO last_commit (writer, number) VALUES ('%s', %lld)"
                   " ON CONFLICT (writer) DO UPDATE SET number = excluded.number; COMMIT",
                   store->server.id, (long long)number);
    int r = berth_pg_exec(&store->writer, sql, store->writer.timeout_ms, err);
    return r < 0 && !berth_pg_is_open(&store->writer) ? settle_commit(store, number, err) : r;
}

/*
 * Runs as many requests as fit in one transaction and commits it; returns the
 * rest. Those that share a transaction with one that loses it (the
 * connection) fail too; the rest goes on in a new one.
 */
static struct berth_store_request *run_group(struct pg_store *store,
                                             struct berth_store_request *first)
{
    struct berth_error failure = BERTH_ERROR_INIT;
    struct berth_store_request *end = first;
    struct group group = {.store = store, .is_alone = !first->next};
    int r = begin_group(store, &failure);
    for (size_t count = 0; r == 0 && end && count < GROUP_MAX; count++) {
        r = run_one(&group, end, &failure);
        end = end->next;
    }
    if (r == 0 && group.has_any)
        r = commit(store, &failure);
    berth_pg_rollback(&store->writer);
    if (r < 0) {
        if (end == first)
            end = NULL; /* there was no transaction: waiting again for each would take too long */
        berth_store_fail_group(first, end, &failure);
    }
    return end;
}

static void *writer_main(void *arg)
{
    struct pg_store *store = arg;
    for (;;) {
        struct berth_store_request *all = berth_store_queue_take(&store->queue);
        if (!all)
            return NULL;
        for (struct berth_store_request *rest = all; rest;)
            rest = run_group(store, rest);
        berth_store_queue_answer(&store->queue, all);
    }
}

static void driver_begin_write(struct berth_store *base, struct berth_store_request *request)
{
    berth_store_queue_add(&pg_store(base)->queue, request);
}

static int driver_end_write(struct berth_store *base, struct berth_store_request *request,
                            struct berth_error *err)
{
    return berth_store_queue_await(&pg_store(base)->queue, request, err);
}

/* ---- Reading ---- */

static int driver_read(struct berth_store *base, berth_store_job *job, void *ctx,
                       struct berth_error *err)
{
    struct pg_store *store = pg_store(base);
    struct berth_pg pg;
    int r = berth_pg_pool_take(&store->pool, &pg, err);
    if (r < 0)
        return r;
    struct pg_txn txn = {.base.store = base, .pg = &pg};
    r = berth_txn_run_job(&txn.base, job, ctx, err);
    berth_pg_pool_give(&store->pool, &pg);
    return r;
}

/* ---- Other gateways ---- */

static int driver_tell(struct berth_txn *txn, const struct berth_store_news *news,
                       struct berth_error *err)
{
    return berth_pg_tell(pg_txn(txn)->pg, pg_store(txn->store)->server.id, news, err);
}

static int driver_listen(struct berth_store *base, berth_news_fn *fn, void *ctx,
                         struct berth_error *err)
{
    struct pg_store *store = pg_store(base);
    return berth_pg_listener_start(&store->server, fn, ctx, &store->listener, err);
}

static void driver_deafen(struct berth_store *base)
{
    struct berth_pg_listener *listener = berth_steal(&pg_store(base)->listener);
    if (listener)
        berth_pg_listener_stop(listener);
}

/* ---- Life ---- */

static void free_store(struct pg_store *store)
{
    close_writer(store);
    berth_pg_pool_release(&store->pool);
    (void)pthread_mutex_destroy(&store->held_mutex);
    berth_store_queue_release(&store->queue);
    (void)pthread_mutex_destroy(&store->server.mutex);
    berth_pg_settings_release(&store->server.settings);
    free(store);
}

static void driver_close(struct berth_store *base)
{
    struct pg_store *store = pg_store(base);
    driver_deafen(base);
    berth_store_queue_stop(&store->queue);
    (void)pthread_join(store->thread, NULL);
    free_store(store);
}

static const struct berth_store_ops pg_ops = {
    .close = driver_close,
    .begin_write = driver_begin_write,
    .end_write = driver_end_write,
    .read = driver_read,
    .run = driver_run,
    .tell = driver_tell,
    .listen = driver_listen,
    .deafen = driver_deafen,
    .hold = driver_hold,
    .let_go = driver_let_go,
    .holds = driver_holds,
    .last_id = "SELECT COALESCE(last_value, 0) FROM pg_sequences"
               " WHERE schemaname = '" BERTH_PG_SCHEMA "' AND sequencename = $1 || '_id_seq'",
    .set_id = "SELECT setval(pg_get_serial_sequence('" BERTH_PG_SCHEMA ".' || $1, 'id'),"
              " CAST($2 AS BIGINT))",
};

/* Old rows are of gateways that are no more; whose row is deleted too early makes it anew. */
static int prepare(struct pg_store *store, struct berth_error *err)
{
    int r = berth_pg_server_try(&store->server, &store->writer, err);
    if (r == 0)
        r = berth_pg_migrate(&store->writer, err);
    return r < 0 ? r
                 : berth_pg_exec(
                       &store->writer,
                       "DELETE FROM last_commit WHERE updated_at < now() - interval '1 day'",
                       BERTH_PG_TIMEOUT_MS, err);
}

int berth_store_postgres_open(const struct berth_postgres_config *config,
                              struct berth_store **ret_store, struct berth_error *err)
{
    struct pg_store *store = calloc(1, sizeof(*store));
    if (!store)
        return berth_error_nomem(err);
    store->base = (struct berth_store){.ops = &pg_ops, .lock_fd = -1};
    (void)pthread_mutex_init(&store->server.mutex, NULL);
    (void)pthread_mutex_init(&store->held_mutex, NULL);
    berth_store_queue_init(&store->queue);
    berth_pg_pool_init(&store->pool, &store->server);

    int r = berth_pg_settings_init(&store->server.settings, config, err);
    if (r == 0)
        r = berth_random_uuid(store->server.id, err);
    if (r == 0)
        r = prepare(store, err);
    if (r == 0)
        r = berth_thread_start(&store->thread, "store", writer_main, store, err);
    if (r < 0) {
        free_store(store);
        return r;
    }
    *ret_store = &store->base;
    return 0;
}

/* ---- Trying ---- */

static int describe(struct berth_pg *pg, struct berth_strbuf *text, struct berth_error *err)
{
    int64_t version = 0;
    int r = berth_pg_schema_version(pg, &version, err);
    if (r < 0)
        return r;
    const char *server = PQparameterStatus(pg->conn, "server_version");
    berth_strbuf_addf(text, "PostgreSQL %.*s at %s:%s, database %s",
                      (int)strcspn(server ? server : "", " "), server ? server : "",
                      PQhost(pg->conn), PQport(pg->conn), PQdb(pg->conn));
    if (version)
        berth_strbuf_addf(text, ", schema %lld", (long long)version);
    else
        berth_strbuf_adds(text, ", no schema yet");
    return berth_strbuf_check(text, err);
}

int berth_store_postgres_probe(const struct berth_postgres_config *config,
                               struct berth_strbuf *text, struct berth_error *err)
{
    struct berth_pg_settings settings;
    int r = berth_pg_settings_init(&settings, config, err);
    if (r < 0)
        return r;
    struct berth_pg pg = {0};
    r = berth_pg_open(&settings, &pg, err);
    if (r == 0)
        r = describe(&pg, text, err);
    berth_pg_close(&pg);
    berth_pg_settings_release(&settings);
    return r;
}
