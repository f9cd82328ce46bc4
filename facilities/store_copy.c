/* SPDX-License-Identifier: MIT */
#include "facilities/store_copy.h"

#include "base/encoding.h"
#include "facilities/store_driver.h"
#include "facilities/store_tables.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TABLES_MAX   16
#define ROW_MAX      (4U << 20)
#define STATEMENT_MS 600000 /* a table is one, which nothing but the copy waits for */

/* What a table holds: how many rows, and a digest of all of them in their order. */
struct sum {
    int64_t rows;
    unsigned char digest[BERTH_SHA256_BYTES];
};

struct copying {
    struct berth_store *from;
    bool replace;
    struct berth_txn *to;
    struct sum given[TABLES_MAX];
    struct sum found[TABLES_MAX];
    int64_t next[TABLES_MAX]; /* the last id that was drawn, of a row that is gone too */
};

/* ---- Sums ---- */

static void add_value(struct berth_strbuf *text, const struct berth_value *value)
{
    switch (value->type) {
    case BERTH_VALUE_NULL:
        berth_strbuf_adds(text, "n;");
        break;
    case BERTH_VALUE_INT:
        berth_strbuf_addf(text, "i%" PRId64 ";", value->number);
        break;
    case BERTH_VALUE_TEXT:
        berth_strbuf_addf(text, "t%zu:%s;", strlen(value->text), value->text);
        break;
    }
}

static int add_to_sum(struct sum *sum, const struct berth_value *values, size_t count,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(ROW_MAX);
    berth_hex_encode(sum->digest, sizeof(sum->digest), &text);
    for (size_t i = 0; i < count; i++)
        add_value(&text, &values[i]);
    int r = berth_strbuf_check(&text, err);
    if (r == 0)
        r = berth_sha256(berth_strbuf_str(&text), text.len, sum->digest, err);
    sum->rows++;
    return r;
}

static size_t index_of(const struct berth_store_table *table)
{
    return (size_t)(table - berth_store_tables);
}

static int carry_row(const struct berth_store_table *table, const struct berth_value *values,
                     size_t count, void *ctx, struct berth_error *err)
{
    struct copying *copying = ctx;
    size_t i = index_of(table);
    if (table->has_ids && values[0].number > copying->next[i])
        copying->next[i] = values[0].number;
    int r = add_to_sum(&copying->given[i], values, count, err);
    return r < 0 ? r : berth_store_insert(copying->to, table, values, count, err);
}

static int sum_row(const struct berth_store_table *table, const struct berth_value *values,
                   size_t count, void *ctx, struct berth_error *err)
{
    struct copying *copying = ctx;
    return add_to_sum(&copying->found[index_of(table)], values, count, err);
}

/* ---- Where ids go on ---- */

static int take_id(const struct berth_row *row, void *ctx,
                   struct berth_error *err __attribute__((unused)))
{
    int64_t *id = ctx;
    if (berth_row_int(row, 0) > *id)
        *id = berth_row_int(row, 0);
    return 0;
}

static int read_ids(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct copying *copying = ctx;
    int r = 0;
    for (size_t i = 0; r == 0 && i < berth_store_table_count; i++) {
        const struct berth_value name = berth_value_text(berth_store_tables[i].name);
        if (berth_store_tables[i].has_ids)
            r = berth_txn_run(txn, txn->store->ops->last_id, &name, 1, take_id, &copying->next[i],
                              NULL, err);
    }
    return r;
}

static int set_ids(struct copying *copying, struct berth_error *err)
{
    const struct berth_store_ops *ops = copying->to->store->ops;
    int r = 0;
    for (size_t i = 0; r == 0 && i < berth_store_table_count; i++) {
        const struct berth_value values[] = {berth_value_text(berth_store_tables[i].name),
                                             berth_value_int(copying->next[i])};
        if (!berth_store_tables[i].has_ids || copying->next[i] == 0)
            continue;
        if (ops->forget_id)
            r = berth_txn_run(copying->to, ops->forget_id, values, 1, NULL, NULL, NULL, err);
        if (r == 0)
            r = berth_txn_run(copying->to, ops->set_id, values, 2, NULL, NULL, NULL, err);
    }
    return r;
}

/* ---- Copying ---- */

static int note_row(const struct berth_row *row __attribute__((unused)), void *ctx,
                    struct berth_error *err __attribute__((unused)))
{
    *(bool *)ctx = true;
    return 0;
}

static int check_empty(struct berth_txn *to, struct berth_error *err)
{
    for (size_t i = 0; i < berth_store_table_count; i++) {
        bool has_rows = false;
        int r = berth_txn_run(to, berth_store_tables[i].is_empty, NULL, 0, note_row, &has_rows,
                              NULL, err);
        if (r < 0)
            return r;
        if (has_rows)
            return berth_error_set(err, BERTH_E_CONFLICT,
                                   "the target is not empty: there are rows in %s (--replace "
                                   "deletes all that it holds)",
                                   berth_store_tables[i].name);
    }
    return 0;
}

static int compare(const struct copying *copying, struct berth_error *err)
{
    for (size_t i = 0; i < berth_store_table_count; i++) {
        const struct sum *given = &copying->given[i];
        const struct sum *found = &copying->found[i];
        if (given->rows != found->rows ||
            memcmp(given->digest, found->digest, sizeof(given->digest)) != 0)
            return berth_error_set(err, BERTH_E_INTERNAL,
                                   "what was copied is not what came of it: table %s, %" PRId64
                                   " rows of %" PRId64 "; nothing was changed",
                                   berth_store_tables[i].name, found->rows, given->rows);
    }
    return 0;
}

static int copy_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct copying *copying = ctx;
    copying->to = txn;
    int r = copying->replace ? berth_store_empty(txn, false, err) : check_empty(txn, err);
    if (r == 0)
        r = berth_store_walk(copying->from, false, carry_row, copying, err);
    if (r == 0)
        r = berth_store_read(copying->from, read_ids, copying, err);
    if (r == 0)
        r = set_ids(copying, err);
    if (r == 0)
        r = berth_store_walk_txn(txn, false, sum_row, copying, err);
    return r < 0 ? r : compare(copying, err);
}

int berth_store_copy(struct berth_store *from, struct berth_store *to, bool replace,
                     struct berth_strbuf *report, struct berth_error *err)
{
    struct copying copying = {.from = from, .replace = replace};
    int r = berth_store_write(to, copy_job, &copying, err);
    for (size_t i = 0; r == 0 && i < berth_store_table_count; i++)
        berth_strbuf_addf(report, "%-18s %10" PRId64 " row%s\n", berth_store_tables[i].name,
                          copying.given[i].rows, copying.given[i].rows == 1 ? "" : "s");
    return r;
}

/* ---- Places ---- */

/* Of any scheme: one that is misspelt may have a password in it, which a file's name is told with.
 */
static bool is_conninfo(const char *spec)
{
    return strchr(spec, '=') || strstr(spec, "://");
}

static int count_row(const struct berth_row *row, void *ctx,
                     struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

/* Of other gateways' listeners: each gateway has one connection that hears. */
static int count_gateways(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn,
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND application_name = 'berth' AND query LIKE 'LISTEN%'",
                         NULL, 0, count_row, ctx, NULL, err);
}

static int open_server(const struct berth_store_place *place, struct berth_store **ret_store,
                       struct berth_error *err)
{
    const struct berth_postgres_config config = {.conninfo = place->spec,
                                                 .timeout_ms = STATEMENT_MS};
    BERTH_CLEANUP(store) struct berth_store *store = NULL;
    int64_t gateways = 0;
    int r = berth_store_postgres_open(&config, &store, err);
    if (r == 0 && place->is_target)
        r = berth_store_read(store, count_gateways, &gateways, err);
    if (r == 0 && gateways > 0)
        r = berth_error_set(err, BERTH_E_BUSY, "a gateway runs on the target: stop it first");
    if (r == 0)
        *ret_store = berth_steal(&store);
    return r;
}

/* The lock of the data directory that a database of SQLite is in, where it is one. */
static int take_lock(const char *path, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf lock = BERTH_STRBUF_INIT(PATH_MAX);
    const char *slash = strrchr(path, '/');
    berth_strbuf_addf(&lock, "%.*sberth.lock", slash ? (int)(slash - path + 1) : 0, path);
    int r = berth_strbuf_check(&lock, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(fd) int fd = open(berth_strbuf_str(&lock), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be opened: %m",
                                     berth_strbuf_str(&lock));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return berth_error_set(err, BERTH_E_BUSY, "a gateway runs on %s: stop it first", path);
    *ret_fd = berth_fd_steal(&fd);
    return 0;
}

/* Closed before SQLite opens it: to close a file ends all locks of this process on it. */
static int find_file(const struct berth_store_place *place, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = open(place->spec, O_RDWR | O_CLOEXEC);
    if (fd < 0 && !(place->is_target && errno == ENOENT))
        return berth_error_set_errno(err, errno == ENOENT ? BERTH_E_NOT_FOUND : BERTH_E_IO, errno,
                                     "%s cannot be opened: %m", place->spec);
    return 0;
}

static int open_file(const struct berth_store_place *place, struct berth_store **ret_store,
                     struct berth_error *err)
{
    BERTH_CLEANUP(fd) int lock_fd = -1;
    int r = take_lock(place->spec, &lock_fd, err);
    if (r == 0)
        r = find_file(place, err);
    if (r < 0)
        return r;
    r = berth_store_sqlite_open(place->spec, ret_store, err);
    if (r < 0)
        return berth_error_wrap(err, "%s", place->spec);
    (*ret_store)->lock_fd = berth_fd_steal(&lock_fd);
    return 0;
}

int berth_store_open_place(const struct berth_store_place *place, struct berth_store **ret_store,
                           struct berth_error *err)
{
    return is_conninfo(place->spec) ? open_server(place, ret_store, err)
                                    : open_file(place, ret_store, err);
}
