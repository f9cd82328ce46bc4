/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_open.h"

#include "tests/unit/unit.h"

#include <libpq-fe.h>
#include <string.h>

#define STORES_MAX 256 /* of one test */

/* The databases of a test go as its directories do. No memory is asked for here: tests make that
 * fail. */
static struct {
    const char *server; /* a connection string, or NULL: the embedded store */
    pid_t owner;
    size_t count;
    char dirs[STORES_MAX][256];
} stores;

__attribute__((constructor)) static void find_server(void)
{
    const char *server = getenv("BERTH_TEST_POSTGRES"); /* some tests change the environment */
    stores.server = server && *server ? server : NULL;
}

const char *unit_store_server(void)
{
    return stores.server;
}

/* By the directory, so that the processes of a test find the same; FNV-1a of 64 bits. */
static void name_database(const char *dir, char *ret_name, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *dir; dir++)
        hash = (hash ^ (unsigned char)*dir) * UINT64_C(1099511628211);
    (void)snprintf(ret_name, size, "unit_%016llx", (unsigned long long)hash);
}

/* Makes or drops the database of a directory; one that is there already will do. */
static void command(const char *before, const char *dir, const char *after)
{
    char name[32];
    char sql[256];
    name_database(dir, name, sizeof(name));
    (void)snprintf(sql, sizeof(sql), "%s %s %s", before, name, after);
    PGconn *conn = PQconnectdb(stores.server);
    PGresult *result = PQexec(conn, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK ||
                      (state && strcmp(state, "42P04") == 0), /* duplicate_database */
                  "%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

static void drop_all(void)
{
    if (stores.owner != getpid())
        return;
    for (size_t i = 0; i < stores.count; i++)
        command("DROP DATABASE", stores.dirs[i], "WITH (FORCE)");
}

static void find_database(const char *dir)
{
    if (stores.owner == 0) { /* a child of a test leaves them to the test */
        stores.owner = getpid();
        ck_assert_int_eq(atexit(drop_all), 0);
    }
    for (size_t i = 0; i < stores.count; i++)
        if (strcmp(stores.dirs[i], dir) == 0)
            return;
    ck_assert_uint_lt(stores.count, STORES_MAX);
    (void)snprintf(stores.dirs[stores.count++], sizeof(stores.dirs[0]), "%s", dir);
    command("CREATE DATABASE", dir, "");
}

void unit_store_make(const char *dir)
{
    if (stores.server)
        find_database(dir);
}

int unit_store_open(const char *dir, struct berth_store **ret_store, struct berth_error *err)
{
    return unit_store_join(dir, dir, "", ret_store, err);
}

int unit_store_join(const char *dir, const char *own_dir, const char *words,
                    struct berth_store **ret_store, struct berth_error *err)
{
    char database[32];
    char conninfo[512];
    struct berth_store_config config = {.data_dir = own_dir};
    if (stores.server) {
        find_database(dir);
        name_database(dir, database, sizeof(database));
        (void)snprintf(conninfo, sizeof(conninfo), "%s %s", stores.server, words);
        config.postgres.conninfo = conninfo;
        config.postgres.database = database;
    }
    return berth_store_open(&config, ret_store, err);
}
