/* SPDX-License-Identifier: MIT */
/*
 * The environment a gateway is started in: variables of the process, and under
 * them those of a .env file. A secret may be given as NAME_FILE, the path of a
 * file that holds it.
 *
 * Threading: used by the main thread while it loads the configuration.
 */
#ifndef BERTH_GATEWAY_ENVIRONMENT_H
#define BERTH_GATEWAY_ENVIRONMENT_H

#include "base/error.h"

#include <stdbool.h>

struct berth_environment {
    char **names; /* of the .env file */
    char **values;
    size_t count;
};

#define BERTH_ENVIRONMENT_INIT                                                                     \
    {                                                                                              \
        0                                                                                          \
    }

void berth_environment_release(struct berth_environment *environment);
BERTH_DEFINE_CLEANUP_VALUE(environment, struct berth_environment, berth_environment_release)

/*
 * Reads NAME=VALUE lines: blank lines and # comments are skipped, `export` and
 * one pair of quotes around a value are taken off; of a name that is set twice
 * the last counts. A line that is none of this is BERTH_E_INVALID with file and
 * line. required: a missing file is an error.
 */
BERTH_MUST_CHECK int berth_environment_load(const char *path, bool required,
                                            struct berth_environment *environment,
                                            struct berth_error *err);

/* A copy of the variable's value, from the process first; NULL when it is unset or empty. */
BERTH_MUST_CHECK int berth_environment_get(const struct berth_environment *environment,
                                           const char *name, char **ret_value,
                                           struct berth_error *err);

/* As get, or the content of the file that NAME_FILE names, without its last newline; either in the
 * process comes before either in the file. */
BERTH_MUST_CHECK int berth_environment_get_secret(const struct berth_environment *environment,
                                                  const char *name, char **ret_value,
                                                  struct berth_error *err);

#endif
