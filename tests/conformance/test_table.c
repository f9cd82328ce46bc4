/* SPDX-License-Identifier: MIT */
/* Which backend must have which verb, and what is said about those it lacks. */
#include "tests/conformance/conformance.h"

#include <string.h>

enum { SOLO = 1, COMPOSE = 2, ROOTFS = 4, MEMORY = 8, SWARM = 16 };

#define ONE_HOST (SOLO | COMPOSE | ROOTFS | MEMORY)

static const struct {
    const char *name;
    unsigned bit;
} backends[] = {
    {"solo", SOLO}, {"compose", COMPOSE}, {"rootfs", ROOTFS}, {"memory", MEMORY}, {"swarm", SWARM},
};

#define VERB(name) #name, offsetof(struct berth_backend_ops, name)

static const struct {
    const char *name;
    size_t offset;
    unsigned required_of;
} verbs[] = {
    {VERB(open), ONE_HOST | SWARM},
    {VERB(close), ONE_HOST | SWARM},
    {VERB(list), ONE_HOST | SWARM},
    {VERB(create), ONE_HOST | SWARM},
    {VERB(start), ONE_HOST},
    {VERB(stop), ONE_HOST},
    {VERB(pause), ONE_HOST},
    {VERB(unpause), ONE_HOST},
    {VERB(restart), ONE_HOST},
    {VERB(kill), ONE_HOST | SWARM},
    {VERB(remove), ONE_HOST},
    {VERB(remove_ended), ROOTFS | MEMORY},
    {VERB(reset), ONE_HOST},
    {VERB(plan), COMPOSE},
    {VERB(update), COMPOSE | ROOTFS},
    {VERB(describe), COMPOSE | ROOTFS},
    {VERB(services), COMPOSE},
    {VERB(versions), COMPOSE | ROOTFS},
    {VERB(inspect), ONE_HOST | SWARM},
    {VERB(stats), ONE_HOST | SWARM},
    {VERB(logs), ONE_HOST | SWARM},
    {VERB(exec), ONE_HOST | SWARM},
    {VERB(attach), ROOTFS},
    {VERB(put_archive), COMPOSE | ROOTFS},
    {VERB(get_archive), COMPOSE | ROOTFS},
    {VERB(get_file), COMPOSE | ROOTFS},
    {VERB(images), SOLO | COMPOSE | MEMORY | SWARM},
    {VERB(pull), SOLO | COMPOSE | MEMORY | SWARM},
    {VERB(image_remove), SOLO | COMPOSE | MEMORY},
    {VERB(nodes), ONE_HOST | SWARM},
    {VERB(node_inspect), MEMORY | SWARM},
    {VERB(watch), ONE_HOST | SWARM},
};

static bool has_verb(const struct berth_backend_ops *ops, size_t offset)
{
    void (*verb)(void);
    memcpy(&verb, (const char *)ops + offset, sizeof(verb));
    return verb != NULL;
}

static unsigned bit_of(const char *name)
{
    for (size_t i = 0; i < COUNT(backends); i++)
        if (strcmp(backends[i].name, name) == 0)
            return backends[i].bit;
    ck_abort_msg("no row says what backend %s must have", name);
    return 0;
}

START_TEST(required_verbs_are_there)
{
    const struct berth_backend_ops *ops = conformance_ops();
    unsigned bit = bit_of(ops->name);
    BERTH_CLEANUP(strbuf) struct berth_strbuf lacks = BERTH_STRBUF_INIT(1024);
    for (size_t i = 0; i < COUNT(verbs); i++)
        if ((verbs[i].required_of & bit) && !has_verb(ops, verbs[i].offset))
            berth_strbuf_addf(&lacks, " %s", verbs[i].name);
    ck_assert_msg(lacks.len == 0, "%s lacks%s", ops->name, berth_strbuf_str(&lacks));
}
END_TEST

/* Calls the dispatcher of a verb that the backend lacks, with arguments it must not look at. */
static int call(struct berth_backend *backend, const char *verb, struct berth_error *err)
{
    static const char *const acts[] = {
        [BERTH_VERB_START] = "start",     [BERTH_VERB_STOP] = "stop",
        [BERTH_VERB_PAUSE] = "pause",     [BERTH_VERB_UNPAUSE] = "unpause",
        [BERTH_VERB_RESTART] = "restart", [BERTH_VERB_KILL] = "kill",
        [BERTH_VERB_REMOVE] = "remove",   [BERTH_VERB_REMOVE_ENDED] = "remove_ended",
    };
    for (size_t i = 0; i < COUNT(acts); i++)
        if (strcmp(verb, acts[i]) == 0)
            return berth_backend_act(backend, (enum berth_verb)i, unknown_id, err);
    if (strcmp(verb, "reset") == 0)
        return berth_backend_reset(backend, unknown_id, NULL, NULL, NULL, err);
    if (strcmp(verb, "plan") == 0)
        return berth_backend_plan(backend, NULL, NULL, err);
    if (strcmp(verb, "update") == 0)
        return berth_backend_update(backend, unknown_id, NULL, NULL, err);
    if (strcmp(verb, "describe") == 0)
        return berth_backend_describe(backend, NULL, NULL, err);
    if (strcmp(verb, "services") == 0)
        return berth_backend_services(backend, NULL, NULL, err);
    if (strcmp(verb, "versions") == 0)
        return berth_backend_versions(backend, NULL, err);
    if (strcmp(verb, "attach") == 0)
        return berth_backend_attach(backend, unknown_id, 0, 0, NULL, err);
    if (strcmp(verb, "put_archive") == 0)
        return berth_backend_put_archive(backend, NULL, -1, NULL, NULL, NULL, err);
    if (strcmp(verb, "get_archive") == 0)
        return berth_backend_get_archive(backend, NULL, "", NULL, NULL, err);
    if (strcmp(verb, "get_file") == 0)
        return berth_backend_get_file(backend, NULL, "", NULL, err);
    if (strcmp(verb, "images") == 0)
        return berth_backend_images(backend, NULL, err);
    if (strcmp(verb, "pull") == 0)
        return berth_backend_pull(backend, "demo:latest", NULL, NULL, NULL, NULL, err);
    if (strcmp(verb, "image_remove") == 0)
        return berth_backend_image_remove(backend, "demo:latest", err);
    if (strcmp(verb, "node_inspect") == 0)
        return berth_backend_node_inspect(backend, "host", NULL, err);
    ck_abort_msg("no backend may lack %s", verb);
    return 0;
}

static const char *endpoint_of(const char *verb)
{
    static const char *const endpoints[][2] = {
        {"start", "start-app"},
        {"stop", "stop-app"},
        {"pause", "pause-app"},
        {"unpause", "unpause-app"},
        {"restart", "restart-app"},
        {"remove", "delete-app"},
        {"remove_ended", "delete-app"},
        {"reset", "hard-reset-app"},
        {"update", "update-container"},
        {"plan", "create-project"},
        {"services", "get-container"},
        {"describe", "describe-container"},
        {"versions", "healthz"},
        {"put_archive", "upload-zip"},
        {"get_archive", "download-zip"},
        {"get_file", "download"},
        {"images", "get-images"},
        {"pull", "request-image"},
        {"image_remove", "remove-image"},
        {"node_inspect", "get-node-info"},
        {"attach", "attach"},
    };
    for (size_t i = 0; i < COUNT(endpoints); i++)
        if (strcmp(endpoints[i][0], verb) == 0)
            return endpoints[i][1];
    return "?";
}

START_TEST(lacking_verbs_are_refused_by_name)
{
    const struct berth_backend_ops *ops = conformance_ops();
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (has_verb(ops, verbs[i].offset))
            continue;
        struct berth_error err = BERTH_ERROR_INIT;
        char expected[128];
        (void)snprintf(expected, sizeof(expected), "%s endpoint incompatible with %s mode",
                       endpoint_of(verbs[i].name), ops->name);
        ASSERT_STATUS(call(fixture.backend, verbs[i].name, &err), BERTH_E_UNSUPPORTED, &err);
        ck_assert_str_eq(err.message, expected);
    }
}
END_TEST

TCase *case_table(void)
{
    TCase *tcase = tcase_create("table");
    tcase_add_test(tcase, required_verbs_are_there);
    tcase_add_test(tcase, lacking_verbs_are_refused_by_name);
    return tcase;
}
