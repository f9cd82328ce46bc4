/* SPDX-License-Identifier: MIT */
/* The backend's life and its table of verbs: what a container's id is enough for is the engine
 * host's, as in solo. */
#include "backends/compose/compose.h"

#include "backends/compose/compose_internal.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define FOLDER_MODE 0700

int berth_compose_check_engine(const struct berth_backend_config *config, struct berth_error *err)
{
    if (config->engine && strncmp(config->engine, "unix:///", 8) == 0)
        return 0;
    return berth_error_set(err, BERTH_E_INVALID,
                           "backend compose needs an engine on this machine (unix:///PATH): apps "
                           "share a folder with it");
}

/* <data_dir>/<facility>, and its path with no link in it. */
static int open_root(struct berth_compose *compose, const struct berth_backend_config *config,
                     struct berth_strbuf *path, struct berth_error *err)
{
    compose->data = open(config->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BERTH_CLEANUP(free) char *real = compose->data < 0 ? NULL : realpath(config->data_dir, NULL);
    if (!real)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "data_dir %s cannot be opened",
                                     config->data_dir);
    berth_strbuf_addf(path, "%s/%s", real, config->facility);
    int rc = berth_strbuf_check(path, err);
    if (rc == 0)
        rc = berth_folder_make(compose->data, config->facility, FOLDER_MODE, &compose->root, err);
    return rc < 0 ? rc : berth_folder_sync(compose->data, err);
}

static void compose_close(struct berth_backend *backend)
{
    struct berth_compose *compose = berth_compose_of(backend);
    berth_compose_mend_end(compose);
    berth_engine_host_release(&compose->host);
    berth_compose_program_release(&compose->program);
    berth_fd_close(&compose->root);
    berth_fd_close(&compose->data);
    (void)pthread_mutex_destroy(&compose->creating_lock);
    (void)pthread_mutex_destroy(&compose->kinds_lock);
    (void)pthread_mutex_destroy(&compose->mend_lock);
    (void)pthread_cond_destroy(&compose->mend_wake);
    free(compose);
}

static int open_parts(struct berth_compose *compose, const struct berth_backend_config *config,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX);
    int rc = berth_compose_check_engine(config, err);
    if (rc == 0)
        rc = open_root(compose, config, &path, err);
    berth_strbuf_adds(&path, "/.docker");
    if (rc == 0)
        rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_compose_program_init(&compose->program, config->compose, config->engine,
                                        berth_strbuf_str(&path), err);
    if (rc == 0)
        rc = berth_engine_host_init(&compose->host, config, err);
    return rc < 0 ? rc : berth_compose_mend(compose, err);
}

static int compose_open(const struct berth_backend_config *config,
                        struct berth_backend **ret_backend, struct berth_error *err)
{
    struct berth_compose *compose = calloc(1, sizeof(*compose));
    if (!compose)
        return berth_error_nomem(err);
    compose->root = compose->data = -1;
    compose->request_timeout_ms = config->request_timeout_ms;
    compose->mend_first = true;
    (void)pthread_mutex_init(&compose->creating_lock, NULL);
    (void)pthread_mutex_init(&compose->kinds_lock, NULL);
    (void)pthread_mutex_init(&compose->mend_lock, NULL);
    berth_cond_init(&compose->mend_wake);
    int rc = open_parts(compose, config, err);
    if (rc < 0) {
        compose_close(&compose->host.head);
        return rc;
    }
    *ret_backend = &compose->host.head;
    return 0;
}

static int compose_versions(struct berth_backend *backend, struct berth_versions *ret_versions,
                            struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_versions versions = {0};
    BERTH_CLEANUP(json) cJSON *told = NULL;
    (void)err;
    if (berth_engine_get_json(compose->host.engine, "/version", &told, NULL) == 0)
        (void)snprintf(versions.engine, sizeof(versions.engine), "%s",
                       berth_json_string(told, "Version", ""));
    if (berth_compose_program_find(&compose->program, versions.compose, NULL) < 0)
        versions.compose[0] = '\0';
    *ret_versions = versions;
    return 0;
}

/* Reads go on without it. */
static int compose_condition(struct berth_backend *backend, struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    if (berth_compose_program_is_there(&compose->program))
        return 0;
    return berth_error_set(err, BERTH_E_UNREACHABLE, "Docker Compose is not installed here");
}

const struct berth_backend_ops berth_compose_ops = {
    .name = "compose",
    .open = compose_open,
    .close = compose_close,
    .list = berth_engine_host_list,
    .create = berth_compose_create,
    .start = berth_compose_start,
    .stop = berth_compose_stop,
    .pause = berth_compose_pause,
    .unpause = berth_compose_unpause,
    .restart = berth_compose_restart,
    .kill = berth_compose_kill,
    .remove = berth_compose_remove,
    .reset = berth_compose_reset,
    .plan = berth_compose_plan,
    .update = berth_compose_update,
    .describe = berth_compose_describe,
    .services = berth_compose_services,
    .inspect = berth_engine_host_inspect,
    .stats = berth_engine_host_stats,
    .logs = berth_compose_logs,
    .exec = berth_compose_exec,
    .put_archive = berth_compose_put_archive,
    .get_archive = berth_compose_get_archive,
    .get_file = berth_compose_get_file,
    .images = berth_engine_host_images,
    .pull = berth_engine_host_pull,
    .image_remove = berth_engine_host_image_remove,
    .nodes = berth_engine_host_nodes,
    .watch = berth_engine_host_watch,
    .touch = berth_engine_host_touch,
    .versions = compose_versions,
    .condition = compose_condition,
    .check = berth_compose_check,
};
