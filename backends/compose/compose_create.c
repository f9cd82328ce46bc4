/* SPDX-License-Identifier: MIT */
/* How projects come and go, and are made anew. */
#include "backends/compose/compose_file.h"
#include "backends/compose/compose_internal.h"
#include "backends/engine/engine_container.h"
#include "backends/engine/engine_create.h"
#include "backends/engine/engine_image.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#include <string.h>

#define FILE_MAX_BYTES 65536
#define FILE_MODE      0600
#define PATH_MAX_BYTES 512

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

/* What to run, under a name that people read in docker ps where it has one. BERTH_E_NOT_FOUND. */
static int choose_image(const struct berth_compose *compose, const struct berth_create_spec *spec,
                        const char **ret_image, struct berth_error *err)
{
    struct berth_engine *engine = compose->host.engine;
    BERTH_CLEANUP(json) cJSON *image = NULL;
    int rc = berth_engine_image_inspect(engine, spec->image, &image, err);
    if (rc < 0)
        return rc;
    bool is_named = berth_engine_is_image_id(spec->image) &&
                    berth_engine_create_names(engine, spec->image_label, spec->image);
    *ret_image = is_named ? spec->image_label : spec->image;
    return 0;
}

static int write_file(const struct berth_compose *compose,
                      const struct berth_compose_project *project,
                      const struct berth_create_spec *spec, const char *container,
                      const char *image, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(FILE_MAX_BYTES);
    const struct berth_compose_file file = {.facility = compose->host.facility,
                                            .cuid = project->cuid,
                                            .container = container,
                                            .image = image,
                                            .spec = spec};
    int rc = berth_compose_file_write(&file, &text, err);
    return rc < 0 ? rc
                  : berth_folder_write(project->folder, BERTH_COMPOSE_FILE, berth_strbuf_str(&text),
                                       text.len, FILE_MODE, err);
}

/* Which container Compose has made; it must be of the image that was asked for. */
static int find_made(struct berth_compose *compose, const struct berth_compose_project *project,
                     const struct berth_create_spec *spec, char **ret_id, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    bool same = true;
    int rc = berth_compose_containers(compose, project->cuid, &entries, err);
    if (rc < 0)
        return rc;
    const char *told = berth_json_string(cJSON_GetArrayItem(entries, 0), "Id", "");
    if (cJSON_GetArraySize(entries) != 1 || !told[0])
        return berth_error_set(err, BERTH_E_REFUSED,
                               "docker compose made %d containers of app %s, not one",
                               cJSON_GetArraySize(entries), spec->app);
    if (berth_engine_is_image_id(spec->image))
        rc = berth_engine_create_is_of(compose->host.engine, told, spec->image, &same, err);
    if (rc == 0 && !same)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "the image of app %s changed meanwhile",
                             spec->app);
    char *id = rc == 0 ? berth_text_dup(told) : NULL;
    if (rc == 0 && !id)
        rc = berth_error_nomem(err);
    if (rc == 0)
        *ret_id = id;
    return rc;
}

/* Between look-up and creation a stranger may take the name: then it is looked up once more. */
static int make_container(struct berth_compose *compose,
                          const struct berth_compose_project *project,
                          const struct berth_create_spec *spec, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf name = BERTH_STRBUF_INIT(BERTH_APP_MAX + 1 + BERTH_FACILITY_ID_MAX);
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf again = BERTH_STRBUF_INIT(BERTH_APP_MAX + 1 + BERTH_FACILITY_ID_MAX);
    const char *image = NULL;
    int rc = choose_image(compose, spec, &image, err);
    if (rc == 0)
        rc = choose_name(compose, spec->app, &name, err);
    if (rc == 0)
        rc = write_file(compose, project, spec, berth_strbuf_str(&name), image, err);
    if (rc < 0)
        return rc;
    rc = berth_compose_up(compose, project, err);
    if (rc != BERTH_E_REFUSED)
        return rc;
    if (choose_name(compose, spec->app, &again, NULL) < 0 ||
        strcmp(berth_strbuf_str(&name), berth_strbuf_str(&again)) == 0)
        return rc;
    rc = write_file(compose, project, spec, berth_strbuf_str(&again), image, err);
    return rc < 0 ? rc : berth_compose_up(compose, project, err);
}

/* The whole project, or nothing of it; the lock is given back. */
static int make(struct berth_compose *compose, struct berth_compose_project *project,
                const struct berth_create_spec *spec, char **ret_id, struct berth_error *err)
{
    BERTH_CLEANUP(free) char *id = NULL;
    int rc = make_container(compose, project, spec, err);
    if (rc == 0)
        rc = find_made(compose, project, spec, &id, err);
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

static int create(struct berth_compose *compose, const struct berth_create_spec *spec,
                  char **ret_id, struct berth_error *err)
{
    char version[BERTH_VERSION_MAX];
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    const struct berth_engine_host *host = &compose->host;
    int rc = berth_engine_create_check_absent(host->engine, &host->scope, spec->app, err);
    if (rc == 0)
        rc = berth_compose_program_find(&compose->program, version, err);
    if (rc == 0)
        rc = berth_compose_project_new(compose->root, spec->run_as, &project, err);
    return rc < 0 ? rc : make(compose, &project, spec, ret_id, err);
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

/* The project of a container, "" where it has none of ours. BERTH_E_NOT_FOUND. */
static int find_project(const struct berth_compose *compose, const char *id,
                        char ret_cuid[BERTH_CUID_SIZE], struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    berth_engine_app_path(id, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_engine_get_json(compose->host.engine, berth_strbuf_str(&path), &inspect, err);
    if (rc < 0)
        return rc;
    const cJSON *labels = berth_json_get(berth_json_get(inspect, "Config"), "Labels");
    const char *cuid = berth_json_string(labels, BERTH_COMPOSE_LABEL, "");
    bool ours =
        strcmp(berth_json_string(labels, BERTH_LABEL_FACILITY, ""), compose->host.facility) == 0;
    (void)snprintf(ret_cuid, BERTH_CUID_SIZE, "%s",
                   ours && berth_compose_is_cuid(cuid) ? cuid : "");
    return 0;
}

/* Opens the container's project for a change, which is to come next; no folder: it has none. */
static int open_project(const struct berth_compose *compose, const char *id,
                        struct berth_compose_project *project, struct berth_error *err)
{
    char cuid[BERTH_CUID_SIZE];
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = find_project(compose, id, cuid, err);
    if (rc < 0 || !cuid[0])
        return rc;
    rc =
        berth_compose_project_open(compose->root, cuid, compose->request_timeout_ms, project, &why);
    if (rc < 0 && rc != BERTH_E_NOT_FOUND) {
        if (err)
            *err = why;
        return rc;
    }
    /* Whoever had the lock before may have made the container anew. */
    return find_project(compose, id, cuid, err);
}

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
    int rc = open_project(compose, id, &project, err);
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
    *ret_gone = false;
    int rc = open_project(compose, id, &project, err);
    if (rc == 0 && project.folder < 0)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "the folder of app %s was lost", spec->app);
    if (rc == 0)
        rc = take_down(compose, &project, err);
    if (rc < 0)
        return rc;
    /* From here on it is a creation in the same folder. */
    rc = berth_compose_project_clear(&project, spec->run_as, err);
    if (rc < 0)
        (void)!berth_compose_discard(compose, &project, NULL);
    else
        rc = make(compose, &project, spec, ret_id, err);
    *ret_gone = rc < 0;
    return rc;
}
