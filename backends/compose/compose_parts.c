/* SPDX-License-Identifier: MIT */
/*
 * What is done to an app is done to all containers of its project. The
 * container that stands for it is asked first: its refusal is the answer.
 */
#include "backends/compose/compose_internal.h"
#include "backends/engine/engine_container.h"

#include <string.h>

/* How long a start may wait for what a service depends on to be healthy. */
#define WAIT_MS INT64_C(60000)

#define GRACE_MS         (BERTH_STOP_GRACE_S * INT64_C(1000))
#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* Those that are not in the state for it stay as they are: which they are in is not asked for
 * before, as a listing may be late. Goes on with those that are left when one fails; the first
 * failure is told. */
static int act_on_others(struct berth_compose *compose, const char *cuid, const char *id,
                         berth_compose_verb *verb, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    int first = berth_compose_containers(compose, cuid, &entries, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        const char *other = berth_json_string(entry, "Id", "");
        int rc = strcmp(other, id) == 0 ? 0 : verb(compose->host.engine, other, &why);
        if (rc == BERTH_E_CONFLICT || rc == BERTH_E_NOT_FOUND)
            continue;
        if (rc < 0 && first == 0) {
            first = rc;
            if (err)
                *err = why;
        }
    }
    return first;
}

int berth_compose_act_on_all(struct berth_compose *compose, const char *cuid,
                             berth_compose_verb *verb, struct berth_error *err)
{
    return act_on_others(compose, cuid, "", verb, err);
}

static int act(struct berth_backend *backend, const char *id, berth_compose_verb *verb,
               struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_kind kind;
    int rc = berth_compose_find_kind(compose, id, &kind, err);
    if (rc == 0)
        rc = verb(compose->host.engine, id, err);
    if (rc == 0 && kind.is_project)
        rc = act_on_others(compose, kind.cuid, id, verb, err);
    return rc;
}

int berth_compose_pause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, id, berth_engine_container_pause, err);
}

int berth_compose_unpause(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, id, berth_engine_container_unpause, err);
}

int berth_compose_kill(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    return act(backend, id, berth_engine_container_kill, err);
}

/* ---- In the order of what depends on what, which is Compose's business ---- */

static int run_compose(struct berth_compose *compose, const char *cuid, const char *verb,
                       bool has_grace, int64_t wait_ms, struct berth_error *err)
{
    const char *const args[] = {"--project-name",
                                cuid,
                                verb,
                                has_grace ? "--timeout" : NULL,
                                TEXT_OF(BERTH_STOP_GRACE_S),
                                NULL};
    int rc = berth_compose_program_run(&compose->program, args, -1, -1,
                                       compose->request_timeout_ms + wait_ms, err);
    return berth_compose_explain(compose, rc, err);
}

int berth_compose_start_project(struct berth_compose *compose, const char *cuid,
                                struct berth_error *err)
{
    return run_compose(compose, cuid, "start", false, WAIT_MS, err);
}

int berth_compose_start_file(struct berth_compose *compose,
                             const struct berth_compose_project *project, struct berth_error *err)
{
    const char *const args[] = {"--project-name",   project->cuid, "--file",
                                BERTH_COMPOSE_FILE, "start",       NULL};
    int rc = berth_compose_program_run(&compose->program, args, project->folder, project->folder,
                                       compose->request_timeout_ms + WAIT_MS, err);
    return berth_compose_explain(compose, rc, err);
}

int berth_compose_stop_project(struct berth_compose *compose, const char *cuid,
                               struct berth_error *err)
{
    return run_compose(compose, cuid, "stop", true, GRACE_MS, err);
}

int berth_compose_stop(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_kind kind;
    int rc = berth_compose_find_kind(compose, id, &kind, err);
    if (rc < 0)
        return rc;
    return kind.is_project ? berth_compose_stop_project(compose, kind.cuid, err)
                           : berth_engine_container_stop(compose->host.engine, id, err);
}
