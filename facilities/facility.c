/* SPDX-License-Identifier: MIT */
#include "facilities/facility.h"

#include "base/text.h"
#include "base/thread.h"

#include <string.h>

/* ---- What the mirror sees goes to the uptime recorder, and to those who watch ---- */

struct observation {
    const struct berth_facility_core *core;
    int64_t as_of_ns;
};

static bool observe_app(const struct berth_app *app, void *ctx)
{
    const struct observation *seen = ctx;
    /* What started while the listing was made has its own exact time. */
    bool is_newer = app->state == BERTH_APP_RUNNING && app->started_ns > seen->as_of_ns;
    berth_uptime_observe(seen->core->uptime, seen->core->config.id, app->name, app->state,
                         is_newer ? app->started_ns : seen->as_of_ns);
    return true;
}

/* The caller holds recording_lock. */
static void observe_all(const struct berth_facility_core *core, struct berth_snapshot *snapshot,
                        int64_t as_of_ns)
{
    struct observation seen = {core, as_of_ns};
    berth_snapshot_walk(snapshot, NULL, observe_app, &seen);
}

static void on_listing(void *ctx, struct berth_snapshot *snapshot, int64_t as_of_ns)
{
    struct berth_facility_core *core = ctx;
    berth_changes_add_listed(core->changes, snapshot->sequence);
    BERTH_LOCK_SCOPE(lock, &core->recording_lock);
    if (core->recording)
        observe_all(core, snapshot, as_of_ns);
}

static void on_app(void *ctx, uint64_t sequence, const struct berth_app *before,
                   const struct berth_app *after, int64_t at_ns)
{
    struct berth_facility_core *core = ctx;
    berth_changes_add_app(core->changes, sequence, before, after);
    bool is_renamed = before && after && strcmp(before->name, after->name) != 0;
    BERTH_LOCK_SCOPE(lock, &core->recording_lock);
    if (!core->recording)
        return;
    if (!after || is_renamed)
        berth_uptime_gone(core->uptime, core->config.id, before->name, at_ns);
    if (after && (!before || is_renamed || before->state != after->state))
        berth_uptime_observe(core->uptime, core->config.id, after->name, after->state, at_ns);
}

static void on_changed(void *ctx, const struct berth_app *app, enum berth_app_state state,
                       int64_t at_ns)
{
    struct berth_facility_core *core = ctx;
    BERTH_LOCK_SCOPE(lock, &core->recording_lock);
    if (core->recording)
        berth_uptime_observe(core->uptime, core->config.id, app->name, state, at_ns);
}

static void on_alive(void *ctx, int64_t at_ns)
{
    struct berth_facility_core *core = ctx;
    BERTH_LOCK_SCOPE(lock, &core->recording_lock);
    if (core->recording)
        berth_uptime_alive(core->uptime, core->config.id, at_ns);
}

static void on_lost(void *ctx, uint64_t sequence, const struct berth_error *why,
                    int64_t last_alive_ns)
{
    struct berth_facility_core *core = ctx;
    berth_changes_add_lost(core->changes, sequence, why->message);
    BERTH_LOCK_SCOPE(lock, &core->recording_lock);
    if (core->recording)
        berth_uptime_lost(core->uptime, core->config.id, last_alive_ns);
}

static void on_told(void *ctx, uint64_t sequence)
{
    const struct berth_facility_core *core = ctx;
    berth_changes_told(core->changes, sequence);
}

/* ---- Settings ---- */

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
        &config->engine.data_dir,
        &config->engine.compose,
        &config->engine.rootfs.rootfs,
        &config->engine.rootfs.runtime,
        &config->engine.rootfs.command,
        &config->engine.rootfs.userns,
        &config->engine.rootfs.seccomp,
    };
    return i < sizeof(slots) / sizeof(slots[0]) ? slots[i] : NULL;
}

static void release_nodes(struct berth_node_endpoints *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        free((void *)(uintptr_t)nodes->items[i].hostname);
        free((void *)(uintptr_t)nodes->items[i].engine);
    }
    free(nodes->items);
}

static void release_config(struct berth_facility_config *config)
{
    const char **slot;
    for (size_t i = 0; (slot = config_strings(config, i)); i++)
        free((void *)(uintptr_t)*slot);
    release_nodes(&config->engine.nodes);
    berth_texts_release(&config->engine.rootfs.roots);
}

static bool copy_nodes(struct berth_node_endpoints *nodes)
{
    const struct berth_node_endpoint *from = nodes->items;
    struct berth_node_endpoint *items = calloc(nodes->count + 1, sizeof(*items));
    bool complete = items != NULL;
    for (size_t i = 0; items && i < nodes->count; i++) {
        items[i].hostname = berth_text_dup(from[i].hostname);
        items[i].engine = berth_text_dup(from[i].engine);
        complete &= items[i].hostname && items[i].engine;
    }
    nodes->count = items ? nodes->count : 0;
    nodes->items = items;
    return complete;
}

static bool copy_texts(struct berth_texts *texts)
{
    char *const *from = texts->items;
    char **items = calloc(texts->count + 1, sizeof(*items));
    bool complete = items != NULL;
    size_t count = 0;
    for (; complete && count < texts->count; count++) {
        items[count] = berth_text_dup(from[count]);
        complete = items[count] != NULL;
    }
    *texts = (struct berth_texts){items, count};
    return complete;
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
    complete &= copy_nodes(&copy.engine.nodes);
    complete &= copy_texts(&copy.engine.rootfs.roots);
    copy.engine.facility = copy.id;
    *config = copy;
    return complete ? 0 : berth_error_nomem(err);
}

/* ---- The core ---- */

static void core_unref(struct berth_facility_core *core)
{
    if (!core || __atomic_sub_fetch(&core->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    berth_approvals_close(core->approvals);
    berth_backend_close(core->backend);
    berth_mirror_free(core->mirror);
    berth_changes_free(core->changes);
    (void)pthread_mutex_destroy(&core->creating_lock);
    (void)pthread_mutex_destroy(&core->recording_lock);
    release_config(&core->config);
    free(core);
}
BERTH_DEFINE_CLEANUP(core, struct berth_facility_core *, core_unref)

static int open_parts(struct berth_facility_core *core, const struct berth_facility_config *config,
                      struct berth_error *err)
{
    const struct berth_mirror_observer observer = {
        .ctx = core,
        .listing = on_listing,
        .app = on_app,
        .changed = on_changed,
        .alive = on_alive,
        .lost = on_lost,
        .told = on_told,
    };
    const struct berth_backend_ops *ops = berth_backend_find(config->backend);
    if (!ops)
        return berth_error_set(err, BERTH_E_INVALID, "there is no backend %s", config->backend);
    int r = copy_config(&core->config, config, err);
    if (r == 0)
        r = berth_changes_new(&core->changes, err);
    if (r == 0)
        r = berth_backend_open(ops, &core->config.engine, &core->backend, err);
    if (r == 0)
        r = berth_mirror_open(core->backend, &observer, &core->mirror, err);
    if (r == 0)
        r = berth_approvals_open(core->store, core->config.id, core->backend, core->mirror,
                                 core->changes, &core->approvals, err);
    return r;
}

static int core_open(const struct berth_facility_config *config, struct berth_store *store,
                     struct berth_uptime *uptime, struct berth_facility_core **ret_core,
                     struct berth_error *err)
{
    struct berth_facility_core *made = calloc(1, sizeof(*made));
    if (!made)
        return berth_error_nomem(err);
    made->refs = 1;
    made->store = store;
    made->uptime = uptime;
    (void)pthread_mutex_init(&made->creating_lock, NULL);
    (void)pthread_mutex_init(&made->recording_lock, NULL);
    BERTH_CLEANUP(core) struct berth_facility_core *core = made;
    int r = open_parts(core, config, err);
    if (r == 0)
        *ret_core = berth_steal(&core);
    return r;
}

/* ---- Versions ---- */

static void facility_free(struct berth_facility *facility)
{
    core_unref(facility->core);
    release_config(&facility->config);
    free(facility);
}

/* A version on that core, whose reference it takes over, on failure too. */
static int make_version(struct berth_facility_core *core,
                        const struct berth_facility_config *config,
                        struct berth_facility **ret_facility, struct berth_error *err)
{
    struct berth_facility *made = calloc(1, sizeof(*made));
    if (!made) {
        core_unref(core);
        return berth_error_nomem(err);
    }
    made->refs = 1;
    made->core = core;
    made->backend = core->backend;
    made->mirror = core->mirror;
    made->approvals = core->approvals;
    made->changes = core->changes;
    made->store = core->store;
    made->uptime = core->uptime;
    BERTH_CLEANUP(facility) struct berth_facility *facility = made;
    int r = copy_config(&facility->config, config, err);
    if (r == 0)
        *ret_facility = berth_steal(&facility);
    return r;
}

int berth_facility_open(const struct berth_facility_config *config, struct berth_store *store,
                        struct berth_uptime *uptime, struct berth_facility **ret_facility,
                        struct berth_error *err)
{
    struct berth_facility_core *core = NULL;
    int r = core_open(config, store, uptime, &core, err);
    return r < 0 ? r : make_version(core, config, ret_facility, err);
}

int berth_facility_renew(struct berth_facility *facility,
                         const struct berth_facility_config *config,
                         struct berth_facility **ret_facility, struct berth_error *err)
{
    __atomic_add_fetch(&facility->core->refs, 1, __ATOMIC_RELAXED);
    return make_version(facility->core, config, ret_facility, err);
}

void berth_facility_settle(struct berth_facility *facility)
{
    struct berth_snapshot *snapshot = NULL;
    if (berth_mirror_snapshot(facility->mirror, true, &snapshot, NULL) == 0)
        berth_snapshot_unref(snapshot);
}

int berth_facility_start(struct berth_facility *facility, struct berth_error *err)
{
    struct berth_facility_core *core = facility->core;
    {
        BERTH_LOCK_SCOPE(lock, &core->recording_lock);
        BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
        core->recording = true;
        /* What was told before: the rest comes by the observer, which waits for the lock. */
        if (berth_mirror_status(core->mirror, NULL) == 0 &&
            berth_mirror_snapshot(core->mirror, false, &snapshot, NULL) == 0) {
            observe_all(core, snapshot, snapshot->as_of_ns);
            berth_uptime_alive(core->uptime, core->config.id, snapshot->as_of_ns);
        }
    }
    return berth_approvals_resume(core->approvals, err);
}

void berth_facility_end(struct berth_facility *facility)
{
    __atomic_store_n(&facility->ended, 1, __ATOMIC_RELEASE);
}

void berth_facility_stop(struct berth_facility *facility)
{
    __atomic_store_n(&facility->core->stopping, 1, __ATOMIC_RELEASE);
    berth_approvals_stop(facility->approvals);
    berth_changes_close(facility->changes, "the gateway is stopping");
}

void berth_facility_retire(struct berth_facility *facility)
{
    struct berth_facility_core *core = facility->core;
    berth_changes_close(facility->changes, "the facility was closed");
    berth_facility_stop(facility);
    berth_approvals_retire(facility->approvals);
    BERTH_LOCK_SCOPE(lock, &core->recording_lock);
    if (core->recording)
        berth_uptime_leave(core->uptime, core->config.id);
    core->recording = false;
}

bool berth_facility_is_ended(const struct berth_facility *facility)
{
    return __atomic_load_n(&facility->ended, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&facility->core->stopping, __ATOMIC_ACQUIRE);
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
