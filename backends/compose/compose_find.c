/* SPDX-License-Identifier: MIT */
/* What of a project the engine knows. */
#include "backends/compose/compose_internal.h"
#include "backends/engine/engine_create.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/thread.h"

#include <string.h>

#define PATH_MAX_BYTES 512

int berth_compose_find(const struct berth_compose *compose, const char *id,
                       struct berth_compose_container *ret_container, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    berth_engine_app_path(id, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_engine_get_json(compose->host.engine, berth_strbuf_str(&path), &inspect, err);
    if (rc < 0)
        return rc;
    const cJSON *labels = berth_json_get(berth_json_get(inspect, "Config"), "Labels");
    const char *cuid = berth_json_string(labels, BERTH_COMPOSE_LABEL, "");
    bool ours =
        strcmp(berth_json_string(labels, BERTH_LABEL_FACILITY, ""), compose->host.facility) == 0 &&
        berth_compose_is_cuid(cuid);
    struct berth_compose_container container = {
        .boots = ours && berth_json_get(labels, BERTH_LABEL_BOOT),
        .is_project = ours && berth_json_get(labels, BERTH_LABEL_PROJECT),
        .state = berth_app_state_parse(
            berth_json_string(berth_json_get(inspect, "State"), "Status", "")),
    };
    (void)snprintf(container.cuid, BERTH_CUID_SIZE, "%s", ours ? cuid : "");
    *ret_container = container;
    return 0;
}

static struct berth_compose_kind *slot_of(struct berth_compose *compose, const char *id)
{
    return &compose->kinds[berth_text_hash(id) % BERTH_COMPOSE_KINDS];
}

static bool recall(struct berth_compose *compose, const char *id,
                   struct berth_compose_kind *ret_kind)
{
    BERTH_LOCK_SCOPE(guard, &compose->kinds_lock);
    const struct berth_compose_kind *kind = slot_of(compose, id);
    if (!kind->id[0] || strcmp(kind->id, id) != 0)
        return false;
    *ret_kind = *kind;
    return true;
}

int berth_compose_find_kind(struct berth_compose *compose, const char *id,
                            struct berth_compose_kind *ret_kind, struct berth_error *err)
{
    struct berth_compose_container container;
    if (recall(compose, id, ret_kind))
        return 0;
    int rc = berth_compose_find(compose, id, &container, err);
    if (rc < 0)
        return rc;
    struct berth_compose_kind kind = {.boots = container.boots, .is_project = container.is_project};
    (void)snprintf(kind.id, sizeof(kind.id), "%s", id);
    memcpy(kind.cuid, container.cuid, sizeof(kind.cuid));
    *ret_kind = kind;
    BERTH_LOCK_SCOPE(guard, &compose->kinds_lock);
    *slot_of(compose, id) = kind;
    return 0;
}

int berth_compose_find_project(const struct berth_compose *compose, const char *id,
                               struct berth_compose_container *ret_container,
                               struct berth_compose_project *ret_project, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = berth_compose_find(compose, id, ret_container, err);
    if (rc < 0 || !ret_container->cuid[0])
        return rc;
    rc = berth_compose_project_open(compose->root, ret_container->cuid, compose->request_timeout_ms,
                                    ret_project, &why);
    if (rc < 0 && rc != BERTH_E_NOT_FOUND) {
        if (err)
            *err = why;
        return rc;
    }
    /* Whoever had the lock before may have made the container anew. */
    return berth_compose_find(compose, id, ret_container, err);
}

int berth_compose_containers(struct berth_compose *compose, const char *cuid, cJSON **ret_entries,
                             struct berth_error *err)
{
    const struct berth_app_pair label = {BERTH_COMPOSE_LABEL, cuid};
    return berth_engine_app_labelled(compose->host.engine, &label, 1, ret_entries, err);
}

int berth_compose_find_made(struct berth_compose *compose, const char *cuid, const char *image,
                            char **ret_id, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    bool same = true;
    int rc = berth_compose_containers(compose, cuid, &entries, err);
    if (rc < 0)
        return rc;
    const char *told = berth_json_string(cJSON_GetArrayItem(entries, 0), "Id", "");
    if (cJSON_GetArraySize(entries) != 1 || !told[0])
        return berth_error_set(err, BERTH_E_REFUSED,
                               "docker compose made %d containers of project %s, not one",
                               cJSON_GetArraySize(entries), cuid);
    if (berth_engine_is_image_id(image))
        rc = berth_engine_create_is_of(compose->host.engine, told, image, &same, err);
    if (rc == 0 && !same)
        rc = berth_error_set(err, BERTH_E_CONFLICT, "its image changed meanwhile");
    char *id = rc == 0 ? berth_text_dup(told) : NULL;
    if (rc == 0 && !id)
        rc = berth_error_nomem(err);
    if (rc == 0)
        *ret_id = id;
    return rc;
}
