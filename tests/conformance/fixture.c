/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_container.h"
#include "backends/engine/engine_io.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define REQUEST_TIMEOUT_MS 120000
#define MAX_INFLIGHT       32

/* Below those of other tests (tests/ports.py), and of outgoing connections. */
#define PORT_FIRST 18000
#define PORT_LAST  19999

/* What the test's image does, in a root file system. */
#define ROOTFS_COMMAND                                                                             \
    "/bin/sh -c 'trap exit TERM; echo ready; echo up >&2; while :; do sleep 1000 & wait $!; done'"

const char *const unknown_id = "00000000000000000000000000000000000000000000000000000000000000ff";

const struct berth_backend_ops *conformance_ops(void)
{
    return berth_backend_find(getenv("BERTH_TEST_BACKEND"));
}

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && strcmp(conformance_ops()->name, "memory") != 0 ? value : otherwise;
}

static bool is_rootfs(void)
{
    return strcmp(conformance_ops()->name, "rootfs") == 0;
}

const char *conformance_image(void)
{
    if (is_rootfs())
        return strrchr(getenv("BERTH_TEST_ROOTFS"), '/') + 1;
    return variable("BERTH_TEST_IMAGE", "demo:latest");
}

const char *conformance_shown_image(void)
{
    return is_rootfs() ? getenv("BERTH_TEST_ROOTFS") : conformance_image();
}

const char *conformance_pullable(void)
{
    return variable("BERTH_TEST_PULL", "httpd:2.4");
}

static struct fixture open_facility(const char *facility, const char *data_dir)
{
    struct fixture fixture = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    (void)snprintf(fixture.facility, sizeof(fixture.facility), "%s", facility);
    (void)snprintf(fixture.data_dir, sizeof(fixture.data_dir), "%s", data_dir);
    ASSERT_OK(berth_engine_io_open(&fixture.io, &err), &err);
    const struct berth_backend_config config = {
        .facility = fixture.facility,
        .engine = getenv("BERTH_TEST_ENGINE"),
        .request_timeout_ms = REQUEST_TIMEOUT_MS,
        .max_inflight = MAX_INFLIGHT,
        .data_dir = fixture.data_dir,
        .compose = getenv("BERTH_TEST_COMPOSE"),
        .rootfs = {.rootfs = getenv("BERTH_TEST_ROOTFS"), .command = ROOTFS_COMMAND},
        .io = fixture.io};
    ASSERT_OK(berth_backend_open(conformance_ops(), &config, &fixture.backend, &err), &err);
    return fixture;
}

struct fixture fixture_open(void)
{
    unsigned number;
    char facility[33];
    char data_dir[] = "/tmp/berth-conformance-XXXXXX";
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_random_bytes(&number, sizeof(number), &err), &err);
    (void)snprintf(facility, sizeof(facility), "conformance-%08x", number);
    ck_assert_ptr_nonnull(mkdtemp(data_dir));
    return open_facility(facility, data_dir);
}

/* A socket of that name: it goes when the test's process does. */
static int claim_open(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "berth-conformance-port-%u",
                       (unsigned)port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (bind(fd, (const struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0)
        berth_fd_close(&fd);
    return fd;
}

static bool is_free(uint16_t port, int type)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    BERTH_CLEANUP(fd) int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    return bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

uint16_t port_claim(void)
{
    for (uint16_t port = PORT_FIRST; port <= PORT_LAST; port++) {
        int claim = claim_open(port);
        if (claim >= 0 && is_free(port, SOCK_STREAM) && is_free(port, SOCK_DGRAM))
            return port;
        berth_fd_close(&claim);
    }
    ck_abort_msg("no port is free");
    return 0;
}

struct fixture fixture_again(const struct fixture *fixture)
{
    return open_facility(fixture->facility, fixture->data_dir);
}

void fixture_leave(struct fixture *fixture)
{
    berth_backend_close(fixture->backend);
    berth_engine_io_close(fixture->io);
    /* Empty, unless apps stay: a backend that keeps files removes those of an app with it. */
    static const char *const kept[] = {"/.states", ""};
    for (size_t i = 0; i < COUNT(kept); i++) {
        char folder[sizeof(fixture->data_dir) + sizeof(fixture->facility) + sizeof("/.states")];
        (void)snprintf(folder, sizeof(folder), "%s/%s%s", fixture->data_dir, fixture->facility,
                       kept[i]);
        (void)rmdir(folder);
    }
    (void)rmdir(fixture->data_dir);
    *fixture = (struct fixture){0};
}

void fixture_close(struct fixture *fixture)
{
    if (!fixture->backend)
        return;
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_list(fixture->backend, NULL, &apps, &err), &err);
    for (size_t i = 0; i < apps.count; i++)
        act_ok(fixture, BERTH_VERB_REMOVE, apps.items[i]->id);
    char data_dir[sizeof(fixture->data_dir)];
    memcpy(data_dir, fixture->data_dir, sizeof(data_dir));
    fixture_leave(fixture);
    ck_assert_msg(access(data_dir, F_OK) < 0, "%s is not empty", data_dir);
}

struct berth_create_spec spec_for(const char *user)
{
    static _Thread_local char app[64];
    (void)snprintf(app, sizeof(app), "test--%s", user);
    return (struct berth_create_spec){
        .app = app, .user = user, .image = conformance_image(), .image_label = conformance_image()};
}

char *app_create(struct fixture *fixture, const char *user)
{
    struct berth_create_spec spec = spec_for(user);
    struct berth_error err = BERTH_ERROR_INIT;
    char *id = NULL;
    ASSERT_OK(berth_backend_create(fixture->backend, &spec, &id, &err), &err);
    ck_assert_ptr_nonnull(id);
    app_wait(fixture, id);
    return id;
}

bool apps_are_operated(void)
{
    return conformance_ops()->start != NULL;
}

void app_end(struct fixture *fixture, const char *id)
{
    BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
    BERTH_CLEANUP(app) struct berth_app *app = app_get(fixture, id);
    struct berth_error err = BERTH_ERROR_INIT;
    const struct berth_engine_config config = {.facility = fixture->facility,
                                               .endpoint = getenv("BERTH_TEST_ENGINE"),
                                               .request_timeout_ms = REQUEST_TIMEOUT_MS,
                                               .connections = 1};
    ASSERT_OK(berth_engine_open(&config, &engine, &err), &err);
    ASSERT_OK(berth_engine_container_kill(engine, app->container, &err), &err);
    int64_t until_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    const struct timespec pause = {.tv_nsec = 50 * BERTH_NS_PER_MS};
    while (app_state(fixture, id) != BERTH_APP_EXITED) {
        ck_assert_msg(berth_clock_monotonic_ms() < until_ms, "app %s does not end", id);
        (void)nanosleep(&pause, NULL);
    }
}

enum berth_app_state first_state(void)
{
    return apps_are_operated() ? BERTH_APP_CREATED : BERTH_APP_RUNNING;
}

void app_wait(struct fixture *fixture, const char *id)
{
    int64_t until_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    const struct timespec pause = {.tv_nsec = 50 * BERTH_NS_PER_MS};
    while (!apps_are_operated() && app_state(fixture, id) == BERTH_APP_CREATED) {
        ck_assert_msg(berth_clock_monotonic_ms() < until_ms, "app %s does not start", id);
        (void)nanosleep(&pause, NULL);
    }
}

const char *verb_name(enum berth_verb verb)
{
    static const char *const names[] = {
        [BERTH_VERB_START] = "start",     [BERTH_VERB_STOP] = "stop",
        [BERTH_VERB_PAUSE] = "pause",     [BERTH_VERB_UNPAUSE] = "unpause",
        [BERTH_VERB_RESTART] = "restart", [BERTH_VERB_KILL] = "kill",
        [BERTH_VERB_REMOVE] = "remove",   [BERTH_VERB_REMOVE_ENDED] = "remove_ended",
    };
    return names[verb];
}

void act_ok(struct fixture *fixture, enum berth_verb verb, const char *id)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (verb == BERTH_VERB_START && !apps_are_operated())
        return;
    if (verb == BERTH_VERB_REMOVE && !conformance_ops()->remove)
        verb = BERTH_VERB_KILL;
    int status = berth_backend_act(fixture->backend, verb, id, &err);
    ck_assert_msg(status == 0, "%s: %s", verb_name(verb), err.message);
    app_settle(fixture, id);
}

/* Whether the log has told that the app is up. */
static bool look_for_up(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    bool *is_up = ctx;
    *is_up = *is_up || (len > 0 && (stream == BERTH_OUTPUT_STDERR || memmem(data, len, "up", 2)));
    return true;
}

void app_settle(struct fixture *fixture, const char *id)
{
    BERTH_CLEANUP(app) struct berth_app *app = is_rootfs() ? app_get(fixture, id) : NULL;
    const struct timespec pause = {.tv_nsec = 2 * BERTH_NS_PER_MS};
    int64_t until_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    bool is_up =
        !app || app->state != BERTH_APP_RUNNING || strcmp(app->command, ROOTFS_COMMAND) != 0;
    while (!is_up) {
        const struct berth_logs_spec spec = {.tail = -1, .since_ns = app->started_ns};
        struct berth_error err = BERTH_ERROR_INIT;
        ASSERT_OK(berth_backend_logs(fixture->backend, id, &spec, look_for_up, &is_up, &err), &err);
        ck_assert_msg(berth_clock_monotonic_ms() < until_ms, "app %s does not come up", id);
        (void)nanosleep(&pause, NULL);
    }
}

struct berth_app *app_get(struct fixture *fixture, const char *id)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_list(fixture->backend, id, &apps, &err), &err);
    ck_assert_uint_le(apps.count, 1);
    return apps.count == 1 ? berth_app_ref(apps.items[0]) : NULL;
}

enum berth_app_state app_state(struct fixture *fixture, const char *id)
{
    BERTH_CLEANUP(app) struct berth_app *app = app_get(fixture, id);
    ck_assert_msg(app != NULL, "no app %s", id);
    return app->state;
}

cJSON *app_inspect(struct fixture *fixture, const char *id)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(1 << 20);
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_inspect(fixture->backend, id, &body, &err), &err);
    cJSON *json = NULL;
    ASSERT_OK(berth_json_parse(berth_strbuf_str(&body), body.len, &json, &err), &err);
    return json;
}

size_t app_count(struct fixture *fixture)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_list(fixture->backend, NULL, &apps, &err), &err);
    return apps.count;
}
