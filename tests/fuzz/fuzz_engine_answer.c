/* SPDX-License-Identifier: MIT */
/*
 * Answers of an engine, up to the body that a client gets. The first byte says
 * what they are: 'c' a container (one line of its listing, the rest its inspect
 * object), 'i' the list of images, 's' a sample of statistics, 'e' an error, 'v' the
 * version the engine says it has, and any JSON of it.
 */
#include "backends/engine/engine_app.h"
#include "backends/engine/engine_image.h"
#include "backends/engine/engine_sample.h"
#include "base/text.h"
#include "gateway/app_json.h"
#include "gateway/image_json.h"
#include "gateway/stats_json.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define NOW_NS  INT64_C(1780000000000000000)
#define OUT_MAX ((size_t)1 << 24)

/* What berth says is well-formed, whatever the engine said. */
static void check_body(const struct berth_strbuf *body)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    FUZZ_CHECK(!body->failed && berth_text_is_utf8(body->data, body->len));
    FUZZ_CHECK_MSG(berth_json_parse(body->data, body->len, &json, &err) == 0, body->data);
}

/* ---- A container ---- */

static void render_app(const struct berth_app *app, int64_t now_ns, struct berth_strbuf *body,
                       int64_t *valid_until_ns)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    *valid_until_ns = INT64_MAX;
    berth_app_json_add(&w, app, now_ns, valid_until_ns);
}

static void check_app(const struct berth_app *app)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(OUT_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf later = BERTH_STRBUF_INIT(OUT_MAX);
    int64_t valid_until_ns;
    int64_t ignored_ns;
    FUZZ_CHECK(app->id[0] && app->state != BERTH_APP_UNKNOWN);
    for (size_t i = 1; i < app->label_count; i++)
        FUZZ_CHECK(strcmp(app->labels[i - 1].key, app->labels[i].key) <= 0);
    render_app(app, NOW_NS, &body, &valid_until_ns);
    check_body(&body);
    FUZZ_CHECK(valid_until_ns > NOW_NS);
    render_app(app, valid_until_ns - 1, &later, &ignored_ns);
    FUZZ_CHECK_MSG(strcmp(body.data, later.data) == 0, later.data);
}

static void read_container(const char *entry_text, const char *inspect_text)
{
    static const struct berth_engine_scope scopes[] = {{"demo", false}, {"demo", true}};
    BERTH_CLEANUP(json) cJSON *entry = NULL;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    if (berth_json_parse(entry_text, strlen(entry_text), &entry, NULL) < 0 ||
        berth_json_parse(inspect_text, strlen(inspect_text), &inspect, NULL) < 0)
        return;
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(app) struct berth_app *app = NULL;
        int r = berth_engine_app_parse(&scopes[i], entry, inspect, &app, &err);
        fuzz_check_error(r, &err);
        FUZZ_CHECK(r == 0 || r == BERTH_E_NOT_FOUND || r == BERTH_E_UNREACHABLE ||
                   r == BERTH_E_NOMEM);
        if (r == 0)
            check_app(app);
    }
}

/* ---- Images ---- */

static void read_images(const char *text)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    if (berth_json_parse(text, strlen(text), &json, NULL) < 0)
        return;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    FUZZ_CHECK(berth_engine_images_parse(json, &images, &err) == 0);
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(OUT_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&body);
    int64_t valid_until_ns = INT64_MAX;
    berth_json_open_array(&w, NULL);
    for (size_t i = 0; i < images->count; i++) {
        const struct berth_image *image = &images->items[i];
        berth_image_json_add(&w, image, i, NOW_NS, &valid_until_ns);
        for (char **tag = image->tags; *tag; tag++)
            FUZZ_CHECK(berth_image_list_find(images, *tag));
    }
    berth_json_close_array(&w);
    check_body(&body);
    FUZZ_CHECK(valid_until_ns > NOW_NS);
    char *digest = NULL;
    if (berth_engine_image_digest(cJSON_GetArrayItem(json, 0), "httpd", NULL, &digest, &err) == 0)
        free(digest);
}

/* ---- Statistics ---- */

static void read_sample(const char *text)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_engine_sample sample;
    int r = berth_engine_sample_parse(text, strlen(text), &sample, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r == 0 || r == BERTH_E_UNREACHABLE);
    if (r < 0)
        return;
    FUZZ_CHECK(sample.cpu_percent >= 0 && sample.memory_percent >= 0);
    FUZZ_CHECK(sample.memory_bytes >= 0 && sample.memory_limit_bytes >= 0);
    char id[] = "0123456789abcdef";
    char name[] = "httpd--ana";
    const struct berth_app_stats stats = {
        .id = id,
        .name = name,
        .known = sample.is_running,
        .cpu_percent = sample.cpu_percent,
        .memory_percent = sample.memory_percent,
        .memory_bytes = sample.memory_bytes,
        .memory_limit_bytes = sample.memory_limit_bytes,
        .network_rx_bytes = sample.network_rx_bytes,
        .network_tx_bytes = sample.network_tx_bytes,
        .block_read_bytes = sample.block_read_bytes,
        .block_write_bytes = sample.block_write_bytes,
        .pids = sample.pids,
    };
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(OUT_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&body);
    berth_stats_json_add(&w, &stats);
    check_body(&body);
}

/* ---- The engine itself ---- */

static void read_engine(const char *text, bool is_error)
{
    static const struct berth_engine_config config = {.facility = "demo",
                                                      .endpoint = "unix:///run/none.sock",
                                                      .request_timeout_ms = 1000,
                                                      .connections = 1};
    static struct berth_engine *engine; /* kept: it connects to nothing */
    struct berth_error err = BERTH_ERROR_INIT;
    FUZZ_CHECK(engine || berth_engine_open(&config, &engine, &err) == 0);
    if (is_error) {
        long status = strtol(text, NULL, 10);
        int r = berth_engine_refusal(engine, status, text, strlen(text), &err);
        FUZZ_CHECK(r < 0);
        fuzz_check_error(r, &err);
        const char *body = strchr(text, '{');
        if (body)
            fuzz_check_error(berth_engine_refusal(engine, 409, body, strlen(body), &err), &err);
        return;
    }
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int r = berth_engine_parse(engine, text, strlen(text), &json, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r == 0 || r == BERTH_E_UNREACHABLE);
    berth_error_clear(&err);
    r = berth_engine_learn_version(engine, text, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r == 0 || r == BERTH_E_UNREACHABLE || r == BERTH_E_REFUSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t kind = fuzz_byte(&input);
    BERTH_CLEANUP(free) char *first = kind == 'c' ? fuzz_line(&input) : NULL;
    BERTH_CLEANUP(free) char *rest = fuzz_rest(&input);
    if (kind == 'c')
        read_container(first, rest);
    else if (kind == 'i')
        read_images(rest);
    else if (kind == 's')
        read_sample(rest);
    else if (kind == 'e' || kind == 'v')
        read_engine(rest, kind == 'e');
    return 0;
}
