/* SPDX-License-Identifier: MIT */
/*
 * How apps come and go. The record is written last and removed first: a folder
 * without it is no app, and whoever finds one that nobody holds removes it.
 * Folders are made, and those without a record removed, under the lock of all.
 */
#include "backends/rootfs/rootfs_internal.h"
#include "backends/rootfs/rootfs_path.h"
#include "backends/rootfs/rootfs_root.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FOLDER_MODE 0700

int berth_rootfs_lock_all(struct berth_rootfs *rootfs, int *ret_held, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = openat(rootfs->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (held < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the folder of apps cannot be opened");
    int rc = berth_folder_lock(held, rootfs->request_timeout_ms, err);
    if (rc == 0)
        *ret_held = berth_fd_steal(&held);
    return rc;
}

/* ---- The record ---- */

static bool set(char **slot, const char *text)
{
    *slot = berth_text_dup(text);
    return *slot != NULL;
}

/* What an app is to be; before: what one that is made anew was, or NULL. */
static int make_record(const struct berth_rootfs *rootfs, const struct berth_create_spec *spec,
                       const struct berth_rootfs_record *before,
                       struct berth_rootfs_record *ret_record, struct berth_error *err)
{
    const struct berth_rootfs_spec *asked = spec->rootfs;
    BERTH_CLEANUP(rootfs_path) struct berth_rootfs_path path = BERTH_ROOTFS_PATH_INIT;
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record record = {0};
    const char *command = asked && asked->command ? asked->command : rootfs->config.command;
    int rc = asked    ? berth_rootfs_path_open(&rootfs->config, asked->rootfs, &path, err)
             : before ? berth_rootfs_path_open(&rootfs->config, before->rootfs, &path, err)
                      : berth_rootfs_path_find(&rootfs->config, spec->image, &path, err);
    if (!asked && before)
        command = before->command;
    if (rc == 0)
        rc = berth_rootfs_command_check(command, err);
    if (rc < 0)
        return rc;
    bool has_label = spec->image_label && spec->image_label[0] != '\0';
    record.terminal = asked ? asked->terminal : before ? before->terminal : true;
    record.created_ns = record.asked.updated_ns = berth_clock_wall_ns();
    if (asked && asked->created_ns > 0)
        record.created_ns = asked->created_ns;
    record.asked.cpu_nano = spec->cpu_nano;
    record.asked.memory_bytes = spec->memory_bytes;
    record.asked.pids = spec->pids;
    if (!set(&record.name, spec->app) || !set(&record.user, spec->user ? spec->user : "") ||
        !set(&record.image, has_label ? spec->image_label : path.path) ||
        !set(&record.rootfs, path.path) || !set(&record.command, command) ||
        (spec->run_as && !set(&record.run_as, spec->run_as)))
        return berth_error_nomem(err);
    *ret_record = record;
    record = (struct berth_rootfs_record){0};
    return 0;
}

/* ---- Coming ---- */

/* Under the lock of all: those that are being made are whole by now. */
static int check_name(struct berth_rootfs *rootfs, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    int rc = berth_folder_list(rootfs->root, &list, err);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(list))) {
        BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record record = {0};
        BERTH_CLEANUP(fd) int folder = -1;
        if (berth_rootfs_is_id(entry->d_name) &&
            berth_folder_open(rootfs->root, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                              &folder, NULL) == 0 &&
            berth_rootfs_record_read(folder, &record, NULL) == 0 && strcmp(record.name, name) == 0)
            rc = berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", name);
    }
    return rc;
}

static int new_id(char id[static BERTH_ROOTFS_ID_SIZE], struct berth_error *err)
{
    unsigned char bytes[(BERTH_ROOTFS_ID_SIZE - 1) / 2];
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_ROOTFS_ID_SIZE);
    int rc = berth_random_bytes(bytes, sizeof(bytes), err);
    if (rc < 0)
        return rc;
    berth_hex_encode(bytes, sizeof(bytes), &text);
    rc = berth_strbuf_check(&text, err);
    if (rc == 0)
        (void)snprintf(id, BERTH_ROOTFS_ID_SIZE, "%s", berth_strbuf_str(&text));
    return rc;
}

/* All that the folder holds before its app has run; the record makes it one. */
static int fill_folder(const struct berth_rootfs *rootfs, int folder,
                       const struct berth_rootfs_record *record, struct berth_error *err)
{
    int rc = berth_rootfs_root_make(folder, &rootfs->config, err);
    if (rc == 0)
        rc = berth_rootfs_make_mount(rootfs, folder, record->run_as, err);
    return rc < 0 ? rc : berth_rootfs_record_write(folder, record, err);
}

static int make_folder(struct berth_rootfs *rootfs, const char *id,
                       const struct berth_rootfs_record *record, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int folder = -1;
    int rc = berth_folder_make(rootfs->root, id, FOLDER_MODE, &folder, err);
    if (rc == 0)
        rc = fill_folder(rootfs, folder, record, err);
    if (rc == 0)
        rc = berth_folder_sync(rootfs->root, err);
    if (rc < 0)
        (void)!berth_folder_remove(rootfs->root, id, NULL);
    return rc;
}

static int create(struct berth_rootfs *rootfs, const struct berth_create_spec *spec,
                  const struct berth_rootfs_record *before, char **ret_id, struct berth_error *err)
{
    const struct berth_rootfs_state state = {.state = BERTH_APP_CREATED};
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record record = {0};
    BERTH_CLEANUP(fd) int held = -1;
    char id[BERTH_ROOTFS_ID_SIZE];
    BERTH_CLEANUP(free) char *told = malloc(sizeof(id));
    int rc = told ? make_record(rootfs, spec, before, &record, err) : berth_error_nomem(err);
    if (rc == 0)
        rc = new_id(id, err);
    if (rc == 0)
        rc = berth_rootfs_lock_all(rootfs, &held, err);
    if (rc == 0)
        rc = check_name(rootfs, spec->app, err);
    if (rc == 0)
        rc = make_folder(rootfs, id, &record, err);
    if (rc < 0)
        return rc;
    /* For those who watch: that it was created, the record tells. */
    (void)!berth_rootfs_state_write(rootfs->states, id, &state, NULL);
    (void)snprintf(told, sizeof(id), "%s", id);
    *ret_id = berth_steal(&told);
    return 0;
}

int berth_rootfs_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                        char **ret_id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    int rc = create(rootfs, spec, NULL, ret_id, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

/* ---- Going ---- */

int berth_rootfs_discard(struct berth_rootfs *rootfs, const char *id, int folder,
                         struct berth_error *err)
{
    int rc = berth_folder_unlink(folder, BERTH_ROOTFS_RECORD, err);
    if (rc < 0)
        return rc;
    berth_rootfs_state_remove(rootfs->states, id);
    return berth_folder_remove(rootfs->root, id, err);
}

/* Of an app that is taken, and does not run. */
static int discard_taken(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                         struct berth_error *err)
{
    int rc = berth_rootfs_sweep(rootfs, app, err);
    if (rc == 0)
        rc = berth_rootfs_await_cleared(rootfs, app, err);
    return rc < 0 ? rc : berth_rootfs_discard(rootfs, app->id, app->folder, err);
}

/* Ends it first. */
static int remove_app(struct berth_rootfs *rootfs, const char *id,
                      struct berth_rootfs_record *ret_record, struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_stop(&rootfs->head, id, err);
    if (rc == 0)
        rc = berth_rootfs_take(rootfs, id, rootfs->request_timeout_ms, &app, err);
    if (rc == 0) /* somebody may have started it anew */
        rc = berth_rootfs_end(rootfs, &app, err);
    if (rc == 0)
        rc = discard_taken(rootfs, &app, err);
    if (rc < 0)
        return rc;
    *ret_record = app.record;
    app.record = (struct berth_rootfs_record){0};
    return 0;
}

int berth_rootfs_remove(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record record = {0};
    int rc = remove_app(rootfs, id, &record, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

int berth_rootfs_remove_ended(struct berth_backend *backend, const char *id,
                              struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_take(rootfs, id, rootfs->request_timeout_ms, &app, err);
    if (rc == 0 && berth_rootfs_runs(&app))
        rc = berth_error_set(err, BERTH_E_CONFLICT,
                             "You cannot remove a running container %s. Stop the container before "
                             "attempting removal",
                             app.id);
    if (rc == 0)
        rc = discard_taken(rootfs, &app, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

/* Made anew, it is what it was asked to be, unless another root file system is asked for. */
int berth_rootfs_reset(struct berth_backend *backend, const char *id,
                       const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                       struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record before = {0};
    *ret_gone = false;
    int rc = remove_app(rootfs, id, &before, err);
    if (rc == 0) {
        bool is_same = strcmp(spec->image, before.image) == 0;
        rc = create(rootfs, spec, is_same ? &before : NULL, ret_id, err);
        *ret_gone = rc < 0;
    }
    berth_rootfs_tell(rootfs);
    return rc;
}
