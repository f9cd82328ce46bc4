/* SPDX-License-Identifier: MIT */
/* How apps come, are listed, and go. */
#include "base/clock.h"
#include "base/thread.h"
#include "tests/conformance/conformance.h"

#include <string.h>

START_TEST(a_new_facility_is_empty)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    ck_assert_uint_eq(app_count(&fixture), 0);
}
END_TEST

static void check_label(const struct berth_app *app, const char *key, const char *expected)
{
    const char *value = berth_app_label(app, key);
    ck_assert_msg(value && strcmp(value, expected) == 0, "label %s is %s, not %s", key,
                  value ? value : "missing", expected);
}

START_TEST(a_created_app_is_listed)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    int64_t before_ns = berth_clock_wall_ns();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    int64_t after_ns = berth_clock_wall_ns();
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_list(fixture.backend, NULL, &apps, &err), &err);
    ck_assert_uint_eq(apps.count, 1);
    const struct berth_app *app = apps.items[0];
    ck_assert_str_eq(app->id, id);
    ck_assert_str_eq(app->name, "test--ana");
    ck_assert_str_eq(app->user, "ana");
    ck_assert_str_eq(app->image, conformance_shown_image());
    ck_assert_str_eq(app->image_label, conformance_image());
    ck_assert(!conformance_ops()->images || strncmp(app->image_id, "sha256:", 7) == 0);
    ck_assert_str_eq(app->engine_name, "test--ana");
    ck_assert_str_ne(app->command, "");
    ck_assert_int_eq(app->state, first_state());
    ck_assert(app->created_ns >= before_ns && app->created_ns <= after_ns);
    ck_assert(!apps_are_operated() || app->started_ns == 0);
    ck_assert_int_eq(app->finished_ns, 0);
    check_label(app, BERTH_LABEL_FACILITY, fixture.facility);
    check_label(app, BERTH_LABEL_APP, "test--ana");
    check_label(app, BERTH_LABEL_IMAGE, conformance_image());
    check_label(app, BERTH_LABEL_USER, "ana");
}
END_TEST

START_TEST(list_tells_one_app_by_its_id)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *ana = app_create(&fixture, "ana");
    BERTH_CLEANUP(free) char *ben = app_create(&fixture, "ben");
    ck_assert_str_ne(ana, ben);
    ck_assert_uint_eq(app_count(&fixture), 2);
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, ben);
    ck_assert_ptr_nonnull(app);
    ck_assert_str_eq(app->id, ben);
    ck_assert_str_eq(app->name, "test--ben");
}
END_TEST

START_TEST(a_name_is_used_once)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *first = app_create(&fixture, "ana");
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error err = BERTH_ERROR_INIT;
    char *id = NULL;
    ASSERT_STATUS(berth_backend_create(fixture.backend, &spec, &id, &err), BERTH_E_EXISTS, &err);
    ck_assert_ptr_null(id);
    ck_assert_uint_eq(app_count(&fixture), 1);
    act_ok(&fixture, BERTH_VERB_REMOVE, first);
    BERTH_CLEANUP(free) char *second = app_create(&fixture, "ana");
    ck_assert_str_ne(second, first);
}
END_TEST

START_TEST(an_unknown_image_makes_nothing)
{
    static const char *const images[] = {
        "berth-no-such-image:latest",
        "sha256:00000000000000000000000000000000000000000000000000000000000000ff",
    };
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    for (size_t i = 0; i < COUNT(images); i++) {
        struct berth_create_spec spec = spec_for("ana");
        spec.image = images[i];
        struct berth_error err = BERTH_ERROR_INIT;
        char *id = NULL;
        int status = berth_backend_create(fixture.backend, &spec, &id, &err);
        ck_assert_msg(status == BERTH_E_NOT_FOUND || status == BERTH_E_REFUSED, "%s: %s: %s",
                      images[i], berth_status_name((enum berth_status)status), err.message);
        ck_assert_ptr_null(id);
        ck_assert_uint_eq(app_count(&fixture), 0);
    }
}
END_TEST

START_TEST(limits_and_user_reach_the_app)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_create_spec spec = spec_for("ana");
    spec.cpu_nano = 500000000;
    spec.memory_bytes = 64 << 20;
    spec.pids = 50;
    spec.run_as = "65534:65534";
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *id = NULL;
    ASSERT_OK(berth_backend_create(fixture.backend, &spec, &id, &err), &err);
    app_wait(&fixture, id);
    BERTH_CLEANUP(json) cJSON *json = app_inspect(&fixture, id);
    const cJSON *host_config = berth_json_get(json, "HostConfig");
    ck_assert_int_eq(berth_json_int(host_config, "NanoCpus", 0), spec.cpu_nano);
    ck_assert_int_eq(berth_json_int(host_config, "Memory", 0), spec.memory_bytes);
    ck_assert_int_eq(berth_json_int(host_config, "PidsLimit", 0), spec.pids);
    ck_assert_str_eq(berth_json_string(berth_json_get(json, "Config"), "User", ""), spec.run_as);
}
END_TEST

START_TEST(inspect_is_the_engines_object)
{
    static const struct {
        const char *verb_name;
        enum berth_verb verb;
        const char *status;
        bool running;
    } rows[] = {
        {"start", BERTH_VERB_START, "running", true},
        {"pause", BERTH_VERB_PAUSE, "paused", true},
        {"kill", BERTH_VERB_KILL, "exited", false},
    };
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    /* Where apps are not operated, starting is all there is. */
    for (size_t i = 0; i < (apps_are_operated() ? COUNT(rows) : 1); i++) {
        act_ok(&fixture, rows[i].verb, id);
        BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
        BERTH_CLEANUP(json) cJSON *json = app_inspect(&fixture, id);
        const char *name = berth_json_string(json, "Name", "");
        ck_assert_str_eq(berth_json_string(json, "Id", ""), app->container);
        /* What follows a dot is swarm's. */
        ck_assert_msg(strcspn(name, ".") == strlen("/test--ana") &&
                          strncmp(name, "/test--ana", strlen("/test--ana")) == 0,
                      "the container is called %s", name);
        const cJSON *state = berth_json_get(json, "State");
        ck_assert_msg(strcmp(berth_json_string(state, "Status", ""), rows[i].status) == 0 &&
                          berth_json_bool(state, "Running", !rows[i].running) == rows[i].running,
                      "after %s", rows[i].verb_name);
    }
    struct berth_strbuf body = BERTH_STRBUF_INIT(1 << 20);
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_STATUS(berth_backend_inspect(fixture.backend, unknown_id, &body, &err),
                  BERTH_E_NOT_FOUND, &err);
    berth_strbuf_release(&body);
}
END_TEST

START_TEST(reset_makes_the_app_anew)
{
    if (!conformance_ops()->reset)
        return; /* the table says who must have it */
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    act_ok(&fixture, BERTH_VERB_START, id);
    BERTH_CLEANUP(app) struct berth_app *before = app_get(&fixture, id);
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *anew = NULL;
    bool gone = true;
    ASSERT_OK(berth_backend_reset(fixture.backend, id, &spec, &anew, &gone, &err), &err);
    ck_assert(!gone);
    ck_assert_str_ne(anew, id);
    ck_assert_ptr_null(app_get(&fixture, id));
    ck_assert_uint_eq(app_count(&fixture), 1);
    BERTH_CLEANUP(app) struct berth_app *after = app_get(&fixture, anew);
    ck_assert_ptr_nonnull(after);
    ck_assert_str_eq(after->name, before->name);
    ck_assert_str_eq(after->engine_name, before->engine_name);
    ck_assert_int_eq(after->state, BERTH_APP_CREATED);
    ck_assert_int_eq(after->started_ns, 0);
    ck_assert_int_gt(after->created_ns, before->created_ns);
}
END_TEST

START_TEST(reset_says_whether_the_app_is_gone)
{
    if (!conformance_ops()->reset)
        return; /* the table says who must have it */
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error err = BERTH_ERROR_INIT;
    char *anew = NULL;
    bool gone = true;
    ASSERT_STATUS(berth_backend_reset(fixture.backend, unknown_id, &spec, &anew, &gone, &err),
                  BERTH_E_NOT_FOUND, &err);
    ck_assert(!gone);
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    spec.image = "berth-no-such-image:latest";
    int status = berth_backend_reset(fixture.backend, id, &spec, &anew, &gone, &err);
    ck_assert_msg(status == BERTH_E_NOT_FOUND || status == BERTH_E_REFUSED, "%s: %s",
                  berth_status_name((enum berth_status)status), err.message);
    ck_assert(gone);
    ck_assert_ptr_null(anew);
    ck_assert_uint_eq(app_count(&fixture), 0);
}
END_TEST

/* Whether the name of an app that has ended is free, by what the backend says of itself. */
START_TEST(an_app_that_has_ended_is_replaced_or_in_the_way)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_create_spec spec = spec_for("ana");
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *first = app_create(&fixture, "ana");
    BERTH_CLEANUP(free) char *second = NULL;
    ASSERT_STATUS(berth_backend_create(fixture.backend, &spec, &second, &err), BERTH_E_EXISTS,
                  &err);
    if (!conformance_ops()->create_replaces)
        return;
    app_end(&fixture, first);
    ASSERT_OK(berth_backend_create(fixture.backend, &spec, &second, &err), &err);
    ck_assert_str_ne(second, first);
    ck_assert_ptr_null(app_get(&fixture, first));
    ck_assert_uint_eq(app_count(&fixture), 1);
}
END_TEST

/* ---- Sixteen callers at once ---- */

#define CALLERS 16

struct race {
    struct fixture *fixture;
    const struct berth_create_spec *spec;
    pthread_barrier_t line;
    struct caller {
        struct race *race;
        pthread_t thread;
        int status;
        char *id;
        struct berth_error err;
    } callers[CALLERS];
};

static void *create_at_once(void *arg)
{
    struct caller *caller = arg;
    (void)pthread_barrier_wait(&caller->race->line);
    caller->status = berth_backend_create(caller->race->fixture->backend, caller->race->spec,
                                          &caller->id, &caller->err);
    return NULL;
}

START_TEST(one_of_many_creates_a_name)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_create_spec spec = spec_for("ana");
    struct race race = {.fixture = &fixture, .spec = &spec};
    struct berth_error err = BERTH_ERROR_INIT;
    (void)pthread_barrier_init(&race.line, NULL, CALLERS);
    for (size_t i = 0; i < CALLERS; i++) {
        race.callers[i].race = &race;
        ASSERT_OK(berth_thread_start(&race.callers[i].thread, "caller", create_at_once,
                                     &race.callers[i], &err),
                  &err);
    }
    size_t made = 0;
    for (size_t i = 0; i < CALLERS; i++) {
        struct caller *caller = &race.callers[i];
        (void)pthread_join(caller->thread, NULL);
        if (caller->status == 0)
            made++;
        else
            ck_assert_msg(caller->status == BERTH_E_EXISTS, "%s: %s",
                          berth_status_name((enum berth_status)caller->status),
                          caller->err.message);
        free(caller->id);
    }
    (void)pthread_barrier_destroy(&race.line);
    ck_assert_uint_eq(made, 1);
    ck_assert_uint_eq(app_count(&fixture), 1);
}
END_TEST

TCase *case_apps(void)
{
    TCase *tcase = tcase_create("apps");
    tcase_add_test(tcase, a_new_facility_is_empty);
    tcase_add_test(tcase, a_created_app_is_listed);
    tcase_add_test(tcase, list_tells_one_app_by_its_id);
    tcase_add_test(tcase, a_name_is_used_once);
    tcase_add_test(tcase, an_unknown_image_makes_nothing);
    tcase_add_test(tcase, limits_and_user_reach_the_app);
    tcase_add_test(tcase, inspect_is_the_engines_object);
    tcase_add_test(tcase, reset_makes_the_app_anew);
    tcase_add_test(tcase, reset_says_whether_the_app_is_gone);
    tcase_add_test(tcase, an_app_that_has_ended_is_replaced_or_in_the_way);
    tcase_add_test(tcase, one_of_many_creates_a_name);
    return tcase;
}
