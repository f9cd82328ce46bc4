/* SPDX-License-Identifier: MIT */
#include "gateway/config_keys.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define PATH_LENGTH 4096
#define MAX_BYTES   INT64_C(1099511627776) /* 1 TiB: more is a slip of the pen */

static const char *const auth_words[] = {"users", "open", NULL};
static const char *const policy_words[] = {"approval", "open", NULL};
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};

#define AT(member)       offsetof(struct berth_config, member)
#define FACILITY(member) offsetof(struct berth_facility_config, member)

/* clang-format off */
static const struct berth_config_key gateway_keys[] = {
    {"listen",          BERTH_CONFIG_STRINGS, AT(listen),          0, 256, "127.0.0.1:8080", NULL},
    {"listen_tls",      BERTH_CONFIG_STRING,  AT(listen_tls),      1, 256, NULL, NULL},
    {"tls_cert",        BERTH_CONFIG_STRING,  AT(tls_cert),        1, PATH_LENGTH, NULL, NULL},
    {"tls_key",         BERTH_CONFIG_STRING,  AT(tls_key),         1, PATH_LENGTH, NULL, NULL},
    {"tls_client_ca",   BERTH_CONFIG_STRING,  AT(tls_client_ca),   1, PATH_LENGTH, NULL, NULL},
    {"data_dir",        BERTH_CONFIG_STRING,  AT(data_dir),        1, PATH_LENGTH, "/var/lib/berth", NULL},
    {"worker_threads",  BERTH_CONFIG_INT,     AT(worker_threads),  2, 4096, "256", NULL},
    {"root_facility",   BERTH_CONFIG_STRING,  AT(root_facility),   1, BERTH_FACILITY_ID_MAX, NULL, NULL},
    {"cors_origins",    BERTH_CONFIG_STRINGS, AT(cors_origins),    1, 256, NULL, NULL},
    {"trusted_proxies", BERTH_CONFIG_STRINGS, AT(trusted_proxies), 1, 64, NULL, NULL},
    {"allow_open",      BERTH_CONFIG_BOOL,    AT(allow_open),      0, 1, "no", NULL},
    {"env_file",        BERTH_CONFIG_STRING,  AT(env_file),        1, PATH_LENGTH, NULL, NULL},
    {"development",     BERTH_CONFIG_BOOL,    AT(development),     0, 1, "no", NULL},
};

static const struct berth_config_key store_keys[] = {
    {"postgres", BERTH_CONFIG_STRING, AT(postgres), 1, 1024, NULL, NULL},
    {"fallback", BERTH_CONFIG_BOOL,   AT(fallback), 0, 1, "yes", NULL},
};

static const struct berth_config_key limits_keys[] = {
    {"requests_per_second", BERTH_CONFIG_INT,     AT(requests_per_second), 0, 1000000, "0", NULL},
    {"burst",               BERTH_CONFIG_INT,     AT(burst),               1, 1000000, "100", NULL},
    {"max_body_bytes",      BERTH_CONFIG_SIZE,    AT(max_body_bytes),      1024, 1 << 30, "64k", NULL},
    {"max_upload_bytes",    BERTH_CONFIG_SIZE,    AT(max_upload_bytes),    0, MAX_BYTES, "0", NULL},
    {"request_timeout_s",   BERTH_CONFIG_SECONDS, AT(request_timeout_ms),  1, 3600, "30", NULL},
};

static const struct berth_config_key uptime_keys[] = {
    {"sample_interval_s", BERTH_CONFIG_INT, AT(uptime.sample_interval_s), 1, 86400, "600", NULL},
    {"retention_days",    BERTH_CONFIG_INT, AT(uptime.retention_days),    1, 36500, "400", NULL},
};

static const struct berth_config_key log_keys[] = {
    {"level",     BERTH_CONFIG_WORD,   AT(log_level),     0, 0, "info", level_words},
    {"file",      BERTH_CONFIG_STRING, AT(log_file),      1, PATH_LENGTH, NULL, NULL},
    {"max_bytes", BERTH_CONFIG_SIZE,   AT(log_max_bytes), 4096, MAX_BYTES, "64m", NULL},
    {"keep",      BERTH_CONFIG_INT,    AT(log_keep),      0, 100, "5", NULL},
};

static const struct berth_config_key facility_keys[] = {
    {"title",             BERTH_CONFIG_STRING, FACILITY(title),               0, 200, "", NULL},
    {"backend",           BERTH_CONFIG_STRING, FACILITY(backend),             1, 32, "solo", NULL},
    {"engine",            BERTH_CONFIG_STRING, FACILITY(engine.engine),       1, 512, "unix:///var/run/docker.sock", NULL},
    {"tls_ca",            BERTH_CONFIG_STRING, FACILITY(engine.tls_ca),       1, PATH_LENGTH, NULL, NULL},
    {"tls_cert",          BERTH_CONFIG_STRING, FACILITY(engine.tls_cert),     1, PATH_LENGTH, NULL, NULL},
    {"tls_key",           BERTH_CONFIG_STRING, FACILITY(engine.tls_key),      1, PATH_LENGTH, NULL, NULL},
    {"auth",              BERTH_CONFIG_WORD,   FACILITY(auth),                0, 0, "users", auth_words},
    {"image_policy",      BERTH_CONFIG_WORD,   FACILITY(image_policy),        0, 0, "approval", policy_words},
    {"adopt",             BERTH_CONFIG_BOOL,   FACILITY(engine.adopt),        0, 1, "no", NULL},
    {"default_user_uid",  BERTH_CONFIG_STRING, FACILITY(default_user_uid),    1, 32, NULL, NULL},
    {"max_apps_per_user", BERTH_CONFIG_INT,    FACILITY(max_apps_per_user),   0, 100000, "0", NULL},
    {"app_cpus",          BERTH_CONFIG_CPUS,   FACILITY(cpu_nano),            0, 4096, "0", NULL},
    {"app_memory_bytes",  BERTH_CONFIG_SIZE,   FACILITY(memory_bytes),        0, MAX_BYTES, "0", NULL},
    {"app_pids",          BERTH_CONFIG_INT,    FACILITY(pids),                0, 4194304, "4096", NULL},
    {"app_gpus",          BERTH_CONFIG_INT,    FACILITY(gpus),                -1, 1024, "0", NULL},
    {"max_inflight",      BERTH_CONFIG_INT,    FACILITY(engine.max_inflight), 1, 4096, "32", NULL},
    {"memory_apps",       BERTH_CONFIG_INT,    FACILITY(engine.memory.app_count), 0, 1000000, "0", NULL},
    {"memory_delay_ms",   BERTH_CONFIG_INT,    FACILITY(engine.memory.verb_delay_ms), 0, 600000, "0", NULL},
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
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    return NULL;
}

/* ---- Values ---- */

static int set_string(const struct berth_config_key *key, char **slot, const char *value,
                      struct berth_error *err)
{
    size_t len = strlen(value);
    if (len < (size_t)key->min || len > (size_t)key->max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be %" PRId64 " to %" PRId64 " characters long", key->min,
                               key->max);
    char *copy = berth_text_dup(value);
    if (!copy)
        return berth_error_nomem(err);
    free(*slot);
    *slot = copy;
    return 0;
}

static int add_to_strings(const struct berth_config_key *key, struct berth_strings *list,
                          const char *value, struct berth_error *err)
{
    char *copy = NULL;
    int r = set_string(key, &copy, value, err);
    if (r < 0)
        return r;
    char **grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
    if (!grown) {
        free(copy);
        return berth_error_nomem(err);
    }
    list->items = grown;
    list->items[list->count++] = copy;
    return 0;
}

static int parse_int(const struct berth_config_key *key, const char *value, int64_t *ret_number,
                     struct berth_error *err)
{
    if (berth_text_parse_int(value, key->min, key->max, ret_number, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a whole number from %" PRId64 " to %" PRId64, key->min,
                               key->max);
    return 0;
}

static int parse_size(const struct berth_config_key *key, const char *value, int64_t *ret_bytes,
                      struct berth_error *err)
{
    int64_t bytes = 0;
    bool is_zero = strcmp(value, "0") == 0;
    if ((!is_zero && berth_text_parse_size(value, &bytes, NULL) < 0) || bytes < key->min ||
        bytes > key->max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a size such as 64k, 10m or 2g, from %" PRId64 " to %" PRId64
                               " bytes",
                               key->min, key->max);
    *ret_bytes = bytes;
    return 0;
}

/* Digits, a point and up to nine digits: no floating point, so that 0.1 is exact. */
static int parse_cpus(const struct berth_config_key *key, const char *value, int64_t *ret_nano,
                      struct berth_error *err)
{
    int64_t nano = 0;
    int64_t unit = BERTH_NS_PER_S;
    size_t whole = strspn(value, "0123456789");
    size_t fraction = value[whole] == '.' ? strspn(value + whole + 1, "0123456789") : 0;
    size_t len = whole + (value[whole] == '.' ? 1 + fraction : 0);
    bool valid = whole > 0 && whole <= 4 && fraction <= 9 && value[len] == '\0';
    for (size_t i = 0; valid && i < whole; i++)
        nano = nano * 10 + (value[i] - '0') * BERTH_NS_PER_S;
    for (size_t i = 0; valid && i < fraction; i++)
        nano += (value[whole + 1 + i] - '0') * (unit /= 10);
    if (!valid || nano > key->max * BERTH_NS_PER_S)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a number of CPUs such as 1.5, up to %" PRId64, key->max);
    *ret_nano = nano;
    return 0;
}

static int parse_word(const struct berth_config_key *key, const char *value, int *ret_index,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf list = BERTH_STRBUF_INIT(256);
    for (int i = 0; key->words[i]; i++) {
        if (strcmp(key->words[i], value) == 0) {
            *ret_index = i;
            return 0;
        }
        berth_strbuf_addf(&list, "%s%s", i ? ", " : "", key->words[i]);
    }
    return berth_error_set(err, BERTH_E_INVALID, "must be one of %s", berth_strbuf_str(&list));
}

int berth_config_set(const struct berth_config_key *key, void *target, const char *value,
                     struct berth_error *err)
{
    void *slot = (char *)target + key->offset;
    int64_t number = 0;
    int r = 0;
    switch (key->type) {
    case BERTH_CONFIG_STRING:
        return set_string(key, slot, value, err);
    case BERTH_CONFIG_STRINGS:
        return add_to_strings(key, slot, value, err);
    case BERTH_CONFIG_WORD:
        return parse_word(key, value, slot, err);
    case BERTH_CONFIG_BOOL:
        if (berth_text_parse_bool(value, slot, NULL) < 0)
            return berth_error_set(err, BERTH_E_INVALID, "must be yes or no");
        return 0;
    case BERTH_CONFIG_INT:
        r = parse_int(key, value, &number, err);
        break;
    case BERTH_CONFIG_SECONDS:
        r = parse_int(key, value, &number, err);
        number *= 1000;
        break;
    case BERTH_CONFIG_SIZE:
        r = parse_size(key, value, &number, err);
        break;
    case BERTH_CONFIG_CPUS:
        r = parse_cpus(key, value, &number, err);
        break;
    }
    if (r == 0)
        memcpy(slot, &number, sizeof(number));
    return r;
}

int berth_config_set_defaults(const struct berth_config_section *section, void *target,
                              struct berth_error *err)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct berth_config_key *key = &section->keys[i];
        /* A repeatable key has its default only where the file names none. */
        if (!key->otherwise || key->type == BERTH_CONFIG_STRINGS)
            continue;
        int r = berth_config_set(key, target, key->otherwise, err);
        if (r < 0)
            return berth_error_wrap(err, "default of %s", key->name);
    }
    return 0;
}

void berth_config_release(const struct berth_config_section *section, void *target)
{
    for (size_t i = 0; i < section->count; i++) {
        void *slot = (char *)target + section->keys[i].offset;
        if (section->keys[i].type == BERTH_CONFIG_STRING) {
            free(*(char **)slot);
        } else if (section->keys[i].type == BERTH_CONFIG_STRINGS) {
            struct berth_strings *list = slot;
            for (size_t n = 0; n < list->count; n++)
                free(list->items[n]);
            free(list->items);
        }
    }
}
