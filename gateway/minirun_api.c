/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_api.h"

#include "base/clock.h"
#include "facilities/minirun.h"
#include "gateway/accept.h"
#include "gateway/apps_api.h"
#include "gateway/body_cache.h"
#include "gateway/minirun_error.h"
#include "gateway/minirun_json.h"
#include "gateway/minirun_request.h"
#include "gateway/router.h"
#include "gateway/store_json.h"
#include "gateway/version.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_LINE_MAX ((size_t)8 * PATH_MAX)

/* ---- Answers ---- */

static int answer(struct berth_exchange *exchange, const char *message, const struct berth_app *app)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_minirun_json_open(&w, message);
    berth_minirun_json_add(&w, "data", app);
    berth_minirun_json_close(&w);
    return 0;
}

/* ---- What there is ---- */

/* A browser likes a page, and a person at a terminal may ask for text; all others get JSON. */
static bool prefers_reading(const struct berth_exchange *exchange)
{
    const char *accept = berth_exchange_request_header(exchange, "Accept");
    int json = berth_accept_weight(accept, BERTH_TYPE_JSON);
    return berth_accept_weight(accept, "text/html") > json ||
           berth_accept_weight(accept, "text/plain") > json;
}

static const char *method_of(const struct berth_route *route)
{
    if (route->methods & BERTH_GET)
        return "GET";
    return route->methods & BERTH_DELETE ? "DELETE" : "POST";
}

static void add_endpoint(struct berth_json_writer *w, const struct berth_route *route)
{
    char line[96];
    size_t before = strcspn(route->path, "*");
    const char *after = route->path[before] ? route->path + before + 1 : "";
    (void)snprintf(line, sizeof(line), "%-6s /%.*s%s%s", method_of(route), (int)before, route->path,
                   route->path[before] ? "{name}" : "", after);
    berth_json_add_string(w, NULL, line);
}

int berth_minirun_root(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    if (prefers_reading(exchange))
        return berth_gateway_outline(exchange, err);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_minirun_json_open(&w, "MiniRun Orchestrator API");
    berth_json_open_object(&w, "data");
    berth_json_add_string(&w, "service", "berth");
    berth_json_add_string(&w, "version", BERTH_VERSION);
    berth_json_open_array(&w, "endpoints");
    for (const struct berth_route *route = berth_routes; route->path; route++)
        if (route->dialect == &berth_minirun_dialect && *route->path)
            add_endpoint(&w, route);
    berth_json_close_array(&w);
    berth_json_close_object(&w);
    berth_minirun_json_close(&w);
    return 0;
}

int berth_minirun_health(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    BERTH_CLEANUP(strbuf) struct berth_strbuf uptime = BERTH_STRBUF_INIT(64);
    int r = berth_mirror_status(exchange->facility->mirror, err);
    if (r == 0)
        r = berth_backend_condition(exchange->facility->backend, err);
    if (r < 0)
        return r;
    berth_minirun_add_uptime(&uptime,
                             (berth_clock_monotonic_ms() - exchange->berth->started_ms) / 1000);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_minirun_json_open(&w, "Service is healthy");
    berth_json_open_object(&w, "data");
    berth_json_add_string(&w, "status", "healthy");
    berth_json_add_string(&w, "version", BERTH_VERSION);
    berth_json_add_string(&w, "uptime", berth_strbuf_str(&uptime));
    berth_store_json_add(&w, exchange->berth->store);
    berth_json_close_object(&w);
    berth_minirun_json_close(&w);
    return 0;
}

/* ---- Reading ---- */

static int share(struct berth_exchange *exchange, struct berth_error *err)
{
    exchange->content_type = BERTH_TYPE_JSON;
    return berth_body_new(&exchange->body, &exchange->shared, err);
}

int berth_minirun_get_one(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    exchange->target = exchange->item;
    int r = berth_minirun_get(exchange->facility, &exchange->caller, exchange->item, &app, err);
    if (r == 0)
        r = answer(exchange, "Container found", app);
    return r == 0 ? share(exchange, err) : r;
}

/* Snapshots have the newest first. */
struct listing {
    const struct berth_app **apps;
    size_t count;
};

static bool count_app(const struct berth_app *app, void *ctx)
{
    struct listing *listing = ctx;
    (void)app;
    listing->count++;
    return true;
}

static bool take_app(const struct berth_app *app, void *ctx)
{
    struct listing *listing = ctx;
    listing->apps[listing->count++] = app;
    return true;
}

static int render_list(struct berth_exchange *exchange, const struct berth_snapshot *snapshot,
                       const char *user, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    struct listing listing = {0};
    char message[64];
    berth_snapshot_walk(snapshot, user, count_app, &listing);
    BERTH_CLEANUP(free)
    const struct berth_app **apps = calloc(listing.count + 1, sizeof(struct berth_app *));
    if (!apps)
        return berth_error_nomem(err);
    listing = (struct listing){.apps = apps};
    berth_snapshot_walk(snapshot, user, take_app, &listing);
    (void)snprintf(message, sizeof(message), "Found %zu container(s)", listing.count);
    berth_minirun_json_open(&w, message);
    berth_json_open_array(&w, "data");
    for (size_t i = listing.count; i > 0; i--)
        berth_minirun_json_add(&w, NULL, apps[i - 1]);
    berth_json_close_array(&w);
    berth_minirun_json_close(&w);
    return share(exchange, err);
}

int berth_minirun_get_list(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *user = berth_caller_sees_all(&exchange->caller) ? NULL : exchange->caller.user;
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    int r = berth_mirror_snapshot(exchange->facility->mirror, false, &snapshot, err);
    if (r < 0)
        return r;
    const struct berth_body_key key = {
        .kind = "minirun",
        .facility = exchange->facility->config.id,
        .view = user ? user : "",
        .epoch = snapshot->epoch,
        .sequence = snapshot->sequence,
    };
    exchange->content_type = BERTH_TYPE_JSON;
    exchange->shared = berth_body_cache_get(exchange->berth->bodies, &key, berth_clock_wall_ns());
    if (exchange->shared)
        return 0;
    r = render_list(exchange, snapshot, user, err);
    if (r == 0)
        berth_body_cache_put(exchange->berth->bodies, &key, exchange->shared, INT64_MAX);
    return r;
}

/* ---- Changing ---- */

int berth_minirun_post(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(minirun_body) struct berth_minirun_body body = {0};
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    int r = berth_minirun_body_decode(&exchange->request_body, &body, err);
    if (r < 0)
        return r;
    const struct berth_minirun_request request = {
        .name = body.name, .rootfs = body.rootfs, .command = body.command};
    r = berth_minirun_create(exchange->facility, &exchange->caller, &request, &app, err);
    return r < 0 ? r : answer(exchange, "Container created successfully", app);
}

int berth_minirun_delete(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->target = exchange->item;
    int r = berth_minirun_act(exchange->facility, &exchange->caller, BERTH_VERB_REMOVE,
                              exchange->item, NULL, err);
    if (r < 0)
        return r;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_minirun_json_open(&w, "Container deleted successfully");
    berth_json_open_object(&w, "data");
    berth_json_add_string(&w, "name", exchange->item);
    berth_json_close_object(&w);
    berth_minirun_json_close(&w);
    return 0;
}

static int act(struct berth_exchange *exchange, enum berth_verb verb, const char *message,
               struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    exchange->target = exchange->item;
    int r =
        berth_minirun_act(exchange->facility, &exchange->caller, verb, exchange->item, &app, err);
    return r < 0 ? r : answer(exchange, message, app);
}

int berth_minirun_stop(struct berth_exchange *exchange, struct berth_error *err)
{
    return act(exchange, BERTH_VERB_STOP, "Container stopped successfully", err);
}

int berth_minirun_kill(struct berth_exchange *exchange, struct berth_error *err)
{
    return act(exchange, BERTH_VERB_KILL, "Container killed successfully", err);
}

/* ---- Starting ---- */

/* The path of this very program, where it was installed anew since, too. */
static int find_program(char *path, size_t size, struct berth_error *err)
{
    static const char suffix[] = " (deleted)";
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    if (len < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno,
                                     "the program's own path is not known");
    path[len] = '\0';
    size_t end = (size_t)len - (sizeof(suffix) - 1);
    if ((size_t)len > sizeof(suffix) && strcmp(path + end, suffix) == 0)
        path[end] = '\0';
    return 0;
}

/* `berth run FACILITY NAME`; sudo hands no BERTH_CONFIG on. */
static int add_command_line(struct berth_exchange *exchange, struct berth_strbuf *out,
                            struct berth_error *err)
{
    char path[PATH_MAX];
    int r = find_program(path, sizeof(path), err);
    if (r < 0)
        return r;
    berth_strbuf_adds(out, "sudo ");
    berth_minirun_add_word(out, path);
    berth_strbuf_addf(out, " run %s %s", exchange->facility->config.id, exchange->item);
    const char *config = realpath(exchange->config->path, path);
    if (!config)
        config = exchange->config->path;
    if (strcmp(config, BERTH_CONFIG_PATH) != 0) {
        berth_strbuf_adds(out, " --config ");
        berth_minirun_add_word(out, config);
    }
    return berth_strbuf_check(out, err);
}

static int tell_how_to_start(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(COMMAND_LINE_MAX);
    char cli[BERTH_FACILITY_ID_MAX + BERTH_APP_MAX + 16];
    int r = berth_minirun_get(exchange->facility, &exchange->caller, exchange->item, &app, err);
    if (r == 0)
        r = add_command_line(exchange, &line, err);
    if (r < 0)
        return r;
    (void)snprintf(cli, sizeof(cli), "berth run %s %s", exchange->facility->config.id,
                   exchange->item);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_minirun_json_open(&w, "Container start information");
    berth_json_open_object(&w, "data");
    berth_json_add_string(&w, "message", "Container start requires interactive terminal");
    berth_json_add_string(&w, "command", berth_strbuf_str(&line));
    berth_json_add_string(&w, "cli", cli);
    berth_json_close_object(&w);
    berth_minirun_json_close(&w);
    return 0;
}

int berth_minirun_start(struct berth_exchange *exchange, struct berth_error *err)
{
    bool detach = false;
    exchange->target = exchange->item;
    int r = berth_params_bool(&exchange->params, "detach", false, &detach, err);
    if (r < 0)
        return r;
    return detach ? act(exchange, BERTH_VERB_START, "Container started successfully", err)
                  : tell_how_to_start(exchange, err);
}
