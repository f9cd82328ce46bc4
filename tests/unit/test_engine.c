/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine.h"

#include "base/clock.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#define TIMEOUT_MS  1500  /* where there is none in time */
#define LIMIT_MS    4000  /* where there is an answer, and one that is none */
#define PATIENCE_MS 30000 /* where there is an answer */

static struct berth_engine *open_engine(const char *endpoint, int64_t timeout_ms)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_engine *engine = NULL;
    const struct berth_engine_config config = {.facility = "demo",
                                               .endpoint = endpoint,
                                               .request_timeout_ms = timeout_ms,
                                               .connections = 2};
    int rc = berth_engine_open(&config, &engine, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return engine;
}

static int get(struct berth_engine *engine, const char *path,
               struct berth_engine_response *response, struct berth_error *err)
{
    const struct berth_engine_request request = {.method = "GET", .path = path};
    return berth_engine_call(engine, &request, response, err);
}

/* ---- Endpoints ---- */

START_TEST(an_endpoint_is_checked_at_open)
{
    static const char pem[] = "/dev/null"; /* readable is all that is asked of it here */
    static const struct {
        const char *name;
        const char *endpoint;
        const char *ca, *cert, *key;
        const char *message; /* part of it; NULL: fine */
    } rows[] = {
        {"unix", "unix:///var/run/docker.sock", NULL, NULL, NULL, NULL},
        {"tcp", "tcp://host:2375", NULL, NULL, NULL, NULL},
        {"tcp without port", "tcp://host", NULL, NULL, NULL, NULL},
        {"tcp with slash", "tcp://host:2375/", NULL, NULL, NULL, NULL},
        {"IPv6", "tcp://[::1]:2375", NULL, NULL, NULL, NULL},
        {"TLS", "tcp://host:2376", pem, pem, pem, NULL},
        {"empty", "", NULL, NULL, NULL, "must be unix:///PATH or tcp://"},
        {"other scheme", "ssh://host", NULL, NULL, NULL, "must be unix:///PATH or tcp://"},
        {"bare path", "/var/run/docker.sock", NULL, NULL, NULL, "must be unix:///PATH"},
        {"relative socket", "unix://docker.sock", NULL, NULL, NULL, "absolute path"},
        {"no host", "tcp://", NULL, NULL, NULL, "HOST"},
        {"bad port", "tcp://host:99999", NULL, NULL, NULL, "HOST:PORT"},
        {"user in it", "tcp://ana@host:2375", NULL, NULL, NULL, "HOST:PORT"},
        {"path in it", "tcp://host:2375/x", NULL, NULL, NULL, "HOST:PORT"},
        {"query in it", "tcp://host:2375?x=1", NULL, NULL, NULL, "HOST:PORT"},
        {"TLS on a socket", "unix:///s", pem, pem, pem, "no TLS"},
        {"no certificate", "tcp://host", pem, NULL, pem, "tls_cert is missing"},
        {"no authority", "tcp://host", NULL, pem, pem, "tls_ca is missing"},
        {"no key", "tcp://host", pem, pem, NULL, "tls_key is missing"},
        {"absent file", "tcp://host", pem, "/nonexistent.pem", pem, "tls_cert cannot be read"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
        const struct berth_engine_config config = {.facility = "demo",
                                                   .endpoint = rows[i].endpoint,
                                                   .tls_ca = rows[i].ca,
                                                   .tls_cert = rows[i].cert,
                                                   .tls_key = rows[i].key,
                                                   .request_timeout_ms = 1,
                                                   .connections = 1};
        int rc = berth_engine_open(&config, &engine, &err);
        ck_assert_msg((rc == 0) == !rows[i].message, "%s: %s", rows[i].name, err.message);
        if (!rows[i].message)
            continue;
        ck_assert_msg(rc == BERTH_E_INVALID, "%s", rows[i].name);
        ck_assert_msg(strstr(err.message, rows[i].message), "%s: %s", rows[i].name, err.message);
    }
}
END_TEST

START_TEST(a_socket_path_fits_or_is_refused)
{
    for (size_t len = 107; len <= 108; len++) { /* sun_path has 108 bytes with its NUL */
        char endpoint[128] = "unix:///";
        memset(endpoint + 8, 'x', len - 1);
        endpoint[8 + len - 1] = '\0';
        BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
        const struct berth_engine_config config = {
            .facility = "demo", .endpoint = endpoint, .request_timeout_ms = 1, .connections = 1};
        ck_assert_int_eq(berth_engine_open(&config, &engine, NULL),
                         len == 107 ? 0 : BERTH_E_INVALID);
    }
}
END_TEST

START_TEST(ports_default_as_docker_has_them)
{
    static const struct {
        const char *endpoint;
        const char *tls;
        const char *base_url;
    } rows[] = {
        {"tcp://127.0.0.1", NULL, "http://127.0.0.1:2375/_ping"},
        {"tcp://127.0.0.1:9", NULL, "http://127.0.0.1:9/_ping"},
        {"tcp://127.0.0.1/", "/dev/null", "https://127.0.0.1:2376/_ping"},
        {"unix:///nowhere", NULL, "http://localhost/_ping"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
        const struct berth_engine_config config = {.facility = "demo",
                                                   .endpoint = rows[i].endpoint,
                                                   .tls_ca = rows[i].tls,
                                                   .tls_cert = rows[i].tls,
                                                   .tls_key = rows[i].tls,
                                                   .request_timeout_ms = 1000,
                                                   .connections = 1};
        ck_assert_int_eq(berth_engine_open(&config, &engine, NULL), 0);
        CURL *easy = curl_easy_init();
        ck_assert_int_eq(berth_engine_prepare(engine, easy, BERTH_ENGINE_PING, NULL), 0);
        const char *url = NULL;
        (void)curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
        ck_assert_str_eq(url, rows[i].base_url);
        curl_easy_cleanup(easy);
    }
}
END_TEST

/* ---- Answers ---- */

START_TEST(answers_become_statuses)
{
    static const struct {
        const char *name;
        const char *answer;
        int status;
        const char *message; /* part of it */
    } rows[] = {
        {"fine", "200 {}", 0, ""},
        {"nothing to do", "304 ", 0, ""},
        {"no content", "204 ", 0, ""},
        {"not found", "404 {\"message\":\"No such container: x\"}", BERTH_E_NOT_FOUND,
         "No such container: x"},
        {"conflict", "409 {\"message\":\"is not running\"}", BERTH_E_CONFLICT, "is not running"},
        {"wrong state, as Podman says it",
         "500 {\"cause\":\"container state improper\",\"message\":\"is not running: improper\"}",
         BERTH_E_CONFLICT, "is not running: improper"},
        {"name taken, as Podman says it",
         "500 {\"cause\":\"that name is already in use\",\"message\":\"in use by 1\"}",
         BERTH_E_CONFLICT, "in use by 1"},
        {"another cause", "500 {\"cause\":\"no space\",\"message\":\"disk\"}", BERTH_E_REFUSED,
         "disk"},
        {"refused", "400 {\"message\":\"bad parameter\"}", BERTH_E_REFUSED, "bad parameter"},
        {"broken", "500 {\"message\":\"two\\nlines\\u0007\"}", BERTH_E_REFUSED, "two lines "},
        {"not UTF-8", "500 {\"message\":\"caf\xe9 a\"}", BERTH_E_REFUSED, "caf? a"},
        {"no JSON", "404 404 page not found", BERTH_E_NOT_FOUND, "answered with status 404"},
        {"JSON of another kind", "500 [1]", BERTH_E_REFUSED, "answered with status 500"},
        {"redirect", "301 ", BERTH_E_UNREACHABLE, "does not answer as a Docker engine does"},
        {"garbage", "\x01\x02 what is this\r\n\r\n", BERTH_E_UNREACHABLE, "garbled"},
        {"nothing", "\r\n", BERTH_E_UNREACHABLE, "garbled"},
        {"half a head", "HTTP/1.1 200 OK\r\nContent-", BERTH_E_UNREACHABLE, "garbled"},
        {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", BERTH_E_UNREACHABLE,
         "garbled"},
        {"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
         BERTH_E_UNREACHABLE, "garbled"},
        {"silence", "", BERTH_E_TIMEOUT, "did not answer within 1.5 s"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct canned_rule rules[] = {{"GET /v1.41/x", rows[i].answer, 0, 0}, {0}};
        struct canned_server *server = canned_server_new(rules, "1.41");
        struct berth_engine *engine =
            open_engine(canned_server_endpoint(server),
                        rows[i].status == BERTH_E_TIMEOUT ? TIMEOUT_MS : PATIENCE_MS);
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = get(engine, "/x", NULL, &err);
        ck_assert_msg(rc == rows[i].status, "%s: %d, %s (%s)", rows[i].name, rc, err.message,
                      err.detail);
        ck_assert_msg(rc == 0 || err.status == rc, "%s", rows[i].name);
        ck_assert_msg(strstr(err.message, rows[i].message), "%s: %s", rows[i].name, err.message);
        berth_engine_close(engine);
        canned_server_free(server);
    }
}
END_TEST

START_TEST(what_is_no_json_is_no_answer)
{
    static const char *const bodies[] = {"200 {\"Id\":", "200 ", "200 <html>", "200 {} {}"};
    for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
        const struct canned_rule rules[] = {{"GET /v1.41/x", bodies[i], 0, 0}, {0}};
        struct canned_server *server = canned_server_new(rules, "1.41");
        struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(json) cJSON *json = NULL;
        ck_assert_int_eq(berth_engine_get_json(engine, "/x", &json, &err), BERTH_E_UNREACHABLE);
        ck_assert_ptr_null(json);
        ck_assert(strstr(err.message, "garbled"));
        berth_engine_close(engine);
        canned_server_free(server);
    }
}
END_TEST

START_TEST(without_a_socket_it_is_unreachable)
{
    struct berth_engine *engine = open_engine("unix:///nonexistent/docker.sock", TIMEOUT_MS);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(get(engine, "/x", NULL, &err), BERTH_E_UNREACHABLE);
    ck_assert_str_eq(err.message, "engine of facility demo cannot be reached");
    ck_assert(strstr(err.detail, "/nonexistent/docker.sock"));
    berth_engine_close(engine);
}
END_TEST

START_TEST(an_answer_that_moves_is_not_cut)
{
    static const char body[] = "200 {\"slow\":\"but moving\"}";
    const struct canned_rule rules[] = {{"GET /v1", body, 0, 250}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), LIMIT_MS);
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int64_t start_ms = berth_clock_monotonic_ms();
    int rc = berth_engine_get_json(engine, "/x", &json, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_int_gt(berth_clock_monotonic_ms() - start_ms, LIMIT_MS);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(grace_is_on_top_of_the_limit)
{
    const struct canned_rule rules[] = {{"POST /v1.41/stop", "", 0, 0}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), 100);
    ck_assert_int_eq(berth_engine_learn_version(engine, "1.41", NULL), 0);
    const struct berth_engine_request request = {
        .method = "POST", .path = "/stop", .grace_ms = 250};
    int64_t start_ms = berth_clock_monotonic_ms();
    ck_assert_int_eq(berth_engine_call(engine, &request, NULL, NULL), BERTH_E_TIMEOUT);
    int64_t took_ms = berth_clock_monotonic_ms() - start_ms;
    ck_assert_int_ge(took_ms, 350);
    ck_assert_int_lt(took_ms, PATIENCE_MS);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(requests_go_out_as_written)
{
    const struct canned_rule rules[] = {{"", "200 {}", 0, 0}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    static const struct berth_engine_request requests[] = {
        {.method = "GET", .path = "/a/../b?c=%2F"},
        {.method = "POST", .path = "/c"},
        {.method = "POST", .path = "/d", .body = "{\"x\":1}"},
        {.method = "DELETE", .path = "/e?v=1"},
    };
    for (size_t i = 0; i < UNIT_COUNT(requests); i++)
        ck_assert_int_eq(berth_engine_call(engine, &requests[i], NULL, NULL), 0);
    ck_assert_str_eq(canned_server_asked(server), "GET /v1.41/a/../b?c=%2F\n"
                                                  "POST /v1.41/c\n"
                                                  "POST /v1.41/d {\"x\":1}\n"
                                                  "DELETE /v1.41/e?v=1\n");
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

/* ---- Version ---- */

START_TEST(the_version_is_negotiated)
{
    static const struct {
        const char *version;
        int status;
        const char *asked;
        const char *message;
    } rows[] = {
        {"1.41", 0, "GET /v1.41/x\n", ""},
        {"1.44", 0, "GET /v1.44/x\n", ""},
        {"1.45", 0, "GET /v1.45/x\n", ""},
        {"1.50", 0, "GET /v1.45/x\n", ""},
        {"1.40", BERTH_E_REFUSED, "", "too old: it speaks API version 1.40, 1.41"},
        {"2.0", BERTH_E_UNREACHABLE, "", "as a Docker engine does"},
        {"1.x", BERTH_E_UNREACHABLE, "", "as a Docker engine does"},
        {NULL, BERTH_E_UNREACHABLE, "", "as a Docker engine does"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct canned_rule rules[] = {{"GET /v1.4", "200 {}", 0, 0}, {0}};
        struct canned_server *server = canned_server_new(rules, rows[i].version);
        struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = get(engine, "/x", NULL, &err);
        ck_assert_msg(rc == rows[i].status, "%s: %s", rows[i].version, err.message);
        ck_assert_msg(strstr(err.message, rows[i].message), "%s", err.message);
        ck_assert_str_eq(canned_server_asked(server), rows[i].asked);
        berth_engine_close(engine);
        canned_server_free(server);
    }
}
END_TEST

START_TEST(the_version_is_asked_once_and_again_after_an_absence)
{
    const struct canned_rule rules[] = {{"GET /v1.4", "200 {}", 0, 0}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(get(engine, "/x", NULL, NULL), 0);
    ck_assert_uint_eq(canned_server_pings(server), 1);

    canned_server_restart(server, "1.45");
    berth_engine_forget_version(engine); /* as a call that failed, or a stream, would */
    ck_assert_int_eq(get(engine, "/x", NULL, NULL), 0);
    ck_assert_uint_eq(canned_server_pings(server), 2);
    ck_assert(strstr(canned_server_asked(server), "GET /v1.45/x\n"));
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(a_failed_call_forgets_the_version)
{
    const struct canned_rule rules[] = {{"GET /v1.41/x", "", 1, 0}, {"GET", "200 {}", 0, 0}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), LIMIT_MS);
    ck_assert_int_eq(get(engine, "/x", NULL, NULL), BERTH_E_TIMEOUT);
    ck_assert_int_eq(get(engine, "/x", NULL, NULL), 0);
    ck_assert_uint_eq(canned_server_pings(server), 2);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(an_engine_that_was_replaced_is_asked_anew)
{
    static const char too_new[] = "400 {\"message\":\"client version 1.45 is too new. Maximum "
                                  "supported API version is 1.41\"}";
    const struct canned_rule rules[] = {
        {"GET /v1.45/x", "200 {}", 1, 0},
        {"GET /v1.45/x", too_new, 1, 0},
        {"GET /v1.41/x", "200 {\"a\":1}", 0, 0},
        {0},
    };
    struct canned_server *server = canned_server_new(rules, "1.45");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    ck_assert_int_eq(get(engine, "/x", NULL, NULL), 0);
    canned_server_restart(server, "1.41");
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    ck_assert_int_eq(get(engine, "/x", &response, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&response.body), "{\"a\":1}");
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(an_engine_that_refuses_every_version_is_asked_twice_at_most)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/x", "400 {\"message\":\"client version 1.41 is too old\"}", 0, 0}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(get(engine, "/x", NULL, &err), BERTH_E_REFUSED);
    ck_assert_str_eq(err.message, "client version 1.41 is too old");
    ck_assert_str_eq(canned_server_asked(server), "GET /v1.41/x\nGET /v1.41/x\n");
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(streams_need_a_version_and_keep_it)
{
    const struct canned_rule rules[] = {{0}};
    struct canned_server *server = canned_server_new(rules, "1.43");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    CURL *easy = curl_easy_init();
    ck_assert_int_eq(berth_engine_prepare(engine, easy, "/events", NULL), BERTH_E_UNREACHABLE);
    ck_assert_int_eq(berth_engine_learn_version(engine, "1.43", NULL), 0);
    berth_engine_forget_version(engine);
    ck_assert_int_eq(berth_engine_prepare(engine, easy, "/events", NULL), 0);
    const char *url = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    ck_assert_str_eq(url, "http://localhost/v1.43/events");
    curl_easy_cleanup(easy);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

/* ---- Connections ---- */

START_TEST(connections_are_kept)
{
    const struct canned_rule rules[] = {
        {"GET /v1.41/missing", "404 {}", 0, 0}, {"GET", "200 {}", 0, 0}, {0}};
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(get(engine, "/x", NULL, NULL), 0);
        ck_assert_int_eq(get(engine, "/missing", NULL, NULL), BERTH_E_NOT_FOUND);
    }
    ck_assert_uint_eq(canned_server_connections(server), 1);
    canned_server_restart(server, "1.41");
    ck_assert_int_eq(get(engine, "/x", NULL, NULL), 0); /* on a new one, unnoticed */
    ck_assert_uint_eq(canned_server_connections(server), 2);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

/* ---- Pieces ---- */

struct pieces {
    struct berth_strbuf text;
    unsigned ticks;
    unsigned most; /* pieces or ticks taken before saying stop */
};

static bool take_piece(void *ctx, const char *data, size_t len)
{
    struct pieces *pieces = ctx;
    berth_strbuf_add(&pieces->text, data, len);
    pieces->ticks += len == 0;
    return pieces->most-- > 0;
}

START_TEST(a_body_can_be_taken_in_pieces)
{
    const struct canned_rule rules[] = {{"POST /v1.41/pull", "200 abcdef", 0, 5},
                                        {"POST /v1.41/bad", "404 {\"message\":\"no\"}", 0, 0},
                                        {"POST /v1.41/hang", "", 0, 0},
                                        {0}};
    static const struct {
        const char *name;
        const char *path;
        unsigned most;
        int status;
        const char *text;
        unsigned ticks;
    } rows[] = {
        {"whole", "/pull", 100, 0, "abcdef", 0},
        {"stopped", "/pull", 2, BERTH_E_CANCELLED, "abc", 0},
        {"refused", "/bad", 100, BERTH_E_NOT_FOUND, "", 0},
        {"stopped while silent", "/hang", 0, BERTH_E_CANCELLED, "", 1},
    };
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(canned_server_endpoint(server), PATIENCE_MS);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct pieces pieces = {.text = BERTH_STRBUF_INIT(100), .most = rows[i].most};
        const struct berth_engine_request request = {
            .method = "POST", .path = rows[i].path, .on_data = take_piece, .ctx = &pieces};
        int rc = berth_engine_call(engine, &request, NULL, NULL);
        ck_assert_msg(rc == rows[i].status, "%s: %d", rows[i].name, rc);
        ck_assert_str_eq(berth_strbuf_str(&pieces.text), rows[i].text);
        ck_assert_msg(pieces.ticks == rows[i].ticks, "%s: %u", rows[i].name, pieces.ticks);
        berth_strbuf_release(&pieces.text);
    }
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

START_TEST(paths_are_encoded)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(100);
    berth_engine_path_add(&path, "/images/", "h:5000/a b?c%:v@sha256:0");
    ck_assert_str_eq(berth_strbuf_str(&path), "/images/h:5000/a%20b%3Fc%25:v@sha256:0");
}
END_TEST

UNIT_SUITE("engine", an_endpoint_is_checked_at_open, a_socket_path_fits_or_is_refused,
           ports_default_as_docker_has_them, answers_become_statuses, what_is_no_json_is_no_answer,
           without_a_socket_it_is_unreachable, an_answer_that_moves_is_not_cut,
           grace_is_on_top_of_the_limit, requests_go_out_as_written, the_version_is_negotiated,
           the_version_is_asked_once_and_again_after_an_absence, a_failed_call_forgets_the_version,
           an_engine_that_was_replaced_is_asked_anew,
           an_engine_that_refuses_every_version_is_asked_twice_at_most,
           streams_need_a_version_and_keep_it, connections_are_kept, a_body_can_be_taken_in_pieces,
           paths_are_encoded)
