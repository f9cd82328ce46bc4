/* SPDX-License-Identifier: MIT */
/* Resource use and the hosts. */
#include "base/clock.h"
#include "tests/conformance/conformance.h"

#include <string.h>

/* Of both: a busy engine may take longer over a first sample than a question waits for it. */
static void get_stats(struct fixture *fixture, const struct berth_app *const apps[2],
                      struct berth_stats_list *stats)
{
    const struct timespec pause = {.tv_nsec = 50 * BERTH_NS_PER_MS};
    int64_t until_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        struct berth_error err = BERTH_ERROR_INIT;
        int status = berth_backend_stats(fixture->backend, apps, 2, stats, &err);
        bool is_late = berth_clock_monotonic_ms() >= until_ms;
        if (status != BERTH_E_TIMEOUT || is_late)
            ASSERT_OK(status, &err);
        if (is_late || (status == 0 && stats->items[1].known))
            return;
        berth_stats_list_release(stats);
        (void)nanosleep(&pause, NULL);
    }
}

START_TEST(statistics_tell_running_from_stopped)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *stopped = app_create(&fixture, "ana");
    BERTH_CLEANUP(free) char *running = app_create(&fixture, "ben");
    act_ok(&fixture, BERTH_VERB_START, running);
    BERTH_CLEANUP(app) struct berth_app *ana = app_get(&fixture, stopped);
    BERTH_CLEANUP(app) struct berth_app *ben = app_get(&fixture, running);
    const struct berth_app *const apps[] = {ana, ben};
    BERTH_CLEANUP(stats_list) struct berth_stats_list stats = {0};
    get_stats(&fixture, apps, &stats);
    ck_assert_uint_eq(stats.count, COUNT(apps));
    for (size_t i = 0; i < COUNT(apps); i++) {
        ck_assert_str_eq(stats.items[i].id, apps[i]->container);
        ck_assert_str_eq(stats.items[i].name, apps[i]->engine_name);
    }
    ck_assert(stats.items[0].known == !apps_are_operated());
    ck_assert((stats.items[0].memory_limit_bytes == 0) == apps_are_operated());
    ck_assert((stats.items[0].pids == 0) == apps_are_operated());
    ck_assert(stats.items[1].known);
    ck_assert(stats.items[1].memory_limit_bytes > 0);
    ck_assert(stats.items[1].memory_bytes > 0);
    ck_assert(stats.items[1].memory_percent > 0 && stats.items[1].memory_percent <= 100);
    ck_assert(stats.items[1].cpu_percent >= 0);
    ck_assert_uint_ge(stats.items[1].pids, 1);
}
END_TEST

START_TEST(statistics_of_none_are_none)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(stats_list) struct berth_stats_list stats = {0};
    ASSERT_OK(berth_backend_stats(fixture.backend, NULL, 0, &stats, &err), &err);
    ck_assert_uint_eq(stats.count, 0);
}
END_TEST

START_TEST(an_app_that_went_has_no_statistics)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    act_ok(&fixture, BERTH_VERB_START, id);
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    act_ok(&fixture, BERTH_VERB_REMOVE, id);
    const struct berth_app *const apps[] = {app};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(stats_list) struct berth_stats_list stats = {0};
    ASSERT_OK(berth_backend_stats(fixture.backend, apps, COUNT(apps), &stats, &err), &err);
    ck_assert_uint_eq(stats.count, 1);
    ck_assert_str_eq(stats.items[0].id, app->container);
    ck_assert(!stats.items[0].known);
}
END_TEST

START_TEST(one_node_is_the_engines_own_host)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(node_list) struct berth_node_list nodes = {0};
    ASSERT_OK(berth_backend_nodes(fixture.backend, &nodes, &err), &err);
    size_t own = 0;
    for (size_t i = 0; i < nodes.count; i++) {
        const struct berth_node *node = &nodes.items[i];
        own += node->self;
        ck_assert_str_ne(node->id, "");
        ck_assert_str_ne(node->hostname, "");
        ck_assert_str_ne(node->engine_version, "");
        ck_assert_str_eq(node->status, "Ready");
        ck_assert_str_eq(node->availability, "Active");
        ck_assert_ptr_nonnull(node->manager_status);
        ck_assert_ptr_nonnull(node->tls_status);
    }
    ck_assert_uint_eq(own, 1);
}
END_TEST

START_TEST(a_node_is_inspected_by_its_name)
{
    if (!conformance_ops()->node_inspect)
        return; /* the table says who must have it */
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(node_list) struct berth_node_list nodes = {0};
    ASSERT_OK(berth_backend_nodes(fixture.backend, &nodes, &err), &err);
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(1 << 20);
    ASSERT_OK(berth_backend_node_inspect(fixture.backend, nodes.items[0].hostname, &body, &err),
              &err);
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ASSERT_OK(berth_json_parse(berth_strbuf_str(&body), body.len, &json, &err), &err);
    ck_assert_str_eq(berth_json_string(json, "ID", ""), nodes.items[0].id);
    ck_assert_str_eq(berth_json_string(berth_json_get(json, "Description"), "Hostname", ""),
                     nodes.items[0].hostname);
    ASSERT_STATUS(berth_backend_node_inspect(fixture.backend, "no-such-host", &body, &err),
                  BERTH_E_NOT_FOUND, &err);
}
END_TEST

TCase *case_host(void)
{
    TCase *tcase = tcase_create("host");
    tcase_add_test(tcase, statistics_tell_running_from_stopped);
    tcase_add_test(tcase, statistics_of_none_are_none);
    tcase_add_test(tcase, an_app_that_went_has_no_statistics);
    tcase_add_test(tcase, one_node_is_the_engines_own_host);
    tcase_add_test(tcase, a_node_is_inspected_by_its_name);
    return tcase;
}
