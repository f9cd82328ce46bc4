/* SPDX-License-Identifier: MIT */
/* The files of an app: the mount of its project, beside which uploads are unpacked. No engine is
 * asked. */
#include "backends/compose/compose_file.h"
#include "backends/compose/compose_internal.h"
#include "base/folder.h"

#include <fcntl.h>
#include <string.h>

struct place {
    int home; /* the project's folder, not locked */
    int mount;
};

#define PLACE_INIT                                                                                 \
    {                                                                                              \
        -1, -1                                                                                     \
    }

static void place_release(struct place *place)
{
    berth_fd_close(&place->home);
    berth_fd_close(&place->mount);
}
BERTH_DEFINE_CLEANUP_VALUE(place, struct place, place_release)

static int open_mount(int home, int *ret_mount, struct berth_error *err)
{
    return berth_folder_open(home, BERTH_COMPOSE_MOUNT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                             ret_mount, err);
}

static int refuse_lost(const struct berth_app *app, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CONFLICT, "the folder of app %s was lost", app->name);
}

/* The project of the app; "" where it has none of ours. */
static const char *find_cuid(const struct berth_compose *compose, const struct berth_app *app)
{
    const char *cuid = berth_app_label(app, BERTH_COMPOSE_LABEL);
    const char *facility = berth_app_label(app, BERTH_LABEL_FACILITY);
    bool ours = facility && strcmp(facility, compose->host.facility) == 0;
    return ours && cuid && berth_compose_is_cuid(cuid) ? cuid : "";
}

static int open_place(const struct berth_compose *compose, const struct berth_app *app,
                      struct place *ret_place, struct berth_error *err)
{
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    struct berth_error why = BERTH_ERROR_INIT;
    const char *cuid = find_cuid(compose, app);
    if (!cuid[0])
        return berth_error_set(err, BERTH_E_CONFLICT, "app %s has no folder: berth did not make it",
                               app->name);
    int rc = berth_folder_open(compose->root, cuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                               &place.home, &why);
    if (rc == 0)
        rc = open_mount(place.home, &place.mount, &why);
    if (rc == BERTH_E_NOT_FOUND)
        return refuse_lost(app, err);
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    *ret_place = place;
    place = (struct place)PLACE_INIT;
    return 0;
}

/* Takes the lock and completes what was cut short; the project is there, and stays while it is
 * open. */
static int lock_place(const struct berth_compose *compose, const struct berth_app *app,
                      struct berth_compose_project *project, int mount, struct berth_error *err)
{
    int rc = berth_compose_project_open(compose->root, find_cuid(compose, app),
                                        compose->request_timeout_ms, project, err);
    if (rc == 0 && berth_compose_project_is_unfinished(project))
        rc = refuse_lost(app, err);
    return rc < 0 ? rc : berth_files_recover(project->folder, mount, err);
}

int berth_compose_put_archive(struct berth_backend *backend, const struct berth_app *app,
                              int archive, berth_files_progress *progress, void *ctx,
                              struct berth_files_tally *ret_tally, struct berth_error *err)
{
    const struct berth_compose *compose = berth_compose_of(backend);
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    BERTH_CLEANUP(files_upload) struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    int rc = open_place(compose, app, &place, err);
    if (rc == 0)
        rc = berth_files_stage(place.home, place.mount, archive, progress, ctx, &upload, err);
    if (rc == 0) /* unpacking may take long; moving does not */
        rc = lock_place(compose, app, &project, place.mount, err);
    if (rc == 0)
        rc = berth_files_move(&upload, place.mount, err);
    if (rc == 0)
        *ret_tally = upload.tally;
    return rc;
}

int berth_compose_recover_files(const struct berth_compose_project *project,
                                struct berth_error *err)
{
    BERTH_CLEANUP(fd) int mount = -1;
    int rc = open_mount(project->folder, &mount, err);
    return rc < 0 ? rc : berth_files_recover(project->folder, mount, err);
}

/* For reading: while an upload is being moved it is waited for, so that none is seen by half. */
static int open_whole(const struct berth_compose *compose, const struct berth_app *app,
                      struct place *ret_place, struct berth_error *err)
{
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    int rc = open_place(compose, app, ret_place, err);
    if (rc < 0 || !berth_files_is_cut_short(ret_place->home))
        return rc;
    return lock_place(compose, app, &project, ret_place->mount, err);
}

int berth_compose_get_archive(struct berth_backend *backend, const struct berth_app *app,
                              const char *path, berth_files_output *output, void *ctx,
                              struct berth_error *err)
{
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    int rc = open_whole(berth_compose_of(backend), app, &place, err);
    return rc < 0 ? rc : berth_files_pack(place.mount, path, output, ctx, err);
}

int berth_compose_get_file(struct berth_backend *backend, const struct berth_app *app,
                           const char *path, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    int rc = open_whole(berth_compose_of(backend), app, &place, err);
    return rc < 0 ? rc : berth_files_open(place.mount, path, false, ret_fd, err);
}
