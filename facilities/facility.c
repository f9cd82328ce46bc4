/* SPDX-License-Identifier: MIT */
#include "facilities/facility.h"

#include "base/text.h"

#include <string.h>

/* ---- What the mirror sees goes to the uptime recorder ---- */

static bool observe_app(const struct berth_app *app, void *ctx)
{
    void **pair = ctx;
    const struct berth_facility *facility = pair[0];
    const int64_t *as_of_ns = pair[1];
    /* What started while the listing was made has its own exact time. */
    bool is_newer = app->state == BERTH_APP_RUNNING && app->started_ns > *as_of_ns;
    berth_uptime_observe(facility->uptime, facility->config.id, app->name, app->state,
                         is_newer ? app->started_ns : *as_of_ns);
    return true;
}

static void on_listing(void *ctx, struct berth_snapshot *snapshot, int64_t as_of_ns)
{
    void *pair[2] = {ctx, &as_of_ns};
    berth_snapshot_walk(snapshot, NULL, observe_app, pair);
}

static void on_app(void *ctx, const struct berth_app *before, const struct berth_app *after,
                   int64_t at_ns)
{
    const struct berth_facility *facility = ctx;
    const char *id = facility->config.id;
    bool is_renamed = before && after && strcmp(before->name, after->name) != 0;
    if (!after || is_renamed)
        berth_uptime_gone(facility->uptime, id, before->name, at_ns);
    if (after && (!before || is_renamed || before->state != after->state))
        berth_uptime_observe(facility->uptime, id, after->name, after->state, at_ns);
}

static void on_changed(void *ctx, const struct berth_app *app, enum berth_app_state state,
                       int64_t at_ns)
{
    const struct berth_facility *facility = ctx;
    berth_uptime_observe(facility->uptime, facility->config.id, app->name, state, at_ns);
}

static void on_alive(void *ctx, int64_t at_ns)
{
    const struct berth_facility *facility = ctx;
    berth_uptime_alive(facility->uptime, facility->config.id, at_ns);
}

static void on_lost(void *ctx, int64_t last_alive_ns)
{
    const struct berth_facility *facility = ctx;
    berth_uptime_lost(facility->uptime, facility->config.id, last_alive_ns);
}

/* ---- Life ---- */

/* The configuration's strings, copied one by one; NULL stays NULL. */
static const char **config_strings(struct berth_facility_config *config, size_t i)
{
    const char **const slots[] = {
        &config->id,
        &config->title,
        &config->backend,
        &config->default_user_uid,
        &config->engine.engine,
        &config->engine.tls_ca,
        &config->engine.tls_cert,
        &config->engine.tls_key,
    };
    return i < sizeof(slots) / sizeof(slots[0]) ? slots[i] : NULL;
}

static void release_config(struct berth_facility_config *config)
{
    const char **slot;
    for (size_t i = 0; (slot = config_strings(config, i)); i++)
        free((void *)(uintptr_t)*slot);
}

static int copy_config(struct berth_facility_config *config,
                       const struct berth_facility_config *from, struct berth_error *err)
{
    struct berth_facility_config copy = *from;
    const char **slot;
    bool complete = true;
    for (size_t i = 0; (slot = config_strings(&copy, i)); i++) {
        const char *text = *slot;
        *slot = berth_text_dup(text);
        complete &= !text || *slot;
    }
    copy.engine.facility = copy.id;
    *config = copy;
    return complete ? 0 : berth_error_nomem(err);
}

static void facility_free(struct berth_facility *facility)
{
    berth_approvals_close(facility->approvals);
    berth_backend_close(facility->backend);
    berth_mirror_free(facility->mirror);
    release_config(&facility->config);
    (void)pthread_mutex_destroy(&facility->creating_lock);
    free(facility);
}

static int open_parts(struct berth_facility *facility, struct berth_error *err)
{
    const struct berth_mirror_observer observer = {
        .ctx = facility,
        .listing = on_listing,
        .app = on_app,
        .changed = on_changed,
        .alive = on_alive,
        .lost = on_lost,
    };
    const struct berth_backend_ops *ops = berth_backend_find(facility->config.backend);
    if (!ops)
        return berth_error_set(err, BERTH_E_INVALID, "there is no backend %s",
                               facility->config.backend);
    int r = berth_backend_open(ops, &facility->config.engine, &facility->backend, err);
    if (r == 0)
        r = berth_mirror_open(facility->backend, &observer, &facility->mirror, err);
    if (r == 0)
        r = berth_approvals_open(facility->store, facility->config.id, facility->backend,
                                 facility->mirror, &facility->approvals, err);
    return r;
}

int berth_facility_open(const struct berth_facility_config *config, struct berth_store *store,
                        struct berth_uptime *uptime, struct berth_facility **ret_facility,
                        struct berth_error *err)
{
    BERTH_CLEANUP(facility) struct berth_facility *facility = calloc(1, sizeof(*facility));
    if (!facility)
        return berth_error_nomem(err);
    facility->refs = 1;
    (void)pthread_mutex_init(&facility->creating_lock, NULL);
    facility->store = store;
    facility->uptime = uptime;
    int r = copy_config(&facility->config, config, err);
    if (r == 0)
        r = open_parts(facility, err);
    if (r == 0)
        *ret_facility = berth_steal(&facility);
    return r;
}

void berth_facility_stop(struct berth_facility *facility)
{
    __atomic_store_n(&facility->stopping, 1, __ATOMIC_RELAXED);
    berth_approvals_stop(facility->approvals);
}

struct berth_facility *berth_facility_ref(struct berth_facility *facility)
{
    __atomic_add_fetch(&facility->refs, 1, __ATOMIC_RELAXED);
    return facility;
}

void berth_facility_unref(struct berth_facility *facility)
{
    if (facility && __atomic_sub_fetch(&facility->refs, 1, __ATOMIC_ACQ_REL) == 0)
        facility_free(facility);
}
