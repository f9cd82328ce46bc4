/* SPDX-License-Identifier: MIT */
#include "gateway/reload.h"

#include "gateway/rate_limit.h"

#include <string.h>

#define SUMMARY_MAX 900 /* of one line of the log */

static struct berth_facility *find(const struct berth_view *view,
                                   const struct berth_facility *facility)
{
    return berth_view_find(view, facility->config.id, strlen(facility->config.id));
}

static const struct berth_facility_config *find_config(const struct berth_config *config,
                                                       const char *id)
{
    for (size_t i = 0; i < config->facility_count; i++)
        if (strcmp(config->facilities[i].id, id) == 0)
            return &config->facilities[i];
    return NULL;
}

/* ---- What will be served; nothing of it is at work yet ---- */

/* The facility's next version; old is what is served now, or NULL. */
static int prepare_facility(struct berth *berth, const struct berth_config *running,
                            struct berth_facility *old, const struct berth_facility_config *config,
                            struct berth_facility **ret_facility, struct berth_error *err)
{
    const struct berth_facility_config *before = find_config(running, config->id);
    enum berth_config_change change =
        old && before ? berth_config_compare(before, config) : BERTH_CONFIG_REOPENED;
    if (change == BERTH_CONFIG_REOPENED)
        return berth_open_facility(berth, config, ret_facility, err);
    if (change == BERTH_CONFIG_RENEWED)
        return berth_facility_renew(old, config, ret_facility, err);
    *ret_facility = berth_facility_ref(old);
    return 0;
}

static int prepare(struct berth *berth, const struct berth_view *running,
                   struct berth_config *config, struct berth_view **ret_view,
                   struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = NULL;
    int r = berth_view_new(config, &view, err);
    for (size_t i = 0; r == 0 && i < config->facility_count; i++) {
        const struct berth_facility_config *settings = &config->facilities[i];
        struct berth_facility *old = berth_view_find(running, settings->id, strlen(settings->id));
        struct berth_facility *facility = NULL;
        r = prepare_facility(berth, running->config, old, settings, &facility, err);
        if (r == 0)
            berth_view_add(view, facility);
    }
    for (size_t i = 0; r == 0 && i < view->facility_count; i++)
        berth_facility_settle(view->facilities[i]);
    if (r == 0)
        *ret_view = berth_steal(&view);
    return r;
}

/* ---- From one to the other: nothing here fails ---- */

struct summary {
    struct berth_strbuf text;
    const char *last; /* what was said of the facilities before */
};

static void say(struct summary *summary, const char *what, const char *id)
{
    if (what == summary->last)
        berth_strbuf_addf(&summary->text, ", %s", id);
    else
        berth_strbuf_addf(&summary->text, "; %s %s", what, id);
    summary->last = what;
}

static void leave_old(const struct berth_view *old, const struct berth_view *view,
                      struct summary *summary)
{
    for (size_t i = 0; i < old->facility_count; i++) {
        struct berth_facility *facility = old->facilities[i];
        struct berth_facility *next = find(view, facility);
        if (!next)
            say(summary, "removed", facility->config.id);
        if (!next || next->core != facility->core)
            berth_facility_retire(facility);
        else if (next->config.auth != facility->config.auth)
            berth_facility_end(facility); /* who follows it was let in by other rules */
    }
}

static void start_new(const struct berth_view *old, const struct berth_view *view,
                      struct summary *summary)
{
    static const char *const added = "added";
    static const char *const opened = "opened anew";
    static const char *const changed = "changed";
    for (size_t i = 0; i < view->facility_count; i++) {
        struct berth_facility *facility = view->facilities[i];
        const struct berth_facility *before = find(old, facility);
        struct berth_error err = BERTH_ERROR_INIT;
        if (before == facility)
            continue;
        if (before && before->core == facility->core) {
            say(summary, changed, facility->config.id);
            continue;
        }
        say(summary, before ? opened : added, facility->config.id);
        if (berth_facility_start(facility, &err) < 0)
            berth_log_error(BERTH_LOG_ERROR, &err, "facility %s: pulls under way stay as they are",
                            facility->config.id);
    }
}

static void apply_settings(struct berth *berth, const struct berth_config *old,
                           const struct berth_config *config)
{
    berth_log_set_level(config->log_level);
    if (old->uptime.sample_interval_s != config->uptime.sample_interval_s ||
        old->uptime.retention_days != config->uptime.retention_days)
        berth_uptime_set_config(berth->uptime, &config->uptime);
    if (old->requests_per_second != config->requests_per_second || old->burst != config->burst)
        berth_rate_limit_set(berth->rate_limit, config->requests_per_second, config->burst);
}

/* Takes over the reference to view. */
static void serve(struct berth *berth, struct berth_view *view, const char *waiting)
{
    struct summary summary = {.text = BERTH_STRBUF_INIT(SUMMARY_MAX)};
    BERTH_CLEANUP(view) struct berth_view *old = berth_swap_view(berth, view);
    leave_old(old, view, &summary);
    start_new(old, view, &summary);
    apply_settings(berth, old->config, view->config);
    berth_log(BERTH_LOG_INFO, "%s was loaded: %zu facilit%s%s", view->config->path,
              view->facility_count, view->facility_count == 1 ? "y" : "ies",
              summary.text.failed ? ", many of them other than before"
                                  : berth_strbuf_str(&summary.text));
    if (*waiting)
        berth_log(BERTH_LOG_WARNING, "%s: takes effect at the next start of the gateway", waiting);
    berth_strbuf_release(&summary.text);
}

int berth_reload(struct berth *berth, struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *running = berth_take_view(berth);
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(view) struct berth_view *view = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf waiting = BERTH_STRBUF_INIT(1024);
    int r = berth_config_reload(running->config, &config, &waiting, err);
    if (r == 0)
        r = prepare(berth, running, config, &view, err);
    if (r == 0)
        r = berth_open_actions(config, &berth->actions, err);
    if (r < 0) {
        berth_linelog_reopen(berth->actions);
        return r;
    }
    serve(berth, berth_steal(&view), berth_strbuf_str(&waiting));
    return 0;
}
