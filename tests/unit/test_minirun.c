/* SPDX-License-Identifier: MIT */
/* On the backend in memory, whose image stands for a root file system. */
#include "facilities/minirun.h"

#include "base/strbuf.h"
#include "tests/unit/unit.h"

#include <string.h>

#define ROOTFS "demo:latest"

static struct berth_store *store;
static struct berth_uptime *uptime;
static struct berth_facility *facility;

static const struct berth_caller ana = {.user = "ana", .role = BERTH_ROLE_RESEARCHER};
static const struct berth_caller bob = {.user = "bob", .role = BERTH_ROLE_RESEARCHER};
static const struct berth_caller oli = {.user = "oli", .role = BERTH_ROLE_OPERATOR};
static const struct berth_caller anybody = {.role = BERTH_ROLE_ADMIN}; /* auth = open */

static void open_facility(void)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    const struct berth_uptime_config sampling = {.sample_interval_s = 600, .retention_days = 1};
    const struct berth_facility_config config = {
        .id = "roots",
        .backend = "memory",
        .max_apps_per_user = 2,
        .engine = {.request_timeout_ms = 10000, .max_inflight = 32},
    };
    struct berth_error err = BERTH_ERROR_INIT;
    const struct berth_store_config place = {.data_dir = dir};
    ck_assert_msg(berth_store_open(&place, &store, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_uptime_open(store, &sampling, &uptime, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_facility_open(&config, store, uptime, &facility, &err) == 0, "%s",
                  err.message);
}

static void close_facility(void)
{
    berth_facility_unref(facility);
    berth_uptime_close(uptime);
    berth_store_close(store);
}

static int create(const struct berth_caller *by, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    const struct berth_minirun_request request = {
        .name = name, .rootfs = ROOTFS, .command = "/bin/sh"};
    int r = berth_minirun_create(facility, by, &request, &app, err);
    if (r == 0)
        ck_assert_str_eq(app->name, name);
    return r;
}

static void assert_error(int result, const struct berth_error *err, enum berth_status status,
                         const char *message)
{
    ck_assert_msg(result == (int)status && err->status == status, "%d: %s", result, err->message);
    ck_assert_str_eq(err->message, message);
}

/* ---- Names ---- */

#define LONGEST "a23456789012345678901234567890123456789012345678901234567890.-_A"

START_TEST(names_by_their_rule)
{
    static const struct {
        const char *name;
        bool is_good;
    } rows[] = {
        {"webapp", true},    {"a", true},     {"7", true},          {"Web.app_1-x", true},
        {LONGEST, true},     {"a--b", true},  {LONGEST "5", false}, {".", false},
        {"..", false},       {"-a", false},   {"_a", false},        {"a/b", false},
        {"../a", false},     {"a b", false},  {"a\n", false},       {"a\x1b[1m", false},
        {"\xc3\xa4", false}, {"a%2e", false}, {"a'b", false},       {"a:b", false},
    };
    open_facility();
    ck_assert_uint_eq(strlen(LONGEST), BERTH_MINIRUN_NAME_MAX);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        int r = create(&oli, rows[i].name, &err);
        if (r == BERTH_E_QUOTA) /* which comes after the name */
            r = 0;
        ck_assert_msg(r == (rows[i].is_good ? 0 : BERTH_E_INVALID), "%s: %s", rows[i].name,
                      err.message);
        if (!rows[i].is_good) {
            ck_assert_int_eq(strncmp(err.message, "Container name must be 1 to 64 ", 31), 0);
            ck_assert_int_eq(berth_minirun_get(facility, &oli, rows[i].name, &app, NULL),
                             BERTH_E_INVALID);
        }
    }
    struct berth_error err = BERTH_ERROR_INIT;
    assert_error(create(&oli, "", &err), &err, BERTH_E_INVALID, "Container name is required");
    close_facility();
}
END_TEST

/* ---- Whose they are ---- */

START_TEST(made_for_another_by_who_may)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    const struct berth_minirun_request request = {
        .name = "webapp", .rootfs = ROOTFS, .command = "/bin/sh", .user = "bob"};
    open_facility();
    ck_assert_int_eq(berth_minirun_create(facility, &ana, &request, &app, NULL), BERTH_E_FORBIDDEN);
    ck_assert_int_eq(berth_minirun_create(facility, &anybody, &request, &app, NULL), 0);
    ck_assert_str_eq(app->user, "bob");
    close_facility();
}
END_TEST

START_TEST(another_s_is_not_there)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    open_facility();
    ck_assert_int_eq(create(&ana, "webapp", NULL), 0);
    assert_error(berth_minirun_get(facility, &bob, "webapp", &app, &err), &err, BERTH_E_NOT_FOUND,
                 "Container 'webapp' not found");
    assert_error(berth_minirun_act(facility, &bob, BERTH_VERB_REMOVE, "webapp", NULL, &err), &err,
                 BERTH_E_NOT_FOUND, "Container 'webapp' not found");
    assert_error(create(&bob, "webapp", &err), &err, BERTH_E_EXISTS,
                 "Container 'webapp' already exists");
    ck_assert_int_eq(berth_minirun_get(facility, &oli, "webapp", &app, NULL), 0);
    ck_assert_str_eq(app->user, "ana");
    close_facility();
}
END_TEST

START_TEST(where_nobody_has_a_name_it_is_the_admin_s)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    open_facility();
    ck_assert_int_eq(create(&anybody, "webapp", NULL), 0);
    ck_assert_int_eq(berth_minirun_get(facility, &anybody, "webapp", &app, NULL), 0);
    ck_assert_str_eq(app->user, "admin");
    close_facility();
}
END_TEST

START_TEST(the_bound_of_a_user_holds)
{
    struct berth_error err = BERTH_ERROR_INIT;
    open_facility();
    ck_assert_int_eq(create(&ana, "one", NULL), 0);
    ck_assert_int_eq(create(&ana, "two", NULL), 0);
    ck_assert_int_eq(create(&ana, "three", &err), BERTH_E_QUOTA);
    ck_assert_int_eq(berth_minirun_act(facility, &ana, BERTH_VERB_REMOVE, "one", NULL, NULL), 0);
    ck_assert_int_eq(create(&ana, "three", NULL), 0);
    close_facility();
}
END_TEST

START_TEST(a_root_file_system_that_is_not_there_is_the_client_s_fault)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    const struct berth_minirun_request request = {.name = "webapp", .rootfs = "/no/such"};
    struct berth_error err = BERTH_ERROR_INIT;
    open_facility();
    ck_assert_int_eq(berth_minirun_create(facility, &ana, &request, &app, &err), BERTH_E_INVALID);
    ck_assert_int_eq(err.status, BERTH_E_INVALID);
    close_facility();
}
END_TEST

/* ---- States ---- */

START_TEST(a_verb_in_a_state)
{
    static const struct {
        enum berth_verb verb;
        int result;
        const char *message; /* or NULL */
        enum berth_app_state after;
    } rows[] = {
        {BERTH_VERB_STOP, BERTH_E_CONFLICT, "Container 'webapp' is not running", BERTH_APP_CREATED},
        {BERTH_VERB_KILL, BERTH_E_CONFLICT, "Container 'webapp' is not running", BERTH_APP_CREATED},
        {BERTH_VERB_START, 0, NULL, BERTH_APP_RUNNING},
        {BERTH_VERB_START, BERTH_E_CONFLICT, "Container 'webapp' is running", BERTH_APP_RUNNING},
        {BERTH_VERB_REMOVE, BERTH_E_CONFLICT, "Container 'webapp' is running", BERTH_APP_RUNNING},
        {BERTH_VERB_STOP, 0, NULL, BERTH_APP_EXITED},
        {BERTH_VERB_STOP, BERTH_E_CONFLICT, "Container 'webapp' is not running", BERTH_APP_EXITED},
        {BERTH_VERB_START, 0, NULL, BERTH_APP_RUNNING},
        {BERTH_VERB_KILL, 0, NULL, BERTH_APP_EXITED},
    };
    open_facility();
    ck_assert_int_eq(create(&ana, "webapp", NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        BERTH_CLEANUP(app) struct berth_app *now = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_minirun_act(facility, &ana, rows[i].verb, "webapp", &app, &err);
        ck_assert_msg(r == rows[i].result, "row %zu: %s", i, err.message);
        if (rows[i].message)
            ck_assert_str_eq(err.message, rows[i].message);
        ck_assert_int_eq(berth_minirun_get(facility, &ana, "webapp", &now, NULL), 0);
        ck_assert_int_eq(now->state, rows[i].after);
        if (r == 0)
            ck_assert_int_eq(app->state, rows[i].after);
    }
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_minirun_act(facility, &ana, BERTH_VERB_REMOVE, "webapp", NULL, NULL), 0);
    assert_error(berth_minirun_act(facility, &ana, BERTH_VERB_REMOVE, "webapp", NULL, &err), &err,
                 BERTH_E_NOT_FOUND, "Container 'webapp' not found");
    close_facility();
}
END_TEST

UNIT_SUITE("minirun", names_by_their_rule, made_for_another_by_who_may, another_s_is_not_there,
           where_nobody_has_a_name_it_is_the_admin_s, the_bound_of_a_user_holds,
           a_root_file_system_that_is_not_there_is_the_client_s_fault, a_verb_in_a_state)
