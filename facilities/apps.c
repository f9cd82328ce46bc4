/* SPDX-License-Identifier: MIT */
#include "facilities/apps.h"

#include "base/thread.h"
#include "facilities/apps_internal.h"

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

int berth_apps_check_service(const struct berth_app *app, const char *service,
                             struct berth_error *err)
{
    if (!service || berth_app_label(app, BERTH_LABEL_PROJECT))
        return 0;
    return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_PARAMETER",
                                 "parameter service: app %s is not one of several services",
                                 app->name);
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

/* ---- The audit trail ---- */

void berth_apps_begin_audit(struct berth_facility *facility, const struct berth_caller *by,
                            const char *action, const char *target, const char *detail, int result,
                            struct berth_apps_record *ret_record)
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

int berth_apps_end_audit(struct berth_facility *facility, struct berth_apps_record *record,
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

int berth_apps_audit(struct berth_facility *facility, const struct berth_caller *by,
                     const char *action, const char *target, const char *detail, int result,
                     struct berth_error *err)
{
    struct berth_apps_record record;
    berth_apps_begin_audit(facility, by, action, target, detail, result, &record);
    return berth_apps_end_audit(facility, &record, err);
}

/* ---- Operating ---- */

int berth_apps_unseen(const char *action, const char *target, const struct berth_error *why,
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
    struct berth_apps_record record;
    bool recorded = r == 0 || berth_apps_is_uncertain(r);
    if (recorded) /* while the engine is asked */
        berth_apps_begin_audit(facility, by, berth_verb_endpoint(verb), name,
                               r < 0 && err ? err->message : NULL, r, &record);
    /* A failed verb may have changed something all the same (a stop that took too long). */
    struct berth_error refresh_err = BERTH_ERROR_INIT;
    int refreshed = berth_mirror_refresh(facility->mirror, app->id, &refresh_err);
    if (recorded)
        r = berth_apps_end_audit(facility, &record, err);
    if (r == BERTH_E_NOT_FOUND)
        return berth_apps_unknown(name, err);
    if (r == BERTH_E_CONFLICT) /* the engine's words name the container by its id alone */
        (void)berth_error_wrap(err, "app %s", name);
    if (r == 0 && refreshed < 0)
        return berth_apps_unseen(berth_verb_endpoint(verb), name, &refresh_err, err);
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
    if (r == 0 || gone || berth_apps_is_uncertain(r))
        r = berth_apps_audit(facility, by, "hard-reset-app", app->name,
                             r < 0 && err ? err->message : NULL, r, err);
    if (r < 0 && gone)
        return berth_error_wrap(err, "app %s is gone, and could not be created again", app->name);
    if (r == 0 && refreshed < 0)
        return berth_apps_unseen("hard-reset-app", app->name, &refresh_err, err);
    return r == 0 ? berth_apps_publish(facility, id, app->name, &created, err) : r;
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

    struct berth_create_spec spec = berth_apps_base_spec(facility);
    spec.app = app->name;
    spec.user = app->user;
    spec.image_label = app->image_label;
    spec.image = berth_apps_has_images(facility)
                     ? berth_apps_pin(snapshot, app->image_label, app->image_id)
                     : app->image_label;
    /* It is not there for a moment, and counts all the same. */
    const struct berth_apps_order order = {.app = app->name, .user = app->user};
    struct berth_creation creation = {.order = &order};
    {
        BERTH_LOCK_SCOPE(lock, &facility->core->creating_lock);
        berth_apps_add_creation(facility, &creation);
    }
    r = reset(facility, by, app, &spec, err);
    berth_apps_end_creation(facility, &creation);
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
    return r == 0 ? berth_apps_audit(facility, by, "request-image", berth_strbuf_str(&reference),
                                     digest ? digest : id, 0, err)
                  : r;
}
