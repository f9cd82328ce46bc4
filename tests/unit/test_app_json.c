/* SPDX-License-Identifier: MIT */
/* The expected objects were printed by docker 26.1 for the same containers. */
#include "base/clock.h"
#include "gateway/app_json.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TEXT_CAP  65536
#define NOW_NS    (INT64_C(1795309000) * BERTH_NS_PER_S)
#define SECOND    BERTH_NS_PER_S
#define HEX64(c)  c c c c c c c c c c c c c c c c
#define APP_ID    "710251d8fb0e" HEX64("abcd")
#define IMAGE_ID  "sha256:7769ddf7d1d3" HEX64("0123")
#define ANONYMOUS "f3a1c0ffee" HEX64("beef")

static const struct berth_app_pair labels[] = {
    {"berth.app", "tool--ana"}, {"a", "1,2"}, {"eq", "x=y"}, {"empty", ""}};
static const char *const networks[] = {"zebra", "bridge"};
static const struct berth_app_mount mounts[] = {
    {"", "/srv/shared/data sets", ""},
    {"results", "/var/lib/docker/volumes/results/_data", "local"},
    {ANONYMOUS, "/var/lib/docker/volumes/x/_data", "local"},
    {"remote", "", "nfs"},
};
static const struct berth_app_port ports[] = {
    {"", "tcp", 443, 0}, {"::", "tcp", 80, 8080}, {"0.0.0.0", "tcp", 80, 8080}};

static const struct berth_app full = {
    .id = APP_ID,
    .name = "tool--ana",
    .user = "ana",
    .image = "tool:2",
    .image_id = IMAGE_ID,
    .image_label = "tool:2",
    .engine_name = "tool--ana.demo",
    .command = "sh -c 'echo \"grüße\" && sleep 3600'",
    .created_ns = NOW_NS - 120 * SECOND + SECOND / 2,
    .started_ns = NOW_NS - 119 * SECOND,
    .state = BERTH_APP_RUNNING,
    .health = BERTH_HEALTH_STARTING,
    .labels = labels,
    .label_count = UNIT_COUNT(labels),
    .networks = networks,
    .network_count = UNIT_COUNT(networks),
    .mounts = mounts,
    .mount_count = UNIT_COUNT(mounts),
    .ports = ports,
    .port_count = UNIT_COUNT(ports),
};

static const struct berth_app bare = {
    .id = APP_ID,
    .name = "c1",
    .user = "",
    .image = "<no image>",
    .image_id = "",
    .image_label = "",
    .engine_name = "c1",
    .command = "true",
    .created_ns = NOW_NS,
    .state = BERTH_APP_CREATED,
};

static const struct {
    const struct berth_app *fields;
    int64_t valid_for_ns;
    const char *json;
} rows[] = {
    {&full, SECOND,
     "{\"Command\":\"\\\"sh -c 'echo \\\\\\\"grüße\\\\\\\"…\\\"\","
     "\"CreatedAt\":\"2026-11-22 00:54:40 +0000 UTC\","
     "\"ID\":\"710251d8fb0e\","
     "\"Image\":\"tool:2\","
     "\"Labels\":\"a=1,2,berth.app=tool--ana,empty=,eq=x=y\","
     "\"LocalVolumes\":\"2\","
     "\"Mounts\":\"/srv/shared/da…,f3a1c0ffeebeef…,remote,results\","
     "\"Names\":\"tool--ana.demo\","
     "\"Networks\":\"bridge,zebra\","
     "\"Ports\":\"443/tcp, 0.0.0.0:8080->80/tcp, :::8080->80/tcp\","
     "\"RunningFor\":\"2 minutes ago\","
     "\"Size\":\"0B\","
     "\"State\":\"running\","
     "\"Status\":\"Up About a minute (health: starting)\"}"},
    {&bare, SECOND,
     "{\"Command\":\"\\\"true\\\"\","
     "\"CreatedAt\":\"2026-11-22 00:56:40 +0000 UTC\","
     "\"ID\":\"710251d8fb0e\","
     "\"Image\":\"<no image>\","
     "\"Labels\":\"\","
     "\"LocalVolumes\":\"0\","
     "\"Mounts\":\"\","
     "\"Names\":\"c1\","
     "\"Networks\":\"\","
     "\"Ports\":\"\","
     "\"RunningFor\":\"Less than a second ago\","
     "\"Size\":\"0B\","
     "\"State\":\"created\","
     "\"Status\":\"Created\"}"},
};

START_TEST(apps_are_printed_as_docker_prints_containers)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        ck_assert_int_eq(berth_app_new(rows[i].fields, &app, NULL), 0);
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
        int64_t valid_until_ns = INT64_MAX;
        berth_app_json_add(&w, app, NOW_NS, &valid_until_ns);
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
        ck_assert_str_eq(berth_strbuf_str(&buf), rows[i].json);
        ck_assert_int_eq(valid_until_ns, NOW_NS + rows[i].valid_for_ns);
    }
}
END_TEST

START_TEST(the_bytes_hold_until_they_are_said_to_change)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    ck_assert_int_eq(berth_app_new(&full, &app, NULL), 0);
    BERTH_CLEANUP(strbuf) struct berth_strbuf before = BERTH_STRBUF_INIT(TEXT_CAP);
    BERTH_CLEANUP(strbuf) struct berth_strbuf after = BERTH_STRBUF_INIT(TEXT_CAP);
    /* From its first second to three years: some 200 changes of text. */
    int64_t now_ns = full.started_ns;
    while (now_ns < full.started_ns + 3 * 365 * 86400 * SECOND) {
        int64_t valid_until_ns = INT64_MAX, next_ns = INT64_MAX;
        berth_strbuf_clear(&before);
        struct berth_json_writer w = BERTH_JSON_WRITER(&before);
        berth_app_json_add(&w, app, now_ns, &valid_until_ns);
        ck_assert_int_gt(valid_until_ns, now_ns);

        berth_strbuf_clear(&after);
        w = (struct berth_json_writer)BERTH_JSON_WRITER(&after);
        berth_app_json_add(&w, app, valid_until_ns - 1, &next_ns);
        ck_assert_str_eq(berth_strbuf_str(&before), berth_strbuf_str(&after));
        ck_assert_int_eq(next_ns, valid_until_ns);

        berth_strbuf_clear(&after);
        w = (struct berth_json_writer)BERTH_JSON_WRITER(&after);
        berth_app_json_add(&w, app, valid_until_ns, &next_ns);
        ck_assert_str_ne(berth_strbuf_str(&before), berth_strbuf_str(&after));
        now_ns = valid_until_ns;
    }
}
END_TEST

START_TEST(failed_allocations_fail_the_answer)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    ck_assert_int_eq(berth_app_new(&full, &app, NULL), 0);
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
        int64_t valid_until_ns = INT64_MAX;
        unit_alloc_fail_once_after(n);
        berth_app_json_add(&w, app, NOW_NS, &valid_until_ns);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("app_json", apps_are_printed_as_docker_prints_containers,
           the_bytes_hold_until_they_are_said_to_change, failed_allocations_fail_the_answer)
