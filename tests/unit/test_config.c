/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/limits.h"
#include "gateway/config_values.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Values ---- */

static const struct berth_config_key *key_of(const char *section_name, const char *name)
{
    const struct berth_config_section *section =
        berth_config_find_section(section_name, strlen(section_name));
    ck_assert_ptr_nonnull(section);
    const struct berth_config_key *key = berth_config_find_key(section, name);
    ck_assert_msg(key != NULL, "%s", name);
    return key;
}

/* What the key's slot holds after value was written to it, or the status. */
static int set_number(const struct berth_config_key *key, const char *value, int64_t *ret_number,
                      struct berth_error *err)
{
    union {
        struct berth_config config;
        struct berth_facility_config facility;
        char bytes[sizeof(struct berth_config) + sizeof(struct berth_facility_config)];
    } target;
    memset(&target, 0, sizeof(target));
    int r = berth_config_set(key, &target, value, err);
    const void *slot = target.bytes + key->offset;
    if (key->type == BERTH_CONFIG_BOOL)
        *ret_number = *(const bool *)slot;
    else if (key->type == BERTH_CONFIG_WORD)
        *ret_number = *(const int *)slot;
    else
        memcpy(ret_number, slot, sizeof(*ret_number));
    return r;
}

START_TEST(numbers)
{
    static const struct {
        const char *section;
        const char *key;
        const char *value;
        int64_t number; /* -1: refused */
    } rows[] = {
        {"gateway", "worker_threads", "2", 2},
        {"gateway", "worker_threads", "0002", 2},
        {"gateway", "worker_threads", "", -1},
        {"gateway", "worker_threads", " 2", -1},
        {"gateway", "worker_threads", "+2", -1},
        {"gateway", "worker_threads", "2.0", -1},
        {"gateway", "worker_threads", "0x10", -1},
        {"gateway", "worker_threads", "99999999999999999999", -1},
        {"facility", "app_gpus", "0", 0},
        {"limits", "request_timeout_s", "30", 30000},
        {"limits", "request_timeout_s", "30s", -1},
        {"limits", "max_body_bytes", "64k", 65536},
        {"limits", "max_body_bytes", "64K", 65536},
        {"limits", "max_body_bytes", "64kb", 65536},
        {"limits", "max_body_bytes", "1g", INT64_C(1) << 30},
        {"limits", "max_body_bytes", "2g", -1},
        {"limits", "max_body_bytes", "64 k", -1},
        {"limits", "max_body_bytes", "-1", -1},
        {"limits", "max_body_bytes", "99999999999999999999g", -1},
        {"limits", "max_upload_bytes", "0", 0},
        {"facility", "app_cpus", "0", 0},
        {"facility", "app_cpus", "1", 1000000000},
        {"facility", "app_cpus", "1.", 1000000000},
        {"facility", "app_cpus", "0.1", 100000000},
        {"facility", "app_cpus", "1.5", 1500000000},
        {"facility", "app_cpus", "0.000000001", 1},
        {"facility", "app_cpus", "0.0000000001", -1},
        {"facility", "app_cpus", "4096.000000001", -1},
        {"facility", "app_cpus", ".5", -1},
        {"facility", "app_cpus", "1,5", -1},
        {"facility", "app_cpus", "1e3", -1},
        {"facility", "app_cpus", "-1", -1},
        {"facility", "app_cpus", "", -1},
        {"gateway", "allow_open", "yes", 1},
        {"gateway", "allow_open", "true", 1},
        {"gateway", "allow_open", "on", 1},
        {"gateway", "allow_open", "1", 1},
        {"gateway", "allow_open", "no", 0},
        {"gateway", "allow_open", "false", 0},
        {"gateway", "allow_open", "off", 0},
        {"gateway", "allow_open", "0", 0},
        {"gateway", "allow_open", "maybe", -1},
        {"gateway", "allow_open", "", -1},
        {"facility", "auth", "users", BERTH_AUTH_USERS},
        {"facility", "auth", "open", BERTH_AUTH_OPEN},
        {"facility", "auth", "Open", -1},
        {"facility", "auth", "", -1},
        {"facility", "image_policy", "approval", BERTH_IMAGES_APPROVAL},
        {"facility", "image_policy", "open", BERTH_IMAGES_OPEN},
        {"log", "level", "debug", BERTH_LOG_DEBUG},
        {"log", "level", "error", BERTH_LOG_ERROR},
        {"log", "level", "loud", -1},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int64_t number = 0;
        int r = set_number(key_of(rows[i].section, rows[i].key), rows[i].value, &number, &err);
        ck_assert_msg(r == (rows[i].number < 0 ? BERTH_E_INVALID : 0), "%s = %s: %s", rows[i].key,
                      rows[i].value, err.message);
        ck_assert_msg(r < 0 || number == rows[i].number, "%s = %s is %" PRId64, rows[i].key,
                      rows[i].value, number);
        ck_assert_msg(r == 0 || number == 0, "%s = %s was refused, but written", rows[i].key,
                      rows[i].value);
    }
}
END_TEST

/* Tries a number at a bound of the key, and one past it. */
static void check_bound(const struct berth_config_key *key, int64_t bound, int64_t past)
{
    static const int64_t scales[] = {
        [BERTH_CONFIG_INT] = 1,
        [BERTH_CONFIG_SECONDS] = 1000,
        [BERTH_CONFIG_SIZE] = 1,
        [BERTH_CONFIG_CPUS] = BERTH_NS_PER_S,
    };
    struct berth_error err = BERTH_ERROR_INIT;
    char text[32];
    int64_t number = 0;
    (void)snprintf(text, sizeof(text), "%" PRId64, bound);
    ck_assert_msg(set_number(key, text, &number, &err) == 0, "%s = %s: %s", key->name, text,
                  err.message);
    ck_assert_msg(number == bound * scales[key->type], "%s = %s is %" PRId64, key->name, text,
                  number);
    (void)snprintf(text, sizeof(text), "%" PRId64, past);
    ck_assert_msg(set_number(key, text, &number, &err) == BERTH_E_INVALID, "%s = %s was taken",
                  key->name, text);
    ck_assert_msg(strncmp(err.message, "must be ", 8) == 0, "%s: %s", key->name, err.message);
}

static void check_length(const struct berth_config_key *key, size_t len, bool fits)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_config_key plain = *key;
    char *text = NULL;
    char *slot[2] = {NULL};
    char *value = malloc(len + 1);
    ck_assert_ptr_nonnull(value);
    memset(value, 'x', len);
    value[len] = '\0';
    plain.type = BERTH_CONFIG_STRING;
    plain.offset = 0;
    plain.check = NULL;
    int r = berth_config_set(&plain, slot, value, &err);
    text = slot[0];
    ck_assert_msg(r == (fits ? 0 : BERTH_E_INVALID), "%s of %zu bytes: %s", key->name, len,
                  err.message);
    ck_assert(fits ? strcmp(text, value) == 0 : !text);
    free(text);
    free(value);
}

START_TEST(every_key_at_its_bounds_and_past_them)
{
    for (size_t s = 0; s < berth_config_section_count; s++) {
        for (size_t k = 0; k < berth_config_sections[s].count; k++) {
            const struct berth_config_key *key = &berth_config_sections[s].keys[k];
            switch (key->type) {
            case BERTH_CONFIG_INT:
            case BERTH_CONFIG_SECONDS:
            case BERTH_CONFIG_SIZE:
            case BERTH_CONFIG_CPUS:
                check_bound(key, key->min, key->min - 1);
                check_bound(key, key->max, key->max + 1);
                break;
            case BERTH_CONFIG_STRING:
            case BERTH_CONFIG_STRINGS:
                check_length(key, (size_t)key->min, true);
                check_length(key, (size_t)key->max, true);
                check_length(key, (size_t)key->max + 1, false);
                if (key->min > 0)
                    check_length(key, (size_t)key->min - 1, false);
                break;
            case BERTH_CONFIG_BOOL:
            case BERTH_CONFIG_WORD:
                break; /* all of their values: above */
            case BERTH_CONFIG_NODES:
                break; /* needs a hostname: below */
            }
        }
    }
}
END_TEST

START_TEST(texts_with_a_form_of_their_own)
{
    static const struct {
        int (*check)(const char *value, struct berth_error *err);
        const char *value;
        bool fits;
    } rows[] = {
        {berth_config_check_listener, "127.0.0.1:8080", true},
        {berth_config_check_listener, "0.0.0.0:1", true},
        {berth_config_check_listener, "[::1]:65535", true},
        {berth_config_check_listener, "[::]:80", true},
        {berth_config_check_listener, "localhost:80", true},
        {berth_config_check_listener, "unix:/run/berth.sock", true},
        {berth_config_check_listener, "unix:run/berth.sock", false},
        {berth_config_check_listener, "unix:/run/a,0.0.0.0:80", false},
        {berth_config_check_listener, "unix:/run/a:b", false},
        {berth_config_check_listener, "unix:", false},
        {berth_config_check_listener, "", true},
        {berth_config_check_tls_listener, "[::]:8443", true},
        {berth_config_check_tls_listener, "unix:/run/berth.sock", false},
        {berth_config_check_tls_listener, "", false},
        {berth_config_check_listener, "8080", false},
        {berth_config_check_listener, "+8080", false},
        {berth_config_check_listener, ":8080", false},
        {berth_config_check_listener, "127.0.0.1", false},
        {berth_config_check_listener, "127.0.0.1:", false},
        {berth_config_check_listener, "127.0.0.1:0", false},
        {berth_config_check_listener, "127.0.0.1:65536", false},
        {berth_config_check_listener, "127.0.0.1:80s", false},
        {berth_config_check_listener, "127.0.0.1:80,0.0.0.0:81", false},
        {berth_config_check_listener, "0.0.0.0:81,127.0.0.1:80", false},
        {berth_config_check_listener, "127.0.0.256:80", false},
        {berth_config_check_listener, "127.evil.example:80", false},
        {berth_config_check_listener, "example.org:80", false},
        {berth_config_check_listener, "::1:80", false},
        {berth_config_check_listener, "[::1:80", false},
        {berth_config_check_listener, "[]:80", false},
        {berth_config_check_listener, "http://127.0.0.1:80", false},
        {berth_config_check_origin, "https://portal.example.org", true},
        {berth_config_check_origin, "http://intra:8443", true},
        {berth_config_check_origin, "http://[::1]:3000", true},
        {berth_config_check_origin, "http://[::1]", true},
        {berth_config_check_origin, "*", false},
        {berth_config_check_origin, "null", false},
        {berth_config_check_origin, "portal.example.org", false},
        {berth_config_check_origin, "https://", false},
        {berth_config_check_origin, "https://:80", false},
        {berth_config_check_origin, "https://portal.example.org/", false},
        {berth_config_check_origin, "https://Portal.example.org", false},
        {berth_config_check_origin, "https://portal.example.org:0", false},
        {berth_config_check_origin, "https://a, https://b", false},
        {berth_config_check_origin, "ftp://portal.example.org", false},
        {berth_config_check_backend, "solo", true},
        {berth_config_check_backend, "memory", true},
        {berth_config_check_backend, "Solo", false},
        {berth_config_check_backend, "", false},
        {berth_config_check_engine, "unix:///var/run/docker.sock", true},
        {berth_config_check_engine, "tcp://host:2376", true},
        {berth_config_check_engine, "unix://var/run/docker.sock", false},
        {berth_config_check_engine, "/var/run/docker.sock", false},
        {berth_config_check_engine, "http://host:2375", false},
        {berth_config_check_engine, "tcp://", false},
        {berth_config_check_node, "unix:///var/run/docker.sock", true},
        {berth_config_check_node, "tcp://host:2376", true},
        {berth_config_check_node, "agent", true},
        {berth_config_check_node, "agent:1", true},
        {berth_config_check_node, "agent:65535", true},
        {berth_config_check_node, "agent:0", false},
        {berth_config_check_node, "agent:65536", false},
        {berth_config_check_node, "agent:", false},
        {berth_config_check_node, "agent:x", false},
        {berth_config_check_node, "agent:1:2", false},
        {berth_config_check_node, "agents", false},
        {berth_config_check_node, "Agent", false},
        {berth_config_check_node, "host", false},
        {berth_config_check_node, "", false},
        {berth_config_check_uid, "0", true},
        {berth_config_check_uid, "1000:1000", true},
        {berth_config_check_uid, "2147483647:2147483647", true},
        {berth_config_check_uid, "2147483648", false},
        {berth_config_check_uid, "0:2147483648", false},
        {berth_config_check_uid, "99999999999999999999", false},
        {berth_config_check_uid, "", false},
        {berth_config_check_uid, ":", false},
        {berth_config_check_uid, "1:", false},
        {berth_config_check_uid, ":1", false},
        {berth_config_check_uid, "1:2:3", false},
        {berth_config_check_uid, "-1", false},
        {berth_config_check_uid, "root", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int r = rows[i].check(rows[i].value, &err);
        ck_assert_msg(r == (rows[i].fits ? 0 : BERTH_E_INVALID), "'%s': %d %s", rows[i].value, r,
                      err.message);
        ck_assert(rows[i].fits || strncmp(err.message, "must be ", 8) == 0);
    }
}
END_TEST

START_TEST(texts_of_root_file_systems)
{
    static const struct {
        int (*check)(const char *value, struct berth_error *err);
        const char *value;
        const char *why; /* NULL: it fits */
    } rows[] = {
        {berth_config_check_path, "/srv/roots", NULL},
        {berth_config_check_path, "/", NULL},
        {berth_config_check_path, "srv/roots", "must be an absolute path"},
        {berth_config_check_path, "", "must be an absolute path"},
        {berth_config_check_userns, "none", NULL},
        {berth_config_check_userns, "100000:65536", NULL},
        {berth_config_check_userns, "0:65536",
         "must be none or HOSTUID:COUNT, such as 100000:65536, with a COUNT of at least 65536"},
        {berth_config_check_command, "sh -c 'sleep 1'", NULL},
        {berth_config_check_command, "sh -c 'sleep 1", "ends within quotes"},
        {berth_config_check_command, " ", "must name a program"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int r = rows[i].check(rows[i].value, &err);
        ck_assert_msg(r == (rows[i].why ? BERTH_E_INVALID : 0), "'%s': %d", rows[i].value, r);
        ck_assert_str_eq(err.message, rows[i].why ? rows[i].why : "");
    }
}
END_TEST

/* The longest path that the server can take, as civetweb writes it: "x/path" below sun_path. */
START_TEST(the_path_of_a_listener_at_its_bound)
{
    char value[5 + 107 + 1];
    memset(value, 'x', sizeof(value));
    memcpy(value, "unix:/", 6);
    value[5 + 106] = '\0';
    ck_assert_int_eq(berth_config_check_listener(value, NULL), 0);
    value[5 + 106] = 'x';
    value[5 + 107] = '\0';
    ck_assert_int_eq(berth_config_check_listener(value, NULL), BERTH_E_INVALID);
}
END_TEST

/* ---- Files ---- */

/* A folder with berth.conf of that text; the path of the file, malloc'ed. */
static char *write_config(const char *text, size_t len)
{
    char *folder = unit_scratch("config");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    char *path = NULL;
    ck_assert_int_gt(asprintf(&path, "%s/berth.conf", folder), 0);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
    free(folder);
    return path;
}

static void write_beside(const char *config, const char *name, const char *text)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%.*s/%s", (int)(strrchr(config, '/') - config), config,
                   name);
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_folder_beside(const char *config, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%.*s/%s", (int)(strrchr(config, '/') - config), config,
                   name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static int load_text(const char *text, struct berth_config **ret_config, char **ret_path,
                     struct berth_error *err)
{
    char *path = write_config(text, strlen(text));
    int r = berth_config_load(path, ret_config, err);
    if (ret_path)
        *ret_path = path;
    else
        free(path);
    return r;
}

START_TEST(defaults)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(load_text("", &config, NULL, &err) == 0, "%s", err.message);
    ck_assert_uint_eq(config->listen.count, 1);
    ck_assert_str_eq(config->listen.items[0], "127.0.0.1:8080");
    ck_assert_str_eq(config->data_dir, "/var/lib/berth");
    ck_assert_str_eq(config->log_file, "/var/lib/berth/logs/actions.jsonl");
    ck_assert_int_eq(config->worker_threads, 256);
    ck_assert_int_eq(config->request_timeout_ms, 30000);
    ck_assert_int_eq(config->max_body_bytes, 65536);
    ck_assert_int_eq(config->uptime.sample_interval_s, 600);
    ck_assert_int_eq(config->uptime.retention_days, 400);
    ck_assert_int_eq(config->log_level, BERTH_LOG_INFO);
    ck_assert(!config->allow_open && !config->root_facility && !config->app_user);
    ck_assert(berth_config_is_local(config));
    ck_assert_uint_eq(config->facility_count, 0);
}
END_TEST

START_TEST(a_facility_without_keys)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    int r = load_text("[limits]\nrequest_timeout_s = 7\n[facility zero]\ntitle = 0\n"
                      "[facility one]\ntitle = 1\n[facility two]",
                      &config, NULL, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    ck_assert_uint_eq(config->facility_count, 3);
    ck_assert_str_eq(config->facilities[1].title, "1");
    const struct berth_facility_config *facility = &config->facilities[2];
    ck_assert_str_eq(facility->id, "two");
    ck_assert_str_eq(facility->backend, "solo");
    ck_assert_str_eq(facility->engine.engine, "unix:///var/run/docker.sock");
    ck_assert_str_eq(facility->engine.facility, "two");
    ck_assert_int_eq(facility->engine.request_timeout_ms, 7000);
    ck_assert_int_eq(facility->engine.max_inflight, 32);
    ck_assert_int_eq(facility->pids, 4096);
    ck_assert_int_eq(facility->auth, BERTH_AUTH_USERS);
    ck_assert_int_eq(facility->image_policy, BERTH_IMAGES_APPROVAL);
}
END_TEST

START_TEST(nodes_of_a_swarm)
{
    static const struct {
        const char *hostname, *engine;
    } expected[] = {
        {"n1", "tcp://192.0.2.1:2376"}, {"*", "agent"}, {"n2.example.org", "agent:2400"}};
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    int r = load_text("[facility a]\nbackend = swarm\nnode.n1 = tcp://192.0.2.1:2376\n"
                      "node.* = agent\nnode.n2.example.org = agent:2400\n[facility b]\n",
                      &config, NULL, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    const struct berth_node_endpoints *nodes = &config->facilities[0].engine.nodes;
    ck_assert_uint_eq(nodes->count, UNIT_COUNT(expected));
    for (size_t i = 0; i < nodes->count; i++) {
        ck_assert_str_eq(nodes->items[i].hostname, expected[i].hostname);
        ck_assert_str_eq(nodes->items[i].engine, expected[i].engine);
    }
    ck_assert_uint_eq(config->facilities[1].engine.nodes.count, 0);
}
END_TEST

START_TEST(forms_of_a_file)
{
    static const char *const texts[] = {
        "[gateway]\ndata_dir = /d\nlisten = 127.0.0.1:1\n",
        "[gateway]\ndata_dir=/d\nlisten=127.0.0.1:1",
        "[gateway]\r\ndata_dir = /d\r\nlisten = 127.0.0.1:1\r\n",
        "\xEF\xBB\xBF[gateway]\ndata_dir = /d\nlisten = 127.0.0.1:1\n",
        "# first\n\n[gateway] ; second\n  data_dir = /d ; third\n\tlisten = 127.0.0.1:1\n",
        "  [gateway]\n    data_dir = /d\n    listen = 127.0.0.1:1\n",
        "[gateway]\ndata_dir = /d\n[log]\nkeep = 1\n[gateway]\nlisten = 127.0.0.1:1\n",
        "[gateway]\ndata_dir : /d\nlisten : 127.0.0.1:1\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        BERTH_CLEANUP(config) struct berth_config *config = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(load_text(texts[i], &config, NULL, &err) == 0, "%zu: %s", i, err.message);
        ck_assert_str_eq(config->data_dir, "/d");
        ck_assert_uint_eq(config->listen.count, 1);
        ck_assert_str_eq(config->listen.items[0], "127.0.0.1:1");
    }
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *text;
        unsigned line; /* 0: the file as a whole */
        const char *reason;
    } rows[] = {
        {"x = 1\n", 1, "key x stands before the first section"},
        {"[gateway]\n[gatewya]\n", 2, "unknown section gatewya; did you mean gateway?"},
        {"[facilty demo]\n", 1, "unknown section facilty demo; did you mean facility?"},
        {"[quite different]\n", 1, "unknown section quite different"},
        {"[]\n", 1, "unknown section "},
        {"[gateway\n", 1, "a section's line must end with ]"},
        {"[facility]\n", 1, "a facility's section is written [facility ID]"},
        {"[facility ]\n", 1, "a facility id must consist of"},
        {"[facility  two]\n", 1, "a facility id must consist of"},
        {"[facility a_b]\n", 1, "a facility id must consist of"},
        {"[facility metrics]\n", 1, "\"metrics\" is a reserved word"},
        {"[facility abcdefghijabcdefghijabcdefghijabc]\n", 1,
         "a facility id must consist of 1 to 32"},
        {"[facility a]\n[facility b]\n[facility a]\n", 3, "facility a is defined twice"},
        {"[log]\nlevle = info\n", 2, "unknown key levle; did you mean level?"},
        {"[log]\nsomething = info\n", 2, "unknown key something"},
        {"[log]\nworker_threads = 5\n", 2, "unknown key worker_threads"},
        {"[log]\nkeep = 1\nkeep = 2\n", 3, "key keep is given twice"},
        {"[log]\nkeep = 1\n[store]\n[log]\nkeep = 2\n", 5, "key keep is given twice"},
        {"[log]\n  keep = 1\n  keep = 2\n", 3, "key keep is given twice"},
        {"[log]\n\f[gatway]\n", 2, "unknown section gatway; did you mean gateway?"},
        {"[facility a]\n\v\f[facility b]\ntitle = b\n[facility b]\n", 4,
         "facility b is defined twice"},
        {"[log]\nkeep = 101\n", 2, "keep must be a whole number from 0 to 100"},
        {"[log]\nlevel = loud\n", 2, "level must be one of debug, info, warning, error"},
        {"[log]\nfile =\n", 2, "file must be 1 to 4096 characters long"},
        {"[log]\nfile\n", 2, "the line is no [section], key = value or comment"},
        {"[facility a]\nbackend = podman\n", 2,
         "backend must be one of solo, swarm, compose, rootfs, memory"},
        {"[facility a]\nengine = /run/docker.sock\n", 2, "engine must be unix:///PATH or tcp://"},
        {"[facility a]\ndefault_user_uid = ana\n", 2, "default_user_uid must be UID or UID:GID"},
        {"[facility a]\nnode.* = tcp://host:2376\n", 2,
         "node.* must be agent or agent:PORT: an engine is that of one node"},
        {"[facility a]\nnode.* = agent:0\n", 2,
         "node.* must be unix:///PATH, tcp://HOST:PORT, agent or agent:PORT"},
        {"[facility a]\nnode.n1 = /run/docker.sock\n", 2,
         "node.n1 must be unix:///PATH, tcp://HOST:PORT, agent or agent:PORT"},
        {"[facility a]\nnode.n1 = agent\nnode.n1 = agent:1\n", 3, "node.n1 is given twice"},
        {"[facility a]\nnode. = agent\n", 2, "parameter node. must not be empty"},
        {"[facility a]\nnode.a/b = agent\n", 2, "parameter node.a/b must be a host name"},
        {"[facility a]\nnode.n* = agent\n", 2, "parameter node.n* must be a host name"},
        {"[facility a]\ntitle = \xFF\n", 2, "the line is not valid UTF-8 text"},
        {"[gateway]\nlisten = 80\n", 2, "listen must be ADDRESS:PORT"},
        {"[gateway]\nroot_facility = dmeo\n[facility demo]\n", 0,
         "root_facility dmeo is no facility; did you mean demo?"},
        {"[gateway]\nroot_facility = x\n", 0, "root_facility x is no facility"},
        {"[gateway]\nlisten = 0.0.0.0:80\n[facility a]\nauth = open\n", 0,
         "[facility a]: auth = open needs every listener on a loopback address"},
        {"[gateway]\nlisten = 127.0.0.1:80\nlisten = [::]:80\n[facility a]\nauth = open\n", 0,
         "[facility a]: auth = open needs"},
        {"[facility a]\ntls_key = /k\n", 0,
         "[facility a]: tls_cert and tls_key must be set together"},
        {"[store]\npostgres = host=db secret\n", 2,
         "postgres must be a connection string of libpq"},
        {"[store]\npostgres = postgresql://a:p@ss@db/berth\n", 2, "postgres must be"},
        {"[gateway]\ntls_cert = /c\n", 0,
         "tls_cert and tls_key (TLS_CERT_PATH and TLS_KEY_PATH) must"},
        {"[gateway]\nlisten =\n", 0, "listen is empty"},
        {"[gateway]\nlisten_tls = unix:/s\n", 2, "listen_tls must be ADDRESS:PORT"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_config *config = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        char *path = NULL;
        char expected[1024];
        int r = load_text(rows[i].text, &config, &path, &err);
        ck_assert_msg(r == BERTH_E_INVALID, "'%s' was taken", rows[i].text);
        ck_assert_ptr_null(config);
        if (rows[i].line)
            (void)snprintf(expected, sizeof(expected), "%s:%u: %s", path, rows[i].line,
                           rows[i].reason);
        else
            (void)snprintf(expected, sizeof(expected), "%s: %s", path, rows[i].reason);
        ck_assert_msg(strncmp(err.message, expected, strlen(expected)) == 0, "'%s': %s",
                      rows[i].text, err.message);
        free(path);
    }
}
END_TEST

START_TEST(open_mode_where_it_may_be)
{
    static const char *const texts[] = {
        "[facility a]\nauth = open\n",
        ("[gateway]\nlisten = unix:/run/b.sock\nlisten = [::1]:80\nlisten = localhost:81\n"
         "[facility a]\nauth = open\n"),
        "[gateway]\nlisten = 0.0.0.0:80\nallow_open = yes\n[facility a]\nauth = open\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        BERTH_CLEANUP(config) struct berth_config *config = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(load_text(texts[i], &config, NULL, &err) == 0, "%zu: %s", i, err.message);
    }
}
END_TEST

/* "[log]" and one line of len bytes: a path as long as it may be, and a comment. */
static int load_line(size_t len, bool newline, struct berth_config **ret_config,
                     struct berth_error *err)
{
    char text[BERTH_CONFIG_LINE_MAX + 16] = "[log]\nfile = /";
    size_t start = strlen("[log]\n");
    for (size_t i = strlen(text); i < start + len; i++)
        text[i] = i == start + strlen("file = ") + 4096 ? ' ' : (text[i - 1] == ' ' ? ';' : 'x');
    text[start + len] = newline ? '\n' : '\0';
    return load_text(text, ret_config, NULL, err);
}

START_TEST(lines_as_long_as_they_may_be)
{
    for (int newline = 0; newline < 2; newline++) {
        BERTH_CLEANUP(config) struct berth_config *config = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(load_line(BERTH_CONFIG_LINE_MAX, newline, &config, &err) == 0, "%s",
                      err.message);
        ck_assert_uint_eq(strlen(config->log_file), 4096);
        struct berth_config *none = NULL;
        ck_assert_int_eq(load_line(BERTH_CONFIG_LINE_MAX + 1, newline, &none, &err),
                         BERTH_E_INVALID);
        ck_assert_ptr_nonnull(strstr(err.message, ":2: the line is longer than 8192 bytes"));
    }
}
END_TEST

START_TEST(a_line_with_a_nul)
{
    static const char text[] = "[log]\nkeep = 1\0 2\n";
    struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    char *path = write_config(text, sizeof(text) - 1);
    ck_assert_int_eq(berth_config_load(path, &config, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, ":2: the line is not valid UTF-8 text"));
    free(path);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_config_load("/nowhere/berth.conf", &config, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "/nowhere/berth.conf cannot be read: No such file or directory");
    ck_assert_int_eq(berth_config_load("/tmp", &config, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "/tmp cannot be read: Is a directory");
}
END_TEST

START_TEST(as_many_listeners_as_there_may_be)
{
    struct berth_strbuf text = BERTH_STRBUF_INIT(8192);
    berth_strbuf_adds(&text, "[gateway]\n");
    for (int i = 1; i <= BERTH_LISTENERS_MAX; i++)
        berth_strbuf_addf(&text, "listen = 127.0.0.1:%d\n", i);
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(load_text(berth_strbuf_str(&text), &config, NULL, &err) == 0, "%s", err.message);
    ck_assert_uint_eq(config->listen.count, BERTH_LISTENERS_MAX);
    ck_assert_str_eq(config->listen.items[0], "127.0.0.1:1"); /* and no default before it */

    berth_strbuf_adds(&text, "listen = 127.0.0.1:99\n");
    struct berth_config *none = NULL;
    ck_assert_int_eq(load_text(berth_strbuf_str(&text), &none, NULL, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "listen is given more than 16 times"));
    berth_strbuf_release(&text);
}
END_TEST

START_TEST(as_many_facilities_as_there_may_be)
{
    struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 20);
    for (int i = 1; i <= BERTH_FACILITIES_MAX; i++)
        berth_strbuf_addf(&text, "[facility f%d]\n", i);
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(load_text(berth_strbuf_str(&text), &config, NULL, &err) == 0, "%s", err.message);
    ck_assert_uint_eq(config->facility_count, BERTH_FACILITIES_MAX);

    berth_strbuf_adds(&text, "[facility more]\n");
    struct berth_config *none = NULL;
    ck_assert_int_eq(load_text(berth_strbuf_str(&text), &none, NULL, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, ":1001: more than 1000 facilities"));
    berth_strbuf_release(&text);
}
END_TEST

START_TEST(files_of_facilities)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    char *path = write_config("[facility m]\n", 13);
    make_folder_beside(path, "facilities.d");
    write_beside(path, "facilities.d/b.conf", "[facility b]\nbackend = memory\n");
    write_beside(path, "facilities.d/a.conf", "[facility a]\n");
    write_beside(path, "facilities.d/c.conf~", "nonsense");
    write_beside(path, "facilities.d/.hidden.conf", "nonsense");
    write_beside(path, "facilities.d/.conf", "nonsense");
    ck_assert_msg(berth_config_load(path, &config, &err) == 0, "%s", err.message);
    ck_assert_uint_eq(config->facility_count, 3);
    static const char *const order[] = {"m", "a", "b"};
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(config->facilities[i].id, order[i]);

    struct berth_config *none = NULL;
    write_beside(path, "facilities.d/d.conf", "[facility d]\ntitel = D\n");
    ck_assert_int_eq(berth_config_load(path, &none, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(
        strstr(err.message, "/facilities.d/d.conf:2: unknown key titel; did you mean title?"));
    free(path);
}
END_TEST

/* ---- Environment ---- */

START_TEST(variables_beside_the_file)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    static const char text[] = "[facility a]\n[facility b]\ndefault_user_uid = 7\n";
    char *path = write_config(text, strlen(text));
    write_beside(path, ".env", "APP_USER=root\nAPP_PASS=secret word\nDEFAULT_USER_UID=1000:100\n");
    ck_assert_msg(berth_config_load(path, &config, &err) == 0, "%s", err.message);
    ck_assert_str_eq(config->app_user, "root");
    ck_assert_str_eq(config->app_pass, "secret word");
    ck_assert_str_eq(config->facilities[0].default_user_uid, "1000:100");
    ck_assert_str_eq(config->facilities[1].default_user_uid, "7");

    struct berth_config *none = NULL;
    write_beside(path, ".env", "DEFAULT_USER_UID=ana\n");
    ck_assert_int_eq(berth_config_load(path, &none, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "DEFAULT_USER_UID: must be UID or UID:GID, in digits");
    free(path);
}
END_TEST

START_TEST(another_file_of_variables)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    char *variables = write_config("APP_USER=root\nAPP_PASS=secret word\n", 34);
    char text[1024];
    (void)snprintf(text, sizeof(text), "[gateway]\nenv_file = %s\n", variables);
    ck_assert_msg(load_text(text, &config, NULL, &err) == 0, "%s", err.message);
    ck_assert_str_eq(config->app_user, "root");

    struct berth_config *none = NULL;
    ck_assert_int_eq(unlink(variables), 0);
    ck_assert_int_eq(load_text(text, &none, NULL, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "cannot be read: No such file or directory"));
    free(variables);
}
END_TEST

START_TEST(out_of_memory)
{
    static const char text[] = "[gateway]\nlisten = 127.0.0.1:1\nroot_facility = a\n"
                               "[facility a]\ntitle = A\n";
    char *path = write_config(text, strlen(text));
    write_beside(path, ".env", "APP_USER=root\nAPP_PASS=secret word\n");
    for (size_t n = 0;; n++) {
        struct berth_config *config = NULL;
        unit_alloc_fail_after(n);
        int r = berth_config_load(path, &config, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_msg(!r == !failed, "allocation %zu: %d", n, r);
        ck_assert(!config == failed);
        berth_config_unref(config);
        if (!failed)
            break;
    }
    free(path);
}
END_TEST

UNIT_SUITE("config", numbers, every_key_at_its_bounds_and_past_them, texts_with_a_form_of_their_own,
           texts_of_root_file_systems, the_path_of_a_listener_at_its_bound, defaults,
           a_facility_without_keys, nodes_of_a_swarm, forms_of_a_file, refusals,
           open_mode_where_it_may_be, lines_as_long_as_they_may_be, a_line_with_a_nul,
           files_that_cannot_be_read, as_many_listeners_as_there_may_be,
           as_many_facilities_as_there_may_be, files_of_facilities, variables_beside_the_file,
           another_file_of_variables, out_of_memory)
