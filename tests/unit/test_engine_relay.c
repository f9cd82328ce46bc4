/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_relay.h"

#include "backends/backend.h"
#include "base/encoding.h"
#include "tests/unit/engine_server.h"
#include "tests/unit/unit.h"

#include <string.h>

/* ---- What is let through ---- */

/* {"label":["berth.facility"]}, as it stands in a query. */
#define FORCED "filters=%7B%22label%22%3A%5B%22berth.facility%22%5D%7D"
#define FORCED_ALL                                                                                 \
    "filters=%7B%22label%22%3A%5B%22berth.facility%22%5D%2C%22type%22%3A%5B%22container%22%5D%7D"

START_TEST(what_is_read_passes)
{
    static const struct {
        const char *target, *id, *query;
        int minor;
        bool is_endless;
    } rows[] = {
        {"/_ping", "", "", 0, false},
        {"/v1.41/_ping", "", "", 41, false},
        {"/version", "", "", 0, false},
        {"/v1.45/info", "", "", 45, false},
        {"/containers/json", "", FORCED, 0, false},
        {"/containers/json?all=1", "", "all=1&" FORCED, 0, false},
        {"/containers/json?all=true&limit=3&size=0", "", "all=1&limit=3&" FORCED, 0, false},
        {"/containers/json?filters=%7B%7D", "", FORCED, 0, false},
        {"/containers/json?filters={\"label\":[\"berth.facility=demo\"]}", "",
         "filters=%7B%22label%22%3A%5B%22berth.facility%3Ddemo%22%2C%22berth.facility%22%5D%7D", 0,
         false},
        {"/containers/a.b-c_d/json", "a.b-c_d", "", 0, false},
        {"/containers/json/json", "json", "", 0, false},
        {"/v1.44/containers/0123/stats", "0123", "", 44, true},
        {"/containers/0123/stats?stream=1", "0123", "stream=1", 0, true},
        {"/containers/0123/stats?stream=0&one-shot=1", "0123", "stream=0&one-shot=1", 0, false},
        {"/containers/0123/logs?stdout=1&stderr=1&tail=all", "0123", "stdout=1&stderr=1&tail=all",
         0, false},
        {"/containers/0123/logs?follow=1&since=1.000000002", "0123", "follow=1&since=1.000000002",
         0, true},
        {"/containers/0123/logs?follow=0", "0123", "follow=0", 0, false},
        {"/events", "", FORCED_ALL, 0, true},
        {"/events?filters={\"type\":[\"network\",\"image\"]}&since=3", "", FORCED_ALL "&since=3", 0,
         true},
        {"/images/json", "", "", 0, false},
        {"/images/127.0.0.1:5000/team/tool:1.2@sha256:00ff/json",
         "127.0.0.1:5000/team/tool:1.2@sha256:00ff", "", 0, false},
        {"/version?", "", "", 0, false},
        {"/version?&", "", "", 0, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_relay_parse("GET", rows[i].target, &relay, &err);
        ck_assert_msg(r == 0, "%s: %s", rows[i].target, err.message);
        ck_assert_str_eq(relay.id, rows[i].id);
        ck_assert_str_eq(berth_strbuf_str(&relay.query), rows[i].query);
        ck_assert_msg(relay.api_minor == rows[i].minor, "%s", rows[i].target);
        ck_assert_msg(relay.is_endless == rows[i].is_endless, "%s", rows[i].target);
    }
}
END_TEST

static void check_refused(const char *method, const char *target, int status)
{
    BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_relay_parse(method, target, &relay, &err);
    ck_assert_msg(r == status, "%s %s: %d %s", method, target, r, err.message);
    ck_assert(err.message[0]);
}

START_TEST(all_else_is_refused)
{
    static const struct {
        const char *method, *target;
        int status;
    } rows[] = {
        /* what changes or betrays something */
        {"POST", "/containers/create", BERTH_E_FORBIDDEN},
        {"POST", "/containers/0123/start", BERTH_E_FORBIDDEN},
        {"DELETE", "/containers/0123", BERTH_E_FORBIDDEN},
        {"POST", "/containers/json", BERTH_E_FORBIDDEN},
        {"get", "/version", BERTH_E_FORBIDDEN},
        {"HEAD", "/_ping", BERTH_E_FORBIDDEN},
        {"PUT", "/containers/0123/archive", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/archive", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/export", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/top", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/attach/ws", BERTH_E_FORBIDDEN},
        {"GET", "/images/demo/get", BERTH_E_FORBIDDEN},
        {"GET", "/images/demo/history", BERTH_E_FORBIDDEN},
        {"GET", "/networks", BERTH_E_FORBIDDEN},
        {"GET", "/volumes", BERTH_E_FORBIDDEN},
        {"GET", "/secrets", BERTH_E_FORBIDDEN},
        {"GET", "/swarm", BERTH_E_FORBIDDEN},
        {"GET", "/swarm/unlockkey", BERTH_E_FORBIDDEN},
        {"GET", "/nodes", BERTH_E_FORBIDDEN},
        {"GET", "/", BERTH_E_FORBIDDEN},
        {"GET", "", BERTH_E_FORBIDDEN},
        {"GET", "*", BERTH_E_INVALID},
        /* other ways to write a path */
        {"GET", "/containers/../info", BERTH_E_FORBIDDEN},
        {"GET", "/containers/../json", BERTH_E_FORBIDDEN},
        {"GET", "/containers/./json", BERTH_E_FORBIDDEN},
        {"GET", "/containers//json", BERTH_E_FORBIDDEN},
        {"GET", "//containers/json", BERTH_E_FORBIDDEN},
        {"GET", "/containers/json/", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/json/", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/x/json", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123%2Fjson", BERTH_E_INVALID},
        {"GET", "/containers/0123%2f..%2f..%2fsecrets/json", BERTH_E_INVALID},
        {"GET", "/containers/%2e%2e/json", BERTH_E_INVALID},
        {"GET", "/containers/0123\\json", BERTH_E_INVALID},
        {"GET", "/containers/01 23/json", BERTH_E_INVALID},
        {"GET", "/containers/0123;a/json", BERTH_E_INVALID},
        {"GET", "/containers/0123\r\nHost:a/json", BERTH_E_INVALID},
        {"GET", "/containers/\xC3\xA4/json", BERTH_E_INVALID},
        {"GET", "/images/../containers/json", BERTH_E_FORBIDDEN},
        {"GET", "/images/a/../../containers/x/json", BERTH_E_FORBIDDEN},
        {"GET", "/images/a/./json", BERTH_E_FORBIDDEN},
        {"GET", "/images/a//json", BERTH_E_FORBIDDEN},
        {"GET", "/images/a//b/json", BERTH_E_FORBIDDEN},
        {"GET", "/images/.a/json", BERTH_E_FORBIDDEN},
        {"GET", "http://else/containers/json", BERTH_E_FORBIDDEN},
        /* versions */
        {"GET", "/v1.40/info", BERTH_E_INVALID},
        {"GET", "/v1.46/info", BERTH_E_INVALID},
        {"GET", "/v1.9999/info", BERTH_E_INVALID},
        {"GET", "/v1.99999/info", BERTH_E_FORBIDDEN},
        {"GET", "/v2.41/info", BERTH_E_FORBIDDEN},
        {"GET", "/v1./info", BERTH_E_FORBIDDEN},
        {"GET", "/v1.41", BERTH_E_FORBIDDEN},
        {"GET", "/v1.41/", BERTH_E_FORBIDDEN},
        {"GET", "/v1.41/v1.41/info", BERTH_E_FORBIDDEN},
        {"GET", "/v1.41x/info", BERTH_E_FORBIDDEN},
        /* queries */
        {"GET", "/version?a=1", BERTH_E_FORBIDDEN},
        {"GET", "/containers/json?size=1", BERTH_E_FORBIDDEN},
        {"GET", "/containers/json?before=x", BERTH_E_FORBIDDEN},
        {"GET", "/containers/json?all=2", BERTH_E_INVALID},
        {"GET", "/containers/json?all=1&all=0", BERTH_E_INVALID},
        {"GET", "/containers/json?all=1&%61ll=0", BERTH_E_INVALID},
        {"GET", "/containers/json?limit=%", BERTH_E_INVALID},
        {"GET", "/containers/json?limit=%0", BERTH_E_INVALID},
        {"GET", "/containers/json?limit=%zz", BERTH_E_INVALID},
        {"GET", "/containers/json?limit=1%00", BERTH_E_INVALID},
        {"GET", "/containers/json?limit=1%26all", BERTH_E_INVALID},
        {"GET", "/containers/json?limit=", BERTH_E_INVALID},
        {"GET", "/containers/json?filters=", BERTH_E_INVALID},
        {"GET", "/containers/json?filters=[]", BERTH_E_INVALID},
        {"GET", "/containers/json?filters={", BERTH_E_INVALID},
        {"GET", "/containers/json?filters=null", BERTH_E_INVALID},
        {"GET", "/containers/json?filters={}&filters={}", BERTH_E_INVALID},
        {"GET", "/containers/json?filters={\"volume\":[\"x\"]}", BERTH_E_FORBIDDEN},
        {"GET", "/containers/json?filters={\"label\":{\"a\":true}}", BERTH_E_INVALID},
        {"GET", "/containers/json?filters={\"label\":[1]}", BERTH_E_INVALID},
        {"GET", "/containers/json?filters={\"label\":[],\"label\":[]}", BERTH_E_INVALID},
        {"GET", "/containers/json?filters={\"Label\":[]}", BERTH_E_FORBIDDEN},
        {"GET", "/containers/json?filters={\"label\":[\"a\\u007f\"]}", BERTH_E_INVALID},
        {"GET", "/events?filters={\"label\":[\"\\u0001\"]}", BERTH_E_INVALID},
        {"GET", "/events?filters={\"daemon\":[\"x\"]}", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/logs?details=1", BERTH_E_FORBIDDEN},
        {"GET", "/containers/0123/logs?since=1;x", BERTH_E_INVALID},
        {"GET", "/containers/0123/logs?follow=yes", BERTH_E_INVALID},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        check_refused(rows[i].method, rows[i].target, rows[i].status);
}
END_TEST

START_TEST(lengths_have_bounds)
{
    static const struct {
        size_t id;
        bool passes;
    } rows[] = {{BERTH_RELAY_ID_MAX, true}, {BERTH_RELAY_ID_MAX + 1, false}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
        BERTH_CLEANUP(strbuf) struct berth_strbuf target = BERTH_STRBUF_INIT(BERTH_TARGET_MAX * 2);
        berth_strbuf_adds(&target, "/containers/");
        for (size_t k = 0; k < rows[i].id; k++)
            berth_strbuf_addc(&target, 'a');
        berth_strbuf_adds(&target, "/json");
        int r = berth_relay_parse("GET", berth_strbuf_str(&target), &relay, NULL);
        ck_assert_int_eq(r, rows[i].passes ? 0 : BERTH_E_FORBIDDEN);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
        BERTH_CLEANUP(strbuf) struct berth_strbuf target = BERTH_STRBUF_INIT(BERTH_TARGET_MAX * 2);
        berth_strbuf_adds(&target, "/version?");
        while (target.len < BERTH_TARGET_MAX + extra)
            berth_strbuf_addc(&target, '&');
        int r = berth_relay_parse("GET", berth_strbuf_str(&target), &relay, NULL);
        ck_assert_int_eq(r, extra ? BERTH_E_INVALID : 0);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
        BERTH_CLEANUP(strbuf)
        struct berth_strbuf body = BERTH_STRBUF_INIT(BERTH_RELAY_BODY_MAX + 2);
        ck_assert_int_eq(berth_relay_parse("POST", "/containers/0123/exec", &relay, NULL), 0);
        berth_strbuf_adds(&body, "{}");
        while (body.len < BERTH_RELAY_BODY_MAX + extra)
            berth_strbuf_addc(&body, ' ');
        int r = berth_relay_take_body(&relay, berth_strbuf_str(&body), body.len, NULL);
        ck_assert_int_eq(r, extra ? BERTH_E_INVALID : 0);
    }
}
END_TEST

START_TEST(processes_pass)
{
    static const struct {
        const char *method, *target, *id, *query;
        bool has_body, is_stream;
    } rows[] = {
        {"POST", "/v1.41/containers/0123/exec", "0123", "", true, false},
        {"GET", "/v1.45/exec/0123/json", "0123", "", false, false},
        {"POST", "/exec/0123/resize?h=40&w=100", "0123", "h=40&w=100", false, false},
        {"POST", "/exec/0123/start", "0123", "", true, true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_relay_parse(rows[i].method, rows[i].target, &relay, &err);
        ck_assert_msg(r == 0, "%s: %s", rows[i].target, err.message);
        ck_assert_str_eq(relay.id, rows[i].id);
        ck_assert_str_eq(berth_strbuf_str(&relay.query), rows[i].query);
        ck_assert_msg(berth_relay_has_body(&relay) == rows[i].has_body, "%s", rows[i].target);
        ck_assert_msg(berth_relay_is_stream(&relay) == rows[i].is_stream, "%s", rows[i].target);
        ck_assert_msg(relay.is_endless == rows[i].is_stream, "%s", rows[i].target);
    }
}
END_TEST

START_TEST(other_ways_to_a_process_are_refused)
{
    static const struct {
        const char *method, *target;
        int status;
    } rows[] = {
        {"GET", "/containers/0123/exec", BERTH_E_FORBIDDEN},
        {"POST", "/containers/0123/exec/", BERTH_E_FORBIDDEN},
        {"POST", "/containers/0123/exec?x=1", BERTH_E_FORBIDDEN},
        {"POST", "/containers//exec", BERTH_E_FORBIDDEN},
        {"GET", "/exec/0123/start", BERTH_E_FORBIDDEN},
        {"POST", "/exec/0123/json", BERTH_E_FORBIDDEN},
        {"POST", "/exec/../start", BERTH_E_FORBIDDEN},
        {"POST", "/exec/0123%2f/start", BERTH_E_INVALID},
        {"POST", "/exec/0123/start/start", BERTH_E_FORBIDDEN},
        {"POST", "/exec/0123/start?a", BERTH_E_FORBIDDEN},
        {"POST", "/exec/0123/resize?h=1&w=1&x=1", BERTH_E_FORBIDDEN},
        {"POST", "/exec/0123/resize?h=1&h=2", BERTH_E_INVALID},
        {"POST", "/exec/0123/resize?h=%26", BERTH_E_INVALID},
        {"POST", "/exec", BERTH_E_FORBIDDEN},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        check_refused(rows[i].method, rows[i].target, rows[i].status);
}
END_TEST

#define MAKE  "/containers/0123/exec"
#define START "/exec/0123/start"

START_TEST(bodies_are_made_anew)
{
    static const struct {
        const char *target, *given, *made;
        int status;
    } rows[] = {
        {MAKE, "{}", "{}", 0},
        {MAKE, " { \"Cmd\" : [ \"a\\u0062\", \"\" ], \"Tty\" : true } ",
         "{\"Cmd\":[\"ab\",\"\"],\"Tty\":true}", 0},
        {MAKE,
         "{\"AttachStdin\":true,\"AttachStdout\":false,\"AttachStderr\":true,\"Env\":[\"A=1\"],"
         "\"User\":\"\",\"WorkingDir\":\"/srv\"}",
         "{\"AttachStdin\":true,\"AttachStdout\":false,\"AttachStderr\":true,\"Env\":[\"A=1\"],"
         "\"User\":\"\",\"WorkingDir\":\"/srv\"}",
         0},
        {MAKE, "{\"Env\":null,\"Detach\":false,\"DetachKeys\":\"\",\"Privileged\":false}", "{}", 0},
        {START, "{\"Detach\":false,\"Tty\":true}", "{\"Tty\":true}", 0},
        {MAKE, "{\"Privileged\":true}", NULL, BERTH_E_FORBIDDEN},
        {MAKE, "{\"Privileged\":1}", NULL, BERTH_E_FORBIDDEN},
        {MAKE, "{\"privileged\":true}", NULL, BERTH_E_FORBIDDEN},
        {MAKE, "{\"PRIVILEGED\":false}", NULL, BERTH_E_FORBIDDEN},
        {MAKE, "{\"Privileged\":false,\"Privileged\":true}", NULL, BERTH_E_INVALID},
        {MAKE, "{\"Cmd\":[],\"Cmd\":[\"a\"]}", NULL, BERTH_E_INVALID},
        {MAKE, "{\"Detach\":true}", NULL, BERTH_E_FORBIDDEN},
        {MAKE, "{\"DetachKeys\":\"ctrl-p\"}", NULL, BERTH_E_FORBIDDEN},
        {MAKE, "{\"Cmd\":\"a\"}", NULL, BERTH_E_INVALID},
        {MAKE, "{\"Cmd\":[1]}", NULL, BERTH_E_INVALID},
        {MAKE, "{\"Cmd\":[[]]}", NULL, BERTH_E_INVALID},
        {MAKE, "{\"User\":0}", NULL, BERTH_E_INVALID},
        {MAKE, "{\"Tty\":\"true\"}", NULL, BERTH_E_INVALID},
        {MAKE, "", NULL, BERTH_E_INVALID},
        {MAKE, "[]", NULL, BERTH_E_INVALID},
        {MAKE, "{} {}", NULL, BERTH_E_INVALID},
        {START, "{\"Detach\":true}", NULL, BERTH_E_FORBIDDEN},
        {START, "{\"Cmd\":[\"a\"]}", NULL, BERTH_E_FORBIDDEN},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_relay_parse("POST", rows[i].target, &relay, NULL), 0);
        int r = berth_relay_take_body(&relay, rows[i].given, strlen(rows[i].given), &err);
        ck_assert_msg(r == rows[i].status, "%s: %d %s", rows[i].given, r, err.message);
        if (r == 0)
            ck_assert_str_eq(berth_strbuf_str(&relay.body), rows[i].made);
    }
}
END_TEST

/* ---- What comes back ---- */

struct taken {
    long status;
    int minor;
    char type[64];
    char body[65536];
    size_t len;
    unsigned heads;
    bool is_gone; /* after the head */
    bool has_stream;
};

static bool take_head(void *ctx, long status, const char *type, int minor)
{
    struct taken *taken = ctx;
    taken->heads++;
    taken->status = status;
    taken->minor = minor;
    (void)snprintf(taken->type, sizeof(taken->type), "%s", type);
    return !taken->is_gone;
}

static bool take_data(void *ctx, const char *data, size_t len)
{
    struct taken *taken = ctx;
    ck_assert(len == 0 || taken->heads == 1);
    ck_assert_uint_lt(taken->len + len, sizeof(taken->body));
    if (len > 0)
        memcpy(taken->body + taken->len, data, len);
    taken->len += len;
    taken->body[taken->len] = '\0';
    return true;
}

static struct engine_server *server;
static struct berth_engine *engine;

static void open_engine_with(int64_t timeout_ms)
{
    server = engine_server_new();
    const struct berth_engine_config config = {
        .facility = "demo",
        .endpoint = engine_server_endpoint(server),
        .request_timeout_ms = timeout_ms,
        .connections = 2,
    };
    ck_assert_int_eq(berth_engine_open(&config, &engine, NULL), 0);
    engine_server_put(server, "aaaa", "ours", "demo", "running");
    engine_server_put(server, "bbbb", "theirs", NULL, "running");
}

static void open_engine(void)
{
    open_engine_with(30000);
}

static void close_engine(void)
{
    berth_engine_close(engine);
    engine_server_free(server);
}

/* body: NULL, or what comes with a POST. */
static int relay_with(const char *target, const char *body, struct taken *taken,
                      struct berth_error *err)
{
    BERTH_CLEANUP(relay) struct berth_relay asked = BERTH_RELAY_INIT;
    const struct berth_relay_sink sink = {.ctx = taken, .head = take_head, .data = take_data};
    bool is_gone = taken->is_gone;
    *taken = (struct taken){.is_gone = is_gone};
    ck_assert_int_eq(berth_relay_parse(body ? "POST" : "GET", target, &asked, NULL), 0);
    if (body)
        ck_assert_int_eq(berth_relay_take_body(&asked, body, strlen(body), NULL), 0);
    if (!berth_relay_is_stream(&asked))
        return berth_relay_run(engine, &asked, &sink, err);
    BERTH_CLEANUP(engine_hijack) struct berth_engine_hijack *stream = NULL;
    int r = berth_relay_open(engine, &asked, &sink, &stream, err);
    taken->has_stream = stream != NULL;
    return r;
}

static int relay(const char *target, struct taken *taken, struct berth_error *err)
{
    return relay_with(target, NULL, taken, err);
}

START_TEST(containers_of_others_are_not_there)
{
    static const char *const suffixes[] = {"json", "logs?stdout=1", "stats?stream=0"};
    static struct taken taken;
    open_engine();
    for (size_t i = 0; i < UNIT_COUNT(suffixes); i++) {
        static const struct {
            const char *id;
            bool is_ours;
        } ids[] = {{"aaaa", true}, {"bbbb", false}, {"cccc", false}};
        for (size_t k = 0; k < UNIT_COUNT(ids); k++) {
            char target[64];
            char unknown[64];
            (void)snprintf(target, sizeof(target), "/containers/%s/%s", ids[k].id, suffixes[i]);
            (void)snprintf(unknown, sizeof(unknown), "{\"message\":\"No such container: %s\"}\n",
                           ids[k].id);
            /* The server knows neither logs nor statistics that end. */
            if (ids[k].is_ours && i > 0)
                engine_server_answer(server, i == 1 ? "/logs" : "/stats",
                                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
            int r = relay(target, &taken, NULL);
            engine_server_answer(server, "/none", NULL);
            ck_assert_int_eq(r, 0);
            ck_assert_msg(taken.status == (ids[k].is_ours ? 200 : 404), "%s", target);
            if (!ids[k].is_ours)
                ck_assert_str_eq(taken.body, unknown);
        }
        ck_assert_uint_eq(engine_server_asked(server, "bbbb/logs") +
                              engine_server_asked(server, "bbbb/stats"),
                          0);
    }
    close_engine();
}
END_TEST

/* What the engine says of a process in that container. */
static void answer_exec(const char *container, bool is_privileged)
{
    char body[256];
    char raw[512];
    (void)snprintf(body, sizeof(body),
                   "{\"ID\":\"eeee\",\"Running\":false,\"ProcessConfig\":{\"privileged\":%s},"
                   "\"ContainerID\":\"%s\"}",
                   is_privileged ? "true" : "false", container);
    (void)snprintf(raw, sizeof(raw), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    engine_server_answer(server, "/exec/eeee/json", raw);
}

START_TEST(processes_of_others_are_not_there)
{
    static const struct {
        const char *name, *container;
        bool is_privileged, is_there;
    } rows[] = {
        {"ours", "aaaa", false, true},
        {"privileged, so not made here", "aaaa", true, false},
        {"theirs", "bbbb", false, false},
        {"of a container that is gone", "cccc", false, false},
        {"of no container", "", false, false},
        {"of what is no id", "../info", false, false},
    };
    static const char unknown[] = "{\"message\":\"No such exec instance: eeee\"}\n";
    static struct taken taken;
    open_engine();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        answer_exec(rows[i].container, rows[i].is_privileged);
        ck_assert_int_eq(relay("/exec/eeee/json", &taken, NULL), 0);
        ck_assert_msg(taken.status == (rows[i].is_there ? 200 : 404), "%s", rows[i].name);
        if (rows[i].is_there)
            continue;
        ck_assert_str_eq(taken.body, unknown);
        ck_assert_int_eq(relay_with("/exec/eeee/start", "{}", &taken, NULL), 0);
        ck_assert_msg(taken.status == 404 && !taken.has_stream, "%s", rows[i].name);
    }
    ck_assert_uint_eq(engine_server_asked(server, "/exec/eeee/start"), 0);
    close_engine();
}
END_TEST

START_TEST(processes_are_of_the_containers_user)
{
    static const struct {
        const char *user;
        int status;
    } rows[] = {{"", 0}, {"1000", 0}, {"0", BERTH_E_FORBIDDEN}, {"1000:0", BERTH_E_FORBIDDEN}};
    static const char inspect[] = "{\"Id\":\"aaaa\",\"Config\":{\"User\":\"1000\",\"Labels\":{"
                                  "\"berth.facility\":\"demo\"}}}";
    static struct taken taken;
    char raw[512];
    (void)snprintf(raw, sizeof(raw), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(inspect), inspect);
    open_engine();
    engine_server_answer(server, "/containers/aaaa/json", raw);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char body[64];
        struct berth_error err = BERTH_ERROR_INIT;
        unsigned before = engine_server_asked(server, "/containers/aaaa/exec");
        (void)snprintf(body, sizeof(body), "{\"User\":\"%s\"}", rows[i].user);
        ck_assert_int_eq(relay_with("/containers/aaaa/exec", body, &taken, &err), rows[i].status);
        ck_assert_uint_eq(engine_server_asked(server, "/containers/aaaa/exec") - before,
                          rows[i].status == 0 ? 1 : 0);
    }
    ck_assert_int_eq(relay_with("/containers/bbbb/exec", "{}", &taken, NULL), 0);
    ck_assert_int_eq(taken.status, 404);
    ck_assert_uint_eq(engine_server_asked(server, "/containers/bbbb/exec"), 0);
    close_engine();
}
END_TEST

START_TEST(refusals_are_passed_on)
{
    static struct taken taken;
    open_engine();
    engine_server_answer(server, "/images/json",
                         "HTTP/1.1 500 Oh\r\nContent-Length: 19\r\n\r\n{\"message\":\"oh no\"}");
    ck_assert_int_eq(relay("/images/json", &taken, NULL), 0);
    ck_assert_int_eq(taken.status, 500);
    ck_assert_str_eq(taken.body, "{\"message\":\"oh no\"}");
    close_engine();
}
END_TEST

START_TEST(a_ping_tells_the_version_both_know)
{
    static struct taken taken;
    open_engine();
    ck_assert_int_eq(relay("/_ping", &taken, NULL), 0);
    ck_assert_int_eq(taken.status, 200);
    ck_assert_int_ge(taken.minor, BERTH_ENGINE_API_MINOR_MIN);
    ck_assert_int_le(taken.minor, BERTH_ENGINE_API_MINOR_MAX);
    ck_assert_str_eq(taken.body, "OK");
    close_engine();
}
END_TEST

START_TEST(info_is_what_is_needed)
{
    static struct taken taken;
    static const char body[] =
        "{\"ID\":\"i\",\"Name\":\"n\",\"ServerVersion\":\"26\",\"HttpProxy\":\"secret\",\"Swarm\":{"
        "\"NodeID\":\"x\",\"RemoteManagers\":[]}}";
    char raw[512];
    (void)snprintf(raw, sizeof(raw), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   sizeof(body) - 1, body);
    open_engine();
    engine_server_answer(server, "/info", raw);
    ck_assert_int_eq(relay("/v1.41/info", &taken, NULL), 0);
    ck_assert_str_eq(
        taken.body,
        "{\"ID\":\"i\",\"Name\":\"n\",\"ServerVersion\":\"26\",\"Swarm\":{\"NodeID\":\"x\"}}");
    ck_assert_uint_eq(engine_server_asked(server, "/v1.41/info"), 1);
    close_engine();
}
END_TEST

START_TEST(what_cannot_be_had_is_an_error)
{
    static struct taken taken;
    struct berth_error err = BERTH_ERROR_INIT;
    open_engine_with(3000); /* one of which is waited for */
    taken.is_gone = true;
    ck_assert_int_eq(relay("/images/json", &taken, &err), BERTH_E_CANCELLED);
    taken.is_gone = false;
    engine_server_freeze(server, true);
    ck_assert_int_eq(relay("/images/json", &taken, &err), BERTH_E_TIMEOUT);
    ck_assert_uint_eq(taken.heads, 0);
    engine_server_freeze(server, false);
    engine_server_stop(server);
    ck_assert_int_eq(relay("/containers/aaaa/json", &taken, &err), BERTH_E_UNREACHABLE);
    ck_assert_uint_eq(taken.heads, 0);
    close_engine();
}
END_TEST

UNIT_SUITE("engine_relay", what_is_read_passes, all_else_is_refused, processes_pass,
           other_ways_to_a_process_are_refused, bodies_are_made_anew, lengths_have_bounds,
           containers_of_others_are_not_there, processes_of_others_are_not_there,
           processes_are_of_the_containers_user, refusals_are_passed_on,
           a_ping_tells_the_version_both_know, info_is_what_is_needed,
           what_cannot_be_had_is_an_error)
