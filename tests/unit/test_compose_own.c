/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_own.h"
#include "base/yaml_read.h"
#include "tests/unit/unit.h"

#include <string.h>

#define MIB   ((int64_t)1 << 20)
#define MOUNT "/data/lab/c1/mount"

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_yaml_parse(text, strlen(text), &json, &err) == 0, "%s", err.message);
    return json;
}

START_TEST(limits_are_those_of_the_project_as_a_whole)
{
    static const struct {
        const char *services; /* a, and b */
        int64_t total, a, b;  /* MiB; 0: none */
    } rows[] = {
        {"{a: {}, b: {}}", 100, 50, 50},
        {"{a: {mem_limit: '20971520'}, b: {}}", 100, 20, 80},
        {"{a: {mem_limit: 20971520}, b: {deploy: {resources: {limits: {memory: '31457280'}}}}}",
         100, 20, 30},
        {"{a: {scale: 3}, b: {}}", 100, 25, 25},
        {"{a: {deploy: {replicas: 3}}, b: {mem_limit: 41943040}}", 100, 20, 40},
        {"{a: {mem_limit: 20971520, scale: 3}, b: {}}", 100, 20, 40},
        {"{a: {mem_limit: 104857600}}", 100, 100, -1},
        {"{a: {mem_limit: -1}, b: {mem_limit: 0}}", 100, 50, 50},
        {"{a: {mem_limit: 20971520}, b: {}}", 0, 20, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *services = parse(rows[i].services);
        const struct berth_container limits = {.memory_bytes = rows[i].total * MIB};
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_compose_own_share(&limits, services, &err) == 0, "%s", err.message);
        const cJSON *a = berth_json_get(services, "a");
        const cJSON *b = berth_json_get(services, "b");
        ck_assert_int_eq(berth_json_int(a, "mem_limit", 0), rows[i].a * MIB);
        ck_assert_int_eq(berth_json_int(a, "memswap_limit", 0), rows[i].a * MIB);
        if (b)
            ck_assert_int_eq(berth_json_int(b, "mem_limit", 0), rows[i].b * MIB);
        const cJSON *resources = berth_json_get(berth_json_get(b, "deploy"), "resources");
        ck_assert_ptr_null(berth_json_get(resources, "limits"));
    }
}
END_TEST

START_TEST(more_than_there_is_is_refused)
{
    static const char *const rows[] = {
        "{a: {mem_limit: 104857601}}",
        "{a: {mem_limit: 60000000}, b: {mem_limit: 60000000}}",
        "{a: {mem_limit: 40000000, scale: 3}}",
        "{a: {mem_limit: 100000000}, b: {}}", /* less is left than an engine takes */
        "{a: {cpus: 2}}",
        "{a: {deploy: {resources: {limits: {cpus: '1.1'}}}}}",
        "{a: {pids_limit: 10}, b: {}}",
    };
    const struct berth_container limits = {
        .memory_bytes = 100 * MIB, .cpu_nano = 1000000000, .pids = 10};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *services = parse(rows[i]);
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_compose_own_share(&limits, services, &err) == BERTH_E_INVALID, "%s",
                      rows[i]);
        ck_assert_str_eq(err.code, "COMPOSE_REFUSED");
    }
}
END_TEST

static const char normal[] =
    "name: c1\n"
    "services:\n"
    "  db: {image: pg, cap_drop: [ALL], cap_add: [CAP_CHOWN], user: '5', volumes: [{type: volume, "
    "source: v, target: /v}]}\n"
    "  web: {image: nginx, cap_drop: [KILL], environment: {A: $$1, C: 3, TAGS: x}, volumes: "
    "[{type: "
    "bind, "
    "source: " MOUNT "/w, target: /w, bind: {create_host_path: true}}]}\n"
    "secrets: {s: {file: " MOUNT "/s}}\n";

static int complete(cJSON *file, struct berth_error *err)
{
    static char variable[] = "B";
    static char tag[] = "t";
    static char *tags[] = {tag};
    static const struct berth_variable env[] = {{"B", "$2"}, {"C", NULL}};
    const struct berth_variables variables = {env, UNIT_COUNT(env)};
    BERTH_CLEANUP(json) cJSON *overrides = cJSON_CreateObject();
    static struct berth_compose_service service = {
        .app = variable,
        .user = tag,
        .container = tag,
        .image = tag,
        .image_label = tag,
        .created = tag,
        .run_as = tag,
        .asked = {.tags = tags, .tag_count = 1, .cpu_nano = 1500000000}};
    static const struct berth_project_image images[] = {{"nginx", "nginx:1", "nginx:1"},
                                                        {"pg", "sha256:5", "pg:1"}};
    const struct berth_compose_own own = {.facility = "lab",
                                          .cuid = "c1",
                                          .main = "web",
                                          .mount = MOUNT,
                                          .images = images,
                                          .image_count = 2,
                                          .overrides = overrides,
                                          .service = &service};
    if (!overrides || berth_compose_own_override(overrides, &variables) < 0)
        return BERTH_E_NOMEM;
    return berth_compose_own_complete(&own, file, err);
}

START_TEST(what_is_berths_is_added)
{
    BERTH_CLEANUP(json) cJSON *file = parse(normal);
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(65536);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(complete(file, &err) == 0, "%s", err.message);
    ck_assert_int_eq(berth_compose_own_write(file, &out, NULL), 0);
    BERTH_CLEANUP(json)
    cJSON *expected = parse(
        "name: c1\n"
        "services:\n"
        "  db: {image: 'sha256:5', pull_policy: never, user: '5', cpus: 0.75,\n"
        "    cap_drop: [ALL], cap_add: [CHOWN], security_opt: [no-new-privileges],\n"
        "    volumes: [{type: volume, source: v, target: /v}],\n"
        "    environment: {CONTAINER_UID: c1, TAGS: t}, labels: {berth.facility: ''}}\n"
        "  web: {image: 'nginx:1', pull_policy: never, user: t, container_name: t, cpus: 0.75,\n"
        "    cap_drop: [ALL], security_opt: [no-new-privileges], cap_add: [CHOWN, DAC_OVERRIDE,\n"
        "    FOWNER, FSETID, NET_BIND_SERVICE, SETGID, SETUID],\n"
        "    environment: {A: $$1, B: $$2, CONTAINER_UID: c1, TAGS: t}, volumes: [{type: bind,\n"
        "    source: ./mount/w, target: /w, bind: {create_host_path: false}}],\n"
        "    labels: {berth.facility: lab, berth.app: B, berth.image: t, berth.user: t,\n"
        "    berth.created: t, berth.tags: t, berth.ports: '',\n"
        "    berth.project: compose.orig.yaml}}\n"
        "secrets: {s: {file: ./mount/s}}\n"
        "x-berth: {cpus: 1.500000000, environment: {B: $$2, C: null}, limits: {db: {}, web: {}},\n"
        "  main: web, mem_limit: 0, pids_limit: 0}\n");
    BERTH_CLEANUP(json) cJSON *told = parse(berth_strbuf_str(&out));
    ck_assert_msg(cJSON_Compare(told, expected, true), "%s", berth_strbuf_str(&out));
}
END_TEST

static int change(cJSON *file, struct berth_error *err)
{
    static char text[] = "n";
    static char *tags[] = {text};
    static const struct berth_variable env[] = {{"B", NULL}, {"D", "5"}};
    const struct berth_variables variables = {env, UNIT_COUNT(env)};
    static struct berth_compose_service service = {
        .app = text,
        .user = text,
        .container = text,
        .image = text,
        .image_label = text,
        .created = text,
        .asked = {.tags = tags, .tag_count = 1, .memory_bytes = 100 * MIB}};
    BERTH_CLEANUP(json) cJSON *overrides = berth_compose_own_overrides(file);
    const struct berth_compose_own own = {.facility = "lab",
                                          .cuid = "c1",
                                          .main = "web",
                                          .overrides = overrides,
                                          .service = &service};
    if (!overrides || berth_compose_own_override(overrides, &variables) < 0)
        return berth_error_nomem(err);
    return berth_compose_own_change(&own, file, err);
}

START_TEST(what_is_berths_can_be_changed)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *file = parse(normal);
    cJSON *services = cJSON_GetObjectItemCaseSensitive(file, "services");
    cJSON *db = cJSON_GetObjectItemCaseSensitive(services, "db");
    ck_assert_ptr_nonnull(cJSON_AddStringToObject(db, "mem_limit", "20971520"));
    ck_assert_ptr_nonnull(cJSON_AddNumberToObject(db, "cpus", 0.5));
    ck_assert_msg(complete(file, &err) == 0, "%s", err.message);
    ck_assert_msg(change(file, &err) == 0, "%s", err.message);
    const cJSON *web = berth_json_get(services, "web");
    /* The project has no bound of CPUs any more: the one that db has itself stays. */
    ck_assert_double_eq(berth_json_get(db, "cpus")->valuedouble, 0.5);
    ck_assert_ptr_null(berth_json_get(web, "cpus"));
    ck_assert_int_eq(berth_json_int(db, "mem_limit", 0), 20 * MIB);
    ck_assert_int_eq(berth_json_int(web, "mem_limit", 0), 80 * MIB);
    ck_assert_int_eq(berth_json_int(web, "memswap_limit", 0), 80 * MIB);
    BERTH_CLEANUP(json)
    cJSON *expected = parse("{A: $$1, D: '5', CONTAINER_UID: c1, TAGS: n}");
    ck_assert(cJSON_Compare(berth_json_get(web, "environment"), expected, true));
    ck_assert_str_eq(berth_json_string(berth_json_get(web, "labels"), "berth.tags", ""), "n");
    ck_assert_str_eq(berth_json_string(berth_json_get(db, "labels"), "berth.facility", "x"), "");
    ck_assert_str_eq(berth_json_string(berth_json_get(db, "environment"), "TAGS", ""), "n");
    ck_assert_str_eq(berth_json_string(web, "image", ""), "nginx:1");
}
END_TEST

START_TEST(an_image_that_nobody_has_planned_for_is_refused)
{
    BERTH_CLEANUP(json) cJSON *file = parse("services: {web: {image: other}}");
    ck_assert_int_eq(complete(file, NULL), BERTH_E_NOT_FOUND);
}
END_TEST

START_TEST(out_of_memory_is_told)
{
    BERTH_CLEANUP(json) cJSON *whole = NULL;
    for (size_t n = 0; !whole; n++) {
        BERTH_CLEANUP(json) cJSON *file = parse(normal);
        unit_alloc_fail_after(n);
        int rc = complete(file, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            whole = berth_steal(&file);
    }
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(json) cJSON *file = cJSON_Duplicate(whole, true);
        unit_alloc_fail_after(n);
        int rc = change(file, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("compose_own", limits_are_those_of_the_project_as_a_whole, more_than_there_is_is_refused,
           what_is_berths_is_added, what_is_berths_can_be_changed,
           an_image_that_nobody_has_planned_for_is_refused, out_of_memory_is_told)
