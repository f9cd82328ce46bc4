/* SPDX-License-Identifier: MIT */
#include "gateway/containers_json.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

#define PULLING "pulling"

static const char *state_name(enum berth_app_state state)
{
    switch (state) {
    case BERTH_APP_CREATED:
    case BERTH_APP_RUNNING:
    case BERTH_APP_PAUSED:
    case BERTH_APP_RESTARTING:
    case BERTH_APP_EXITED:
        return berth_app_state_name(state);
    case BERTH_APP_UNKNOWN:
    case BERTH_APP_REMOVING:
    case BERTH_APP_DEAD:
        break;
    }
    return berth_app_state_name(BERTH_APP_DEAD);
}

const char *berth_containers_status(const struct berth_app *app)
{
    return state_name(app->state);
}

bool berth_containers_is_status(const char *word, size_t len)
{
    static const char *const words[] = {"created", "running", "paused", "restarting",
                                        "exited",  "dead",    PULLING};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == len && strncmp(words[i], word, len) == 0)
            return true;
    return false;
}

/* ---- Members ---- */

static void add_time(struct berth_json_writer *w, const char *name, int64_t wall_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    if (wall_ns > 0)
        berth_clock_add_rfc3339(&text, wall_ns, 3);
    berth_json_add_string(w, name, wall_ns > 0 ? berth_strbuf_str(&text) : NULL);
}

/* The reference without the digest that approval pinned it to. */
static void add_image(struct berth_json_writer *w, const struct berth_app *app)
{
    const char *image = app->image_label[0] ? app->image_label : app->image;
    berth_json_add_stringn(w, "image", image, strcspn(image, "@"));
}

/* 0, which is no limit, is null. */
static void add_limits(struct berth_json_writer *w, int64_t cpu_nano, int64_t memory_bytes,
                       int64_t pids)
{
    char text[48];
    int len = 0;
    berth_json_open_object(w, "resources");
    if (cpu_nano > 0) {
        len = snprintf(text, sizeof(text), "%.10g", (double)cpu_nano / 1e9);
        berth_json_add_raw(w, "cpus", text, (size_t)len);
    } else {
        berth_json_add_null(w, "cpus");
    }
    if (memory_bytes % (1 << 20) == 0)
        (void)snprintf(text, sizeof(text), "%" PRId64 "m", memory_bytes >> 20);
    else
        (void)snprintf(text, sizeof(text), "%" PRId64, memory_bytes);
    berth_json_add_string(w, "memory", memory_bytes > 0 ? text : NULL);
    if (pids > 0)
        berth_json_add_int(w, "pids", pids);
    else
        berth_json_add_null(w, "pids");
    berth_json_close_object(w);
}

static void add_ports(struct berth_json_writer *w, const struct berth_port *ports, size_t count)
{
    berth_json_open_array(w, "ports");
    for (size_t i = 0; i < count; i++) {
        berth_json_open_object(w, NULL);
        berth_json_add_int(w, "host", ports[i].host);
        berth_json_add_int(w, "container", ports[i].container);
        berth_json_add_string(w, "protocol", berth_protocol_name(ports[i].protocol));
        berth_json_close_object(w);
    }
    berth_json_close_array(w);
}

static void add_tags(struct berth_json_writer *w, const char *const *tags, size_t count)
{
    berth_json_open_array(w, "tags");
    for (size_t i = 0; i < count; i++)
        berth_json_add_string(w, NULL, tags[i]);
    berth_json_close_array(w);
}

static bool has_ended(const struct berth_app *app)
{
    return app->state == BERTH_APP_EXITED || app->state == BERTH_APP_DEAD;
}

static void add_run(struct berth_json_writer *w, const struct berth_app *app)
{
    add_time(w, "started_at", app->started_ns);
    add_time(w, "finished_at", has_ended(app) ? app->finished_ns : 0);
    if (has_ended(app))
        berth_json_add_int(w, "exit_code", app->exit_code);
    else
        berth_json_add_null(w, "exit_code");
}

static const char *health_name(enum berth_app_health health)
{
    switch (health) {
    case BERTH_HEALTH_STARTING:
        return "starting";
    case BERTH_HEALTH_HEALTHY:
        return "healthy";
    case BERTH_HEALTH_UNHEALTHY:
        return "unhealthy";
    case BERTH_HEALTH_NONE:
        break;
    }
    return NULL;
}

static void add_service(struct berth_json_writer *w, const struct berth_service *service)
{
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "service", service->name);
    berth_json_add_int(w, "number", service->number);
    berth_json_add_string(w, "status", state_name(service->state));
    berth_json_add_string(w, "health", health_name(service->health));
    if (service->state == BERTH_APP_EXITED)
        berth_json_add_int(w, "exit_code", service->exit_code);
    else
        berth_json_add_null(w, "exit_code");
    berth_json_close_object(w);
}

static void add_services(struct berth_json_writer *w, const struct berth_services *services)
{
    if (!services)
        return;
    berth_json_open_array(w, "services");
    for (size_t i = 0; i < services->count; i++)
        add_service(w, &services->items[i]);
    berth_json_close_array(w);
}

/* ---- Objects ---- */

void berth_containers_json_add(struct berth_json_writer *w, const struct berth_app *app,
                               const struct berth_container *asked,
                               const struct berth_services *services)
{
    int64_t created_ns = berth_containers_created_ns(app);
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "cuid", berth_containers_cuid(app));
    add_image(w, app);
    berth_json_add_string(w, "status", berth_containers_status(app));
    berth_json_open_object(w, "env");
    for (size_t i = 0; i < asked->env_count; i++)
        berth_json_add_string(w, asked->env[i].name, asked->env[i].value);
    berth_json_close_object(w);
    add_tags(w, (const char *const *)asked->tags, asked->tag_count);
    add_limits(w, asked->cpu_nano, asked->memory_bytes, asked->pids);
    add_ports(w, asked->ports, asked->port_count);
    add_time(w, "created_at", created_ns);
    add_time(w, "updated_at", asked->updated_ns > created_ns ? asked->updated_ns : created_ns);
    add_run(w, app);
    berth_json_add_string(w, "owner", app->user);
    berth_json_add_bool(w, "project", asked->is_project);
    add_services(w, services);
    berth_json_close_object(w);
}

void berth_containers_json_add_pulling(struct berth_json_writer *w,
                                       const struct berth_container_pulling *pulling)
{
    const struct berth_container_spec *spec = pulling->spec;
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "cuid", pulling->cuid);
    berth_json_add_string(w, "image", pulling->image);
    berth_json_add_string(w, "status", PULLING);
    berth_json_open_object(w, "env");
    for (size_t i = 0; i < spec->env.count; i++)
        if (spec->env.items[i].value)
            berth_json_add_string(w, spec->env.items[i].name, spec->env.items[i].value);
    berth_json_close_object(w);
    add_tags(w, spec->tags.items, spec->tags.count);
    add_limits(w, pulling->cpu_nano, pulling->memory_bytes, pulling->pids);
    add_ports(w, spec->ports.items, spec->ports.count);
    add_time(w, "created_at", pulling->begun_ns);
    add_time(w, "updated_at", pulling->begun_ns);
    berth_json_add_null(w, "started_at");
    berth_json_add_null(w, "finished_at");
    berth_json_add_null(w, "exit_code");
    berth_json_add_string(w, "owner", pulling->owner);
    berth_json_add_bool(w, "project", spec->compose != NULL);
    berth_json_close_object(w);
}

void berth_containers_json_add_status(struct berth_json_writer *w, const struct berth_app *app,
                                      int64_t pid, const struct berth_services *services)
{
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "cuid", berth_containers_cuid(app));
    berth_json_add_string(w, "status", berth_containers_status(app));
    berth_json_add_string(w, "health", health_name(app->health));
    add_run(w, app);
    if (pid > 0)
        berth_json_add_int(w, "pid", pid);
    else
        berth_json_add_null(w, "pid");
    add_services(w, services);
    berth_json_close_object(w);
}
