/* SPDX-License-Identifier: MIT */
#include "facilities/minirun.h"

#include "base/text.h"
#include "facilities/apps_internal.h"

#include <string.h>

/* ---- Names ---- */

static int check_name(const char *name, struct berth_error *err)
{
    size_t len = strnlen(name, BERTH_MINIRUN_NAME_MAX + 1);
    bool is_good = len <= BERTH_MINIRUN_NAME_MAX && berth_is_alnum(name[0]);
    if (len == 0)
        return berth_error_set(err, BERTH_E_INVALID, "Container name is required");
    for (size_t i = 0; is_good && i < len; i++)
        is_good = berth_is_alnum(name[i]) || strchr("._-", name[i]);
    return is_good ? 0
                   : berth_error_set(err, BERTH_E_INVALID,
                                     "Container name must be 1 to %d letters, digits, '.', '_' or "
                                     "'-', the first a letter or a digit",
                                     BERTH_MINIRUN_NAME_MAX);
}

static int unknown(const char *name, struct berth_error *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : berth_error_set(err, BERTH_E_NOT_FOUND, "Container '%s' not found", name);
}

/* ---- Looking up ---- */

/* One that the facility API has made may be called by more than a name of this API. */
int berth_minirun_get(struct berth_facility *facility, const struct berth_caller *by,
                      const char *name, struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    if (berth_naming_check_app("name", name, NULL) < 0)
        return unknown(name, err);
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r < 0)
        return r;
    if (berth_apps_find(snapshot, by, name, &app, NULL) < 0)
        return unknown(name, err);
    *ret_app = berth_app_ref((struct berth_app *)(uintptr_t)app);
    return 0;
}

bool berth_minirun_is_running(const struct berth_app *app)
{
    return app->state == BERTH_APP_RUNNING || app->state == BERTH_APP_PAUSED ||
           app->state == BERTH_APP_RESTARTING;
}

/* ---- Changes ---- */

int berth_minirun_create(struct berth_facility *facility, const struct berth_caller *by,
                         const struct berth_minirun_request *request, struct berth_app **ret_app,
                         struct berth_error *err)
{
    const struct berth_rootfs_spec rootfs = {.rootfs = request->rootfs,
                                             .command = request->command,
                                             .terminal = true,
                                             .created_ns = request->created_ns};
    const char *caller = by->user[0] ? by->user : BERTH_OPEN_OWNER;
    const struct berth_apps_order order = {
        .app = request->name,
        .user = request->user ? request->user : caller,
        .rootfs = &rootfs,
    };
    int r = check_name(request->name, err);
    if (r == 0)
        r = berth_apps_make(facility, by, &order, ret_app, err);
    if (r == BERTH_E_EXISTS)
        return berth_error_set(err, r, "Container '%s' already exists", request->name);
    if (r == BERTH_E_NOT_FOUND) { /* what was asked for is what is wrong */
        if (err)
            err->status = BERTH_E_INVALID;
        return BERTH_E_INVALID;
    }
    return r;
}

static int check_state(const struct berth_app *app, enum berth_verb verb, struct berth_error *err)
{
    bool is_to_run = verb == BERTH_VERB_STOP || verb == BERTH_VERB_KILL;
    if (app->state == BERTH_APP_UNKNOWN || berth_minirun_is_running(app) == is_to_run)
        return 0;
    return berth_error_set(err, BERTH_E_CONFLICT, "Container '%s' is %srunning", app->name,
                           is_to_run ? "not " : "");
}

/* Somebody else may have been quicker: what is refused is said as if it had been seen at once. */
static int explain_conflict(struct berth_facility *facility, const struct berth_caller *by,
                            enum berth_verb verb, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    if (err && berth_minirun_get(facility, by, name, &app, NULL) == 0 &&
        check_state(app, verb, &why) < 0)
        *err = why;
    return BERTH_E_CONFLICT;
}

int berth_minirun_act(struct berth_facility *facility, const struct berth_caller *by,
                      enum berth_verb verb, const char *name, struct berth_app **ret_app,
                      struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    int r = berth_minirun_get(facility, by, name, &app, err);
    if (r == 0)
        r = check_state(app, verb, err);
    if (r < 0)
        return r;
    /* One that was started since is not removed. */
    r = berth_apps_act(facility, by, verb == BERTH_VERB_REMOVE ? BERTH_VERB_REMOVE_ENDED : verb,
                       name, err);
    if (r == BERTH_E_NOT_FOUND)
        return unknown(name, err);
    if (r == BERTH_E_CONFLICT)
        return explain_conflict(facility, by, verb, name, err);
    return r < 0 || verb == BERTH_VERB_REMOVE ? r
                                              : berth_minirun_get(facility, by, name, ret_app, err);
}
