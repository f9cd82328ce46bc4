/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_own.h"

#include "backends/compose/compose_file.h"
#include "backends/compose/compose_policy.h"
#include "backends/engine/engine_create.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/yaml_write.h"

#include <string.h>
#include <strings.h>

#define NANO           INT64_C(1000000000)
#define TEXT_MAX_BYTES 16384

/* A variable's value, of dollars alone. */
#define ESCAPED_MAX_BYTES (2 * BERTH_VARIABLE_VALUE_MAX + 1)

/* What is said of the project as a whole, for those who read the file back. */
#define SUMMARY   "x-berth"
#define OVERRIDES "environment"
#define ASKED     "limits"

static const char header[] =
    "# Made by berth of " BERTH_COMPOSE_ORIGINAL ", its owner's. `docker compose` in this folder "
    "knows the project.\n"
    "# The folder mount is what ./ is in the owner's file.\n";

/* ---- Pieces ---- */

int berth_compose_own_put(cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (value && cJSON_AddItemToObject(object, name, value))
        return 0;
    cJSON_Delete(value);
    return BERTH_E_NOMEM;
}

/* Compose replaces $NAME in every text; $$ is a dollar. */
static int put_text(cJSON *object, const char *name, const char *text)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf escaped = BERTH_STRBUF_INIT(ESCAPED_MAX_BYTES);
    for (; *text; text++)
        berth_strbuf_adds(&escaped, *text == '$' ? "$$" : (const char[]){*text, '\0'});
    int rc = berth_strbuf_check(&escaped, NULL);
    return rc < 0 ? rc
                  : berth_compose_own_put(object, name,
                                          cJSON_CreateString(berth_strbuf_str(&escaped)));
}

/* The map of that name, made where there is none; NULL: out of memory. */
static cJSON *map_of(cJSON *object, const char *name)
{
    cJSON *map = cJSON_GetObjectItemCaseSensitive(object, name);
    if (cJSON_IsObject(map))
        return map;
    return berth_compose_own_put(object, name, cJSON_CreateObject()) == 0
               ? cJSON_GetObjectItemCaseSensitive(object, name)
               : NULL;
}

static int add_item(cJSON *list, const char *text)
{
    cJSON *item = cJSON_CreateString(text);
    return item && cJSON_AddItemToArray(list, item) ? 0 : BERTH_E_NOMEM;
}

/* ---- Powers ---- */

static bool has_capability(const cJSON *list, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *told = cJSON_IsString(item) ? item->valuestring : "";
        if (strcasecmp(told + (strncasecmp(told, "CAP_", 4) == 0 ? 4 : 0), name) == 0)
            return true;
    }
    return false;
}

/* What apps have, without what the service drops, and with what it adds again. */
static int restrain(cJSON *service)
{
    const cJSON *dropped = berth_json_get(service, "cap_drop");
    const cJSON *added = berth_json_get(service, "cap_add");
    bool has_none = has_capability(dropped, "ALL");
    cJSON *kept = cJSON_CreateArray();
    cJSON *all = cJSON_CreateArray();
    cJSON *options = cJSON_CreateArray();
    int rc = kept && all && options ? 0 : BERTH_E_NOMEM;
    for (size_t i = 0; rc == 0 && berth_engine_capabilities[i]; i++) {
        const char *name = berth_engine_capabilities[i];
        if (has_capability(added, name) || (!has_none && !has_capability(dropped, name)))
            rc = add_item(kept, name);
    }
    if (rc == 0)
        rc = add_item(all, "ALL");
    if (rc == 0)
        rc = add_item(options, "no-new-privileges");
    int put_kept = berth_compose_own_put(service, "cap_add", kept);
    int put_all = berth_compose_own_put(service, "cap_drop", all);
    int put_options = berth_compose_own_put(service, "security_opt", options);
    return rc < 0 || put_kept < 0 || put_all < 0 || put_options < 0 ? BERTH_E_NOMEM : 0;
}

/* ---- Images and paths ---- */

static int choose_image(const struct berth_compose_own *own, cJSON *service,
                        struct berth_error *err)
{
    const char *name = berth_json_string(service, "image", "");
    for (size_t i = 0; i < own->image_count; i++)
        if (strcmp(own->images[i].name, name) == 0)
            return put_text(service, "image", own->images[i].image);
    return berth_error_set(err, BERTH_E_NOT_FOUND, "image %s was not planned for", name);
}

/* From the mount's absolute path to what the project's folder may move with. */
static int make_relative(const struct berth_compose_own *own, cJSON *object, const char *key)
{
    const char *path = berth_json_string(object, key, "");
    char text[BERTH_TARGET_MAX];
    size_t len = strlen(own->mount);
    if (strncmp(path, own->mount, len) != 0)
        return 0;
    (void)snprintf(text, sizeof(text), "./" BERTH_COMPOSE_MOUNT "%s", path + len);
    return berth_compose_own_put(object, key, cJSON_CreateString(text));
}

static int complete_volumes(const struct berth_compose_own *own, cJSON *service)
{
    cJSON *volume;
    int rc = 0;
    cJSON_ArrayForEach(volume, cJSON_GetObjectItemCaseSensitive(service, "volumes"))
    {
        if (strcmp(berth_json_string(volume, "type", ""), "bind") != 0)
            continue;
        cJSON *bind = map_of(volume, "bind");
        if (rc == 0)
            rc = bind ? berth_compose_own_put(bind, "create_host_path", cJSON_CreateFalse())
                      : BERTH_E_NOMEM;
        if (rc == 0)
            rc = make_relative(own, volume, "source");
    }
    return rc;
}

static int complete_files(const struct berth_compose_own *own, cJSON *entries)
{
    cJSON *entry;
    int rc = 0;
    cJSON_ArrayForEach(entry, entries)
    {
        if (rc == 0)
            rc = make_relative(own, entry, "file");
    }
    return rc;
}

/* ---- Services ---- */

static int override_environment(const struct berth_compose_own *own, cJSON *environment)
{
    const cJSON *variable;
    int rc = 0;
    cJSON_ArrayForEach(variable, own->overrides)
    {
        if (cJSON_IsNull(variable))
            cJSON_DeleteItemFromObjectCaseSensitive(environment, variable->string);
        else if (rc == 0)
            rc = berth_compose_own_put(environment, variable->string,
                                       cJSON_Duplicate(variable, true));
    }
    return rc;
}

static int add_environment(const struct berth_compose_own *own, cJSON *service, bool is_main)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf tags = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    cJSON *environment = map_of(service, "environment");
    berth_compose_service_join_tags(own->service, &tags);
    int rc = environment ? berth_strbuf_check(&tags, NULL) : BERTH_E_NOMEM;
    if (rc == 0 && is_main)
        rc = override_environment(own, environment);
    if (rc == 0)
        rc = put_text(environment, BERTH_COMPOSE_CUID_VARIABLE, own->cuid);
    return rc < 0 ? rc
                  : put_text(environment, BERTH_COMPOSE_TAGS_VARIABLE, berth_strbuf_str(&tags));
}

static int add_labels(const struct berth_compose_own *own, cJSON *service, bool is_main)
{
    const struct berth_compose_service *of = own->service;
    BERTH_CLEANUP(strbuf) struct berth_strbuf tags = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    BERTH_CLEANUP(strbuf) struct berth_strbuf ports = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    berth_compose_service_join_tags(of, &tags);
    berth_compose_service_join_ports(of, &ports);
    const struct berth_app_pair labels[] = {
        {BERTH_LABEL_FACILITY, own->facility},
        {BERTH_LABEL_APP, of->app},
        {BERTH_LABEL_IMAGE, of->image_label},
        {BERTH_LABEL_USER, of->user},
        {BERTH_LABEL_CREATED, of->created},
        {BERTH_LABEL_TAGS, berth_strbuf_str(&tags)},
        {BERTH_LABEL_PORTS, berth_strbuf_str(&ports)},
        {BERTH_LABEL_PROJECT, BERTH_COMPOSE_ORIGINAL},
    };
    cJSON *map = map_of(service, "labels");
    int rc = map ? 0 : BERTH_E_NOMEM;
    if (!is_main)
        return rc < 0 ? rc : put_text(map, BERTH_LABEL_FACILITY, "");
    if (rc == 0)
        rc = tags.failed ? tags.failed : ports.failed;
    for (size_t i = 0; rc == 0 && i < sizeof(labels) / sizeof(labels[0]); i++)
        rc = put_text(map, labels[i].key, labels[i].value);
    return rc;
}

static int complete_service(const struct berth_compose_own *own, cJSON *service,
                            struct berth_error *err)
{
    bool is_main = strcmp(service->string, own->main) == 0;
    int rc = choose_image(own, service, err);
    if (rc == BERTH_E_NOT_FOUND)
        return rc;
    if (rc == 0)
        rc = berth_compose_own_put(service, "pull_policy", cJSON_CreateString("never"));
    if (rc == 0 && own->service->run_as && !cJSON_IsString(berth_json_get(service, "user")))
        rc = put_text(service, "user", own->service->run_as);
    if (rc == 0 && is_main)
        rc = put_text(service, "container_name", own->service->container);
    if (rc == 0)
        rc = restrain(service);
    if (rc == 0)
        rc = complete_volumes(own, service);
    if (rc == 0)
        rc = add_environment(own, service, is_main);
    if (rc == 0)
        rc = add_labels(own, service, is_main);
    if (rc == BERTH_E_TOO_LARGE)
        return berth_error_set(err, rc, "a text of the project is too long");
    return rc < 0 ? berth_error_nomem(err) : 0;
}

/* ---- The file ---- */

int berth_compose_own_override(cJSON *overrides, const struct berth_variables *env)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < env->count; i++)
        rc = env->items[i].value
                 ? put_text(overrides, env->items[i].name, env->items[i].value)
                 : berth_compose_own_put(overrides, env->items[i].name, cJSON_CreateNull());
    return rc;
}

cJSON *berth_compose_own_overrides(const cJSON *file)
{
    const cJSON *overrides = berth_json_get(berth_json_get(file, SUMMARY), OVERRIDES);
    return cJSON_IsObject(overrides) ? cJSON_Duplicate(overrides, true) : cJSON_CreateObject();
}

/* Which service it is, the limits of all, and what these are
 * made of. limits is taken over. */
static int add_summary(const struct berth_compose_own *own, cJSON *file, cJSON *limits)
{
    const struct berth_container *asked = &own->service->asked;
    cJSON *summary = map_of(file, SUMMARY);
    char cpus[32];
    (void)snprintf(cpus, sizeof(cpus), "%lld.%09lld", (long long)(asked->cpu_nano / NANO),
                   (long long)(asked->cpu_nano % NANO));
    cJSON *number = cJSON_CreateString(cpus); /* by its own text, as base/yaml_read.h has it */
    if (number)
        number->type = cJSON_Number;
    if (!summary) {
        cJSON_Delete(number);
        cJSON_Delete(limits);
        return BERTH_E_NOMEM;
    }
    int rc = berth_compose_own_put(summary, ASKED, limits);
    int put_cpus = berth_compose_own_put(summary, "cpus", number);
    if (rc == 0)
        rc = put_cpus;
    if (rc == 0)
        rc = berth_compose_own_put(summary, OVERRIDES, cJSON_Duplicate(own->overrides, true));
    if (rc == 0)
        rc = put_text(summary, "main", own->main);
    if (rc == 0)
        rc = berth_compose_own_put(summary, "mem_limit",
                                   cJSON_CreateNumber((double)asked->memory_bytes));
    return rc < 0 ? rc
                  : berth_compose_own_put(summary, "pids_limit",
                                          cJSON_CreateNumber((double)asked->pids));
}

int berth_compose_own_complete(const struct berth_compose_own *own, cJSON *file,
                               struct berth_error *err)
{
    cJSON *services = cJSON_GetObjectItemCaseSensitive(file, "services");
    BERTH_CLEANUP(json) cJSON *asked = berth_compose_own_asked(services);
    cJSON *service;
    if (!asked)
        return berth_error_nomem(err);
    int rc = berth_compose_own_share(&own->service->asked, services, err);
    cJSON_ArrayForEach(service, services)
    {
        if (rc == 0)
            rc = complete_service(own, service, err);
    }
    if (rc < 0)
        return rc;
    if (complete_files(own, cJSON_GetObjectItemCaseSensitive(file, "secrets")) < 0 ||
        complete_files(own, cJSON_GetObjectItemCaseSensitive(file, "configs")) < 0 ||
        add_summary(own, file, berth_steal(&asked)) < 0)
        return berth_error_nomem(err);
    return 0;
}

static int change_service(const struct berth_compose_own *own, cJSON *service)
{
    bool is_main = strcmp(service->string, own->main) == 0;
    int rc = add_environment(own, service, is_main);
    return rc < 0 ? rc : add_labels(own, service, is_main);
}

int berth_compose_own_change(const struct berth_compose_own *own, cJSON *file,
                             struct berth_error *err)
{
    const cJSON *summary = berth_json_get(file, SUMMARY);
    cJSON *services = cJSON_GetObjectItemCaseSensitive(file, "services");
    BERTH_CLEANUP(json) cJSON *asked = cJSON_Duplicate(berth_json_get(summary, ASKED), true);
    cJSON *service;
    if (!asked || berth_compose_own_unshare(asked, services) < 0)
        return berth_error_nomem(err);
    int rc = berth_compose_own_share(&own->service->asked, services, err);
    if (rc < 0)
        return rc;
    cJSON_ArrayForEach(service, services)
    {
        if (rc == 0)
            rc = change_service(own, service);
    }
    if (rc == 0)
        rc = add_summary(own, file, berth_steal(&asked));
    if (rc == BERTH_E_TOO_LARGE)
        return berth_error_set(err, rc, "a text of the project is too long");
    return rc < 0 ? berth_error_nomem(err) : 0;
}

int berth_compose_own_write(const cJSON *file, struct berth_strbuf *out, struct berth_error *err)
{
    struct berth_yaml_writer w;
    const cJSON *item;
    berth_strbuf_adds(out, header);
    berth_yaml_open(&w, out);
    cJSON_ArrayForEach(item, file) berth_yaml_add_json(&w, item->string, item);
    return berth_yaml_close(&w, err);
}

/* ---- Ports ---- */

static int refuse_ports(const char *service, const char *why, struct berth_error *err)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED,
                                 "services.%s.ports: %s", service, why);
}

/* One that the engine is to choose has no number yet. */
static int add_port(const char *name, const cJSON *item, struct berth_compose_service *service,
                    struct berth_error *err)
{
    int64_t host = 0;
    bool is_udp = strcmp(berth_json_string(item, "protocol", ""), "udp") == 0;
    if (berth_text_parse_int(berth_json_string(item, "published", ""), 1, UINT16_MAX, &host, NULL) <
        0)
        return 0;
    const struct berth_port port = {.host = (uint16_t)host,
                                    .container = (uint16_t)berth_json_int(item, "target", 0),
                                    .protocol = is_udp ? BERTH_UDP : BERTH_TCP};
    int rc = berth_compose_service_add_port(service, &port, err);
    if (rc == BERTH_E_INVALID)
        return refuse_ports(name, "a port of the host is there twice", err);
    return rc;
}

int berth_compose_own_ports(const cJSON *services, struct berth_compose_service *service,
                            struct berth_error *err)
{
    const cJSON *from;
    const cJSON *item;
    int count = 0;
    cJSON_ArrayForEach(from, services) cJSON_ArrayForEach(item, berth_json_get(from, "ports"))
    {
        int rc = ++count > BERTH_COMPOSE_PORTS_MAX
                     ? refuse_ports(from->string, "the project has too many", err)
                     : add_port(from->string, item, service, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
