/* SPDX-License-Identifier: MIT */
/*
 * The configuration: the main file, after a line "%% facilities" a file of
 * facilities.d, after a line "%% env" the .env file.
 */
#include "base/text.h"
#include "gateway/config.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct paths {
    char main[320];
    char facilities[320];
    char env[320];
};

static const struct paths *make_paths(void)
{
    static struct paths paths;
    if (paths.main[0])
        return &paths;
    static const char *const names[] = {"BERTH_CONFIG",  "APP_USER",        "APP_PASS",
                                        "APP_PASS_FILE", "TLS_CERT_PATH",   "TLS_KEY_PATH",
                                        "DB_HOST",       "DEFAULT_USER_UID"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unsetenv(names[i]);
    berth_log_set_level(BERTH_LOG_ERROR); /* not a warning for each input */
    const char *folder = fuzz_directory();
    (void)snprintf(paths.facilities, sizeof(paths.facilities), "%s/facilities.d", folder);
    FUZZ_CHECK(mkdir(paths.facilities, 0700) == 0);
    (void)snprintf(paths.facilities, sizeof(paths.facilities), "%s/facilities.d/a.conf", folder);
    (void)snprintf(paths.env, sizeof(paths.env), "%s/.env", folder);
    (void)snprintf(paths.main, sizeof(paths.main), "%s/berth.conf", folder);
    return &paths;
}

/* NULL: no such file. crlf: lines end as another system ends them. */
static void write_file(const char *path, const char *text, bool crlf)
{
    if (!text) {
        (void)unlink(path);
        return;
    }
    BERTH_CLEANUP(file) FILE *file = fopen(path, "we");
    FUZZ_CHECK(file);
    for (const char *at = text; *at; at++)
        if (crlf && *at == '\n')
            FUZZ_CHECK(fputs("\r\n", file) >= 0);
        else
            FUZZ_CHECK(fputc(*at, file) != EOF);
}

/* Cuts text at a line that is the word; what follows, or NULL. */
static char *cut_at(char *text, const char *word)
{
    char *at = strstr(text, word);
    if (!at || (at != text && at[-1] != '\n'))
        return NULL;
    *at = '\0';
    return at + strlen(word);
}

static void check_facility(const struct berth_facility_config *facility)
{
    FUZZ_CHECK(berth_naming_check_facility(facility->id, NULL) == 0);
    FUZZ_CHECK(facility->backend && facility->title && strlen(facility->title) <= 200);
    FUZZ_CHECK(facility->pids >= 0 && facility->gpus >= -1 && facility->cpu_nano >= 0);
    FUZZ_CHECK(facility->cpu_nano <= INT64_C(4096) * 1000000000);
    FUZZ_CHECK(facility->engine.max_inflight >= 1 && facility->engine.max_inflight <= 4096);
    FUZZ_CHECK(facility->engine.request_timeout_ms >= 1000);
}

/* The bounds of docs/configuration.md. */
static void check_config(const struct berth_config *config)
{
    FUZZ_CHECK(config->worker_threads >= 2 && config->worker_threads <= 4096);
    FUZZ_CHECK(config->requests_per_second >= 0 && config->requests_per_second <= 1000000);
    FUZZ_CHECK(config->burst >= 1 && config->burst <= 1000000);
    FUZZ_CHECK(config->max_body_bytes >= 1024 && config->max_body_bytes <= 1 << 30);
    FUZZ_CHECK(config->request_timeout_ms >= 1000 && config->request_timeout_ms <= 3600000);
    FUZZ_CHECK(config->uptime.sample_interval_s >= 1 && config->uptime.retention_days >= 1);
    FUZZ_CHECK(config->log_file && config->data_dir && config->data_dir[0]);
    FUZZ_CHECK(config->listen.count >= 1 && config->listen.count <= BERTH_LISTENERS_MAX);
    FUZZ_CHECK(!config->app_user == !config->app_pass);
    bool is_local = berth_config_is_local(config);
    bool has_root = !config->root_facility;
    for (size_t i = 0; i < config->facility_count; i++) {
        const struct berth_facility_config *facility = &config->facilities[i];
        check_facility(facility);
        FUZZ_CHECK(facility->auth == BERTH_AUTH_USERS || is_local || config->allow_open);
        has_root = has_root || strcmp(facility->id, config->root_facility) == 0;
        for (size_t j = 0; j < i; j++)
            FUZZ_CHECK(strcmp(config->facilities[j].id, facility->id) != 0);
    }
    FUZZ_CHECK(has_root);
}

static struct berth_config *load(const char *path, struct berth_error *err)
{
    struct berth_config *config = NULL;
    int r = berth_config_load(path, &config, err);
    fuzz_check_error(r, err);
    FUZZ_CHECK(r == 0 || (!config && (r == BERTH_E_INVALID || r == BERTH_E_TOO_LARGE)));
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct paths *paths = make_paths();
    struct fuzz_input input = {data, size};
    BERTH_CLEANUP(free) char *text = fuzz_rest(&input);
    char *env = cut_at(text, "%% env\n");
    char *facilities = cut_at(text, "%% facilities\n");
    write_file(paths->facilities, facilities, false);
    write_file(paths->env, env, false);
    write_file(paths->main, text, false);
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(config) struct berth_config *config = load(paths->main, &err);
    if (config)
        check_config(config);

    /* Other ends of lines mean the same. */
    write_file(paths->facilities, facilities, true);
    write_file(paths->env, env, true);
    write_file(paths->main, text, true);
    struct berth_error again = BERTH_ERROR_INIT;
    BERTH_CLEANUP(config) struct berth_config *same = load(paths->main, &again);
    FUZZ_CHECK_MSG(strcmp(err.message, again.message) == 0, again.message);
    FUZZ_CHECK(!config == !same);
    if (config)
        FUZZ_CHECK(config->facility_count == same->facility_count &&
                   config->listen.count == same->listen.count);
    return 0;
}
