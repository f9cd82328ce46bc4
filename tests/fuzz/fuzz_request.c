/* SPDX-License-Identifier: MIT */
/*
 * Requests, as text, through the whole gateway with backends in memory: target,
 * parameters and headers up to the answer.
 */
#include "base/json.h"
#include "base/text.h"
#include "gateway/berth.h"
#include "gateway/dialect.h"
#include "tests/fuzz/connection.h"
#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <string.h>

/* Changes until everything is made anew, so that the world stays small. */
#define CHANGES_MAX 500

static const char config_text[] = "[gateway]\n"
                                  "listen = 127.0.0.1:8080\n"
                                  "data_dir = %s/data\n"
                                  "root_facility = demo\n"
                                  "cors_origins = https://portal.example.org\n"
                                  "[limits]\n"
                                  "max_body_bytes = 1024\n"
                                  "[log]\n"
                                  "max_bytes = 1m\n"
                                  "keep = 0\n"
                                  "[facility demo]\n"
                                  "backend = memory\n"
                                  "memory_apps = 3\n"
                                  "auth = open\n"
                                  "[facility lab]\n"
                                  "backend = memory\n"
                                  "memory_apps = 3\n";

#define PASSWORD "correct horse"
#define HASHED   ".hashed"

/* Hashing that costs nothing (the real one is slow on purpose): one password is everybody's. */
char *__wrap_crypt_ra(const char *phrase, const char *setting, void **data, int *size);

char *__wrap_crypt_ra(const char *phrase, const char *setting, void **data, int *size)
{
    size_t len = strlen(setting);
    bool is_right = strstr(setting, HASHED) && strcmp(phrase, PASSWORD) == 0;
    char *made = realloc(*data, len + sizeof(HASHED));
    FUZZ_CHECK(made);
    (void)snprintf(made, len + sizeof(HASHED), "%s%s", setting, is_right ? "" : HASHED);
    *data = made;
    *size = (int)(len + sizeof(HASHED));
    return made;
}

/* ---- The world ---- */

static struct {
    struct berth *berth;
    unsigned changes;
} world;

static int remove_entry(const char *path, const struct stat *status __attribute__((unused)),
                        int type __attribute__((unused)), struct FTW *ftw __attribute__((unused)))
{
    return remove(path);
}

static void close_world(void)
{
    char path[320];
    (void)snprintf(path, sizeof(path), "%s/data", fuzz_directory());
    if (world.berth)
        berth_stop(world.berth);
    berth_close(berth_steal(&world.berth));
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    world.changes = 0;
}

static void write_config(const char *path)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    const char *mark = strstr(config_text, "%s");
    berth_strbuf_add(&text, config_text, (size_t)(mark - config_text));
    berth_strbuf_adds(&text, fuzz_directory());
    berth_strbuf_adds(&text, mark + 2);
    BERTH_CLEANUP(file) FILE *file = fopen(path, "we");
    FUZZ_CHECK(file && fputs(berth_strbuf_str(&text), file) >= 0);
}

static void open_world(void)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(free) char *password = NULL;
    char path[320];
    static bool is_first = true;
    if (world.changes >= CHANGES_MAX)
        close_world();
    if (world.berth)
        return;
    (void)snprintf(path, sizeof(path), "%s/berth.conf", fuzz_directory());
    if (is_first)
        FUZZ_CHECK(atexit(close_world) == 0);
    is_first = false;
    write_config(path);
    berth_log_set_level(BERTH_LOG_ERROR);
    FUZZ_CHECK_MSG(berth_config_load(path, &config, &err) == 0, err.message);
    FUZZ_CHECK_MSG(berth_open(config, BERTH_OPEN_ALL, &world.berth, &err) == 0, err.message);
    FUZZ_CHECK_MSG(berth_add_first_user(world.berth, &password, &err) == 0, err.message);
    FUZZ_CHECK_MSG(berth_identity_add(world.berth->identity, NULL, "ana", PASSWORD, false, &err) ==
                       0,
                   err.message);
}

/* ---- Parameters ---- */

/* What is decoded means the same when it is encoded again, in whatever order. */
static void check_params(const char *query)
{
    static struct berth_params params; /* two of these are much for a stack */
    static struct berth_params again;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf text = BERTH_STRBUF_INIT(8 * (size_t)BERTH_TARGET_MAX);
    int r = berth_params_parse(query, NULL, &params, &err);
    fuzz_check_error(r, &err);
    if (r < 0) {
        FUZZ_CHECK(r == BERTH_E_TOO_LARGE || strstr(err.message, "parameter"));
        return;
    }
    FUZZ_CHECK(params.count <= BERTH_PARAMS_MAX);
    for (size_t i = params.count; i-- > 0;) {
        const struct berth_param *param = &params.items[i];
        FUZZ_CHECK(strlen(param->value) <= BERTH_PARAM_MAX);
        FUZZ_CHECK(berth_params_get(&params, param->name) == param->value);
        berth_strbuf_add_urlencoded(&text, param->name, strlen(param->name));
        berth_strbuf_addc(&text, '=');
        berth_strbuf_add_urlencoded(&text, param->value, strlen(param->value));
        berth_strbuf_adds(&text, i ? "&" : "");
    }
    if (text.len > BERTH_TARGET_MAX)
        return;
    FUZZ_CHECK_MSG(berth_params_parse(berth_strbuf_str(&text), NULL, &again, &err) == 0,
                   err.message);
    FUZZ_CHECK(again.count == params.count);
    for (size_t i = 0; i < params.count; i++) {
        const char *value = berth_params_get(&again, params.items[i].name);
        FUZZ_CHECK_MSG(value && strcmp(value, params.items[i].value) == 0, params.items[i].name);
    }
}

/* ---- The answer ---- */

/* The value of the only header line of that name, NULL where there is none; cut at its end. */
static const char *find_header(const char *head, const char *name, char *value, size_t size)
{
    const char *at = strstr(head, name);
    if (!at)
        return NULL;
    FUZZ_CHECK_MSG(!strstr(at + 1, name), head);
    at += strlen(name);
    (void)snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return value;
}

static void check_head(const char *head)
{
    for (const char *line = head; *line;) {
        size_t len = strcspn(line, "\r\n");
        FUZZ_CHECK_MSG(len > 0 && strncmp(line + len, "\r\n", 2) == 0, head);
        FUZZ_CHECK_MSG(!berth_text_has_control(line, len), head);
        FUZZ_CHECK_MSG(line == head || memchr(line, ':', len), head);
        line += len + 2;
    }
}

static void check_body(const char *head, const char *body, size_t len, bool is_bodiless)
{
    char value[256];
    BERTH_CLEANUP(json) cJSON *json = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    const char *length = find_header(head, "\r\nContent-Length: ", value, sizeof(value));
    if (is_bodiless) {
        FUZZ_CHECK_MSG(len == 0, head);
        return;
    }
    FUZZ_CHECK_MSG(length && strtoull(length, NULL, 10) == len, head);
    FUZZ_CHECK_MSG(berth_text_is_utf8(body, len), body);
    const char *type = find_header(head, "\r\nContent-Type: ", value, sizeof(value));
    FUZZ_CHECK_MSG(type, head);
    if (strcmp(type, BERTH_TYPE_JSON) == 0 || strcmp(type, BERTH_TYPE_PROBLEM) == 0)
        FUZZ_CHECK_MSG(berth_json_parse(body, len, &json, &err) == 0, body);
    else
        FUZZ_CHECK_MSG(strcmp(type, BERTH_TYPE_TEXT) == 0, type);
}

static void check_answer(const struct mg_connection *connection, int status)
{
    const struct berth_strbuf *answer = &connection->answer;
    FUZZ_CHECK(!answer->failed && answer->data);
    const char *end = strstr(answer->data, "\r\n\r\n");
    FUZZ_CHECK_MSG(end, answer->data);
    BERTH_CLEANUP(free) char *head = strndup(answer->data, (size_t)(end + 2 - answer->data));
    FUZZ_CHECK(head);
    char line[64];
    char value[256];
    (void)snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, berth_http_reason(status));
    FUZZ_CHECK_MSG(strncmp(head, line, strlen(line)) == 0, head);
    FUZZ_CHECK_MSG(strcmp(berth_http_reason(status), "Unknown") != 0, head);
    check_head(head);
    FUZZ_CHECK_MSG(find_header(head, "\r\nX-Request-Id: ", value, sizeof(value)) && value[0], head);
    const char *how = find_header(head, "\r\nConnection: ", value, sizeof(value));
    FUZZ_CHECK_MSG(connection->is_closing == (how && strcmp(how, "close") == 0), head);
    bool is_head = strcmp(connection->info.request_method, "HEAD") == 0;
    check_body(head, end + 4, answer->len - (size_t)(end + 4 - answer->data),
               is_head || status == 304 || status == 204);
}

/* Who may do what: no credentials, no answer; no change for a foreign page. */
static void check_guards(const struct mg_connection *connection, int status)
{
    const struct mg_request_info *info = &connection->info;
    bool is_done = status >= 200 && status < 300 && strcmp(info->request_method, "OPTIONS") != 0;
    const char *site = mg_get_header(connection, "Sec-Fetch-Site");
    const char *origin = mg_get_header(connection, "Origin");
    if (strncmp(info->local_uri_raw, "/lab/", 5) == 0 &&
        !mg_get_header(connection, "Authorization"))
        FUZZ_CHECK_MSG(!is_done && status != 304, connection->answer.data);
    if (strcmp(info->request_method, "POST") != 0)
        return;
    if (origin ? strcmp(origin, "https://foreign.example") == 0
               : site && strcmp(site, "cross-site") == 0)
        FUZZ_CHECK_MSG(!is_done, connection->answer.data);
    if (is_done)
        world.changes++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BERTH_CLEANUP(connection) struct mg_connection connection;
    if (!fuzz_connection_read(&connection, data, size))
        return 0;
    open_world();
    check_params(connection.info.query_string);
    int status = berth_router_handle(world.berth, &connection, false);
    check_answer(&connection, status);
    check_guards(&connection, status);
    return 0;
}
