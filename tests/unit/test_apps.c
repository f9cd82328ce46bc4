/* SPDX-License-Identifier: MIT */
#include "facilities/apps.h"

#include "backends/memory_control.h"
#include "base/thread.h"
#include "facilities/mirror_internal.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <string.h>

#define CREATORS 8
#define BOUND    3

static const char *const images[CREATORS] = {"demo",   "jupyter",  "httpd", "rstudio",
                                             "python", "postgres", "xterm", "jupyter-lab"};

static struct berth_store *store;
static struct berth_uptime *uptime;
static struct berth_facility *facility;

static const struct berth_caller admin = {.user = "root", .role = BERTH_ROLE_ADMIN};

static void open_facility(int64_t delay_ms)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    const struct berth_uptime_config sampling = {.sample_interval_s = 600, .retention_days = 1};
    const struct berth_facility_config config = {
        .id = "demo",
        .backend = "memory",
        .image_policy = BERTH_IMAGES_OPEN,
        .max_apps_per_user = BOUND,
        .engine = {.request_timeout_ms = 10000,
                   .max_inflight = 32,
                   .memory = {.verb_delay_ms = delay_ms}},
    };
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(unit_store_open(dir, &store, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_uptime_open(store, &sampling, &uptime, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_facility_open(&config, store, uptime, &facility, &err) == 0, "%s",
                  err.message);
    facility->mirror->opened_ms += 30000; /* however long its first listing is held up */
}

static void close_facility(void)
{
    berth_facility_unref(facility);
    berth_uptime_close(uptime);
    berth_store_close(store);
}

/* The memory engine has its first image alone from the start. */
static void pull_images(void)
{
    for (size_t i = 0; i < UNIT_COUNT(images); i++) {
        struct berth_image_ref ref;
        ck_assert_int_eq(berth_image_ref_parse("image", images[i], NULL, &ref, NULL), 0);
        ck_assert_int_eq(berth_apps_pull(facility, &admin, &ref, NULL), 0);
    }
}

static int create(const char *image, const char *user, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    struct berth_image_ref ref;
    int r = berth_image_ref_parse("image", image, NULL, &ref, err);
    return r < 0 ? r : berth_apps_create(facility, &admin, &ref, user, &app, err);
}

/* ---- Creations that come together ---- */

struct creator {
    const char *image;
    int result;
};

static void create_task(void *ctx, size_t i)
{
    struct creator *creators = ctx;
    creators[i].result = create(creators[i].image, "ana", NULL);
}

static size_t count_results(const struct creator creators[static CREATORS], int result)
{
    size_t count = 0;
    for (size_t i = 0; i < CREATORS; i++)
        count += creators[i].result == result;
    return count;
}

START_TEST(the_bound_holds_for_those_that_come_together)
{
    struct creator creators[CREATORS];
    open_facility(0);
    pull_images();
    berth_memory_set_delay(facility->backend, 50); /* all are under way before one is through */
    for (size_t i = 0; i < CREATORS; i++)
        creators[i] = (struct creator){images[i], 1};
    berth_parallel_for(CREATORS, CREATORS, create_task, creators);
    ck_assert_uint_eq(count_results(creators, 0), BOUND);
    ck_assert_uint_eq(count_results(creators, BERTH_E_QUOTA), CREATORS - BOUND);
    close_facility();
}
END_TEST

START_TEST(one_of_several_makes_the_app)
{
    struct creator creators[CREATORS];
    open_facility(50);
    for (size_t i = 0; i < CREATORS; i++)
        creators[i] = (struct creator){"demo", 1};
    berth_parallel_for(CREATORS, CREATORS, create_task, creators);
    ck_assert_uint_eq(count_results(creators, 0), 1);
    ck_assert_uint_eq(count_results(creators, BERTH_E_EXISTS), CREATORS - 1);
    close_facility();
}
END_TEST

START_TEST(a_failed_creation_counts_no_more)
{
    open_facility(0);
    pull_images();
    for (int i = 0; i < BOUND + 1; i++) {
        berth_memory_fail(facility->backend, BERTH_MEMORY_CREATE, 1, BERTH_E_REFUSED, "no");
        ck_assert_int_eq(create("demo", "ana", NULL), BERTH_E_REFUSED);
    }
    for (int i = 0; i < BOUND; i++)
        ck_assert_int_eq(create(images[i], "ana", NULL), 0);
    ck_assert_int_eq(create(images[BOUND], "ana", NULL), BERTH_E_QUOTA);
    ck_assert_int_eq(create(images[BOUND], "bob", NULL), 0);
    close_facility();
}
END_TEST

/* ---- What is recorded ---- */

static int append_row(const struct berth_row *row, void *ctx,
                      struct berth_error *err __attribute__((unused)))
{
    berth_strbuf_addf(ctx, "%s %s %s\n", berth_row_text(row, 0), berth_row_text(row, 1),
                      berth_row_text(row, 2));
    return 0;
}

static int read_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, "SELECT action, target, status FROM audit ORDER BY id", NULL, 0,
                         append_row, ctx, NULL, err);
}

static void check_audit(const char *expected)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf rows = BERTH_STRBUF_INIT(4096);
    ck_assert_int_eq(berth_store_read(store, read_job, &rows, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&rows), expected);
}

static void let_fail(enum berth_memory_verb verb, enum berth_status status)
{
    berth_memory_fail(facility->backend, verb, 1, status, "a failure");
}

START_TEST(what_was_done_is_recorded_though_it_cannot_be_shown)
{
    open_facility(0);
    let_fail(BERTH_MEMORY_LIST, BERTH_E_UNREACHABLE);
    ck_assert_int_eq(create("demo", "ana", NULL), BERTH_E_UNREACHABLE);
    check_audit("create-app demo--ana ok\n");
    close_facility();
}
END_TEST

START_TEST(what_may_have_been_done_is_recorded)
{
    struct berth_error err = BERTH_ERROR_INIT;
    open_facility(0);
    ck_assert_int_eq(create("demo", "ana", NULL), 0);
    let_fail(BERTH_MEMORY_START, BERTH_E_TIMEOUT);
    ck_assert_int_eq(berth_apps_act(facility, &admin, BERTH_VERB_START, "demo--ana", &err),
                     BERTH_E_TIMEOUT);
    ck_assert_str_eq(err.message, "a failure");
    let_fail(BERTH_MEMORY_START, BERTH_E_REFUSED);
    ck_assert_int_eq(berth_apps_act(facility, &admin, BERTH_VERB_START, "demo--ana", NULL),
                     BERTH_E_REFUSED);
    check_audit("create-app demo--ana ok\nstart-app demo--ana timeout\n");
    close_facility();
}
END_TEST

START_TEST(a_reset_that_loses_the_app_says_so)
{
    struct berth_error err = BERTH_ERROR_INIT;
    open_facility(0);
    ck_assert_int_eq(create("demo", "ana", NULL), 0);
    ck_assert_int_eq(berth_apps_reset(facility, &admin, "demo--ana", &err), 0);
    let_fail(BERTH_MEMORY_CREATE, BERTH_E_REFUSED);
    ck_assert_int_eq(berth_apps_reset(facility, &admin, "demo--ana", &err), BERTH_E_REFUSED);
    ck_assert_str_eq(err.message,
                     "app demo--ana is gone, and could not be created again: a failure");
    check_audit("create-app demo--ana ok\nhard-reset-app demo--ana ok\n"
                "hard-reset-app demo--ana refused\n");
    ck_assert_int_eq(create("demo", "ana", NULL), 0);
    close_facility();
}
END_TEST

UNIT_SUITE("apps", the_bound_holds_for_those_that_come_together, one_of_several_makes_the_app,
           a_failed_creation_counts_no_more, what_was_done_is_recorded_though_it_cannot_be_shown,
           what_may_have_been_done_is_recorded, a_reset_that_loses_the_app_says_so)
