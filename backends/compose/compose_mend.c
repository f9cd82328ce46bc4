/* SPDX-License-Identifier: MIT */
/* Looks after projects that were left behind. */
#include "backends/compose/compose_internal.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/log.h"
#include "base/thread.h"

#include <string.h>

/* Between two looks: doubled each time, while something could not be done. */
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 60000

/* ---- What is known of the engine ---- */

/* The containers of the facility, at one moment. */
static int list_all(struct berth_compose *compose, cJSON **ret_entries, struct berth_error *err)
{
    const struct berth_app_pair label = {BERTH_LABEL_FACILITY, compose->host.facility};
    return berth_engine_app_labelled(compose->host.engine, &label, 1, ret_entries, err);
}

static bool is_listed(const cJSON *entries, const char *cuid)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        const cJSON *labels = berth_json_get(entry, "Labels");
        if (strcmp(berth_json_string(labels, BERTH_COMPOSE_LABEL, ""), cuid) == 0)
            return true;
    }
    return false;
}

/* ---- One project ---- */

/* Its container was removed by somebody else, who left the files: it is made again of them. */
static void make_again(struct berth_compose *compose, const struct berth_compose_project *project)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_compose_up(compose, project, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err,
                        "facility %s: project %s has no container, and none can be made; its files "
                        "are kept",
                        compose->host.facility, project->cuid);
    else
        berth_log(BERTH_LOG_WARNING, "facility %s: project %s had no container: it was made again",
                  compose->host.facility, project->cuid);
}

/* Reads do that themselves, where this fails. */
static void complete_upload(struct berth_compose *compose,
                            const struct berth_compose_project *project)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_compose_recover_files(project, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err,
                        "facility %s: project %s: an upload that was cut short cannot be completed",
                        compose->host.facility, project->cuid);
}

/* While the lock of all is held, a folder that is not locked has nobody who works on it. */
static int open_left(struct berth_compose *compose, const char *cuid,
                     struct berth_compose_project *project)
{
    BERTH_CLEANUP(fd) int held = -1;
    int rc = berth_compose_projects_lock(compose->root, &held, NULL);
    return rc < 0 ? rc : berth_compose_project_open(compose->root, cuid, 0, project, NULL);
}

/* How a project, or the worst of all, stands after a look; in the order of what is to be done. */
enum outcome {
    MENDED,
    BUSY, /* somebody is at work: to be looked at again soon */
    LEFT, /* the engine, or Compose, did not do it */
};

/* The container of a whole project, which was not listed. */
static enum outcome mend_whole(struct berth_compose *compose,
                               const struct berth_compose_project *project)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    if (berth_compose_containers(compose, project->cuid, &entries, NULL) < 0)
        return LEFT;
    if (cJSON_GetArraySize(entries) == 0) /* made since the listing, else */
        make_again(compose, project);
    return MENDED;
}

/* A change of the project was cut short. */
static enum outcome finish_change(struct berth_compose *compose,
                                  const struct berth_compose_project *project)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_compose_carry_out(compose, project, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err,
                        "facility %s: a change of project %s was left unfinished",
                        compose->host.facility, project->cuid);
    else
        berth_log(BERTH_LOG_INFO,
                  "facility %s: a change of project %s was left unfinished: it is made",
                  compose->host.facility, project->cuid);
    return berth_compose_project_before(project) == BERTH_BEFORE_NONE ? MENDED : LEFT;
}

/* listed: NULL where only what is unfinished counts. */
static enum outcome mend_one(struct berth_compose *compose, const char *cuid, const cJSON *listed)
{
    BERTH_CLEANUP(compose_project)
    struct berth_compose_project project = BERTH_COMPOSE_PROJECT_INIT;
    int rc = open_left(compose, cuid, &project);
    if (rc == BERTH_E_NOT_FOUND)
        return MENDED;
    if (rc < 0)
        return rc == BERTH_E_BUSY ? BUSY : LEFT;
    bool is_unfinished = berth_compose_project_is_unfinished(&project);
    if (!is_unfinished)
        complete_upload(compose, &project);
    if (!is_unfinished && berth_compose_project_before(&project) != BERTH_BEFORE_NONE)
        return finish_change(compose, &project);
    if (!is_unfinished)
        return !listed || is_listed(listed, cuid) ? MENDED : mend_whole(compose, &project);
    if (berth_compose_discard(compose, &project, NULL) < 0)
        return LEFT;
    berth_log(BERTH_LOG_INFO, "facility %s: project %s was left unfinished: it is removed",
              compose->host.facility, cuid);
    return MENDED;
}

/* ---- All of them ---- */

static bool is_closing(struct berth_compose *compose)
{
    BERTH_LOCK_SCOPE(guard, &compose->mend_lock);
    return compose->mend_state == BERTH_MEND_CLOSING;
}

static enum outcome mend_all(struct berth_compose *compose, bool first)
{
    BERTH_CLEANUP(json) cJSON *listed = NULL;
    BERTH_CLEANUP(dir) DIR *list = NULL;
    enum outcome worst = MENDED;
    if ((first && list_all(compose, &listed, NULL) < 0) ||
        berth_folder_list(compose->root, &list, NULL) < 0)
        return LEFT;
    const struct dirent *entry;
    while ((entry = readdir(list)) && !is_closing(compose)) {
        if (!berth_compose_is_cuid(entry->d_name))
            continue;
        enum outcome one = mend_one(compose, entry->d_name, listed);
        worst = one > worst ? one : worst;
    }
    return worst;
}

/* ---- The thread ---- */

static void *run_mender(void *arg)
{
    struct berth_compose *compose = arg;
    int64_t pause_ms = PAUSE_MIN_MS;
    BERTH_LOCK_SCOPE(guard, &compose->mend_lock);
    while (compose->mend_state == BERTH_MEND_RUNNING) {
        compose->mend_wanted = false;
        bool first = compose->mend_first;
        (void)pthread_mutex_unlock(&compose->mend_lock);
        enum outcome outcome = mend_all(compose, first);
        (void)pthread_mutex_lock(&compose->mend_lock);
        compose->mend_first &= outcome != MENDED;
        if (compose->mend_state != BERTH_MEND_RUNNING)
            break;
        if (outcome == MENDED && !compose->mend_wanted) {
            compose->mend_state = BERTH_MEND_ENDED;
            break;
        }
        if (outcome != LEFT)
            pause_ms = PAUSE_MIN_MS;
        int64_t deadline_ms = berth_clock_monotonic_ms() + pause_ms;
        while (compose->mend_state == BERTH_MEND_RUNNING &&
               berth_cond_wait_until(&compose->mend_wake, &compose->mend_lock, deadline_ms))
            ;
        pause_ms = pause_ms < PAUSE_MAX_MS / 2 ? 2 * pause_ms : PAUSE_MAX_MS;
    }
    return NULL;
}

int berth_compose_mend(struct berth_compose *compose, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &compose->mend_lock);
    compose->mend_wanted = true;
    if (compose->mend_state == BERTH_MEND_RUNNING || compose->mend_state == BERTH_MEND_CLOSING)
        return 0;
    if (compose->mend_state == BERTH_MEND_ENDED)
        (void)pthread_join(compose->mender, NULL); /* it needs the lock no more */
    compose->mend_state = BERTH_MEND_IDLE;
    int rc = berth_thread_start(&compose->mender, "compose-mender", run_mender, compose, err);
    if (rc == 0)
        compose->mend_state = BERTH_MEND_RUNNING;
    return rc;
}

void berth_compose_mend_end(struct berth_compose *compose)
{
    bool has_thread;
    {
        BERTH_LOCK_SCOPE(guard, &compose->mend_lock);
        has_thread = compose->mend_state != BERTH_MEND_IDLE;
        compose->mend_state = BERTH_MEND_CLOSING;
        (void)pthread_cond_broadcast(&compose->mend_wake);
    }
    if (has_thread)
        (void)pthread_join(compose->mender, NULL);
}
