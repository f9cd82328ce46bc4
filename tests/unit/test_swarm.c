/* SPDX-License-Identifier: MIT */
/* What a swarm's manager says, and the app that is made of it. */
#include "backends/swarm/swarm_app.h"
#include "backends/swarm/swarm_internal.h"
#include "backends/swarm/swarm_name.h"
#include "tests/unit/unit.h"

#include <string.h>

/* ---- Names ---- */

START_TEST(names_that_swarm_takes_stay)
{
    static const struct {
        const char *app;
        bool is_plain;
    } rows[] = {
        {"httpd--ana", true},    {"a", true},
        {"Team_tool--B2", true}, {"", false},
        {"httpd--a.b", false},   {"httpd--ana-", false},
        {"_httpd--ana", false},  {"httpd--ana_", false},
        {"http/d", false},
    };
    char longest[BERTH_SWARM_NAME_MAX + 2];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_swarm_name_is_plain(rows[i].app) == rows[i].is_plain, "%s",
                      rows[i].app);
    memset(longest, 'a', sizeof(longest));
    longest[BERTH_SWARM_NAME_MAX] = '\0';
    ck_assert(berth_swarm_name_is_plain(longest));
    longest[BERTH_SWARM_NAME_MAX] = 'a';
    longest[BERTH_SWARM_NAME_MAX + 1] = '\0';
    ck_assert(!berth_swarm_name_is_plain(longest));
}
END_TEST

START_TEST(coded_names_are_plain_readable_and_their_own)
{
    static const struct {
        const char *facility;
        const char *app;
        const char *begins;
    } rows[] = {
        {"demo", "httpd--a.b", "httpd--a-b-"},
        {"demo", "httpd--a-b", "httpd--a-b-"},
        {"other", "httpd--a.b", "httpd--a-b-"},
        {"demo", "...", ""},
        {"demo", "x.--ana-", "x---ana-"},
        {"demo", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa--ana",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-"},
    };
    char names[UNIT_COUNT(rows)][BERTH_SWARM_NAME_MAX + 1];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char again[BERTH_SWARM_NAME_MAX + 1];
        ck_assert_int_eq(berth_swarm_name_coded(rows[i].facility, rows[i].app, names[i], NULL), 0);
        ck_assert_int_eq(berth_swarm_name_coded(rows[i].facility, rows[i].app, again, NULL), 0);
        ck_assert_str_eq(names[i], again);
        ck_assert_msg(berth_swarm_name_is_plain(names[i]), "%s", names[i]);
        ck_assert_msg(strncmp(names[i], rows[i].begins, strlen(rows[i].begins)) == 0, "%s",
                      names[i]);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(names[i], names[k]);
    }
}
END_TEST

/* ---- Objects ---- */

static const struct berth_engine_scope scope = {.facility = "demo"};

static const char service_text[] =
    "{\"ID\":\"svc1\",\"Version\":{\"Index\":11},\"CreatedAt\":\"2026-11-22T04:03:56.434419132Z\","
    "\"Spec\":{\"Name\":\"httpd--a-b-0123\",\"Labels\":{\"berth.facility\":\"demo\","
    "\"berth.app\":\"httpd--a.b\",\"berth.user\":\"a.b\",\"berth.image\":\"httpd:2.4\"},"
    "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"httpd:2.4@sha256:00ff\","
    "\"Labels\":{\"berth.facility\":\"demo\"}}},\"Mode\":{\"ReplicatedJob\":{}}}}";

static struct berth_swarm_service parse_service(const char *text)
{
    struct berth_swarm_service service;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, NULL), 0);
    ck_assert_int_eq(berth_swarm_service_parse(&scope, json, &service, NULL), 0);
    return service;
}

START_TEST(a_service_is_read)
{
    BERTH_CLEANUP(swarm_service)
    struct berth_swarm_service service = parse_service(service_text);
    ck_assert(service.is_job);
    ck_assert_uint_eq(service.version, 11);
    ck_assert_str_eq(service.shape->id, "svc1");
    ck_assert_str_eq(service.shape->name, "httpd--a.b");
    ck_assert_str_eq(service.shape->user, "a.b");
    ck_assert_str_eq(service.shape->image_label, "httpd:2.4");
    ck_assert_str_eq(service.shape->engine_name, "httpd--a-b-0123");
    ck_assert_str_eq(service.shape->container, "");
}
END_TEST

START_TEST(services_of_others_are_not_read)
{
    static const struct {
        const char *text;
        bool adopt;
        int status;
        const char *user;
    } rows[] = {
        {"{\"ID\":\"a\",\"Spec\":{\"Name\":\"x--y\",\"Labels\":{\"berth.facility\":\"other\"}}}",
         true, BERTH_E_NOT_FOUND, NULL},
        {"{\"ID\":\"a\",\"Spec\":{\"Name\":\"x--y--z\"}}", false, BERTH_E_NOT_FOUND, NULL},
        {"{\"ID\":\"a\",\"Spec\":{\"Name\":\"x--y--z\"}}", true, 0, "z"},
        {"{\"Spec\":{\"Name\":\"x\"}}", true, BERTH_E_UNREACHABLE, NULL},
        {"[]", true, BERTH_E_UNREACHABLE, NULL},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct berth_engine_scope own = {.facility = "demo", .adopt = rows[i].adopt};
        BERTH_CLEANUP(json) cJSON *json = NULL;
        BERTH_CLEANUP(swarm_service) struct berth_swarm_service service = {0};
        ck_assert_int_eq(berth_json_parse(rows[i].text, strlen(rows[i].text), &json, NULL), 0);
        ck_assert_int_eq(berth_swarm_service_parse(&own, json, &service, NULL), rows[i].status);
        if (rows[i].user)
            ck_assert_str_eq(service.shape->user, rows[i].user);
    }
}
END_TEST

static int parse_task(const char *text, struct berth_swarm_task *task)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, NULL), 0);
    return berth_swarm_task_parse(json, task, NULL);
}

START_TEST(a_task_is_read)
{
    struct berth_swarm_task task;
    ck_assert_int_eq(
        parse_task("{\"ID\":\"t1\",\"Version\":{\"Index\":17},\"ServiceID\":\"svc1\","
                   "\"NodeID\":\"n1\",\"Slot\":1,\"CreatedAt\":\"2026-11-22T04:03:56Z\","
                   "\"Status\":{\"Timestamp\":\"2026-11-22T04:03:57Z\",\"State\":\"failed\","
                   "\"Err\":\"task: non-zero exit (137)\",\"ContainerStatus\":"
                   "{\"ContainerID\":\"c1\",\"ExitCode\":137}}}",
                   &task),
        0);
    ck_assert_str_eq(task.id, "t1");
    ck_assert_str_eq(task.node, "n1");
    ck_assert_str_eq(task.container, "c1");
    ck_assert_int_eq(task.phase, BERTH_TASK_ENDED);
    ck_assert_int_eq(task.exit_code, 137);
    ck_assert_int_eq(task.changed_ns - task.created_ns, INT64_C(1000000000));
    ck_assert_int_eq(parse_task("{\"ServiceID\":\"svc1\"}", &task), BERTH_E_UNREACHABLE);
    ck_assert_int_eq(parse_task("{\"ID\":\"0123456789012345678901234567890123456789\"}", &task),
                     BERTH_E_UNREACHABLE);
}
END_TEST

START_TEST(the_younger_task_counts)
{
    const struct berth_swarm_task old = {.id = "b", .created_ns = 1};
    const struct berth_swarm_task young = {.id = "a", .created_ns = 2};
    const struct berth_swarm_task twin = {.id = "b", .created_ns = 2};
    ck_assert(berth_swarm_task_supersedes(&young, &old));
    ck_assert(!berth_swarm_task_supersedes(&old, &young));
    ck_assert(berth_swarm_task_supersedes(&twin, &young));
    ck_assert(!berth_swarm_task_supersedes(&young, &twin));
}
END_TEST

START_TEST(two_nodes_of_one_name_are_found)
{
    static const char text[] =
        "[{\"ID\":\"n1\",\"Description\":{\"Hostname\":\"w1\"},\"Status\":{\"State\":\"ready\"}},"
        "{\"ID\":\"n2\",\"Description\":{\"Hostname\":\"w2\"},\"Status\":{\"State\":\"down\"}},"
        "{\"ID\":\"n3\",\"Description\":{\"Hostname\":\"w1\"}}]";
    BERTH_CLEANUP(json) cJSON *json = NULL;
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_json_parse(text, strlen(text), &json, NULL), 0);
    ck_assert_int_eq(berth_swarm_nodes_parse(json, &nodes, &err), 0);
    ck_assert_uint_eq(nodes.count, 3);
    ck_assert_str_eq(berth_swarm_node_find(&nodes, "n2")->hostname, "w2");
    ck_assert_int_eq(berth_swarm_nodes_check(&nodes, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "nodes n1 and n3 of the swarm are both called w1: each node "
                                  "needs a hostname of its own");
    nodes.count = 2;
    ck_assert_int_eq(berth_swarm_nodes_check(&nodes, &err), 0);
    ck_assert_ptr_null(berth_swarm_node_trouble(&nodes.items[0]));
    ck_assert_str_eq(berth_swarm_node_trouble(&nodes.items[1]), "is down");
}
END_TEST

/* ---- Apps ---- */

#define AT(seconds) ((seconds)*INT64_C(1000000000))

static const struct berth_app row = {.id = "c1",
                                     .name = "httpd--a.b",
                                     .image = "httpd:2.4",
                                     .image_id = "sha256:01",
                                     .engine_name = "httpd--a-b-0123.1.t1",
                                     .command = "httpd",
                                     .created_ns = AT(20),
                                     .started_ns = AT(21),
                                     .state = BERTH_APP_RUNNING};
static const struct berth_app ended_row = {
    .id = "c1", .state = BERTH_APP_EXITED, .exit_code = 3, .finished_ns = AT(25)};

#define TASK(word, its_phase, ...)                                                                 \
    {                                                                                              \
        .id = "t1", .service = "svc1", .state = word, .phase = its_phase, .created_ns = AT(10),    \
        .changed_ns = AT(11), __VA_ARGS__                                                          \
    }

static const struct {
    const char *name;
    struct berth_swarm_task task;
    struct berth_swarm_sight sight;
    enum berth_app_state state;
    const char *container;
    const char *note;
    int64_t started_ns;
    int64_t finished_ns;
} states[] = {
    {"pending",
     TASK("pending", BERTH_TASK_WAITING, .why = "no suitable node"),
     {.hostname = ""},
     BERTH_APP_CREATED,
     "",
     "Pending: no suitable node",
     0,
     0},
    {"preparing",
     TASK("preparing", BERTH_TASK_WAITING, .node = "n1"),
     {.hostname = "w1"},
     BERTH_APP_CREATED,
     "",
     "Preparing",
     0,
     0},
    {"running",
     TASK("running", BERTH_TASK_RUNNING, .node = "n1", .container = "c1"),
     {.hostname = "w1"},
     BERTH_APP_RUNNING,
     "c1",
     "",
     AT(11),
     0},
    {"running, and seen",
     TASK("running", BERTH_TASK_RUNNING, .node = "n1", .container = "c1"),
     {.hostname = "w1", .row = &row},
     BERTH_APP_RUNNING,
     "c1",
     "",
     AT(21),
     0},
    {"seen to have ended",
     TASK("running", BERTH_TASK_RUNNING, .node = "n1", .container = "c1"),
     {.hostname = "w1", .row = &ended_row},
     BERTH_APP_EXITED,
     "c1",
     "",
     0,
     AT(25)},
    {"failed",
     TASK("failed", BERTH_TASK_ENDED, .node = "n1", .container = "c1", .exit_code = 3),
     {.hostname = "w1"},
     BERTH_APP_EXITED,
     "c1",
     "",
     0,
     AT(11)},
    {"rejected",
     TASK("rejected", BERTH_TASK_ENDED, .node = "n1", .why = "No such image: x"),
     {.hostname = "w1"},
     BERTH_APP_EXITED,
     "",
     "Rejected: No such image: x",
     0,
     AT(11)},
    {"orphaned",
     TASK("orphaned", BERTH_TASK_ENDED, .node = "n1", .container = "c1"),
     {.hostname = "w1"},
     BERTH_APP_UNKNOWN,
     "c1",
     "Orphaned",
     0,
     AT(11)},
    {"removed",
     TASK("remove", BERTH_TASK_REMOVING, .node = "n1"),
     {.hostname = "w1"},
     BERTH_APP_REMOVING,
     "",
     "",
     0,
     0},
    {"on a node that is down",
     TASK("running", BERTH_TASK_RUNNING, .node = "n1", .container = "c1"),
     {.hostname = "w1", .row = &row, .node_down = "is down"},
     BERTH_APP_UNKNOWN,
     "c1",
     "Unknown (node w1 is down)",
     AT(21),
     0},
    {"preparing on a node that is down",
     TASK("preparing", BERTH_TASK_WAITING, .node = "n1"),
     {.hostname = "w1", .node_down = "is down"},
     BERTH_APP_UNKNOWN,
     "",
     "Unknown (node w1 is down)",
     0,
     0},
    {"on a silent engine",
     TASK("running", BERTH_TASK_RUNNING, .node = "n1", .container = "c1"),
     {.hostname = "w1", .silence = "does not answer"},
     BERTH_APP_UNKNOWN,
     "c1",
     "Unknown (node w1 does not answer)",
     AT(11),
     0},
    {"ended on a node that is down",
     TASK("complete", BERTH_TASK_ENDED, .node = "n1", .container = "c1"),
     {.hostname = "w1", .row = &row, .node_down = "is down"},
     BERTH_APP_EXITED,
     "c1",
     "",
     0,
     AT(11)},
    {"ended, and seen to, on a node that is down",
     TASK("complete", BERTH_TASK_ENDED, .node = "n1", .container = "c1"),
     {.hostname = "w1", .row = &ended_row, .node_down = "is down"},
     BERTH_APP_EXITED,
     "c1",
     "",
     0,
     AT(25)},
};

START_TEST(states_are_told_in_dockers_words)
{
    BERTH_CLEANUP(swarm_service)
    struct berth_swarm_service service = parse_service(service_text);
    for (size_t i = 0; i < UNIT_COUNT(states); i++) {
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        struct berth_swarm_sight sight = states[i].sight;
        struct berth_app whole = {0};
        if (sight.row) { /* states are whole apps */
            whole = *sight.row;
            whole.container = whole.id;
            sight.row = &whole;
        }
        sight.image_id = "sha256:02";
        ck_assert_int_eq(berth_swarm_app_make(&service, &states[i].task, &sight, &app, NULL), 0);
        ck_assert_msg(app->state == states[i].state, "%s: %s", states[i].name,
                      berth_app_state_name(app->state));
        ck_assert_str_eq(app->id, "svc1");
        ck_assert_str_eq(app->name, "httpd--a.b");
        ck_assert_str_eq(app->engine_name, "httpd--a.b");
        ck_assert_str_eq(app->container, states[i].container);
        ck_assert_msg(strcmp(app->note, states[i].note) == 0, "%s: %s", states[i].name, app->note);
        ck_assert_msg(app->started_ns == states[i].started_ns, "%s", states[i].name);
        ck_assert_msg(app->finished_ns == states[i].finished_ns, "%s", states[i].name);
    }
}
END_TEST

START_TEST(the_manager_knows_the_labels_of_the_container)
{
    static const struct {
        const char *key;
        const char *value;
    } rows[] = {
        {"berth.facility", "demo"},
        {"com.docker.swarm.node.id", "n1"},
        {"com.docker.swarm.service.id", "svc1"},
        {"com.docker.swarm.service.name", "httpd--a-b-0123"},
        {"com.docker.swarm.task", ""},
        {"com.docker.swarm.task.id", "t1"},
        {"com.docker.swarm.task.name", "httpd--a-b-0123.n1.t1"},
    };
    static const struct berth_swarm_task task =
        TASK("running", BERTH_TASK_RUNNING, .node = "n1", .container = "c1");
    const struct berth_swarm_sight sight = {.hostname = "w1", .image_id = "sha256:02"};
    BERTH_CLEANUP(swarm_service)
    struct berth_swarm_service service = parse_service(service_text);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    ck_assert_int_eq(berth_swarm_app_make(&service, &task, &sight, &app, NULL), 0);
    ck_assert_uint_eq(app->label_count, UNIT_COUNT(rows));
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *value = berth_app_label(app, rows[i].key);
        ck_assert_msg(value && strcmp(value, rows[i].value) == 0, "%s is %s", rows[i].key,
                      value ? value : "missing");
    }
    ck_assert_str_eq(app->image, "httpd:2.4");
    ck_assert_str_eq(app->image_id, "sha256:02");
}
END_TEST

/* ---- Services to be made ---- */

START_TEST(a_service_has_what_policy_gives)
{
    const struct berth_create_spec spec = {.app = "httpd--ana",
                                           .user = "ana",
                                           .image_label = "httpd:2.4",
                                           .cpu_nano = 500000000,
                                           .memory_bytes = 1024,
                                           .pids = 50,
                                           .run_as = "1000",
                                           .gpus = 2};
    static const struct {
        enum berth_swarm_mode mode;
        const char *has;
    } rows[] = {
        {BERTH_SWARM_JOB, "\"RestartPolicy\":{\"Condition\":\"none\"}},\"Mode\":{\"ReplicatedJob\":"
                          "{\"MaxConcurrent\":1,\"TotalCompletions\":1}}"},
        {BERTH_SWARM_SERVICE, "\"RestartPolicy\":{\"Condition\":\"any\"}},\"Mode\":{\"Replicated\":"
                              "{\"Replicas\":1}}"},
        {BERTH_SWARM_JOB, "\"Limits\":{\"NanoCPUs\":500000000,\"MemoryBytes\":1024,\"Pids\":50}"},
        {BERTH_SWARM_JOB, "\"GenericResources\":[{\"DiscreteResourceSpec\":{\"Kind\":\"gpu\","
                          "\"Value\":2}}]"},
        {BERTH_SWARM_JOB, "\"User\":\"1000\""},
        {BERTH_SWARM_JOB, "\"CapabilityDrop\":[\"ALL\"]"},
        {BERTH_SWARM_JOB, "\"NoNewPrivileges\":true"},
        {BERTH_SWARM_JOB, "\"berth.app\":\"httpd--ana\""},
        {BERTH_SWARM_JOB, "\"Image\":\"httpd:2.4@sha256:00\""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(65536);
        berth_swarm_create_body(&scope, rows[i].mode, &spec, "httpd--ana", "httpd:2.4@sha256:00",
                                &body);
        ck_assert_msg(strstr(berth_strbuf_str(&body), rows[i].has) != NULL, "no %s in %s",
                      rows[i].has, berth_strbuf_str(&body));
    }
}
END_TEST

/* ---- What a manager refuses with ---- */

START_TEST(a_swarm_that_does_not_work_is_told_from_a_refusal)
{
    static const struct {
        int status;
        const char *said;
        int becomes;
        const char *message;
    } rows[] = {
        {BERTH_E_REFUSED, "rpc error: code = Unknown desc = The swarm does not have a leader.",
         BERTH_E_UNREACHABLE, "The swarm does not have a leader."},
        {BERTH_E_REFUSED, "This node is not a swarm manager.", BERTH_E_UNREACHABLE,
         "This node is not a swarm manager."},
        {BERTH_E_REFUSED, "rpc error: code = InvalidArgument desc = name must be valid",
         BERTH_E_REFUSED, "name must be valid"},
        {BERTH_E_REFUSED, "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
         BERTH_E_UNREACHABLE, "the swarm has no leader, or is too slow: context deadline exceeded"},
        {BERTH_E_NOT_FOUND, "service x not found", BERTH_E_NOT_FOUND, "service x not found"},
        {BERTH_E_TIMEOUT, "silence", BERTH_E_TIMEOUT, "silence"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        (void)berth_error_set(&err, (enum berth_status)rows[i].status, "%s", rows[i].said);
        ck_assert_int_eq(berth_swarm_restate(rows[i].status, &err), rows[i].becomes);
        ck_assert_int_eq(err.status, rows[i].becomes);
        ck_assert_str_eq(err.message, rows[i].message);
    }
    ck_assert_int_eq(berth_swarm_restate(0, NULL), 0);
}
END_TEST

UNIT_SUITE("swarm", names_that_swarm_takes_stay, coded_names_are_plain_readable_and_their_own,
           a_service_is_read, services_of_others_are_not_read, a_task_is_read,
           the_younger_task_counts, two_nodes_of_one_name_are_found,
           states_are_told_in_dockers_words, the_manager_knows_the_labels_of_the_container,
           a_service_has_what_policy_gives, a_swarm_that_does_not_work_is_told_from_a_refusal)
