/* SPDX-License-Identifier: MIT */
#include "tests/unit/uptime_fixture.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "facilities/uptime_internal.h"
#include "tests/unit/store_jobs.h"
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

/* However long the recorder's thread, or the disk, is held up. */
static void be_patient(void)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    uptime->flush_ms = PATIENCE_MS;
}

static bool is_recording(const char *facility)
{
    BERTH_LOCK_SCOPE(guard, &uptime->lock);
    return berth_uptime_find(uptime, facility)->recording;
}

void open_recorder(int64_t interval_s, int64_t retention_days)
{
    const struct berth_uptime_config config = {.sample_interval_s = interval_s,
                                               .retention_days = retention_days};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(unit_store_open(data_dir, &store, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_uptime_open(store, &config, &uptime, &err) == 0, "%s", err.message);
    be_patient();
    /* On a store of several gateways, one records when it holds the facility. */
    berth_uptime_alive(uptime, "demo", 0);
    while (!is_recording("demo"))
        nap();
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

void run_beside(const char *sql)
{
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(write_statement(store, sql, &err) == 0, "%s: %s", sql, err.detail);
}

int64_t count_beside(const char *sql)
{
    return read_number(store, sql);
}

static int add_spans_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    static const char sql[] =
        "WITH RECURSIVE app(number) AS (SELECT CAST($1 AS BIGINT)"
        " UNION ALL SELECT number + 1 FROM app WHERE number < $2),"
        " span(number) AS (SELECT CAST(1 AS BIGINT)"
        " UNION ALL SELECT number + 1 FROM span WHERE number < $3)"
        " INSERT INTO uptime_span (facility, app, state, from_ms, to_ms)"
        " SELECT 'demo', 'app--' || app.number,"
        " CASE WHEN span.number % 2 = 0 THEN 'exited' ELSE 'running' END,"
        " $4 + (span.number - 1) * $5 + app.number, $4 + span.number * $5 + app.number"
        " FROM app, span";
    return berth_txn_run(txn, sql, ctx, 5, NULL, NULL, NULL, err);
}

void add_spans(int64_t first, int64_t last, int64_t spans, int64_t now_ms)
{
    int64_t step_ms = AT(31 * 24, 0, 0) / spans;
    struct berth_value values[] = {
        berth_value_int(first), berth_value_int(last), berth_value_int(spans),
        berth_value_int(now_ms - spans * step_ms), berth_value_int(step_ms)};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_store_write(store, add_spans_job, values, &err) == 0, "%s", err.detail);
}

#define SCRIPTED_SQLITE(name, when)                                                                \
    "CREATE TRIGGER " name " BEFORE INSERT ON uptime_span" when                                    \
    " BEGIN SELECT RAISE(ABORT, 'scripted'); END"
#define SCRIPTED_POSTGRES(name, when)                                                              \
    "CREATE TRIGGER " name " BEFORE INSERT ON uptime_span FOR EACH ROW" when                       \
    " EXECUTE FUNCTION scripted()"

/* Per kind of failure: how it is made, in either store, and ended. */
static const struct {
    const char *sqlite;
    const char *postgres;
    const char *end_sqlite;
    const char *end_postgres;
} refusals[] = {
    [REFUSE_ALL] = {SCRIPTED_SQLITE("every", ""), SCRIPTED_POSTGRES("every", ""),
                    "DROP TRIGGER every", "DROP TRIGGER every ON uptime_span"},
    [REFUSE_LAST] = {SCRIPTED_SQLITE("last", " WHEN NEW.app = 'last--ana'"),
                     SCRIPTED_POSTGRES("last", " WHEN (NEW.app = 'last--ana')"),
                     "DROP TRIGGER last", "DROP TRIGGER last ON uptime_span"},
    [REFUSE_NEW] = {SCRIPTED_SQLITE("new", " WHEN NEW.app = 'new--ana'"),
                    SCRIPTED_POSTGRES("new", " WHEN (NEW.app = 'new--ana')"), "DROP TRIGGER new",
                    "DROP TRIGGER new ON uptime_span"},
};

void refuse_spans(enum refusal refusal)
{
    if (unit_store_server())
        run_beside("CREATE OR REPLACE FUNCTION scripted() RETURNS trigger LANGUAGE plpgsql AS"
                   " 'BEGIN RAISE ''scripted''; END'");
    run_beside(unit_store_server() ? refusals[refusal].postgres : refusals[refusal].sqlite);
}

void take_spans(enum refusal refusal)
{
    run_beside(unit_store_server() ? refusals[refusal].end_postgres : refusals[refusal].end_sqlite);
}

void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* counting takes time, too */
}
