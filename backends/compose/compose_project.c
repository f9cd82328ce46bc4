/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_project.h"

#include "backends/compose/compose_file.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MARK        ".unfinished"
#define FOLDER_MODE 0700
#define FILE_MODE   0600
#define MOUNT_MODE  0755 /* the folder around it is closed to all but us */

void berth_compose_project_release(struct berth_compose_project *project)
{
    berth_fd_close(&project->folder);
}

bool berth_compose_is_cuid(const char *name)
{
    if (strlen(name) != BERTH_CUID_SIZE - 1 || name[0] != 'c')
        return false;
    for (size_t i = 0; i < BERTH_CUID_SIZE - 2; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = name[1 + i];
        if (is_dash ? c != '-' : !berth_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
    }
    return true;
}

/* ---- The lock ---- */

/* What is locked may have been removed by whoever had the lock before. */
static bool is_removed(int folder)
{
    struct stat status;
    return fstat(folder, &status) < 0 || status.st_nlink == 0;
}

int berth_compose_project_open(int root, const char *cuid, int64_t wait_ms,
                               struct berth_compose_project *ret_project, struct berth_error *err)
{
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    (void)snprintf(project.cuid, sizeof(project.cuid), "%s", cuid);
    int rc =
        berth_folder_open(root, cuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &project.folder, err);
    if (rc == 0)
        rc = berth_folder_lock(project.folder, wait_ms, err);
    if (rc == 0 && is_removed(project.folder))
        rc = berth_error_set(err, BERTH_E_NOT_FOUND, "there is no project %s", cuid);
    if (rc < 0)
        return rc;
    *ret_project = project;
    project.folder = -1;
    return 0;
}

/* ---- The mark ---- */

int berth_compose_project_mark(const struct berth_compose_project *project, struct berth_error *err)
{
    return berth_folder_write(project->folder, MARK, "", 0, 0600, err);
}

int berth_compose_project_finish(const struct berth_compose_project *project,
                                 struct berth_error *err)
{
    int rc = berth_compose_project_drop(project, err);
    return rc < 0 ? rc : berth_folder_unlink(project->folder, MARK, err);
}

bool berth_compose_project_is_unfinished(const struct berth_compose_project *project)
{
    return berth_folder_has(project->folder, MARK) ||
           !berth_folder_has(project->folder, BERTH_COMPOSE_FILE);
}

/* ---- A change ---- */

/* What was kept, by what its container did: one name, so that both come at once. */
static const char *const kept_names[] = {
    [BERTH_BEFORE_STOPPED] = ".before-stopped",
    [BERTH_BEFORE_RUNNING] = ".before-running",
    [BERTH_BEFORE_PAUSED] = ".before-paused",
};

#define RESTORED      ".restored"
#define NEXT_ORIGINAL ".next-" BERTH_COMPOSE_ORIGINAL

enum berth_compose_before berth_compose_project_before(const struct berth_compose_project *project)
{
    enum berth_compose_before before = BERTH_BEFORE_PAUSED;
    while (before != BERTH_BEFORE_NONE && !berth_folder_has(project->folder, kept_names[before]))
        before--;
    return before;
}

/* One file under two names keeps the time of its last change. */
static int link_file(const struct berth_compose_project *project, const char *from, const char *to,
                     struct berth_error *err)
{
    int folder = project->folder;
    if (linkat(folder, from, folder, to, 0) == 0)
        return 0;
    return berth_error_set_errno(err, errno == ENOSPC ? BERTH_E_NO_SPACE : BERTH_E_IO, errno,
                                 "%s cannot be kept", from);
}

int berth_compose_project_keep(const struct berth_compose_project *project,
                               enum berth_compose_before before, struct berth_error *err)
{
    int rc = link_file(project, BERTH_COMPOSE_FILE, kept_names[before], err);
    return rc < 0 ? rc : berth_folder_sync(project->folder, err);
}

int berth_compose_project_restore(const struct berth_compose_project *project,
                                  struct berth_error *err)
{
    const char *kept = kept_names[berth_compose_project_before(project)];
    int rc = berth_folder_unlink(project->folder, RESTORED, err);
    if (rc == 0)
        rc = link_file(project, kept, RESTORED, err);
    if (rc == 0 && renameat(project->folder, RESTORED, project->folder, BERTH_COMPOSE_FILE) < 0)
        rc = berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be put back",
                                   BERTH_COMPOSE_FILE);
    /* If both were the same file already, it still has this name. */
    return rc < 0 ? rc : berth_folder_unlink(project->folder, RESTORED, err);
}

int berth_compose_project_keep_original(const struct berth_compose_project *project,
                                        const char *text, struct berth_error *err)
{
    return berth_folder_write(project->folder, NEXT_ORIGINAL, text, strlen(text), FILE_MODE, err);
}

/* Whether the file is another than the one that was kept. */
static bool has_changed(const struct berth_compose_project *project)
{
    struct stat kept;
    struct stat now;
    const char *name = kept_names[berth_compose_project_before(project)];
    return name && fstatat(project->folder, name, &kept, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(project->folder, BERTH_COMPOSE_FILE, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
           kept.st_ino != now.st_ino;
}

/* The owner's text is that of the file, whichever it is. */
static int settle_original(const struct berth_compose_project *project, struct berth_error *err)
{
    int folder = project->folder;
    if (!berth_folder_has(folder, NEXT_ORIGINAL))
        return 0;
    if (!has_changed(project))
        return berth_folder_unlink(folder, NEXT_ORIGINAL, err);
    if (renameat(folder, NEXT_ORIGINAL, folder, BERTH_COMPOSE_ORIGINAL) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be replaced",
                                     BERTH_COMPOSE_ORIGINAL);
    return berth_folder_sync(folder, err);
}

int berth_compose_project_drop(const struct berth_compose_project *project, struct berth_error *err)
{
    int rc = settle_original(project, err);
    enum berth_compose_before before;
    while (rc == 0 && (before = berth_compose_project_before(project)) != BERTH_BEFORE_NONE)
        rc = berth_folder_unlink(project->folder, kept_names[before], err);
    return rc;
}

/* ---- The mount ---- */

/* "UID[:GID]", as the configuration has checked it. */
static int give(int mount, const char *run_as, struct berth_error *err)
{
    int64_t uid = -1;
    int64_t gid = -1;
    char digits[16];
    const char *colon = strchr(run_as, ':');
    size_t len = colon ? (size_t)(colon - run_as) : strlen(run_as);
    (void)snprintf(digits, sizeof(digits), "%.*s", (int)len, run_as);
    int rc = berth_text_parse_int(digits, 0, INT32_MAX, &uid, err);
    if (rc == 0 && colon)
        rc = berth_text_parse_int(colon + 1, 0, INT32_MAX, &gid, err);
    if (rc < 0)
        return berth_error_wrap(err, "user id %s", run_as);
    struct stat status;
    if (fstat(mount, &status) == 0 && status.st_uid == uid && (gid < 0 || status.st_gid == gid))
        return 0;
    if (fchown(mount, (uid_t)uid, (gid_t)gid) < 0)
        return berth_error_set_errno(
            err, BERTH_E_IO, errno,
            "the mount cannot be given to user %s: berth must run as root, "
            "or as that user",
            run_as);
    return 0;
}

static int make_mount(const struct berth_compose_project *project, const char *run_as,
                      struct berth_error *err)
{
    BERTH_CLEANUP(fd) int mount = -1;
    int rc = berth_folder_make(project->folder, BERTH_COMPOSE_MOUNT, MOUNT_MODE, &mount, err);
    if (rc == 0)
        rc = berth_folder_clear(mount, err);
    if (rc == 0 && fchmod(mount, MOUNT_MODE) < 0) /* whatever the umask, and the app, made of it */
        rc = berth_error_set_errno(err, BERTH_E_IO, errno, "the mount cannot be opened to the app");
    if (rc == 0 && run_as)
        rc = give(mount, run_as, err);
    return rc;
}

int berth_compose_project_clear(const struct berth_compose_project *project, const char *run_as,
                                struct berth_error *err)
{
    return make_mount(project, run_as, err);
}

int berth_compose_project_unmount(const struct berth_compose_project *project,
                                  struct berth_error *err)
{
    return berth_folder_remove(project->folder, BERTH_COMPOSE_MOUNT, err);
}

/* ---- Coming and going ---- */

int berth_compose_projects_lock(int root, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = -1;
    int rc = berth_folder_open(root, ".", O_RDONLY | O_DIRECTORY, 0, &held, err);
    if (rc < 0)
        return rc;
    while (flock(held, LOCK_EX) < 0)
        if (errno != EINTR)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "the projects cannot be locked");
    *ret_fd = berth_fd_steal(&held);
    return 0;
}

/* A folder that is there and not locked, even for a moment, would be taken for one left behind. */
static int make_locked(int root, struct berth_compose_project *project, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int held = -1;
    int rc = berth_compose_projects_lock(root, &held, err);
    if (rc == 0 && berth_folder_has(root, project->cuid))
        return berth_error_set(err, BERTH_E_EXISTS, "project %s already exists", project->cuid);
    if (rc == 0)
        rc = berth_folder_make(root, project->cuid, FOLDER_MODE, &project->folder, err);
    return rc < 0 ? rc : berth_folder_lock(project->folder, 0, err);
}

static int fill(int root, const struct berth_compose_project *project, const char *run_as,
                struct berth_error *err)
{
    int rc = berth_compose_project_mark(project, err);
    if (rc == 0)
        rc = make_mount(project, run_as, err);
    return rc < 0 ? rc : berth_folder_sync(root, err);
}

static int choose_cuid(const char *cuid, char ret_cuid[BERTH_CUID_SIZE], struct berth_error *err)
{
    char uuid[BERTH_CUID_SIZE - 1];
    int rc = cuid ? 0 : berth_random_uuid(uuid, err);
    if (rc == 0)
        (void)snprintf(ret_cuid, BERTH_CUID_SIZE, "%s%s", cuid ? "" : "c", cuid ? cuid : uuid);
    return rc;
}

int berth_compose_project_new(int root, const char *cuid, const char *run_as,
                              struct berth_compose_project *ret_project, struct berth_error *err)
{
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    int rc = choose_cuid(cuid, project.cuid, err);
    if (rc == 0)
        rc = make_locked(root, &project, err);
    if (rc == 0)
        rc = fill(root, &project, run_as, err);
    if (rc < 0) {
        if (project.folder >= 0) /* if this fails, too, the next open removes it */
            (void)!berth_compose_project_remove(root, &project, NULL);
        return rc;
    }
    *ret_project = project;
    project.folder = -1;
    return 0;
}

int berth_compose_project_remove(int root, struct berth_compose_project *project,
                                 struct berth_error *err)
{
    /* The mark goes last but for the folder: cut short, this is taken up again. */
    int rc = berth_compose_project_unmount(project, err);
    if (rc == 0)
        rc = berth_folder_remove(root, project->cuid, err);
    if (rc == 0)
        berth_compose_project_release(project);
    return rc;
}
