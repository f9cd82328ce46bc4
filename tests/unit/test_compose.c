/* SPDX-License-Identifier: MIT */
/* What backend compose keeps in a project's folder; what Compose makes of it is for the conformance
 * suite. */
#include "backends/compose/compose_file.h"
#include "backends/compose/compose_project.h"
#include "base/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUID "c01234567-89ab-cdef-0123-456789abcdef"

/* ---- The file ---- */

static const struct berth_variable env[] = {{"APP_ENV", "production"}, {"PRICE", "$5 ${X}"}};
static const char *const tags[] = {"web", "production"};
static const struct berth_port ports[] = {{8080, 80, BERTH_TCP}, {5353, 53, BERTH_UDP}};
static const struct berth_container_spec container_spec = {
    .env = {env, 2}, .tags = {tags, 2}, .ports = {ports, 2}};

static struct berth_create_spec spec(const struct berth_container_spec *container)
{
    return (struct berth_create_spec){.app = container ? CUID "--ana" : "jupyter--ana",
                                      .user = "ana",
                                      .image_label = "jupyter:latest@sha256:12",
                                      .cpu_nano = 1500000000,
                                      .memory_bytes = INT64_C(4096) << 20,
                                      .pids = 2048,
                                      .run_as = container ? "1000:1000" : NULL,
                                      .gpus = container ? 0 : -1,
                                      .container = container};
}

static struct berth_compose_service service_of(const struct berth_container_spec *container)
{
    struct berth_create_spec asked = spec(container);
    struct berth_compose_service service = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = berth_compose_service_init(&asked, "jupyter:latest", asked.app, &service, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_eq(
        berth_compose_service_set(&service.created, "2026-01-20T15:30:00.000000000Z", NULL), 0);
    return service;
}

static char *text_of(const struct berth_compose_service *service)
{
    struct berth_strbuf out = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    struct berth_error err = BERTH_ERROR_INIT;
    const struct berth_compose_file file = {.facility = "demo", .cuid = CUID, .service = service};
    int rc = berth_compose_file_write(&file, &out, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return berth_strbuf_steal(&out, NULL);
}

START_TEST(the_file_is_as_people_write_it)
{
    static const struct {
        const char *name;
        const struct berth_container_spec *container;
    } rows[] = {{"compose-app.yaml", NULL}, {"compose-container.yaml", &container_spec}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(compose_service)
        struct berth_compose_service service = service_of(rows[i].container);
        BERTH_CLEANUP(free) char *text = text_of(&service);
        char path[512];
        char golden[8192] = "";
        (void)snprintf(path, sizeof(path), "%s/%s", UNIT_DATA, rows[i].name);
        BERTH_CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_msg(fd >= 0, "no %s", path);
        ck_assert_int_gt(read(fd, golden, sizeof(golden) - 1), 0);
        ck_assert_str_eq(text, golden);
    }
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    const struct berth_container_spec *rows[] = {NULL, &container_spec};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(compose_service) struct berth_compose_service service = service_of(rows[i]);
        BERTH_CLEANUP(compose_service) struct berth_compose_service read = {0};
        BERTH_CLEANUP(free) char *text = text_of(&service);
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = berth_compose_file_read(text, strlen(text), &read, &err);
        ck_assert_msg(rc == 0, "%s", err.message);
        ck_assert_uint_eq(read.asked.env_count, rows[i] ? 2 : 0);
        ck_assert_int_eq(read.asked.cpu_nano, 1500000000);
        ck_assert_int_eq(read.gpus, rows[i] ? 0 : -1);
        ck_assert(read.boots == (rows[i] != NULL));
        BERTH_CLEANUP(free) char *again = text_of(&read);
        ck_assert_str_eq(again, text);
    }
}
END_TEST

START_TEST(a_home_of_ones_own_is_told)
{
    static const struct berth_variable home = {"HOME", "/home/ana"};
    const struct berth_container_spec asked = {.env = {&home, 1}};
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = service_of(&asked);
    BERTH_CLEANUP(compose_service) struct berth_compose_service read = {0};
    BERTH_CLEANUP(free) char *text = text_of(&service);
    ck_assert_int_eq(berth_compose_file_read(text, strlen(text), &read, NULL), 0);
    ck_assert_uint_eq(read.asked.env_count, 1);
    ck_assert_str_eq(read.asked.env[0].value, "/home/ana");
}
END_TEST

START_TEST(what_others_wrote_is_no_file_of_ours)
{
    static const char *const rows[] = {
        "", "services: {}\n", "services: {app: {image: x}}\n", "services: [app]\n", "a: [\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_compose_service read = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_compose_file_read(rows[i], strlen(rows[i]), &read, &err),
                         BERTH_E_CONFLICT);
        ck_assert_int_eq(err.status, BERTH_E_CONFLICT);
        ck_assert_msg(strncmp(err.message, "compose.yaml: ", 14) == 0, "%s", err.message);
    }
}
END_TEST

START_TEST(out_of_memory_is_told)
{
    BERTH_CLEANUP(compose_service)
    struct berth_compose_service service = service_of(&container_spec);
    BERTH_CLEANUP(free) char *text = text_of(&service);
    struct berth_create_spec asked = spec(&container_spec);
    for (size_t n = 0;; n++) {
        struct berth_compose_service made = {0};
        struct berth_compose_service read = {0};
        unit_alloc_fail_after(n);
        int rc = berth_compose_service_init(&asked, "x", asked.app, &made, NULL);
        if (rc == 0)
            rc = berth_compose_file_read(text, strlen(text), &read, NULL);
        bool failed = unit_alloc_restore();
        berth_compose_service_release(&made);
        berth_compose_service_release(&read);
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

/* ---- A change ---- */

START_TEST(a_change_is_merged_or_refused)
{
    static const struct berth_variable merged[] = {
        {"PRICE", NULL}, {"NEW", "1"}, {"NONE", NULL}, {"APP_ENV", ""}};
    static const struct berth_port port = {9000, 90, BERTH_TCP};
    const struct berth_container_change change = {
        .env = {merged, 4},
        .tags = &(const struct berth_tags){0},
        .ports = &(const struct berth_ports){&port, 1},
        .cpu_nano = -1,
        .memory_bytes = 0,
        .pids = 7,
        .image = "other:1",
        .image_label = "other:1@sha256:34",
    };
    BERTH_CLEANUP(compose_service)
    struct berth_compose_service service = service_of(&container_spec);
    ck_assert_int_eq(berth_compose_service_apply(&service, &change, NULL), 0);
    const struct berth_container *asked = &service.asked;
    ck_assert_uint_eq(asked->env_count, 2);
    ck_assert_str_eq(asked->env[0].name, "APP_ENV");
    ck_assert_str_eq(asked->env[0].value, "");
    ck_assert_str_eq(asked->env[1].name, "NEW");
    ck_assert_uint_eq(asked->tag_count, 0);
    ck_assert_uint_eq(asked->port_count, 1);
    ck_assert_uint_eq(asked->ports[0].host, 9000);
    ck_assert_int_eq(asked->cpu_nano, 1500000000);
    ck_assert_int_eq(asked->memory_bytes, 0);
    ck_assert_int_eq(asked->pids, 7);
    ck_assert_str_eq(service.image_label, "other:1@sha256:34");

    static const struct berth_variable own = {"CONTAINER_UID", "x"};
    const struct berth_container_change refused = {
        .env = {&own, 1}, .cpu_nano = -1, .memory_bytes = -1, .pids = -1};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_compose_service_apply(&service, &refused, &err), BERTH_E_INVALID);
    ck_assert_pstr_eq(err.code, "INVALID_ENV");
}
END_TEST

/* ---- The folder ---- */

static int open_root(void)
{
    BERTH_CLEANUP(free) char *path = unit_scratch("root");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(root, 0);
    return root;
}

static void put(int folder, const char *name, const char *text)
{
    ck_assert_int_eq(berth_folder_write(folder, name, text, strlen(text), 0600, NULL), 0);
}

static struct stat status_of(int folder, const char *name)
{
    struct stat status;
    ck_assert_int_eq(fstatat(folder, name, &status, 0), 0);
    return status;
}

START_TEST(a_project_has_one_who_works_on_it)
{
    BERTH_CLEANUP(fd) int root = open_root();
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project other = BERTH_COMPOSE_PROJECT_INIT;
    ck_assert_int_eq(berth_compose_project_new(root, CUID, NULL, &project, NULL), 0);
    ck_assert_str_eq(project.cuid, CUID);
    ck_assert(berth_compose_project_is_unfinished(&project));
    ck_assert_int_eq(berth_compose_project_new(root, CUID, NULL, &other, NULL), BERTH_E_EXISTS);
    ck_assert_int_eq(berth_compose_project_open(root, CUID, 20, &other, NULL), BERTH_E_BUSY);
    put(project.folder, BERTH_COMPOSE_FILE, "name: x\n");
    ck_assert(berth_compose_project_is_unfinished(&project));
    ck_assert_int_eq(berth_compose_project_finish(&project, NULL), 0);
    ck_assert(!berth_compose_project_is_unfinished(&project));
    berth_compose_project_release(&project);
    ck_assert_int_eq(berth_compose_project_open(root, CUID, 0, &other, NULL), 0);
    ck_assert_int_eq(berth_compose_project_remove(root, &other, NULL), 0);
    ck_assert_int_eq(berth_compose_project_open(root, CUID, 0, &other, NULL), BERTH_E_NOT_FOUND);
}
END_TEST

START_TEST(a_change_that_fails_is_undone)
{
    BERTH_CLEANUP(fd) int root = open_root();
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    ck_assert_int_eq(berth_compose_project_new(root, NULL, NULL, &project, NULL), 0);
    ck_assert(berth_compose_is_cuid(project.cuid));
    put(project.folder, BERTH_COMPOSE_FILE, "name: before\n");
    ck_assert_int_eq(berth_compose_project_finish(&project, NULL), 0);
    static const enum berth_compose_before rows[] = {BERTH_BEFORE_STOPPED, BERTH_BEFORE_RUNNING,
                                                     BERTH_BEFORE_PAUSED};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct stat before = status_of(project.folder, BERTH_COMPOSE_FILE);
        ck_assert_int_eq(berth_compose_project_before(&project), BERTH_BEFORE_NONE);
        ck_assert_int_eq(berth_compose_project_keep(&project, rows[i], NULL), 0);
        ck_assert_int_eq(berth_compose_project_before(&project), rows[i]);
        if (i > 0) /* at first, the gateway ended before it came to that */
            put(project.folder, BERTH_COMPOSE_FILE, "name: after\n");
        ck_assert_int_eq(berth_compose_project_restore(&project, NULL), 0);
        ck_assert_int_eq(berth_compose_project_before(&project), rows[i]);
        struct stat after = status_of(project.folder, BERTH_COMPOSE_FILE);
        ck_assert_int_eq(after.st_ino, before.st_ino);
        ck_assert_int_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
        ck_assert_int_eq(berth_compose_project_drop(&project, NULL), 0);
        ck_assert_int_eq(berth_compose_project_before(&project), BERTH_BEFORE_NONE);
        ck_assert(!berth_compose_project_is_unfinished(&project));
    }
}
END_TEST

START_TEST(a_name_of_a_project_is_told_from_others)
{
    static const struct {
        const char *name;
        bool is_cuid;
    } rows[] = {
        {CUID, true},
        {"C01234567-89ab-cdef-0123-456789abcdef", false},
        {"c01234567-89AB-cdef-0123-456789abcdef", false},
        {"c01234567-89ab-cdef-0123-456789abcde", false},
        {"c01234567-89ab-cdef-0123-456789abcdef0", false},
        {"c0123456789abcdef-0123-456789abcdef---", false},
        {"c01234567-89ab-cdef-0123-456789abcde/", false},
        {"", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_compose_is_cuid(rows[i].name) == rows[i].is_cuid, "%s", rows[i].name);
}
END_TEST

UNIT_SUITE("compose", the_file_is_as_people_write_it, what_is_written_is_read_back,
           a_home_of_ones_own_is_told, what_others_wrote_is_no_file_of_ours, out_of_memory_is_told,
           a_change_is_merged_or_refused, a_project_has_one_who_works_on_it,
           a_change_that_fails_is_undone, a_name_of_a_project_is_told_from_others)
