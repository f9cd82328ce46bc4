/* SPDX-License-Identifier: MIT */
/* The machine, and the programs that the backend stands on. */
#include "backends/rootfs/rootfs_host.h"
#include "backends/rootfs/rootfs_internal.h"
#include "base/text.h"
#include "base/thread.h"

#include <fcntl.h>
#include <string.h>

#define MACHINE_ID_FILE "/etc/machine-id"

/* ---- Programs ---- */

/* Asked once. */
static void learn_version(struct berth_rootfs *rootfs, char version[static BERTH_VERSION_MAX])
{
    const char *path;
    BERTH_LOCK_SCOPE(guard, &rootfs->version_lock);
    if (rootfs->version[0] == '\0' &&
        berth_rootfs_host_find(&rootfs->config, BERTH_ROOTFS_RUNTIME, &path, NULL) == 0 &&
        berth_rootfs_host_version(path, BERTH_ROOTFS_RUNTIME, rootfs->version, NULL) < 0)
        rootfs->version[0] = '\0';
    memcpy(version, rootfs->version, BERTH_VERSION_MAX);
}

int berth_rootfs_versions(struct berth_backend *backend, struct berth_versions *ret_versions,
                          struct berth_error *err)
{
    struct berth_versions versions = {0};
    (void)err;
    learn_version(berth_rootfs_of(backend), versions.engine);
    *ret_versions = versions;
    return 0;
}

int berth_rootfs_find_tools(const struct berth_rootfs *rootfs, const char **ret_conmon,
                            const char **ret_runtime, struct berth_error *err)
{
    int rc = berth_rootfs_host_find(&rootfs->config, BERTH_ROOTFS_CONMON, ret_conmon, err);
    if (rc == 0)
        rc = berth_rootfs_host_find(&rootfs->config, BERTH_ROOTFS_RUNTIME, ret_runtime, err);
    if (rc == 0)
        rc = berth_rootfs_host_check_cgroups(*ret_runtime, err);
    if (rc != BERTH_E_NOT_FOUND)
        return rc;
    if (err) /* it is not what was asked for */
        err->status = BERTH_E_UNREACHABLE;
    return BERTH_E_UNREACHABLE;
}

/* Reads go on without them. */
int berth_rootfs_condition(struct berth_backend *backend, struct berth_error *err)
{
    const char *conmon;
    const char *runtime;
    return berth_rootfs_find_tools(berth_rootfs_of(backend), &conmon, &runtime, err);
}

/* ---- The node ---- */

static void read_machine_id(char *id, size_t size)
{
    BERTH_CLEANUP(fd) int fd = open(MACHINE_ID_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, id, size - 1);
    id[got > 0 ? got : 0] = '\0';
    id[strcspn(id, "\n")] = '\0';
}

static bool fill_node(struct berth_rootfs *rootfs, struct berth_node *node)
{
    char hostname[BERTH_HOSTNAME_MAX + 1] = "";
    char id[64];
    char version[BERTH_VERSION_MAX];
    (void)gethostname(hostname, sizeof(hostname) - 1);
    read_machine_id(id, sizeof(id));
    learn_version(rootfs, version);
    *node = (struct berth_node){
        .id = berth_text_dup(id[0] ? id : hostname),
        .hostname = berth_text_dup(hostname),
        .status = berth_text_dup("Ready"),
        .availability = berth_text_dup("Active"),
        .manager_status = berth_text_dup(""),
        .engine_version = berth_text_dup(version),
        .tls_status = berth_text_dup(""),
        .self = true,
    };
    return node->id && node->hostname && node->status && node->availability &&
           node->manager_status && node->engine_version && node->tls_status;
}

/* One node: this machine. */
int berth_rootfs_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                       struct berth_error *err)
{
    struct berth_node_list nodes = {.items = calloc(1, sizeof(*nodes.items)), .count = 1};
    if (!nodes.items)
        return berth_error_nomem(err);
    if (!fill_node(berth_rootfs_of(backend), &nodes.items[0])) {
        berth_node_list_release(&nodes);
        return berth_error_nomem(err);
    }
    *ret_nodes = nodes;
    return 0;
}
