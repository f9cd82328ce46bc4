/* SPDX-License-Identifier: MIT */
#include "facilities/apps_terminal.h"

#include "base/log.h"
#include "facilities/apps.h"
#include "facilities/audit.h"

static int audit(struct berth_facility *facility, const struct berth_caller *by, const char *action,
                 const char *name, const char *detail, struct berth_error *err)
{
    struct berth_store_request request;
    struct berth_audit_entry entry = {
        .by = by,
        .facility = facility->config.id,
        .action = action,
        .target = name,
        .detail = detail,
    };
    berth_audit_begin_write(facility->store, &request, &entry);
    return berth_store_end_write(facility->store, &request, err);
}

static int start(struct berth_facility *facility, const struct berth_caller *by, const char *name,
                 const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                 struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_apps_find(snapshot, by, name, &app, err);
    if (r == 0)
        r = berth_apps_check_service(app, spec->service, err);
    if (r == 0)
        r = berth_store_check_space(facility->store, err);
    if (r < 0)
        return r;
    r = berth_backend_exec(facility->backend, app->id, spec, ret_exec, err);
    if (r == BERTH_E_NOT_FOUND)
        return berth_apps_unknown(name, err);
    return r == BERTH_E_CONFLICT ? berth_error_wrap(err, "app %s", name) : r;
}

int berth_apps_exec(struct berth_facility *facility, const struct berth_caller *by,
                    const char *name, const struct berth_exec_spec *spec,
                    struct berth_exec **ret_exec, struct berth_error *err)
{
    BERTH_CLEANUP(exec) struct berth_exec *exec = NULL;
    int r = start(facility, by, name, spec, &exec, err);
    if (r == 0)
        r = audit(facility, by, "terminal-open", name, NULL, err);
    if (r == 0)
        *ret_exec = berth_steal(&exec);
    return r;
}

void berth_apps_exec_end(struct berth_facility *facility, const struct berth_caller *by,
                         const char *name, struct berth_exec *exec, const char *why)
{
    struct berth_error err = BERTH_ERROR_INIT;
    berth_exec_close(exec);
    if (audit(facility, by, "terminal-close", name, why, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "the end of a terminal is not recorded");
}
