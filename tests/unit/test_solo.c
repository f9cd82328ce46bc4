/* SPDX-License-Identifier: MIT */
#include "backends/solo.h"

#include "backends/engine/engine_create.h"
#include "backends/engine/engine_io.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#include <string.h>

/* A backend, and the engine that it talks to. */
struct solo {
    struct canned_server *server;
    struct berth_engine_io *io;
    struct berth_backend *backend;
};

static struct solo open_solo(const struct canned_rule *rules, bool adopt)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct solo solo = {.server = canned_server_new(rules, "1.41")};
    ck_assert_int_eq(berth_engine_io_open(&solo.io, NULL), 0);
    const struct berth_backend_config config = {.facility = "demo",
                                                .engine = canned_server_endpoint(solo.server),
                                                .adopt = adopt,
                                                .request_timeout_ms = 30000,
                                                .max_inflight = 4,
                                                .io = solo.io};
    int rc = berth_backend_open(&berth_solo_ops, &config, &solo.backend, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return solo;
}

static void solo_release(struct solo *solo)
{
    berth_backend_close(solo->backend);
    berth_engine_io_close(solo->io);
    canned_server_free(solo->server);
}

BERTH_DEFINE_CLEANUP_VALUE(solo, struct solo, solo_release)

/* ---- Verbs on one app ---- */

START_TEST(verbs_become_calls_and_answers_statuses)
{
#define C "/v1.41/containers/c1"
    static const struct {
        const char *name;
        enum berth_verb verb;
        struct canned_rule rules[4];
        int status;
        const char *asked;
    } rows[] = {
        {"start", BERTH_VERB_START, {{"POST " C "/start", "204 ", 0, 0}}, 0, "POST " C "/start\n"},
        {"start of a started one",
         BERTH_VERB_START,
         {{"POST " C "/start", "304 ", 0, 0}},
         0,
         "POST " C "/start\n"},
        {"start of a paused one",
         BERTH_VERB_START,
         {{"POST " C "/start", "409 {\"message\":\"cannot start a paused container\"}", 0, 0}},
         BERTH_E_CONFLICT,
         "POST " C "/start\n"},
        {"start of none",
         BERTH_VERB_START,
         {{"POST " C "/start", "404 {\"message\":\"No such container\"}", 0, 0},
          {"GET " C "/json", "404 {\"message\":\"No such container\"}", 0, 0}},
         BERTH_E_NOT_FOUND,
         "POST " C "/start\nGET " C "/json\n"},
        {"start without its network",
         BERTH_VERB_START,
         {{"POST " C "/start", "404 {\"message\":\"network x not found\"}", 0, 0},
          {"GET " C "/json", "200 {}", 0, 0}},
         BERTH_E_REFUSED,
         "POST " C "/start\nGET " C "/json\n"},
        {"stop", BERTH_VERB_STOP, {{"POST", "204 ", 0, 0}}, 0, "POST " C "/stop?t=10\n"},
        {"restart", BERTH_VERB_RESTART, {{"POST", "204 ", 0, 0}}, 0, "POST " C "/restart?t=10\n"},
        {"pause", BERTH_VERB_PAUSE, {{"POST", "204 ", 0, 0}}, 0, "POST " C "/pause\n"},
        {"unpause", BERTH_VERB_UNPAUSE, {{"POST", "204 ", 0, 0}}, 0, "POST " C "/unpause\n"},
        {"unpause of a running one",
         BERTH_VERB_UNPAUSE,
         {{"POST", "500 {\"message\":\"Container c1 is not paused\"}", 0, 0},
          {"GET " C "/json", "200 {\"State\":{\"Paused\":false}}", 0, 0}},
         BERTH_E_CONFLICT,
         "POST " C "/unpause\nGET " C "/json\n"},
        {"unpause that fails",
         BERTH_VERB_UNPAUSE,
         {{"POST", "500 {\"message\":\"boom\"}", 0, 0},
          {"GET " C "/json", "200 {\"State\":{\"Paused\":true}}", 0, 0}},
         BERTH_E_REFUSED,
         "POST " C "/unpause\nGET " C "/json\n"},
        {"kill", BERTH_VERB_KILL, {{"POST", "204 ", 0, 0}}, 0, "POST " C "/kill?signal=SIGKILL\n"},
        {"remove",
         BERTH_VERB_REMOVE,
         {{"POST", "204 ", 0, 0}, {"DELETE", "204 ", 0, 0}},
         0,
         "POST " C "/stop?t=10\nDELETE " C "?v=1&force=1\n"},
        {"remove of one that cannot be stopped",
         BERTH_VERB_REMOVE,
         {{"POST", "500 {\"message\":\"boom\"}", 0, 0}, {"DELETE", "204 ", 0, 0}},
         0,
         "POST " C "/stop?t=10\nDELETE " C "?v=1&force=1\n"},
        {"remove of one that goes by itself",
         BERTH_VERB_REMOVE,
         {{"POST " C "/stop", "204 ", 0, 0},
          {"DELETE", "409 {\"message\":\"removal is already in progress\"}", 0, 0},
          {"POST " C "/wait", "200 {\"StatusCode\":0}", 0, 0}},
         0,
         "POST " C "/stop?t=10\nDELETE " C "?v=1&force=1\nPOST " C "/wait?condition=removed\n"},
        {"remove of one that went",
         BERTH_VERB_REMOVE,
         {{"POST", "204 ", 0, 0}, {"DELETE", "404 {\"message\":\"No such container\"}", 0, 0}},
         0,
         "POST " C "/stop?t=10\nDELETE " C "?v=1&force=1\n"},
        {"remove of none",
         BERTH_VERB_REMOVE,
         {{"POST", "404 {\"message\":\"No such container\"}", 0, 0},
          {"GET " C "/json", "404 {\"message\":\"No such container\"}", 0, 0}},
         BERTH_E_NOT_FOUND,
         "POST " C "/stop?t=10\nGET " C "/json\n"},
    };
#undef C
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(solo) struct solo solo = open_solo(rows[i].rules, false);
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = berth_backend_act(solo.backend, rows[i].verb, "c1", &err);
        ck_assert_msg(rc == rows[i].status, "%s: %d, %s", rows[i].name, rc, err.message);
        ck_assert_msg(rc == 0 || err.status == rc, "%s", rows[i].name);
        ck_assert_msg(strcmp(canned_server_asked(solo.server), rows[i].asked) == 0, "%s: %s",
                      rows[i].name, canned_server_asked(solo.server));
    }
}
END_TEST

START_TEST(inspect_passes_the_bytes_on)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/containers/c1/json", "200 {\"b\":9007199254740993, \"a\" : 1.50}\n", 0, 0},
        {"GET /v1.41/containers/c2/json", "200 {\"b\":", 0, 0},
        {0},
    };
    BERTH_CLEANUP(solo) struct solo solo = open_solo(rules, false);
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(100);
    ck_assert_int_eq(berth_backend_inspect(solo.backend, "c1", &body, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&body), "{\"b\":9007199254740993, \"a\" : 1.50}");
    berth_strbuf_clear(&body);
    ck_assert_int_eq(berth_backend_inspect(solo.backend, "c2", &body, NULL), BERTH_E_UNREACHABLE);
    ck_assert_uint_eq(body.len, 0);
}
END_TEST

/* ---- Create ---- */

#define LIST            "GET /v1.41/containers/json"
#define CREATE          "POST /v1.41/containers/create?name="
#define MADE            "201 {\"Id\":\"c1\",\"Warnings\":[]}"
#define TAKEN           "409 {\"message\":\"Conflict. The container name is already in use\"}"
#define INSPECT         "GET /v1.41/containers/x--ana/json"
#define OWNER(facility) "200 {\"Config\":{\"Labels\":{\"berth.facility\":\"" facility "\"}}}"

START_TEST(create_finds_a_name)
{
    static const struct {
        const char *name;
        bool adopt;
        struct canned_rule rules[6];
        int status;
        const char *last; /* how the last request begins */
    } rows[] = {
        {"free",
         false,
         {{LIST, "200 []", 0, 0}, {CREATE "x--ana", MADE, 0, 0}},
         0,
         CREATE "x--ana {"},
        {"there already", false, {{LIST, "200 [{}]", 0, 0}}, BERTH_E_EXISTS, LIST},
        {"made meanwhile",
         false,
         {{LIST, "200 []", 0, 0}, {CREATE "x--ana", TAKEN, 0, 0}, {INSPECT, OWNER("demo"), 0, 0}},
         BERTH_E_EXISTS,
         INSPECT},
        {"a stranger's",
         false,
         {{LIST, "200 []", 0, 0},
          {CREATE "x--ana.demo", MADE, 0, 0},
          {CREATE "x--ana", TAKEN, 0, 0},
          {INSPECT, OWNER("other"), 0, 0}},
         0,
         CREATE "x--ana.demo {"},
        {"unmarked",
         false,
         {{LIST, "200 []", 0, 0},
          {CREATE "x--ana.demo", MADE, 0, 0},
          {CREATE "x--ana", TAKEN, 0, 0},
          {INSPECT, "200 {}", 0, 0}},
         0,
         CREATE "x--ana.demo {"},
        {"unmarked and adopted",
         true,
         {{LIST, "200 []", 0, 0}, {CREATE "x--ana", TAKEN, 0, 0}, {INSPECT, "200 {}", 0, 0}},
         BERTH_E_EXISTS,
         INSPECT},
        {"both taken",
         false,
         {{LIST, "200 []", 0, 0}, {CREATE, TAKEN, 0, 0}, {INSPECT, OWNER("other"), 0, 0}},
         BERTH_E_EXISTS,
         CREATE "x--ana.demo {"},
        {"given up meanwhile",
         false,
         {{LIST, "200 []", 0, 0},
          {CREATE "x--ana", TAKEN, 1, 0},
          {CREATE "x--ana", MADE, 0, 0},
          {INSPECT, "404 {\"message\":\"No such container\"}", 0, 0}},
         0,
         CREATE "x--ana {"},
        {"no id told",
         false,
         {{LIST, "200 []", 0, 0}, {CREATE, "201 {\"Id\":null}", 0, 0}},
         BERTH_E_UNREACHABLE,
         CREATE "x--ana {"},
        {"no image",
         false,
         {{LIST, "200 []", 0, 0}, {CREATE, "404 {\"message\":\"No such image: x:1\"}", 0, 0}},
         BERTH_E_NOT_FOUND,
         CREATE "x--ana {"},
    };
    static const struct berth_create_spec spec = {
        .app = "x--ana", .user = "ana", .image = "x:1@sha256:d", .image_label = "x:1"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(solo) struct solo solo = open_solo(rows[i].rules, rows[i].adopt);
        BERTH_CLEANUP(free) char *id = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = berth_backend_create(solo.backend, &spec, &id, &err);
        ck_assert_msg(rc == rows[i].status, "%s: %d, %s", rows[i].name, rc, err.message);
        ck_assert_msg((rc == 0) == (id && strcmp(id, "c1") == 0), "%s", rows[i].name);
        const char *asked = canned_server_asked(solo.server);
        const char *last = asked + strlen(asked) - 1;
        while (last > asked && last[-1] != '\n')
            last--;
        ck_assert_msg(strncmp(last, rows[i].last, strlen(rows[i].last)) == 0, "%s: %s",
                      rows[i].name, asked);
    }
}
END_TEST

START_TEST(an_image_id_runs_under_its_name_if_it_still_has_it)
{
    static const struct {
        const char *name;
        struct canned_rule rules[6];
        int status;
        const char *asked;
    } rows[] = {
        {"it has",
         {{LIST, "200 []", 0, 0},
          {"GET /v1.41/images/x:1/json", "200 {\"Id\":\"sha256:aa\"}", 0, 0},
          {CREATE, MADE, 0, 0},
          {"GET /v1.41/containers/c1/json", "200 {\"Image\":\"sha256:aa\"}", 0, 0}},
         0,
         "\"Image\":\"x:1\""},
        {"it names another",
         {{LIST, "200 []", 0, 0},
          {"GET /v1.41/images/x:1/json", "200 {\"Id\":\"sha256:bb\"}", 0, 0},
          {CREATE, MADE, 0, 0}},
         0,
         "\"Image\":\"sha256:aa\""},
        {"it names none",
         {{LIST, "200 []", 0, 0},
          {"GET /v1.41/images/x:1/json", "404 {\"message\":\"No such image\"}", 0, 0},
          {CREATE, MADE, 0, 0}},
         0,
         "\"Image\":\"sha256:aa\""},
        {"it moved meanwhile",
         {{LIST, "200 []", 0, 0},
          {"GET /v1.41/images/x:1/json", "200 {\"Id\":\"sha256:aa\"}", 0, 0},
          {CREATE, "201 {\"Id\":\"c0\"}", 1, 0},
          {"GET /v1.41/containers/c0/json", "200 {\"Image\":\"sha256:bb\"}", 0, 0},
          {"DELETE /v1.41/containers/c0?v=1&force=1", "204 ", 0, 0},
          {CREATE, MADE, 0, 0}},
         0,
         "\"Image\":\"sha256:aa\""},
        {"the look fails",
         {{LIST, "200 []", 0, 0},
          {"GET /v1.41/images/x:1/json", "200 {\"Id\":\"sha256:aa\"}", 0, 0},
          {CREATE, MADE, 0, 0},
          {"GET /v1.41/containers/c1/json", "500 {\"message\":\"boom\"}", 0, 0},
          {"DELETE /v1.41/containers/c1?v=1&force=1", "204 ", 0, 0}},
         BERTH_E_REFUSED,
         "DELETE /v1.41/containers/c1"},
    };
    static const struct berth_create_spec spec = {
        .app = "x--ana", .user = "ana", .image = "sha256:aa", .image_label = "x:1"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct canned_rule rules[7] = {0};
        memcpy(rules, rows[i].rules, sizeof(rows[i].rules));
        BERTH_CLEANUP(solo) struct solo solo = open_solo(rules, false);
        BERTH_CLEANUP(free) char *id = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = berth_backend_create(solo.backend, &spec, &id, &err);
        ck_assert_msg(rc == rows[i].status, "%s: %d, %s", rows[i].name, rc, err.message);
        ck_assert_msg((rc == 0) == (id && strcmp(id, "c1") == 0), "%s", rows[i].name);
        ck_assert_msg(strstr(canned_server_asked(solo.server), rows[i].asked), "%s: %s",
                      rows[i].name, canned_server_asked(solo.server));
    }
}
END_TEST

#define SAFE                                                                                       \
    "\"SecurityOpt\":[\"no-new-privileges\"],\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"CHOWN\","         \
    "\"DAC_OVERRIDE\",\"FOWNER\",\"FSETID\",\"KILL\",\"NET_BIND_SERVICE\",\"SETGID\","             \
    "\"SETUID\"]"
#define LABELS                                                                                     \
    "\"Labels\":{\"berth.facility\":\"demo\",\"berth.app\":\"x--ana\",\"berth.image\":\"x:1\","    \
    "\"berth.user\":\"ana\"}"

START_TEST(the_body_carries_labels_limits_and_defaults)
{
    static const struct {
        struct berth_create_spec spec;
        const char *body;
    } rows[] = {
        {{.cpu_nano = 0}, "{\"Image\":\"x:1@sha256:d\"," LABELS ",\"HostConfig\":{" SAFE "}}"},
        {{.cpu_nano = 1500000000,
          .memory_bytes = INT64_C(5) << 30,
          .pids = 100,
          .run_as = "1000:1000",
          .gpus = 2},
         "{\"Image\":\"x:1@sha256:d\",\"User\":\"1000:1000\"," LABELS ",\"HostConfig\":{" SAFE
         ",\"NanoCpus\":1500000000,\"Memory\":5368709120,\"MemorySwap\":5368709120,"
         "\"PidsLimit\":100,\"DeviceRequests\":[{\"Count\":2,\"Capabilities\":[[\"gpu\"]]}]}}"},
        {{.gpus = -1},
         "{\"Image\":\"x:1@sha256:d\"," LABELS ",\"HostConfig\":{" SAFE
         ",\"DeviceRequests\":[{\"Count\":-1,\"Capabilities\":[[\"gpu\"]]}]}}"},
    };
    static const struct berth_engine_scope scope = {.facility = "demo"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_create_spec spec = rows[i].spec;
        spec.app = "x--ana";
        spec.user = "ana";
        spec.image_label = "x:1";
        BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(4096);
        berth_engine_create_body(&scope, &spec, "x:1@sha256:d", &body);
        ck_assert_str_eq(berth_strbuf_str(&body), rows[i].body);
    }
}
END_TEST

START_TEST(reset_says_when_the_app_is_gone)
{
    static const struct {
        const char *name;
        struct canned_rule rules[5];
        int status;
        bool gone;
    } rows[] = {
        {"fine",
         {{CREATE, MADE, 0, 0},
          {"POST", "204 ", 0, 0},
          {"DELETE", "204 ", 0, 0},
          {LIST, "200 []", 0, 0}},
         0,
         false},
        {"remove fails",
         {{"POST", "204 ", 0, 0}, {"DELETE", "500 {\"message\":\"busy\"}", 0, 0}},
         BERTH_E_REFUSED,
         false},
        {"create fails",
         {{CREATE, "404 {\"message\":\"No such image\"}", 0, 0},
          {"POST", "204 ", 0, 0},
          {"DELETE", "204 ", 0, 0},
          {LIST, "200 []", 0, 0}},
         BERTH_E_NOT_FOUND,
         true},
    };
    static const struct berth_create_spec spec = {
        .app = "x--ana", .user = "ana", .image = "x:1@sha256:d", .image_label = "x:1"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(solo) struct solo solo = open_solo(rows[i].rules, false);
        BERTH_CLEANUP(free) char *id = NULL;
        bool gone = false;
        int rc = berth_backend_reset(solo.backend, "c0", &spec, &id, &gone, NULL);
        ck_assert_msg(rc == rows[i].status, "%s: %d", rows[i].name, rc);
        ck_assert_msg(gone == rows[i].gone, "%s", rows[i].name);
    }
}
END_TEST

/* ---- The rest ---- */

START_TEST(the_host_is_the_only_node)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/info", "200 {\"ID\":\"I1\",\"Name\":\"host1\",\"ServerVersion\":\"26.1.5\"}",
         0, 0},
        {0},
    };
    BERTH_CLEANUP(solo) struct solo solo = open_solo(rules, false);
    BERTH_CLEANUP(node_list) struct berth_node_list nodes = {0};
    ck_assert_int_eq(berth_backend_nodes(solo.backend, &nodes, NULL), 0);
    ck_assert_uint_eq(nodes.count, 1);
    const struct berth_node *node = &nodes.items[0];
    ck_assert_str_eq(node->id, "I1");
    ck_assert_str_eq(node->hostname, "host1");
    ck_assert_str_eq(node->engine_version, "26.1.5");
    ck_assert_str_eq(node->status, "Ready");
    ck_assert_str_eq(node->availability, "Active");
    ck_assert_str_eq(node->manager_status, "");
    ck_assert_str_eq(node->tls_status, "");
    ck_assert(node->self);
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_strbuf body = BERTH_STRBUF_INIT(100);
    ck_assert_int_eq(berth_backend_node_inspect(solo.backend, "host1", &body, &err),
                     BERTH_E_UNSUPPORTED);
    ck_assert_str_eq(err.message, "get-node-info endpoint incompatible with solo mode");
}
END_TEST

START_TEST(an_app_that_is_not_there_lists_as_none)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/containers/c1/json", "404 {\"message\":\"No such container\"}", 0, 0}, {0}};
    BERTH_CLEANUP(solo) struct solo solo = open_solo(rules, false);
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    ck_assert_int_eq(berth_backend_list(solo.backend, "c1", &apps, NULL), 0);
    ck_assert_uint_eq(apps.count, 0);
}
END_TEST

UNIT_SUITE("solo", verbs_become_calls_and_answers_statuses, inspect_passes_the_bytes_on,
           create_finds_a_name, an_image_id_runs_under_its_name_if_it_still_has_it,
           the_body_carries_labels_limits_and_defaults, reset_says_when_the_app_is_gone,
           the_host_is_the_only_node, an_app_that_is_not_there_lists_as_none)
