/* SPDX-License-Identifier: MIT */
/* The limits of a project, shared by its services. */
#include "backends/compose/compose_own.h"
#include "backends/compose/compose_policy.h"

#define NANO 1e9

/* As the engine has them at least. */
#define MEMORY_MIN (INT64_C(6) << 20)
#define NANO_MIN   INT64_C(10000000)

/* A limit, where a service says it, and where deploy.resources.limits does. */
struct kind {
    const char *name; /* for people */
    const char *key;
    const char *deploy_key;
    double unit;
    int64_t min; /* of a share */
};

static const struct kind cpus = {"CPUs", "cpus", "cpus", NANO, NANO_MIN};
static const struct kind memory = {"memory", "mem_limit", "memory", 1, MEMORY_MIN};
static const struct kind pids = {"processes", "pids_limit", "pids", 1, 1};

int64_t berth_compose_own_replicas(const cJSON *service)
{
    int64_t replicas = berth_json_int(berth_json_get(service, "deploy"), "replicas", 1);
    return berth_json_int(service, "scale", replicas);
}

/* 0 where there is none; -1 stands for none, too. */
static int64_t read_limit(const cJSON *object, const char *key, double unit)
{
    const cJSON *item = berth_json_get(object, key);
    double number = cJSON_IsNumber(item) ? item->valuedouble : 0;
    if (cJSON_IsString(item))
        number = strtod(item->valuestring, NULL);
    number *= unit;
    return number > 0 && number < (double)INT64_MAX / 1024 ? (int64_t)number : 0;
}

static cJSON *limits_of(const cJSON *service)
{
    const cJSON *resources = berth_json_get(berth_json_get(service, "deploy"), "resources");
    return cJSON_GetObjectItemCaseSensitive(resources, "limits");
}

/* What the service asks for itself. */
static int64_t limit_of(const cJSON *service, const struct kind *kind)
{
    int64_t limit = read_limit(limits_of(service), kind->deploy_key, kind->unit);
    return limit > 0 ? limit : read_limit(service, kind->key, kind->unit);
}

static int refuse(const struct kind *kind, const char *why, struct berth_error *err)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED, "services: %s %s",
                                 why, kind->name);
}

/* ret_share: of each container that asks for nothing; 0: no limit. */
static int divide(const cJSON *services, const struct kind *kind, int64_t total, int64_t *ret_share,
                  struct berth_error *err)
{
    const cJSON *service;
    int64_t rest = total;
    int64_t without = 0;
    cJSON_ArrayForEach(service, services)
    {
        int64_t limit = limit_of(service, kind);
        int64_t replicas = berth_compose_own_replicas(service);
        if (limit == 0)
            without += replicas;
        else if (total > 0 && limit > rest / replicas)
            return refuse(kind, "together they ask for more than the project's", err);
        rest -= total > 0 ? limit * replicas : 0;
    }
    *ret_share = total > 0 && without > 0 ? rest / without : 0;
    if (total > 0 && without > 0 && *ret_share < kind->min)
        return refuse(kind, "those that say nothing are left with too little of the project's",
                      err);
    return 0;
}

static int put_number(cJSON *service, const char *key, int64_t value, double unit)
{
    return berth_compose_own_put(service, key, cJSON_CreateNumber((double)value / unit));
}

static int share_one(cJSON *services, const struct kind *kind, int64_t total,
                     struct berth_error *err)
{
    int64_t share = 0;
    int rc = divide(services, kind, total, &share, err);
    cJSON *service;
    cJSON_ArrayForEach(service, services)
    {
        int64_t limit = limit_of(service, kind);
        if (limit == 0)
            limit = share;
        cJSON_DeleteItemFromObjectCaseSensitive(service, kind->key);
        if (rc == 0 && limit > 0)
            rc = put_number(service, kind->key, limit, kind->unit);
        /* Together with swap: else the engine allows as much swap again. */
        if (rc == 0 && limit > 0 && kind == &memory)
            rc = put_number(service, "memswap_limit", limit, kind->unit);
        if (rc == BERTH_E_NOMEM)
            return berth_error_nomem(err);
    }
    return rc;
}

/* Said at the service itself, and by what it is held to: reservations hold nothing. */
static void drop_said_elsewhere(cJSON *service)
{
    cJSON *resources = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(service, "deploy"), "resources");
    cJSON *reservations = cJSON_GetObjectItemCaseSensitive(resources, "reservations");
    cJSON_DeleteItemFromObjectCaseSensitive(service, "mem_reservation");
    cJSON_DeleteItemFromObjectCaseSensitive(resources, "limits");
    cJSON_DeleteItemFromObjectCaseSensitive(reservations, "cpus");
    cJSON_DeleteItemFromObjectCaseSensitive(reservations, "memory");
}

int berth_compose_own_share(const struct berth_container *limits, cJSON *services,
                            struct berth_error *err)
{
    cJSON *service;
    int rc = share_one(services, &cpus, limits->cpu_nano, err);
    if (rc == 0)
        rc = share_one(services, &memory, limits->memory_bytes, err);
    if (rc == 0)
        rc = share_one(services, &pids, limits->pids, err);
    cJSON_ArrayForEach(service, services) drop_said_elsewhere(service);
    return rc;
}

/* ---- Sharing anew ---- */

static const struct kind *const kinds[] = {&cpus, &memory, &pids};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static int add_asked(cJSON *asked, const cJSON *service)
{
    cJSON *of_service = cJSON_AddObjectToObject(asked, service->string);
    int rc = of_service ? 0 : BERTH_E_NOMEM;
    for (size_t i = 0; rc == 0 && i < KIND_COUNT; i++) {
        int64_t limit = limit_of(service, kinds[i]);
        if (limit > 0)
            rc = put_number(of_service, kinds[i]->key, limit, kinds[i]->unit);
    }
    return rc;
}

cJSON *berth_compose_own_asked(const cJSON *services)
{
    BERTH_CLEANUP(json) cJSON *asked = cJSON_CreateObject();
    const cJSON *service;
    int rc = asked ? 0 : BERTH_E_NOMEM;
    cJSON_ArrayForEach(service, services)
    {
        if (rc == 0)
            rc = add_asked(asked, service);
    }
    return rc == 0 ? berth_steal(&asked) : NULL;
}

int berth_compose_own_unshare(const cJSON *asked, cJSON *services)
{
    cJSON *service;
    int rc = 0;
    cJSON_ArrayForEach(service, services)
    {
        const cJSON *of_service = berth_json_get(asked, service->string);
        cJSON_DeleteItemFromObjectCaseSensitive(service, "memswap_limit");
        for (size_t i = 0; rc == 0 && i < KIND_COUNT; i++) {
            int64_t limit = limit_of(of_service, kinds[i]);
            cJSON_DeleteItemFromObjectCaseSensitive(service, kinds[i]->key);
            if (limit > 0)
                rc = put_number(service, kinds[i]->key, limit, kinds[i]->unit);
        }
    }
    return rc;
}
