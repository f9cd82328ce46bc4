/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_exec_spec.h"

#include "backends/rootfs/rootfs_crowd.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ID_MAX       (INT64_C(0xffffffff) - 1)
#define PASSWD_LINE  4096
#define VARIABLE_MAX 64
#define NAME_SIZE    256

/* ---- Its file system ---- */

/* As the app itself would open it: links lead where they do for it. -1: it cannot. */
static int open_in(int root, const char *path, int flags)
{
    const struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static bool is_program(int root, const char *path)
{
    struct stat st;
    BERTH_CLEANUP(fd) int fd = open_in(root, path, O_PATH);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static bool is_folder(int root, const char *path)
{
    BERTH_CLEANUP(fd) int fd = path[0] == '/' ? open_in(root, path, O_PATH | O_DIRECTORY) : -1;
    return fd >= 0;
}

/* ---- Its members ---- */

/* Takes the item over. */
static int put(cJSON *object, const char *name, cJSON *item, struct berth_error *err)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (item && cJSON_AddItemToObject(object, name, item))
        return 0;
    cJSON_Delete(item);
    return berth_error_nomem(err);
}

static int set_arguments(cJSON *process, int root, const struct berth_exec_spec *spec,
                         struct berth_error *err)
{
    static const char *const shells[] = {"/bin/bash", "/bin/sh"};
    const char *shell[] = {NULL, NULL};
    const char *const *argv = spec->argv;
    for (size_t i = 0; !argv && i < 2; i++)
        if (is_program(root, shells[i])) {
            shell[0] = shells[i];
            argv = shell;
        }
    if (!argv)
        return berth_error_set(err, BERTH_E_CONFLICT, "the app has no shell that starts (/bin/sh)");
    int count = 0;
    while (argv[count])
        count++;
    return put(process, "args", cJSON_CreateStringArray(argv, count), err);
}

/* Replaces the variable, where it is there. */
static int set_variable(cJSON *env, const char *assignment, struct berth_error *err)
{
    size_t len = strcspn(assignment, "=") + 1;
    cJSON *variable = env->child;
    while (variable) {
        cJSON *next = variable->next;
        if (cJSON_IsString(variable) && strncmp(variable->valuestring, assignment, len) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(env, variable));
        variable = next;
    }
    cJSON *item = cJSON_CreateString(assignment);
    if (item && cJSON_AddItemToArray(env, item))
        return 0;
    cJSON_Delete(item);
    return berth_error_nomem(err);
}

static int set_environment(cJSON *process, const struct berth_exec_spec *spec, const char *mark,
                           struct berth_error *err)
{
    char variable[VARIABLE_MAX];
    cJSON *env = cJSON_GetObjectItemCaseSensitive(process, "env");
    if (!cJSON_IsArray(env)) {
        env = cJSON_CreateArray();
        int rc = put(process, "env", env, err);
        if (rc < 0)
            return rc;
    }
    int rc = spec->tty ? set_variable(env, "TERM=xterm-256color", err) : 0;
    for (size_t i = 0; rc == 0 && spec->env && spec->env[i]; i++)
        rc = set_variable(env, spec->env[i], err);
    (void)snprintf(variable, sizeof(variable), BERTH_ROOTFS_MARK "=%s", mark);
    return rc < 0 ? rc : set_variable(env, variable, err);
}

static int set_terminal(cJSON *process, const struct berth_exec_spec *spec, struct berth_error *err)
{
    cJSON_DeleteItemFromObjectCaseSensitive(process, "consoleSize");
    int rc = put(process, "terminal", cJSON_CreateBool(spec->tty), err);
    if (rc < 0 || !spec->tty)
        return rc;
    cJSON *size = cJSON_AddObjectToObject(process, "consoleSize");
    if (size && cJSON_AddNumberToObject(size, "height", spec->rows) &&
        cJSON_AddNumberToObject(size, "width", spec->cols))
        return 0;
    return berth_error_nomem(err);
}

/* ---- Users ---- */

/* Looks an account up in the app's /etc/passwd: by its name, or where that is NULL its number. */
static bool find_account(int root, const char *name, int64_t *uid, int64_t *gid)
{
    struct stat st;
    BERTH_CLEANUP(fd) int fd = open_in(root, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    BERTH_CLEANUP(file) FILE *file = fdopen(fd, "r");
    if (!file)
        return false;
    (void)berth_fd_steal(&fd);
    char line[PASSWD_LINE];
    struct passwd entry;
    struct passwd *found;
    while (fgetpwent_r(file, &entry, line, sizeof(line), &found) == 0) {
        if (name ? strcmp(entry.pw_name, name) != 0 : entry.pw_uid != *uid)
            continue;
        *uid = entry.pw_uid;
        *gid = entry.pw_gid;
        return true;
    }
    return false;
}

static int find_user(int root, const char *user, int64_t *ret_uid, int64_t *ret_gid,
                     struct berth_error *err)
{
    char name[NAME_SIZE];
    const char *colon = strchr(user, ':');
    size_t len = colon ? (size_t)(colon - user) : strlen(user);
    int64_t uid = 0;
    int64_t gid = 0;
    bool is_known = len > 0 && len < sizeof(name);
    if (is_known) {
        memcpy(name, user, len);
        name[len] = '\0';
        if (berth_text_parse_int(name, 0, ID_MAX, &uid, NULL) == 0)
            (void)find_account(root, NULL, &uid, &gid);
        else
            is_known = find_account(root, name, &uid, &gid);
    }
    if (is_known && colon)
        is_known = berth_text_parse_int(colon + 1, 0, ID_MAX, &gid, NULL) == 0;
    if (!is_known)
        return berth_error_set(err, BERTH_E_INVALID, "the app has no user %s", user);
    *ret_uid = uid;
    *ret_gid = gid;
    return 0;
}

/* What the user may beyond others: root all that the app may get, any other nothing. */
static int set_capabilities(cJSON *process, bool is_root, struct berth_error *err)
{
    static const char *const sets[] = {"effective", "permitted", "inheritable", "ambient"};
    cJSON *capabilities = cJSON_GetObjectItemCaseSensitive(process, "capabilities");
    const cJSON *bounding = berth_json_get(capabilities, "bounding");
    int rc = 0;
    for (size_t i = 0; rc == 0 && capabilities && i < sizeof(sets) / sizeof(sets[0]); i++) {
        bool has_all = is_root && bounding && i < 2;
        rc = put(capabilities, sets[i],
                 has_all ? cJSON_Duplicate(bounding, true) : cJSON_CreateArray(), err);
    }
    return rc;
}

static int set_user(cJSON *process, int root, const char *user, struct berth_error *err)
{
    int64_t uid;
    int64_t gid;
    int rc = find_user(root, user, &uid, &gid, err);
    if (rc < 0)
        return rc;
    cJSON *item = cJSON_CreateObject();
    rc = put(process, "user", item, err);
    if (rc < 0)
        return rc;
    if (!cJSON_AddNumberToObject(item, "uid", (double)uid) ||
        !cJSON_AddNumberToObject(item, "gid", (double)gid))
        return berth_error_nomem(err);
    return set_capabilities(process, uid == 0, err);
}

int berth_rootfs_exec_process(cJSON *process, int root, const struct berth_exec_spec *spec,
                              const char *mark, struct berth_error *err)
{
    int rc = set_arguments(process, root, spec, err);
    if (rc == 0)
        rc = set_environment(process, spec, mark, err);
    if (rc == 0)
        rc = set_terminal(process, spec, err);
    if (rc == 0 && spec->user)
        rc = set_user(process, root, spec->user, err);
    if (rc == 0 && spec->directory && is_folder(root, spec->directory))
        rc = put(process, "cwd", cJSON_CreateString(spec->directory), err);
    return rc;
}
