/* SPDX-License-Identifier: MIT */
/* Looks after what was left behind. */
#include "backends/rootfs/rootfs_inside.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/log.h"
#include "base/thread.h"

#include <fcntl.h>
#include <string.h>

/* Between two looks: doubled each time, while something could not be done. */
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 60000

/* How an app, or the worst of all, stands after a look; in the order of what is to be done. */
enum outcome {
    MENDED,
    BUSY, /* somebody is at work: to be looked at again soon */
    LEFT, /* it could not be done */
};

/* ---- One app ---- */

/* A folder without a record. While the lock of all is held, nobody fills it. */
static enum outcome remove_remains(struct berth_rootfs *rootfs, const char *id)
{
    BERTH_CLEANUP(fd) int held = -1;
    BERTH_CLEANUP(fd) int folder = -1;
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_rootfs_lock_all(rootfs, &held, NULL) < 0)
        return BUSY;
    if (berth_folder_open(rootfs->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &folder, NULL) <
            0 ||
        berth_folder_has(folder, BERTH_ROOTFS_RECORD))
        return MENDED;
    if (berth_folder_lock(folder, 0, NULL) < 0) /* it is being removed */
        return BUSY;
    if (berth_rootfs_discard(rootfs, id, folder, &err) == 0) {
        berth_log(BERTH_LOG_INFO, "facility %s: app %s was left unfinished: it is removed",
                  rootfs->facility, id);
        return MENDED;
    }
    berth_log_error(BERTH_LOG_WARNING, &err,
                    "facility %s: what is left of app %s cannot be removed", rootfs->facility, id);
    return LEFT;
}

static enum outcome sweep(struct berth_rootfs *rootfs, const char *id)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = berth_rootfs_take(rootfs, id, 0, &app, &err);
    if (rc == BERTH_E_BUSY)
        return BUSY;
    if (rc == BERTH_E_NOT_FOUND) /* removed since */
        return MENDED;
    bool was_running = app.state.is_unseen;
    if (rc == 0)
        rc = berth_rootfs_sweep(rootfs, &app, &err);
    if (rc == 0)
        rc = berth_rootfs_tidy(&app, &err);
    if (rc < 0) {
        berth_log_error(BERTH_LOG_WARNING, &err, "facility %s: app %s cannot be looked after",
                        rootfs->facility, id);
        return LEFT;
    }
    if (was_running)
        berth_log(BERTH_LOG_WARNING,
                  "facility %s: app %s has ended and nobody saw how: it counts as exited with %d",
                  rootfs->facility, app.record.name, BERTH_ROOTFS_EXIT_UNKNOWN);
    return MENDED;
}

static enum outcome mend_one(struct berth_rootfs *rootfs, const char *id)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = berth_rootfs_find(rootfs, id, &app, &err);
    if (rc == BERTH_E_NOT_FOUND)
        return remove_remains(rootfs, id);
    if (rc == 0)
        return berth_rootfs_is_littered(&app) || berth_rootfs_is_strewn(&app) ? sweep(rootfs, id)
                                                                              : MENDED;
    berth_log_error(BERTH_LOG_WARNING, &err, "facility %s: app %s is left out", rootfs->facility,
                    id);
    return rc == BERTH_E_CONFLICT ? MENDED : LEFT;
}

/* ---- All of them ---- */

static bool is_closing(struct berth_rootfs *rootfs)
{
    BERTH_LOCK_SCOPE(guard, &rootfs->mend_lock);
    return rootfs->mend_state == BERTH_ROOTFS_MEND_CLOSING;
}

static enum outcome mend_all(struct berth_rootfs *rootfs)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    enum outcome worst = MENDED;
    if (berth_folder_list(rootfs->root, &list, NULL) < 0)
        return LEFT;
    const struct dirent *entry;
    while ((entry = readdir(list)) && !is_closing(rootfs)) {
        if (!berth_rootfs_is_id(entry->d_name))
            continue;
        enum outcome one = mend_one(rootfs, entry->d_name);
        worst = one > worst ? one : worst;
    }
    return worst;
}

/* ---- The thread ---- */

static void *run_mender(void *arg)
{
    struct berth_rootfs *rootfs = arg;
    int64_t pause_ms = PAUSE_MIN_MS;
    BERTH_LOCK_SCOPE(guard, &rootfs->mend_lock);
    while (rootfs->mend_state == BERTH_ROOTFS_MEND_RUNNING) {
        rootfs->mend_wanted = false;
        (void)pthread_mutex_unlock(&rootfs->mend_lock);
        enum outcome outcome = mend_all(rootfs);
        (void)pthread_mutex_lock(&rootfs->mend_lock);
        if (rootfs->mend_state != BERTH_ROOTFS_MEND_RUNNING)
            break;
        if (outcome == MENDED && !rootfs->mend_wanted) {
            rootfs->mend_state = BERTH_ROOTFS_MEND_ENDED;
            break;
        }
        if (outcome != LEFT)
            pause_ms = PAUSE_MIN_MS;
        int64_t deadline_ms = berth_clock_monotonic_ms() + (outcome == MENDED ? 0 : pause_ms);
        while (rootfs->mend_state == BERTH_ROOTFS_MEND_RUNNING &&
               berth_cond_wait_until(&rootfs->mend_wake, &rootfs->mend_lock, deadline_ms))
            ;
        pause_ms = pause_ms < PAUSE_MAX_MS / 2 ? 2 * pause_ms : PAUSE_MAX_MS;
    }
    return NULL;
}

int berth_rootfs_mend(struct berth_rootfs *rootfs, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &rootfs->mend_lock);
    rootfs->mend_wanted = true;
    if (rootfs->mend_state == BERTH_ROOTFS_MEND_RUNNING ||
        rootfs->mend_state == BERTH_ROOTFS_MEND_CLOSING)
        return 0;
    if (rootfs->mend_state == BERTH_ROOTFS_MEND_ENDED)
        (void)pthread_join(rootfs->mender, NULL); /* it needs the lock no more */
    rootfs->mend_state = BERTH_ROOTFS_MEND_IDLE;
    int rc = berth_thread_start(&rootfs->mender, "rootfs-mender", run_mender, rootfs, err);
    if (rc == 0)
        rootfs->mend_state = BERTH_ROOTFS_MEND_RUNNING;
    return rc;
}

void berth_rootfs_mend_end(struct berth_rootfs *rootfs)
{
    bool has_thread;
    {
        BERTH_LOCK_SCOPE(guard, &rootfs->mend_lock);
        has_thread = rootfs->mend_state != BERTH_ROOTFS_MEND_IDLE;
        rootfs->mend_state = BERTH_ROOTFS_MEND_CLOSING;
        (void)pthread_cond_broadcast(&rootfs->mend_wake);
    }
    if (has_thread)
        (void)pthread_join(rootfs->mender, NULL);
}
