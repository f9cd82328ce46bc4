/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_keeper.h"
#include "tests/conformance/conformance.h"

#include <signal.h>
#include <string.h>

#define EXIT_SKIPPED 77 /* as meson understands it */

/* A backend that stands on an engine needs one. */
static bool needs_engine(const char *backend)
{
    return strcmp(backend, "memory") != 0 && strcmp(backend, "rootfs") != 0;
}

static const char *missing(const char *backend)
{
    static const struct {
        const char *name;
        const char *backend; /* NULL: all that stand on an engine */
    } variables[] = {
        {"BERTH_TEST_ENGINE", NULL},       {"BERTH_TEST_IMAGE", NULL},
        {"BERTH_TEST_PULL", NULL},         {"BERTH_TEST_SWARM", "swarm"},
        {"BERTH_TEST_COMPOSE", "compose"}, {"BERTH_TEST_ROOTFS", "rootfs"},
    };
    for (size_t i = 0; i < COUNT(variables); i++) {
        const char *owner = variables[i].backend;
        if (((!owner && needs_engine(backend)) || (owner && strcmp(owner, backend) == 0)) &&
            !getenv(variables[i].name))
            return variables[i].name;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (berth_rootfs_keeper_main(argc, argv))
        return EXIT_SUCCESS;
    (void)signal(SIGPIPE, SIG_IGN); /* as the gateway has it */
    const char *backend = getenv("BERTH_TEST_BACKEND");
    if (!backend || !berth_backend_find(backend)) {
        (void)fprintf(stderr, "BERTH_TEST_BACKEND names no backend\n");
        return EXIT_FAILURE;
    }
    const char *variable = missing(backend);
    if (variable) {
        (void)fprintf(
            stderr,
            "%s is not set: run within python3 tests/lab [--swarm 1] [--rootfs] --registry -- …\n",
            variable);
        return getenv("CI") ? EXIT_FAILURE : EXIT_SKIPPED;
    }
    Suite *suite = suite_create(backend);
    suite_add_tcase(suite, case_table());
    suite_add_tcase(suite, case_apps());
    suite_add_tcase(suite, case_states());
    suite_add_tcase(suite, case_images());
    suite_add_tcase(suite, case_exec());
    suite_add_tcase(suite, case_files());
    suite_add_tcase(suite, case_host());
    suite_add_tcase(suite, case_logs());
    suite_add_tcase(suite, case_sharing());
    suite_add_tcase(suite, case_watch());
    suite_add_tcase(suite, case_containers());
    suite_add_tcase(suite, case_projects());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
