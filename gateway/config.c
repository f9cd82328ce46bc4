/* SPDX-License-Identifier: MIT */
#include "gateway/config.h"

#include "base/text.h"
#include "gateway/config_file.h"
#include "gateway/config_tls.h"
#include "gateway/config_values.h"
#include "gateway/environment.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define FACILITIES     "facilities.d"
#define FACILITIES_MAX 1000 /* files there */
#define FILE_SUFFIX    ".conf"

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void config_free(struct berth_config *config)
{
    const struct berth_config_section *facility = berth_config_find_section("facility", 8);
    for (size_t i = 0; i < config->facility_count; i++) {
        free((void *)(uintptr_t)config->facilities[i].id);
        berth_config_release(facility, &config->facilities[i]);
    }
    for (size_t i = 0; i < berth_config_section_count; i++)
        if (&berth_config_sections[i] != facility)
            berth_config_release(&berth_config_sections[i], config);
    free_secret(config->app_pass);
    free(config->app_user);
    free(config->db_host);
    free(config->db_port);
    free(config->db_user);
    free_secret(config->db_password);
    free(config->db_name);
    free(config->facilities);
    free(config->proxies);
    free(config->path);
    free(config);
}

struct berth_config *berth_config_ref(struct berth_config *config)
{
    __atomic_add_fetch(&config->refs, 1, __ATOMIC_RELAXED);
    return config;
}

void berth_config_unref(struct berth_config *config)
{
    if (config && __atomic_sub_fetch(&config->refs, 1, __ATOMIC_ACQ_REL) == 0)
        config_free(config);
}

static int set_defaults(struct berth_config *config, struct berth_error *err)
{
    for (size_t i = 0; i < berth_config_section_count; i++) {
        const struct berth_config_section *section = &berth_config_sections[i];
        if (strcmp(section->name, "facility") == 0)
            continue;
        int r = berth_config_set_defaults(section, config, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Files ---- */

/* The path of a file in the folder of the configuration. */
static int path_beside(const struct berth_config *config, const char *name,
                       struct berth_strbuf *out, struct berth_error *err)
{
    const char *slash = strrchr(config->path, '/');
    if (slash)
        berth_strbuf_add(out, config->path, (size_t)(slash + 1 - config->path));
    berth_strbuf_adds(out, name);
    return berth_strbuf_check(out, err);
}

static int is_config_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    size_t suffix = sizeof(FILE_SUFFIX) - 1;
    return entry->d_name[0] != '.' && len > suffix &&
           strcmp(entry->d_name + len - suffix, FILE_SUFFIX) == 0;
}

/* The facilities an installation adds beside its main file, in the order of their names. */
static int read_directory(struct berth_config *config, const char *path, struct berth_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_config_file, alphasort);
    if (count < 0)
        return errno == ENOENT ? 0
                               : berth_error_set_errno(err, BERTH_E_INVALID, errno,
                                                       "%s cannot be read: %m", path);
    int r = count > FACILITIES_MAX
                ? berth_error_set(err, BERTH_E_TOO_LARGE, "%s holds more than %d files", path,
                                  FACILITIES_MAX)
                : 0;
    for (int i = 0; i < count; i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf file = BERTH_STRBUF_INIT(4096);
        berth_strbuf_addf(&file, "%s/%s", path, entries[i]->d_name);
        if (r == 0)
            r = berth_config_read_file(config, berth_strbuf_str(&file), err);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int read_files(struct berth_config *config, const char *path, struct berth_error *err)
{
    const char *from_environment = getenv("BERTH_CONFIG");
    if (!path)
        path = from_environment && *from_environment ? from_environment : BERTH_CONFIG_PATH;
    config->path = berth_text_dup(path);
    if (!config->path)
        return berth_error_nomem(err);
    BERTH_CLEANUP(strbuf) struct berth_strbuf folder = BERTH_STRBUF_INIT(PATH_MAX);
    int r = berth_config_read_file(config, path, err);
    if (r == 0)
        r = path_beside(config, FACILITIES, &folder, err);
    return r == 0 ? read_directory(config, berth_strbuf_str(&folder), err) : r;
}

/* ---- Environment ---- */

/* `.env` beside the configuration, unless [gateway] env_file names another. */
static int load_environment(const struct berth_config *config,
                            struct berth_environment *environment, struct berth_error *err)
{
    if (config->env_file)
        return berth_environment_load(config->env_file, true, environment, err);
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX);
    int r = path_beside(config, ".env", &path, err);
    return r < 0 ? r : berth_environment_load(berth_strbuf_str(&path), false, environment, err);
}

static int apply_admin(struct berth_config *config, const struct berth_environment *environment,
                       struct berth_error *err)
{
    int r = berth_environment_get(environment, "APP_USER", &config->app_user, err);
    if (r == 0)
        r = berth_environment_get_secret(environment, "APP_PASS", &config->app_pass, err);
    if (r < 0)
        return r;
    if (!config->app_user != !config->app_pass)
        return berth_error_set(err, BERTH_E_INVALID, "APP_USER and APP_PASS must be set together");
    return config->app_user ? berth_naming_check_user("APP_USER", config->app_user, err) : 0;
}

/* A variable that stands for a key which the files leave unset. */
static int apply_to_key(char **slot, const struct berth_environment *environment, const char *name,
                        struct berth_error *err)
{
    char *value = NULL;
    int r = *slot ? 0 : berth_environment_get(environment, name, &value, err);
    if (value)
        *slot = value;
    return r;
}

/* The password goes with [store] postgres too, which need not hold it then. */
static int apply_database(struct berth_config *config, const struct berth_environment *environment,
                          struct berth_error *err)
{
    int64_t port;
    int r = berth_environment_get(environment, "DB_HOST", &config->db_host, err);
    if (r == 0)
        r = berth_environment_get(environment, "DB_PORT", &config->db_port, err);
    if (r == 0)
        r = berth_environment_get(environment, "DB_USER", &config->db_user, err);
    if (r == 0)
        r = berth_environment_get(environment, "DB_NAME", &config->db_name, err);
    if (r == 0)
        r = berth_environment_get_secret(environment, "DB_PASSWORD", &config->db_password, err);
    if (r == 0 && config->db_port) {
        r = berth_text_parse_int(config->db_port, 1, 65535, &port, err);
        if (r < 0)
            (void)berth_error_wrap(err, "DB_PORT");
    }
    return r;
}

static int apply_environment(struct berth_config *config,
                             const struct berth_environment *environment, struct berth_error *err)
{
    int r = apply_admin(config, environment, err);
    if (r == 0)
        r = apply_to_key(&config->tls_cert, environment, "TLS_CERT_PATH", err);
    if (r == 0)
        r = apply_to_key(&config->tls_key, environment, "TLS_KEY_PATH", err);
    BERTH_CLEANUP(free) char *uid = NULL;
    if (r == 0)
        r = berth_environment_get(environment, "DEFAULT_USER_UID", &uid, err);
    if (r == 0 && uid) {
        r = berth_config_check_uid(uid, err);
        if (r < 0)
            (void)berth_error_wrap(err, "DEFAULT_USER_UID");
    }
    for (size_t i = 0; r == 0 && uid && i < config->facility_count; i++) {
        if (config->facilities[i].default_user_uid)
            continue;
        config->facilities[i].default_user_uid = berth_text_dup(uid);
        if (!config->facilities[i].default_user_uid)
            r = berth_error_nomem(err);
    }
    return r == 0 ? apply_database(config, environment, err) : r;
}

/* ---- Checks over all ---- */

static int check_facility(const struct berth_config *config,
                          const struct berth_facility_config *facility, struct berth_error *err)
{
    if (facility->auth == BERTH_AUTH_OPEN && !config->allow_open && !berth_config_is_local(config))
        return berth_error_set(err, BERTH_E_INVALID,
                               "auth = open needs every listener on a loopback address or a unix "
                               "socket, or allow_open = yes in [gateway]");
    if (!facility->engine.tls_cert != !facility->engine.tls_key)
        return berth_error_set(err, BERTH_E_INVALID, "tls_cert and tls_key must be set together");
    return 0;
}

static int check_root_facility(const struct berth_config *config, struct berth_error *err)
{
    const char *root = config->root_facility;
    BERTH_CLEANUP(free) const char **ids = calloc(config->facility_count + 1, sizeof(*ids));
    if (!ids)
        return berth_error_nomem(err);
    for (size_t i = 0; i < config->facility_count; i++) {
        ids[i] = config->facilities[i].id;
        if (strcmp(ids[i], root) == 0)
            return 0;
    }
    const char *nearest = berth_text_nearest(root, ids, config->facility_count);
    if (nearest)
        return berth_error_set(err, BERTH_E_INVALID,
                               "root_facility %s is no facility; did you mean %s?", root, nearest);
    return berth_error_set(err, BERTH_E_INVALID, "root_facility %s is no facility", root);
}

static int check_gateway(const struct berth_config *config, struct berth_error *err)
{
    if (config->listen.count == 0 && !config->listen_tls)
        return berth_error_set(
            err, BERTH_E_INVALID,
            "listen is empty, and without tls_cert and tls_key there is no HTTPS "
            "either");
    if (config->listen.count > BERTH_LISTENERS_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "listen is given more than %d times",
                               BERTH_LISTENERS_MAX);
    return config->root_facility ? check_root_facility(config, err) : 0;
}

static int check_all(const struct berth_config *config, struct berth_error *err)
{
    int r = check_gateway(config, err);
    for (size_t i = 0; r == 0 && i < config->facility_count; i++) {
        r = check_facility(config, &config->facilities[i], err);
        if (r < 0)
            (void)berth_error_wrap(err, "[facility %s]", config->facilities[i].id);
    }
    return r;
}

/* What no single line is wrong with. */
static int check(const struct berth_config *config, struct berth_error *err)
{
    int r = check_all(config, err);
    if (r < 0)
        (void)berth_error_wrap(err, "%s", config->path);
    return r;
}

/* What is empty (`listen =`) is no listener, and says that there is to be none by default. */
static int set_default_listener(struct berth_config *config, struct berth_error *err)
{
    const struct berth_config_section *gateway = berth_config_find_section("gateway", 7);
    const struct berth_config_key *key = berth_config_find_key(gateway, "listen");
    struct berth_texts *listen = &config->listen;
    size_t kept = 0;
    if (listen->count == 0)
        return berth_config_set(key, config, key->otherwise, err);
    for (size_t i = 0; i < listen->count; i++) {
        if (listen->items[i][0])
            listen->items[kept++] = listen->items[i];
        else
            free(listen->items[i]);
    }
    listen->count = kept;
    return 0;
}

static int parse_proxies(struct berth_config *config, struct berth_error *err)
{
    const struct berth_texts *texts = &config->trusted_proxies;
    int r = 0;
    config->proxies = calloc(texts->count + 1, sizeof(*config->proxies));
    if (!config->proxies)
        return berth_error_nomem(err);
    for (size_t i = 0; r == 0 && i < texts->count; i++)
        r = berth_proxy_parse(texts->items[i], &config->proxies[i], err);
    return r;
}

/* What a facility and its backend share is said once in the file. */
static int complete(struct berth_config *config, struct berth_error *err)
{
    if (!config->log_file) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(8192);
        berth_strbuf_addf(&path, "%s/logs/actions.jsonl", config->data_dir);
        config->log_file = berth_strbuf_steal(&path, NULL);
        if (!config->log_file)
            return berth_error_nomem(err);
    }
    for (size_t i = 0; i < config->facility_count; i++) {
        struct berth_facility_config *facility = &config->facilities[i];
        facility->engine.facility = facility->id;
        facility->engine.data_dir = config->data_dir;
        facility->engine.request_timeout_ms = config->request_timeout_ms;
    }
    return parse_proxies(config, err);
}

/* What holds until the next start, in place of what the files say now. */
static int keep_running(struct berth_config *config, const struct berth_config *running,
                        struct berth_strbuf *waiting, struct berth_error *err)
{
    int r = 0;
    for (size_t s = 0; s < berth_config_section_count; s++) {
        const struct berth_config_section *section = &berth_config_sections[s];
        for (size_t k = 0; r == 0 && k < section->count; k++) {
            const struct berth_config_key *key = &section->keys[k];
            if (key->effect != BERTH_CONFIG_RESTART || berth_config_is_equal(key, config, running))
                continue;
            berth_strbuf_addf(waiting, "%s%s", waiting->len > 0 ? ", " : "", key->name);
            r = berth_config_copy(key, config, running, err);
        }
    }
    return r;
}

/* running: NULL at a start. */
static int load(const char *path, const struct berth_config *running, struct berth_strbuf *waiting,
                struct berth_config **ret_config, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = calloc(1, sizeof(*config));
    BERTH_CLEANUP(environment) struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
    if (!config)
        return berth_error_nomem(err);
    config->refs = 1;
    int r = set_defaults(config, err);
    if (r == 0)
        r = read_files(config, path, err);
    if (r == 0)
        r = load_environment(config, &environment, err);
    if (r == 0)
        r = apply_environment(config, &environment, err);
    if (r == 0)
        r = set_default_listener(config, err);
    if (r == 0 && berth_config_complete_tls(config, err) < 0)
        r = berth_error_wrap(err, "%s", config->path);
    if (r == 0)
        r = check(config, err);
    if (r == 0 && running)
        r = keep_running(config, running, waiting, err);
    if (r == 0 && running && waiting->len > 0 && check(config, err) < 0)
        r = berth_error_wrap(err, "with %s as at the last start", berth_strbuf_str(waiting));
    if (r == 0)
        r = complete(config, err);
    if (r < 0)
        return r;
    *ret_config = berth_steal(&config);
    return 0;
}

int berth_config_load(const char *path, struct berth_config **ret_config, struct berth_error *err)
{
    return load(path, NULL, NULL, ret_config, err);
}

int berth_config_reload(const struct berth_config *running, struct berth_config **ret_config,
                        struct berth_strbuf *waiting, struct berth_error *err)
{
    return load(running->path, running, waiting, ret_config, err);
}

enum berth_config_change berth_config_compare(const struct berth_facility_config *from,
                                              const struct berth_facility_config *to)
{
    const struct berth_config_section *section = berth_config_find_section("facility", 8);
    enum berth_config_change change = BERTH_CONFIG_SAME;
    if (from->engine.request_timeout_ms != to->engine.request_timeout_ms)
        return BERTH_CONFIG_REOPENED;
    for (size_t i = 0; i < section->count; i++) {
        const struct berth_config_key *key = &section->keys[i];
        if (berth_config_is_equal(key, from, to))
            continue;
        if (key->effect == BERTH_CONFIG_REOPEN)
            return BERTH_CONFIG_REOPENED;
        change = BERTH_CONFIG_RENEWED;
    }
    return change;
}

void berth_config_warn(const struct berth_config *config)
{
    bool is_named = config->db_host || config->db_name;
    if (config->postgres && is_named)
        berth_log(BERTH_LOG_WARNING,
                  "DB_HOST and DB_NAME are without effect: [store] postgres says "
                  "where the database is");
    if (!config->postgres && !is_named && (config->db_user || config->db_password))
        berth_log(BERTH_LOG_WARNING, "DB_USER and DB_PASSWORD are without effect: neither DB_HOST "
                                     "nor DB_NAME nor [store] postgres is set");
    for (size_t i = 0; i < config->facility_count; i++) {
        const struct berth_facility_config *facility = &config->facilities[i];
        if (facility->gpus != 0 && strcmp(facility->backend, "rootfs") == 0)
            berth_log(BERTH_LOG_WARNING,
                      "[facility %s] app_gpus is without effect: an app of a root file system is "
                      "given no GPU",
                      facility->id);
    }
}

struct berth_store_config berth_config_store(const struct berth_config *config)
{
    struct berth_store_config store = {.data_dir = config->data_dir, .fallback = config->fallback};
    store.postgres.conninfo = config->postgres;
    store.postgres.password = config->db_password;
    if (!config->postgres) {
        store.postgres.host = config->db_host;
        store.postgres.port = config->db_port;
        store.postgres.user = config->db_user;
        store.postgres.database = config->db_name;
    }
    return store;
}

static bool is_local(const char *listener)
{
    return strncmp(listener, "127.", 4) == 0 || strncmp(listener, "[::1]", 5) == 0 ||
           strncmp(listener, "localhost:", 10) == 0 || strncmp(listener, "unix:", 5) == 0;
}

bool berth_config_is_local(const struct berth_config *config)
{
    for (size_t i = 0; i < config->listen.count; i++)
        if (!is_local(config->listen.items[i]))
            return false;
    return !config->listen_tls || is_local(config->listen_tls);
}
