/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_pull.h"

#include "backends/engine/engine_image.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#include <string.h>

static void read_sample(struct berth_strbuf *text)
{
    BERTH_CLEANUP(file) FILE *file = fopen(UNIT_DATA "/engine/26.1-pull.jsonl", "re");
    ck_assert_ptr_nonnull(file);
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        berth_strbuf_add(text, piece, got);
}

START_TEST(a_real_pull_is_followed_whatever_its_pieces)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(65536);
    read_sample(&text);
    for (size_t step = 1; step <= text.len; step = step * 2 + 1) {
        BERTH_CLEANUP(pull) struct berth_pull pull = BERTH_PULL_INIT;
        int last = 0;
        for (size_t at = 0; at < text.len; at += step) {
            berth_pull_feed(&pull, text.data + at, at + step < text.len ? step : text.len - at);
            ck_assert_int_ge(pull.percent, last);
            last = pull.percent;
        }
        ck_assert_int_eq(pull.percent, 100);
        ck_assert_uint_eq(pull.layer_count, 2);
        ck_assert_str_eq(pull.digest, "sha256:0a571741ed7bcac87a277842eee3627a14f54f990cb7b2ae929bd"
                                      "5984f293cb3");
        ck_assert_int_eq(berth_pull_finish(&pull, NULL), 0);
    }
}
END_TEST

#define LAYER(id, status, detail)                                                                  \
    "{\"status\":\"" status "\",\"progressDetail\":{" detail "},\"id\":\"" id "\"}\r\n"

START_TEST(the_percentage_weighs_layers_by_size)
{
    static const struct {
        const char *line;
        int percent;
    } rows[] = {
        {"{\"status\":\"Pulling from library/httpd\",\"id\":\"latest\"}\r\n", 0},
        {LAYER("big", "Pulling fs layer", ""), 0},
        {LAYER("small", "Pulling fs layer", ""), 0},
        {LAYER("big", "Downloading", "\"current\":450,\"total\":900"),
         17}, /* small counts as big */
        {LAYER("small", "Downloading", "\"current\":1,\"total\":100"), 31},
        {LAYER("small", "Download complete", ""), 38},
        {LAYER("small", "Pull complete", ""), 41},
        {LAYER("big", "Downloading", "\"current\":100,\"total\":900"), 41}, /* a retry */
        {LAYER("big", "Verifying Checksum", ""), 73},
        {LAYER("big", "Extracting", "\"current\":450,\"total\":900"), 86},
        {LAYER("big", "Extracting", "\"current\":9999,\"total\":900"), 100},
        {LAYER("big", "Pull complete", ""), 100},
    };
    BERTH_CLEANUP(pull) struct berth_pull pull = BERTH_PULL_INIT;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        berth_pull_feed(&pull, rows[i].line, strlen(rows[i].line));
        ck_assert_msg(pull.percent == rows[i].percent, "%s: %d", rows[i].line, pull.percent);
    }
    ck_assert_uint_eq(pull.layer_count, 2);
}
END_TEST

START_TEST(errors_come_within_the_stream)
{
    static const struct {
        const char *text;
        int status;
        const char *message;
    } rows[] = {
        {"", 0, ""},
        {"{\"status\":\"x\"}", 0, ""},
        {"{\"errorDetail\":{\"message\":\"no space left\"},\"error\":\"other\"}\r\n",
         BERTH_E_REFUSED, "no space left"},
        {"{\"error\":\"two\\nlines\"}\r\n{\"error\":\"later\"}\r\n", BERTH_E_REFUSED, "two lines"},
        {"{\"errorDetail\":{\"message\":\"\"},\"error\":\"brief\"}\n", BERTH_E_REFUSED, "brief"},
        {"{\"error\":\"\"}\n", BERTH_E_REFUSED, "the engine gives no reason"},
        {"{\"error\":\"without newline\"}", BERTH_E_REFUSED, "without newline"},
        {"{\"status\":", BERTH_E_UNREACHABLE, "garbled"},
        {"<html>\n", BERTH_E_UNREACHABLE, "garbled"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(pull) struct berth_pull pull = BERTH_PULL_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        berth_pull_feed(&pull, rows[i].text, strlen(rows[i].text));
        int rc = berth_pull_finish(&pull, &err);
        ck_assert_msg(rc == rows[i].status, "%s: %d", rows[i].text, rc);
        ck_assert_msg(strstr(err.message, rows[i].message), "%s", err.message);
        ck_assert_int_eq(pull.percent, rc == 0 ? 100 : 0);
    }
}
END_TEST

/* A line that was too long is a fault, whether the pieces before its end fitted or not, and
 * whatever comes after it. */
START_TEST(a_line_too_long_ends_the_pull)
{
    static const char done[] = LAYER("a", "Pull complete", "");
    BERTH_CLEANUP(free) char *line = malloc(BERTH_ENGINE_EVENT_MAX + 2);
    memset(line, ' ', BERTH_ENGINE_EVENT_MAX + 1);
    line[BERTH_ENGINE_EVENT_MAX + 1] = '\n';
    for (size_t first = 0; first <= BERTH_ENGINE_EVENT_MAX; first += BERTH_ENGINE_EVENT_MAX) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_pull *pull = calloc(1, sizeof(*pull));
        *pull = (struct berth_pull)BERTH_PULL_INIT;
        berth_pull_feed(pull, line, first);
        berth_pull_feed(pull, line + first, BERTH_ENGINE_EVENT_MAX + 2 - first);
        berth_pull_feed(pull, done, strlen(done));
        ck_assert_int_eq(berth_pull_finish(pull, &err), BERTH_E_UNREACHABLE);
        ck_assert_int_eq(err.status, BERTH_E_UNREACHABLE);
        berth_pull_release(pull);
        free(pull);
    }
}
END_TEST

START_TEST(the_stream_is_bounded)
{
    struct berth_pull *pull = calloc(1, sizeof(*pull));
    *pull = (struct berth_pull)BERTH_PULL_INIT;
    for (int i = 0; i <= BERTH_PULL_LAYERS_MAX; i++) {
        char line[128];
        int len = snprintf(line, sizeof(line), LAYER("%012d", "Pull complete", ""), i);
        berth_pull_feed(pull, line, (size_t)len);
    }
    ck_assert_uint_eq(pull->layer_count, BERTH_PULL_LAYERS_MAX);
    static const char long_id[] = LAYER("0123456789abcdef", "Pull complete", "");
    berth_pull_feed(pull, long_id, strlen(long_id));
    ck_assert_uint_eq(pull->layer_count, BERTH_PULL_LAYERS_MAX);

    char *line = malloc(BERTH_ENGINE_EVENT_MAX + 1);
    memset(line, ' ', BERTH_ENGINE_EVENT_MAX + 1);
    berth_pull_feed(pull, line, BERTH_ENGINE_EVENT_MAX);
    berth_pull_feed(pull, "\n", 1);
    ck_assert_int_eq(berth_pull_finish(pull, NULL), 0);
    berth_pull_feed(pull, line, BERTH_ENGINE_EVENT_MAX + 1);
    ck_assert_int_eq(berth_pull_finish(pull, NULL), BERTH_E_UNREACHABLE);
    free(line);
    berth_pull_release(pull);
    free(pull);
}
END_TEST

/* ---- The whole verb ---- */

#define PULLED(digest)                                                                             \
    "200 " LAYER("a", "Pull complete", "") "{\"status\":\"Digest: " digest                         \
                                           "\"}\r\n{\"status\":\"Status: ok\"}\r\n"
#define IMAGE(digests) "200 {\"Id\":\"sha256:id\",\"RepoDigests\":[" digests "]}"

static bool count_progress(void *ctx, int percent)
{
    int *last = ctx;
    ck_assert_int_ge(percent, *last);
    *last = percent;
    return percent >= 0;
}

START_TEST(a_pull_gives_digest_and_id)
{
    static const struct {
        const char *name;
        const char *reference;
        struct canned_rule rules[3];
        const char *asked;
        const char *digest; /* NULL: none */
    } rows[] = {
        {"by tag",
         "httpd:2.4",
         {{"POST", PULLED("sha256:d1"), 0, 0},
          {"GET /v1.41/images/httpd@sha256:d1/json",
           IMAGE("\"x@sha256:d0\",\"httpd@sha256:d9\",\"httpd@sha256:d1\""), 0, 0}},
         "POST /v1.41/images/create?fromImage=httpd&tag=2.4\n",
         "sha256:d1"},
        {"without tag",
         "httpd",
         {{"POST", PULLED("sha256:d1"), 0, 0}, {"GET", IMAGE("\"httpd@sha256:d1\""), 0, 0}},
         "POST /v1.41/images/create?fromImage=httpd&tag=latest\n",
         "sha256:d1"},
        {"by digest",
         "h:5000/t/x@sha256:d1",
         {{"POST", PULLED("sha256:d1"), 0, 0}, {"GET", IMAGE("\"h:5000/t/x@sha256:d1\""), 0, 0}},
         "POST /v1.41/images/create?fromImage=h%3A5000%2Ft%2Fx&tag=sha256%3Ad1\n",
         "sha256:d1"},
        {"no digest told",
         "httpd:2.4",
         {{"POST", "200 ", 0, 0},
          {"GET /v1.41/images/httpd:2.4/json", IMAGE("\"docker.io/library/httpd@sha256:d2\""), 0,
           0}},
         "POST /v1.41/images/create?fromImage=httpd&tag=2.4\n",
         "sha256:d2"},
        {"none in that repository",
         "httpd:2.4",
         {{"POST", "200 ", 0, 0}, {"GET", IMAGE("\"other@sha256:d2\""), 0, 0}},
         "POST /v1.41/images/create?fromImage=httpd&tag=2.4\n",
         NULL},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct canned_server *server = canned_server_new(rows[i].rules, "1.41");
        BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
        const struct berth_engine_config config = {.facility = "demo",
                                                   .endpoint = canned_server_endpoint(server),
                                                   .request_timeout_ms = 30000,
                                                   .connections = 1};
        ck_assert_int_eq(berth_engine_open(&config, &engine, NULL), 0);
        BERTH_CLEANUP(free) char *digest = NULL;
        BERTH_CLEANUP(free) char *id = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int percent = 0;
        int rc = berth_engine_image_pull(engine, rows[i].reference, count_progress, &percent,
                                         &digest, &id, &err);
        ck_assert_msg(rc == 0, "%s: %s", rows[i].name, err.message);
        ck_assert_str_eq(id, "sha256:id");
        ck_assert_msg(!digest == !rows[i].digest, "%s", rows[i].name);
        if (digest)
            ck_assert_str_eq(digest, rows[i].digest);
        ck_assert_msg(strncmp(canned_server_asked(server), rows[i].asked, strlen(rows[i].asked)) ==
                          0,
                      "%s", canned_server_asked(server));
        canned_server_free(server);
    }
}
END_TEST

UNIT_SUITE("engine_pull", a_real_pull_is_followed_whatever_its_pieces,
           the_percentage_weighs_layers_by_size, errors_come_within_the_stream,
           a_line_too_long_ends_the_pull, the_stream_is_bounded, a_pull_gives_digest_and_id)
