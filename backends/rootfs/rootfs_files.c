/* SPDX-License-Identifier: MIT */
/* The files of an app: what it sees as /app. Uploads are unpacked beside that. */
#include "backends/rootfs/rootfs_inside.h"
#include "base/folder.h"

#include <fcntl.h>

struct place {
    struct berth_rootfs_app app;
    int mount;
};

#define PLACE_INIT                                                                                 \
    {                                                                                              \
        .app = BERTH_ROOTFS_APP_INIT, .mount = -1                                                  \
    }

static void place_release(struct place *place)
{
    berth_fd_close(&place->mount);
    berth_rootfs_app_release(&place->app);
}
BERTH_DEFINE_CLEANUP_VALUE(place, struct place, place_release)

static int open_mount(int folder, int *ret_mount, struct berth_error *err)
{
    return berth_folder_open(folder, BERTH_ROOTFS_MOUNT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                             ret_mount, err);
}

static int refuse_lost(const char *app, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CONFLICT, "the folder of app %s was lost", app);
}

static int open_place(struct berth_rootfs *rootfs, const struct berth_app *app, struct place *place,
                      struct berth_error *err)
{
    int rc = berth_rootfs_find(rootfs, app->id, &place->app, err);
    if (rc == BERTH_E_NOT_FOUND)
        return refuse_lost(app->name, err);
    return rc < 0 ? rc : open_mount(place->app.folder, &place->mount, err);
}

/* Takes the app, and completes what was cut short. */
static int lock_place(struct berth_rootfs *rootfs, const struct place *place,
                      struct berth_rootfs_app *taken, struct berth_error *err)
{
    int rc = berth_rootfs_take(rootfs, place->app.id, rootfs->request_timeout_ms, taken, err);
    if (rc == BERTH_E_NOT_FOUND)
        return refuse_lost(place->app.record.name, err);
    return rc < 0 ? rc : berth_files_recover(taken->folder, place->mount, err);
}

int berth_rootfs_put_archive(struct berth_backend *backend, const struct berth_app *app,
                             int archive, berth_files_progress *progress, void *ctx,
                             struct berth_files_tally *ret_tally, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    BERTH_CLEANUP(files_upload) struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app taken = BERTH_ROOTFS_APP_INIT;
    int rc = open_place(rootfs, app, &place, err);
    if (rc == 0)
        rc = berth_files_stage(place.app.folder, place.mount, archive, progress, ctx, &upload, err);
    if (rc == 0) /* unpacking may take long; moving does not */
        rc = lock_place(rootfs, &place, &taken, err);
    if (rc == 0)
        rc = berth_files_move(&upload, place.mount, err);
    if (rc == 0)
        *ret_tally = upload.tally;
    return rc;
}

/* For reading: while an upload is being moved it is waited for, so that none is seen by half. */
static int open_whole(struct berth_rootfs *rootfs, const struct berth_app *app, struct place *place,
                      struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app taken = BERTH_ROOTFS_APP_INIT;
    int rc = open_place(rootfs, app, place, err);
    if (rc < 0 || !berth_files_is_cut_short(place->app.folder))
        return rc;
    return lock_place(rootfs, place, &taken, err);
}

int berth_rootfs_get_archive(struct berth_backend *backend, const struct berth_app *app,
                             const char *path, berth_files_output *output, void *ctx,
                             struct berth_error *err)
{
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    int rc = open_whole(berth_rootfs_of(backend), app, &place, err);
    return rc < 0 ? rc : berth_files_pack(place.mount, path, output, ctx, err);
}

int berth_rootfs_get_file(struct berth_backend *backend, const struct berth_app *app,
                          const char *path, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(place) struct place place = PLACE_INIT;
    int rc = open_whole(berth_rootfs_of(backend), app, &place, err);
    return rc < 0 ? rc : berth_files_open(place.mount, path, false, ret_fd, err);
}
