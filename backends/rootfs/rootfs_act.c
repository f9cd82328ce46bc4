/* SPDX-License-Identifier: MIT */
/* Starting, stopping and pausing. Refusals are worded as a Docker engine's. */
#include "backends/rootfs/rootfs_internal.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

static int refuse_not_running(const struct berth_rootfs_app *app, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not running", app->id);
}

/* ---- Ends ---- */

/* That it has ended meanwhile is no failure. A frozen one takes a signal once it is thawed. */
static int send(struct berth_rootfs *rootfs, const struct berth_rootfs_app *app, int number,
                struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    if (berth_rootfs_process_open(&app->state.init, &fd, NULL) < 0)
        return 0;
    if (pidfd_send_signal(fd, number, NULL, 0) < 0 && errno != ESRCH)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the app cannot be signalled");
    if (app->state.state == BERTH_APP_PAUSED)
        (void)!berth_rootfs_freeze(app->id, false, rootfs->request_timeout_ms, NULL);
    return 0;
}

static int end_by(struct berth_rootfs *rootfs, struct berth_rootfs_app *app, int number,
                  int64_t wait_ms, bool *ret_ended, struct berth_error *err)
{
    int rc = send(rootfs, app, number, err);
    return rc < 0 ? rc : berth_rootfs_await_end(rootfs, app, wait_ms, ret_ended, err);
}

static int end_now(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                   struct berth_error *err)
{
    bool ended = false;
    int rc = end_by(rootfs, app, SIGKILL, rootfs->request_timeout_ms, &ended, err);
    if (rc < 0 || ended)
        return rc;
    return berth_error_set(err, BERTH_E_TIMEOUT, "the app has not ended in time");
}

int berth_rootfs_end(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                     struct berth_error *err)
{
    bool ended = !berth_rootfs_runs(app);
    int rc = 0;
    if (!ended)
        rc = end_by(rootfs, app, SIGTERM, BERTH_STOP_GRACE_S * INT64_C(1000), &ended, err);
    return rc < 0 || ended ? rc : end_now(rootfs, app, err);
}

int berth_rootfs_stop(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_find(rootfs, id, &app, err);
    if (rc == 0)
        rc = berth_rootfs_end(rootfs, &app, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

int berth_rootfs_kill(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_find(rootfs, id, &app, err);
    if (rc == 0 && !berth_rootfs_runs(&app))
        rc = berth_error_set(err, BERTH_E_CONFLICT,
                             "Cannot kill container: %s: Container %s is not running",
                             app.record.name, app.id);
    if (rc == 0)
        rc = end_now(rootfs, &app, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

/* ---- Starts ---- */

/* Whoever starts one twice at once finds it running. */
static int start_taken(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                       struct berth_error *err)
{
    if (app->state.state == BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "cannot start a paused container, try unpause instead");
    return berth_rootfs_runs(app) ? 0 : berth_rootfs_run(rootfs, app, err);
}

int berth_rootfs_start(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_take(rootfs, id, rootfs->request_timeout_ms, &app, err);
    if (rc == 0)
        rc = start_taken(rootfs, &app, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

int berth_rootfs_restart(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    int rc = berth_rootfs_stop(backend, id, err);
    return rc < 0 ? rc : berth_rootfs_start(backend, id, err);
}

/* ---- Pauses ---- */

static int pause_taken(struct berth_rootfs *rootfs, struct berth_rootfs_app *app, bool is_wanted,
                       struct berth_error *err)
{
    int rc = berth_rootfs_freeze(app->id, is_wanted, rootfs->request_timeout_ms, err);
    if (rc < 0)
        return rc;
    /* Written for those who watch: whether it is, the cgroup tells. */
    app->state.state = is_wanted ? BERTH_APP_PAUSED : BERTH_APP_RUNNING;
    return berth_rootfs_state_write(rootfs->states, app->id, &app->state, err);
}

int berth_rootfs_pause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_take(rootfs, id, rootfs->request_timeout_ms, &app, err);
    if (rc == 0 && !berth_rootfs_runs(&app))
        rc = refuse_not_running(&app, err);
    else if (rc == 0 && app.state.state == BERTH_APP_PAUSED)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "Container %s is already paused", app.id);
    else if (rc == 0)
        rc = pause_taken(rootfs, &app, true, err);
    berth_rootfs_tell(rootfs);
    return rc;
}

int berth_rootfs_unpause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_take(rootfs, id, rootfs->request_timeout_ms, &app, err);
    if (rc == 0 && app.state.state != BERTH_APP_PAUSED)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not paused", app.id);
    else if (rc == 0)
        rc = pause_taken(rootfs, &app, false, err);
    berth_rootfs_tell(rootfs);
    return rc;
}
