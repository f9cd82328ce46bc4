/* SPDX-License-Identifier: MIT */
#include "backends/files/files_internal.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int refuse_path(struct berth_error *err, const char *why)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, "PATH_ESCAPE", "parameter path %s", why);
}

/* Something of that path, not yet open for reading: who opens a device or a pipe makes it do
 * something. */
static int find(int mount, const char *path, int *ret_fd, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    if (path[0] == '/')
        return refuse_path(err, "must be relative to the app's files");
    int rc = berth_folder_open(mount, path[0] ? path : ".", O_PATH, 0, ret_fd, &why);
    if (rc == BERTH_E_INVALID)
        return refuse_path(err, "leads out of the app's files");
    if (rc == BERTH_E_NOT_FOUND)
        return berth_error_set_coded(err, rc, "FILE_NOT_FOUND", "there is no %s in the app", path);
    if (rc < 0 && err)
        *err = why;
    return rc;
}

int berth_files_reopen(int found, int *ret_fd)
{
    char self[32];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", found);
    int fd = open(self, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    *ret_fd = fd;
    return 0;
}

int berth_files_open(int mount, const char *path, bool is_folder, int *ret_fd,
                     struct berth_error *err)
{
    BERTH_CLEANUP(fd) int found = -1;
    struct stat status;
    int rc = find(mount, path, &found, err);
    if (rc < 0)
        return rc;
    if (fstat(found, &status) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read", path);
    if (is_folder ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode))
        return berth_error_set_coded(err, BERTH_E_INVALID, "WRONG_KIND",
                                     S_ISDIR(status.st_mode)
                                         ? "%s is a folder: download-zip packs it"
                                         : (is_folder ? "%s is no folder" : "%s is no file"),
                                     path[0] ? path : ".");
    if (berth_files_reopen(found, ret_fd) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read", path);
    return 0;
}
