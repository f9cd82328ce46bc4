/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_check.h"

#include "backends/rootfs/rootfs_host.h"
#include "backends/rootfs/rootfs_path.h"
#include "backends/rootfs/rootfs_root.h"
#include "backends/rootfs/rootfs_seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SECCOMP_BYTES (1 << 20)

/* ---- The folders ---- */

static int check_roots(const struct berth_rootfs_config *config, struct berth_error *err)
{
    if (!config->rootfs && config->roots.count == 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "needs rootfs, rootfs_roots or both: there is nothing to run");
    for (size_t i = 0; i < config->roots.count; i++) {
        BERTH_CLEANUP(fd)
        int fd = open(config->roots.items[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return berth_error_set_errno(err, BERTH_E_INVALID, errno,
                                         "rootfs_roots %s cannot be opened: %s",
                                         config->roots.items[i], strerrordesc_np(errno));
    }
    if (!config->rootfs)
        return 0;
    BERTH_CLEANUP(rootfs_path) struct berth_rootfs_path path = BERTH_ROOTFS_PATH_INIT;
    return berth_rootfs_path_open(config, NULL, &path, err);
}

/* File systems on which the kernel has no upper layer of an overlay. */
static int check_data_dir(const char *data_dir, struct berth_error *err)
{
    static const struct {
        const char *name;
        __fsword_t magic;
    } unfit[] = {
        {"nfs", NFS_SUPER_MAGIC},   {"overlay", OVERLAYFS_SUPER_MAGIC}, {"fat", MSDOS_SUPER_MAGIC},
        {"cifs", CIFS_SUPER_MAGIC}, {"smb", SMB2_SUPER_MAGIC},          {"fuse", FUSE_SUPER_MAGIC},
    };
    struct statfs status;
    if (!data_dir || statfs(data_dir, &status) < 0)
        return 0; /* made at the start */
    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++)
        if (status.f_type == unfit[i].magic)
            return berth_error_set(err, BERTH_E_INVALID,
                                   "data_dir %s is on a file system (%s) that cannot hold what "
                                   "apps write over their root file system",
                                   data_dir, unfit[i].name);
    return 0;
}

/* ---- The host ---- */

/* One that is absent may come yet. */
static int check_tool(const struct berth_rootfs_config *config, enum berth_rootfs_tool tool,
                      struct berth_strbuf *notes, struct berth_error *err)
{
    const char *path;
    char version[BERTH_VERSION_MAX];
    struct berth_error why = BERTH_ERROR_INIT;
    if (berth_rootfs_host_find(config, tool, &path, &why) < 0) {
        berth_strbuf_addf(notes, "%s\n", why.message);
        return 0;
    }
    int rc = berth_rootfs_host_version(path, tool, version, err);
    if (rc == 0)
        berth_strbuf_addf(notes, "%s at %s\n", version, path);
    if (rc == 0 && tool == BERTH_ROOTFS_RUNTIME)
        rc = berth_rootfs_host_check_cgroups(path, err);
    return rc;
}

static int check_mapping(const struct berth_rootfs_config *config, struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_path) struct berth_rootfs_path path = BERTH_ROOTFS_PATH_INIT;
    if (!config->rootfs)
        return 0;
    int rc = berth_rootfs_path_open(config, NULL, &path, err);
    return rc < 0 ? rc : berth_rootfs_root_check(config, path.fd, err);
}

int berth_rootfs_check(const struct berth_backend_config *config, struct berth_strbuf *notes,
                       struct berth_error *err)
{
    const struct berth_rootfs_config *rootfs = &config->rootfs;
    BERTH_CLEANUP(strbuf) struct berth_strbuf seccomp = BERTH_STRBUF_INIT(SECCOMP_BYTES);
    int rc = check_roots(rootfs, err);
    if (rc == 0)
        rc = check_data_dir(config->data_dir, err);
    if (rc == 0)
        rc = berth_rootfs_seccomp_load(rootfs->seccomp, &seccomp, err);
    if (rc == 0)
        rc = check_tool(rootfs, BERTH_ROOTFS_RUNTIME, notes, err);
    if (rc == 0)
        rc = check_tool(rootfs, BERTH_ROOTFS_CONMON, notes, err);
    if (rc == 0 && geteuid() == 0)
        rc = check_mapping(rootfs, err);
    else if (rc == 0)
        berth_strbuf_adds(notes, "the gateway must run as root: it makes namespaces and mounts\n");
    return rc < 0 ? rc : berth_strbuf_check(notes, err);
}
