/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_hijack.h"
#include "base/clock.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#include <string.h>

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *name;
    const char *text;
    int result;
    long status;
    int64_t body_len;
} heads[] = {
    {"upgraded", "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 0, 101,
     -1},
    {"plain", OK "Content-Type: application/vnd.docker.raw-stream\r\n\r\n", 0, 200, -1},
    {"no reason", "HTTP/1.1 200\r\n\r\n", 0, 200, -1},
    {"refused", "HTTP/1.1 409 Conflict\r\nContent-Length: 42\r\n\r\n", 0, 409, 42},
    {"length in any case", "HTTP/1.1 404 N\r\ncontent-length:7\r\n\r\n", 0, 404, 7},
    {"another's length", OK "X-Content-Length: 9\r\n\r\n", 0, 200, -1},
    {"length is no number", OK "Content-Length: many\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"negative length", OK "Content-Length: -1\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"other protocol", "SSH-2.0-OpenSSH_9\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"old version", "HTTP/1.0 200 OK\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"no status", "HTTP/1.1 OK\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"cut", "HTTP/1.1 20", BERTH_E_INVALID, 0, 0},
    {"cut in a header", OK "Content-Le", BERTH_E_INVALID, 0, 0},
    {"empty", "", BERTH_E_INVALID, 0, 0},
};

START_TEST(heads_are_read)
{
    for (size_t i = 0; i < UNIT_COUNT(heads); i++) {
        long status = 0;
        int64_t body_len = 0;
        int r =
            berth_engine_head_parse(heads[i].text, strlen(heads[i].text), &status, &body_len, NULL);
        ck_assert_msg(r == heads[i].result, "%s: %d", heads[i].name, r);
        if (r < 0)
            continue;
        ck_assert_msg(status == heads[i].status, "%s: status %ld", heads[i].name, status);
        ck_assert_msg(body_len == heads[i].body_len, "%s: length %lld", heads[i].name,
                      (long long)body_len);
    }
}
END_TEST

START_TEST(a_head_without_end_is_none)
{
    static char text[1 << 15];
    long status;
    int64_t body_len;
    memset(text, 'a', sizeof(text));
    memcpy(text, OK, strlen(OK));
    memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
    ck_assert_int_eq(berth_engine_head_parse(text, sizeof(text), &status, &body_len, NULL),
                     BERTH_E_INVALID);
    const char nul[] = "HTTP/1.1 200 \0K\r\n\r\n";
    ck_assert_int_eq(berth_engine_head_parse(nul, sizeof(nul) - 1, &status, &body_len, NULL),
                     BERTH_E_INVALID);
}
END_TEST

/* ---- Connections ---- */

#define START       "/exec/0a/start"
#define UPGRADED    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
#define TIMEOUT_MS  1500  /* of an engine that is silent */
#define PATIENCE_MS 30000 /* with others */

static struct berth_engine *open_engine(struct canned_server *server, int64_t timeout_ms)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_engine *engine = NULL;
    const struct berth_engine_config config = {.facility = "demo",
                                               .endpoint = canned_server_endpoint(server),
                                               .request_timeout_ms = timeout_ms,
                                               .connections = 2};
    ck_assert_msg(berth_engine_open(&config, &engine, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_engine_learn_version(engine, "1.41", &err) == 0, "%s", err.message);
    return engine;
}

static const struct {
    const char *name;
    const char *answer; /* of canned_server.h */
    int result;
    const char *message; /* part of it */
} answers[] = {
    {"upgraded", "101 ", 0, ""},
    {"plain", "HTTP/1.1 200 OK\r\n\r\n", 0, ""},
    {"refused", "409 {\"message\":\"Container x is paused\"}", BERTH_E_CONFLICT, "x is paused"},
    {"gone", "404 {\"message\":\"No such exec instance\"}", BERTH_E_NOT_FOUND, "No such exec"},
    {"refused without a length", "HTTP/1.1 500 E\r\n\r\n{\"message\":\"x\"}", BERTH_E_REFUSED,
     "status 500"},
    {"refused at great length", "HTTP/1.1 409 C\r\nContent-Length: 99999999\r\n\r\n{",
     BERTH_E_CONFLICT, "status 409"},
    {"half a refusal", "HTTP/1.1 409 C\r\nContent-Length: 50\r\n\r\n{\"mess", BERTH_E_UNREACHABLE,
     ""},
    {"half a head", "HTTP/1.1 101 UPGR", BERTH_E_UNREACHABLE, ""},
    {"a head without its end", "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n",
     BERTH_E_UNREACHABLE, ""},
    {"another protocol", "SSH-2.0-OpenSSH_9\r\n\r\n", BERTH_E_UNREACHABLE,
     "does not answer as a Docker engine does"},
    {"a redirect", "301 ", BERTH_E_UNREACHABLE, "does not answer as a Docker engine does"},
    {"silence", "", BERTH_E_TIMEOUT, ""},
};

START_TEST(any_answer_is_borne)
{
    for (size_t i = 0; i < UNIT_COUNT(answers); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        const struct canned_rule rules[] = {
            {.request = "POST /v1.41" START, .answer = answers[i].answer},
            {.request = "GET ", .answer = "200 {}"},
            {0},
        };
        struct canned_server *server = canned_server_new(rules, "1.41");
        struct berth_engine *engine =
            open_engine(server, answers[i].result == BERTH_E_TIMEOUT ? TIMEOUT_MS : PATIENCE_MS);
        struct berth_engine_hijack *hijack = NULL;
        int r = berth_engine_hijack_open(engine, START, "{}", &hijack, &err);
        ck_assert_msg(r == answers[i].result, "%s: %s, %s", answers[i].name, berth_status_name(r),
                      err.message);
        ck_assert_msg(strstr(err.message, answers[i].message), "%s: %s", answers[i].name,
                      err.message);
        berth_engine_hijack_close(hijack);
        berth_engine_close(engine);
        canned_server_free(server);
    }
}
END_TEST

START_TEST(a_head_comes_in_drips)
{
    static char head[(1 << 14) + 64] = "HTTP/1.1 101 UPGRADED\r\nX-Long: ";
    memset(head + strlen(head), 'a', sizeof(head) - strlen(head) - 1);
    const struct canned_rule rules[] = {
        {.request = "POST /v1.41/exec/0a", .answer = "101 hello", .drip_ms = 5},
        {.request = "POST /v1.41/exec/0b", .answer = head},
        {.request = "GET ", .answer = "200 {}"},
        {0},
    };
    struct berth_error err = BERTH_ERROR_INIT;
    struct canned_server *server = canned_server_new(rules, "1.41");
    struct berth_engine *engine = open_engine(server, PATIENCE_MS);
    struct berth_engine_hijack *hijack = NULL;
    char text[16] = "";
    size_t used = 0;
    ck_assert_int_eq(berth_engine_hijack_open(engine, START, "{}", &hijack, &err), 0);
    while (used < 5) {
        size_t len = 0;
        bool has_ended = false;
        int64_t deadline_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
        ck_assert_int_eq(berth_engine_hijack_await(hijack, deadline_ms, &err), 0);
        ck_assert_int_eq(berth_engine_hijack_await(hijack, 0, &err), 0); /* it is there */
        ck_assert_int_eq(berth_engine_hijack_read(hijack, text + used, sizeof(text) - used - 1,
                                                  &len, &has_ended, &err),
                         0);
        ck_assert(!has_ended);
        used += len;
    }
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(berth_engine_hijack_await(hijack, berth_clock_monotonic_ms() + 50, &err),
                     BERTH_E_TIMEOUT);
    berth_engine_hijack_close(hijack);
    hijack = NULL;
    ck_assert_int_eq(berth_engine_hijack_open(engine, "/exec/0b/start", "{}", &hijack, &err),
                     BERTH_E_UNREACHABLE); /* longer than a head may be */
    ck_assert_ptr_null(hijack);
    berth_engine_close(engine);
    canned_server_free(server);
}
END_TEST

UNIT_SUITE("engine_hijack", heads_are_read, a_head_without_end_is_none, any_answer_is_borne,
           a_head_comes_in_drips)
