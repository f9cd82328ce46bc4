/* SPDX-License-Identifier: MIT */
/* The backend's life and its table of verbs. */
#include "backends/rootfs/rootfs.h"

#include "backends/rootfs/rootfs_check.h"
#include "backends/rootfs/rootfs_host.h"
#include "backends/rootfs/rootfs_inside.h"
#include "backends/rootfs/rootfs_seccomp.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FOLDER_MODE  0700
#define COMMAND      "/bin/bash"
#define STATES       ".states"
#define SECCOMP_MAX  (4U << 20)
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* ---- The configuration ---- */

static bool copy_text(const char *text, const char **ret_copy)
{
    *ret_copy = berth_text_dup(text);
    return !text || *ret_copy;
}

static bool copy_roots(const struct berth_texts *roots, struct berth_texts *ret_copy)
{
    ret_copy->items = calloc(roots->count + 1, sizeof(*ret_copy->items));
    for (size_t i = 0; ret_copy->items && i < roots->count; i++) {
        ret_copy->items[i] = berth_text_dup(roots->items[i]);
        if (!ret_copy->items[ret_copy->count++])
            return false;
    }
    return ret_copy->items;
}

static int copy_config(const struct berth_rootfs_config *config, struct berth_rootfs *rootfs,
                       struct berth_error *err)
{
    struct berth_rootfs_config *copy = &rootfs->config;
    copy->mode = config->mode;
    copy->network = config->network;
    if (!copy_text(config->rootfs, &copy->rootfs) || !copy_roots(&config->roots, &copy->roots) ||
        !copy_text(config->runtime, &copy->runtime) ||
        !copy_text(config->command ? config->command : COMMAND, &copy->command) ||
        !copy_text(config->userns, &copy->userns) || !copy_text(config->seccomp, &copy->seccomp))
        return berth_error_nomem(err);
    return copy->userns ? berth_rootfs_userns_parse(copy->userns, &rootfs->userns, err) : 0;
}

static void release_config(struct berth_rootfs_config *config)
{
    const char *texts[] = {config->rootfs, config->runtime, config->command, config->userns,
                           config->seccomp};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free((void *)(uintptr_t)texts[i]);
    berth_texts_release(&config->roots);
}

/* ---- Life ---- */

static int read_boot_id(char boot[static BERTH_BOOT_ID_SIZE], struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, boot, BERTH_BOOT_ID_SIZE - 1) != BERTH_BOOT_ID_SIZE - 1)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "%s cannot be read",
                                     BOOT_ID_FILE);
    boot[BERTH_BOOT_ID_SIZE - 1] = '\0';
    return 0;
}

/* <data_dir>/<facility> and its folder of states, and their paths with no link in them. */
static int open_folders(struct berth_rootfs *rootfs, const char *data_dir, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BERTH_CLEANUP(free) char *real = data < 0 ? NULL : realpath(data_dir, NULL);
    if (!real)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "data_dir %s cannot be opened",
                                     data_dir);
    if (asprintf(&rootfs->path, "%s/%s", real, rootfs->facility) < 0) {
        rootfs->path = NULL;
        return berth_error_nomem(err);
    }
    if (asprintf(&rootfs->states_path, "%s/" STATES, rootfs->path) < 0) {
        rootfs->states_path = NULL;
        return berth_error_nomem(err);
    }
    int rc = berth_folder_make(data, rootfs->facility, FOLDER_MODE, &rootfs->root, err);
    if (rc == 0)
        rc = berth_folder_sync(data, err);
    return rc < 0 ? rc : berth_folder_make(rootfs->root, STATES, FOLDER_MODE, &rootfs->states, err);
}

static void rootfs_close(struct berth_backend *backend)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    berth_rootfs_watch_end(rootfs);
    berth_rootfs_mend_end(rootfs);
    berth_rootfs_inside_close(rootfs);
    berth_fd_close(&rootfs->states);
    berth_fd_close(&rootfs->root);
    (void)pthread_mutex_destroy(&rootfs->mend_lock);
    (void)pthread_cond_destroy(&rootfs->mend_wake);
    (void)pthread_mutex_destroy(&rootfs->version_lock);
    release_config(&rootfs->config);
    free(rootfs->seccomp);
    free(rootfs->states_path);
    free(rootfs->path);
    free(rootfs->facility);
    free(rootfs);
}

static int open_parts(struct berth_rootfs *rootfs, const struct berth_backend_config *config,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf seccomp = BERTH_STRBUF_INIT(SECCOMP_MAX);
    rootfs->facility = berth_text_dup(config->facility);
    rootfs->counts_swap = berth_rootfs_host_counts_swap();
    int rc = rootfs->facility ? read_boot_id(rootfs->boot, err) : berth_error_nomem(err);
    if (rc == 0)
        rc = copy_config(&config->rootfs, rootfs, err);
    if (rc == 0)
        rc = berth_rootfs_seccomp_load(rootfs->config.seccomp, &seccomp, err);
    if (rc == 0 && !(rootfs->seccomp = berth_strbuf_steal(&seccomp, NULL)))
        rc = berth_error_nomem(err);
    if (rc == 0)
        rc = open_folders(rootfs, config->data_dir, err);
    if (rc == 0)
        rc = berth_rootfs_inside_open(rootfs, err);
    return rc < 0 ? rc : berth_rootfs_mend(rootfs, err);
}

static int rootfs_open(const struct berth_backend_config *config,
                       struct berth_backend **ret_backend, struct berth_error *err)
{
    struct berth_rootfs *rootfs = calloc(1, sizeof(*rootfs));
    if (!rootfs)
        return berth_error_nomem(err);
    rootfs->root = rootfs->states = -1;
    rootfs->io = config->io;
    rootfs->request_timeout_ms = config->request_timeout_ms;
    (void)pthread_mutex_init(&rootfs->mend_lock, NULL);
    (void)pthread_mutex_init(&rootfs->version_lock, NULL);
    berth_cond_init(&rootfs->mend_wake);
    int rc = open_parts(rootfs, config, err);
    if (rc < 0) {
        rootfs_close(&rootfs->head);
        return rc;
    }
    *ret_backend = &rootfs->head;
    return 0;
}

const struct berth_backend_ops berth_rootfs_ops = {
    .name = "rootfs",
    .open = rootfs_open,
    .close = rootfs_close,
    .list = berth_rootfs_list,
    .create = berth_rootfs_create,
    .start = berth_rootfs_start,
    .stop = berth_rootfs_stop,
    .pause = berth_rootfs_pause,
    .unpause = berth_rootfs_unpause,
    .restart = berth_rootfs_restart,
    .kill = berth_rootfs_kill,
    .remove = berth_rootfs_remove,
    .remove_ended = berth_rootfs_remove_ended,
    .reset = berth_rootfs_reset,
    .update = berth_rootfs_update,
    .describe = berth_rootfs_describe,
    .inspect = berth_rootfs_inspect,
    .stats = berth_rootfs_stats,
    .logs = berth_rootfs_logs,
    .exec = berth_rootfs_exec,
    .attach = berth_rootfs_attach,
    .put_archive = berth_rootfs_put_archive,
    .get_archive = berth_rootfs_get_archive,
    .get_file = berth_rootfs_get_file,
    .versions = berth_rootfs_versions,
    .nodes = berth_rootfs_nodes,
    .watch = berth_rootfs_watch,
    .touch = berth_rootfs_touch,
    .condition = berth_rootfs_condition,
    .check = berth_rootfs_check,
};
