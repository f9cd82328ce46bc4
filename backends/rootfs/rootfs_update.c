/* SPDX-License-Identifier: MIT */
/* What an app was asked to be, told and changed. */
#include "backends/rootfs/rootfs_internal.h"
#include "base/clock.h"
#include "base/text.h"

#include <string.h>

int berth_rootfs_describe(struct berth_backend *backend, const struct berth_app *app,
                          struct berth_container *ret_container, struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app found = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_find(berth_rootfs_of(backend), app->id, &found, err);
    if (rc < 0)
        return rc;
    *ret_container = found.record.asked;
    found.record.asked = (struct berth_container){0};
    return 0;
}

/* ---- Variables ---- */

static struct berth_container_variable *find_variable(struct berth_container *asked,
                                                      const char *name)
{
    for (size_t i = 0; i < asked->env_count; i++)
        if (strcmp(asked->env[i].name, name) == 0)
            return &asked->env[i];
    return NULL;
}

static void drop_variable(struct berth_container *asked, struct berth_container_variable *variable)
{
    free(variable->name);
    free(variable->value);
    *variable = asked->env[--asked->env_count];
}

/* There is room for one more. */
static bool set_variable(struct berth_container *asked, const struct berth_variable *wanted)
{
    char *value = berth_text_dup(wanted->value);
    struct berth_container_variable *variable = find_variable(asked, wanted->name);
    if (variable && value) {
        free(variable->value);
        variable->value = value;
        return true;
    }
    char *name = value ? berth_text_dup(wanted->name) : NULL;
    if (!name) {
        free(value);
        return false;
    }
    asked->env[asked->env_count++] =
        (struct berth_container_variable){.name = name, .value = value};
    return true;
}

static bool merge_env(struct berth_container *asked, const struct berth_variables *wanted)
{
    struct berth_container_variable *grown =
        reallocarray(asked->env, asked->env_count + wanted->count + 1, sizeof(*grown));
    if (!grown)
        return false;
    asked->env = grown;
    for (size_t i = 0; i < wanted->count; i++) {
        struct berth_container_variable *variable = find_variable(asked, wanted->items[i].name);
        if (!wanted->items[i].value && variable)
            drop_variable(asked, variable);
        else if (wanted->items[i].value && !set_variable(asked, &wanted->items[i]))
            return false;
    }
    return true;
}

/* ---- The change ---- */

static bool replace_tags(struct berth_container *asked, const struct berth_tags *wanted)
{
    char **tags = calloc(wanted->count + 1, sizeof(*tags));
    size_t count = 0;
    while (tags && count < wanted->count && (tags[count] = berth_text_dup(wanted->items[count])))
        count++;
    bool is_copied = tags && count == wanted->count;
    char **dropped = is_copied ? asked->tags : tags;
    size_t dropped_count = is_copied ? asked->tag_count : count;
    if (is_copied) {
        asked->tags = tags;
        asked->tag_count = count;
    }
    for (size_t i = 0; i < dropped_count; i++)
        free(dropped[i]);
    free(dropped);
    return is_copied;
}

static int apply(struct berth_rootfs_record *record, const struct berth_container_change *change,
                 struct berth_error *err)
{
    struct berth_container *asked = &record->asked;
    if (change->ports && change->ports->count > 0)
        return berth_error_set(err, BERTH_E_INVALID, "ports: apps here have none of the host");
    if (change->image)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "the app keeps its root file system: delete it, and create it anew");
    if (!merge_env(asked, &change->env) || (change->tags && !replace_tags(asked, change->tags)))
        return berth_error_nomem(err);
    if (change->cpu_nano >= 0)
        asked->cpu_nano = change->cpu_nano;
    if (change->memory_bytes >= 0)
        asked->memory_bytes = change->memory_bytes;
    if (change->pids >= 0)
        asked->pids = change->pids;
    asked->updated_ns = berth_clock_wall_ns();
    return 0;
}

/* Has one that runs end, and run as its record says by now. */
static int run_anew(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                    enum berth_app_state before, struct berth_error *err)
{
    int rc = berth_rootfs_end(rootfs, app, err);
    berth_rootfs_tell(rootfs);
    if (rc == 0)
        rc = berth_rootfs_run(rootfs, app, err);
    if (rc == 0 && before == BERTH_APP_PAUSED)
        rc = berth_rootfs_freeze(app->id, true, rootfs->request_timeout_ms, err);
    return rc;
}

static int change_taken(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                        const struct berth_container_change *change, struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record old = {0};
    enum berth_app_state before = app->state.state;
    bool ran = berth_rootfs_runs(app);
    int rc = apply(&app->record, change, err);
    if (rc == 0)
        rc = berth_rootfs_record_read(app->folder, &old, err);
    if (rc == 0)
        rc = berth_rootfs_record_write(app->folder, &app->record, err);
    if (rc < 0 || !ran)
        return rc;
    rc = run_anew(rootfs, app, before, err);
    if (rc < 0) { /* as it was */
        struct berth_rootfs_record failed = app->record;
        app->record = old;
        old = failed;
        if (berth_rootfs_record_write(app->folder, &app->record, NULL) == 0)
            (void)!run_anew(rootfs, app, before, NULL);
    }
    return rc;
}

int berth_rootfs_update(struct berth_backend *backend, const char *id,
                        const struct berth_container_change *change, char **ret_id,
                        struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    BERTH_CLEANUP(free) char *same = berth_text_dup(id);
    int rc = same ? berth_rootfs_take(rootfs, id, rootfs->request_timeout_ms, &app, err)
                  : berth_error_nomem(err);
    if (rc == 0)
        rc = change_taken(rootfs, &app, change, err);
    berth_rootfs_tell(rootfs);
    if (rc == 0)
        *ret_id = berth_steal(&same);
    return rc;
}
