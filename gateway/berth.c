/* SPDX-License-Identifier: MIT */
#include "gateway/berth.h"

#include "backends/engine/engine_io.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/thread.h"
#include "facilities/idempotency.h"
#include "gateway/body_cache.h"
#include "gateway/neighbours.h"
#include "gateway/rate_limit.h"
#include "gateway/terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_ADMIN          "admin"
#define FIRST_PASSWORD_BYTES 18 /* of randomness: 24 characters */
#define LOG_QUEUE_BYTES      (4U << 20)
#define REQUESTS_QUEUE_BYTES (1U << 20)

int berth_add_first_user(struct berth *berth, char **ret_password, struct berth_error *err)
{
    unsigned char random[FIRST_PASSWORD_BYTES];
    BERTH_CLEANUP(strbuf) struct berth_strbuf password = BERTH_STRBUF_INIT(64);
    if (!berth_identity_is_empty(berth->identity)) {
        *ret_password = NULL;
        return 0;
    }
    int r = berth_random_bytes(random, sizeof(random), err);
    if (r < 0)
        return r;
    berth_base64url_encode(random, sizeof(random), &password);
    r = berth_strbuf_check(&password, err);
    if (r == 0)
        r = berth_identity_add(berth->identity, NULL, FIRST_ADMIN, berth_strbuf_str(&password),
                               true, err);
    if (r == BERTH_E_EXISTS) { /* another gateway on the store was faster, and has told it */
        *ret_password = NULL;
        return 0;
    }
    char *text = r == 0 ? berth_strbuf_steal(&password, NULL) : NULL;
    if (text)
        *ret_password = text;
    return r == 0 && !text ? berth_error_nomem(err) : r;
}

/* ---- What is served ---- */

struct berth_view *berth_take_view(struct berth *berth)
{
    BERTH_LOCK_SCOPE(lock, &berth->view_lock);
    return berth_view_ref(berth->view);
}

struct berth_view *berth_swap_view(struct berth *berth, struct berth_view *view)
{
    BERTH_LOCK_SCOPE(lock, &berth->view_lock);
    struct berth_view *before = berth->view;
    berth->view = view;
    return before;
}

int berth_open_facility(struct berth *berth, const struct berth_facility_config *config,
                        struct berth_facility **ret_facility, struct berth_error *err)
{
    struct berth_facility_config with_io = *config;
    with_io.engine.io = berth->io;
    int r = berth_facility_open(&with_io, berth->store, berth->uptime, ret_facility, err);
    return r < 0 ? berth_error_wrap(err, "facility %s", config->id) : 0;
}

/* ---- Opening ---- */

/* The folder itself; its parent must be there. */
static int make_folder(const char *path, mode_t mode, struct berth_error *err)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be made: %m", path);
    return 0;
}

int berth_open_actions(const struct berth_config *config, struct berth_linelog **actions,
                       struct berth_error *err)
{
    const struct berth_linelog_config log = {
        .path = config->log_file,
        .max_bytes = config->log_max_bytes,
        .keep = (unsigned)config->log_keep,
        .queue_bytes = LOG_QUEUE_BYTES,
    };
    const char *slash = strrchr(config->log_file, '/');
    if (slash && slash != config->log_file) {
        BERTH_CLEANUP(free)
        char *folder = strndup(config->log_file, (size_t)(slash - config->log_file));
        int r = folder ? make_folder(folder, 0750, err) : berth_error_nomem(err);
        if (r < 0)
            return r;
    }
    return *actions ? berth_linelog_configure(*actions, &log, err)
                    : berth_linelog_open(&log, actions, err);
}

static int open_requests(struct berth_linelog **requests, struct berth_error *err)
{
    const struct berth_linelog_config log = {.queue_bytes = REQUESTS_QUEUE_BYTES};
    return berth_linelog_open(&log, requests, err);
}

static int open_people(struct berth *berth, const struct berth_config *config,
                       struct berth_error *err)
{
    const struct berth_store_config store = berth_config_store(config);
    int r = berth_store_open(&store, &berth->store, err);
    if (r == 0)
        r = berth_identity_open(berth->store, &berth->identity, err);
    if (r == 0 && config->app_user)
        r = berth_identity_ensure_admin(berth->identity, config->app_user, config->app_pass, err);
    return r;
}

static int open_facilities(struct berth *berth, struct berth_error *err)
{
    struct berth_view *view = berth->view;
    const struct berth_config *config = view->config;
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->facility_count; i++) {
        struct berth_facility *facility = NULL;
        r = berth_open_facility(berth, &config->facilities[i], &facility, err);
        if (r == 0)
            berth_view_add(view, facility);
        if (r == 0)
            r = berth_facility_start(facility, err);
    }
    return r;
}

static int open_apps(struct berth *berth, const struct berth_config *config,
                     struct berth_error *err)
{
    int r = berth_open_actions(config, &berth->actions, err);
    if (r == 0)
        r = open_requests(&berth->requests, err);
    if (r == 0)
        r = berth_uptime_open(berth->store, &config->uptime, &berth->uptime, err);
    if (r == 0)
        r = berth_engine_io_open(&berth->io, err);
    if (r == 0)
        r = berth_request_ids_init(&berth->request_ids, err);
    if (r == 0)
        r = berth_body_cache_new(&berth->bodies, err);
    if (r == 0)
        r = berth_idempotency_new(berth->store, &berth->idempotency, err);
    if (r == 0)
        r = berth_rate_limit_new(config->requests_per_second, config->burst, &berth->rate_limit,
                                 err);
    if (r == 0)
        r = berth_terminals_new(berth->identity, &berth->terminals, err);
    if (r == 0)
        r = open_facilities(berth, err);
    if (r == 0)
        r = berth_neighbours_open(berth, err);
    return r;
}

int berth_open(struct berth_config *config, enum berth_open_mode mode, struct berth **ret_berth,
               struct berth_error *err)
{
    struct berth *made = calloc(1, sizeof(*made));
    if (!made)
        return berth_error_nomem(err);
    made->started_ms = berth_clock_monotonic_ms();
    (void)pthread_mutex_init(&made->view_lock, NULL);
    BERTH_CLEANUP(berth) struct berth *berth = made;
    int r = berth_view_new(config, &berth->view, err);
    if (r == 0)
        r = make_folder(config->data_dir, 0700, err);
    if (r == 0)
        r = open_people(berth, config, err);
    if (r == 0 && mode == BERTH_OPEN_ALL)
        r = open_apps(berth, config, err);
    if (r == 0)
        *ret_berth = berth_steal(&berth);
    return r;
}

void berth_settle(struct berth *berth)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    for (size_t i = 0; i < view->facility_count; i++)
        berth_facility_settle(view->facilities[i]);
}

void berth_stop(struct berth *berth)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    for (size_t i = 0; i < view->facility_count; i++)
        berth_facility_stop(view->facilities[i]);
}

void berth_close(struct berth *berth)
{
    if (!berth)
        return;
    berth_neighbours_close(berth);
    berth_terminals_free(berth->terminals);
    berth_view_unref(berth->view);
    if (berth->io)
        berth_engine_io_close(berth->io);
    berth_body_cache_free(berth->bodies);
    if (berth->idempotency)
        berth_idempotency_free(berth->idempotency);
    if (berth->rate_limit)
        berth_rate_limit_free(berth->rate_limit);
    berth_uptime_close(berth->uptime);
    berth_identity_close(berth->identity);
    berth_linelog_close(berth->actions);
    berth_linelog_close(berth->requests);
    berth_store_close(berth->store);
    (void)pthread_mutex_destroy(&berth->view_lock);
    free(berth);
}
