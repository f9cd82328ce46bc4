/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_own_files.h"

#include "backends/compose/compose_file.h"
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "backends/compose/compose_policy.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define STAGE        ".asked"
#define STAGE_MODE   0700
#define FILE_MODE    0600
#define FOLDER_MODE  0755
#define PIECE_BYTES  16384
#define MOUNT_PREFIX "./" BERTH_COMPOSE_MOUNT

/* ---- Paths, one name after the other ---- */

/* The next name of a path; 0: there is none. BERTH_E_INVALID (COMPOSE_REFUSED). */
static int next_name(const char **path, char name[NAME_MAX + 1], struct berth_error *err)
{
    size_t len;
    do {
        *path += strspn(*path, "/");
        len = strcspn(*path, "/");
        if (len > NAME_MAX || (len == 2 && strncmp(*path, "..", 2) == 0))
            return berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED,
                                         "a path leads out, or is too long");
        (void)snprintf(name, NAME_MAX + 1, "%.*s", (int)len, *path);
        *path += len;
    } while (strcmp(name, ".") == 0);
    return len > 0;
}

/* Follows no link. BERTH_E_NOT_FOUND; BERTH_E_INVALID (COMPOSE_REFUSED): one is in the way. */
static int open_plain(int mount, const char *path, int *ret_fd, struct berth_error *err)
{
    char name[NAME_MAX + 1];
    BERTH_CLEANUP(fd) int at = -1;
    const char *rest = path;
    int rc = berth_folder_open(mount, ".", O_PATH | O_DIRECTORY, 0, &at, err);
    int has_name = 0;
    while (rc == 0 && (has_name = next_name(&rest, name, err)) > 0) {
        struct stat status;
        int next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return berth_error_set(err, BERTH_E_NOT_FOUND, "%s is not there", path);
        berth_fd_close(&at);
        at = next;
        if (fstat(at, &status) < 0 || S_ISLNK(status.st_mode))
            rc = berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED,
                                       "%s: not allowed: a link is in the way", path);
    }
    if (rc < 0 || has_name < 0)
        return rc < 0 ? rc : has_name;
    *ret_fd = berth_fd_steal(&at);
    return 0;
}

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

/* ---- The stage ---- */

/* At most as much as a whole compose file: variables are to become part of one. */
static int read_plain(int mount, const char *path, struct berth_strbuf *out,
                      struct berth_error *err)
{
    char link[32];
    char piece[PIECE_BYTES];
    struct stat status;
    BERTH_CLEANUP(fd) int plain = -1;
    BERTH_CLEANUP(fd) int fd = -1;
    ssize_t got;
    int rc = open_plain(mount, path, &plain, err);
    if (rc < 0)
        return rc;
    if (fstat(plain, &status) < 0 || !S_ISREG(status.st_mode))
        return berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED, "%s: is no file",
                                     path);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", plain);
    fd = open(link, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read", path);
    while ((got = read(fd, piece, sizeof(piece))) > 0)
        berth_strbuf_add(out, piece, (size_t)got);
    if (got < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read", path);
    return out->failed == BERTH_E_TOO_LARGE
               ? berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED,
                                       "%s: is too long", path)
               : berth_strbuf_check(out, err);
}

/* That there is none is Compose's to judge. */
static int stage_file(int mount, int stage, const char *path, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    BERTH_CLEANUP(fd) int at = -1;
    struct berth_error why = BERTH_ERROR_INIT;
    const struct stat owner = {.st_uid = geteuid(), .st_gid = getegid()};
    char name[NAME_MAX + 1];
    char next[NAME_MAX + 1];
    int rc = read_plain(mount, path, &text, &why);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    rc = berth_folder_open(stage, ".", O_RDONLY | O_DIRECTORY, 0, &at, err);
    int has_name = rc == 0 ? next_name(&path, name, err) : 0;
    while (rc == 0 && has_name > 0 && (has_name = next_name(&path, next, err)) > 0) {
        rc = enter(&at, name, &owner, err);
        memcpy(name, next, sizeof(name));
    }
    if (rc == 0 && has_name < 0)
        rc = has_name;
    return rc < 0 ? rc
                  : berth_folder_write(at, name, berth_strbuf_str(&text), text.len, FILE_MODE, err);
}

/* entry: of env_file, a path or a map with one. */
static int stage_entry(int mount, int stage, const cJSON *entry, struct berth_error *err)
{
    const char *path =
        cJSON_IsString(entry) ? entry->valuestring : berth_json_string(entry, "path", NULL);
    return path ? stage_file(mount, stage, path, err) : 0;
}

static int stage_files(int mount, int stage, const cJSON *services, struct berth_error *err)
{
    int rc = 0;
    const cJSON *service;
    cJSON_ArrayForEach(service, services)
    {
        const cJSON *files = berth_json_get(service, "env_file");
        const cJSON *entry = cJSON_IsArray(files) ? files->child : files;
        for (; rc == 0 && entry; entry = files == entry ? NULL : entry->next)
            rc = stage_entry(mount, stage, entry, err);
        if (rc < 0)
            return berth_error_wrap(err, "services.%s.env_file", service->string);
    }
    return 0;
}

int berth_compose_stage_open(int folder, const cJSON *file, struct berth_compose_stage *ret_stage,
                             struct berth_error *err)
{
    BERTH_CLEANUP(fd) int mount = -1;
    BERTH_CLEANUP(fd) int stage = -1;
    int rc = berth_folder_remove(folder, STAGE, err); /* of a gateway that was killed */
    if (rc == 0)
        rc = berth_folder_open(folder, BERTH_COMPOSE_MOUNT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                               &mount, err);
    if (rc == 0)
        rc = berth_folder_make(folder, STAGE, STAGE_MODE, &stage, err);
    if (rc == 0)
        rc = berth_compose_own_write_tree(stage, file, err);
    if (rc == 0)
        rc = berth_folder_make(stage, BERTH_COMPOSE_MOUNT, STAGE_MODE, &ret_stage->mount, err);
    return rc < 0 ? rc
                  : stage_files(mount, ret_stage->mount, berth_json_get(file, "services"), err);
}

void berth_compose_stage_close(int folder, struct berth_compose_stage *stage)
{
    struct berth_error err = BERTH_ERROR_INIT;
    berth_fd_close(&stage->mount);
    if (berth_folder_remove(folder, STAGE, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "a folder of a project was left behind");
}

/* ---- What is bound ---- */

typedef int each(int mount, const char *path, struct berth_error *err);

static int for_each_file(int mount, const cJSON *files, each *visit, struct berth_error *err)
{
    int rc = 0;
    const cJSON *file;
    cJSON_ArrayForEach(file, files)
    {
        const char *path = berth_json_string(file, "file", "");
        if (rc == 0 && strncmp(path, MOUNT_PREFIX, strlen(MOUNT_PREFIX)) == 0)
            rc = visit(mount, path + strlen(MOUNT_PREFIX), err);
    }
    return rc;
}

static int for_each_bind(int mount, const cJSON *services, each *visit, struct berth_error *err)
{
    const cJSON *service;
    const cJSON *volume;
    cJSON_ArrayForEach(service, services)
        cJSON_ArrayForEach(volume, berth_json_get(service, "volumes"))
    {
        const char *source = berth_json_string(volume, "source", "");
        if (strcmp(berth_json_string(volume, "type", ""), "bind") != 0 ||
            strncmp(source, MOUNT_PREFIX, strlen(MOUNT_PREFIX)) != 0)
            continue;
        int rc = visit(mount, source + strlen(MOUNT_PREFIX), err);
        if (rc < 0)
            return berth_error_wrap(err, "services.%s.volumes", service->string);
    }
    return 0;
}

/* What is there stays as it is, be it a file. */
static int make_folders(int mount, const char *path, struct berth_error *err)
{
    char name[NAME_MAX + 1];
    struct stat owner;
    BERTH_CLEANUP(fd) int there = -1;
    BERTH_CLEANUP(fd) int folder = -1;
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = open_plain(mount, path, &there, &why);
    if (rc < 0 && rc != BERTH_E_NOT_FOUND && err)
        *err = why;
    if (rc != BERTH_E_NOT_FOUND)
        return rc;
    if (fstat(mount, &owner) < 0)
        return berth_error_set(err, BERTH_E_IO, "a project's mount is gone");
    rc = berth_folder_open(mount, ".", O_RDONLY | O_DIRECTORY, 0, &folder, err);
    int has_name = 0;
    while (rc == 0 && (has_name = next_name(&path, name, err)) > 0)
        rc = enter(&folder, name, &owner, err);
    return rc < 0 ? rc : has_name;
}

static int check_plain(int mount, const char *path, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    int rc = open_plain(mount, path, &fd, err);
    return rc == BERTH_E_NOT_FOUND ? 0 : rc; /* the engine says so, too */
}

static int open_project(const struct berth_compose_project *project, int *ret_mount,
                        cJSON **ret_file, struct berth_error *err)
{
    int rc = berth_compose_read_tree(project->folder, BERTH_COMPOSE_FILE, ret_file, err);
    return rc < 0 ? rc
                  : berth_folder_open(project->folder, BERTH_COMPOSE_MOUNT,
                                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_mount, err);
}

int berth_compose_own_bind(const struct berth_compose_project *project, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    BERTH_CLEANUP(fd) int mount = -1;
    int rc = open_project(project, &mount, &file, err);
    return rc < 0 ? rc : for_each_bind(mount, berth_json_get(file, "services"), make_folders, err);
}

int berth_compose_own_check_binds(const struct berth_compose_project *project,
                                  struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    BERTH_CLEANUP(fd) int mount = -1;
    int rc = open_project(project, &mount, &file, err);
    if (rc == 0)
        rc = for_each_bind(mount, berth_json_get(file, "services"), check_plain, err);
    if (rc == 0)
        rc = for_each_file(mount, berth_json_get(file, "secrets"), check_plain, err);
    return rc < 0 ? rc : for_each_file(mount, berth_json_get(file, "configs"), check_plain, err);
}
