/* SPDX-License-Identifier: MIT */
#include "facilities/containers.h"

#include "backends/compose/compose.h"
#include "backends/compose/compose_project.h"

#include <string.h>

const char *berth_containers_cuid(const struct berth_app *app)
{
    const char *cuid = berth_app_label(app, BERTH_COMPOSE_LABEL);
    return cuid && berth_compose_is_cuid(cuid) ? cuid : NULL;
}

/* ---- Looking up ---- */

struct search {
    const char *cuid;
    const struct berth_app *found;
};

static bool has_cuid(const struct berth_app *app, const char *cuid)
{
    const char *own = berth_app_label(app, BERTH_COMPOSE_LABEL);
    return own && strcmp(own, cuid) == 0;
}

/* A container that was made by its API is called CUID--USER: it is the first not before CUID. */
static bool look_at_first(const struct berth_app *app, void *ctx)
{
    struct search *search = ctx;
    if (has_cuid(app, search->cuid))
        search->found = app;
    return false;
}

static bool look_at(const struct berth_app *app, void *ctx)
{
    struct search *search = ctx;
    if (has_cuid(app, search->cuid))
        search->found = app;
    return !search->found;
}

int berth_containers_find(const struct berth_snapshot *snapshot, const struct berth_caller *by,
                          const char *cuid, const struct berth_app **ret_app,
                          struct berth_error *err)
{
    bool sees_all = berth_caller_sees_all(by);
    struct search search = {.cuid = cuid};
    if (berth_compose_is_cuid(cuid)) {
        berth_snapshot_walk_by_name(snapshot, cuid, look_at_first, &search);
        if (!search.found)
            berth_snapshot_walk(snapshot, sees_all ? NULL : by->user, look_at, &search);
    }
    if (!search.found || (!sees_all && strcmp(search.found->user, by->user) != 0))
        return berth_error_set_coded(err, BERTH_E_NOT_FOUND, "CONTAINER_NOT_FOUND",
                                     "container %s does not exist", cuid);
    *ret_app = search.found;
    return 0;
}
