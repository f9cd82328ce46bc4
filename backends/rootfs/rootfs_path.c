/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_path.h"

#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

void berth_rootfs_path_release(struct berth_rootfs_path *path)
{
    berth_fd_close(&path->fd);
    free(path->path);
    *path = (struct berth_rootfs_path)BERTH_ROOTFS_PATH_INIT;
}

/* ---- Texts ---- */

/* The length of a path without the slashes at its end. */
static size_t trimmed(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len;
}

/* What path has beyond that folder, "" for the folder itself; NULL: it is not beneath. */
static const char *beyond(const char *folder, const char *path)
{
    size_t len = trimmed(folder);
    if (len == 1)
        len = 0; /* "/": every absolute path is beneath */
    if (strncmp(path, folder, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return path + len + strspn(path + len, "/");
}

static bool has_parent(const char *path)
{
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.')
            return true;
        at += len + strspn(at + len, "/");
    }
    return false;
}

static int check_path(const char *path, struct berth_error *err)
{
    size_t len = strlen(path);
    if (len > BERTH_ROOTFS_PATH_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "rootfs must be at most %d bytes long",
                               BERTH_ROOTFS_PATH_MAX);
    if (path[0] != '/')
        return berth_error_set(err, BERTH_E_INVALID, "rootfs must be an absolute path");
    if (berth_text_has_control(path, len) || !berth_text_is_utf8(path, len))
        return berth_error_set(err, BERTH_E_INVALID,
                               "rootfs must be UTF-8 without control characters");
    if (has_parent(path))
        return berth_error_set(err, BERTH_E_INVALID, "rootfs must not contain ..");
    return 0;
}

/* ---- Folders ---- */

/* Where the folder really is. */
static int real_path(int fd, char real[PATH_MAX], struct berth_error *err)
{
    char link[64];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, real, PATH_MAX - 1);
    if (len < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read", link);
    real[len] = '\0';
    return 0;
}

/* The configured folder, and the way that really led from it to found. */
static int name_it(const char *folder, int top, int found, char **ret_path, struct berth_error *err)
{
    char real_top[PATH_MAX] = "";
    char real[PATH_MAX] = "";
    int rc = real_path(top, real_top, err);
    if (rc == 0)
        rc = real_path(found, real, err);
    if (rc < 0)
        return rc;
    const char *way = beyond(real_top, real);
    if (!way) /* moved between the two */
        return berth_error_set(err, BERTH_E_INVALID, "leads out of %s", folder);
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(2 * (size_t)PATH_MAX);
    size_t len = trimmed(folder);
    berth_strbuf_add(&path, folder, len);
    if (*way)
        berth_strbuf_addf(&path, "%s%s", len > 1 ? "/" : "", way);
    rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        *ret_path = berth_strbuf_steal(&path, NULL);
    return rc;
}

/* Opens what is at that way from folder; itself: the folder will do. BERTH_E_NOT_FOUND;
 * BERTH_E_INVALID with the rule alone. */
static int open_beneath(const char *folder, bool itself, const char *way,
                        struct berth_rootfs_path *ret_path, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    BERTH_CLEANUP(rootfs_path) struct berth_rootfs_path path = BERTH_ROOTFS_PATH_INIT;
    BERTH_CLEANUP(fd) int top = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0 && *way)
        return berth_error_set_errno(err, BERTH_E_NOT_FOUND, errno,
                                     "is in %s, which cannot be opened", folder);
    if (top < 0)
        return berth_error_set_errno(err, BERTH_E_NOT_FOUND, errno, "cannot be opened: %s",
                                     strerrordesc_np(errno));
    int rc = berth_folder_open(top, *way ? way : ".", O_PATH | O_DIRECTORY, 0, &path.fd, &why);
    if (rc == BERTH_E_NOT_FOUND)
        return berth_error_set(err, BERTH_E_NOT_FOUND, "does not exist");
    if (rc == BERTH_E_INVALID)
        return berth_error_set(err, BERTH_E_INVALID, "leads out of %s", folder);
    if (rc < 0)
        return berth_error_set(err, BERTH_E_INVALID, "is not a folder");
    rc = name_it(folder, top, path.fd, &path.path, err);
    if (rc < 0)
        return rc;
    if (!itself && *beyond(folder, path.path) == '\0')
        return berth_error_set(err, BERTH_E_INVALID, "is a root itself, not beneath it");
    *ret_path = path;
    path = (struct berth_rootfs_path)BERTH_ROOTFS_PATH_INIT;
    return 0;
}

int berth_rootfs_path_open(const struct berth_rootfs_config *config, const char *path,
                           struct berth_rootfs_path *ret_path, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    const char *asked = path ? path : config->rootfs;
    if (!asked)
        return berth_error_set(err, BERTH_E_INVALID,
                               "rootfs is missing, and this facility has no default");
    int rc = check_path(asked, err);
    if (rc < 0)
        return rc;
    bool beneath = false;
    rc = BERTH_E_NOT_FOUND;
    for (size_t i = 0; rc == BERTH_E_NOT_FOUND && i <= config->roots.count; i++) {
        const char *folder = i == 0 ? config->rootfs : config->roots.items[i - 1];
        const char *way = folder ? beyond(folder, asked) : NULL;
        if (!way)
            continue;
        beneath = true;
        rc = open_beneath(folder, i == 0, way, ret_path, &why);
    }
    if (rc == 0)
        return 0;
    if (!beneath)
        return berth_error_set(err, BERTH_E_INVALID,
                               "rootfs %s is not beneath a root of this facility", asked);
    rc = berth_error_set(err, rc == BERTH_E_NOT_FOUND ? BERTH_E_INVALID : rc, "rootfs %s %s", asked,
                         why.message);
    berth_error_detail(err, "%s", why.detail);
    return rc;
}

/* ---- By name ---- */

static int check_name(const char *image, struct berth_error *err)
{
    size_t len = strlen(image);
    if (len > 0 && len <= NAME_MAX && image[0] != '.' && !strchr(image, '/') &&
        !berth_text_has_control(image, len) && berth_text_is_utf8(image, len))
        return 0;
    return berth_error_set(err, BERTH_E_INVALID,
                           "image must be the name of a folder: at most %d bytes of UTF-8 without "
                           "/ and control characters, and no . to begin with",
                           NAME_MAX);
}

/* Whether the default goes by that name. */
static bool is_default(const struct berth_rootfs_config *config, const char *image)
{
    if (!config->rootfs)
        return false;
    size_t end = trimmed(config->rootfs);
    size_t len = strlen(image);
    return end > len && config->rootfs[end - len - 1] == '/' &&
           memcmp(config->rootfs + end - len, image, len) == 0;
}

int berth_rootfs_path_find(const struct berth_rootfs_config *config, const char *image,
                           struct berth_rootfs_path *ret_path, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = check_name(image, err);
    if (rc < 0)
        return rc;
    if (is_default(config, image))
        return berth_rootfs_path_open(config, NULL, ret_path, err);
    rc = BERTH_E_NOT_FOUND;
    for (size_t i = 0; rc == BERTH_E_NOT_FOUND && i < config->roots.count; i++)
        rc = open_beneath(config->roots.items[i], false, image, ret_path, &why);
    if (rc == 0)
        return 0;
    if (rc == BERTH_E_NOT_FOUND)
        return berth_error_set(err, rc, "image %s is no root file system of this facility", image);
    rc = berth_error_set(err, rc, "image %s %s", image, why.message);
    berth_error_detail(err, "%s", why.detail);
    return rc;
}
