/* SPDX-License-Identifier: MIT */
/*
 * The files of a mount that a project of its owner's compose file uses. A
 * container may have put links there, as long as it could; what Compose reads
 * as root, and what the engine binds, is to lead nowhere else.
 *
 * Threading: the project's lock is held.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_OWN_FILES_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_OWN_FILES_H

#include "backends/compose/compose_project.h"
#include "base/json.h"

/*
 * A folder in which Compose looks at a file that is not the project's yet: the
 * file, and what stands for the mount, which has the files that it reads
 * (env_file), and nobody else's hands.
 */
struct berth_compose_stage {
    int mount;
};

#define BERTH_COMPOSE_STAGE_INIT                                                                   \
    {                                                                                              \
        .mount = -1                                                                                \
    }

/* The file, as it is called from there. */
#define BERTH_COMPOSE_STAGED_FILE "../" BERTH_COMPOSE_FILE

/* file: checked by policy. BERTH_E_INVALID (COMPOSE_REFUSED): a link is in the way of a file that
 * it reads. In any case the stage is to be closed. */
BERTH_MUST_CHECK int berth_compose_stage_open(int folder, const cJSON *file,
                                              struct berth_compose_stage *ret_stage,
                                              struct berth_error *err);
void berth_compose_stage_close(int folder, struct berth_compose_stage *stage);

/* Makes the folders that the services of the project's file bind and that are not there. Errors
 * as below. */
BERTH_MUST_CHECK int berth_compose_own_bind(const struct berth_compose_project *project,
                                            struct berth_error *err);

/* Whether a way to what they bind leads over a link. It is asked when no container runs any more
 * that could make one: BERTH_E_INVALID (COMPOSE_REFUSED). */
BERTH_MUST_CHECK int berth_compose_own_check_binds(const struct berth_compose_project *project,
                                                   struct berth_error *err);

#endif
