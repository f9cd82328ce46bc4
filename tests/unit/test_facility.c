/* SPDX-License-Identifier: MIT */
/* Two facilities of one id on one store, as a reload has them: one retires, the other takes up. */
#include "facilities/facility.h"

#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static struct berth_store *store;
static struct berth_uptime *uptime;

static const struct berth_caller admin = {.user = "root", .role = BERTH_ROLE_ADMIN};

static void open_store(void)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    const struct berth_uptime_config sampling = {.sample_interval_s = 600, .retention_days = 1};
    ck_assert_int_eq(unit_store_open(dir, &store, NULL), 0);
    ck_assert_int_eq(berth_uptime_open(store, &sampling, &uptime, NULL), 0);
}

static void close_store(void)
{
    berth_uptime_close(uptime);
    berth_store_close(store);
}

static struct berth_facility *open_facility(int64_t delay_ms)
{
    const struct berth_facility_config config = {
        .id = "demo",
        .backend = "memory",
        .engine = {.request_timeout_ms = 10000,
                   .max_inflight = 32,
                   .memory = {.verb_delay_ms = delay_ms}},
    };
    struct berth_facility *facility = NULL;
    ck_assert_int_eq(berth_facility_open(&config, store, uptime, &facility, NULL), 0);
    return facility;
}

static int approve(struct berth_facility *facility, const char *image, bool wait,
                   struct berth_error *err)
{
    struct berth_approval approval = {0};
    struct berth_image_ref ref;
    const struct berth_approval_key key = {.ref = &ref};
    ck_assert_int_eq(berth_image_ref_parse("image", image, NULL, &ref, NULL), 0);
    int r = berth_approvals_approve(facility->approvals, &admin, &key, wait, &approval, err);
    if (r == 0)
        berth_approval_release(&approval);
    return r;
}

/* "IMAGE STATE" a line, newest first. */
static int append_request(const struct berth_approval *request, void *ctx,
                          struct berth_error *err __attribute__((unused)))
{
    berth_strbuf_addf(ctx, "%s %s\n", request->image, berth_approval_state_name(request->state));
    return 0;
}

static bool lists(struct berth_facility *facility, const char *expected)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    ck_assert_int_eq(berth_approvals_list(facility->approvals, NULL, append_request, &text, NULL),
                     0);
    return strcmp(berth_strbuf_str(&text), expected) == 0;
}

START_TEST(the_next_takes_up_what_was_pulling)
{
    open_store();
    struct berth_facility *before = open_facility(1000);
    struct berth_facility *after = open_facility(0);
    ck_assert_int_eq(berth_facility_start(before, NULL), 0);
    ck_assert_int_eq(approve(before, "httpd", false, NULL), 0);
    ck_assert(lists(before, "httpd pulling\n"));
    berth_facility_retire(before);
    ck_assert_int_eq(berth_facility_start(after, NULL), 0);
    for (int i = 0; i < 1000 && !lists(after, "httpd approved\n"); i++)
        (void)usleep(10000);
    ck_assert(lists(after, "httpd approved\n"));
    berth_facility_unref(before);
    berth_facility_unref(after);
    close_store();
}
END_TEST

START_TEST(one_that_retires_begins_no_pull)
{
    struct berth_error err = BERTH_ERROR_INIT;
    open_store();
    struct berth_facility *before = open_facility(0);
    struct berth_facility *after = open_facility(0);
    ck_assert_int_eq(berth_facility_start(before, NULL), 0);
    berth_facility_retire(before);
    ck_assert_int_eq(berth_facility_start(after, NULL), 0);
    /* A request that came before the reload: nobody would pull what it decides. */
    ck_assert_int_eq(approve(before, "httpd", false, &err), BERTH_E_CANCELLED);
    ck_assert_str_eq(err.message, "the facility is closing and pulls no more: nothing was changed");
    ck_assert(lists(after, ""));
    ck_assert_int_eq(approve(after, "httpd", true, NULL), 0);
    ck_assert(lists(after, "httpd approved\n"));
    /* What need not be pulled is decided as ever. */
    ck_assert_int_eq(approve(before, "demo", false, NULL), 0);
    berth_facility_unref(before);
    berth_facility_unref(after);
    close_store();
}
END_TEST

UNIT_SUITE("facility", the_next_takes_up_what_was_pulling, one_that_retires_begins_no_pull)
