/* SPDX-License-Identifier: MIT */
/* How projects come and go, and are made anew. */
#include "backends/compose/compose_internal.h"
#include "backends/engine/engine_container.h"
#include "backends/engine/engine_create.h"
#include "backends/engine/engine_image.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"

#include <string.h>

#define NAME_MAX_BYTES (BERTH_APP_MAX + 1 + BERTH_FACILITY_ID_MAX)

static int exists(const char *app, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", app);
}

/* ---- One creation of a name at a time ---- */

/* Lives on the stack of its creator. */
struct berth_compose_creation {
    const char *app;
    struct berth_compose_creation *next;
};

static int begin_creation(struct berth_compose *compose, struct berth_compose_creation *creation,
                          struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &compose->creating_lock);
    for (const struct berth_compose_creation *other = compose->creating; other; other = other->next)
        if (strcmp(other->app, creation->app) == 0)
            return exists(creation->app, err);
    creation->next = compose->creating;
    compose->creating = creation;
    return 0;
}

static void end_creation(struct berth_compose *compose,
                         const struct berth_compose_creation *creation)
{
    BERTH_LOCK_SCOPE(guard, &compose->creating_lock);
    struct berth_compose_creation **slot = &compose->creating;
    while (*slot != creation)
        slot = &(*slot)->next;
    *slot = creation->next;
}

/* ---- The container ---- */

/* The app's name, or APP.FACILITY where a stranger on the engine has that. */
static int choose_name(const struct berth_compose *compose, const char *app,
                       struct berth_strbuf *name, struct berth_error *err)
{
    const struct berth_engine_host *host = &compose->host;
    bool ours = false;
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = berth_engine_create_owner(host->engine, &host->scope, app, &ours, &why);
    berth_strbuf_adds(name, app);
    if (rc == 0 && ours)
        return exists(app, err);
    if (rc == 0)
        berth_strbuf_addf(name, ".%s", host->facility);
    else if (rc != BERTH_E_NOT_FOUND) {
        if (err)
            *err = why;
        return rc;
    }
    return berth_strbuf_check(name, err);
}

int berth_compose_choose_image(const struct berth_compose *compose, const char *image,
                               const char *label, const char **ret_image, struct berth_error *err)
{
    struct berth_engine *engine = compose->host.engine;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    int rc = berth_engine_image_inspect(engine, image, &inspect, err);
    if (rc < 0)
        return rc;
    bool is_named =
        berth_engine_is_image_id(image) && berth_engine_create_names(engine, label, image);
    *ret_image = is_named ? label : image;
    return 0;
}

/* The service in the project's file; one that is made anew stays what it was asked to be. */
static int choose_service(struct berth_compose *compose,
                          const struct berth_compose_project *project,
                          const struct berth_create_spec *spec,
                          struct berth_compose_service *ret_service, struct berth_error *err)
{
    BERTH_CLEANUP(compose_service) struct berth_compose_service before = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf name = BERTH_STRBUF_INIT(NAME_MAX_BYTES);
    const char *image = NULL;
    int rc = berth_compose_choose_image(compose, spec->image, spec->image_label, &image, err);
    if (rc == 0)
        rc = choose_name(compose, spec->app, &name, err);
    if (rc == 0)
        rc = berth_compose_service_init(spec, image, berth_strbuf_str(&name), ret_service, err);
    if (rc == 0 && berth_folder_has(project->folder, BERTH_COMPOSE_FILE) &&
        berth_compose_read_file(project->folder, BERTH_COMPOSE_FILE, &before, NULL, NULL) == 0)
        berth_compose_service_inherit(ret_service, &before);
    return rc;
}

/* Between look-up and creation a stranger may take the name: then it is looked up once more. */
static int make_container(struct berth_compose *compose,
                          const struct berth_compose_project *project,
                          const struct berth_create_spec *spec,
                          struct berth_compose_service *service, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf again = BERTH_STRBUF_INIT(NAME_MAX_BYTES);
    int rc = berth_compose_write_file(compose, project, service, err);
    if (rc == 0)
        rc = berth_compose_up(compose, project, err);
    if (rc != BERTH_E_REFUSED)
        return rc;
    if (choose_name(compose, spec->app, &again, NULL) < 0 ||
        strcmp(service->container, berth_strbuf_str(&again)) == 0)
        return rc;
    rc = berth_compose_service_set(&service->container, berth_strbuf_str(&again), err);
    if (rc == 0)
        rc = berth_compose_write_file(compose, project, service, err);
    return rc < 0 ? rc : berth_compose_up(compose, project, err);
}

static bool is_own(const struct berth_create_spec *spec)
{
    return spec->container && spec->container->compose;
}

/* The container; until it is there, its ports are nobody else's either. */
static int make_with_ports(struct berth_compose *compose,
                           const struct berth_compose_project *project,
                           const struct berth_create_spec *spec, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = -1;
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    int rc = choose_service(compose, project, spec, &service, err);
    if (rc == 0 && is_own(spec))
        return berth_compose_own_make(compose, project, spec, &service, err);
    if (rc == 0 && service.asked.port_count > 0)
        rc = berth_compose_ports_lock(compose, &held, err);
    if (rc == 0 && spec->container)
        rc = berth_compose_ports_check(compose, project->cuid, &service.asked, NULL, err);
    return rc < 0 ? rc : make_container(compose, project, spec, &service, err);
}

/* own: the file of its owner's, made anew; NULL where spec says it all. */
static int make_containers(struct berth_compose *compose,
                           const struct berth_compose_project *project,
                           const struct berth_create_spec *spec, const cJSON *own, char **ret_id,
                           struct berth_error *err)
{
    int rc = own ? berth_compose_own_make_again(compose, project, own, err)
                 : make_with_ports(compose, project, spec, err);
    if (rc < 0)
        return rc;
    if (own)
        return berth_compose_own_find(compose, project->cuid, ret_id, err);
    return is_own(spec) ? berth_compose_own_find_made(compose, project->cuid, spec, ret_id, err)
                        : berth_compose_find_made(compose, project->cuid, spec->image, ret_id, err);
}

/* The whole project, or nothing of it; the lock is given back. */
static int make(struct berth_compose *compose, struct berth_compose_project *project,
                const struct berth_create_spec *spec, const cJSON *own, char **ret_id,
                struct berth_error *err)
{
    BERTH_CLEANUP(free) char *id = NULL;
    int rc = make_containers(compose, project, spec, own, &id, err);
    if (rc == 0)
        rc = berth_compose_project_finish(project, err);
    if (rc == 0)
        *ret_id = berth_steal(&id);
    else if (rc == BERTH_E_TIMEOUT || rc == BERTH_E_UNREACHABLE)
        berth_compose_leave(compose, project);
    else
        (void)!berth_compose_discard(compose, project, NULL); /* why it failed is the news */
    berth_compose_project_release(project);
    return rc;
}

/* The project that the app is named after; "": one of no particular name. */
static int named_project(const struct berth_create_spec *spec, char ret_cuid[BERTH_CUID_SIZE],
                         struct berth_error *err)
{
    ret_cuid[0] = '\0';
    if (!spec->container)
        return 0;
    (void)snprintf(ret_cuid, BERTH_CUID_SIZE, "%s", spec->app);
    return berth_compose_is_cuid(ret_cuid)
               ? 0
               : berth_error_set(err, BERTH_E_INVALID, "app %s is not named after a project",
                                 spec->app);
}

static int create(struct berth_compose *compose, const struct berth_create_spec *spec,
                  char **ret_id, struct berth_error *err)
{
    char version[BERTH_VERSION_MAX];
    char cuid[BERTH_CUID_SIZE];
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    const struct berth_engine_host *host = &compose->host;
    int rc = named_project(spec, cuid, err);
    if (rc == 0)
        rc = berth_engine_create_check_absent(host->engine, &host->scope, spec->app, err);
    if (rc == 0)
        rc = berth_compose_program_find(&compose->program, version, err);
    if (rc == 0)
        rc = berth_compose_project_new(compose->root, cuid[0] ? cuid : NULL, spec->run_as, &project,
                                       err);
    return rc < 0 ? rc : make(compose, &project, spec, NULL, ret_id, err);
}

int berth_compose_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                         char **ret_id, struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_creation creation = {.app = spec->app};
    int rc = begin_creation(compose, &creation, err);
    if (rc < 0)
        return rc;
    rc = create(compose, spec, ret_id, err);
    end_creation(compose, &creation);
    return rc;
}

/* ---- Removing ---- */

/* Marks the project and takes its containers down; if they stay, so does it. */
static int take_down(struct berth_compose *compose, const struct berth_compose_project *project,
                     struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_project_mark(project, err);
    if (rc == 0)
        rc = berth_compose_down(compose, project, err);
    if (rc < 0 && (berth_compose_containers(compose, project->cuid, &entries, NULL) < 0 ||
                   cJSON_GetArraySize(entries) > 0))
        (void)!berth_compose_project_finish(project, NULL);
    return rc;
}

int berth_compose_remove(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    struct berth_compose_container container;
    int rc = berth_compose_find_project(compose, id, &container, &project, err);
    if (rc < 0)
        return rc;
    if (project.folder < 0) /* adopted, or its folder was lost */
        return berth_engine_container_remove(compose->host.engine, id, err);
    rc = take_down(compose, &project, err);
    if (rc == 0)
        rc = berth_compose_project_remove(compose->root, &project, err);
    if (rc < 0 && project.folder >= 0 && berth_compose_project_is_unfinished(&project))
        berth_compose_leave(compose, &project);
    return rc;
}

int berth_compose_reset(struct berth_backend *backend, const char *id,
                        const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                        struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    struct berth_compose_container container;
    BERTH_CLEANUP(json) cJSON *own = NULL;
    *ret_gone = false;
    int rc = berth_compose_find_project(compose, id, &container, &project, err);
    if (rc == 0 && project.folder < 0)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "the folder of app %s was lost", spec->app);
    if (rc == 0 && container.is_project)
        rc = berth_compose_own_plan_reset(compose, &project, &own, err);
    if (rc == 0)
        rc = take_down(compose, &project, err);
    if (rc < 0)
        return rc;
    /* From here on it is a creation in the same folder. */
    (void)!berth_compose_recover_files(&project, NULL); /* or it would come again */
    rc = berth_compose_project_clear(&project, spec->run_as, err);
    if (rc < 0)
        (void)!berth_compose_discard(compose, &project, NULL);
    else
        rc = make(compose, &project, spec, own, ret_id, err);
    *ret_gone = rc < 0;
    return rc;
}
