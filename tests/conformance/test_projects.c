/* SPDX-License-Identifier: MIT */
/* Projects of several services, of their owner's compose file. */
#include "backends/engine/engine_app.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "tests/conformance/conformance.h"

#include <string.h>

static bool has_projects(void)
{
    return conformance_ops()->plan != NULL;
}

struct asked {
    char app[64];
    char text[2048];
    struct berth_project_image image;
    struct berth_container_spec container;
    struct berth_create_spec spec;
};

/* In the text @ is the image, and # a port. */
static void ask(struct asked *asked, const char *text)
{
    char uuid[37];
    struct berth_error err = BERTH_ERROR_INIT;
    const char *image = conformance_image();
    char port[8] = "";
    size_t len = 0;
    if (strchr(text, '#'))
        (void)snprintf(port, sizeof(port), "%u", (unsigned)port_claim());
    ASSERT_OK(berth_random_uuid(uuid, &err), &err);
    (void)snprintf(asked->app, sizeof(asked->app), "c%s--ana", uuid);
    for (const char *from = text; *from; from++) {
        const char *each = *from == '@' ? image : *from == '#' ? port : from;
        len += (size_t)snprintf(asked->text + len, sizeof(asked->text) - len, "%.*s",
                                each == from ? 1 : (int)strlen(each), each);
    }
    asked->image = (struct berth_project_image){image, image, image};
    asked->container = (struct berth_container_spec){
        .compose = asked->text, .images = &asked->image, .image_count = 1};
    asked->spec = spec_for("ana");
    asked->spec.app = asked->app;
    asked->spec.container = &asked->container;
}

static char *create(struct fixture *fixture, struct asked *asked)
{
    struct berth_error err = BERTH_ERROR_INIT;
    char *id = NULL;
    ASSERT_OK(berth_backend_create(fixture->backend, &asked->spec, &id, &err), &err);
    return id;
}

/* ---- What the engine has of the facility's projects, whoever is told of it ---- */

static cJSON *get(const char *path)
{
    const struct berth_engine_config config = {.facility = "test",
                                               .endpoint = getenv("BERTH_TEST_ENGINE"),
                                               .request_timeout_ms = PATIENCE_MS,
                                               .connections = 1};
    BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    cJSON *json = NULL;
    ASSERT_OK(berth_engine_open(&config, &engine, &err), &err);
    ASSERT_OK(berth_engine_get_json(engine, path, &json, &err), &err);
    return json;
}

/* Containers, networks and volumes that bear the label of the app's project. */
static int count_all(const struct asked *asked)
{
    static const char *const paths[] = {"/containers/json?all=1&", "/networks?", "/volumes?"};
    int count = 0;
    for (size_t i = 0; i < COUNT(paths); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path),
                       "%sfilters=%%7B%%22label%%22%%3A%%5B%%22com.docker.compose.project%%3D%.37s"
                       "%%22%%5D%%7D",
                       paths[i], asked->app);
        BERTH_CLEANUP(json) cJSON *json = get(path);
        const cJSON *volumes = berth_json_get(json, "Volumes");
        count += cJSON_GetArraySize(cJSON_IsArray(json) ? json : volumes);
    }
    return count;
}

/* The container of a service, as GET /containers/json lists it; a copy. */
static cJSON *service(const struct asked *asked, const char *name)
{
    BERTH_CLEANUP(json) cJSON *all = get("/containers/json?all=1");
    const cJSON *entry;
    cJSON_ArrayForEach(entry, all)
    {
        const cJSON *labels = berth_json_get(entry, "Labels");
        const char *project = berth_json_string(labels, "com.docker.compose.project", "");
        if (strncmp(project, asked->app, 37) == 0 && project[0] &&
            strcmp(berth_json_string(labels, "com.docker.compose.service", ""), name) == 0)
            return cJSON_Duplicate(entry, true);
    }
    ck_abort_msg("there is no service %s", name);
    return NULL;
}

static void check_state(const struct asked *asked, const char *name, const char *state)
{
    char path[128];
    BERTH_CLEANUP(json) cJSON *entry = service(asked, name);
    (void)snprintf(path, sizeof(path), "/containers/%s/json", berth_json_string(entry, "Id", ""));
    BERTH_CLEANUP(json) cJSON *inspect = get(path);
    const char *told = berth_json_string(berth_json_get(inspect, "State"), "Status", "");
    ck_assert_msg(strcmp(told, state) == 0, "%s is %s, not %s", name, told, state);
}

/* ---- Tests ---- */

/* web asks store for a file that only store has, over the network of the project. */
static const char two_services[] =
    "services:\n"
    "  store:\n"
    "    image: @\n"
    "    command: [sh, -c, 'mkdir -p /data/www && echo $$GREETING > /data/www/index.html && "
    "exec httpd -f -p 8000 -h /data/www']\n"
    "    environment: {GREETING: hello $$5}\n"
    "    volumes: ['data:/data', './shared:/shared']\n"
    "    mem_limit: 20m\n"
    "  web:\n"
    "    image: @\n"
    "    depends_on: [store]\n"
    "    command: [sh, -c, 'until wget -q -O /app/seen http://store:8000/; do sleep 0.1; done; "
    "touch /app/$$CONTAINER_UID; trap exit TERM; while :; do sleep 0.1; done']\n"
    "    volumes: ['./web:/app', './shared:/shared:ro']\n"
    "    ports: ['#:80']\n"
    "volumes: {data: {}}\n";

static void read_mount(const struct fixture *fixture, const struct asked *asked, const char *file,
                       char *text, size_t size)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s/%.37s/mount/%s", fixture->data_dir, fixture->facility,
                   asked->app, file);
    const struct timespec pause = {.tv_nsec = 20 * BERTH_NS_PER_MS};
    int64_t deadline_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    for (text[0] = '\0'; !text[0] && berth_clock_monotonic_ms() < deadline_ms;
         (void)nanosleep(&pause, NULL)) {
        BERTH_CLEANUP(file) FILE *stream = fopen(path, "r");
        if (stream && !fgets(text, (int)size, stream))
            text[0] = '\0';
    }
}

START_TEST(services_of_a_project_find_each_other)
{
    if (!has_projects())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct asked asked;
    char seen[64];
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(texts) struct berth_texts images = {0};
    ask(&asked, two_services);
    asked.spec.memory_bytes = 64 << 20;
    asked.spec.pids = 100;
    ASSERT_OK(berth_backend_plan(fixture.backend, &asked.spec, &images, &err), &err);
    ck_assert_uint_eq(images.count, 1);
    ck_assert_str_eq(images.items[0], conformance_image());
    BERTH_CLEANUP(free) char *id = create(&fixture, &asked);
    ck_assert_uint_eq(app_count(&fixture), 1);
    ck_assert_int_eq(app_state(&fixture, id), BERTH_APP_CREATED);
    check_state(&asked, "store", "created");
    act_ok(&fixture, BERTH_VERB_START, id);
    read_mount(&fixture, &asked, "web/seen", seen, sizeof(seen));
    ck_assert_str_eq(seen, "hello $5\n");
    check_state(&asked, "store", "running");

    BERTH_CLEANUP(json) cJSON *inspect = app_inspect(&fixture, id);
    const cJSON *host = berth_json_get(inspect, "HostConfig");
    ck_assert_int_eq(berth_json_int(host, "Memory", 0), 44 << 20);
    ck_assert_int_eq(berth_json_int(host, "PidsLimit", 0), 50);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetArrayItem(berth_json_get(host, "CapDrop"), 0)),
                     "ALL");
    ck_assert_ptr_nonnull(
        strstr(cJSON_GetStringValue(cJSON_GetArrayItem(berth_json_get(host, "SecurityOpt"), 0)),
               "no-new-privileges"));
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    BERTH_CLEANUP(container) struct berth_container told = {0};
    ASSERT_OK(berth_backend_describe(fixture.backend, app, &told, &err), &err);
    ck_assert(told.is_project);
    ck_assert_int_eq(told.memory_bytes, 64 << 20);
    ck_assert_uint_eq(told.port_count, 1);
    ck_assert_uint_eq(told.ports[0].container, 80);
    act_ok(&fixture, BERTH_VERB_REMOVE, id);
    ck_assert_int_eq(count_all(&asked), 0);
}
END_TEST

START_TEST(what_is_done_to_a_project_is_done_to_all_of_it)
{
    if (!has_projects())
        return;
    static const char text[] = "services:\n  a: {image: @}\n  b: {image: @, depends_on: [a]}\n"
                               "x-berth: {main: b}\n";
    static const struct {
        enum berth_verb verb;
        const char *state;
    } rows[] = {
        {BERTH_VERB_START, "running"},   {BERTH_VERB_PAUSE, "paused"},
        {BERTH_VERB_UNPAUSE, "running"}, {BERTH_VERB_RESTART, "running"},
        {BERTH_VERB_STOP, "exited"},     {BERTH_VERB_STOP, "exited"},
        {BERTH_VERB_START, "running"},   {BERTH_VERB_KILL, "exited"},
    };
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct asked asked;
    struct berth_error err = BERTH_ERROR_INIT;
    ask(&asked, text);
    BERTH_CLEANUP(free) char *id = create(&fixture, &asked);
    for (size_t i = 0; i < COUNT(rows); i++) {
        act_ok(&fixture, rows[i].verb, id);
        check_state(&asked, "a", rows[i].state);
        check_state(&asked, "b", rows[i].state);
    }
    ASSERT_STATUS(berth_backend_act(fixture.backend, BERTH_VERB_PAUSE, id, &err), BERTH_E_CONFLICT,
                  &err);
    ASSERT_STATUS(berth_backend_act(fixture.backend, BERTH_VERB_KILL, id, &err), BERTH_E_CONFLICT,
                  &err);
}
END_TEST

START_TEST(what_a_project_may_not_be_leaves_nothing)
{
    if (!has_projects())
        return;
    static const struct {
        const char *text;
        const char *said;
        int status;
    } rows[] = {
        {"services: {a: {image: @, privileged: true}}", "services.a.privileged: not allowed",
         BERTH_E_INVALID},
        {"services: {a: {image: @, volumes: ['/:/host']}}", "services.a.volumes[0]: not allowed",
         BERTH_E_INVALID},
        /* What Compose alone knows. */
        {"services: {a: {image: @, volumes: ['nowhere:/x']}}",
         "docker compose says: ", BERTH_E_INVALID},
        {"services: {a: {image: @, depends_on: [b]}}", "docker compose says: ", BERTH_E_INVALID},
        {"services: {a: {image: @, ports: [hello]}}", "docker compose says: ", BERTH_E_INVALID},
        {"services: {a: {image: @, env_file: x.env}}", "docker compose says: ", BERTH_E_INVALID},
        /* Windows' paths, which Compose knows everywhere. */
        {"services: {a: {image: @, volumes: ['c:\\x:/x']}}", "not allowed", BERTH_E_INVALID},
        {"services: {a: {image: @, mem_limit: 1g}}", "services: together they ask for more",
         BERTH_E_INVALID},
        {"services: {a: {image: @, mem_limit: 63m}, b: {image: @}}",
         "services: those that say nothing are left with too little", BERTH_E_INVALID},
        {"services: {a: {image: @, ports: ['#:1', '#:2']}}",
         "services.a.ports: a port of the host is there twice", BERTH_E_INVALID},
        {"services: {a: {image: @}, b: {image: other}}", "image other was not planned for",
         BERTH_E_NOT_FOUND},
        /* What the engine refuses, once there is a network and a volume. */
        {"services: {a: {image: @, depends_on: [b], volumes: ['v:/v']}, b: {image: @, working_dir: "
         "not/absolute}}\nvolumes: {v: }",
         "not/absolute", BERTH_E_REFUSED},
    };
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct asked asked;
        struct berth_error err = BERTH_ERROR_INIT;
        char *id = NULL;
        ask(&asked, rows[i].text);
        asked.spec.memory_bytes = 64 << 20;
        int status = berth_backend_create(fixture.backend, &asked.spec, &id, &err);
        ck_assert_msg(status == rows[i].status && strstr(err.message, rows[i].said), "%s: %d: %s",
                      rows[i].text, status, err.message);
        ck_assert_msg(!strstr(err.message, fixture.data_dir), "%s", err.message);
        ck_assert_uint_eq(app_count(&fixture), 0);
        ck_assert_msg(count_all(&asked) == 0, "%s left something", rows[i].text);
    }
}
END_TEST

START_TEST(a_project_is_changed_and_made_anew)
{
    if (!has_projects())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct asked asked;
    struct asked other;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *limited = NULL;
    BERTH_CLEANUP(free) char *changed = NULL;
    BERTH_CLEANUP(free) char *again = NULL;
    BERTH_CLEANUP(services) struct berth_services services = {0};
    bool gone = false;
    ask(&asked, "services: {a: {image: @}, b: {image: @, mem_limit: 8m}}");
    ask(&other, "services: {a: {image: @}, c: {image: @}}");
    BERTH_CLEANUP(free) char *id = create(&fixture, &asked);
    const struct berth_container_change limit = {
        .cpu_nano = -1, .memory_bytes = 24 << 20, .pids = -1};
    ASSERT_OK(berth_backend_update(fixture.backend, id, &limit, &limited, &err), &err);
    BERTH_CLEANUP(json) cJSON *inspect = app_inspect(&fixture, limited);
    ck_assert_int_eq(berth_json_int(berth_json_get(inspect, "HostConfig"), "Memory", 0), 16 << 20);

    const struct berth_container_change text = {
        .cpu_nano = -1, .memory_bytes = -1, .pids = -1, .project = &other.spec};
    ASSERT_OK(berth_backend_update(fixture.backend, limited, &text, &changed, &err), &err);
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, changed);
    ASSERT_OK(berth_backend_services(fixture.backend, app, &services, &err), &err);
    ck_assert_uint_eq(services.count, 2);
    ck_assert_str_eq(services.items[1].name, "c");
    ck_assert_int_eq(services.items[1].state, BERTH_APP_CREATED);

    ASSERT_OK(berth_backend_reset(fixture.backend, changed, &asked.spec, &again, &gone, &err),
              &err);
    ck_assert_str_ne(again, changed);
    ck_assert_int_eq(app_state(&fixture, again), BERTH_APP_CREATED);
    act_ok(&fixture, BERTH_VERB_REMOVE, again);
    ck_assert_int_eq(count_all(&asked), 0);
}
END_TEST

TCase *case_projects(void)
{
    TCase *tcase = tcase_create("projects");
    tcase_add_test(tcase, services_of_a_project_find_each_other);
    tcase_add_test(tcase, what_is_done_to_a_project_is_done_to_all_of_it);
    tcase_add_test(tcase, what_a_project_may_not_be_leaves_nothing);
    tcase_add_test(tcase, a_project_is_changed_and_made_anew);
    return tcase;
}
