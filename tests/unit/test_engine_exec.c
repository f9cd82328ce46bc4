/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_exec.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TIMEOUT_MS  1500  /* of an engine that is silent */
#define PATIENCE_MS 30000 /* with others */
#define RUNNING     "200 {\"State\":{\"Running\":true,\"StartedAt\":\"today\"}}"
#define ID          "201 {\"Id\":\"0b\"}"
#define STREAM      "HTTP/1.1 101 UPGRADED\r\n\r\n"

/* What an engine may say on the way to a process: its keeper is 0a, the process 0b. */
static const struct {
    const char *name;
    const char *container; /* the answer about it */
    const char *made;      /* to making the process */
    const char *started;   /* to starting it */
    int result;
    const char *message; /* part of it */
    bool no_tty;
} openings[] = {
    {"a container that is gone", "404 {\"message\":\"No such container: c1\"}", ID, "101 ",
     BERTH_E_NOT_FOUND, "No such container", false},
    {"one that does not run", "200 {\"State\":{\"Running\":false}}", ID, "101 ", BERTH_E_CONFLICT,
     "is not running", false},
    {"one that is paused", "200 {\"State\":{\"Running\":true,\"Paused\":true}}", ID, "101 ",
     BERTH_E_CONFLICT, "is paused", false},
    {"no JSON", "200 no", ID, "101 ", BERTH_E_UNREACHABLE, "", false},
    {"refused", RUNNING, "409 {\"message\":\"Container c1 is restarting\"}", "101 ",
     BERTH_E_CONFLICT, "is restarting", false},
    {"no id", RUNNING, "201 {}", "101 ", BERTH_E_UNREACHABLE, "garbled its answer", false},
    {"no id, but a path", RUNNING, "201 {\"Id\":\"../0a\"}", "101 ", BERTH_E_UNREACHABLE,
     "garbled its answer", false},
    {"refused at its start", RUNNING, ID, "500 {\"message\":\"out of memory\"}", BERTH_E_REFUSED,
     "out of memory", false},
    {"another protocol", RUNNING, ID, "SSH-2.0\r\n\r\n", BERTH_E_UNREACHABLE,
     "does not answer as a Docker engine does", false},
    {"no shell", RUNNING, ID, STREAM "OCI runtime exec failed: \"/bin/sh\": no such file\r\n",
     BERTH_E_CONFLICT, "has no shell", false},
    {"nothing said", RUNNING, ID, STREAM, BERTH_E_CONFLICT, "has no shell", false},
    {"half a greeting", RUNNING, ID, STREAM "\001berth 7", BERTH_E_CONFLICT, "has no shell", false},
    {"silence", RUNNING, ID, "101 \001berth 7", BERTH_E_TIMEOUT, "", false},
    {"no frames", RUNNING, ID, "101 \001berth 7\n", BERTH_E_UNREACHABLE, "garbled its answer",
     true},
    /* The keeper has hung up: what it is to keep is not let loose. */
    {"no keeper", RUNNING, ID, "101 \001berth 7\n", BERTH_E_UNREACHABLE, "", false},
};

START_TEST(any_answer_is_borne)
{
    static const struct berth_exec_spec terminal = {.tty = true, .cols = 80, .rows = 24};
    static const struct berth_exec_spec pipes = {.tty = false};
    for (size_t i = 0; i < UNIT_COUNT(openings); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_engine *engine = NULL;
        struct berth_exec *exec = NULL;
        const struct canned_rule rules[] = {
            {.request = "GET /v1.41/containers/c1/json", .answer = openings[i].container},
            {.request = "POST /v1.41/containers/c1/exec",
             .answer = "201 {\"Id\":\"0a\"}",
             .times = 1},
            {.request = "POST /v1.41/containers/c1/exec", .answer = openings[i].made},
            {.request = "POST /v1.41/exec/0a/start", .answer = STREAM},
            {.request = "POST /v1.41/exec/0b/start", .answer = openings[i].started},
            {0},
        };
        struct canned_server *server = canned_server_new(rules, "1.41");
        const struct berth_engine_config config = {
            .facility = "demo",
            .endpoint = canned_server_endpoint(server),
            .request_timeout_ms = openings[i].result == BERTH_E_TIMEOUT ? TIMEOUT_MS : PATIENCE_MS,
            .connections = 2};
        ck_assert_int_eq(berth_engine_open(&config, &engine, NULL), 0);
        int r =
            berth_engine_exec(engine, "c1", openings[i].no_tty ? &pipes : &terminal, &exec, &err);
        ck_assert_msg(r == openings[i].result, "%s: %s, %s", openings[i].name, berth_status_name(r),
                      err.message);
        ck_assert_msg(strstr(err.message, openings[i].message), "%s: %s", openings[i].name,
                      err.message);
        ck_assert_ptr_null(exec);
        berth_engine_close(engine);
        canned_server_free(server);
    }
}
END_TEST

/* What is told of the exit code of a terminal in c1, by an engine that answers so. */
static int ask_exit_code(const struct canned_rule *rules, int *ret_code)
{
    static const struct berth_exec_spec terminal = {.tty = true, .cols = 80, .rows = 24};
    struct berth_engine *engine = NULL;
    struct berth_exec *exec = NULL;
    struct canned_server *server = canned_server_new(rules, "1.41");
    const struct berth_engine_config config = {.facility = "demo",
                                               .endpoint = canned_server_endpoint(server),
                                               .request_timeout_ms = PATIENCE_MS,
                                               .connections = 2};
    ck_assert_int_eq(berth_engine_open(&config, &engine, NULL), 0);
    ck_assert_int_eq(berth_engine_exec(engine, "c1", &terminal, &exec, NULL), 0);
    int status = berth_exec_exit_code(exec, ret_code, NULL);
    canned_server_free(server); /* the keeper has ended */
    berth_exec_close(exec);
    berth_engine_close(engine);
    return status;
}

/* A busy engine ends the stream long before it has the code. */
START_TEST(an_exit_code_is_waited_for)
{
    static const struct canned_rule rules[] = {
        {.request = "GET /v1.41/containers/c1/json", .answer = RUNNING},
        {.request = "POST /v1.41/containers/c1/exec", .answer = "201 {\"Id\":\"0a\"}", .times = 1},
        {.request = "POST /v1.41/containers/c1/exec", .answer = ID},
        {.request = "POST /v1.41/exec/0a/start", .answer = "101 "},
        {.request = "POST /v1.41/exec/0b/start", .answer = "101 \001berth 7\n"},
        {.request = "GET /v1.41/exec/0b/json",
         .answer = "200 {\"Running\":true,\"ExitCode\":null}",
         .times = 50}, /* asked for 20 times a second */
        {.request = "GET /v1.41/exec/0b/json", .answer = "200 {\"Running\":false,\"ExitCode\":7}"},
        {0},
    };
    int code = 0;
    ck_assert_int_eq(ask_exit_code(rules, &code), 0);
    ck_assert_int_eq(code, 7);
}
END_TEST

/* What ends the app kills the process. An engine that knows of the app's end later is asked until
 * it had its time, and once more then. */
START_TEST(the_end_of_the_app_is_looked_for_to_the_last)
{
    static const struct canned_rule rules[] = {
        {.request = "GET /v1.41/containers/c1/json", .answer = RUNNING, .times = 1},
        {.request = "GET /v1.41/containers/c1/json", .answer = RUNNING, .times = 1, .drip_ms = 50},
        {.request = "GET /v1.41/containers/c1/json", .answer = "200 {\"State\":{}}"},
        {.request = "POST /v1.41/containers/c1/exec", .answer = "201 {\"Id\":\"0a\"}", .times = 1},
        {.request = "POST /v1.41/containers/c1/exec", .answer = ID},
        {.request = "POST /v1.41/exec/0a/start", .answer = "101 "},
        {.request = "POST /v1.41/exec/0b/start", .answer = "101 \001berth 7\n"},
        {.request = "GET /v1.41/exec/0b/json",
         .answer = "200 {\"Running\":false,\"ExitCode\":137}"},
        {0},
    };
    int code = 0;
    ck_assert_int_eq(ask_exit_code(rules, &code), BERTH_E_CANCELLED);
}
END_TEST

UNIT_SUITE("engine_exec", any_answer_is_borne, an_exit_code_is_waited_for,
           the_end_of_the_app_is_looked_for_to_the_last)
