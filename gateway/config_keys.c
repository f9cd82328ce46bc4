/* SPDX-License-Identifier: MIT */
#include "gateway/config_keys.h"

#include "gateway/config_values.h"

#include <string.h>

#define PATH_LENGTH 4096
#define MAX_BYTES   INT64_C(1099511627776) /* 1 TiB: more is a slip of the pen */

static const char *const auth_words[] = {"users", "open", NULL};
static const char *const policy_words[] = {"approval", "open", NULL};
static const char *const swarm_words[] = {"job", "service", NULL};
static const char *const rootfs_words[] = {"overlay", "readonly", NULL};
static const char *const network_words[] = {"none", "host", NULL};
static const char *const requests_words[] = {"none", "minirun", "all", NULL};
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};

#define AT(member)       offsetof(struct berth_config, member)
#define FACILITY(member) offsetof(struct berth_facility_config, member)

#define RELOAD  BERTH_CONFIG_RELOAD
#define REOPEN  BERTH_CONFIG_REOPEN
#define RESTART BERTH_CONFIG_RESTART

/* clang-format off */
static const struct berth_config_key gateway_keys[] = {
    {"listen",          BERTH_CONFIG_STRINGS, AT(listen),          0, 256, "127.0.0.1:8080", NULL, berth_config_check_listener, RESTART},
    {"listen_tls",      BERTH_CONFIG_STRING,  AT(listen_tls),      1, 256, NULL, NULL, berth_config_check_tls_listener, RESTART},
    {"tls_cert",        BERTH_CONFIG_STRING,  AT(tls_cert),        1, PATH_LENGTH, NULL, NULL, NULL, RESTART},
    {"tls_key",         BERTH_CONFIG_STRING,  AT(tls_key),         1, PATH_LENGTH, NULL, NULL, NULL, RESTART},
    {"tls_client_ca",   BERTH_CONFIG_STRING,  AT(tls_client_ca),   1, PATH_LENGTH, NULL, NULL, NULL, RESTART},
    {"data_dir",        BERTH_CONFIG_STRING,  AT(data_dir),        1, PATH_LENGTH, "/var/lib/berth", NULL, NULL, RESTART},
    {"worker_threads",  BERTH_CONFIG_INT,     AT(worker_threads),  2, 4096, "256", NULL, NULL, RESTART},
    {"root_facility",   BERTH_CONFIG_STRING,  AT(root_facility),   1, BERTH_FACILITY_ID_MAX, NULL, NULL, NULL, RELOAD},
    {"cors_origins",    BERTH_CONFIG_STRINGS, AT(cors_origins),    1, 256, NULL, NULL, berth_config_check_origin, RELOAD},
    {"trusted_proxies", BERTH_CONFIG_STRINGS, AT(trusted_proxies), 1, 64, NULL, NULL, berth_config_check_proxy, RELOAD},
    {"allow_open",      BERTH_CONFIG_BOOL,    AT(allow_open),      0, 1, "no", NULL, NULL, RELOAD},
    {"env_file",        BERTH_CONFIG_STRING,  AT(env_file),        1, PATH_LENGTH, NULL, NULL, NULL, RELOAD},
    {"development",     BERTH_CONFIG_BOOL,    AT(development),     0, 1, "no", NULL, NULL, RESTART},
};

static const struct berth_config_key store_keys[] = {
    {"postgres", BERTH_CONFIG_STRING, AT(postgres), 1, 1024, NULL, NULL, berth_store_check_conninfo, RESTART},
    {"fallback", BERTH_CONFIG_BOOL,   AT(fallback), 0, 1, "yes", NULL, NULL, RESTART},
};

static const struct berth_config_key limits_keys[] = {
    {"requests_per_second", BERTH_CONFIG_INT,     AT(requests_per_second), 0, 1000000, "0", NULL, NULL, RELOAD},
    {"burst",               BERTH_CONFIG_INT,     AT(burst),               1, 1000000, "100", NULL, NULL, RELOAD},
    {"max_body_bytes",      BERTH_CONFIG_SIZE,    AT(max_body_bytes),      1024, 1 << 30, "64k", NULL, NULL, RELOAD},
    {"max_upload_bytes",    BERTH_CONFIG_SIZE,    AT(max_upload_bytes),    0, MAX_BYTES, "0", NULL, NULL, RELOAD},
    {"request_timeout_s",   BERTH_CONFIG_SECONDS, AT(request_timeout_ms),  1, 3600, "30", NULL, NULL, REOPEN},
    {"drain_timeout_s",     BERTH_CONFIG_SECONDS, AT(drain_timeout_ms),    1, 3600, "60", NULL, NULL, RELOAD},
};

static const struct berth_config_key uptime_keys[] = {
    {"sample_interval_s", BERTH_CONFIG_INT, AT(uptime.sample_interval_s), 1, 86400, "600", NULL, NULL, RELOAD},
    {"retention_days",    BERTH_CONFIG_INT, AT(uptime.retention_days),    1, 36500, "400", NULL, NULL, RELOAD},
};

static const struct berth_config_key log_keys[] = {
    {"level",     BERTH_CONFIG_WORD,   AT(log_level),     0, 0, "info", level_words, NULL, RELOAD},
    {"file",      BERTH_CONFIG_STRING, AT(log_file),      1, PATH_LENGTH, NULL, NULL, NULL, RELOAD},
    {"max_bytes", BERTH_CONFIG_SIZE,   AT(log_max_bytes), 4096, MAX_BYTES, "64m", NULL, NULL, RELOAD},
    {"keep",      BERTH_CONFIG_INT,    AT(log_keep),      0, 100, "5", NULL, NULL, RELOAD},
    {"requests",  BERTH_CONFIG_WORD,   AT(log_requests),  0, 0, "minirun", requests_words, NULL, RELOAD},
};

static const struct berth_config_key facility_keys[] = {
    {"title",             BERTH_CONFIG_STRING, FACILITY(title),               0, 200, "", NULL, NULL, RELOAD},
    {"backend",           BERTH_CONFIG_STRING, FACILITY(backend),             1, 32, "solo", NULL, berth_config_check_backend, REOPEN},
    {"engine",            BERTH_CONFIG_STRING, FACILITY(engine.engine),       1, 512, "unix:///var/run/docker.sock", NULL, berth_config_check_engine, REOPEN},
    {"tls_ca",            BERTH_CONFIG_STRING, FACILITY(engine.tls_ca),       1, PATH_LENGTH, NULL, NULL, NULL, REOPEN},
    {"tls_cert",          BERTH_CONFIG_STRING, FACILITY(engine.tls_cert),     1, PATH_LENGTH, NULL, NULL, NULL, REOPEN},
    {"tls_key",           BERTH_CONFIG_STRING, FACILITY(engine.tls_key),      1, PATH_LENGTH, NULL, NULL, NULL, REOPEN},
    {"auth",              BERTH_CONFIG_WORD,   FACILITY(auth),                0, 0, "users", auth_words, NULL, RELOAD},
    {"image_policy",      BERTH_CONFIG_WORD,   FACILITY(image_policy),        0, 0, "approval", policy_words, NULL, RELOAD},
    {"adopt",             BERTH_CONFIG_BOOL,   FACILITY(engine.adopt),        0, 1, "no", NULL, NULL, REOPEN},
    {"default_user_uid",  BERTH_CONFIG_STRING, FACILITY(default_user_uid),    1, 32, NULL, NULL, berth_config_check_uid, RELOAD},
    {"max_apps_per_user", BERTH_CONFIG_INT,    FACILITY(max_apps_per_user),   0, 100000, "0", NULL, NULL, RELOAD},
    {"app_cpus",          BERTH_CONFIG_CPUS,   FACILITY(cpu_nano),            0, 4096, "0", NULL, NULL, RELOAD},
    {"app_memory_bytes",  BERTH_CONFIG_SIZE,   FACILITY(memory_bytes),        0, MAX_BYTES, "0", NULL, NULL, RELOAD},
    {"app_pids",          BERTH_CONFIG_INT,    FACILITY(pids),                0, 4194304, "4096", NULL, NULL, RELOAD},
    {"app_gpus",          BERTH_CONFIG_INT,    FACILITY(gpus),                -1, 1024, "0", NULL, NULL, RELOAD},
    {"node.HOSTNAME",     BERTH_CONFIG_NODES,  FACILITY(engine.nodes),        1, 512, NULL, NULL, berth_config_check_node, REOPEN},
    {"swarm_mode",        BERTH_CONFIG_WORD,   FACILITY(engine.swarm_mode),   0, 0, "job", swarm_words, NULL, REOPEN},
    {"compose",           BERTH_CONFIG_STRING, FACILITY(engine.compose),      1, PATH_LENGTH, NULL, NULL, NULL, REOPEN},
    {"rootfs",            BERTH_CONFIG_STRING, FACILITY(engine.rootfs.rootfs), 1, PATH_LENGTH, NULL, NULL, berth_config_check_path, REOPEN},
    {"rootfs_roots",      BERTH_CONFIG_STRINGS, FACILITY(engine.rootfs.roots), 1, PATH_LENGTH, NULL, NULL, berth_config_check_path, REOPEN},
    {"rootfs_mode",       BERTH_CONFIG_WORD,   FACILITY(engine.rootfs.mode),  0, 0, "overlay", rootfs_words, NULL, REOPEN},
    {"runtime",           BERTH_CONFIG_STRING, FACILITY(engine.rootfs.runtime), 1, PATH_LENGTH, NULL, NULL, berth_config_check_path, REOPEN},
    {"command",           BERTH_CONFIG_STRING, FACILITY(engine.rootfs.command), 1, BERTH_COMMAND_MAX, "/bin/bash", NULL, berth_config_check_command, REOPEN},
    {"network",           BERTH_CONFIG_WORD,   FACILITY(engine.rootfs.network), 0, 0, "none", network_words, NULL, REOPEN},
    {"userns",            BERTH_CONFIG_STRING, FACILITY(engine.rootfs.userns), 1, 32, "none", NULL, berth_config_check_userns, REOPEN},
    {"seccomp",           BERTH_CONFIG_STRING, FACILITY(engine.rootfs.seccomp), 1, PATH_LENGTH, NULL, NULL, berth_config_check_path, REOPEN},
    {"max_inflight",      BERTH_CONFIG_INT,    FACILITY(engine.max_inflight), 1, 4096, "32", NULL, NULL, REOPEN},
    {"memory_apps",       BERTH_CONFIG_INT,    FACILITY(engine.memory.app_count), 0, 1000000, "0", NULL, NULL, REOPEN},
    {"memory_delay_ms",   BERTH_CONFIG_INT,    FACILITY(engine.memory.verb_delay_ms), 0, 600000, "0", NULL, NULL, REOPEN},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct berth_config_section berth_config_sections[] = {
    {"gateway", gateway_keys, COUNT(gateway_keys)},
    {"store", store_keys, COUNT(store_keys)},
    {"limits", limits_keys, COUNT(limits_keys)},
    {"uptime", uptime_keys, COUNT(uptime_keys)},
    {"log", log_keys, COUNT(log_keys)},
    {"facility", facility_keys, COUNT(facility_keys)},
};
const size_t berth_config_section_count = COUNT(berth_config_sections);

const struct berth_config_section *berth_config_find_section(const char *name, size_t len)
{
    for (size_t i = 0; i < berth_config_section_count; i++) {
        const char *known = berth_config_sections[i].name;
        if (strncmp(known, name, len) == 0 && known[len] == '\0')
            return &berth_config_sections[i];
    }
    return NULL;
}

const struct berth_config_key *berth_config_find_key(const struct berth_config_section *section,
                                                     const char *name)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct berth_config_key *key = &section->keys[i];
        size_t fixed = key->type == BERTH_CONFIG_NODES ? strcspn(key->name, ".") + 1 : SIZE_MAX;
        if (strncmp(key->name, name, fixed) == 0)
            return key;
    }
    return NULL;
}
