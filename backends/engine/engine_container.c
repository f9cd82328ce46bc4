/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_container.h"

#include "backends/backend.h"
#include "backends/engine/engine_app.h"
#include "base/log.h"

#define PATH_MAX_BYTES 512

#define GRACE_MS (BERTH_STOP_GRACE_S * INT64_C(1000))

#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* One request on a container's path. */
static int act(struct berth_engine *engine, const char *method, const char *id, const char *suffix,
               int64_t grace_ms, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(id, suffix, &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {
        .method = method, .path = berth_strbuf_str(&path), .grace_ms = grace_ms};
    return berth_engine_call(engine, &request, NULL, err);
}

static int inspect_json(struct berth_engine *engine, const char *id, cJSON **ret_inspect)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(id, "/json", &path);
    int rc = berth_strbuf_check(&path, NULL);
    return rc < 0 ? rc : berth_engine_get_json(engine, berth_strbuf_str(&path), ret_inspect, NULL);
}

/* otherwise: what to think where the engine does not tell. */
static bool is_paused(struct berth_engine *engine, const char *id, bool otherwise)
{
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    return inspect_json(engine, id, &inspect) < 0
               ? otherwise
               : berth_json_bool(berth_json_get(inspect, "State"), "Paused", otherwise);
}

static int restate(struct berth_error *err, enum berth_status status)
{
    if (err)
        err->status = status;
    return status;
}

/*
 * A 404 may be about something else than the container (a network it needs):
 * then the engine refused, and the app is still there.
 */
static int act_on(struct berth_engine *engine, const char *id, const char *suffix, int64_t grace_ms,
                  struct berth_error *err)
{
    int rc = act(engine, "POST", id, suffix, grace_ms, err);
    if (rc != BERTH_E_NOT_FOUND)
        return rc;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    return inspect_json(engine, id, &inspect) == 0 ? restate(err, BERTH_E_REFUSED) : rc;
}

/* As act_on, of a container that is paused too: Docker lets one go on by itself, Podman refuses. */
static int end_on(struct berth_engine *engine, const char *id, const char *suffix,
                  struct berth_error *err)
{
    int rc = act_on(engine, id, suffix, GRACE_MS, err);
    if (rc != BERTH_E_CONFLICT || !is_paused(engine, id, false))
        return rc;
    rc = act_on(engine, id, "/unpause", 0, err);
    return rc == 0 || rc == BERTH_E_CONFLICT ? act_on(engine, id, suffix, GRACE_MS, err) : rc;
}

int berth_engine_container_start(struct berth_engine *engine, const char *id,
                                 struct berth_error *err)
{
    return act_on(engine, id, "/start", 0, err);
}

int berth_engine_container_stop(struct berth_engine *engine, const char *id,
                                struct berth_error *err)
{
    return end_on(engine, id, "/stop?t=" TEXT_OF(BERTH_STOP_GRACE_S), err);
}

int berth_engine_container_restart(struct berth_engine *engine, const char *id,
                                   struct berth_error *err)
{
    return end_on(engine, id, "/restart?t=" TEXT_OF(BERTH_STOP_GRACE_S), err);
}

int berth_engine_container_pause(struct berth_engine *engine, const char *id,
                                 struct berth_error *err)
{
    return act_on(engine, id, "/pause", 0, err);
}

int berth_engine_container_unpause(struct berth_engine *engine, const char *id,
                                   struct berth_error *err)
{
    int rc = act_on(engine, id, "/unpause", 0, err);
    if (rc != BERTH_E_REFUSED)
        return rc;
    /* The engine answers 500 when the container is not paused (20.10 to 26.1 at least). */
    return is_paused(engine, id, true) ? rc : restate(err, BERTH_E_CONFLICT);
}

int berth_engine_container_kill(struct berth_engine *engine, const char *id,
                                struct berth_error *err)
{
    return act_on(engine, id, "/kill?signal=SIGKILL", 0, err);
}

/* Somebody else is removing it (an adopted `--rm` container does so itself once stopped). */
static int wait_removed(struct berth_engine *engine, const char *id, struct berth_error *err)
{
    int rc = act(engine, "POST", id, "/wait?condition=removed", 0, err);
    return rc == BERTH_E_NOT_FOUND ? 0 : rc;
}

int berth_engine_container_remove(struct berth_engine *engine, const char *id,
                                  struct berth_error *err)
{
    int rc = berth_engine_container_stop(engine, id, err);
    if (rc < 0 && rc != BERTH_E_REFUSED && rc != BERTH_E_CONFLICT)
        return rc;
    /* Forced: what could not be stopped, or was started again meanwhile, goes all the same. */
    rc = act(engine, "DELETE", id, "?v=1&force=1", 0, err);
    if (rc == BERTH_E_CONFLICT)
        return wait_removed(engine, id, err);
    return rc == BERTH_E_NOT_FOUND ? 0 : rc;
}

int berth_engine_container_destroy(struct berth_engine *engine, const char *id,
                                   struct berth_error *err)
{
    return act(engine, "DELETE", id, "?v=1&force=1", 0, err);
}

int berth_engine_container_rename(struct berth_engine *engine, const char *id, const char *name,
                                  struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf suffix = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_strbuf_addf(&suffix, "/rename?name=%s", name);
    int rc = berth_strbuf_check(&suffix, err);
    return rc < 0 ? rc : act(engine, "POST", id, berth_strbuf_str(&suffix), 0, err);
}

void berth_engine_container_discard(struct berth_engine *engine, const char *id)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_engine_container_destroy(engine, id, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "container %.12s was left behind", id);
}

int berth_engine_container_inspect(struct berth_engine *engine, const char *id,
                                   struct berth_strbuf *body, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(id, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    const struct berth_engine_request request = {.method = "GET", .path = berth_strbuf_str(&path)};
    rc = berth_engine_call(engine, &request, &response, err);
    if (rc < 0)
        return rc;
    /* Half an answer must not be passed on as an object. */
    BERTH_CLEANUP(json) cJSON *whole = NULL;
    rc = berth_engine_parse(engine, berth_strbuf_str(&response.body), response.body.len, &whole,
                            err);
    if (rc < 0)
        return rc;
    size_t len = response.body.len;
    while (len > 0 && response.body.data[len - 1] == '\n')
        len--;
    berth_strbuf_add(body, response.body.data, len);
    return berth_strbuf_check(body, err);
}
