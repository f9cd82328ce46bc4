/* SPDX-License-Identifier: MIT */
/* Makes a project of its owner's compose file. */
#include "backends/compose/compose_file.h"
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "backends/compose/compose_own_files.h"
#include "backends/compose/compose_policy.h"
#include "backends/engine/engine_create.h"
#include "backends/files/files.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/text.h"

#include <fcntl.h>
#include <string.h>

#define FILE_MODE       0600
#define NORMAL_MAX      (1U << 20) /* what Compose prints of a file */
#define CONFIG_LIMIT_MS 30000

/* ---- The owner's text ---- */

static struct berth_compose_policy policy_of(const struct berth_create_spec *spec)
{
    return (struct berth_compose_policy){.gpus = spec->gpus, .is_user_fixed = spec->run_as != NULL};
}

static int read_text(const struct berth_create_spec *spec, cJSON **ret_file,
                     struct berth_error *err)
{
    const char *text = spec->container->compose;
    const struct berth_compose_policy policy = policy_of(spec);
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = berth_compose_policy_read(text, strlen(text), &file, err);
    if (rc == 0)
        rc = berth_compose_policy_check(&policy, file, err);
    if (rc == 0)
        *ret_file = berth_steal(&file);
    return rc;
}

static int add_image(struct berth_texts *images, const char *name)
{
    for (size_t i = 0; i < images->count; i++)
        if (strcmp(images->items[i], name) == 0)
            return 0;
    images->items[images->count] = berth_text_dup(name);
    return images->items[images->count] ? (int)!++images->count : BERTH_E_NOMEM;
}

int berth_compose_plan(struct berth_backend *backend, const struct berth_create_spec *spec,
                       struct berth_texts *ret_images, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    BERTH_CLEANUP(texts) struct berth_texts images = {0};
    (void)backend;
    int rc = read_text(spec, &file, err);
    if (rc < 0)
        return rc;
    const cJSON *services = berth_json_get(file, "services");
    const cJSON *service;
    images.items = calloc((size_t)cJSON_GetArraySize(services), sizeof(*images.items));
    if (!images.items)
        return berth_error_nomem(err);
    service = berth_json_get(services, berth_compose_policy_main(file));
    rc = add_image(&images, berth_json_string(service, "image", ""));
    cJSON_ArrayForEach(service, services)
    {
        if (rc == 0)
            rc = add_image(&images, berth_json_string(service, "image", ""));
    }
    if (rc < 0)
        return berth_error_nomem(err);
    *ret_images = images;
    images = (struct berth_texts){0};
    return 0;
}

/* ---- What Compose makes of it ---- */

/* Of its refusal, what comes after the file's name, without the paths of this machine. */
static int explain(int rc, const char *path, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf why = BERTH_STRBUF_INIT(BERTH_ERROR_MESSAGE_MAX);
    struct berth_error told = err ? *err : (struct berth_error)BERTH_ERROR_INIT;
    if (rc != BERTH_E_REFUSED)
        return rc;
    const char *name = strstr(told.message, BERTH_COMPOSE_FILE ": ");
    const char *text = name ? name + strlen(BERTH_COMPOSE_FILE ": ") : told.message;
    for (const char *next; (next = strstr(text, path)); text = next + strlen(path)) {
        berth_strbuf_add(&why, text, (size_t)(next - text));
        berth_strbuf_addc(&why, '.');
    }
    return berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED,
                                 "docker compose says: %s%s", berth_strbuf_str(&why), text);
}

int berth_compose_own_write_tree(int folder, const cJSON *file, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    int rc = berth_compose_own_write(file, &text, err);
    return rc < 0 ? rc
                  : berth_folder_write(folder, BERTH_COMPOSE_FILE, berth_strbuf_str(&text),
                                       text.len, FILE_MODE, err);
}

/* From the stage, which Compose runs in. */
static const char staged_file[] = BERTH_COMPOSE_STAGED_FILE;

/* Compose reads what we have read, written out: not the owner's text, which it might take for
 * something else. No .env counts. */
static int ask_normal(struct berth_compose *compose, const struct berth_compose_project *project,
                      const struct berth_compose_stage *stage, const char *path, cJSON **ret_file,
                      struct berth_error *err)
{
    const char *const args[] = {
        "--project-name", project->cuid, "--project-directory", ".",      "--env-file",
        "/dev/null",      "--file",      staged_file,           "config", "--format",
        "json",           NULL};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(NORMAL_MAX);
    int rc = berth_compose_program_ask(&compose->program, args, stage->mount, project->folder,
                                       CONFIG_LIMIT_MS, &out, err);
    if (rc < 0)
        return explain(rc, path, err);
    return berth_json_parse(berth_strbuf_str(&out), out.len, ret_file, err);
}

/* ret_path: of the folder that stands for the mount, as Compose knows it. */
static int find_path(int mount, char ret_path[BERTH_TARGET_MAX], struct berth_error *err)
{
    char link[32];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", mount);
    ssize_t len = readlink(link, ret_path, BERTH_TARGET_MAX - 1);
    if (len <= 0 || len >= BERTH_TARGET_MAX - 1)
        return berth_error_set(err, BERTH_E_IO, "the path of a project's mount is not known");
    ret_path[len] = '\0';
    return 0;
}

static int make_normal(struct berth_compose *compose, const struct berth_compose_project *project,
                       const struct berth_create_spec *spec,
                       const struct berth_compose_stage *stage, const char *path, cJSON **ret_file,
                       struct berth_error *err)
{
    struct berth_compose_policy policy = policy_of(spec);
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = ask_normal(compose, project, stage, path, &file, err);
    policy.project = project->cuid;
    policy.mount = path;
    if (rc == 0)
        rc = berth_compose_policy_check(&policy, file, err);
    if (rc == 0)
        *ret_file = berth_steal(&file);
    return rc;
}

/* ---- Images ---- */

/* ret_images: count of them, each as it is to stand in the file; borrowed strings. */
static int choose_images(const struct berth_compose *compose, const struct berth_create_spec *spec,
                         struct berth_project_image **ret_images, struct berth_error *err)
{
    size_t count = spec->container->image_count;
    BERTH_CLEANUP(free) struct berth_project_image *images = calloc(count + 1, sizeof(*images));
    if (!images)
        return berth_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        images[i] = spec->container->images[i];
        int rc = berth_compose_choose_image(compose, images[i].image, images[i].label,
                                            &images[i].image, err);
        if (rc < 0)
            return rc;
    }
    *ret_images = berth_steal(&images);
    return 0;
}

/* ---- The whole ---- */

static int complete(struct berth_compose *compose, const struct berth_compose_project *project,
                    const struct berth_create_spec *spec, const char *path,
                    const struct berth_compose_own *begun, cJSON *file, struct berth_error *err)
{
    struct berth_compose_own own = *begun;
    BERTH_CLEANUP(free) struct berth_project_image *images = NULL;
    int rc = choose_images(compose, spec, &images, err);
    own.facility = compose->host.facility;
    own.cuid = project->cuid;
    own.mount = path;
    own.images = images;
    own.image_count = spec->container->image_count;
    return rc < 0 ? rc : berth_compose_own_complete(&own, file, err);
}

/* With the stage, which is the caller's to release. */
static int make_file(struct berth_compose *compose, const struct berth_compose_project *project,
                     const struct berth_create_spec *spec, const cJSON *text,
                     struct berth_compose_stage *stage, const struct berth_compose_own *own,
                     struct berth_compose_service *service, cJSON **ret_file,
                     struct berth_error *err)
{
    char path[BERTH_TARGET_MAX];
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = berth_compose_stage_open(project->folder, text, stage, err);
    if (rc == 0)
        rc = find_path(stage->mount, path, err);
    if (rc == 0)
        rc = make_normal(compose, project, spec, stage, path, &file, err);
    if (rc == 0)
        rc = berth_compose_own_ports(berth_json_get(file, "services"), service, err);
    if (rc == 0)
        rc = complete(compose, project, spec, path, own, file, err);
    if (rc == 0)
        *ret_file = berth_steal(&file);
    return rc;
}

int berth_compose_own_make_file(struct berth_compose *compose,
                                const struct berth_compose_project *project,
                                const struct berth_create_spec *spec, const cJSON *overrides,
                                struct berth_compose_service *service, cJSON **ret_file,
                                struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *text = NULL;
    struct berth_compose_stage stage = BERTH_COMPOSE_STAGE_INIT;
    int rc = read_text(spec, &text, err);
    if (rc < 0)
        return rc;
    const struct berth_compose_own own = {
        .main = berth_compose_policy_main(text), .overrides = overrides, .service = service};
    rc = make_file(compose, project, spec, text, &stage, &own, service, ret_file, err);
    berth_compose_stage_close(project->folder, &stage);
    return rc;
}

/* The project is new, and its lock is ours. */
static int unpack(const struct berth_compose_project *project, const int *archive,
                  struct berth_error *err)
{
    BERTH_CLEANUP(files_upload) struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    BERTH_CLEANUP(fd) int mount = -1;
    if (!archive)
        return 0;
    int rc = berth_folder_open(project->folder, BERTH_COMPOSE_MOUNT, O_RDONLY | O_DIRECTORY, 0,
                               &mount, err);
    if (rc == 0)
        rc = berth_files_stage(project->folder, mount, *archive, NULL, NULL, &upload, err);
    return rc < 0 ? rc : berth_files_move(&upload, mount, err);
}

/* Both texts are written, and what the containers bind is there. */
static int prepare(struct berth_compose *compose, const struct berth_compose_project *project,
                   const struct berth_create_spec *spec, struct berth_compose_service *service,
                   struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *overrides = cJSON_CreateObject();
    BERTH_CLEANUP(json) cJSON *file = NULL;
    const char *original = spec->container->compose;
    int rc =
        overrides ? berth_compose_own_override(overrides, &spec->container->env) : BERTH_E_NOMEM;
    if (rc < 0)
        return berth_error_nomem(err);
    rc = unpack(project, spec->container->archive, err);
    if (rc == 0)
        rc = berth_compose_own_make_file(compose, project, spec, overrides, service, &file, err);
    if (rc == 0)
        rc = berth_folder_write(project->folder, BERTH_COMPOSE_ORIGINAL, original, strlen(original),
                                FILE_MODE, err);
    if (rc == 0)
        rc = berth_compose_own_write_tree(project->folder, file, err);
    return rc < 0 ? rc : berth_compose_own_bind(project, err);
}

int berth_compose_own_make(struct berth_compose *compose,
                           const struct berth_compose_project *project,
                           const struct berth_create_spec *spec,
                           struct berth_compose_service *service, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = -1;
    int rc = prepare(compose, project, spec, service, err);
    if (rc == 0 && service->asked.port_count > 0)
        rc = berth_compose_ports_lock(compose, &held, err);
    if (rc == 0)
        rc = berth_compose_ports_check(compose, project->cuid, &service->asked, NULL, err);
    return rc < 0 ? rc : berth_compose_up(compose, project, err);
}

/* ---- What was made ---- */

static const char *pinned(const struct berth_create_spec *spec, const cJSON *services,
                          const char *service)
{
    const char *name = berth_json_string(berth_json_get(services, service), "image", "");
    for (size_t i = 0; i < spec->container->image_count; i++)
        if (strcmp(spec->container->images[i].name, name) == 0)
            return spec->container->images[i].image;
    return "";
}

/* services: of the owner's text. */
static int check_container(const struct berth_compose *compose,
                           const struct berth_create_spec *spec, const cJSON *services,
                           const cJSON *entry, struct berth_error *err)
{
    const cJSON *labels = berth_json_get(entry, "Labels");
    const char *image =
        pinned(spec, services, berth_json_string(labels, BERTH_COMPOSE_SERVICE_LABEL, ""));
    bool same = true;
    int rc = 0;
    if (berth_engine_is_image_id(image))
        rc = berth_engine_create_is_of(compose->host.engine, berth_json_string(entry, "Id", ""),
                                       image, &same, err);
    return rc == 0 && !same ? berth_error_set(err, BERTH_E_CONFLICT, "an image changed meanwhile")
                            : rc;
}

/* Of the one that stands for the project; malloc'ed. */
static int find_main(const cJSON *entries, char **ret_id, struct berth_error *err)
{
    const char *told = "";
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (berth_json_get(berth_json_get(entry, "Labels"), BERTH_LABEL_PROJECT))
            told = berth_json_string(entry, "Id", "");
    }
    if (!told[0])
        return berth_error_set(err, BERTH_E_REFUSED, "docker compose made no container of the app");
    char *id = berth_text_dup(told);
    if (!id)
        return berth_error_nomem(err);
    *ret_id = id;
    return 0;
}

int berth_compose_own_find(struct berth_compose *compose, const char *cuid, char **ret_id,
                           struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    return rc < 0 ? rc : find_main(entries, ret_id, err);
}

int berth_compose_own_find_made(struct berth_compose *compose, const char *cuid,
                                const struct berth_create_spec *spec, char **ret_id,
                                struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    BERTH_CLEANUP(json) cJSON *text = NULL;
    const cJSON *entry;
    int rc = read_text(spec, &text, err);
    if (rc == 0)
        rc = berth_compose_containers(compose, cuid, &entries, err);
    cJSON_ArrayForEach(entry, entries)
    {
        if (rc == 0)
            rc = check_container(compose, spec, berth_json_get(text, "services"), entry, err);
    }
    return rc < 0 ? rc : find_main(entries, ret_id, err);
}
