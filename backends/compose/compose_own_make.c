/* SPDX-License-Identifier: MIT */
/* Makes a project of its owner's compose file. */
#include "backends/compose/compose_file.h"
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "backends/compose/compose_policy.h"
#include "backends/engine/engine_create.h"
#include "backends/files/files.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/yaml_write.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MODE       0600
#define FOLDER_MODE     0755
#define NORMAL_MAX      (1U << 20) /* what Compose prints of a file */
#define CONFIG_LIMIT_MS 30000

/* From the mount, which Compose runs in. */
static const char file_of_mount[] = "../" BERTH_COMPOSE_FILE;

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

static int write_tree(const struct berth_compose_project *project, const cJSON *file,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    int rc = berth_compose_own_write(file, &text, err);
    return rc < 0 ? rc
                  : berth_folder_write(project->folder, BERTH_COMPOSE_FILE, berth_strbuf_str(&text),
                                       text.len, FILE_MODE, err);
}

/* Compose reads what we have read, written out: not the owner's text, which it might take for
 * something else. Its folder is the mount, and no .env of that counts. */
static int ask_normal(struct berth_compose *compose, const struct berth_compose_project *project,
                      int mount, const char *path, cJSON **ret_file, struct berth_error *err)
{
    const char *const args[] = {
        "--project-name", project->cuid, "--project-directory", ".",      "--env-file",
        "/dev/null",      "--file",      file_of_mount,         "config", "--format",
        "json",           NULL};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(NORMAL_MAX);
    int rc = berth_compose_program_ask(&compose->program, args, mount, project->folder,
                                       CONFIG_LIMIT_MS, &out, err);
    if (rc < 0)
        return explain(rc, path, err);
    return berth_json_parse(berth_strbuf_str(&out), out.len, ret_file, err);
}

/* ret_path: of the mount, as Compose and the engine know it. */
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
                       const struct berth_create_spec *spec, int mount, const char *path,
                       cJSON **ret_file, struct berth_error *err)
{
    struct berth_compose_policy policy = policy_of(spec);
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = ask_normal(compose, project, mount, path, &file, err);
    policy.project = project->cuid;
    policy.mount = path;
    if (rc == 0)
        rc = berth_compose_policy_check(&policy, file, err);
    if (rc == 0)
        *ret_file = berth_steal(&file);
    return rc;
}

/* ---- The folders that it binds ---- */

/* A folder that is made belongs to whom the mount belongs to. */
static int enter(int *folder, const char *name, const struct stat *owner, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int next = -1;
    bool is_new = !berth_folder_has(*folder, name);
    int rc = berth_folder_make(*folder, name, FOLDER_MODE, &next, err);
    if (rc == 0 && is_new && fchown(next, owner->st_uid, owner->st_gid) < 0)
        rc = berth_error_set(err, BERTH_E_IO, "a folder of the project cannot be given away");
    if (rc < 0)
        return rc;
    berth_fd_close(folder);
    *folder = berth_fd_steal(&next);
    return 0;
}

/* path: beneath mount. What is there stays as it is, be it a file. */
static int make_folders(int mount, const char *path, struct berth_error *err)
{
    char name[NAME_MAX + 1];
    struct stat owner;
    BERTH_CLEANUP(fd) int there = -1;
    BERTH_CLEANUP(fd) int folder = -1;
    path += strspn(path, "/");
    if (!*path || berth_folder_open(mount, path, O_PATH, 0, &there, NULL) == 0)
        return 0;
    if (fstat(mount, &owner) < 0)
        return berth_error_set(err, BERTH_E_IO, "a project's mount is gone");
    int rc = berth_folder_open(mount, ".", O_RDONLY | O_DIRECTORY, 0, &folder, err);
    while (rc == 0 && *path) {
        size_t len = strcspn(path, "/");
        if (len > NAME_MAX)
            return berth_error_set(err, BERTH_E_INVALID, "a path is too long");
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
        rc = enter(&folder, name, &owner, err);
        path += len + strspn(path + len, "/");
    }
    return rc;
}

static int make_binds(int mount, const char *mount_path, const cJSON *services,
                      struct berth_error *err)
{
    const cJSON *service;
    const cJSON *volume;
    size_t len = strlen(mount_path);
    cJSON_ArrayForEach(service, services)
        cJSON_ArrayForEach(volume, berth_json_get(service, "volumes"))
    {
        const char *source = berth_json_string(volume, "source", "");
        if (strcmp(berth_json_string(volume, "type", ""), "bind") != 0)
            continue;
        int rc = make_folders(mount, source + len, err); /* checked: beneath */
        if (rc < 0)
            return berth_error_wrap(err, "services.%s.volumes", service->string);
    }
    return 0;
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
                    const struct berth_create_spec *spec, const char *main, const char *path,
                    const struct berth_compose_service *service, cJSON *file,
                    struct berth_error *err)
{
    BERTH_CLEANUP(free) struct berth_project_image *images = NULL;
    int rc = choose_images(compose, spec, &images, err);
    const struct berth_compose_own own = {.facility = compose->host.facility,
                                          .cuid = project->cuid,
                                          .main = main,
                                          .mount = path,
                                          .images = images,
                                          .image_count = spec->container->image_count,
                                          .service = service};
    if (rc == 0)
        rc = berth_compose_own_complete(&own, file, err);
    return rc < 0 ? rc : write_tree(project, file, err);
}

/* The project is new, and its lock is ours. */
static int unpack(const struct berth_compose_project *project, int mount, const int *archive,
                  struct berth_error *err)
{
    BERTH_CLEANUP(files_upload) struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    if (!archive)
        return 0;
    int rc = berth_files_stage(project->folder, mount, *archive, NULL, NULL, &upload, err);
    return rc < 0 ? rc : berth_files_move(&upload, mount, err);
}

/* Both texts are written, and what the containers bind is there. */
static int prepare(struct berth_compose *compose, const struct berth_compose_project *project,
                   const struct berth_create_spec *spec, struct berth_compose_service *service,
                   struct berth_error *err)
{
    char path[BERTH_TARGET_MAX];
    BERTH_CLEANUP(fd) int mount = -1;
    BERTH_CLEANUP(json) cJSON *text = NULL;
    BERTH_CLEANUP(json) cJSON *file = NULL;
    const char *original = spec->container->compose;
    int rc = read_text(spec, &text, err);
    if (rc == 0)
        rc = berth_folder_write(project->folder, BERTH_COMPOSE_ORIGINAL, original, strlen(original),
                                FILE_MODE, err);
    if (rc == 0)
        rc = write_tree(project, text, err);
    if (rc == 0)
        rc = berth_folder_open(project->folder, BERTH_COMPOSE_MOUNT, O_RDONLY | O_DIRECTORY, 0,
                               &mount, err);
    if (rc == 0)
        rc = unpack(project, mount, spec->container->archive, err);
    if (rc == 0)
        rc = find_path(mount, path, err);
    if (rc == 0)
        rc = make_normal(compose, project, spec, mount, path, &file, err);
    const cJSON *services = berth_json_get(file, "services");
    if (rc == 0)
        rc = berth_compose_own_ports(services, service, err);
    if (rc == 0)
        rc = make_binds(mount, path, services, err);
    return rc < 0 ? rc
                  : complete(compose, project, spec, berth_compose_policy_main(text), path, service,
                             file, err);
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

int berth_compose_own_find_made(struct berth_compose *compose, const char *cuid,
                                const struct berth_create_spec *spec, char **ret_id,
                                struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    BERTH_CLEANUP(json) cJSON *text = NULL;
    const cJSON *entry;
    const char *told = "";
    int rc = read_text(spec, &text, err);
    if (rc == 0)
        rc = berth_compose_containers(compose, cuid, &entries, err);
    cJSON_ArrayForEach(entry, entries)
    {
        if (berth_json_get(berth_json_get(entry, "Labels"), BERTH_LABEL_PROJECT))
            told = berth_json_string(entry, "Id", "");
        if (rc == 0)
            rc = check_container(compose, spec, berth_json_get(text, "services"), entry, err);
    }
    if (rc == 0 && !told[0])
        rc = berth_error_set(err, BERTH_E_REFUSED, "docker compose made no container of the app");
    char *id = rc == 0 ? berth_text_dup(told) : NULL;
    if (rc == 0 && !id)
        rc = berth_error_nomem(err);
    if (rc == 0)
        *ret_id = id;
    return rc;
}
