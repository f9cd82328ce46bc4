/* SPDX-License-Identifier: MIT */
#include "facilities/apps.h"

#include "base/thread.h"
#include "facilities/audit.h"

#include <string.h>

/* ---- Who may see what ---- */

int berth_apps_unknown(const char *name, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_NOT_FOUND, "app %s does not exist", name);
}

int berth_apps_find(const struct berth_snapshot *snapshot, const struct berth_caller *by,
                    const char *name, const struct berth_app **ret_app, struct berth_error *err)
{
    int r = berth_naming_check_app("name", name, err);
    if (r < 0)
        return r;
    const struct berth_app *app = berth_snapshot_find(snapshot, name);
    if (!app || (!berth_caller_sees_all(by) && strcmp(app->user, by->user) != 0))
        return berth_apps_unknown(name, err);
    *ret_app = app;
    return 0;
}

/* The app, kept beyond the snapshot it was found in. */
static int find_app(struct berth_facility *facility, const struct berth_caller *by,
                    const char *name, const struct berth_app **ret_app,
                    struct berth_snapshot **ret_snapshot, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_apps_find(snapshot, by, name, ret_app, err);
    if (r == 0)
        *ret_snapshot = berth_steal(&snapshot);
    return r;
}

/* Whether a verb that failed so may have changed something all the same. */
static bool is_uncertain(int result)
{
    return result == BERTH_E_TIMEOUT || result == BERTH_E_UNREACHABLE ||
           result == BERTH_E_CANCELLED;
}

/* A row of the audit trail while it is written. */
struct record {
    struct berth_audit_entry entry;
    struct berth_store_request request;
};

/* Begins to write what was done, or may have been; the strings last until end_audit(). */
static void begin_audit(struct berth_facility *facility, const struct berth_caller *by,
                        const char *action, const char *target, const char *detail, int result,
                        struct record *ret_record)
{
    ret_record->entry = (struct berth_audit_entry){
        .by = by,
        .facility = facility->config.id,
        .action = action,
        .target = target,
        .status = result,
        .detail = detail,
    };
    berth_audit_begin_write(facility->store, &ret_record->request, &ret_record->entry);
}

/* The result of a failure stands, with its message in err. */
static int end_audit(struct berth_facility *facility, struct record *record,
                     struct berth_error *err)
{
    const struct berth_audit_entry *entry = &record->entry;
    int r =
        berth_store_end_write(facility->store, &record->request, entry->status < 0 ? NULL : err);
    if (entry->status < 0)
        return entry->status;
    return r < 0 ? berth_error_wrap(err, "%s of %s is done, but could not be recorded",
                                    entry->action, entry->target)
                 : 0;
}

static int audit(struct berth_facility *facility, const struct berth_caller *by, const char *action,
                 const char *target, const char *detail, int result, struct berth_error *err)
{
    struct record record;
    begin_audit(facility, by, action, target, detail, result, &record);
    return end_audit(facility, &record, err);
}

/* ---- Creations under way ---- */

/* What another creation must not make too, and what counts against its user's bound already. */
struct berth_creation {
    struct berth_creation *next;
    const char *user;
    const char *app;
};

/* Apps of the user, those included that are being made; under creating_lock. */
static int64_t count_apps(const struct berth_facility *facility,
                          const struct berth_snapshot *snapshot, const char *user)
{
    int64_t count = (int64_t)berth_snapshot_count_user(snapshot, user);
    for (const struct berth_creation *other = facility->core->creating; other; other = other->next)
        if (strcmp(other->user, user) == 0 && !berth_snapshot_find(snapshot, other->app))
            count++;
    return count;
}

static bool is_being_made(const struct berth_facility *facility, const char *app)
{
    const struct berth_creation *other = facility->core->creating;
    while (other && strcmp(other->app, app) != 0)
        other = other->next;
    return other != NULL;
}

static void add_creation(struct berth_facility *facility, struct berth_creation *creation)
{
    creation->next = facility->core->creating;
    facility->core->creating = creation;
}

static void end_creation(struct berth_facility *facility, struct berth_creation *creation)
{
    BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
    struct berth_creation **slot = &facility->core->creating;
    while (*slot != creation)
        slot = &(*slot)->next;
    *slot = creation->next;
}

/* ---- Creating ---- */

/* What policy gives every app of the facility. */
static struct berth_create_spec base_spec(const struct berth_facility *facility)
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

/*
 * What to run so that it is that very image: the reference while it still
 * names the image (people read it in docker ps), else the bare id. A reference
 * with a digest cannot name another.
 */
static const char *pin(const struct berth_snapshot *snapshot, const char *reference,
                       const char *image_id)
{
    if (strchr(reference, '@'))
        return reference;
    const struct berth_image *image = berth_image_list_find(snapshot->images, reference);
    return image && strcmp(image->id, image_id) == 0 ? reference : image_id;
}

/* The reference an app of that image is created from, and kept in its label. */
static int make_reference(const struct berth_facility *facility, const struct berth_image_ref *ref,
                          struct berth_approval *approval, struct berth_strbuf *reference,
                          struct berth_error *err)
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

/* Admits the creation, which end_creation() ends: two that come together see each other. */
static int begin_creation(struct berth_facility *facility, const struct berth_caller *by,
                          struct berth_creation *creation, struct berth_snapshot **ret_snapshot,
                          struct berth_error *err)
{
    const char *user = creation->user;
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
    const struct berth_app *before = berth_snapshot_find(snapshot, creation->app);
    bool is_in_the_way = before && !facility->backend->ops->create_replaces;
    if (is_in_the_way || is_being_made(facility, creation->app))
        return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", creation->app);
    int64_t bound = facility->config.max_apps_per_user;
    if (bound > 0 && count_apps(facility, snapshot, user) - (before != NULL) >= bound)
        return berth_error_set(err, BERTH_E_QUOTA,
                               "user %s has %lld apps already, which is the most in facility %s",
                               user, (long long)bound, facility->config.id);
    add_creation(facility, creation);
    *ret_snapshot = berth_steal(&snapshot);
    return 0;
}

/* Publishes the app that was just made, and takes it from there. */
static int publish(struct berth_facility *facility, const char *id, const char *name,
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
        r = audit(facility, by, "delete-app", app->name, why, 0, err);
    if (r == 0)
        r = berth_mirror_refresh(facility->mirror, app->id, err);
    return r < 0
               ? berth_error_wrap(err, "app %s must go, as %s", app->name, why)
               : berth_error_set(err, BERTH_E_CONFLICT, "app %s is not there: %s", app->name, why);
}

static int create(struct berth_facility *facility, const struct berth_caller *by,
                  const struct berth_image_ref *ref, const struct berth_creation *creation,
                  const struct berth_snapshot *snapshot, struct berth_app **ret_app,
                  struct berth_error *err)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    int r = make_reference(facility, ref, &approval, &reference, err);
    if (r == 0)
        r = berth_store_check_space(facility->store, err);
    if (r < 0)
        return r;

    struct berth_create_spec spec = base_spec(facility);
    const char *label = berth_strbuf_str(&reference);
    spec.app = creation->app;
    spec.user = creation->user;
    spec.image_label = label;
    spec.image = approval.image_id ? pin(snapshot, label, approval.image_id) : label;
    r = berth_backend_create(facility->backend, &spec, &id, err);
    if (r == BERTH_E_EXISTS)
        return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", creation->app);
    if (r == 0 || is_uncertain(r))
        r = audit(facility, by, "create-app", creation->app, label, r, err);
    const struct berth_app *before = berth_snapshot_find(snapshot, creation->app);
    if (r == 0 && before) /* it was replaced */
        r = berth_mirror_refresh(facility->mirror, before->id, err);
    if (r == 0)
        r = publish(facility, id, creation->app, &app, err);
    if (r == 0)
        r = check_pinned(facility, by, app, approval.image_id, err);
    if (r == 0)
        *ret_app = berth_steal(&app);
    return r;
}

int berth_apps_create(struct berth_facility *facility, const struct berth_caller *by,
                      const struct berth_image_ref *ref, const char *user,
                      struct berth_app **ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    char name[BERTH_APP_MAX + 1];
    struct berth_creation creation = {.user = user, .app = name};
    int r = berth_image_ref_app_name(ref, user, name, err);
    if (r == 0)
        r = begin_creation(facility, by, &creation, &snapshot, err);
    if (r < 0)
        return r;
    r = create(facility, by, ref, &creation, snapshot, ret_app, err);
    end_creation(facility, &creation);
    return r;
}

/* ---- Operating ---- */

static const char *const verb_endpoints[] = {
    [BERTH_VERB_START] = "start-app",     [BERTH_VERB_STOP] = "stop-app",
    [BERTH_VERB_PAUSE] = "pause-app",     [BERTH_VERB_UNPAUSE] = "unpause-app",
    [BERTH_VERB_RESTART] = "restart-app", [BERTH_VERB_KILL] = "kill-app",
    [BERTH_VERB_REMOVE] = "delete-app",
};

/* What is done, and not in the mirror yet. */
static int unseen(const char *action, const char *target, const struct berth_error *why,
                  struct berth_error *err)
{
    if (err) {
        *err = *why;
        (void)berth_error_wrap(err, "%s of %s is done, but cannot be shown yet", action, target);
    }
    return why->status;
}

int berth_apps_act(struct berth_facility *facility, const struct berth_caller *by,
                   enum berth_verb verb, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    int r = find_app(facility, by, name, &app, &snapshot, err);
    if (r == 0)
        r = berth_store_check_space(facility->store, err);
    if (r < 0)
        return r;
    r = berth_backend_act(facility->backend, verb, app->id, err);
    struct record record;
    bool recorded = r == 0 || is_uncertain(r);
    if (recorded) /* while the engine is asked */
        begin_audit(facility, by, verb_endpoints[verb], name, r < 0 && err ? err->message : NULL, r,
                    &record);
    /* A failed verb may have changed something all the same (a stop that took too long). */
    struct berth_error refresh_err = BERTH_ERROR_INIT;
    int refreshed = berth_mirror_refresh(facility->mirror, app->id, &refresh_err);
    if (recorded)
        r = end_audit(facility, &record, err);
    if (r == BERTH_E_NOT_FOUND)
        return berth_apps_unknown(name, err);
    if (r == BERTH_E_CONFLICT) /* the engine's words name the container by its id alone */
        (void)berth_error_wrap(err, "app %s", name);
    if (r == 0 && refreshed < 0)
        return unseen(verb_endpoints[verb], name, &refresh_err, err);
    return r;
}

static int reset(struct berth_facility *facility, const struct berth_caller *by,
                 const struct berth_app *app, const struct berth_create_spec *spec,
                 struct berth_error *err)
{
    BERTH_CLEANUP(free) char *id = NULL;
    BERTH_CLEANUP(app) struct berth_app *created = NULL;
    struct berth_error refresh_err = BERTH_ERROR_INIT;
    bool gone = false;
    int r = berth_backend_reset(facility->backend, app->id, spec, &id, &gone, err);
    int refreshed = berth_mirror_refresh(facility->mirror, app->id, &refresh_err);
    if (r == BERTH_E_NOT_FOUND && !gone)
        return berth_apps_unknown(app->name, err);
    if (r == 0 || gone || is_uncertain(r))
        r = audit(facility, by, "hard-reset-app", app->name, r < 0 && err ? err->message : NULL, r,
                  err);
    if (r < 0 && gone)
        return berth_error_wrap(err, "app %s is gone, and could not be created again", app->name);
    if (r == 0 && refreshed < 0)
        return unseen("hard-reset-app", app->name, &refresh_err, err);
    return r == 0 ? publish(facility, id, app->name, &created, err) : r;
}

int berth_apps_reset(struct berth_facility *facility, const struct berth_caller *by,
                     const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    int r = find_app(facility, by, name, &app, &snapshot, err);
    if (r == 0 && app->image_label[0] == '\0')
        r = berth_error_set(err, BERTH_E_CONFLICT,
                            "app %s was not created here: it cannot be created again", name);
    if (r == 0)
        r = berth_store_check_space(facility->store, err);
    if (r < 0)
        return r;

    struct berth_create_spec spec = base_spec(facility);
    spec.app = app->name;
    spec.user = app->user;
    spec.image_label = app->image_label;
    spec.image = pin(snapshot, app->image_label, app->image_id);
    /* It is not there for a moment, and counts all the same. */
    struct berth_creation creation = {.user = app->user, .app = app->name};
    {
        BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
        add_creation(facility, &creation);
    }
    r = reset(facility, by, app, &spec, err);
    end_creation(facility, &creation);
    return r;
}

/* ---- Images under image_policy = open ---- */

static bool on_progress(void *ctx, int percent)
{
    const struct berth_facility *facility = ctx;
    (void)percent;
    return !__atomic_load_n(&facility->core->stopping, __ATOMIC_RELAXED);
}

int berth_apps_pull(struct berth_facility *facility, const struct berth_caller *by,
                    const struct berth_image_ref *ref, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    char name[BERTH_IMAGE_NAME_MAX + 1];
    berth_image_ref_name(ref, name);
    if (ref->digest[0])
        berth_strbuf_addf(&reference, "%s@%s", name, ref->digest);
    else
        berth_strbuf_addf(&reference, "%s:%s", name, ref->tag);
    int r = berth_strbuf_check(&reference, err);
    if (r == 0)
        r = berth_store_check_space(facility->store, err);
    if (r < 0)
        return r;
    r = berth_backend_pull(facility->backend, berth_strbuf_str(&reference), on_progress, facility,
                           &digest, &id, err);
    if (r < 0)
        (void)berth_error_wrap(err, "image %s", berth_strbuf_str(&reference));
    if (r == BERTH_E_REFUSED || r == BERTH_E_NOT_FOUND) {
        if (err)
            err->status = BERTH_E_INVALID; /* the image asked for is what is wrong */
        return BERTH_E_INVALID;
    }
    if (r == 0)
        r = berth_mirror_refresh_images(facility->mirror, err);
    return r == 0 ? audit(facility, by, "request-image", berth_strbuf_str(&reference),
                          digest ? digest : id, 0, err)
                  : r;
}
