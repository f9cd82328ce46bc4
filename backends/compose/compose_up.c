/* SPDX-License-Identifier: MIT */
/* What Compose is run for. */
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "backends/engine/engine_container.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/log.h"

#include <string.h>

#define VOLUME_DIGITS 64 /* the name of a volume that nobody has named */

#define GRACE_MS (BERTH_STOP_GRACE_S * INT64_C(1000))

#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* The engine is asked why: Compose gives up in many words when it is not there. */
int berth_compose_explain(struct berth_compose *compose, int rc, struct berth_error *err)
{
    static const struct berth_engine_request ping = {.method = "GET", .path = BERTH_ENGINE_PING};
    struct berth_error why = BERTH_ERROR_INIT;
    if (rc != BERTH_E_REFUSED)
        return rc;
    int answered = berth_engine_call(compose->host.engine, &ping, NULL, &why);
    if (answered == 0)
        return rc;
    if (err)
        *err = why;
    return answered;
}

int berth_compose_up(struct berth_compose *compose, const struct berth_compose_project *project,
                     struct berth_error *err)
{
    const char *const args[] = {
        "--project-name", project->cuid, "--file", BERTH_COMPOSE_FILE, "create", "--pull",
        "never",          "--no-build",  NULL};
    int64_t timeout_ms = compose->request_timeout_ms + GRACE_MS;
    int rc = berth_compose_program_run(&compose->program, args, project->folder, project->folder,
                                       timeout_ms, err);
    return berth_compose_explain(compose, rc, err);
}

static bool is_anonymous(const char *volume)
{
    return strlen(volume) == VOLUME_DIGITS && strspn(volume, "0123456789abcdef") == VOLUME_DIGITS;
}

/* One that is in use, or was removed already, is nobody's mistake. */
static int remove_volume(struct berth_compose *compose, const char *name, struct berth_error *err)
{
    char path[sizeof("/volumes/") + VOLUME_DIGITS];
    struct berth_error why = BERTH_ERROR_INIT;
    (void)snprintf(path, sizeof(path), "/volumes/%s", name);
    const struct berth_engine_request request = {.method = "DELETE", .path = path};
    int rc = berth_engine_call(compose->host.engine, &request, NULL, &why);
    if (rc == 0 || rc == BERTH_E_NOT_FOUND || rc == BERTH_E_CONFLICT)
        return 0;
    if (err)
        *err = why;
    return rc;
}

int berth_compose_remove_volumes(struct berth_compose *compose, const cJSON *entry,
                                 struct berth_error *err)
{
    int rc = 0;
    const cJSON *mount;
    cJSON_ArrayForEach(mount, berth_json_get(entry, "Mounts"))
    {
        const char *name = berth_json_string(mount, "Name", "");
        if (rc == 0 && is_anonymous(name))
            rc = remove_volume(compose, name, err);
    }
    return rc;
}

static int run_down(struct berth_compose *compose, const struct berth_compose_project *project,
                    struct berth_error *err)
{
    /* By its name alone: what is removed is what bears the project's label, whatever has become of
     * the file. */
    const char *const args[] = {"--project-name",
                                project->cuid,
                                "down",
                                "--volumes",
                                "--timeout",
                                TEXT_OF(BERTH_STOP_GRACE_S),
                                NULL};
    int64_t timeout_ms = compose->request_timeout_ms + GRACE_MS;
    int rc =
        berth_compose_program_run(&compose->program, args, -1, project->folder, timeout_ms, err);
    return berth_compose_explain(compose, rc, err);
}

int berth_compose_down(struct berth_compose *compose, const struct berth_compose_project *project,
                       struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, project->cuid, &entries, err);
    if (rc == 0)
        rc = run_down(compose, project, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (rc == 0)
            rc = berth_compose_remove_volumes(compose, entry, err);
    }
    return rc;
}

static int remove_containers(struct berth_compose *compose, const char *cuid,
                             struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (rc == 0)
            rc = berth_engine_container_remove(compose->host.engine,
                                               berth_json_string(entry, "Id", ""), err);
    }
    return rc;
}

void berth_compose_leave(struct berth_compose *compose, struct berth_compose_project *project)
{
    berth_compose_project_release(project);
    (void)!berth_compose_mend(compose, NULL); /* else at the next open */
}

int berth_compose_discard(struct berth_compose *compose, struct berth_compose_project *project,
                          struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    /* An engine that was too slow may yet make the container of an order that we gave up: without
     * the mount it refuses. */
    int rc = berth_compose_project_unmount(project, &why);
    if (rc == 0)
        rc = remove_containers(compose, project->cuid, &why);
    if (rc == 0 && berth_folder_has(project->folder, BERTH_COMPOSE_ORIGINAL))
        rc = berth_compose_down(compose, project, &why); /* it has networks and volumes */
    if (rc == 0)
        rc = berth_compose_project_remove(compose->root, project, &why);
    if (rc < 0) {
        berth_log_error(BERTH_LOG_WARNING, &why, "project %s is still to be removed",
                        project->cuid);
        berth_compose_leave(compose, project);
        if (err)
            *err = why;
    }
    return rc;
}
