/* SPDX-License-Identifier: MIT */
/* Containers of an engine as apps of a facility. */
#include "backends/engine/engine_app.h"

#include "backends/backend.h"
#include "backends/engine/engine_name.h"
#include "base/clock.h"
#include "base/thread.h"

/* Inspects of one listing that are under way at once. */
#define INSPECT_WIDTH 8

#define PATH_MAX_BYTES 2048

/* ---- Scope and paths ---- */

bool berth_engine_in_scope(const struct berth_engine_scope *scope, const cJSON *labels)
{
    const cJSON *facility = berth_json_get(labels, BERTH_LABEL_FACILITY);
    if (berth_json_get(labels, BERTH_LABEL_PULL))
        return false;
    if (!cJSON_IsString(facility))
        return scope->adopt;
    return strcmp(facility->valuestring, scope->facility) == 0;
}

void berth_engine_app_list_path(const struct berth_engine_scope *scope, const char *id,
                                struct berth_strbuf *path)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf filters = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    struct berth_json_writer w = BERTH_JSON_WRITER(&filters);
    berth_json_open_object(&w, NULL);
    if (id) {
        berth_json_open_array(&w, "id");
        berth_json_add_string(&w, NULL, id);
        berth_json_close_array(&w);
    }
    if (!scope->adopt) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf label = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
        berth_strbuf_addf(&label, "%s=%s", BERTH_LABEL_FACILITY, scope->facility);
        berth_json_open_array(&w, "label");
        berth_json_add_string(&w, NULL, berth_strbuf_str(&label));
        berth_json_close_array(&w);
    }
    berth_json_close_object(&w);
    berth_strbuf_adds(path, "/containers/json?all=1&filters=");
    berth_strbuf_add_urlencoded(path, berth_strbuf_str(&filters), filters.len);
}

int berth_engine_app_labelled(struct berth_engine *engine, const struct berth_app_pair *labels,
                              size_t count, cJSON **ret_entries, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf filters = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(strbuf) struct berth_strbuf label = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(2 * PATH_MAX_BYTES);
    struct berth_json_writer w = BERTH_JSON_WRITER(&filters);
    berth_json_open_object(&w, NULL);
    berth_json_open_array(&w, "label");
    for (size_t i = 0; i < count; i++) {
        berth_strbuf_clear(&label);
        berth_strbuf_addf(&label, "%s=%s", labels[i].key, labels[i].value);
        berth_json_add_string(&w, NULL, berth_strbuf_str(&label));
    }
    berth_json_close_array(&w);
    berth_json_close_object(&w);
    berth_strbuf_adds(&path, "/containers/json?all=1&filters=");
    berth_strbuf_add_urlencoded(&path, berth_strbuf_str(&filters), filters.len);
    int rc = berth_strbuf_check(&path, err);
    return rc < 0 ? rc : berth_engine_get_json(engine, berth_strbuf_str(&path), ret_entries, err);
}

void berth_engine_app_path(const char *id, const char *suffix, struct berth_strbuf *path)
{
    berth_engine_path_add(path, "/containers/", id);
    berth_strbuf_adds(path, suffix);
}

/* ---- From JSON to an app ---- */

/* What an app's fields point to besides the JSON, until berth_app_new has copied it. */
struct parts {
    struct berth_app_pair *labels;
    const char **networks;
    struct berth_app_mount *mounts;
    struct berth_app_port *ports;
    struct berth_strbuf image;
};

static void parts_release(struct parts *parts)
{
    free(parts->labels);
    free(parts->networks);
    free(parts->mounts);
    free(parts->ports);
    berth_strbuf_release(&parts->image);
}

BERTH_DEFINE_CLEANUP_VALUE(parts, struct parts, parts_release)

static size_t count_of(const cJSON *list)
{
    return list ? (size_t)cJSON_GetArraySize(list) : 0;
}

static bool read_labels(const cJSON *labels, struct parts *parts, struct berth_app *app)
{
    parts->labels = calloc(count_of(labels) + 1, sizeof(*parts->labels));
    if (!parts->labels)
        return false;
    const cJSON *label;
    cJSON_ArrayForEach(label, labels)
    {
        if (cJSON_IsString(label))
            parts->labels[app->label_count++] =
                (struct berth_app_pair){.key = label->string, .value = label->valuestring};
    }
    app->labels = parts->labels;
    return true;
}

static bool read_networks(const cJSON *entry, struct parts *parts, struct berth_app *app)
{
    const cJSON *networks = berth_json_get(berth_json_get(entry, "NetworkSettings"), "Networks");
    parts->networks = calloc(count_of(networks) + 1, sizeof(*parts->networks));
    if (!parts->networks)
        return false;
    const cJSON *network;
    cJSON_ArrayForEach(network, networks)
    {
        if (network->string)
            parts->networks[app->network_count++] = network->string;
    }
    app->networks = parts->networks;
    return true;
}

/* The engine lists mounts and ports in the order of a Go map: another one each time. They are
 * sorted, so that nothing seems to change. */
static int compare_mounts(const void *a, const void *b)
{
    const struct berth_app_mount *x = a;
    const struct berth_app_mount *y = b;
    int order = strcmp(x->name[0] ? x->name : x->source, y->name[0] ? y->name : y->source);
    return order ? order : strcmp(x->driver, y->driver);
}

static int compare_ports(const void *a, const void *b)
{
    const struct berth_app_port *x = a;
    const struct berth_app_port *y = b;
    if (x->container_port != y->container_port)
        return x->container_port < y->container_port ? -1 : 1;
    int order = strcmp(x->protocol, y->protocol);
    if (order == 0)
        order = strcmp(x->ip, y->ip);
    return order ? order : (int)x->host_port - (int)y->host_port;
}

static bool read_mounts(const cJSON *entry, struct parts *parts, struct berth_app *app)
{
    const cJSON *mounts = berth_json_get(entry, "Mounts");
    parts->mounts = calloc(count_of(mounts) + 1, sizeof(*parts->mounts));
    if (!parts->mounts)
        return false;
    const cJSON *mount;
    cJSON_ArrayForEach(mount, mounts)
    {
        parts->mounts[app->mount_count++] =
            (struct berth_app_mount){.name = berth_json_string(mount, "Name", ""),
                                     .source = berth_json_string(mount, "Source", ""),
                                     .driver = berth_json_string(mount, "Driver", "")};
    }
    qsort(parts->mounts, app->mount_count, sizeof(*parts->mounts), compare_mounts);
    app->mounts = parts->mounts;
    return true;
}

static uint16_t read_port(const cJSON *port, const char *name)
{
    int64_t number = berth_json_int(port, name, 0);
    return number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

static bool read_ports(const cJSON *entry, struct parts *parts, struct berth_app *app)
{
    const cJSON *ports = berth_json_get(entry, "Ports");
    parts->ports = calloc(count_of(ports) + 1, sizeof(*parts->ports));
    if (!parts->ports)
        return false;
    const cJSON *port;
    cJSON_ArrayForEach(port, ports)
    {
        parts->ports[app->port_count++] =
            (struct berth_app_port){.ip = berth_json_string(port, "IP", ""),
                                    .protocol = berth_json_string(port, "Type", ""),
                                    .container_port = read_port(port, "PrivatePort"),
                                    .host_port = read_port(port, "PublicPort")};
    }
    qsort(parts->ports, app->port_count, sizeof(*parts->ports), compare_ports);
    app->ports = parts->ports;
    return true;
}

/* 0 where the engine gives no time, or Go's zero time. */
static int64_t read_time(const cJSON *object, const char *name)
{
    const char *text = berth_json_string(object, name, "");
    int64_t wall_ns = 0;
    return berth_clock_parse_rfc3339(text, strlen(text), &wall_ns, NULL) == 0 ? wall_ns : 0;
}

static enum berth_app_health read_health(const cJSON *state)
{
    const char *health = berth_json_string(berth_json_get(state, "Health"), "Status", "");
    if (strcmp(health, "starting") == 0)
        return BERTH_HEALTH_STARTING;
    if (strcmp(health, "healthy") == 0)
        return BERTH_HEALTH_HEALTHY;
    if (strcmp(health, "unhealthy") == 0)
        return BERTH_HEALTH_UNHEALTHY;
    return BERTH_HEALTH_NONE;
}

enum berth_app_state berth_engine_app_state(const char *word)
{
    /* Podman's own, which it tells while something is under way. */
    static const struct {
        const char *word;
        enum berth_app_state state;
    } others[] = {
        {"configured", BERTH_APP_CREATED},
        {"initialized", BERTH_APP_CREATED},
        {"stopping", BERTH_APP_RUNNING},
        {"stopped", BERTH_APP_EXITED},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i].word, word) == 0)
            return others[i].state;
    return berth_app_state_parse(word);
}

static void read_state(const cJSON *inspect, struct berth_app *app)
{
    const cJSON *state = berth_json_get(inspect, "State");
    app->state = berth_engine_app_state(berth_json_string(state, "Status", ""));
    app->dead = berth_json_bool(state, "Dead", false);
    app->paused = berth_json_bool(state, "Paused", false);
    app->exit_code = (int)berth_json_int(state, "ExitCode", 0);
    app->health = read_health(state);
    app->created_ns = read_time(inspect, "Created");
    app->started_ns = read_time(state, "StartedAt");
    app->finished_ns = read_time(state, "FinishedAt");
}

/* Whose app it is: by our labels, or, adopted, by its name. */
static void read_names(const struct berth_engine_scope *scope, const cJSON *inspect,
                       const cJSON *labels, struct berth_app *app)
{
    const char *name = berth_json_string(inspect, "Name", "");
    app->engine_name = name[0] == '/' ? name + 1 : name;
    const char *facility = berth_json_string(labels, BERTH_LABEL_FACILITY, "");
    if (strcmp(facility, scope->facility) == 0) {
        app->name = berth_json_string(labels, BERTH_LABEL_APP, app->engine_name);
        app->user = berth_json_string(labels, BERTH_LABEL_USER, "");
        app->image_label = berth_json_string(labels, BERTH_LABEL_IMAGE, "");
        return;
    }
    app->name = app->engine_name;
    app->user = "";
    app->image_label = "";
    for (const char *dashes = strstr(app->name, "--"); dashes; dashes = strstr(dashes + 1, "--"))
        app->user = dashes + 2;
}

int berth_engine_app_parse(const struct berth_engine_scope *scope, const cJSON *entry,
                           const cJSON *inspect, struct berth_app **ret_app,
                           struct berth_error *err)
{
    struct berth_app app = {.id = berth_json_string(inspect, "Id", "")};
    read_state(inspect, &app);
    if (!app.id[0] || app.state == BERTH_APP_UNKNOWN)
        return berth_error_set(err, BERTH_E_UNREACHABLE,
                               "engine of facility %s describes a container without id or state",
                               scope->facility);
    const cJSON *labels = berth_json_get(berth_json_get(inspect, "Config"), "Labels");
    if (!berth_engine_in_scope(scope, labels))
        return berth_error_set(err, BERTH_E_NOT_FOUND, "not a container of facility %s",
                               scope->facility);
    BERTH_CLEANUP(parts) struct parts parts = {.image = BERTH_STRBUF_INIT(PATH_MAX_BYTES)};
    read_names(scope, inspect, labels, &app);
    app.command = berth_json_string(entry, "Command", "");
    app.image_id = berth_json_string(inspect, "Image", "");
    berth_engine_image_shown(berth_json_string(entry, "Image", ""), app.image_id, &parts.image);
    app.image = berth_strbuf_str(&parts.image);
    if (!read_labels(labels, &parts, &app) || !read_networks(entry, &parts, &app) ||
        !read_mounts(entry, &parts, &app) || !read_ports(entry, &parts, &app) ||
        berth_strbuf_check(&parts.image, NULL) < 0)
        return berth_error_nomem(err);
    return berth_app_new(&app, ret_app, err);
}

/* ---- Fetching ---- */

static int get_inspect(struct berth_engine *engine, const char *id, cJSON **ret_inspect,
                       struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(id, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    return rc < 0 ? rc : berth_engine_get_json(engine, berth_strbuf_str(&path), ret_inspect, err);
}

static int inspect_entry(struct berth_engine *engine, const struct berth_engine_scope *scope,
                         const cJSON *entry, struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    int rc = get_inspect(engine, berth_json_string(entry, "Id", ""), &inspect, err);
    return rc < 0 ? rc : berth_engine_app_parse(scope, entry, inspect, ret_app, err);
}

static int get_entries(struct berth_engine *engine, const struct berth_engine_scope *scope,
                       const char *id, cJSON **ret_entries, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_list_path(scope, id, &path);
    int rc = berth_strbuf_check(&path, err);
    return rc < 0 ? rc : berth_engine_get_json(engine, berth_strbuf_str(&path), ret_entries, err);
}

int berth_engine_app_fetch(struct berth_engine *engine, const struct berth_engine_scope *scope,
                           const char *id, struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = get_inspect(engine, id, &inspect, err);
    if (!rc)
        rc = get_entries(engine, scope, id, &entries, err);
    if (rc < 0)
        return rc;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        /* The engine's filter also matches what merely begins with it. */
        if (strcmp(berth_json_string(entry, "Id", ""), id) == 0)
            return berth_engine_app_parse(scope, entry, inspect, ret_app, err);
    }
    return berth_error_set(err, BERTH_E_NOT_FOUND, "no such container: %.64s", id);
}

struct listing {
    struct berth_engine *engine;
    const struct berth_engine_scope *scope;
    const cJSON **entries; /* those of the scope */
    size_t count;
    struct berth_app **found; /* by entry; NULL where it has gone */
    pthread_mutex_t lock;
    struct berth_error first_error; /* lock */
};

static void inspect_one(void *ctx, size_t i)
{
    struct listing *listing = ctx;
    {
        BERTH_LOCK_SCOPE(held, &listing->lock);
        if (listing->first_error.status != BERTH_OK)
            return;
    }
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = inspect_entry(listing->engine, listing->scope, listing->entries[i], &listing->found[i],
                           &why);
    if (rc == 0 || rc == BERTH_E_NOT_FOUND)
        return;
    BERTH_LOCK_SCOPE(held, &listing->lock);
    listing->first_error = why;
}

/* Inspects all entries and moves the apps found to the list, in the engine's order. */
static int inspect_all(struct listing *listing, struct berth_app_list *apps,
                       struct berth_error *err)
{
    berth_parallel_for(listing->count, INSPECT_WIDTH, inspect_one, listing);
    int rc = listing->first_error.status;
    if (rc < 0 && err)
        *err = listing->first_error;
    for (size_t i = 0; i < listing->count; i++) {
        struct berth_app *app = berth_steal(&listing->found[i]);
        if (app && rc == 0)
            rc = berth_app_list_add(apps, app, err);
        else
            berth_app_unref(app);
    }
    return rc;
}

int berth_engine_app_list(struct berth_engine *engine, const struct berth_engine_scope *scope,
                          struct berth_app_list *apps, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int rc = get_entries(engine, scope, NULL, &entries, err);
    if (rc < 0)
        return rc;
    size_t most = count_of(entries) + 1;
    BERTH_CLEANUP(free) const cJSON **wanted = calloc(most, sizeof(cJSON *));
    BERTH_CLEANUP(free) struct berth_app **found = calloc(most, sizeof(struct berth_app *));
    if (!wanted || !found)
        return berth_error_nomem(err);
    struct listing listing = {.engine = engine,
                              .scope = scope,
                              .entries = wanted,
                              .found = found,
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        if (berth_engine_in_scope(scope, berth_json_get(entry, "Labels")))
            wanted[listing.count++] = entry;
    }
    rc = inspect_all(&listing, apps, err);
    (void)pthread_mutex_destroy(&listing.lock);
    return rc;
}
