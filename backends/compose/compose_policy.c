/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_policy.h"

#include "backends/compose/compose_policy_internal.h"
#include "base/limits.h"
#include "base/yaml_read.h"

#include <string.h>

/* ---- Volumes, networks, secrets, configs ---- */

/* Compose prints the names that it has made; the owner's text makes none. */
static int check_name(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    const char *project = w->policy->project;
    const char *name = cJSON_IsString(value) ? value->valuestring : "";
    size_t len = project ? strlen(project) : 0;
    if (project && strncmp(name, project, len) == 0 && name[len] == '_' &&
        strcmp(name + len + 1, w->entry) == 0)
        return 0;
    return berth_policy_empty(w, value, rule);
}

static int check_external(struct berth_policy_walk *w, const cJSON *value,
                          const struct berth_policy_rule *rule)
{
    return cJSON_IsFalse(value) ? 0 : berth_policy_empty(w, value, rule);
}

static const char *const volume_drivers[] = {"local", NULL};
static const struct berth_policy_rule volume[] = {
    {.key = "driver", .check = berth_policy_word, .of = volume_drivers},
    {.key = "driver_opts", .check = berth_policy_empty},
    {.key = "external", .check = check_external},
    {.key = "labels", .check = berth_policy_labels},
    {.key = "name", .check = check_name},
    {0}};

static const char *const network_drivers[] = {"bridge", "default", NULL};
static const struct berth_policy_rule network[] = {
    {.key = "driver", .check = berth_policy_word, .of = network_drivers},
    {.key = "driver_opts", .check = berth_policy_empty},
    {.key = "external", .check = check_external},
    {.key = "internal", .check = berth_policy_flag},
    {.key = "ipam", .check = berth_policy_empty},
    {.key = "labels", .check = berth_policy_labels},
    {.key = "name", .check = check_name},
    {0}};

static const struct berth_policy_rule secret[] = {{.key = "external", .check = check_external},
                                                  {.key = "file", .check = berth_policy_file},
                                                  {.key = "labels", .check = berth_policy_labels},
                                                  {.key = "name", .check = check_name},
                                                  {0}};

static const struct berth_policy_rule config[] = {
    {.key = "content", .check = berth_policy_text}, {.key = "external", .check = check_external},
    {.key = "file", .check = berth_policy_file},    {.key = "labels", .check = berth_policy_labels},
    {.key = "name", .check = check_name},           {0}};

/* ---- The top ---- */

static int check_project_name(struct berth_policy_walk *w, const cJSON *value,
                              const struct berth_policy_rule *rule)
{
    if (!w->policy->project) /* berth's own comes in its place */
        return berth_policy_text(w, value, rule);
    return cJSON_IsString(value) && strcmp(value->valuestring, w->policy->project) == 0
               ? 0
               : berth_policy_refuse(w, "not allowed");
}

static int check_main(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    (void)rule;
    if (cJSON_IsString(value) &&
        berth_json_get(berth_json_get(w->file, "services"), value->valuestring))
        return 0;
    return berth_policy_refuse(w, "must be the name of a service");
}

static const struct berth_policy_rule service_rule = {.check = berth_policy_service};
static const struct berth_policy_rule volume_rule = {.check = berth_policy_map, .of = volume};
static const struct berth_policy_rule network_rule = {.check = berth_policy_map, .of = network};
static const struct berth_policy_rule secret_rule = {.check = berth_policy_map, .of = secret};
static const struct berth_policy_rule config_rule = {.check = berth_policy_map, .of = config};
static const struct berth_policy_rule own[] = {{.key = "main", .check = check_main}, {0}};

static const struct berth_policy_rule top[] = {
    {.key = "configs", .check = berth_policy_map_of, .of = &config_rule},
    {.key = "name", .check = check_project_name},
    {.key = "networks", .check = berth_policy_map_of, .of = &network_rule},
    {.key = "secrets", .check = berth_policy_map_of, .of = &secret_rule},
    {.key = "services", .check = berth_policy_map_of, .of = &service_rule},
    {.key = "version", .check = berth_policy_scalar},
    {.key = "volumes", .check = berth_policy_map_of, .of = &volume_rule},
    {.key = "x-berth", .check = berth_policy_map, .of = own},
    {0}};

/* ---- Variables ---- */

static bool has_variable(const char *text)
{
    while ((text = strchr(text, '$'))) {
        if (text[1] != '$')
            return true;
        text += 2;
    }
    return false;
}

/* Compose would take them from its own environment, or make them empty. */
static int check_variables(struct berth_policy_walk *w, const cJSON *value)
{
    const cJSON *item;
    size_t index = 0;
    int rc = 0;
    if (cJSON_IsString(value) && has_variable(value->valuestring))
        return berth_policy_refuse(w, "variables are not replaced here: write the value, and $$ "
                                      "for a dollar");
    cJSON_ArrayForEach(item, value)
    {
        size_t before = item->string ? berth_policy_enter(w, item->string)
                                     : berth_policy_enter_item(w, index++);
        if (item->string && strchr(item->string, '$'))
            rc = berth_policy_refuse(w, "a name must not have a dollar");
        if (rc == 0)
            rc = check_variables(w, item);
        if (rc < 0)
            return rc;
        berth_policy_leave(w, before);
    }
    return 0;
}

/* ---- The file ---- */

int berth_compose_policy_read(const char *text, size_t len, cJSON **ret_file,
                              struct berth_error *err)
{
    if (len > BERTH_COMPOSE_TEXT_MAX)
        return berth_error_set(err, BERTH_E_TOO_LARGE, "the compose file is longer than %d bytes",
                               BERTH_COMPOSE_TEXT_MAX);
    int rc = berth_yaml_parse(text, len, ret_file, err);
    if (rc == 0 || rc == BERTH_E_NOMEM)
        return rc;
    (void)berth_error_wrap(err, "the compose file");
    if (err)
        err->code = BERTH_COMPOSE_REFUSED;
    return rc;
}

static bool publishes(const cJSON *service)
{
    return cJSON_GetArraySize(berth_json_get(service, "ports")) > 0;
}

const char *berth_compose_policy_main(const cJSON *file)
{
    const cJSON *services = berth_json_get(file, "services");
    const char *named = berth_json_string(berth_json_get(file, "x-berth"), "main", NULL);
    const cJSON *service;
    if (named)
        return named;
    cJSON_ArrayForEach(service, services) if (publishes(service)) return service->string;
    return services->child->string;
}

static int check_file(struct berth_policy_walk *w)
{
    static const struct berth_policy_rule map = {.of = top};
    if (!cJSON_IsObject(w->file))
        return berth_policy_refuse(w, "the compose file must be a map");
    int rc = check_variables(w, w->file);
    if (rc == 0)
        rc = berth_policy_map(w, w->file, &map);
    const cJSON *services = berth_json_get(w->file, "services");
    if (rc == 0 && (!services || !services->child))
        rc = berth_policy_refuse(w, "the compose file has no services");
    if (rc == 0 &&
        berth_policy_replicas(berth_json_get(services, berth_compose_policy_main(w->file))) > 1)
        rc = berth_policy_refuse(w,
                                 "services.%s: not allowed: it stands for the project, and so runs "
                                 "once (x-berth.main can name another)",
                                 berth_compose_policy_main(w->file));
    return rc < 0 ? rc : berth_policy_check_binds(w);
}

int berth_compose_policy_check(const struct berth_compose_policy *policy, const cJSON *file,
                               struct berth_error *err)
{
    struct berth_policy_walk w = {.policy = policy,
                                  .file = file,
                                  .path = BERTH_STRBUF_INIT(BERTH_POLICY_PATH_MAX),
                                  .err = err};
    int rc = check_file(&w);
    berth_policy_release_binds(&w);
    berth_strbuf_release(&w.path);
    return rc;
}
