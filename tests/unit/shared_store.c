/* SPDX-License-Identifier: MIT */
#include "tests/unit/shared_store.h"

#include "base/thread.h"
#include "facilities/store_driver.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <string.h>

#define HOLDS_MAX 16

struct told {
    struct told *next;
    enum berth_news_subject subject;
    char facility[64];
    char key[64];
};

struct handle {
    struct berth_store base;
    pthread_t listener;
    berth_news_fn *fn;
    void *ctx;
    bool listens;
    struct told *first;
    struct told **last;
    char holds[HOLDS_MAX][128];
};

struct shared_txn {
    struct berth_txn base;
    struct berth_txn *inner;
    struct told *told; /* by this job, the latest first */
};

/* A job of a handle's, as the inner store's. */
struct shared_job {
    struct handle *handle;
    berth_store_job *job;
    void *ctx;
    struct shared_txn txn;
};

static struct berth_store *inner;
static struct handle handles[SHARED_GATEWAYS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what handles hold */
static pthread_cond_t told_cond = PTHREAD_COND_INITIALIZER;

static int run_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct shared_job *job = ctx;
    job->txn = (struct shared_txn){.base.store = &job->handle->base, .inner = txn};
    return berth_txn_run_job(&job->txn.base, job->job, job->ctx, err);
}

/* The caller holds the lock. */
static void queue(struct handle *handle, const struct told *told)
{
    struct told *copy = malloc(sizeof(*copy));
    ck_assert_ptr_nonnull(copy);
    *copy = *told;
    copy->next = NULL;
    *handle->last = copy;
    handle->last = &copy->next;
    (void)pthread_cond_broadcast(&told_cond);
}

static void free_told(struct told *told)
{
    while (told) {
        struct told *next = told->next;
        free(told);
        told = next;
    }
}

static void tell_others(const struct shared_job *job)
{
    BERTH_LOCK_SCOPE(guard, &lock);
    for (size_t i = 0; i < SHARED_GATEWAYS; i++)
        for (const struct told *told = job->txn.told; told; told = told->next)
            if (&handles[i] != job->handle && handles[i].listens)
                queue(&handles[i], told);
}

static void *listen_main(void *arg)
{
    struct handle *handle = arg;
    (void)pthread_mutex_lock(&lock);
    while (handle->listens) {
        struct told *told = handle->first;
        handle->first = NULL;
        handle->last = &handle->first;
        if (!told) {
            (void)pthread_cond_wait(&told_cond, &lock);
            continue;
        }
        (void)pthread_mutex_unlock(&lock);
        for (const struct told *each = told; each; each = each->next) {
            const struct berth_store_news one = {each->subject, each->facility, each->key};
            handle->fn(&one, handle->ctx);
        }
        free_told(told);
        (void)pthread_mutex_lock(&lock);
    }
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

static void shared_begin_write(struct berth_store *store, struct berth_store_request *request)
{
    struct shared_job job = {
        .handle = (struct handle *)store, .job = request->job, .ctx = request->ctx};
    request->result = berth_store_write(inner, run_job, &job, &request->error);
    if (request->result == 0)
        tell_others(&job);
    free_told(job.txn.told);
}

static int shared_end_write(struct berth_store *store __attribute__((unused)),
                            struct berth_store_request *request, struct berth_error *err)
{
    if (request->result < 0 && err)
        *err = request->error;
    return request->result;
}

static int shared_read(struct berth_store *store, berth_store_job *job, void *ctx,
                       struct berth_error *err)
{
    struct shared_job shared = {.handle = (struct handle *)store, .job = job, .ctx = ctx};
    return berth_store_read(inner, run_job, &shared, err);
}

static int shared_run(struct berth_txn *txn, const char *sql, const struct berth_value *values,
                      size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                      struct berth_error *err)
{
    return berth_txn_run(((struct shared_txn *)txn)->inner, sql, values, count, on_row, ctx,
                         ret_changes, err);
}

static int shared_tell(struct berth_txn *txn, const struct berth_store_news *news,
                       struct berth_error *err __attribute__((unused)))
{
    struct shared_txn *shared = (struct shared_txn *)txn;
    struct told *told = calloc(1, sizeof(*told));
    ck_assert_ptr_nonnull(told);
    told->subject = news->subject;
    (void)snprintf(told->facility, sizeof(told->facility), "%s", news->facility);
    (void)snprintf(told->key, sizeof(told->key), "%s", news->key);
    told->next = shared->told;
    shared->told = told;
    return 0;
}

static int shared_listen(struct berth_store *store, berth_news_fn *fn, void *ctx,
                         struct berth_error *err)
{
    struct handle *handle = (struct handle *)store;
    handle->fn = fn;
    handle->ctx = ctx;
    handle->listens = true;
    return berth_thread_start(&handle->listener, "listener", listen_main, handle, err);
}

static void shared_deafen(struct berth_store *store)
{
    struct handle *handle = (struct handle *)store;
    {
        BERTH_LOCK_SCOPE(guard, &lock);
        handle->listens = false;
        (void)pthread_cond_broadcast(&told_cond);
    }
    (void)pthread_join(handle->listener, NULL);
    free_told(handle->first);
    handle->first = NULL;
}

/* The caller holds the lock. */
static char *find_hold(struct handle *handle, const char *name)
{
    for (size_t i = 0; i < HOLDS_MAX; i++)
        if (strcmp(handle->holds[i], name) == 0)
            return handle->holds[i];
    return NULL;
}

static int shared_hold(struct berth_store *store, const char *name, bool *ret_held,
                       struct berth_error *err __attribute__((unused)))
{
    BERTH_LOCK_SCOPE(guard, &lock);
    struct handle *own = (struct handle *)store;
    *ret_held = find_hold(own, name) != NULL;
    for (size_t i = 0; i < SHARED_GATEWAYS && !*ret_held; i++)
        if (find_hold(&handles[i], name))
            return 0;
    if (!*ret_held) {
        char *free_slot = find_hold(own, "");
        ck_assert_ptr_nonnull(free_slot);
        (void)snprintf(free_slot, sizeof(own->holds[0]), "%s", name);
    }
    *ret_held = true;
    return 0;
}

static void shared_let_go(struct berth_store *store, const char *name)
{
    BERTH_LOCK_SCOPE(guard, &lock);
    char *held = find_hold((struct handle *)store, name);
    if (held)
        held[0] = '\0';
}

static bool shared_holds(struct berth_txn *txn, const char *name)
{
    BERTH_LOCK_SCOPE(guard, &lock);
    return find_hold((struct handle *)txn->store, name) != NULL;
}

static void shared_close_handle(struct berth_store *store)
{
    shared_drop_holds(store);
}

static const struct berth_store_ops shared_ops = {
    .close = shared_close_handle,
    .begin_write = shared_begin_write,
    .end_write = shared_end_write,
    .read = shared_read,
    .run = shared_run,
    .tell = shared_tell,
    .listen = shared_listen,
    .deafen = shared_deafen,
    .hold = shared_hold,
    .let_go = shared_let_go,
    .holds = shared_holds,
};

void shared_open(struct berth_store *ret_gateways[static SHARED_GATEWAYS])
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("shared");
    ck_assert_int_eq(unit_store_open(dir, &inner, NULL), 0);
    for (size_t i = 0; i < SHARED_GATEWAYS; i++) {
        handles[i] = (struct handle){.base = {.ops = &shared_ops, .lock_fd = -1}};
        handles[i].last = &handles[i].first;
        ret_gateways[i] = &handles[i].base;
    }
}

void shared_drop_holds(struct berth_store *gateway)
{
    BERTH_LOCK_SCOPE(guard, &lock);
    struct handle *handle = (struct handle *)gateway;
    memset(handle->holds, 0, sizeof(handle->holds));
}

void shared_close(void)
{
    berth_store_close(inner);
}
