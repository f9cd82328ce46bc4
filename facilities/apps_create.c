/* SPDX-License-Identifier: MIT */
/* How apps are created: admission, the image, the backend's verb, and the look at what came of it.
 */
#include "facilities/apps.h"
#include "facilities/apps_internal.h"

#include "base/clock.h"
#include "base/thread.h"

#include <string.h>

#define REFERENCE_MAX 8192 /* of an image, or the path of a root file system */

/* ---- Creations under way ---- */

/* Apps of the user, those included that are being made; under creating_lock. */
static int64_t count_apps(const struct berth_facility *facility,
                          const struct berth_snapshot *snapshot, const char *user)
{
    int64_t count = (int64_t)berth_snapshot_count_user(snapshot, user);
    for (const struct berth_creation *other = facility->core->creating; other; other = other->next)
        if (strcmp(other->order->user, user) == 0 &&
            !berth_snapshot_find(snapshot, other->order->app))
            count++;
    return count;
}

static bool is_being_made(const struct berth_facility *facility, const char *app)
{
    const struct berth_creation *other = facility->core->creating;
    while (other && strcmp(other->order->app, app) != 0)
        other = other->next;
    return other != NULL;
}

void berth_apps_add_creation(struct berth_facility *facility, struct berth_creation *creation)
{
    creation->next = facility->core->creating;
    facility->core->creating = creation;
}

void berth_apps_end_creation(struct berth_facility *facility, struct berth_creation *creation)
{
    BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
    struct berth_creation **slot = &facility->core->creating;
    while (*slot != creation)
        slot = &(*slot)->next;
    *slot = creation->next;
}

/* ---- Creating ---- */

struct berth_create_spec berth_apps_base_spec(const struct berth_facility *facility)
{
    const struct berth_facility_config *config = &facility->config;
    return (struct berth_create_spec){
        .cpu_nano = config->cpu_nano,
        .memory_bytes = config->memory_bytes,
        .pids = config->pids,
        .run_as = config->default_user_uid,
        .gpus = config->gpus,
    };
}

const char *berth_apps_pin(const struct berth_snapshot *snapshot, const char *reference,
                           const char *image_id)
{
    if (strchr(reference, '@'))
        return reference;
    const struct berth_image *image = berth_image_list_find(snapshot->images, reference);
    return image && strcmp(image->id, image_id) == 0 ? reference : image_id;
}

int berth_apps_make_reference(const struct berth_facility *facility,
                              const struct berth_image_ref *ref, struct berth_approval *approval,
                              struct berth_strbuf *reference, struct berth_error *err)
{
    char name[BERTH_IMAGE_NAME_MAX + 1];
    const char *digest = ref->digest;
    berth_image_ref_name(ref, name);
    if (facility->config.image_policy == BERTH_IMAGES_APPROVAL) {
        int r = berth_approvals_find(facility->approvals, ref, approval, err);
        if (r < 0)
            return r;
        /* What was approved, and nothing that the tag moved to since. An image that its
         * repository has no digest for is pinned by its id. */
        digest = strcmp(approval->digest, approval->image_id) == 0 ? "" : approval->digest;
    }
    berth_strbuf_addf(reference, "%s:%s", name, ref->tag);
    if (*digest)
        berth_strbuf_addf(reference, "@%s", digest);
    return berth_strbuf_check(reference, err);
}

/* Admits the creation, which berth_apps_end_creation() ends: two that come together see each other.
 */
static int begin_creation(struct berth_facility *facility, const struct berth_caller *by,
                          struct berth_creation *creation, struct berth_snapshot **ret_snapshot,
                          struct berth_error *err)
{
    const char *user = creation->order->user;
    const char *app = creation->order->app;
    if (!berth_caller_sees_all(by) && strcmp(user, by->user) != 0)
        return berth_error_set(err, BERTH_E_FORBIDDEN,
                               "parameter user must be %s: a researcher creates own apps alone",
                               by->user);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
    /* Taken under the lock: what is in creating no more is in this one. */
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r < 0)
        return r;
    const struct berth_app *before = berth_snapshot_find(snapshot, app);
    bool is_in_the_way = before && !facility->backend->ops->create_replaces;
    if (is_in_the_way || is_being_made(facility, app))
        return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", app);
    int64_t bound = facility->config.max_apps_per_user;
    if (bound > 0 && count_apps(facility, snapshot, user) - (before != NULL) >= bound)
        return berth_error_set(err, BERTH_E_QUOTA,
                               "user %s has %lld apps already, which is the most in facility %s",
                               user, (long long)bound, facility->config.id);
    berth_apps_add_creation(facility, creation);
    *ret_snapshot = berth_steal(&snapshot);
    return 0;
}

int berth_apps_publish(struct berth_facility *facility, const char *id, const char *name,
                       struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    int r = berth_mirror_refresh(facility->mirror, id, err);
    if (r == 0)
        r = berth_mirror_snapshot(facility->mirror, true, &snapshot, err);
    if (r < 0) {
        (void)berth_error_wrap(err, "app %s was created, but cannot be shown yet", name);
        return r;
    }
    const struct berth_app *app = berth_snapshot_find(snapshot, name);
    if (!app)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "app %s was created, and removed by somebody at once", name);
    *ret_app = berth_app_ref((struct berth_app *)(uintptr_t)app);
    return 0;
}

/* A tag may move between the look at it and the creation: such an app is taken back. (Not where
 * its container is still to be made: then the backend pins what it is to be made of.) */
static int check_pinned(struct berth_facility *facility, const struct berth_caller *by,
                        const struct berth_app *app, const char *image_id, struct berth_error *err)
{
    static const char why[] = "its image changed while it was created";
    if (!image_id || !app->container[0] || strcmp(app->image_id, image_id) == 0)
        return 0;
    int r = berth_backend_act(facility->backend, BERTH_VERB_REMOVE, app->id, err);
    if (r == 0)
        r = berth_apps_audit(facility, by, "delete-app", app->name, why, 0, err);
    if (r == 0)
        r = berth_mirror_refresh(facility->mirror, app->id, err);
    return r < 0
               ? berth_error_wrap(err, "app %s must go, as %s", app->name, why)
               : berth_error_set(err, BERTH_E_CONFLICT, "app %s is not there: %s", app->name, why);
}

/* ---- Images that are not there ---- */

static bool is_there(const struct berth_snapshot *snapshot, const char *name,
                     const struct berth_image_ref *ref)
{
    char reference[BERTH_IMAGE_NAME_MAX + 1 + BERTH_DIGEST_MAX + 1];
    (void)snprintf(reference, sizeof(reference), "%s%c%s", name, ref->digest[0] ? '@' : ':',
                   ref->digest[0] ? ref->digest : ref->tag);
    return berth_image_list_find(snapshot->images, reference) != NULL;
}

static void set_pulling(struct berth_facility *facility, struct berth_creation *creation,
                        bool pulling)
{
    BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
    creation->pulling = pulling;
}

int berth_apps_bring(struct berth_facility *facility, const struct berth_caller *by,
                     const struct berth_snapshot *snapshot, const struct berth_image_ref *ref,
                     struct berth_creation *creation, struct berth_error *err)
{
    char name[BERTH_IMAGE_NAME_MAX + 1];
    berth_image_ref_name(ref, name);
    if (facility->config.image_policy != BERTH_IMAGES_OPEN || is_there(snapshot, name, ref))
        return 0;
    if (creation)
        set_pulling(facility, creation, true);
    int r = berth_apps_pull(facility, by, ref, err);
    if (creation)
        set_pulling(facility, creation, false);
    if (r == BERTH_E_INVALID)
        berth_error_code(err, "IMAGE_NOT_FOUND");
    return r;
}

/* ---- Making ---- */

/* What policy says and what is asked for. */
static struct berth_create_spec make_spec(const struct berth_facility *facility,
                                          const struct berth_apps_order *order)
{
    struct berth_create_spec spec = berth_apps_base_spec(facility);
    spec.app = order->app;
    spec.user = order->user;
    spec.container = order->container;
    spec.rootfs = order->rootfs;
    if (order->cpu_nano)
        spec.cpu_nano = order->cpu_nano;
    if (order->memory_bytes)
        spec.memory_bytes = order->memory_bytes;
    if (order->pids)
        spec.pids = order->pids;
    return spec;
}

/* The app of that reference on the engine; ret_id: malloc'ed. */
static int run_create(struct berth_facility *facility, const struct berth_caller *by,
                      const struct berth_create_spec *spec, char **ret_id, struct berth_error *err)
{
    int r = berth_backend_create(facility->backend, spec, ret_id, err);
    if (r == BERTH_E_EXISTS)
        return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", spec->app);
    if (r == BERTH_E_NOT_FOUND)
        berth_error_code(err, "IMAGE_NOT_FOUND");
    return r == 0 || berth_apps_is_uncertain(r)
               ? berth_apps_audit(facility, by, "create-app", spec->app, spec->image_label, r, err)
               : r;
}

/* What the app is made of, as it was asked for. */
static int name_source(const struct berth_facility *facility, const struct berth_apps_order *order,
                       struct berth_approval *approval, struct berth_strbuf *reference,
                       struct berth_error *err)
{
    char name[BERTH_IMAGE_NAME_MAX + 1];
    if (order->rootfs) {
        berth_strbuf_adds(reference, order->rootfs->rootfs ? order->rootfs->rootfs : "");
    } else if (berth_apps_has_images(facility)) {
        return berth_apps_make_reference(facility, order->ref, approval, reference, err);
    } else if (strcmp(order->ref->tag, BERTH_TAG_DEFAULT) != 0 || order->ref->digest[0]) {
        return berth_error_set(err, BERTH_E_INVALID,
                               "image %s is a root file system: it has no versions",
                               order->ref->path);
    } else {
        berth_image_ref_name(order->ref, name);
        berth_strbuf_adds(reference, name);
    }
    return berth_strbuf_check(reference, err);
}

static int create(struct berth_facility *facility, const struct berth_caller *by,
                  struct berth_creation *creation, const struct berth_snapshot *snapshot,
                  struct berth_app **ret_app, struct berth_error *err)
{
    const struct berth_apps_order *order = creation->order;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(REFERENCE_MAX);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    int r = name_source(facility, order, &approval, &reference, err);
    if (r == 0)
        r = berth_store_check_space(facility->store, err);
    if (r == 0 && order->pulls)
        r = berth_apps_bring(facility, by, snapshot, order->ref, creation, err);
    if (r < 0)
        return r;

    struct berth_create_spec spec = make_spec(facility, order);
    const char *label = berth_strbuf_str(&reference);
    spec.image_label = label;
    spec.image = approval.image_id ? berth_apps_pin(snapshot, label, approval.image_id) : label;
    r = run_create(facility, by, &spec, &id, err);
    const struct berth_app *before = berth_snapshot_find(snapshot, order->app);
    if (r == 0 && before) /* it was replaced */
        r = berth_mirror_refresh(facility->mirror, before->id, err);
    if (r == 0)
        r = berth_apps_publish(facility, id, order->app, &app, err);
    if (r == 0)
        r = check_pinned(facility, by, app, approval.image_id, err);
    if (r == 0)
        *ret_app = berth_steal(&app);
    return r;
}

int berth_apps_make(struct berth_facility *facility, const struct berth_caller *by,
                    const struct berth_apps_order *order, struct berth_app **ret_app,
                    struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    struct berth_creation creation = {.order = order, .begun_ns = berth_clock_wall_ns()};
    int r = begin_creation(facility, by, &creation, &snapshot, err);
    if (r < 0)
        return r;
    r = create(facility, by, &creation, snapshot, ret_app, err);
    berth_apps_end_creation(facility, &creation);
    return r;
}

int berth_apps_create(struct berth_facility *facility, const struct berth_caller *by,
                      const struct berth_image_ref *ref, const char *user,
                      struct berth_app **ret_app, struct berth_error *err)
{
    char name[BERTH_APP_MAX + 1];
    const struct berth_apps_order order = {.app = name, .user = user, .ref = ref};
    int r = berth_image_ref_app_name(ref, user, name, err);
    return r < 0 ? r : berth_apps_make(facility, by, &order, ret_app, err);
}
