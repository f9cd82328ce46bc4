/* SPDX-License-Identifier: MIT */
#include "gateway/berth.h"

#include "backends/engine/engine_io.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "facilities/idempotency.h"
#include "gateway/body_cache.h"
#include "gateway/rate_limit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_ADMIN          "admin"
#define FIRST_PASSWORD_BYTES 18 /* of randomness: 24 characters */
#define LOG_QUEUE_BYTES      (4U << 20)

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
    char *text = r == 0 ? berth_strbuf_steal(&password, NULL) : NULL;
    if (text)
        *ret_password = text;
    return r == 0 && !text ? berth_error_nomem(err) : r;
}

static int open_people(struct berth *berth, struct berth_error *err)
{
    const struct berth_config *config = berth->config;
    int r = berth_store_open(config->data_dir, &berth->store, err);
    if (r == 0)
        r = berth_identity_open(berth->store, &berth->identity, err);
    if (r == 0 && config->app_user)
        r = berth_identity_ensure_admin(berth->identity, config->app_user, config->app_pass, err);
    return r;
}

static int by_id(const void *a, const void *b)
{
    const struct berth_facility *const *left = a;
    const struct berth_facility *const *right = b;
    return strcmp((*left)->config.id, (*right)->config.id);
}

static int open_facilities(struct berth *berth, struct berth_error *err)
{
    const struct berth_config *config = berth->config;
    berth->facilities = calloc(config->facility_count + 1, sizeof(struct berth_facility *));
    if (!berth->facilities)
        return berth_error_nomem(err);
    for (size_t i = 0; i < config->facility_count; i++) {
        struct berth_facility_config facility = config->facilities[i];
        facility.engine.io = berth->io;
        int r =
            berth_facility_open(&facility, berth->store, berth->uptime, &berth->facilities[i], err);
        if (r < 0)
            return berth_error_wrap(err, "facility %s", facility.id);
        berth->facility_count++;
    }
    qsort(berth->facilities, berth->facility_count, sizeof(berth->facilities[0]), by_id);
    return 0;
}

static int open_apps(struct berth *berth, struct berth_error *err)
{
    const struct berth_config *config = berth->config;
    const struct berth_linelog_config log = {
        .path = config->log_file,
        .max_bytes = config->log_max_bytes,
        .keep = (unsigned)config->log_keep,
        .queue_bytes = LOG_QUEUE_BYTES,
    };
    int r = berth_linelog_open(&log, &berth->actions, err);
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
    if (r == 0 && config->requests_per_second > 0)
        r = berth_rate_limit_new(config->requests_per_second, config->burst, &berth->rate_limit,
                                 err);
    if (r == 0)
        r = open_facilities(berth, err);
    return r;
}

/* The folder itself; its parent must be there. */
static int make_folder(const char *path, mode_t mode, struct berth_error *err)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be made: %m", path);
    return 0;
}

static int make_folders(const struct berth_config *config, struct berth_error *err)
{
    int r = make_folder(config->data_dir, 0700, err);
    const char *slash = strrchr(config->log_file, '/');
    if (r < 0 || !slash || slash == config->log_file)
        return r;
    BERTH_CLEANUP(free)
    char *folder = strndup(config->log_file, (size_t)(slash - config->log_file));
    return folder ? make_folder(folder, 0750, err) : berth_error_nomem(err);
}

int berth_open(struct berth_config *config, enum berth_open_mode mode, struct berth **ret_berth,
               struct berth_error *err)
{
    BERTH_CLEANUP(berth) struct berth *berth = calloc(1, sizeof(*berth));
    if (!berth)
        return berth_error_nomem(err);
    berth->config = berth_config_ref(config);
    berth->started_ms = berth_clock_monotonic_ms();
    int r = make_folders(config, err);
    if (r == 0)
        r = open_people(berth, err);
    if (r == 0 && mode == BERTH_OPEN_ALL)
        r = open_apps(berth, err);
    if (r == 0)
        *ret_berth = berth_steal(&berth);
    return r;
}

void berth_stop(struct berth *berth)
{
    for (size_t i = 0; i < berth->facility_count; i++)
        berth_facility_stop(berth->facilities[i]);
}

void berth_close(struct berth *berth)
{
    if (!berth)
        return;
    for (size_t i = 0; i < berth->facility_count; i++)
        berth_facility_unref(berth->facilities[i]);
    free(berth->facilities);
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
    berth_store_close(berth->store);
    berth_config_unref(berth->config);
    free(berth);
}

/* A facility's id against the first len bytes of a path. */
static int compare_id(const char *id, size_t len, const struct berth_facility *facility)
{
    int order = strncmp(id, facility->config.id, len);
    return order ? order : -(int)(facility->config.id[len] != '\0');
}

struct berth_facility *berth_find_facility(const struct berth *berth, const char *id, size_t len)
{
    size_t low = 0;
    size_t high = berth->facility_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_id(id, len, berth->facilities[middle]);
        if (order == 0)
            return berth->facilities[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
