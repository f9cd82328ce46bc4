/* SPDX-License-Identifier: MIT */
/*
 * The embedded driver: one thread that writes in groups, a pool of readers.
 *
 * Locks: read_mutex guards the pool. It is not held while SQLite works.
 */
#include "facilities/store_sqlite.h"
#include "base/thread.h"
#include "facilities/store_queue.h"

#define READERS_MAX 4
#define GROUP_MAX   256 /* jobs that share one commit */

struct sqlite_store {
    struct berth_store base;
    char *path;

    struct berth_sqlite writer; /* of the writer thread once it runs */
    pthread_t thread;
    struct berth_store_queue queue;

    pthread_mutex_t read_mutex;
    pthread_cond_t idle_cond;
    struct berth_sqlite idle[READERS_MAX];
    size_t idle_count;
    size_t open_count; /* idle ones and those in use */
};

struct sqlite_txn {
    struct berth_txn base;
    struct berth_sqlite *conn;
    int lost; /* the status of the error that ended the transaction before its time, or 0 */
};

static struct sqlite_store *sqlite_store(struct berth_store *store)
{
    return (struct sqlite_store *)store;
}

/* What those get to hear whose transaction ended with another's statement. */
static int set_lost(struct berth_error *err, int status)
{
    if (status == BERTH_E_NO_SPACE)
        return berth_error_set(err, BERTH_E_NO_SPACE, "the disk is full: nothing was changed");
    return berth_error_set(err, (enum berth_status)status,
                           "the store cannot be read or written: nothing was changed");
}

static int driver_run(struct berth_txn *txn, const char *sql, const struct berth_value *values,
                      size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                      struct berth_error *err)
{
    struct sqlite_txn *own = (struct sqlite_txn *)txn;
    if (own->lost < 0) /* each further statement would be a transaction of its own */
        return set_lost(err, own->lost);
    int r = berth_sqlite_run(own->conn, sql, values, count, on_row, ctx, ret_changes, err);
    if (r < 0 && !berth_sqlite_in_transaction(own->conn))
        own->lost = r;
    return r;
}

/* ---- Writing ---- */

/*
 * Runs one job within the group's transaction. Negative when that has ended
 * before its time, by an error after which SQLite rolls back all.
 */
static int run_in_savepoint(struct sqlite_store *store, struct berth_store_request *request,
                            struct berth_error *err)
{
    struct berth_sqlite *conn = &store->writer;
    struct sqlite_txn txn = {.base.store = &store->base, .conn = conn};
    int r = berth_sqlite_exec(conn, "SAVEPOINT job", err);
    if (r < 0)
        return r;
    request->result = berth_txn_run_job(&txn.base, request->job, request->ctx, &request->error);
    if (txn.lost < 0)
        return set_lost(err, txn.lost);
    if (request->result < 0)
        r = berth_sqlite_exec(conn, "ROLLBACK TO job", err);
    return r < 0 ? r : berth_sqlite_exec(conn, "RELEASE job", err);
}

/*
 * Runs as many requests as fit in one transaction and commits it; returns the
 * rest. Those that share a transaction with one that loses it (a full disk)
 * fail too; the rest goes on in a new one.
 */
static struct berth_store_request *run_group(struct sqlite_store *store,
                                             struct berth_store_request *first)
{
    struct berth_error failure = BERTH_ERROR_INIT;
    struct berth_store_request *end = first;
    int r = berth_sqlite_begin(&store->writer, "BEGIN IMMEDIATE", &failure);
    for (size_t count = 0; r == 0 && end && count < GROUP_MAX; count++) {
        r = run_in_savepoint(store, end, &failure);
        end = end->next;
    }
    if (r == 0)
        r = berth_sqlite_exec(&store->writer, "COMMIT", &failure);
    if (r < 0) {
        berth_sqlite_rollback(&store->writer);
        if (end == first)
            end = NULL; /* there was no transaction: waiting again for each would take too long */
        berth_store_fail_group(first, end, &failure);
    }
    return end;
}

static void *writer_main(void *arg)
{
    struct sqlite_store *store = arg;
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
    berth_store_queue_add(&sqlite_store(base)->queue, request);
}

static int driver_end_write(struct berth_store *base, struct berth_store_request *request,
                            struct berth_error *err)
{
    return berth_store_queue_await(&sqlite_store(base)->queue, request, err);
}

/* ---- Reading ---- */

static int take_reader(struct sqlite_store *store, struct berth_sqlite *ret_conn,
                       struct berth_error *err)
{
    {
        BERTH_LOCK_SCOPE(lock, &store->read_mutex);
        while (store->idle_count == 0 && store->open_count == READERS_MAX)
            (void)pthread_cond_wait(&store->idle_cond, &store->read_mutex);
        if (store->idle_count > 0) {
            *ret_conn = store->idle[--store->idle_count];
            return 0;
        }
        store->open_count++;
    }
    struct berth_sqlite conn;
    int r = berth_sqlite_open(&conn, store->path, true, err);
    if (r < 0) {
        BERTH_LOCK_SCOPE(lock, &store->read_mutex);
        store->open_count--;
        (void)pthread_cond_signal(&store->idle_cond);
        return r;
    }
    *ret_conn = conn;
    return 0;
}

static void give_reader(struct sqlite_store *store, struct berth_sqlite conn)
{
    BERTH_LOCK_SCOPE(lock, &store->read_mutex);
    store->idle[store->idle_count++] = conn;
    (void)pthread_cond_signal(&store->idle_cond);
}

static int driver_read(struct berth_store *base, berth_store_job *job, void *ctx,
                       struct berth_error *err)
{
    struct sqlite_store *store = sqlite_store(base);
    struct berth_sqlite conn;
    int r = take_reader(store, &conn, err);
    if (r < 0)
        return r;
    struct sqlite_txn txn = {.base.store = base, .conn = &conn};
    r = berth_sqlite_begin(&conn, "BEGIN", err);
    if (r == 0)
        r = berth_txn_run_job(&txn.base, job, ctx, err);
    berth_sqlite_rollback(&conn); /* there is nothing to commit */
    give_reader(store, conn);
    return r;
}

/* ---- Life ---- */

static void free_store(struct sqlite_store *store)
{
    for (size_t i = 0; i < store->idle_count; i++)
        berth_sqlite_close(&store->idle[i]);
    berth_sqlite_close(&store->writer);
    (void)pthread_cond_destroy(&store->idle_cond);
    (void)pthread_mutex_destroy(&store->read_mutex);
    berth_store_queue_release(&store->queue);
    free(store->path);
    free(store);
}

static void driver_close(struct berth_store *base)
{
    struct sqlite_store *store = sqlite_store(base);
    berth_store_queue_stop(&store->queue);
    (void)pthread_join(store->thread, NULL);
    free_store(store);
}

static const struct berth_store_ops sqlite_ops = {
    .close = driver_close,
    .begin_write = driver_begin_write,
    .end_write = driver_end_write,
    .read = driver_read,
    .run = driver_run,
    .last_id = "SELECT seq FROM sqlite_sequence WHERE name = $1",
    .forget_id = "DELETE FROM sqlite_sequence WHERE name = $1",
    .set_id = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)",
};

int berth_store_sqlite_open(const char *path, struct berth_store **ret_store,
                            struct berth_error *err)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    if (!store)
        return berth_error_nomem(err);
    store->base = (struct berth_store){.ops = &sqlite_ops, .lock_fd = -1};
    berth_store_queue_init(&store->queue);
    (void)pthread_mutex_init(&store->read_mutex, NULL);
    berth_cond_init(&store->idle_cond);

    store->path = strdup(path);
    int r = store->path ? 0 : berth_error_nomem(err);
    if (r == 0)
        r = berth_sqlite_open(&store->writer, path, false, err);
    if (r == 0)
        r = berth_sqlite_migrate(&store->writer, err);
    if (r == 0)
        r = berth_thread_start(&store->thread, "store", writer_main, store, err);
    if (r < 0) {
        free_store(store);
        return r;
    }
    *ret_store = &store->base;
    return 0;
}
