/* SPDX-License-Identifier: MIT */
/*
 * What a compose file of its owner's may say (compose-spec.io). What is not
 * named here is refused, by its path in the file: "services.web.privileged:
 * not allowed". The same is asked of the owner's text and of what Compose
 * makes of it (its normal form), so that short syntax hides nothing.
 *
 * Rules, and why: docs/compose-files.md.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_POLICY_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_POLICY_H

#include "base/json.h"

/* The code of the errors. */
#define BERTH_COMPOSE_REFUSED "COMPOSE_REFUSED"

/* Strings are borrowed for the call. */
struct berth_compose_policy {
    int64_t gpus;        /* of all services together; 0 none, -1 any number */
    bool is_user_fixed;  /* nothing runs as root, or as a name that an image may call root */
    const char *project; /* of the normal form: the project's name; NULL: the owner's text */
    const char *mount;   /* of the normal form: the absolute path that ./ has become */
};

/*
 * Reads the owner's text, at most BERTH_COMPOSE_TEXT_MAX long. BERTH_E_INVALID
 * names the line, BERTH_E_TOO_LARGE.
 */
BERTH_MUST_CHECK int berth_compose_policy_read(const char *text, size_t len, cJSON **ret_file,
                                               struct berth_error *err);

/* BERTH_E_INVALID names the path. */
BERTH_MUST_CHECK int berth_compose_policy_check(const struct berth_compose_policy *policy,
                                                const cJSON *file, struct berth_error *err);

/*
 * Of a file that was checked: the service that stands for the project. It is
 * that of x-berth.main, else the first that publishes a port, else the first.
 */
const char *berth_compose_policy_main(const cJSON *file);

#endif
