/* SPDX-License-Identifier: MIT */
#include "gateway/containers_api.h"

#include "base/body.h"
#include "base/clock.h"
#include "gateway/auth.h"
#include "gateway/containers_archive.h"
#include "gateway/containers_error.h"
#include "gateway/containers_json.h"
#include "gateway/containers_request.h"
#include "gateway/version.h"

#include <string.h>

/* ---- Answers ---- */

/* A container whose file is lost, or was never ours, is shown without what only that says. */
static int add(struct berth_exchange *exchange, struct berth_json_writer *w,
               const struct berth_app *app, const struct berth_services *services,
               struct berth_error *err)
{
    BERTH_CLEANUP(container) struct berth_container asked = {0};
    struct berth_error why = BERTH_ERROR_INIT;
    int r = berth_backend_describe(exchange->facility->backend, app, &asked, &why);
    if (r == BERTH_E_NOMEM || r == BERTH_E_BUSY) {
        *err = why;
        return r;
    }
    berth_containers_json_add(w, app, &asked, services);
    return 0;
}

int berth_containers_add(struct berth_exchange *exchange, struct berth_json_writer *w,
                         const struct berth_app *app, struct berth_error *err)
{
    return add(exchange, w, app, NULL, err);
}

static int answer(struct berth_exchange *exchange, int http_status, const struct berth_app *app,
                  struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->status = http_status;
    exchange->content_type = BERTH_TYPE_JSON;
    return berth_containers_add(exchange, &w, app, err);
}

/* As answer(), to a GET: with an ETag. */
static int share(struct berth_exchange *exchange, struct berth_error *err)
{
    exchange->content_type = BERTH_TYPE_JSON;
    return berth_body_new(&exchange->body, &exchange->shared, err);
}

/* ---- Reading ---- */

/* Of a project of several services: how each does. The mirror knows the one that stands for it. */
static int read_services(struct berth_exchange *exchange, const struct berth_app *app,
                         struct berth_services *services, const struct berth_services **ret_told,
                         struct berth_error *err)
{
    *ret_told = NULL;
    if (!berth_app_label(app, BERTH_LABEL_PROJECT))
        return 0;
    *ret_told = services;
    return berth_backend_services(exchange->facility->backend, app, services, err);
}

static int add_one(struct berth_exchange *exchange, const struct berth_app *app,
                   struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    BERTH_CLEANUP(services) struct berth_services services = {0};
    const struct berth_services *told = NULL;
    int r = read_services(exchange, app, &services, &told, err);
    return r < 0 ? r : add(exchange, &w, app, told, err);
}

static bool find_pulling(const struct berth_container_pulling *pulling, void *ctx)
{
    struct berth_exchange *exchange = ctx;
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    if (strcmp(pulling->cuid, exchange->item) != 0)
        return true;
    berth_containers_json_add_pulling(&w, pulling);
    return false;
}

int berth_containers_get_one(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    exchange->target = exchange->item;
    int r = berth_containers_get(exchange->facility, &exchange->caller, exchange->item, &app, err);
    if (r == BERTH_E_CONFLICT) {
        berth_containers_walk_pulling(exchange->facility, &exchange->caller, find_pulling,
                                      exchange);
        return exchange->body.len > 0 ? share(exchange, err) : r;
    }
    if (r == 0)
        r = add_one(exchange, app, err);
    return r == 0 ? share(exchange, err) : r;
}

/* Of the engine's inspect object, which is there while it runs alone. */
static int read_pid(struct berth_exchange *exchange, const struct berth_app *app, int64_t *ret_pid,
                    struct berth_error *err)
{
    BERTH_CLEANUP(body) struct berth_body *body = NULL;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    if (app->state != BERTH_APP_RUNNING && app->state != BERTH_APP_PAUSED)
        return 0;
    int r = berth_mirror_inspect(exchange->facility->mirror, app, false, &body, err);
    if (r == 0)
        r = berth_json_parse(body->data, body->len, &inspect, err);
    if (r == 0)
        *ret_pid = berth_json_int(berth_json_get(inspect, "State"), "Pid", 0);
    return r == BERTH_E_NOT_FOUND ? 0 : r;
}

int berth_containers_get_status(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(services) struct berth_services services = {0};
    const struct berth_services *told = NULL;
    int64_t pid = 0;
    exchange->target = exchange->item;
    int r = berth_containers_get(exchange->facility, &exchange->caller, exchange->item, &app, err);
    if (r == 0)
        r = read_pid(exchange, app, &pid, err);
    if (r == 0)
        r = read_services(exchange, app, &services, &told, err);
    if (r < 0)
        return r;
    berth_containers_json_add_status(&w, app, pid, told);
    return share(exchange, err);
}

/* ---- Changing ---- */

/* What was well formed, and refused all the same: whose fault it is. */
static void name_culprit(struct berth_exchange *exchange, const struct berth_containers_body *body,
                         const struct berth_error *err)
{
    const char *code = berth_containers_code(err)->code;
    const char *field = strncmp(code, "IMAGE_", 6) == 0    ? "image"
                        : strcmp(code, "PORT_IN_USE") == 0 ? "ports"
                                                           : NULL;
    const cJSON *item = field ? berth_json_get(body->json, field) : NULL;
    BERTH_CLEANUP(free) char *provided = item ? cJSON_PrintUnformatted(item) : NULL;
    if (item && exchange->error_details.len == 0)
        berth_containers_error_details(&exchange->error_details, field, provided);
}

int berth_containers_post(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(containers_body) struct berth_containers_body body = {0};
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    if (berth_containers_is_archive(exchange)) {
        int made = berth_containers_create_of_archive(exchange, &app, err);
        return made < 0 ? made : answer(exchange, 201, app, err);
    }
    int r = berth_containers_body_decode(BERTH_CONTAINERS_CREATE, &exchange->request_body,
                                         &exchange->facility->config, &body,
                                         &exchange->error_details, err);
    if (r == 0)
        r = berth_containers_create(exchange->facility, &exchange->caller, &body.request, &app,
                                    err);
    if (r < 0) {
        name_culprit(exchange, &body, err);
        return r;
    }
    return answer(exchange, 201, app, err);
}

/* An illegal transition: from what. */
static void add_state(struct berth_exchange *exchange)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->error_details);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    if (berth_containers_get(exchange->facility, &exchange->caller, exchange->item, &app, NULL) < 0)
        return;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "cuid", exchange->item);
    berth_json_add_string(&w, "status", berth_containers_status(app));
    berth_json_close_object(&w);
}

static int change(struct berth_exchange *exchange, enum berth_containers_kind kind,
                  struct berth_error *err)
{
    BERTH_CLEANUP(containers_body) struct berth_containers_body body = {0};
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    exchange->target = exchange->item;
    int r = berth_containers_body_decode(kind, &exchange->request_body, &exchange->facility->config,
                                         &body, &exchange->error_details, err);
    if (r == 0)
        r = berth_containers_change(exchange->facility, &exchange->caller, exchange->item,
                                    &body.request, &app, err);
    if (r == BERTH_E_CONFLICT)
        add_state(exchange);
    if (r < 0)
        name_culprit(exchange, &body, err);
    return r < 0 ? r : answer(exchange, 200, app, err);
}

int berth_containers_patch(struct berth_exchange *exchange, struct berth_error *err)
{
    return change(exchange, BERTH_CONTAINERS_CHANGE, err);
}

int berth_containers_patch_ports(struct berth_exchange *exchange, struct berth_error *err)
{
    return change(exchange, BERTH_CONTAINERS_PORTS, err);
}

static int act(struct berth_exchange *exchange, enum berth_verb verb, struct berth_app **ret_app,
               struct berth_error *err)
{
    exchange->target = exchange->item;
    int r = berth_containers_act(exchange->facility, &exchange->caller, verb, exchange->item,
                                 ret_app, err);
    if (r == BERTH_E_CONFLICT)
        add_state(exchange);
    return r;
}

#define DEFINE_ACTION(NAME, VERB)                                                                  \
    int berth_containers_##NAME(struct berth_exchange *exchange, struct berth_error *err)          \
    {                                                                                              \
        BERTH_CLEANUP(app) struct berth_app *app = NULL;                                           \
        int r = act(exchange, VERB, &app, err);                                                    \
        return r < 0 ? r : answer(exchange, 200, app, err);                                        \
    }

DEFINE_ACTION(start, BERTH_VERB_START)
DEFINE_ACTION(stop, BERTH_VERB_STOP)
DEFINE_ACTION(restart, BERTH_VERB_RESTART)
DEFINE_ACTION(pause, BERTH_VERB_PAUSE)
DEFINE_ACTION(unpause, BERTH_VERB_UNPAUSE)
DEFINE_ACTION(kill, BERTH_VERB_KILL)

int berth_containers_delete(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    int r = act(exchange, BERTH_VERB_REMOVE, NULL, err);
    if (r < 0)
        return r;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "cuid", exchange->item);
    berth_json_add_string(&w, "status", "deleted");
    berth_json_close_object(&w);
    return 0;
}

/* ---- Health ---- */

/* Whether the caller shows credentials that are good for more than the status; those that are bad
 * are an error. */
static int is_known(struct berth_exchange *exchange, bool *ret_known, struct berth_error *err)
{
    bool is_open = exchange->facility->config.auth == BERTH_AUTH_OPEN;
    *ret_known = false;
    if (!is_open && !berth_exchange_request_header(exchange, "Authorization"))
        return 0;
    int r = berth_auth_identify(exchange, err);
    if (r == 0)
        *ret_known = exchange->caller.role >= BERTH_ROLE_VIEWER;
    return r;
}

int berth_containers_health(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    struct berth_facility *facility = exchange->facility;
    struct berth_versions versions = {.engine = "", .compose = ""};
    struct berth_error why = BERTH_ERROR_INIT;
    bool is_known_caller = false;
    int r = is_known(exchange, &is_known_caller, err);
    if (r < 0)
        return r;
    bool ok = berth_mirror_status(facility->mirror, &why) == 0 &&
              berth_backend_condition(facility->backend, &why) == 0;
    if (ok && is_known_caller)
        ok = berth_backend_versions(facility->backend, &versions, &why) == 0;
    exchange->status = ok ? 200 : 503;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "status", ok ? "ok" : "unavailable");
    if (is_known_caller) {
        if (!ok)
            berth_json_add_string(&w, "reason", why.message);
        berth_json_add_string(&w, "version", BERTH_VERSION);
        berth_json_add_string(&w, "compose_version", versions.compose[0] ? versions.compose : NULL);
        berth_json_add_string(&w, "engine_version", versions.engine[0] ? versions.engine : NULL);
        berth_json_add_int(&w, "uptime_s",
                           (berth_clock_monotonic_ms() - exchange->berth->started_ms) / 1000);
    }
    berth_json_close_object(&w);
    return 0;
}
