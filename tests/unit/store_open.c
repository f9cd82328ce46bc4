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
    stores.server = getenv("BERTH_TEST_POSTGRES"); /* some tests change the environment */
}

const char *unit_store_server(void)
{
    return stores.server;
}

/* One of this process alone, as the directories are. */
static void name_database(size_t number, char *ret_name, size_t size)
{
    (void)snprintf(ret_name, size, "unit_%d_%zu", (int)getpid(), number);
}

static void command(const char *before, const char *database, const char *after)
{
    char sql[256];
    (void)snprintf(sql, sizeof(sql), "%s %s %s", before, database, after);
    PGconn *conn = PQconnectdb(stores.server);
    PGresult *result = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

static void drop_all(void)
{
    char name[64];
    if (stores.owner != getpid())
        return;
    for (size_t i = 0; i < stores.count; i++) {
        name_database(i, name, sizeof(name));
        command("DROP DATABASE", name, "WITH (FORCE)");
    }
}

static size_t find_database(const char *dir)
{
    if (stores.owner != getpid()) {
        stores.owner = getpid();
        stores.count = 0;
        ck_assert_int_eq(atexit(drop_all), 0);
    }
    for (size_t i = 0; i < stores.count; i++)
        if (strcmp(stores.dirs[i], dir) == 0)
            return i;
    char name[64];
    size_t number = stores.count++;
    ck_assert_uint_lt(number, STORES_MAX);
    (void)snprintf(stores.dirs[number], sizeof(stores.dirs[number]), "%s", dir);
    name_database(number, name, sizeof(name));
    command("CREATE DATABASE", name, "");
    return number;
}

int unit_store_open(const char *dir, struct berth_store **ret_store, struct berth_error *err)
{
    char database[64];
    struct berth_store_config config = {.data_dir = dir};
    if (stores.server) {
        name_database(find_database(dir), database, sizeof(database));
        config.postgres.conninfo = stores.server;
        config.postgres.database = database;
    }
    return berth_store_open(&config, ret_store, err);
}
