/* SPDX-License-Identifier: MIT */
/* What the containers API asks of a backend: how one is made, told and changed. Backends that
 * have no such containers have none of these verbs (test_table.c). */
#include "base/clock.h"
#include "base/encoding.h"
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define VARIABLES(...)                                                                             \
    {                                                                                              \
        .items = (const struct berth_variable[]){__VA_ARGS__},                                     \
        .count = COUNT(((const struct berth_variable[]){__VA_ARGS__}))                             \
    }

static bool has_containers(void)
{
    return conformance_ops()->plan != NULL;
}

/* What would be replaced, cut or taken for something else on its way by a file. */
static const struct berth_variable hostile[] = {
    {"PLAIN", "production"},
    {"DOLLAR", "$HOME ${HOME} $$ $"},
    {"QUOTES", "'single' \"double\" `back` \\n"},
    {"LINES", "one\ntwo\n\n  three: 3\n"},
    {"WORDS", "yes"},
    {"NUMBER", "0123"},
    {"EMPTY", ""},
    {"SPACES", "  both ends  "},
    {"UMLAUT", "gr\u00fc\u00dfe \u96ea \U0001F600"},
    {"HASH", "#no comment"},
    {"COLON", "a: b"},
    {"TAB", "a\tb"},
    {"on", "a word that YAML knows"},
    {"with space", "1"},
    {"$NAME", "2"},
};

/* A container's app has its project's name in front. */
static char *container_name(char name[64], const char *user)
{
    char uuid[37];
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_random_uuid(uuid, &err), &err);
    (void)snprintf(name, 64, "c%s--%s", uuid, user);
    return name;
}

static int make(struct fixture *fixture, const struct berth_container_spec *asked, char **ret_id,
                struct berth_error *err)
{
    char name[64];
    struct berth_create_spec spec = spec_for("ana");
    spec.app = container_name(name, "ana");
    spec.cpu_nano = 1500000000;
    spec.memory_bytes = 64 << 20;
    spec.pids = 99;
    spec.container = asked;
    return berth_backend_create(fixture->backend, &spec, ret_id, err);
}

static struct berth_container describe(struct fixture *fixture, const char *id)
{
    struct berth_container container = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(app) struct berth_app *app = app_get(fixture, id);
    ck_assert_ptr_nonnull(app);
    ASSERT_OK(berth_backend_describe(fixture->backend, app, &container, &err), &err);
    return container;
}

static const char *value_of(const struct berth_container *container, const char *name)
{
    for (size_t i = 0; i < container->env_count; i++)
        if (strcmp(container->env[i].name, name) == 0)
            return container->env[i].value;
    return NULL;
}

/* The value that the engine gives the process, or NULL. */
static const char *given(const cJSON *inspect, const char *name)
{
    const cJSON *pair;
    cJSON_ArrayForEach(pair, berth_json_get(berth_json_get(inspect, "Config"), "Env"))
    {
        const char *text = cJSON_GetStringValue(pair);
        size_t len = strlen(name);
        if (strncmp(text, name, len) == 0 && text[len] == '=')
            return text + len + 1;
    }
    return NULL;
}

START_TEST(a_container_is_what_was_asked_for)
{
    if (!has_containers())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    const char *const tags[] = {"web", "$x \"y\""};
    const uint16_t host = port_claim();
    const struct berth_port ports[] = {{host, 80, BERTH_TCP}, {host, 53, BERTH_UDP}};
    const struct berth_container_spec asked = {
        .env = {hostile, COUNT(hostile)}, .tags = {tags, 2}, .ports = {ports, 2}};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *id = NULL;
    ASSERT_OK(make(&fixture, &asked, &id, &err), &err);
    ck_assert_int_eq(app_state(&fixture, id), BERTH_APP_CREATED);

    BERTH_CLEANUP(container) struct berth_container told = describe(&fixture, id);
    ck_assert_uint_eq(told.env_count, COUNT(hostile));
    BERTH_CLEANUP(json) cJSON *inspect = app_inspect(&fixture, id);
    for (size_t i = 0; i < COUNT(hostile); i++) {
        ck_assert_str_eq(told.env[i].name, hostile[i].name);
        ck_assert_str_eq(told.env[i].value, hostile[i].value);
        ck_assert_pstr_eq(given(inspect, hostile[i].name), hostile[i].value);
    }
    ck_assert_pstr_eq(given(inspect, "TAGS"), "web,$x \"y\"");
    ck_assert_uint_eq(told.tag_count, 2);
    ck_assert_str_eq(told.tags[1], tags[1]);
    ck_assert_uint_eq(told.port_count, 2);
    ck_assert_int_eq(memcmp(told.ports, ports, sizeof(ports)), 0);
    ck_assert_int_eq(told.cpu_nano, 1500000000);
    ck_assert_int_eq(told.memory_bytes, 64 << 20);
    ck_assert_int_eq(told.pids, 99);
    ck_assert(!told.is_project);
    ck_assert(told.updated_ns > 0 && told.updated_ns <= berth_clock_wall_ns());
    const cJSON *limits = berth_json_get(inspect, "HostConfig");
    ck_assert_int_eq(berth_json_int(limits, "NanoCpus", 0), 1500000000);
    ck_assert_int_eq(berth_json_int(limits, "Memory", 0), 64 << 20);
    ck_assert_int_eq(berth_json_int(limits, "PidsLimit", 0), 99);
}
END_TEST

START_TEST(a_container_without_its_program_is_not_started)
{
    if (!has_containers())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    const struct berth_container_spec asked = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *id = NULL;
    ASSERT_OK(make(&fixture, &asked, &id, &err), &err);
    static const enum berth_verb verbs[] = {BERTH_VERB_START, BERTH_VERB_RESTART};
    for (size_t i = 0; i < COUNT(verbs); i++) {
        ASSERT_STATUS(berth_backend_act(fixture.backend, verbs[i], id, &err), BERTH_E_CONFLICT,
                      &err);
        ck_assert_pstr_eq(err.code, "NO_BOOT_FILE");
        ck_assert_int_eq(app_state(&fixture, id), BERTH_APP_CREATED);
    }
}
END_TEST

START_TEST(nonsense_is_refused_and_leaves_nothing)
{
    if (!has_containers())
        return;
    static const struct berth_variable unnamed = {"", "x"};
    static const struct berth_variable assigned = {"A=B", "x"};
    static const struct berth_variable own = {"TAGS", "x"};
    static const struct berth_variable latin = {"A", "\xfc"};
    static const char *const comma = "a,b";
    static const char *const empty = "";
    static const struct berth_port zero = {0, 80, BERTH_TCP};
    static const struct berth_port twice[] = {{18932, 80, BERTH_TCP}, {18932, 81, BERTH_TCP}};
    const struct berth_container_spec rows[] = {
        {.env = {&unnamed, 1}}, {.env = {&assigned, 1}}, {.env = {&own, 1}},
        {.env = {&latin, 1}},   {.tags = {&comma, 1}},   {.tags = {&empty, 1}},
        {.ports = {&zero, 1}},  {.ports = {twice, 2}},
    };
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        char *id = NULL;
        int status = make(&fixture, &rows[i], &id, &err);
        ck_assert_msg(status == BERTH_E_INVALID, "row %zu: %s", i,
                      berth_status_name((enum berth_status)status));
        ck_assert_uint_eq(app_count(&fixture), 0);
    }
}
END_TEST

START_TEST(a_running_app_is_changed_and_runs)
{
    if (!has_containers())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *first = app_create(&fixture, "ana");
    act_ok(&fixture, BERTH_VERB_START, first);
    static const char *const tags[] = {"v1"};
    const struct berth_container_change one = {
        .env = VARIABLES({"A", "1"}, {"B", "$2"}, {"C", "3"}),
        .tags = &(const struct berth_tags){tags, 1},
        .cpu_nano = -1,
        .memory_bytes = 32 << 20,
        .pids = -1,
    };
    const struct berth_container_change two = {
        .env = VARIABLES({"A", NULL}, {"C", "4"}, {"D", NULL}),
        .cpu_nano = -1,
        .memory_bytes = -1,
        .pids = 50,
    };
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *second = NULL;
    BERTH_CLEANUP(free) char *third = NULL;
    ASSERT_OK(berth_backend_update(fixture.backend, first, &one, &second, &err), &err);
    ck_assert_str_ne(second, first);
    ck_assert_int_eq(app_state(&fixture, second), BERTH_APP_RUNNING);
    act_ok(&fixture, BERTH_VERB_PAUSE, second);
    ASSERT_OK(berth_backend_update(fixture.backend, second, &two, &third, &err), &err);
    ck_assert_int_eq(app_state(&fixture, third), BERTH_APP_PAUSED);
    ck_assert_uint_eq(app_count(&fixture), 1);

    BERTH_CLEANUP(container) struct berth_container told = describe(&fixture, third);
    ck_assert_uint_eq(told.env_count, 2);
    ck_assert_pstr_eq(value_of(&told, "B"), "$2");
    ck_assert_pstr_eq(value_of(&told, "C"), "4");
    ck_assert_uint_eq(told.tag_count, 1);
    ck_assert_int_eq(told.memory_bytes, 32 << 20);
    ck_assert_int_eq(told.pids, 50);
    BERTH_CLEANUP(json) cJSON *inspect = app_inspect(&fixture, third);
    ck_assert_pstr_eq(given(inspect, "B"), "$2");
    ck_assert_ptr_null(given(inspect, "A"));
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, third);
    ck_assert_str_eq(app->name, "test--ana");
    ck_assert_str_eq(app->engine_name, "test--ana");
    act_ok(&fixture, BERTH_VERB_UNPAUSE, third);
}
END_TEST

/* Nothing of the app has changed: not its container, nor what is told of it. */
static void check_untouched(struct fixture *fixture, const char *id)
{
    BERTH_CLEANUP(container) struct berth_container told = describe(fixture, id);
    ck_assert_uint_eq(told.env_count, 0);
    ck_assert_uint_eq(told.port_count, 0);
    ck_assert_int_eq(app_state(fixture, id), BERTH_APP_RUNNING);
    ck_assert_uint_eq(app_count(fixture), 1);
}

START_TEST(a_change_that_cannot_be_made_changes_nothing)
{
    if (!has_containers())
        return;
    static const struct berth_variable variable = {"A", "1"};
    const struct berth_container_change image = {.env = {&variable, 1},
                                                 .cpu_nano = -1,
                                                 .memory_bytes = -1,
                                                 .pids = -1,
                                                 .image = "nobody/has:this",
                                                 .image_label = "nobody/has:this"};
    /* Less than any engine allows. */
    const struct berth_container_change limit = {
        .env = {&variable, 1}, .cpu_nano = -1, .memory_bytes = 1000, .pids = -1};
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    act_ok(&fixture, BERTH_VERB_START, id);
    struct berth_error err = BERTH_ERROR_INIT;
    char *changed = NULL;
    ASSERT_STATUS(berth_backend_update(fixture.backend, id, &image, &changed, &err),
                  BERTH_E_NOT_FOUND, &err);
    check_untouched(&fixture, id);
    ASSERT_STATUS(berth_backend_update(fixture.backend, id, &limit, &changed, &err),
                  BERTH_E_REFUSED, &err);
    check_untouched(&fixture, id);
    ck_assert_ptr_null(changed);
}
END_TEST

/* A port of this host that somebody listens on, until *ret_fd is closed. */
static uint16_t listen_somewhere(int type, int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    *ret_fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(*ret_fd, (const struct sockaddr *)&address, len), 0);
    if (type == SOCK_STREAM)
        ck_assert_int_eq(listen(*ret_fd, 1), 0);
    ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

START_TEST(ports_of_others_are_refused)
{
    if (!has_containers())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(fixture) struct fixture other = fixture_open();
    BERTH_CLEANUP(fd) int tcp = -1;
    BERTH_CLEANUP(fd) int udp = -1;
    const struct berth_port theirs = {port_claim(), 80, BERTH_TCP};
    const struct berth_container_spec stopped = {.ports = {&theirs, 1}};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *holder = NULL;
    BERTH_CLEANUP(free) char *mine = app_create(&fixture, "ana");
    act_ok(&fixture, BERTH_VERB_START, mine);
    ASSERT_OK(make(&other, &stopped, &holder, &err), &err);
    const struct berth_port taken[] = {
        theirs,
        {listen_somewhere(SOCK_STREAM, &tcp), 80, BERTH_TCP},
        {listen_somewhere(SOCK_DGRAM, &udp), 80, BERTH_UDP},
    };
    for (size_t i = 0; i < COUNT(taken); i++) {
        const struct berth_ports ports = {&taken[i], 1};
        const struct berth_container_spec asked = {.ports = ports};
        const struct berth_container_change change = {
            .ports = &ports, .cpu_nano = -1, .memory_bytes = -1, .pids = -1};
        char *id = NULL;
        char number[8];
        (void)snprintf(number, sizeof(number), "%u/%s", taken[i].host,
                       berth_protocol_name(taken[i].protocol));
        ASSERT_STATUS(make(&fixture, &asked, &id, &err), BERTH_E_PORT_IN_USE, &err);
        ck_assert_ptr_nonnull(strstr(err.message, number));
        ASSERT_STATUS(berth_backend_update(fixture.backend, mine, &change, &id, &err),
                      BERTH_E_PORT_IN_USE, &err);
        check_untouched(&fixture, mine);
    }
    /* Another protocol is another port; one's own stay one's own. */
    const struct berth_port free_port = {theirs.host, 80, BERTH_UDP};
    const struct berth_container_change change = {.ports =
                                                      &(const struct berth_ports){&free_port, 1},
                                                  .cpu_nano = -1,
                                                  .memory_bytes = -1,
                                                  .pids = -1};
    BERTH_CLEANUP(free) char *second = NULL;
    BERTH_CLEANUP(free) char *third = NULL;
    ASSERT_OK(berth_backend_update(fixture.backend, mine, &change, &second, &err), &err);
    ASSERT_OK(berth_backend_update(fixture.backend, second, &change, &third, &err), &err);
    ck_assert_int_eq(app_state(&fixture, third), BERTH_APP_RUNNING);
}
END_TEST

START_TEST(a_reset_keeps_what_was_asked_for)
{
    if (!has_containers())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    static const struct berth_variable variable = {"A", "1"};
    const struct berth_container_spec asked = {.env = {&variable, 1}};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *id = NULL;
    BERTH_CLEANUP(free) char *again = NULL;
    ASSERT_OK(make(&fixture, &asked, &id, &err), &err);
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    struct berth_create_spec spec = spec_for("ana");
    spec.app = app->name;
    bool gone = false;
    ASSERT_OK(berth_backend_reset(fixture.backend, id, &spec, &again, &gone, &err), &err);
    BERTH_CLEANUP(app) struct berth_app *after = app_get(&fixture, again);
    BERTH_CLEANUP(container) struct berth_container told = describe(&fixture, again);
    ck_assert_pstr_eq(value_of(&told, "A"), "1");
    ck_assert_int_eq(told.pids, 99);
    ck_assert_str_eq(after->name, app->name);
    ck_assert_pstr_eq(berth_app_label(after, BERTH_LABEL_CREATED),
                      berth_app_label(app, BERTH_LABEL_CREATED));
    ck_assert_pstr_eq(berth_app_label(after, BERTH_LABEL_BOOT), "boot.py");
}
END_TEST

START_TEST(versions_are_told)
{
    if (!conformance_ops()->versions)
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_versions versions = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_versions(fixture.backend, &versions, &err), &err);
    ck_assert_ptr_nonnull(strchr(versions.engine, '.'));
    ck_assert(!has_containers() || strchr(versions.compose, '.'));
}
END_TEST

/* Where apps are changed, but there are no such containers. */
START_TEST(an_app_is_changed_and_stays_the_same)
{
    if (has_containers() || !conformance_ops()->update)
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    const char *const tags[] = {"web"};
    const struct berth_container_change change = {
        .env = VARIABLES({"A", "1"}, {"B", "$2"}),
        .tags = &(const struct berth_tags){tags, 1},
        .cpu_nano = -1,
        .memory_bytes = 64 << 20,
        .pids = 50,
    };
    const struct berth_container_change refused = {
        .ports = &(const struct berth_ports){&(const struct berth_port){8080, 80, BERTH_TCP}, 1},
        .cpu_nano = -1,
        .memory_bytes = 32 << 20,
        .pids = -1,
    };
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *same = NULL;
    char *none = NULL;
    act_ok(&fixture, BERTH_VERB_START, id);
    BERTH_CLEANUP(app) struct berth_app *before = app_get(&fixture, id);
    ASSERT_OK(berth_backend_update(fixture.backend, id, &change, &same, &err), &err);
    ck_assert_str_eq(same, id);
    app_settle(&fixture, id);
    BERTH_CLEANUP(app) struct berth_app *after = app_get(&fixture, id);
    ck_assert_int_eq(after->state, BERTH_APP_RUNNING);
    ck_assert_int_gt(after->started_ns, before->started_ns);
    ASSERT_STATUS(berth_backend_update(fixture.backend, id, &refused, &none, &err), BERTH_E_INVALID,
                  &err);
    BERTH_CLEANUP(container) struct berth_container told = describe(&fixture, id);
    ck_assert_uint_eq(told.env_count, 2);
    ck_assert_pstr_eq(value_of(&told, "B"), "$2");
    ck_assert_uint_eq(told.tag_count, 1);
    ck_assert_int_eq(told.memory_bytes, 64 << 20);
    ck_assert_int_eq(told.pids, 50);
    ck_assert_int_gt(told.updated_ns, before->created_ns);
}
END_TEST

TCase *case_containers(void)
{
    TCase *tcase = tcase_create("containers");
    tcase_add_test(tcase, a_container_is_what_was_asked_for);
    tcase_add_test(tcase, a_container_without_its_program_is_not_started);
    tcase_add_test(tcase, nonsense_is_refused_and_leaves_nothing);
    tcase_add_test(tcase, a_running_app_is_changed_and_runs);
    tcase_add_test(tcase, a_change_that_cannot_be_made_changes_nothing);
    tcase_add_test(tcase, ports_of_others_are_refused);
    tcase_add_test(tcase, a_reset_keeps_what_was_asked_for);
    tcase_add_test(tcase, versions_are_told);
    tcase_add_test(tcase, an_app_is_changed_and_stays_the_same);
    return tcase;
}
