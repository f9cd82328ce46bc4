/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_app.h"

#include "backends/engine/engine_name.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

static const struct berth_engine_scope demo = {.facility = "demo"};
static const struct berth_engine_scope adopting = {.facility = "demo", .adopt = true};

/* A file of tests/data/engine, which came from a real engine. */
static cJSON *read_sample(const char *version, const char *name)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(4096);
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(65536);
    berth_strbuf_addf(&path, UNIT_DATA "/engine/%s-%s.json", version, name);
    BERTH_CLEANUP(file) FILE *file = fopen(berth_strbuf_str(&path), "re");
    ck_assert_msg(file, "%s", berth_strbuf_str(&path));
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        berth_strbuf_add(&text, piece, got);
    cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(text.data, text.len, &json, NULL), 0);
    return json;
}

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    ck_assert_msg(berth_json_parse(text, strlen(text), &json, NULL) == 0, "%s", text);
    return json;
}

static void check_zoo_ports(const struct berth_app *app)
{
    static const struct berth_app_port ports[] = {
        {"127.0.0.1", "tcp", 80, 8080}, {"", "tcp", 443, 0},
        {"0.0.0.0", "udp", 9000, 9000}, {"::", "udp", 9000, 9000},
        {"0.0.0.0", "udp", 9001, 9001}, {"::", "udp", 9001, 9001},
    };
    ck_assert_uint_eq(app->port_count, UNIT_COUNT(ports));
    for (size_t i = 0; i < UNIT_COUNT(ports); i++) {
        ck_assert_str_eq(app->ports[i].ip, ports[i].ip);
        ck_assert_str_eq(app->ports[i].protocol, ports[i].protocol);
        ck_assert_uint_eq(app->ports[i].container_port, ports[i].container_port);
        ck_assert_uint_eq(app->ports[i].host_port, ports[i].host_port);
    }
}

START_TEST(a_real_container_becomes_an_app)
{
    static const struct {
        const char *version;
        const char *id;
        const char *anonymous_volume;
        int64_t created_ns;
        int64_t started_ns;
    } rows[] = {
        {"20.10", "ac1f7195888cf66c82884d535532a87ca5124cb7ef89df1e6284ebab9833d054",
         "1c3fd9d99e8dbc461a944b1442d711e49955976f407d2889f0dcafcc9fe654c4", 1795310459433314515,
         1795310460026575078},
        {"26.1", "7efb845e415c2a56952d852d47bc20783d41896199ea4f3c206fff4c261fe62f",
         "52445d999de6faa65f08ec96784e3729ed96a432a82ec5efac3b59754ae95dd6", 1795310463418005850,
         1795310464148443979},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *list = read_sample(rows[i].version, "list");
        BERTH_CLEANUP(json) cJSON *inspect = read_sample(rows[i].version, "inspect");
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = berth_engine_app_parse(&demo, list->child, inspect, &app, &err);
        ck_assert_msg(rc == 0, "%s", err.message);
        ck_assert_str_eq(app->id, rows[i].id);
        ck_assert_str_eq(app->name, "zoo--ana");
        ck_assert_str_eq(app->user, "ana");
        ck_assert_str_eq(app->engine_name, "zoo--ana");
        ck_assert_str_eq(app->image, "base");
        ck_assert_str_eq(app->image_label, "base:latest");
        ck_assert_str_eq(app->image_id, "sha256:a2388c7dae148b60f97cd3f7aa065b27dc09c5c68bccc49b"
                                        "5e521a0cd6d5e41d");
        ck_assert_str_eq(app->command, "sh -c 'echo \"h\xc3\xa9llo\"; sleep 3600'");
        ck_assert_int_eq(app->created_ns, rows[i].created_ns);
        ck_assert_int_eq(app->started_ns, rows[i].started_ns);
        ck_assert_int_eq(app->finished_ns, 0);
        ck_assert_int_eq(app->state, BERTH_APP_RUNNING);
        ck_assert_int_eq(app->health, BERTH_HEALTH_HEALTHY);
        ck_assert_int_eq(app->exit_code, 0);
        ck_assert_uint_eq(app->label_count, 5);
        ck_assert_str_eq(berth_app_label(app, "comma"), "a,b=c");
        ck_assert_uint_eq(app->network_count, 2);
        ck_assert_str_eq(app->networks[0], "bridge");
        ck_assert_str_eq(app->networks[1], "extra");
        ck_assert_uint_eq(app->mount_count, 3);
        ck_assert_str_eq(app->mounts[0].name, "");
        ck_assert_str_eq(app->mounts[0].source, "/tmp");
        ck_assert_str_eq(app->mounts[0].driver, "");
        ck_assert_str_eq(app->mounts[1].name, rows[i].anonymous_volume);
        ck_assert_str_eq(app->mounts[1].driver, "local");
        ck_assert_str_eq(app->mounts[2].name, "zoodata");
        check_zoo_ports(app);
    }
}
END_TEST

#define INSPECT(name, labels, state)                                                               \
    "{\"Id\":\"0123\",\"Name\":\"/" name "\",\"Created\":\"2024-01-02T03:04:05Z\","                \
    "\"Image\":\"sha256:9\",\"State\":{" state "},\"Config\":{\"Labels\":" labels "}}"

#define OURS(app, user)                                                                            \
    "{\"berth.facility\":\"demo\",\"berth.app\":\"" app "\",\"berth.user\":\"" user "\"}"

START_TEST(containers_belong_by_label_or_by_adoption)
{
    static const struct {
        const char *name;
        const char *inspect;
        bool adopt;
        const char *app; /* NULL: not of the scope */
        const char *user;
        const char *engine_name;
    } rows[] = {
        {"ours", INSPECT("a--b.demo", OURS("a--b", "b"), "\"Status\":\"created\""), false, "a--b",
         "b", "a--b.demo"},
        {"ours while adopting", INSPECT("x", OURS("a--b", "b"), "\"Status\":\"created\""), true,
         "a--b", "b", "x"},
        {"theirs", INSPECT("a--b", "{\"berth.facility\":\"other\"}", "\"Status\":\"created\""),
         true, NULL, NULL, NULL},
        {"nobody's", INSPECT("a--b", "{}", "\"Status\":\"created\""), false, NULL, NULL, NULL},
        {"adopted", INSPECT("a--b", "{}", "\"Status\":\"created\""), true, "a--b", "b", "a--b"},
        {"adopted, no labels", INSPECT("a--b", "null", "\"Status\":\"created\""), true, "a--b", "b",
         "a--b"},
        {"adopted, last dashes count", INSPECT("a--b--c", "{}", "\"Status\":\"created\""), true,
         "a--b--c", "c", "a--b--c"},
        {"adopted, three dashes", INSPECT("a---b", "{}", "\"Status\":\"created\""), true, "a---b",
         "b", "a---b"},
        {"adopted, no user", INSPECT("redis", "{}", "\"Status\":\"created\""), true, "redis", "",
         "redis"},
        {"adopted, made up label",
         INSPECT("redis", "{\"berth.user\":\"eve\",\"berth.app\":\"x--eve\"}",
                 "\"Status\":\"created\""),
         true, "redis", "", "redis"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *entry = parse("{}");
        BERTH_CLEANUP(json) cJSON *inspect = parse(rows[i].inspect);
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        int rc =
            berth_engine_app_parse(rows[i].adopt ? &adopting : &demo, entry, inspect, &app, NULL);
        ck_assert_msg(rc == (rows[i].app ? 0 : BERTH_E_NOT_FOUND), "%s: %d", rows[i].name, rc);
        if (rc < 0)
            continue;
        ck_assert_msg(strcmp(app->name, rows[i].app) == 0, "%s: %s", rows[i].name, app->name);
        ck_assert_msg(strcmp(app->user, rows[i].user) == 0, "%s: %s", rows[i].name, app->user);
        ck_assert_str_eq(app->engine_name, rows[i].engine_name);
    }
}
END_TEST

START_TEST(states_are_read)
{
    static const struct {
        const char *state;
        enum berth_app_state expected; /* UNKNOWN: refused */
        enum berth_app_health health;
        bool paused;
        bool dead;
        int exit_code;
        int64_t finished_ns;
    } rows[] = {
        {"\"Status\":\"created\",\"StartedAt\":\"0001-01-01T00:00:00Z\"", BERTH_APP_CREATED, 0,
         false, false, 0, 0},
        {"\"Status\":\"running\",\"Health\":{\"Status\":\"starting\"}", BERTH_APP_RUNNING,
         BERTH_HEALTH_STARTING, false, false, 0, 0},
        {"\"Status\":\"running\",\"Health\":{\"Status\":\"unhealthy\"}", BERTH_APP_RUNNING,
         BERTH_HEALTH_UNHEALTHY, false, false, 0, 0},
        {"\"Status\":\"running\",\"Health\":{\"Status\":\"none\"}", BERTH_APP_RUNNING,
         BERTH_HEALTH_NONE, false, false, 0, 0},
        {"\"Status\":\"paused\",\"Paused\":true,\"Running\":true", BERTH_APP_PAUSED, 0, true, false,
         0, 0},
        {"\"Status\":\"exited\",\"ExitCode\":137,\"FinishedAt\":\"1970-01-01T00:00:01.000000002Z\"",
         BERTH_APP_EXITED, 0, false, false, 137, 1000000002},
        {"\"Status\":\"dead\",\"Dead\":true", BERTH_APP_DEAD, 0, false, true, 0, 0},
        {"\"Status\":\"restarting\"", BERTH_APP_RESTARTING, 0, false, false, 0, 0},
        {"\"Status\":\"removing\"", BERTH_APP_REMOVING, 0, false, false, 0, 0},
        {"\"Status\":\"configured\"", BERTH_APP_CREATED, 0, false, false, 0, 0},
        {"\"Status\":\"initialized\"", BERTH_APP_CREATED, 0, false, false, 0, 0},
        {"\"Status\":\"stopping\"", BERTH_APP_RUNNING, 0, false, false, 0, 0},
        {"\"Status\":\"stopped\"", BERTH_APP_EXITED, 0, false, false, 0, 0},
        {"\"Status\":\"dreaming\"", BERTH_APP_UNKNOWN, 0, false, false, 0, 0},
        {"\"Status\":7", BERTH_APP_UNKNOWN, 0, false, false, 0, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), INSPECT("x", OURS("x--y", "y"), "%s"), rows[i].state);
        BERTH_CLEANUP(json) cJSON *inspect = parse(text);
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        int rc = berth_engine_app_parse(&demo, NULL, inspect, &app, NULL);
        bool refused = rows[i].expected == BERTH_APP_UNKNOWN;
        ck_assert_msg(rc == (refused ? BERTH_E_UNREACHABLE : 0), "%s", rows[i].state);
        if (refused)
            continue;
        ck_assert_int_eq(app->state, rows[i].expected);
        ck_assert_int_eq(app->health, rows[i].health);
        ck_assert_int_eq(app->paused, rows[i].paused);
        ck_assert_int_eq(app->dead, rows[i].dead);
        ck_assert_int_eq(app->exit_code, rows[i].exit_code);
        ck_assert_int_eq(app->finished_ns, rows[i].finished_ns);
        ck_assert_int_eq(app->started_ns, 0);
    }
}
END_TEST

START_TEST(odd_json_does_not_crash)
{
    static const char *const entries[] = {
        "null",
        "[]",
        "7",
        "{\"Ports\":7,\"Mounts\":\"x\",\"NetworkSettings\":[],\"Image\":{}}",
        ("{\"Ports\":[7,null,{\"PrivatePort\":70000,\"PublicPort\":-1}],\"Mounts\":[1,[]],"
         "\"NetworkSettings\":{\"Networks\":[1,2]}}"),
    };
    BERTH_CLEANUP(json)
    cJSON *inspect = parse(INSPECT("x", "{\"berth.facility\":\"demo\",\"n\":7}",
                                   "\"Status\":\"exited\",\"ExitCode\":\"x\""));
    for (size_t i = 0; i < UNIT_COUNT(entries); i++) {
        BERTH_CLEANUP(json) cJSON *entry = parse(entries[i]);
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        ck_assert_int_eq(berth_engine_app_parse(&demo, entry, inspect, &app, NULL), 0);
        ck_assert_uint_eq(app->label_count, 1);
        ck_assert_str_eq(app->image, "<no image>");
        for (size_t k = 0; k < app->port_count; k++)
            ck_assert_uint_eq(app->ports[k].container_port + app->ports[k].host_port, 0);
        ck_assert_int_eq(berth_engine_app_parse(&demo, inspect, entry, &app, NULL),
                         BERTH_E_UNREACHABLE);
    }
}
END_TEST

START_TEST(running_out_of_memory_is_an_error)
{
    BERTH_CLEANUP(json) cJSON *list = read_sample("26.1", "list");
    BERTH_CLEANUP(json) cJSON *inspect = read_sample("26.1", "inspect");
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        struct berth_app *app = NULL;
        unit_alloc_fail_after(n);
        int rc = berth_engine_app_parse(&demo, list->child, inspect, &app, NULL);
        failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        ck_assert((app == NULL) == failed);
        berth_app_unref(app);
    }
}
END_TEST

START_TEST(images_are_shown_as_docker_shows_them)
{
    static const char id[] =
        "sha256:a2388c7dae148b60f97cd3f7aa065b27dc09c5c68bccc49b5e521a0cd6d5e41d";
#define DIGEST "@sha256:306aa1e73b4c5ebfaebd4767b138b5527a62b56613735b8246889f7bc6011ad6"
    static const struct {
        const char *image;
        const char *shown;
    } rows[] = {
        {"httpd", "httpd"},
        {"httpd:2.4", "httpd:2.4"},
        {"httpd:2.4" DIGEST, "httpd:2.4"},
        {"httpd" DIGEST, "httpd"},
        {"docker.io/library/httpd:2.4", "httpd:2.4"},
        {"docker.io/team/tool:1", "team/tool:1"},
        {"library/httpd", "httpd"},
        {"library/team/x", "library/team/x"},
        {"host:5000/team/tool", "host:5000/team/tool"},
        {"host:5000/team/tool:1" DIGEST, "host:5000/team/tool:1"},
        {id, "a2388c7dae14"},
        {"a2388c7dae148b60f97cd3f7aa065b27dc09c5c68bccc49b5e521a0cd6d5e41d", "a2388c7dae14"},
        {"a2388c7dae14", "a2388c7dae14"},
        {"a2388c7dae", "a2388c7dae"},
        {"", "<no image>"},
    };
#undef DIGEST
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf shown = BERTH_STRBUF_INIT(1024);
        berth_engine_image_shown(rows[i].image, id, &shown);
        ck_assert_str_eq(berth_strbuf_str(&shown), rows[i].shown);
    }
}
END_TEST

START_TEST(images_are_read)
{
    static const char text[] =
        "[{\"Id\":\"sha256:1\",\"Created\":1795308838,\"Size\":10,\"VirtualSize\":12,"
        "\"RepoTags\":[\"base:latest\",\"docker.io/library/httpd:latest\","
        "\"docker.io/library/httpd@sha256:3\"],"
        "\"RepoDigests\":[\"docker.io/library/httpd@sha256:3\"]},"
        "{\"Id\":\"sha256:2\",\"Created\":1795308837,\"Size\":11,"
        "\"RepoTags\":[\"<none>:<none>\"],\"RepoDigests\":[\"<none>@<none>\"]},"
        "{\"Id\":\"sha256:3\",\"Created\":-62135596800,\"Size\":12884901888,\"RepoTags\":null}]";
    BERTH_CLEANUP(json) cJSON *json = parse(text);
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    ck_assert_int_eq(berth_engine_images_parse(json, &images, NULL), 0);
    ck_assert_uint_eq(images->count, 3);
    ck_assert_str_eq(images->items[0].id, "sha256:1");
    ck_assert_str_eq(images->items[0].tags[0], "base:latest");
    ck_assert_str_eq(images->items[0].tags[1], "httpd:latest");
    ck_assert_ptr_null(images->items[0].tags[2]);
    ck_assert_str_eq(images->items[0].digests[0], "httpd@sha256:3");
    ck_assert_int_eq(images->items[0].created_ns, 1795308838000000000);
    ck_assert_int_eq(images->items[0].size_bytes, 10);
    ck_assert_int_eq(images->items[0].virtual_size_bytes, 12);
    ck_assert_ptr_null(images->items[1].tags[0]);
    ck_assert_ptr_null(images->items[1].digests[0]);
    ck_assert_int_eq(images->items[1].virtual_size_bytes, 11);
    ck_assert_int_eq(images->items[2].created_ns, -1);
    ck_assert_int_eq(images->items[2].size_bytes, 12884901888);
    ck_assert_ptr_null(images->items[2].tags[0]);
}
END_TEST

START_TEST(the_listing_is_filtered_by_the_engine)
{
    static const struct {
        const struct berth_engine_scope *scope;
        const char *id;
        const char *path;
    } rows[] = {
        {&demo, NULL, "{\"label\":[\"berth.facility=demo\"]}"},
        {&demo, "0f", "{\"id\":[\"0f\"],\"label\":[\"berth.facility=demo\"]}"},
        {&adopting, NULL, "{}"},
        {&adopting, "0f", "{\"id\":[\"0f\"]}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf expected = BERTH_STRBUF_INIT(1024);
        BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(1024);
        berth_strbuf_adds(&expected, "/containers/json?all=1&filters=");
        berth_strbuf_add_urlencoded(&expected, rows[i].path, strlen(rows[i].path));
        berth_engine_app_list_path(rows[i].scope, rows[i].id, &path);
        ck_assert_str_eq(berth_strbuf_str(&path), berth_strbuf_str(&expected));
    }
}
END_TEST

/* ---- Fetching ---- */

static struct berth_engine *open_engine(const struct canned_server *server)
{
    struct berth_engine *engine = NULL;
    const struct berth_engine_config config = {.facility = "demo",
                                               .endpoint = canned_server_endpoint(server),
                                               .request_timeout_ms = 5000,
                                               .connections = 8};
    ck_assert_int_eq(berth_engine_open(&config, &engine, NULL), 0);
    return engine;
}

#define ENTRY(id, facility) "{\"Id\":\"" id "\",\"Labels\":{\"berth.facility\":\"" facility "\"}}"
#define BODY(id, state)                                                                            \
    "200 {\"Id\":\"" id "\",\"Name\":\"/" id "\",\"State\":{\"Status\":\"" state                   \
    "\"},\"Config\":{\"Labels\":{\"berth.facility\":\"demo\"}}}"

START_TEST(a_listing_leaves_out_what_disappears)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/containers/json?all=1&filters=",
         "200 [" ENTRY("a1", "demo") "," ENTRY("b2", "demo") "," ENTRY("c3", "other") "," ENTRY(
             "d4", "demo") "]",
         0, 0},
        {"GET /v1.41/containers/a1/json", BODY("a1", "running"), 0, 0},
        {"GET /v1.41/containers/b2/json", "404 {\"message\":\"No such container\"}", 0, 0},
        {"GET /v1.41/containers/d4/json", BODY("d4", "exited"), 0, 0},
        {0},
    };
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(server);
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    ck_assert_int_eq(berth_engine_app_list(engine, &demo, &apps, NULL), 0);
    ck_assert_uint_eq(apps.count, 2);
    ck_assert_str_eq(apps.items[0]->id, "a1");
    ck_assert_str_eq(apps.items[1]->id, "d4");
    ck_assert_ptr_null(strstr(canned_server_asked(server), "c3"));
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(a_listing_fails_as_a_whole)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/containers/json", "200 [" ENTRY("a1", "demo") "," ENTRY("b2", "demo") "]", 0,
         0},
        {"GET /v1.41/containers/a1/json", BODY("a1", "running"), 0, 0},
        {"GET /v1.41/containers/b2/json", "500 {\"message\":\"boom\"}", 0, 0},
        {0},
    };
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(server);
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_engine_app_list(engine, &demo, &apps, &err), BERTH_E_REFUSED);
    ck_assert_str_eq(err.message, "boom");
    ck_assert_uint_eq(apps.count, 0);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(one_app_is_fetched_by_its_whole_id)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/containers/json", "200 [" ENTRY("a1b2", "demo") "," ENTRY("a1", "demo") "]", 0,
         0},
        {"GET /v1.41/containers/a1/json", BODY("a1", "paused"), 0, 0},
        /* The engine also takes the beginning of an id. */
        {"GET /v1.41/containers/a/json", BODY("a1", "paused"), 0, 0},
        {0},
    };
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(server);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    ck_assert_int_eq(berth_engine_app_fetch(engine, &demo, "a1", &app, NULL), 0);
    ck_assert_str_eq(app->id, "a1");
    struct berth_app *none = NULL;
    ck_assert_int_eq(berth_engine_app_fetch(engine, &demo, "a", &none, NULL), BERTH_E_NOT_FOUND);
    ck_assert_ptr_null(none);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

UNIT_SUITE("engine_app", a_real_container_becomes_an_app, containers_belong_by_label_or_by_adoption,
           states_are_read, odd_json_does_not_crash, running_out_of_memory_is_an_error,
           images_are_shown_as_docker_shows_them, images_are_read,
           the_listing_is_filtered_by_the_engine, a_listing_leaves_out_what_disappears,
           a_listing_fails_as_a_whole, one_app_is_fetched_by_its_whole_id)
