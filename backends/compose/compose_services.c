/* SPDX-License-Identifier: MIT */
/* The services of a project: how each does, and a process in one. */
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "base/text.h"

#include <string.h>

#define NUMBER_LABEL "com.docker.compose.container-number"

static const char *service_of(const cJSON *entry)
{
    return berth_json_string(berth_json_get(entry, "Labels"), BERTH_COMPOSE_SERVICE_LABEL, "");
}

static int64_t number_of(const cJSON *entry)
{
    int64_t number = 1;
    const char *text = berth_json_string(berth_json_get(entry, "Labels"), NUMBER_LABEL, "1");
    return berth_text_parse_int(text, 1, INT32_MAX, &number, NULL) == 0 ? number : 1;
}

/* ---- How each does ---- */

/* The engine's words for `docker ps`: "Up 2 minutes (unhealthy)", "Exited (137) 5 seconds ago". */
static void read_words(const char *words, struct berth_service *service)
{
    static const char exited[] = "Exited (";
    int64_t code = 0;
    char digits[8] = "";
    if (strstr(words, "(healthy)"))
        service->health = BERTH_HEALTH_HEALTHY;
    else if (strstr(words, "(unhealthy)"))
        service->health = BERTH_HEALTH_UNHEALTHY;
    else if (strstr(words, "(health: starting)"))
        service->health = BERTH_HEALTH_STARTING;
    if (strncmp(words, exited, sizeof(exited) - 1) != 0)
        return;
    words += sizeof(exited) - 1;
    (void)snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(words, ")"), words);
    if (berth_text_parse_int(digits, 0, UINT8_MAX, &code, NULL) == 0)
        service->exit_code = (int)code;
}

static int compare(const void *left, const void *right)
{
    const struct berth_service *a = left;
    const struct berth_service *b = right;
    int names = strcmp(a->name, b->name);
    return names ? names : (a->number > b->number) - (a->number < b->number);
}

static int list(const cJSON *entries, struct berth_services *services, struct berth_error *err)
{
    services->items = calloc((size_t)cJSON_GetArraySize(entries) + 1, sizeof(*services->items));
    if (!services->items)
        return berth_error_nomem(err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        struct berth_service *service = &services->items[services->count];
        *service = (struct berth_service){
            .name = berth_text_dup(service_of(entry)),
            .number = number_of(entry),
            .state = berth_app_state_parse(berth_json_string(entry, "State", "")),
        };
        if (!service->name)
            return berth_error_nomem(err);
        read_words(berth_json_string(entry, "Status", ""), service);
        services->count++;
    }
    qsort(services->items, services->count, sizeof(*services->items), compare);
    return 0;
}

int berth_compose_services(struct berth_backend *backend, const struct berth_app *app,
                           struct berth_services *ret_services, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    BERTH_CLEANUP(services) struct berth_services services = {0};
    const char *cuid = berth_app_label(app, BERTH_COMPOSE_LABEL);
    int rc = berth_compose_containers(berth_compose_of(backend), cuid ? cuid : "", &entries, err);
    if (rc == 0)
        rc = list(entries, &services, err);
    if (rc < 0)
        return rc;
    *ret_services = services;
    services = (struct berth_services){0};
    return 0;
}

/* ---- A process in one ---- */

int berth_compose_unknown_service(const char *service, struct berth_error *err)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_PARAMETER",
                                 "parameter service: the app has no service %s", service);
}

/* The first that runs, else the first. */
static const cJSON *choose(const cJSON *entries, const char *service)
{
    const cJSON *chosen = NULL;
    bool is_chosen_running = false;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        bool is_running = strcmp(berth_json_string(entry, "State", ""), "running") == 0;
        if (strcmp(service_of(entry), service) != 0 || (is_chosen_running && !is_running))
            continue;
        if (!chosen || is_running != is_chosen_running || number_of(entry) < number_of(chosen)) {
            chosen = entry;
            is_chosen_running = is_running;
        }
    }
    return chosen;
}

int berth_compose_exec(struct berth_backend *backend, const char *id,
                       const struct berth_exec_spec *spec, struct berth_exec **ret_exec,
                       struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_kind kind;
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    if (!spec->service)
        return berth_engine_host_exec(backend, id, spec, ret_exec, err);
    int rc = berth_compose_find_kind(compose, id, &kind, err);
    if (rc == 0)
        rc = berth_compose_containers(compose, kind.cuid, &entries, err);
    if (rc < 0)
        return rc;
    const cJSON *chosen = choose(entries, spec->service);
    return chosen ? berth_engine_host_exec(backend, berth_json_string(chosen, "Id", ""), spec,
                                           ret_exec, err)
                  : berth_compose_unknown_service(spec->service, err);
}
