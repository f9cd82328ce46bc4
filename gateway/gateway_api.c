/* SPDX-License-Identifier: MIT */
/* The gateway's own paths: the outline, and what monitoring asks. */
#include "base/clock.h"
#include "base/json.h"
#include "gateway/apps_api.h"
#include "gateway/containers_error.h"
#include "gateway/dialect.h"
#include "gateway/minirun_error.h"
#include "gateway/minirun_json.h"
#include "gateway/store_json.h"
#include "gateway/version.h"

#include <string.h>

/* Of those methods, the one that a row is about. */
static const char *method_of(const struct berth_route *route)
{
    if (route->methods & BERTH_GET)
        return "GET";
    if (route->methods & BERTH_PATCH)
        return "PATCH";
    return route->methods & BERTH_DELETE ? "DELETE" : "POST";
}

/* The rows of one dialect; item is what stands for `*`. */
static void add_routes(struct berth_strbuf *out, const struct berth_dialect *dialect,
                       const char *item)
{
    for (const struct berth_route *route = berth_routes; route->path; route++) {
        if (route->dialect != dialect)
            continue;
        size_t before = strcspn(route->path, "*");
        const char *after = route->path[before] ? route->path + before + 1 : "";
        char path[64];
        (void)snprintf(path, sizeof(path), "%s%.*s%s%s", route->path[0] == '/' ? "" : "/FACILITY/",
                       (int)before, route->path, route->path[before] ? item : "", after);
        berth_strbuf_addf(out, "  %-7s%-40s%s\n", method_of(route), path, route->summary);
    }
}

int berth_gateway_outline(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_strbuf *out = &exchange->body;
    (void)err;
    berth_strbuf_addf(out, "berth %s: a gateway to the container hosts of research facilities\n\n",
                      BERTH_VERSION);
    berth_strbuf_adds(out, "The facility API. An app is called IMAGE--USER.\n");
    add_routes(out, &berth_apps_dialect, "APP");
    berth_strbuf_adds(out, "\nThe containers API, of facilities with backend = compose\n");
    add_routes(out, &berth_containers_dialect, "CUID");
    berth_strbuf_adds(out, "\nThe MiniRun API, of facilities with backend = rootfs\n");
    add_routes(out, &berth_minirun_dialect, "NAME");
    berth_strbuf_adds(out, "\nThe gateway itself\n");
    add_routes(out, &berth_gateway_dialect, "");
    return 0;
}

int berth_gateway_livez(struct berth_exchange *exchange, struct berth_error *err)
{
    (void)err;
    berth_exchange_text(exchange, 200, "ok");
    return 0;
}

/* One facility's contact with its engine, as "ok" or the reason it is lost. */
static bool add_readiness(struct berth_json_writer *w, struct berth_facility *facility)
{
    struct berth_error reason = BERTH_ERROR_INIT;
    bool ready = berth_mirror_status(facility->mirror, &reason) == 0 &&
                 berth_backend_condition(facility->backend, &reason) == 0;
    berth_json_open_object(w, facility->config.id);
    berth_json_add_string(w, "status", ready ? "ok" : "unavailable");
    if (!ready)
        berth_json_add_string(w, "reason", reason.message);
    berth_json_close_object(w);
    return ready;
}

int berth_gateway_readyz(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(exchange->berth);
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    bool ready = true;
    (void)err;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_open_object(&w, "facilities");
    for (size_t i = 0; i < view->facility_count; i++)
        ready &= add_readiness(&w, view->facilities[i]);
    berth_json_close_object(&w);
    berth_store_json_add(&w, exchange->berth->store);
    berth_json_add_string(&w, "status", ready ? "ok" : "unavailable");
    berth_json_close_object(&w);
    exchange->status = ready ? 200 : 503;
    return 0;
}

int berth_gateway_health(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    BERTH_CLEANUP(strbuf) struct berth_strbuf uptime = BERTH_STRBUF_INIT(64);
    (void)err;
    berth_minirun_add_uptime(&uptime,
                             (berth_clock_monotonic_ms() - exchange->berth->started_ms) / 1000);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "status", "healthy");
    berth_json_add_string(&w, "version", BERTH_VERSION);
    berth_json_add_string(&w, "uptime", berth_strbuf_str(&uptime));
    berth_store_json_add(&w, exchange->berth->store);
    berth_json_close_object(&w);
    return 0;
}

int berth_gateway_healthz(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    (void)err;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "status", "ok");
    berth_json_add_string(&w, "version", BERTH_VERSION);
    berth_json_add_int(&w, "uptime_s",
                       (berth_clock_monotonic_ms() - exchange->berth->started_ms) / 1000);
    berth_json_add_int(&w, "requests_in_flight",
                       __atomic_load_n(&exchange->berth->in_flight, __ATOMIC_RELAXED));
    berth_json_close_object(&w);
    return 0;
}
