/* SPDX-License-Identifier: MIT */
/* Starting: what an app that boots must have for it. */
#include "backends/compose/compose_internal.h"
#include "backends/engine/engine_container.h"
#include "base/folder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_MAX_BYTES (BERTH_CUID_SIZE + 64)

/* A file, or a link, which may lead to one only within the app. */
static bool has_boot(const struct berth_compose *compose, const char *cuid)
{
    char path[PATH_MAX_BYTES];
    struct stat status;
    BERTH_CLEANUP(fd) int fd = -1;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", cuid, BERTH_COMPOSE_MOUNT, BERTH_COMPOSE_BOOT);
    return berth_folder_open(compose->root, path, O_PATH | O_NOFOLLOW, 0, &fd, NULL) == 0 &&
           fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode));
}

static int check_boot(const struct berth_compose *compose, const struct berth_compose_kind *kind,
                      struct berth_error *err)
{
    if (!kind->boots || has_boot(compose, kind->cuid))
        return 0;
    return berth_error_set_coded(err, BERTH_E_CONFLICT, "NO_BOOT_FILE",
                                 "there is no %s/%s to run: upload it, then start the app",
                                 BERTH_COMPOSE_MOUNT_TARGET, BERTH_COMPOSE_BOOT);
}

/* The engine tells of a port in words alone. */
static int tell_port(int rc, struct berth_error *err)
{
    static const char *const words[] = {"port is already allocated", "address already in use"};
    struct berth_error told = err ? *err : (struct berth_error)BERTH_ERROR_INIT;
    if (rc == BERTH_E_REFUSED && (strstr(told.message, words[0]) || strstr(told.message, words[1])))
        return berth_error_set(err, BERTH_E_PORT_IN_USE, "%s", told.message);
    return rc;
}

int berth_compose_start_container(struct berth_compose *compose, const char *id,
                                  struct berth_error *err)
{
    return tell_port(berth_engine_container_start(compose->host.engine, id, err), err);
}

static int start_project(struct berth_compose *compose, const char *id, struct berth_error *err)
{
    struct berth_compose_container container;
    int rc = berth_compose_find(compose, id, &container, err);
    if (rc < 0)
        return rc;
    if (container.state == BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT, "the app is paused");
    return tell_port(berth_compose_start_project(compose, container.cuid, err), err);
}

static int find_bootable(struct berth_compose *compose, const char *id,
                         struct berth_compose_kind *ret_kind, struct berth_error *err)
{
    int rc = berth_compose_find_kind(compose, id, ret_kind, err);
    return rc < 0 ? rc : check_boot(compose, ret_kind, err);
}

int berth_compose_start(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_kind kind;
    int rc = find_bootable(compose, id, &kind, err);
    if (rc < 0)
        return rc;
    return kind.is_project ? start_project(compose, id, err)
                           : berth_compose_start_container(compose, id, err);
}

int berth_compose_restart(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_kind kind;
    int rc = find_bootable(compose, id, &kind, err);
    if (rc < 0)
        return rc;
    if (!kind.is_project)
        return tell_port(berth_engine_container_restart(compose->host.engine, id, err), err);
    rc = berth_compose_stop_project(compose, kind.cuid, err);
    return rc < 0 ? rc : tell_port(berth_compose_start_project(compose, kind.cuid, err), err);
}
