/* SPDX-License-Identifier: MIT */
#include "tests/unit/uptime_fixture.h"

#include "base/clock.h"
#include "base/json.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <string.h>

extern char **environ;

static struct berth_store *store;
struct berth_uptime *uptime;
static char *data_dir;

/* The zone all tests are in; they have a process each. */
static void use_zone(void)
{
    static char zone[] = "TZ=Europe/Berlin";
    static char *variables[2] = {zone, NULL};
    environ = variables;
    berth_clock_init();
}

void open_recorder(int64_t interval_s, int64_t retention_days)
{
    const struct berth_uptime_config config = {.sample_interval_s = interval_s,
                                               .retention_days = retention_days};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(unit_store_open(data_dir, &store, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_uptime_open(store, &config, &uptime, &err) == 0, "%s", err.message);
}

void close_recorder(void)
{
    berth_uptime_close(uptime);
    berth_store_close(store);
}

void set_up(void)
{
    data_dir = unit_scratch("data");
    use_zone();
}

void tear_down(void)
{
    close_recorder();
    free(data_dir);
}

void observe(const char *app, enum berth_app_state state, int64_t at_ms)
{
    berth_uptime_observe(uptime, "demo", app, state, at_ms * BERTH_NS_PER_MS);
}

void gone(const char *app, int64_t at_ms)
{
    berth_uptime_gone(uptime, "demo", app, at_ms * BERTH_NS_PER_MS);
}

void lost(int64_t last_alive_ms)
{
    berth_uptime_lost(uptime, "demo", last_alive_ms * BERTH_NS_PER_MS);
}

void alive(int64_t at_ms)
{
    berth_uptime_alive(uptime, "demo", at_ms * BERTH_NS_PER_MS);
}

char *summarise(const char *facility, const char *app, enum berth_uptime_window window,
                int64_t now_ms)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(64U << 20);
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64U << 20);
    struct berth_error err = BERTH_ERROR_INIT;
    int status =
        berth_uptime_summary(uptime, facility, app, window, now_ms * BERTH_NS_PER_MS, &json, &err);
    ck_assert_msg(status == 0, "%s", err.message);
    BERTH_CLEANUP(json) cJSON *object = NULL;
    ck_assert_int_eq(berth_json_parse(json.data, json.len, &object, NULL), 0);
    ck_assert(cJSON_IsObject(object));
    for (const cJSON *sample = object->child; sample; sample = sample->next) {
        ck_assert(cJSON_IsBool(sample));
        ck_assert_uint_eq(strlen(sample->string), strlen("2023-06-20T13:50:45"));
        berth_strbuf_addf(&text, "%s%s%c", text.len ? " " : "", sample->string + 11,
                          cJSON_IsTrue(sample) ? '+' : '-');
    }
    return strdup(berth_strbuf_str(&text));
}

void ck_summary(const char *name, const char *app, enum berth_uptime_window window, int64_t now_ms,
                const char *expected)
{
    BERTH_CLEANUP(free) char *text = summarise("demo", app, window, now_ms);
    ck_assert_msg(strcmp(text, expected) == 0, "%s:\nis     %s\nwanted %s", name, text, expected);
}

sqlite3 *open_beside(void)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/berth.db", data_dir);
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000);
    return db;
}

void run_beside(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    (void)sqlite3_exec(db, sql, NULL, NULL, &why);
    ck_assert_msg(!why, "%s: %s", sql, why);
}

int64_t count_beside(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return count;
}

void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}
