/* SPDX-License-Identifier: MIT */
/* What of the store does not depend on the driver: the data directory, its lock, dispatch. */
#include "facilities/store.h"

#include "base/strbuf.h"
#include "base/text.h"
#include "facilities/store_driver.h"
#include "facilities/store_fallback.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define LOCK_NAME       "berth.lock"
#define DATABASE_NAME   "berth.db"
#define COPY_NAME       "berth-copy.db" /* what is kept for when a server cannot be reached */
#define SPACE_MIN_BYTES (1U << 20)      /* room for the rows of a change that is made elsewhere */

static int open_data_dir(const char *data_dir, int *ret_fd, struct berth_error *err)
{
    if (mkdir(data_dir, 0700) < 0 && errno != EEXIST)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "cannot make the data directory %s",
                                     data_dir);
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "cannot open the data directory %s",
                                     data_dir);
    *ret_fd = fd;
    return 0;
}

static int take_lock(int dir_fd, const char *data_dir, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(fd)
    int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "cannot open %s/" LOCK_NAME, data_dir);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return berth_error_set(err, BERTH_E_BUSY,
                                   "another berth is running with the data directory %s", data_dir);
        return berth_error_set_errno(err, BERTH_E_IO, errno, "cannot lock %s/" LOCK_NAME, data_dir);
    }
    *ret_fd = berth_fd_steal(&fd);
    return 0;
}

static int open_embedded(const char *data_dir, struct berth_store **ret_store,
                         struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX);
    berth_strbuf_addf(&path, "%s/" DATABASE_NAME, data_dir);
    int r = berth_strbuf_check(&path, err);
    if (r < 0)
        return r;
    r = berth_store_sqlite_open(berth_strbuf_str(&path), ret_store, err);
    if (r < 0)
        (void)berth_error_wrap(err, "%s", berth_strbuf_str(&path));
    return r;
}

/* ---- PostgreSQL with something to fall back on ---- */

struct server {
    struct berth_postgres_config config; /* its strings are its own */
};

static const char **server_strings(struct server *server, size_t i)
{
    const char **const slots[] = {&server->config.conninfo, &server->config.host,
                                  &server->config.port,     &server->config.user,
                                  &server->config.password, &server->config.database};
    return i < sizeof(slots) / sizeof(slots[0]) ? slots[i] : NULL;
}

static void server_free(void *ctx)
{
    struct server *server = ctx;
    const char **slot;
    for (size_t i = 0; (slot = server_strings(server, i)); i++) {
        char *text = (char *)(uintptr_t)*slot;
        if (text)
            explicit_bzero(text, strlen(text)); /* a password may be in it */
        free(text);
    }
    free(server);
}

static int server_new(const struct berth_postgres_config *config, struct server **ret_server,
                      struct berth_error *err)
{
    struct server *server = calloc(1, sizeof(*server));
    if (!server)
        return berth_error_nomem(err);
    server->config = *config;
    const char **slot;
    bool complete = true;
    for (size_t i = 0; (slot = server_strings(server, i)); i++) {
        const char *text = *slot;
        *slot = berth_text_dup(text);
        complete &= !text || *slot;
    }
    if (!complete) {
        server_free(server);
        return berth_error_nomem(err);
    }
    *ret_server = server;
    return 0;
}

static int open_server(void *ctx, struct berth_store **ret_store, struct berth_error *err)
{
    const struct server *server = ctx;
    return berth_store_postgres_open(&server->config, ret_store, err);
}

static int open_with_fallback(const struct berth_store_config *config,
                              struct berth_store **ret_store, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf alone = BERTH_STRBUF_INIT(PATH_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf copy = BERTH_STRBUF_INIT(PATH_MAX);
    struct server *server = NULL;
    berth_strbuf_addf(&alone, "%s/" DATABASE_NAME, config->data_dir);
    berth_strbuf_addf(&copy, "%s/" COPY_NAME, config->data_dir);
    int r = berth_strbuf_check(&alone, err);
    if (r == 0)
        r = berth_strbuf_check(&copy, err);
    if (r == 0)
        r = server_new(&config->postgres, &server, err);
    if (r < 0)
        return r;
    const struct berth_fallback_config fallback = {.open_server = open_server,
                                                   .release = server_free,
                                                   .ctx = server,
                                                   .server = "PostgreSQL",
                                                   .copy_path = berth_strbuf_str(&copy),
                                                   .alone_path = berth_strbuf_str(&alone)};
    return berth_store_fallback_open(&fallback, ret_store, err);
}

/* ---- Opening ---- */

static int open_driver(const struct berth_store_config *config, struct berth_store **ret_store,
                       struct berth_error *err)
{
    if (!berth_store_wants_postgres(config))
        return open_embedded(config->data_dir, ret_store, err);
    if (config->fallback)
        return open_with_fallback(config, ret_store, err);
    return berth_store_postgres_open(&config->postgres, ret_store, err);
}

int berth_store_open(const struct berth_store_config *config, struct berth_store **ret_store,
                     struct berth_error *err)
{
    const char *data_dir = config->data_dir;
    BERTH_CLEANUP(fd) int dir_fd = -1;
    BERTH_CLEANUP(fd) int lock_fd = -1;
    struct berth_store *store = NULL;

    int r = open_data_dir(data_dir, &dir_fd, err);
    if (r < 0)
        return r;
    r = take_lock(dir_fd, data_dir, &lock_fd, err);
    if (r < 0)
        return r;
    r = open_driver(config, &store, err);
    if (r < 0)
        return r;
    store->lock_fd = berth_fd_steal(&lock_fd);
    *ret_store = store;
    return 0;
}

int berth_store_probe(const struct berth_store_config *config, struct berth_strbuf *text,
                      struct berth_error *err)
{
    return berth_store_wants_postgres(config)
               ? berth_store_postgres_probe(&config->postgres, text, err)
               : 0;
}

void berth_store_close(struct berth_store *store)
{
    if (!store)
        return;
    int lock_fd = store->lock_fd;
    store->ops->close(store);
    berth_fd_close(&lock_fd); /* last: another gateway may take over now */
}

int berth_store_check_space(struct berth_store *store, struct berth_error *err)
{
    struct statvfs fs;
    if (fstatvfs(store->lock_fd, &fs) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the store's disk cannot be asked");
    if ((uint64_t)fs.f_bavail * fs.f_frsize < SPACE_MIN_BYTES)
        return berth_error_set(err, BERTH_E_NO_SPACE,
                               "the gateway's disk is full; nothing was changed");
    return 0;
}

int berth_store_condition(struct berth_store *store, struct berth_error *err)
{
    return store->ops->condition ? store->ops->condition(store, err) : 0;
}

int berth_store_write(struct berth_store *store, berth_store_job *job, void *ctx,
                      struct berth_error *err)
{
    struct berth_store_request request;
    berth_store_begin_write(store, &request, job, ctx);
    return berth_store_end_write(store, &request, err);
}

void berth_store_begin_write(struct berth_store *store, struct berth_store_request *request,
                             berth_store_job *job, void *ctx)
{
    *request = (struct berth_store_request){.job = job, .ctx = ctx};
    store->ops->begin_write(store, request);
}

int berth_store_end_write(struct berth_store *store, struct berth_store_request *request,
                          struct berth_error *err)
{
    return store->ops->end_write(store, request, err);
}

int berth_store_read(struct berth_store *store, berth_store_job *job, void *ctx,
                     struct berth_error *err)
{
    return store->ops->read(store, job, ctx, err);
}

int berth_txn_run_job(struct berth_txn *txn, berth_store_job *job, void *ctx,
                      struct berth_error *err)
{
    int r = job(txn, ctx, err);
    if (r == 0 && txn->failed < 0)
        return berth_error_set(err, (enum berth_status)txn->failed,
                               "a statement of the transaction failed");
    return r;
}

int berth_txn_run(struct berth_txn *txn, const char *sql, const struct berth_value *values,
                  size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                  struct berth_error *err)
{
    int r = count <= BERTH_STORE_PARAMETERS_MAX
                ? txn->store->ops->run(txn, sql, values, count, on_row, ctx, ret_changes, err)
                : berth_error_set(err, BERTH_E_INTERNAL, "too many parameters for a statement");
    if (r < 0 && txn->failed == 0)
        txn->failed = r;
    return r;
}

/* ---- Several gateways ---- */

bool berth_store_is_shared(const struct berth_store *store)
{
    return store->ops->hold != NULL;
}

int berth_txn_tell(struct berth_txn *txn, const struct berth_store_news *news,
                   struct berth_error *err)
{
    const struct berth_store_ops *ops = txn->store->ops;
    int r = ops->tell ? ops->tell(txn, news, err) : 0;
    if (r < 0 && txn->failed == 0)
        txn->failed = r;
    return r;
}

int berth_store_listen(struct berth_store *store, berth_news_fn *fn, void *ctx,
                       struct berth_error *err)
{
    return store->ops->listen ? store->ops->listen(store, fn, ctx, err) : 0;
}

void berth_store_deafen(struct berth_store *store)
{
    if (store->ops->deafen)
        store->ops->deafen(store);
}

int berth_store_hold(struct berth_store *store, const char *name, bool *ret_held,
                     struct berth_error *err)
{
    if (store->ops->hold)
        return store->ops->hold(store, name, ret_held, err);
    *ret_held = true;
    return 0;
}

void berth_store_let_go(struct berth_store *store, const char *name)
{
    if (store->ops->let_go)
        store->ops->let_go(store, name);
}

bool berth_txn_holds(struct berth_txn *txn, const char *name)
{
    const struct berth_store_ops *ops = txn->store->ops;
    return !ops->holds || ops->holds(txn, name);
}

/* ---- Rows ---- */

int64_t berth_row_int(const struct berth_row *row, int column)
{
    return row->ops->get_int(row, column);
}

const char *berth_row_text(const struct berth_row *row, int column)
{
    return row->ops->get_text(row, column);
}

bool berth_row_is_null(const struct berth_row *row, int column)
{
    return row->ops->is_null(row, column);
}
