/* SPDX-License-Identifier: MIT */
/* What the swarm backend asks its manager and its nodes' engines for, and what it makes of it. */
#include "backends/swarm/swarm_internal.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#include <string.h>

#define V "/v1.41"

/* A facility over two engines: n1 manages, n2 is node.n2. */
struct scene {
    struct canned_server *manager;
    struct canned_server *node;
    struct berth_engine_io *io;
    struct berth_backend *backend;
};

#define NODES                                                                                      \
    "200 "                                                                                         \
    "[{\"ID\":\"id1\",\"Description\":{\"Hostname\":\"n1\"},\"Status\":{\"State\":\"ready\"}},"    \
    "{\"ID\":\"id2\",\"Description\":{\"Hostname\":\"n2\"},\"Status\":{\"State\":\"ready\"}}]"
#define INFO "200 {\"Swarm\":{\"NodeID\":\"id1\"}}"

static struct scene scene_open(const struct canned_rule *manager, const struct canned_rule *node)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct scene scene = {.manager = canned_server_new(manager, "1.41"),
                          .node = canned_server_new(node, "1.41")};
    BERTH_CLEANUP(free) char *engine = strdup(canned_server_endpoint(scene.node));
    char hostname[] = "n2";
    struct berth_node_endpoint endpoint = {.hostname = hostname, .engine = engine};
    ck_assert_int_eq(berth_engine_io_open(&scene.io, NULL), 0);
    const struct berth_backend_config config = {.facility = "demo",
                                                .engine = canned_server_endpoint(scene.manager),
                                                .request_timeout_ms = 30000,
                                                .max_inflight = 4,
                                                .swarm_mode = BERTH_SWARM_JOB,
                                                .nodes = {.items = &endpoint, .count = 1},
                                                .io = scene.io};
    int status = berth_backend_open(&berth_swarm_ops, &config, &scene.backend, &err);
    ck_assert_msg(status == 0, "%s", err.message);
    return scene;
}

static void scene_release(struct scene *scene)
{
    berth_backend_close(scene->backend);
    berth_engine_io_close(scene->io);
    canned_server_free(scene->manager);
    canned_server_free(scene->node);
}

BERTH_DEFINE_CLEANUP_VALUE(scene, struct scene, scene_release)

static unsigned times(const char *asked, const char *request)
{
    unsigned count = 0;
    for (const char *at = strstr(asked, request); at; at = strstr(at + 1, request))
        count++;
    return count;
}

/* ---- An app of that name ---- */

#define SERVICE                                                                                    \
    "{\"ID\":\"svc1\",\"Version\":{\"Index\":7},\"Spec\":{\"Name\":\"a--ana\",\"Labels\":{"        \
    "\"berth.facility\":\"demo\",\"berth.app\":\"a--ana\"},\"Mode\":{\"%s\":{}}}}"

START_TEST(a_job_that_has_ended_makes_way)
{
    static const struct {
        const char *name;
        const char *mode;
        const char *task;      /* its state, by the manager */
        const char *container; /* the manager knows it */
        const char *state;     /* its state, by the node's engine */
        int status;
    } rows[] = {
        {"it runs", "ReplicatedJob", "running", "c1", "running", BERTH_E_EXISTS},
        {"it has ended, and the manager knows", "ReplicatedJob", "complete", "c1", "exited", 0},
        {"the manager does not know yet", "ReplicatedJob", "running", "c1", "exited", 0},
        {"nor that it began", "ReplicatedJob", "starting", "c1", "exited", 0},
        {"it begins", "ReplicatedJob", "starting", "c1", "running", BERTH_E_EXISTS},
        {"it is to begin", "ReplicatedJob", "preparing", "", "exited", BERTH_E_EXISTS},
        {"it is no job", "Replicated", "failed", "c1", "exited", BERTH_E_EXISTS},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char service[512];
        char services[600];
        char task[600];
        char container[600];
        (void)snprintf(service, sizeof(service), "200 " SERVICE, rows[i].mode);
        (void)snprintf(services, sizeof(services), "200 [%s]", service + 4);
        (void)snprintf(task, sizeof(task),
                       "200 [{\"ID\":\"t1\",\"ServiceID\":\"svc1\",\"NodeID\":\"id2\",\"Status\":{"
                       "\"State\":\"%s\",\"ContainerStatus\":{\"ContainerID\":\"%s\"}}}]",
                       rows[i].task, rows[i].container);
        (void)snprintf(container, sizeof(container),
                       "200 {\"Id\":\"c1\",\"State\":{\"Status\":\"%s\"},\"Config\":{\"Labels\":{"
                       "\"berth.facility\":\"demo\",\"com.docker.swarm.task.id\":\"t1\"}}}",
                       rows[i].state);
        const struct canned_rule manager[] = {
            {"GET " V "/nodes", NODES, 0, 0},
            {"GET " V "/info", INFO, 0, 0},
            {"GET " V "/images/json", "200 []", 0, 0},
            {"GET " V "/images/", "200 {\"Id\":\"sha256:1\"}", 0, 0},
            {"GET " V "/services/svc1", service, 0, 0},
            {"GET " V "/services?", services, 0, 0},
            {"GET " V "/tasks?", task, 0, 0},
            {"POST " V "/services/svc1/update", "200 {}", 0, 0},
            {"DELETE " V "/services/svc1", "200 ", 0, 0},
            {"POST " V "/services/create", "201 {\"ID\":\"svc2\"}", 0, 0},
            {0},
        };
        const struct canned_rule node[] = {
            {"GET " V "/containers/c1/json", container, 0, 0},
            {"GET " V "/containers/json?", "200 [{\"Id\":\"c1\"}]", 0, 0},
            {"GET " V "/images/json", "200 []", 0, 0},
            {0}};
        BERTH_CLEANUP(scene) struct scene scene = scene_open(manager, node);
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(free) char *id = NULL;
        const struct berth_create_spec spec = {
            .app = "a--ana", .user = "ana", .image = "a:1", .image_label = "a:1"};
        int status = berth_backend_create(scene.backend, &spec, &id, &err);
        ck_assert_msg(status == rows[i].status, "%s: %s", rows[i].name, err.message);
        ck_assert_uint_eq(times(canned_server_asked(scene.manager), "DELETE " V "/services/svc1\n"),
                          status == 0);
    }
}
END_TEST

/* ---- Images ---- */

#define IN_USE   "409 {\"message\":\"conflict: in use\"}"
#define NO_IMAGE "404 {\"message\":\"No such image: a:1\"}"

START_TEST(an_image_goes_where_nothing_uses_it)
{
    static const struct {
        const char *name;
        const char *manager;
        const char *node;
        int status;
        const char *message;
    } rows[] = {
        {"everywhere", "200 []", "200 []", 0, ""},
        {"where it is", "200 []", NO_IMAGE, 0, ""},
        {"on a node alone", NO_IMAGE, "200 []", 0, ""},
        {"nowhere", NO_IMAGE, NO_IMAGE, BERTH_E_NOT_FOUND, "No such image: a:1"},
        {"used on the node", "200 []", IN_USE, BERTH_E_CONFLICT,
         "it is in use on n2, and gone from the others: conflict: in use"},
        {"used at the manager", IN_USE, "200 []", BERTH_E_CONFLICT,
         "it is in use on the manager, and gone from the others: conflict: in use"},
        {"used on both", IN_USE, IN_USE, BERTH_E_CONFLICT,
         "it is in use on the manager, n2: conflict: in use"},
        {"the node does not want to", "200 []", "500 {\"message\":\"no\"}", 0, ""},
        {"the manager does not want to", "500 {\"message\":\"no\"}", "200 []", BERTH_E_REFUSED,
         "no"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct canned_rule manager[] = {
            {"GET " V "/nodes", NODES, 0, 0}, {"DELETE " V "/images/", rows[i].manager, 0, 0}, {0}};
        const struct canned_rule node[] = {{"DELETE " V "/images/", rows[i].node, 0, 0}, {0}};
        BERTH_CLEANUP(scene) struct scene scene = scene_open(manager, node);
        struct berth_error err = BERTH_ERROR_INIT;
        int status = berth_backend_image_remove(scene.backend, "a:1", &err);
        ck_assert_msg(status == rows[i].status, "%s: %s", rows[i].name, err.message);
        ck_assert_msg(strcmp(err.message, rows[i].message) == 0, "%s: %s", rows[i].name,
                      err.message);
        ck_assert_uint_eq(times(canned_server_asked(scene.node), "DELETE "), 1);
    }
}
END_TEST

#define IMAGE(id, tag)                                                                             \
    "{\"Id\":\"" id "\",\"RepoTags\":[\"" tag "\"],\"RepoDigests\":[],\"Created\":1}"

START_TEST(images_are_those_of_all_engines_that_answer)
{
    static const struct {
        const char *name;
        const char *manager;
        const char *node;
        int status;
        const char *ids; /* of a:1 and b:1 */
    } rows[] = {
        {"both", "200 [" IMAGE("1", "a:1") "]", "200 [" IMAGE("2", "a:1") "," IMAGE("3", "b:1") "]",
         0, "1 3"},
        {"no answer of the node", "200 [" IMAGE("1", "a:1") "]", "500 {\"message\":\"no\"}", 0,
         "1 none"},
        {"no answer of the manager", "500 {\"message\":\"no\"}", "200 [" IMAGE("3", "b:1") "]",
         BERTH_E_REFUSED, NULL},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct canned_rule manager[] = {{"GET " V "/nodes", NODES, 0, 0},
                                              {"GET " V "/images/json", rows[i].manager, 0, 0},
                                              {0}};
        const struct canned_rule node[] = {{"GET " V "/images/json", rows[i].node, 0, 0}, {0}};
        BERTH_CLEANUP(scene) struct scene scene = scene_open(manager, node);
        BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
        char ids[32];
        ck_assert_int_eq(berth_backend_images(scene.backend, &images, NULL), rows[i].status);
        if (!images)
            continue;
        const struct berth_image *a = berth_image_list_find(images, "a:1");
        const struct berth_image *b = berth_image_list_find(images, "b:1");
        (void)snprintf(ids, sizeof(ids), "%s %s", a ? a->id : "none", b ? b->id : "none");
        ck_assert_msg(strcmp(ids, rows[i].ids) == 0, "%s: %s", rows[i].name, ids);
    }
}
END_TEST

UNIT_SUITE("swarm_calls", a_job_that_has_ended_makes_way, an_image_goes_where_nothing_uses_it,
           images_are_those_of_all_engines_that_answer)
