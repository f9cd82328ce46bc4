/* SPDX-License-Identifier: MIT */
/* Facilities on one engine, and instances of one facility. */
#include "tests/conformance/conformance.h"

#include <string.h>

START_TEST(facilities_do_not_see_each_other)
{
    BERTH_CLEANUP(fixture) struct fixture one = fixture_open();
    BERTH_CLEANUP(fixture) struct fixture other = fixture_open();
    BERTH_CLEANUP(free) char *ours = app_create(&one, "ana");
    ck_assert_uint_eq(app_count(&other), 0);
    ck_assert_ptr_null(app_get(&other, ours));
    /* The name is free in the other facility. */
    BERTH_CLEANUP(free) char *theirs = app_create(&other, "ana");
    ck_assert_str_ne(ours, theirs);
    ck_assert_uint_eq(app_count(&one), 1);
    ck_assert_uint_eq(app_count(&other), 1);
    ck_assert_ptr_null(app_get(&one, theirs));
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&other, theirs);
    ck_assert_ptr_nonnull(app);
    ck_assert_str_eq(app->name, "test--ana");
    ck_assert_str_eq(berth_app_label(app, BERTH_LABEL_FACILITY), other.facility);
    /* It is used up there, too. */
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error err = BERTH_ERROR_INIT;
    char *id = NULL;
    ASSERT_STATUS(berth_backend_create(other.backend, &spec, &id, &err), BERTH_E_EXISTS, &err);
    act_ok(&one, BERTH_VERB_REMOVE, ours);
    ck_assert_uint_eq(app_count(&other), 1);
    ASSERT_STATUS(berth_backend_create(other.backend, &spec, &id, &err), BERTH_E_EXISTS, &err);
}
END_TEST

static bool mentions(const struct recorder *recorder, const char *id)
{
    for (size_t i = 0; i < recorder->count; i++)
        if (strcmp(recorder->records[i].id, id) == 0)
            return true;
    return false;
}

START_TEST(a_watch_tells_of_its_facility_alone)
{
    BERTH_CLEANUP(fixture) struct fixture one = fixture_open();
    BERTH_CLEANUP(fixture) struct fixture other = fixture_open();
    struct recorder recorder;
    recorder_init(&recorder);
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_watch(one.backend, &recorder.sink, &err), &err);
    recorder_wait_listing(&recorder);
    BERTH_CLEANUP(free) char *theirs = app_create(&other, "ana");
    act_ok(&other, BERTH_VERB_START, theirs);
    BERTH_CLEANUP(free) char *ours = app_create(&one, "ben");
    recorder_wait_state(&recorder, ours, first_state());
    fixture_close(&one);
    ck_assert(!mentions(&recorder, theirs));
    recorder_release(&recorder);
}
END_TEST

TCase *case_sharing(void)
{
    TCase *tcase = tcase_create("sharing");
    tcase_add_test(tcase, facilities_do_not_see_each_other);
    tcase_add_test(tcase, a_watch_tells_of_its_facility_alone);
    return tcase;
}
