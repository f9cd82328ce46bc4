/* SPDX-License-Identifier: MIT */
#include "facilities/containers.h"

#include "backends/compose/compose.h"
#include "backends/compose/compose_project.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/thread.h"
#include "facilities/containers_internal.h"

#include <string.h>

const char *berth_containers_cuid(const struct berth_app *app)
{
    const char *cuid = berth_app_label(app, BERTH_COMPOSE_LABEL);
    return cuid && berth_compose_is_cuid(cuid) ? cuid : NULL;
}

int64_t berth_containers_created_ns(const struct berth_app *app)
{
    const char *text = berth_app_label(app, BERTH_LABEL_CREATED);
    int64_t created_ns = 0;
    if (!text || berth_clock_parse_rfc3339(text, strlen(text), &created_ns, NULL) < 0)
        return app->created_ns;
    return created_ns;
}

static int unknown(const char *cuid, struct berth_error *err)
{
    return berth_error_set_coded(err, BERTH_E_NOT_FOUND, "CONTAINER_NOT_FOUND",
                                 "container %s does not exist", cuid);
}

/* ---- Looking up ---- */

struct search {
    const char *cuid;
    const struct berth_app *found;
};

static bool has_cuid(const struct berth_app *app, const char *cuid)
{
    const char *own = berth_app_label(app, BERTH_COMPOSE_LABEL);
    return own && strcmp(own, cuid) == 0;
}

/* A container that was made by its API is called CUID--USER: it is the first not before CUID. */
static bool look_at_first(const struct berth_app *app, void *ctx)
{
    struct search *search = ctx;
    if (has_cuid(app, search->cuid))
        search->found = app;
    return false;
}

static bool look_at(const struct berth_app *app, void *ctx)
{
    struct search *search = ctx;
    if (has_cuid(app, search->cuid))
        search->found = app;
    return !search->found;
}

int berth_containers_find(const struct berth_snapshot *snapshot, const struct berth_caller *by,
                          const char *cuid, const struct berth_app **ret_app,
                          struct berth_error *err)
{
    bool sees_all = berth_caller_sees_all(by);
    struct search search = {.cuid = cuid};
    if (berth_compose_is_cuid(cuid)) {
        berth_snapshot_walk_by_name(snapshot, cuid, look_at_first, &search);
        if (!search.found)
            berth_snapshot_walk(snapshot, sees_all ? NULL : by->user, look_at, &search);
    }
    if (!search.found || (!sees_all && strcmp(search.found->user, by->user) != 0))
        return unknown(cuid, err);
    *ret_app = search.found;
    return 0;
}

/* ---- Those whose image is not there yet ---- */

static void fill_pulling(const struct berth_creation *creation,
                         struct berth_container_pulling *ret_pulling)
{
    const struct berth_apps_order *order = creation->order;
    char name[BERTH_IMAGE_NAME_MAX + 1];
    berth_image_ref_name(order->ref, name);
    *ret_pulling = (struct berth_container_pulling){
        .owner = order->user,
        .begun_ns = creation->begun_ns,
        .cpu_nano = order->cpu_nano,
        .memory_bytes = order->memory_bytes,
        .pids = order->pids,
        .spec = order->container,
    };
    memcpy(ret_pulling->cuid, order->app, BERTH_CONTAINER_CUID_MAX); /* CUID--USER */
    (void)snprintf(ret_pulling->image, sizeof(ret_pulling->image), "%s:%s", name, order->ref->tag);
}

void berth_containers_walk_pulling(struct berth_facility *facility, const struct berth_caller *by,
                                   bool (*visit)(const struct berth_container_pulling *pulling,
                                                 void *ctx),
                                   void *ctx)
{
    struct berth_container_pulling pulling;
    BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
    for (const struct berth_creation *creation = facility->core->creating; creation;
         creation = creation->next) {
        if (!creation->pulling || !creation->order->container)
            continue;
        if (!berth_caller_sees_all(by) && strcmp(creation->order->user, by->user) != 0)
            continue;
        fill_pulling(creation, &pulling);
        if (!visit(&pulling, ctx))
            return;
    }
}

static bool is_that(const struct berth_container_pulling *pulling, void *ctx)
{
    const char **cuid = ctx;
    if (strcmp(pulling->cuid, *cuid) == 0)
        *cuid = NULL;
    return *cuid != NULL;
}

/* No app has that cuid; one may be on its way. */
static int missing(struct berth_facility *facility, const struct berth_caller *by, const char *cuid,
                   struct berth_error *err)
{
    const char *left = cuid;
    berth_containers_walk_pulling(facility, by, is_that, (void *)&left);
    return left ? unknown(cuid, err)
                : berth_error_set(err, BERTH_E_CONFLICT,
                                  "the image of container %s is still being pulled", cuid);
}

int berth_containers_get(struct berth_facility *facility, const struct berth_caller *by,
                         const char *cuid, struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_containers_find(snapshot, by, cuid, &app, err);
    if (r == BERTH_E_NOT_FOUND)
        return missing(facility, by, cuid, err);
    if (r == 0)
        *ret_app = berth_app_ref((struct berth_app *)(uintptr_t)app);
    return r;
}

/* ---- Changes ---- */

int berth_containers_create(struct berth_facility *facility, const struct berth_caller *by,
                            const struct berth_container_request *request,
                            struct berth_app **ret_app, struct berth_error *err)
{
    char uuid[37];
    char name[BERTH_APP_MAX + 1];
    const char *owner = request->owner ? request->owner : by->user;
    if (!owner[0])
        owner = BERTH_OPEN_OWNER;
    if (!berth_caller_sees_all(by) && strcmp(owner, by->user) != 0)
        return berth_error_set(err, BERTH_E_FORBIDDEN,
                               "owner must be %s: a researcher creates own containers alone",
                               by->user);
    int r = berth_random_uuid(uuid, err);
    if (r < 0)
        return r;
    (void)snprintf(name, sizeof(name), "c%s--%s", uuid, owner);
    struct berth_apps_order order = {
        .app = name,
        .user = owner,
        .ref = request->image,
        .cpu_nano = request->cpu_nano,
        .memory_bytes = request->memory_bytes,
        .pids = request->pids,
        .container = &request->spec,
        .pulls = true,
    };
    return request->spec.compose
               ? berth_containers_create_project(facility, by, request, &order, ret_app, err)
               : berth_apps_make(facility, by, &order, ret_app, err);
}

int berth_containers_act(struct berth_facility *facility, const struct berth_caller *by,
                         enum berth_verb verb, const char *cuid, struct berth_app **ret_app,
                         struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    int r = berth_containers_get(facility, by, cuid, &app, err);
    if (r < 0)
        return r;
    r = berth_apps_act(facility, by, verb, app->name, err);
    if (r == BERTH_E_NOT_FOUND)
        return unknown(cuid, err);
    return r < 0 || verb == BERTH_VERB_REMOVE
               ? r
               : berth_containers_get(facility, by, cuid, ret_app, err);
}

/* A change that failed may have made the container anew as it was: the mirror is to show that. */
static int refresh_cuid(struct berth_facility *facility, const char *cuid, struct berth_error *err)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    int r = berth_backend_list(facility->backend, NULL, &apps, err);
    for (size_t i = 0; r == 0 && i < apps.count; i++)
        if (has_cuid(apps.items[i], cuid))
            r = berth_mirror_refresh(facility->mirror, apps.items[i]->id, err);
    return r;
}

int berth_containers_update(struct berth_facility *facility, const struct berth_caller *by,
                            const struct berth_app *app,
                            const struct berth_container_change *change, struct berth_error *err)
{
    const char *image = change->project ? change->project->image_label : change->image_label;
    BERTH_CLEANUP(free) char *id = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    int r = berth_backend_update(facility->backend, app->id, change, &id, err);
    if (r == BERTH_E_NOT_FOUND && image)
        berth_error_code(err, "IMAGE_NOT_FOUND");
    bool recorded = r == 0 || berth_apps_is_uncertain(r);
    struct berth_apps_record record;
    if (recorded)
        berth_apps_begin_audit(facility, by, "update-app", app->name,
                               r < 0 && err ? err->message : image, r, &record);
    /* The new one first: there is no moment without it. */
    int refreshed = id ? berth_mirror_refresh(facility->mirror, id, &why)
                       : refresh_cuid(facility, berth_containers_cuid(app), &why);
    if (refreshed == 0)
        refreshed = berth_mirror_refresh(facility->mirror, app->id, &why);
    if (recorded)
        r = berth_apps_end_audit(facility, &record, err);
    if (r == BERTH_E_CONFLICT)
        (void)berth_error_wrap(err, "app %s", app->name);
    return r == 0 && refreshed < 0 ? berth_apps_unseen("update-app", app->name, &why, err) : r;
}

static bool is_empty(const struct berth_container_request *request)
{
    return !request->image && request->spec.env.count == 0 && !request->has_tags &&
           !request->has_ports && !request->cpu_nano && !request->memory_bytes && !request->pids &&
           !request->spec.compose;
}

static int refuse_member(const char *member, const char *why, struct berth_error *err)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_REQUEST", "%s: %s", member, why);
}

/* What a compose file of the owner's says, or does not, is changed there. */
static int check_kind(const struct berth_app *app, const struct berth_container_request *request,
                      struct berth_error *err)
{
    static const char said[] = "the container's compose file says it: give another as compose";
    bool is_project = berth_app_label(app, BERTH_LABEL_PROJECT) != NULL;
    if (is_project && request->image)
        return refuse_member("image", said, err);
    if (is_project && request->has_ports)
        return refuse_member("ports", said, err);
    if (!is_project && request->spec.compose)
        return refuse_member("compose", "the container is not one of a compose file", err);
    return 0;
}

static int change_image(struct berth_facility *facility, const struct berth_caller *by,
                        const struct berth_image_ref *ref, struct berth_approval *approval,
                        struct berth_strbuf *label, struct berth_container_change *change,
                        struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_apps_make_reference(facility, ref, approval, label, err);
    if (r == 0)
        r = berth_apps_bring(facility, by, snapshot, ref, NULL, err);
    if (r < 0)
        return r;
    change->image_label = berth_strbuf_str(label);
    change->image = approval->image_id
                        ? berth_apps_pin(snapshot, change->image_label, approval->image_id)
                        : change->image_label;
    return 0;
}

int berth_containers_change(struct berth_facility *facility, const struct berth_caller *by,
                            const char *cuid, const struct berth_container_request *request,
                            struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf label = BERTH_STRBUF_INIT(1024);
    struct berth_container_change change = {
        .env = request->spec.env,
        .tags = request->has_tags ? &request->spec.tags : NULL,
        .ports = request->has_ports ? &request->spec.ports : NULL,
        .cpu_nano = request->cpu_nano ? request->cpu_nano : -1,
        .memory_bytes = request->memory_bytes ? request->memory_bytes : -1,
        .pids = request->pids ? request->pids : -1,
    };
    int r = berth_containers_get(facility, by, cuid, &app, err);
    if (r == 0)
        r = check_kind(app, request, err);
    if (r == 0 && !is_empty(request)) {
        r = berth_store_check_space(facility->store, err);
        if (r == 0 && request->image)
            r = change_image(facility, by, request->image, &approval, &label, &change, err);
        if (r == 0)
            r = request->spec.compose
                    ? berth_containers_change_project(facility, by, app, request, &change, err)
                    : berth_containers_update(facility, by, app, &change, err);
    }
    if (r == BERTH_E_NOT_FOUND && !request->image && !request->spec.compose)
        return unknown(cuid, err);
    return r < 0 ? r : berth_containers_get(facility, by, cuid, ret_app, err);
}
