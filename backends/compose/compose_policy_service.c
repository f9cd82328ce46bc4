/* SPDX-License-Identifier: MIT */
/* What a service may say. */
#include "backends/compose/compose_policy_internal.h"
#include "backends/engine/engine_create.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

#define HEALTH_INTERVAL_MIN_S 1

/* ---- Powers ---- */

static int check_capability(struct berth_policy_walk *w, const cJSON *value,
                            const struct berth_policy_rule *rule)
{
    const char *name = cJSON_IsString(value) ? value->valuestring : "";
    (void)rule;
    if (strncasecmp(name, "CAP_", 4) == 0)
        name += 4;
    for (size_t i = 0; berth_engine_capabilities[i]; i++)
        if (strcasecmp(name, berth_engine_capabilities[i]) == 0)
            return 0;
    return berth_policy_refuse(w, "not allowed: the capability is not one that apps have");
}

static int check_user(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    char text[32];
    char *end = NULL;
    (void)rule;
    if (!w->policy->is_user_fixed || cJSON_IsNull(value))
        return berth_policy_scalar(w, value, rule);
    if (cJSON_IsNumber(value) && value->valuedouble >= 1 && value->valuedouble <= INT32_MAX)
        return 0;
    (void)snprintf(text, sizeof(text), "%s", cJSON_IsString(value) ? value->valuestring : "");
    long long uid = berth_is_digit(text[0]) ? strtoll(text, &end, 10) : 0;
    if (uid > 0 && uid <= INT32_MAX && (!*end || (*end == ':' && berth_is_digit(end[1]))))
        return 0;
    return berth_policy_refuse(w, "not allowed but for a number other than 0, as \"1000:1000\"");
}

/* ---- Networks ---- */

static int check_network_mode(struct berth_policy_walk *w, const cJSON *value,
                              const struct berth_policy_rule *rule)
{
    static const char service[] = "service:";
    const char *mode = cJSON_IsString(value) ? value->valuestring : "";
    (void)rule;
    if (cJSON_IsNull(value) || strcmp(mode, "none") == 0 || strcmp(mode, "bridge") == 0)
        return 0;
    if (strncmp(mode, service, sizeof(service) - 1) == 0 &&
        berth_json_get(berth_json_get(w->file, "services"), mode + sizeof(service) - 1))
        return 0;
    return berth_policy_refuse(w, "not allowed but for: none, bridge, service:SERVICE");
}

static int check_networks(struct berth_policy_walk *w, const cJSON *value,
                          const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule rules[] = {
        {.key = "aliases", .check = berth_policy_texts},
        {.key = "priority", .check = berth_policy_scalar},
        {0}};
    static const struct berth_policy_rule network = {.check = berth_policy_map, .of = rules};
    static const struct berth_policy_rule networks = {.of = &network};
    return cJSON_IsArray(value) ? berth_policy_texts(w, value, rule)
                                : berth_policy_map_of(w, value, &networks);
}

static int check_hosts(struct berth_policy_walk *w, const cJSON *value,
                       const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule addresses = {.check = berth_policy_texts};
    static const struct berth_policy_rule hosts = {.of = &addresses};
    return cJSON_IsArray(value) ? berth_policy_texts(w, value, rule)
                                : berth_policy_map_of(w, value, &hosts);
}

static int check_port(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    static const char *const protocols[] = {"tcp", "udp", NULL};
    static const char *const modes[] = {"ingress", "host", NULL};
    static const struct berth_policy_rule rules[] = {
        {.key = "app_protocol", .check = berth_policy_text},
        {.key = "host_ip", .check = berth_policy_text},
        {.key = "mode", .check = berth_policy_word, .of = modes},
        {.key = "name", .check = berth_policy_text},
        {.key = "protocol", .check = berth_policy_word, .of = protocols},
        {.key = "published", .check = berth_policy_scalar},
        {.key = "target", .check = berth_policy_whole, .min = 1, .max = 65535},
        {0}};
    static const struct berth_policy_rule map = {.of = rules};
    return cJSON_IsObject(value) ? berth_policy_map(w, value, &map)
                                 : berth_policy_scalar(w, value, rule);
}

/* ---- What is used of the rest of the file ---- */

static int check_use(struct berth_policy_walk *w, const cJSON *value,
                     const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule rules[] = {{.key = "gid", .check = berth_policy_scalar},
                                                     {.key = "mode", .check = berth_policy_scalar},
                                                     {.key = "source", .check = berth_policy_text},
                                                     {.key = "target", .check = berth_policy_text},
                                                     {.key = "uid", .check = berth_policy_scalar},
                                                     {0}};
    static const struct berth_policy_rule map = {.of = rules};
    return cJSON_IsObject(value) ? berth_policy_map(w, value, &map)
                                 : berth_policy_text(w, value, rule);
}

static int check_depends_on(struct berth_policy_walk *w, const cJSON *value,
                            const struct berth_policy_rule *rule)
{
    static const char *const conditions[] = {"service_started", "service_healthy",
                                             "service_completed_successfully", NULL};
    static const struct berth_policy_rule rules[] = {
        {.key = "condition", .check = berth_policy_word, .of = conditions},
        {.key = "required", .check = berth_policy_flag},
        {.key = "restart", .check = berth_policy_flag},
        {0}};
    static const struct berth_policy_rule dependency = {.check = berth_policy_map, .of = rules};
    static const struct berth_policy_rule dependencies = {.of = &dependency};
    return cJSON_IsArray(value) ? berth_policy_texts(w, value, rule)
                                : berth_policy_map_of(w, value, &dependencies);
}

static int check_env_file(struct berth_policy_walk *w, const cJSON *value,
                          const struct berth_policy_rule *rule)
{
    /* Compose has put what is in it into environment: it is not to be read again. */
    return w->policy->project ? berth_policy_refuse(w, "not allowed")
                              : berth_policy_env_file(w, value, rule);
}

/* ---- Running ---- */

static int check_restart(struct berth_policy_walk *w, const cJSON *value,
                         const struct berth_policy_rule *rule)
{
    static const char *const words[] = {"no", "always", "on-failure", "unless-stopped", NULL};
    static const struct berth_policy_rule word = {.of = words};
    static const char counted[] = "on-failure:";
    int64_t count = 0;
    (void)rule;
    if (cJSON_IsString(value) && strncmp(value->valuestring, counted, sizeof(counted) - 1) == 0 &&
        berth_text_parse_int(value->valuestring + sizeof(counted) - 1, 0, INT32_MAX, &count,
                             NULL) == 0)
        return 0;
    return berth_policy_word(w, value, &word);
}

static int check_limit(struct berth_policy_walk *w, const cJSON *value,
                       const struct berth_policy_rule *rule)
{
    (void)rule;
    static const struct berth_policy_rule rules[] = {
        {.key = "hard", .check = berth_policy_whole, .min = -1, .max = INT32_MAX},
        {.key = "soft", .check = berth_policy_whole, .min = -1, .max = INT32_MAX},
        {0}};
    static const struct berth_policy_rule map = {.of = rules};
    return cJSON_IsObject(value) ? berth_policy_map(w, value, &map)
                                 : berth_policy_whole(w, value, &rules[0]);
}

static const struct berth_policy_rule limit_of_kind[] = {{.key = "core", .check = check_limit},
                                                         {.key = "fsize", .check = check_limit},
                                                         {.key = "memlock", .check = check_limit},
                                                         {.key = "nofile", .check = check_limit},
                                                         {.key = "nproc", .check = check_limit},
                                                         {.key = "stack", .check = check_limit},
                                                         {0}};

static const struct berth_policy_rule healthcheck[] = {
    {.key = "disable", .check = berth_policy_flag},
    {.key = "interval", .check = berth_policy_seconds, .min = HEALTH_INTERVAL_MIN_S},
    {.key = "retries", .check = berth_policy_whole, .min = 0, .max = INT32_MAX},
    {.key = "start_interval", .check = berth_policy_seconds, .min = HEALTH_INTERVAL_MIN_S},
    {.key = "start_period", .check = berth_policy_seconds},
    {.key = "test", .check = berth_policy_texts},
    {.key = "timeout", .check = berth_policy_seconds},
    {0}};

static const char *const log_drivers[] = {"json-file", "local", NULL};
static const struct berth_policy_rule log_options[] = {
    {.key = "max-file", .check = berth_policy_scalar},
    {.key = "max-size", .check = berth_policy_scalar},
    {0}};
static const struct berth_policy_rule logging[] = {
    {.key = "driver", .check = berth_policy_word, .of = log_drivers},
    {.key = "options", .check = berth_policy_map, .of = log_options},
    {0}};

/* ---- deploy ---- */

/* What names no number means all there are. */
static int count_gpus(struct berth_policy_walk *w, const cJSON *value, int64_t *ret_count)
{
    const cJSON *count = berth_json_get(value, "count");
    const cJSON *ids = berth_json_get(value, "device_ids");
    *ret_count = cJSON_IsArray(ids) ? cJSON_GetArraySize(ids) : INT32_MAX;
    if (cJSON_IsNumber(count) && count->valuedouble >= 1 && count->valuedouble < INT32_MAX)
        *ret_count = (int64_t)count->valuedouble;
    else if (count && (!cJSON_IsString(count) || strcmp(count->valuestring, "all") != 0))
        return berth_policy_refuse(w, "its count must be a number from 1, or all");
    return 0;
}

static int check_gpus(struct berth_policy_walk *w, const cJSON *value)
{
    int64_t count = 0;
    int rc = count_gpus(w, value, &count);
    if (rc < 0)
        return rc;
    w->gpus += count * w->replicas; /* both are below 2^31 */
    if (w->policy->gpus < 0 || w->gpus <= w->policy->gpus)
        return 0;
    return berth_policy_refuse(w, "not allowed: a project may have %lld GPUs in all",
                               (long long)w->policy->gpus);
}

static int check_device(struct berth_policy_walk *w, const cJSON *value,
                        const struct berth_policy_rule *rule)
{
    static const char *const drivers[] = {"nvidia", NULL};
    static const char *const capabilities[] = {"gpu", NULL};
    static const struct berth_policy_rule capability = {.check = berth_policy_word,
                                                        .of = capabilities};
    static const struct berth_policy_rule rules[] = {
        {.key = "capabilities", .check = berth_policy_list_of, .of = &capability},
        {.key = "count", .check = berth_policy_scalar},
        {.key = "device_ids", .check = berth_policy_texts},
        {.key = "driver", .check = berth_policy_word, .of = drivers},
        {0}};
    static const struct berth_policy_rule map = {.of = rules};
    (void)rule;
    int rc = berth_policy_map(w, value, &map);
    if (rc == 0 && cJSON_GetArraySize(berth_json_get(value, "capabilities")) != 1)
        rc = berth_policy_refuse(w, "its capabilities must be [gpu]");
    return rc < 0 ? rc : check_gpus(w, value);
}

static const struct berth_policy_rule device = {.check = check_device};
static const struct berth_policy_rule limits[] = {{.key = "cpus", .check = berth_policy_scalar},
                                                  {.key = "memory", .check = berth_policy_scalar},
                                                  {.key = "pids", .check = berth_policy_scalar},
                                                  {0}};
static const struct berth_policy_rule reservations[] = {
    {.key = "cpus", .check = berth_policy_scalar},
    {.key = "devices", .check = berth_policy_list_of, .of = &device},
    {.key = "memory", .check = berth_policy_scalar},
    {0}};
static const struct berth_policy_rule resources[] = {
    {.key = "limits", .check = berth_policy_map, .of = limits},
    {.key = "reservations", .check = berth_policy_map, .of = reservations},
    {0}};
static const char *const restart_conditions[] = {"none", "on-failure", "any", NULL};
static const struct berth_policy_rule restart_policy[] = {
    {.key = "condition", .check = berth_policy_word, .of = restart_conditions},
    {.key = "delay", .check = berth_policy_seconds},
    {.key = "max_attempts", .check = berth_policy_whole, .min = 0, .max = INT32_MAX},
    {.key = "window", .check = berth_policy_seconds},
    {0}};
static const char *const deploy_modes[] = {"replicated", NULL};
static const struct berth_policy_rule deploy[] = {
    {.key = "mode", .check = berth_policy_word, .of = deploy_modes},
    {.key = "placement", .check = berth_policy_empty},
    {.key = "replicas", .check = berth_policy_whole, .min = 1, .max = BERTH_COMPOSE_CONTAINERS_MAX},
    {.key = "resources", .check = berth_policy_map, .of = resources},
    {.key = "restart_policy", .check = berth_policy_map, .of = restart_policy},
    {0}};

/* ---- The service ---- */

static const char *const pull_policies[] = {"always", "missing", "if_not_present", "never", NULL};
static const char *const security_opts[] = {"no-new-privileges", "no-new-privileges:true",
                                            "no-new-privileges=true", NULL};
static const struct berth_policy_rule security_opt = {.check = berth_policy_word,
                                                      .of = security_opts};
static const struct berth_policy_rule capability = {.check = check_capability};
static const struct berth_policy_rule port = {.check = check_port};
static const struct berth_policy_rule use = {.check = check_use};

static const struct berth_policy_rule rules_of_service[] = {
    {.key = "attach", .check = berth_policy_flag},
    {.key = "cap_add", .check = berth_policy_list_of, .of = &capability},
    {.key = "cap_drop", .check = berth_policy_texts},
    {.key = "command", .check = berth_policy_texts},
    {.key = "configs", .check = berth_policy_list_of, .of = &use},
    {.key = "cpus", .check = berth_policy_scalar},
    {.key = "depends_on", .check = check_depends_on},
    {.key = "deploy", .check = berth_policy_map, .of = deploy},
    {.key = "dns", .check = berth_policy_texts},
    {.key = "dns_opt", .check = berth_policy_texts},
    {.key = "dns_search", .check = berth_policy_texts},
    {.key = "domainname", .check = berth_policy_text},
    {.key = "entrypoint", .check = berth_policy_texts},
    {.key = "env_file", .check = check_env_file},
    {.key = "environment", .check = berth_policy_pairs},
    {.key = "expose", .check = berth_policy_texts},
    {.key = "extra_hosts", .check = check_hosts},
    {.key = "healthcheck", .check = berth_policy_map, .of = healthcheck},
    {.key = "hostname", .check = berth_policy_text},
    {.key = "image", .check = berth_policy_text},
    {.key = "init", .check = berth_policy_flag},
    {.key = "labels", .check = berth_policy_labels},
    {.key = "links", .check = berth_policy_texts},
    {.key = "logging", .check = berth_policy_map, .of = logging},
    {.key = "mem_limit", .check = berth_policy_scalar},
    {.key = "mem_reservation", .check = berth_policy_scalar},
    {.key = "network_mode", .check = check_network_mode},
    {.key = "networks", .check = check_networks},
    {.key = "pids_limit", .check = berth_policy_scalar},
    {.key = "platform", .check = berth_policy_text},
    {.key = "ports", .check = berth_policy_list_of, .of = &port},
    {.key = "pull_policy", .check = berth_policy_word, .of = pull_policies},
    {.key = "read_only", .check = berth_policy_flag},
    {.key = "restart", .check = check_restart},
    {.key = "scale", .check = berth_policy_whole, .min = 1, .max = BERTH_COMPOSE_CONTAINERS_MAX},
    {.key = "secrets", .check = berth_policy_list_of, .of = &use},
    {.key = "security_opt", .check = berth_policy_list_of, .of = &security_opt},
    {.key = "shm_size", .check = berth_policy_scalar},
    {.key = "stdin_open", .check = berth_policy_flag},
    {.key = "stop_grace_period", .check = berth_policy_seconds},
    {.key = "stop_signal", .check = berth_policy_text},
    {.key = "tmpfs", .check = berth_policy_texts},
    {.key = "tty", .check = berth_policy_flag},
    {.key = "ulimits", .check = berth_policy_map, .of = limit_of_kind},
    {.key = "user", .check = check_user},
    {.key = "volumes", .check = berth_policy_volumes},
    {.key = "working_dir", .check = berth_policy_text},
    {0}};

int64_t berth_policy_replicas(const cJSON *service)
{
    const cJSON *scale = berth_json_get(service, "scale");
    if (!scale)
        scale = berth_json_get(berth_json_get(service, "deploy"), "replicas");
    int64_t count = 1;
    if (cJSON_IsString(scale))
        (void)!berth_text_parse_int(scale->valuestring, 1, BERTH_COMPOSE_CONTAINERS_MAX, &count,
                                    NULL);
    else if (cJSON_IsNumber(scale) && scale->valuedouble >= 1 &&
             scale->valuedouble <= BERTH_COMPOSE_CONTAINERS_MAX)
        count = (int64_t)scale->valuedouble;
    return count; /* what else it says is refused */
}

int berth_policy_service(struct berth_policy_walk *w, const cJSON *value,
                         const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule map = {.of = rules_of_service};
    (void)rule;
    if (!cJSON_IsObject(value))
        return berth_policy_refuse(w, "must be a map");
    w->replicas = berth_policy_replicas(value);
    w->containers += w->replicas;
    int rc = berth_policy_map(w, value, &map);
    if (rc == 0 && !*berth_json_string(value, "image", ""))
        rc = berth_policy_refuse(w, "has no image");
    if (rc == 0 && w->containers > BERTH_COMPOSE_CONTAINERS_MAX)
        rc = berth_policy_refuse(w, "not allowed: a project has at most %d containers",
                                 BERTH_COMPOSE_CONTAINERS_MAX);
    return rc;
}
