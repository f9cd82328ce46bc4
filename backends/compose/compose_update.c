/* SPDX-License-Identifier: MIT */
/* Changes what an app is made of: the new file first, with the old one beside it, then the
 * container. Who finds an old file, and nobody at work, goes on from there. */
#include "backends/compose/compose_internal.h"
#include "backends/engine/engine_container.h"
#include "base/folder.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

static bool is_uncertain(int rc)
{
    return rc == BERTH_E_TIMEOUT || rc == BERTH_E_UNREACHABLE;
}

/* ---- From a file to its container ---- */

/* Compose, cut short, may have left a container under a name of the moment. */
static int remove_strays(struct berth_compose *compose, const char *cuid, const char *name,
                         struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        const char *told =
            cJSON_GetStringValue(cJSON_GetArrayItem(berth_json_get(entry, "Names"), 0));
        if (rc == 0 && (!told || strcmp(told + (told[0] == '/'), name) != 0))
            rc = berth_engine_container_destroy(compose->host.engine,
                                                berth_json_string(entry, "Id", ""), err);
    }
    return rc;
}

static int take_up(struct berth_compose *compose, const char *id, enum berth_compose_before before,
                   struct berth_error *err)
{
    int rc = before == BERTH_BEFORE_STOPPED ? 0 : berth_compose_start_container(compose, id, err);
    if (rc == 0 && before == BERTH_BEFORE_PAUSED)
        rc = berth_engine_container_pause(compose->host.engine, id, err);
    return rc;
}

/* Has the file's container made, and do what the one before did. */
static int settle(struct berth_compose *compose, const struct berth_compose_project *project,
                  enum berth_compose_before before, struct berth_error *err)
{
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    BERTH_CLEANUP(free) char *id = NULL;
    int rc = berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, &service, NULL, err);
    if (rc == 0 && service.asked.is_project)
        return berth_compose_own_settle(compose, project, &service, before, err);
    if (rc == 0)
        rc = remove_strays(compose, project->cuid, service.container, err);
    if (rc == 0)
        rc = berth_compose_up(compose, project, err);
    if (rc == 0)
        rc = berth_compose_find_made(compose, project->cuid, service.image, &id, err);
    return rc < 0 ? rc : take_up(compose, id, before, err);
}

int berth_compose_carry_out(struct berth_compose *compose,
                            const struct berth_compose_project *project, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    enum berth_compose_before before = berth_compose_project_before(project);
    int rc = settle(compose, project, before, err);
    if (is_uncertain(rc))
        return rc;
    if (rc < 0) {
        int undone = berth_compose_project_restore(project, &why);
        if (undone == 0)
            undone = settle(compose, project, before, &why);
        if (undone < 0)
            berth_log_error(BERTH_LOG_WARNING, &why,
                            "facility %s: a change of project %s failed, and what was there before "
                            "is not made again yet",
                            compose->host.facility, project->cuid);
        if (is_uncertain(undone)) {
            if (err)
                *err = why;
            return undone;
        }
    }
    int dropped = berth_compose_project_drop(project, &why);
    if (rc == 0 && dropped < 0 && err)
        *err = why;
    return rc < 0 ? rc : dropped;
}

/* ---- The change ---- */

static enum berth_compose_before state_before(enum berth_app_state state)
{
    if (state == BERTH_APP_PAUSED)
        return BERTH_BEFORE_PAUSED;
    return state == BERTH_APP_RUNNING || state == BERTH_APP_RESTARTING ? BERTH_BEFORE_RUNNING
                                                                       : BERTH_BEFORE_STOPPED;
}

/* ret_service: what the file is to say. */
static int plan(struct berth_compose *compose, const struct berth_compose_project *project,
                const struct berth_container_change *change,
                struct berth_compose_service *ret_service, struct berth_error *err)
{
    BERTH_CLEANUP(compose_service) struct berth_compose_service before = {0};
    const char *image = NULL;
    int rc = berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, &before, NULL, err);
    if (rc == 0)
        rc = berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, ret_service, NULL, err);
    if (rc == 0)
        rc = berth_compose_service_apply(ret_service, change, err);
    if (rc == 0 && change->image)
        rc = berth_compose_choose_image(compose, change->image, change->image_label, &image, err);
    if (rc == 0 && image)
        rc = berth_compose_service_set(&ret_service->image, image, err);
    return rc < 0 ? rc
                  : berth_compose_ports_check(compose, project->cuid, &ret_service->asked,
                                              &before.asked, err);
}

/* From here on who finds the project knows what to do. */
static int write_change(struct berth_compose *compose, const struct berth_compose_project *project,
                        const struct berth_compose_service *service,
                        enum berth_compose_before before, struct berth_error *err)
{
    int rc = berth_compose_project_keep(project, before, err);
    if (rc < 0)
        return rc;
    rc = berth_compose_write_file(compose, project, service, err);
    if (rc < 0)
        (void)!berth_compose_project_drop(project, NULL);
    return rc;
}

static int change_file(struct berth_compose *compose, const struct berth_compose_project *project,
                       const struct berth_container_change *change, enum berth_app_state state,
                       struct berth_error *err)
{
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    int rc = plan(compose, project, change, &service, err);
    return rc < 0 ? rc : write_change(compose, project, &service, state_before(state), err);
}

/* Of a project of its owner's file. */
static int change_own_file(struct berth_compose *compose,
                           const struct berth_compose_project *project,
                           const struct berth_container_change *change, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    enum berth_compose_before before = BERTH_BEFORE_NONE;
    int rc = berth_compose_own_plan(compose, project, change, &file, err);
    if (rc == 0)
        rc = berth_compose_own_before(compose, project->cuid, &before, err);
    if (rc == 0)
        rc = berth_compose_project_keep(project, before, err);
    if (rc < 0)
        return rc;
    if (change->project)
        rc = berth_compose_project_keep_original(project, change->project->container->compose, err);
    if (rc == 0)
        rc = berth_compose_own_write_tree(project->folder, file, err);
    if (rc < 0)
        (void)!berth_compose_project_drop(project, NULL);
    return rc;
}

/* Ports are looked for, and given to a container, while nobody else does. */
static int change_project(struct berth_compose *compose,
                          const struct berth_compose_project *project,
                          const struct berth_container_change *change,
                          const struct berth_compose_container *container, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = -1;
    int rc = change->ports || change->project ? berth_compose_ports_lock(compose, &held, err) : 0;
    if (rc == 0)
        rc = container->is_project ? change_own_file(compose, project, change, err)
                                   : change_file(compose, project, change, container->state, err);
    return rc < 0 ? rc : berth_compose_carry_out(compose, project, err);
}

static int find_changed(struct berth_compose *compose, const char *cuid, bool is_project,
                        char **ret_id, struct berth_error *err)
{
    return is_project ? berth_compose_own_find(compose, cuid, ret_id, err)
                      : berth_compose_find_made(compose, cuid, "", ret_id, err);
}

int berth_compose_update(struct berth_backend *backend, const char *id,
                         const struct berth_container_change *change, char **ret_id,
                         struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    struct berth_compose_container container;
    char version[BERTH_VERSION_MAX];
    int rc = berth_compose_program_find(&compose->program, version, err);
    if (rc == 0)
        rc = berth_compose_find_project(compose, id, &container, &project, err);
    if (rc < 0)
        return rc;
    if (project.folder < 0)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "the app was not created here, or its folder was lost");
    if (berth_compose_project_before(&project) != BERTH_BEFORE_NONE)
        return berth_error_set(err, BERTH_E_BUSY, "another change of the app is under way");
    rc = change_project(compose, &project, change, &container, err);
    if (rc == 0)
        rc = find_changed(compose, project.cuid, container.is_project, ret_id, err);
    if (berth_compose_project_before(&project) != BERTH_BEFORE_NONE)
        berth_compose_leave(compose, &project);
    return rc;
}
