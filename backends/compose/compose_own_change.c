/* SPDX-License-Identifier: MIT */
/*
 * Changes a project of its owner's compose file, and makes it anew. What berth
 * adds to the file is changed in it; another text of its owner's makes another
 * file, for which all that was said beside the one before still holds.
 */
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "backends/compose/compose_own_files.h"
#include "backends/engine/engine_container.h"
#include "base/limits.h"

#include <string.h>

/* Before the name of a container that Compose makes in the place of another: 12 digits of that
 * one's id, and an underscore. */
#define STRAY_DIGITS 12

static const char *label_of(const cJSON *entry, const char *name)
{
    return berth_json_string(berth_json_get(entry, "Labels"), name, "");
}

static const char *name_of(const cJSON *entry)
{
    const char *told = cJSON_GetStringValue(cJSON_GetArrayItem(berth_json_get(entry, "Names"), 0));
    return told ? told + (told[0] == '/') : "";
}

static const char *main_of(const cJSON *file)
{
    return berth_json_string(berth_json_get(file, "x-berth"), "main", "");
}

/* ---- What is there ---- */

int berth_compose_own_before(struct berth_compose *compose, const char *cuid,
                             enum berth_compose_before *ret_before, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    enum berth_compose_before before = BERTH_BEFORE_STOPPED;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        enum berth_app_state state = berth_app_state_parse(berth_json_string(entry, "State", ""));
        if (state == BERTH_APP_RUNNING || state == BERTH_APP_RESTARTING)
            before = BERTH_BEFORE_RUNNING;
        else if (state == BERTH_APP_PAUSED && before == BERTH_BEFORE_STOPPED)
            before = BERTH_BEFORE_PAUSED;
    }
    if (rc == 0)
        *ret_before = before;
    return rc;
}

/* The images that run are those that run again, wherever their names have gone meanwhile. */
static int pin_images(struct berth_compose *compose, const char *cuid, cJSON *file,
                      struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        cJSON *service =
            cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(file, "services"),
                                             label_of(entry, BERTH_COMPOSE_SERVICE_LABEL));
        const char *image = NULL;
        if (rc < 0 || !service)
            continue;
        rc = berth_compose_choose_image(compose, berth_json_string(entry, "ImageID", ""),
                                        berth_json_string(service, "image", ""), &image, err);
        if (rc == 0 && image != berth_json_get(service, "image")->valuestring &&
            berth_compose_own_put(service, "image", cJSON_CreateString(image)) < 0)
            rc = berth_error_nomem(err);
    }
    return rc;
}

/* ---- Planning a change ---- */

static int plan_change(struct berth_compose *compose, const struct berth_compose_project *project,
                       const cJSON *overrides, const struct berth_compose_service *service,
                       cJSON *file, struct berth_error *err)
{
    const struct berth_compose_own own = {.facility = compose->host.facility,
                                          .cuid = project->cuid,
                                          .main = main_of(file),
                                          .overrides = overrides,
                                          .service = service};
    int rc = pin_images(compose, project->cuid, file, err);
    return rc < 0 ? rc : berth_compose_own_change(&own, file, err);
}

/* Image, user and ports are those of the new text. */
static int plan_anew(struct berth_compose *compose, const struct berth_compose_project *project,
                     const struct berth_create_spec *spec, const cJSON *overrides,
                     struct berth_compose_service *service, cJSON **ret_file,
                     struct berth_error *err)
{
    BERTH_CLEANUP(compose_service) struct berth_compose_service before = {0};
    int rc = berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, &before, NULL, err);
    service->asked.port_count = 0;
    free(service->run_as);
    service->run_as = NULL;
    if (rc == 0 && spec->run_as)
        rc = berth_compose_service_set(&service->run_as, spec->run_as, err);
    if (rc == 0)
        rc = berth_compose_service_set(&service->image_label, spec->image_label, err);
    if (rc == 0)
        rc = berth_compose_own_make_file(compose, project, spec, overrides, service, ret_file, err);
    return rc < 0 ? rc
                  : berth_compose_ports_check(compose, project->cuid, &service->asked,
                                              &before.asked, err);
}

int berth_compose_own_plan(struct berth_compose *compose,
                           const struct berth_compose_project *project,
                           const struct berth_container_change *change, cJSON **ret_file,
                           struct berth_error *err)
{
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    BERTH_CLEANUP(json) cJSON *file = NULL;
    BERTH_CLEANUP(json) cJSON *overrides = NULL;
    int rc = berth_compose_read_tree(project->folder, BERTH_COMPOSE_FILE, &file, err);
    if (rc == 0)
        rc = berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, &service, NULL, err);
    if (rc == 0)
        rc = berth_compose_service_apply(&service, change, err);
    if (rc < 0)
        return rc;
    overrides = berth_compose_own_overrides(file);
    rc = overrides ? berth_compose_own_override(overrides, &change->env) : BERTH_E_NOMEM;
    if (rc < 0)
        return berth_error_nomem(err);
    if (change->project)
        return plan_anew(compose, project, change->project, overrides, &service, ret_file, err);
    rc = plan_change(compose, project, overrides, &service, file, err);
    if (rc == 0)
        *ret_file = berth_steal(&file);
    return rc;
}

/* ---- From a file to its containers ---- */

static bool is_stray(const char *name)
{
    return strspn(name, "0123456789abcdef") == STRAY_DIGITS && name[STRAY_DIGITS] == '_';
}

static bool has_twin(const cJSON *entries, const cJSON *stray)
{
    static const char *const labels[] = {BERTH_COMPOSE_SERVICE_LABEL,
                                         "com.docker.compose.container-number"};
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (entry != stray && strcmp(label_of(entry, labels[0]), label_of(stray, labels[0])) == 0 &&
            strcmp(label_of(entry, labels[1]), label_of(stray, labels[1])) == 0)
            return true;
    }
    return false;
}

/* Another service is to have the app's name: Compose, too, keeps what it replaces under such a name
 * for a moment. */
static int give_way(struct berth_compose *compose, const cJSON *entry, const char *name,
                    struct berth_error *err)
{
    char other[STRAY_DIGITS + 1 + BERTH_APP_MAX + 1 + BERTH_FACILITY_ID_MAX + 1];
    const char *id = berth_json_string(entry, "Id", "");
    (void)snprintf(other, sizeof(other), "%.*s_%s", STRAY_DIGITS, id, name);
    return berth_engine_container_rename(compose->host.engine, id, other, err);
}

/* What would be in Compose's way: what it left, cut short, under a name of the moment, and the one
 * that has the app's name where another service is to have it. */
static int clear_way(struct berth_compose *compose, const char *cuid, const char *main,
                     const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        bool is_main = strcmp(label_of(entry, BERTH_COMPOSE_SERVICE_LABEL), main) == 0;
        if (rc == 0 && strcmp(name_of(entry), name) == 0 && !is_main)
            rc = give_way(compose, entry, name, err);
        else if (rc == 0 && is_stray(name_of(entry)) && has_twin(entries, entry))
            rc = berth_engine_container_destroy(compose->host.engine,
                                                berth_json_string(entry, "Id", ""), err);
    }
    return rc;
}

static int stop_container(struct berth_compose *compose, const cJSON *entry,
                          struct berth_error *err)
{
    return berth_engine_container_stop(compose->host.engine, berth_json_string(entry, "Id", ""),
                                       err);
}

static int remove_container(struct berth_compose *compose, const cJSON *entry,
                            struct berth_error *err)
{
    int rc = berth_engine_container_remove(compose->host.engine, berth_json_string(entry, "Id", ""),
                                           err);
    return rc < 0 ? rc : berth_compose_remove_volumes(compose, entry, err);
}

/* To those of services that the file does not have. */
static int act_on_rest(struct berth_compose *compose, const char *cuid, const cJSON *services,
                       int (*act)(struct berth_compose *compose, const cJSON *entry,
                                  struct berth_error *err),
                       struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (rc == 0 && !berth_json_get(services, label_of(entry, BERTH_COMPOSE_SERVICE_LABEL)))
            rc = act(compose, entry, err);
    }
    return rc;
}

static int take_up(struct berth_compose *compose, const struct berth_compose_project *project,
                   enum berth_compose_before before, struct berth_error *err)
{
    if (before == BERTH_BEFORE_STOPPED)
        return 0;
    /* One that is paused, and was not made anew, cannot be started. */
    int rc = berth_compose_act_on_all(compose, project->cuid, berth_engine_container_unpause, err);
    if (rc == 0)
        rc = berth_compose_start_file(compose, project, err);
    if (rc == 0 && before == BERTH_BEFORE_PAUSED)
        rc = berth_compose_act_on_all(compose, project->cuid, berth_engine_container_pause, err);
    return rc;
}

/* Services that are no more are stopped before anything is started, and removed when all of it has
 * been done: until then it may be undone. */
int berth_compose_own_settle(struct berth_compose *compose,
                             const struct berth_compose_project *project,
                             const struct berth_compose_service *service,
                             enum berth_compose_before before, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = berth_compose_read_tree(project->folder, BERTH_COMPOSE_FILE, &file, err);
    const cJSON *services = berth_json_get(file, "services");
    if (rc == 0)
        rc = clear_way(compose, project->cuid, main_of(file), service->container, err);
    if (rc == 0)
        rc = berth_compose_own_bind(project, err);
    if (rc == 0)
        rc = berth_compose_up(compose, project, err);
    if (rc == 0)
        rc = act_on_rest(compose, project->cuid, services, stop_container, err);
    if (rc == 0)
        rc = berth_compose_own_check_binds(project, err);
    if (rc == 0)
        rc = take_up(compose, project, before, err);
    return rc < 0 ? rc : act_on_rest(compose, project->cuid, services, remove_container, err);
}

/* ---- Making all of it anew ---- */

/* Files that containers are given as secrets and configurations, and that an empty mount lacks. */
static const char *needed_file(const cJSON *file)
{
    static const char *const kinds[] = {"secrets", "configs"};
    const cJSON *item;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        cJSON_ArrayForEach(item, berth_json_get(file, kinds[i]))
        {
            const char *path = berth_json_string(item, "file", NULL);
            if (path)
                return path;
        }
    return NULL;
}

int berth_compose_own_plan_reset(struct berth_compose *compose,
                                 const struct berth_compose_project *project, cJSON **ret_file,
                                 struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = berth_compose_read_tree(project->folder, BERTH_COMPOSE_FILE, &file, err);
    if (rc == 0 && needed_file(file))
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "its services need %s, which a reset would remove: delete the app, "
                               "and create it anew",
                               needed_file(file));
    if (rc == 0)
        rc = pin_images(compose, project->cuid, file, err);
    if (rc == 0)
        *ret_file = berth_steal(&file);
    return rc;
}

int berth_compose_own_make_again(struct berth_compose *compose,
                                 const struct berth_compose_project *project, const cJSON *file,
                                 struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = -1;
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    int rc = berth_compose_own_write_tree(project->folder, file, err);
    if (rc == 0)
        rc = berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, &service, NULL, err);
    if (rc == 0)
        rc = berth_compose_own_bind(project, err);
    if (rc == 0 && service.asked.port_count > 0)
        rc = berth_compose_ports_lock(compose, &held, err);
    if (rc == 0)
        rc = berth_compose_ports_check(compose, project->cuid, &service.asked, NULL, err);
    return rc < 0 ? rc : berth_compose_up(compose, project, err);
}
