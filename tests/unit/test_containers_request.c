/* SPDX-License-Identifier: MIT */
#include "gateway/containers_error.h"
#include "gateway/containers_request.h"
#include "tests/unit/unit.h"

#include <string.h>

#define CREATE BERTH_CONTAINERS_CREATE
#define CHANGE BERTH_CONTAINERS_CHANGE
#define PORTS  BERTH_CONTAINERS_PORTS

static const struct berth_facility_config free_policy = {.id = "lab"};
static const struct berth_facility_config tight_policy = {
    .id = "lab", .cpu_nano = 2000000000, .memory_bytes = INT64_C(1) << 30, .pids = 100};

struct outcome {
    int result;
    struct berth_error err;
    struct berth_strbuf details;
    struct berth_containers_body body;
};

static void decode(enum berth_containers_kind kind, const char *text, size_t len,
                   const struct berth_facility_config *policy, struct outcome *ret_outcome)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(1 << 20);
    *ret_outcome = (struct outcome){.details = BERTH_STRBUF_INIT(65536)};
    berth_strbuf_add(&body, text, len);
    ret_outcome->result = berth_containers_body_decode(kind, &body, policy, &ret_outcome->body,
                                                       &ret_outcome->details, &ret_outcome->err);
}

static void release(struct outcome *outcome)
{
    berth_strbuf_release(&outcome->details);
    berth_containers_body_release(&outcome->body);
}

START_TEST(a_whole_request_is_decoded)
{
    static const char text[] =
        "{\"image\": \"python:3.12-slim\", \"env\": {\"A\": \"1\", \"_b2\": \"\", \"GONE\": null},"
        " \"tags\": [\"web\", \"x y\"], \"resources\": {\"cpus\": 1.5, \"memory\": \"4096m\","
        " \"pids\": 2048}, \"ports\": [{\"host\": 8080, \"container\": 80},"
        " {\"host\": 8080, \"container\": 81, \"protocol\": \"udp\"}], \"owner\": \"ana\"}";
    struct outcome outcome;
    decode(CREATE, text, sizeof(text) - 1, &free_policy, &outcome);
    const struct berth_container_request *request = &outcome.body.request;
    ck_assert_msg(outcome.result == 0, "%s", outcome.err.message);
    ck_assert_str_eq(request->image->path, "python");
    ck_assert_str_eq(request->image->tag, "3.12-slim");
    ck_assert_uint_eq(request->spec.env.count, 3);
    ck_assert_str_eq(request->spec.env.items[1].name, "_b2");
    ck_assert_str_eq(request->spec.env.items[1].value, "");
    ck_assert_ptr_null(request->spec.env.items[2].value);
    ck_assert_uint_eq(request->spec.tags.count, 2);
    ck_assert_str_eq(request->spec.tags.items[1], "x y");
    ck_assert_int_eq(request->cpu_nano, 1500000000);
    ck_assert_int_eq(request->memory_bytes, INT64_C(4096) << 20);
    ck_assert_int_eq(request->pids, 2048);
    ck_assert_uint_eq(request->spec.ports.count, 2);
    ck_assert_uint_eq(request->spec.ports.items[0].host, 8080);
    ck_assert_int_eq(request->spec.ports.items[0].protocol, BERTH_TCP);
    ck_assert_int_eq(request->spec.ports.items[1].protocol, BERTH_UDP);
    ck_assert_str_eq(request->owner, "ana");
    release(&outcome);
}
END_TEST

START_TEST(what_may_be_left_out)
{
    static const struct {
        enum berth_containers_kind kind;
        const char *text;
    } rows[] = {
        {CREATE, "{\"image\": \"nginx\"}"},
        {CREATE, "{\"image\": \"nginx\", \"env\": null, \"tags\": null, \"ports\": null}"},
        {CREATE, "{\"image\": \"nginx\", \"resources\": {\"memory\": null}}"},
        {CREATE, "{\"image\": \"nginx\", \"resources\": {\"memory\": 6291456, \"cpus\": 0.01}}"},
        {CREATE, "{\"image\": \"nginx\", \"resources\": {\"memory\": \"4g\"}}"},
        {CREATE, "{\"compose\": \"services: {}\", \"env\": {\"A\": \"1\"}}"},
        {CHANGE, "{}"},
        {CHANGE, "{\"image\": null}"},
        {PORTS, "{\"ports\": []}"},
        {PORTS, "{\"ports\": [{\"host\": 1, \"container\": 65535, \"protocol\": null}]}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct outcome outcome;
        decode(rows[i].kind, rows[i].text, strlen(rows[i].text), &free_policy, &outcome);
        ck_assert_msg(outcome.result == 0, "%s: %s", rows[i].text, outcome.err.message);
        release(&outcome);
    }
}
END_TEST

/* Each names its cause, and in the details the field and what stood there. */
START_TEST(refusals)
{
    static const struct {
        enum berth_containers_kind kind;
        const char *text;
        const char *code;
        const char *details;
    } rows[] = {
        {CREATE, "", "MALFORMED_JSON", ""},
        {CREATE, "{", "MALFORMED_JSON", ""},
        {CREATE, "[]", "MALFORMED_JSON", ""},
        {CREATE, "{\"image\": \"\xff\"}", "MALFORMED_JSON", ""},
        {CREATE, "{}", "MISSING_IMAGE", "{\"field\":\"image\",\"provided\":null}"},
        {CREATE, "{\"image\": null}", "MISSING_IMAGE", "{\"field\":\"image\",\"provided\":null}"},
        {CREATE, "{\"image\": 5}", "INVALID_IMAGE", "{\"field\":\"image\",\"provided\":5}"},
        {CREATE, "{\"image\": \"A B\"}", "INVALID_IMAGE",
         "{\"field\":\"image\",\"provided\":\"A B\"}"},
        {CREATE, "{\"imago\": \"x\"}", "UNKNOWN_FIELD", "{\"field\":\"imago\",\"provided\":\"x\"}"},
        {CHANGE, "{\"owner\": \"x\"}", "UNKNOWN_FIELD", "{\"field\":\"owner\",\"provided\":\"x\"}"},
        {PORTS, "{\"env\": {}}", "UNKNOWN_FIELD", "{\"field\":\"env\",\"provided\":{}}"},
        {CHANGE, "{\"tags\": [], \"tags\": []}", "INVALID_REQUEST",
         "{\"field\":\"tags\",\"provided\":[]}"},
        {CREATE, "{\"owner\": \"a--b\"}", "INVALID_OWNER",
         "{\"field\":\"owner\",\"provided\":\"a--b\"}"},
        {CREATE, "{\"compose\": 1}", "INVALID_REQUEST", "{\"field\":\"compose\",\"provided\":1}"},
        {CREATE, "{\"compose\": \"x\", \"image\": \"nginx\"}", "INVALID_REQUEST",
         "{\"field\":\"image\",\"provided\":\"nginx\"}"},
        {CREATE, "{\"compose\": \"x\", \"ports\": []}", "INVALID_REQUEST",
         "{\"field\":\"ports\",\"provided\":[]}"},
        {CHANGE, "{\"env\": []}", "INVALID_ENV", "{\"field\":\"env\",\"provided\":[]}"},
        {CHANGE, "{\"env\": {\"A\": 1}}", "INVALID_ENV", "{\"field\":\"env.A\",\"provided\":1}"},
        {CHANGE, "{\"env\": {\"1A\": \"\"}}", "INVALID_ENV",
         "{\"field\":\"env.1A\",\"provided\":\"\"}"},
        {CHANGE, "{\"env\": {\"A-B\": \"\"}}", "INVALID_ENV",
         "{\"field\":\"env.A-B\",\"provided\":\"\"}"},
        {CHANGE, "{\"env\": {\"\": \"\"}}", "INVALID_ENV",
         "{\"field\":\"env.\",\"provided\":\"\"}"},
        {CHANGE, "{\"env\": {\"TAGS\": \"\"}}", "INVALID_ENV",
         "{\"field\":\"env.TAGS\",\"provided\":\"\"}"},
        {CHANGE, "{\"env\": {\"A\": \"\", \"A\": null}}", "INVALID_ENV",
         "{\"field\":\"env.A\",\"provided\":null}"},
        {CHANGE, "{\"tags\": \"web\"}", "INVALID_TAG", "{\"field\":\"tags\",\"provided\":\"web\"}"},
        {CHANGE, "{\"tags\": [\"a\", \"\"]}", "INVALID_TAG",
         "{\"field\":\"tags[1]\",\"provided\":\"\"}"},
        {CHANGE, "{\"tags\": [\"a,b\"]}", "INVALID_TAG",
         "{\"field\":\"tags[0]\",\"provided\":\"a,b\"}"},
        {CHANGE, "{\"tags\": [\"a\\nb\"]}", "INVALID_TAG",
         "{\"field\":\"tags[0]\",\"provided\":\"a\\nb\"}"},
        {CHANGE, "{\"resources\": 1}", "INVALID_RESOURCES",
         "{\"field\":\"resources\",\"provided\":1}"},
        {CHANGE, "{\"resources\": {\"disk\": 1}}", "UNKNOWN_FIELD",
         "{\"field\":\"resources.disk\",\"provided\":1}"},
        {CHANGE, "{\"resources\": {\"cpus\": 0}}", "INVALID_RESOURCES",
         "{\"field\":\"resources.cpus\",\"provided\":0}"},
        {CHANGE, "{\"resources\": {\"cpus\": \"1\"}}", "INVALID_RESOURCES",
         "{\"field\":\"resources.cpus\",\"provided\":\"1\"}"},
        {CHANGE, "{\"resources\": {\"memory\": \"4x\"}}", "INVALID_RESOURCES",
         "{\"field\":\"resources.memory\",\"provided\":\"4x\"}"},
        {CHANGE, "{\"resources\": {\"memory\": 6291455}}", "INVALID_RESOURCES",
         "{\"field\":\"resources.memory\",\"provided\":6291455}"},
        {CHANGE, "{\"resources\": {\"pids\": 1.5}}", "INVALID_RESOURCES",
         "{\"field\":\"resources.pids\",\"provided\":1.5}"},
        {CHANGE, "{\"resources\": {\"pids\": 0}}", "INVALID_RESOURCES",
         "{\"field\":\"resources.pids\",\"provided\":0}"},
        {PORTS, "{}", "INVALID_PORT", "{\"field\":\"ports\",\"provided\":null}"},
        {PORTS, "{\"ports\": {}}", "INVALID_PORT", "{\"field\":\"ports\",\"provided\":{}}"},
        {PORTS, "{\"ports\": [80]}", "INVALID_PORT", "{\"field\":\"ports[0]\",\"provided\":80}"},
        {PORTS, "{\"ports\": [{\"host\": 80}]}", "INVALID_PORT",
         "{\"field\":\"ports[0].container\",\"provided\":null}"},
        {PORTS, "{\"ports\": [{\"host\": 0, \"container\": 1}]}", "INVALID_PORT",
         "{\"field\":\"ports[0].host\",\"provided\":0}"},
        {PORTS, "{\"ports\": [{\"host\": 65536, \"container\": 1}]}", "INVALID_PORT",
         "{\"field\":\"ports[0].host\",\"provided\":65536}"},
        {PORTS, "{\"ports\": [{\"host\": \"80\", \"container\": 1}]}", "INVALID_PORT",
         "{\"field\":\"ports[0].host\",\"provided\":\"80\"}"},
        {PORTS, "{\"ports\": [{\"host\": 1, \"container\": 1, \"protocol\": \"sctp\"}]}",
         "INVALID_PORT", "{\"field\":\"ports[0].protocol\",\"provided\":\"sctp\"}"},
        {PORTS, "{\"ports\": [{\"host\": 1, \"container\": 1, \"ip\": \"::\"}]}", "UNKNOWN_FIELD",
         "{\"field\":\"ports[0].ip\",\"provided\":\"::\"}"},
        {PORTS, "{\"ports\": [{\"host\": 1, \"container\": 1}, {\"host\": 1, \"container\": 2}]}",
         "DUPLICATE_PORT", "{\"field\":\"ports[1]\",\"provided\":{\"host\":1,\"container\":2}}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct outcome outcome;
        decode(rows[i].kind, rows[i].text, strlen(rows[i].text), &free_policy, &outcome);
        ck_assert_msg(outcome.result == BERTH_E_INVALID, "%s", rows[i].text);
        ck_assert_msg(strcmp(outcome.err.code, rows[i].code) == 0, "%s: %s", rows[i].text,
                      outcome.err.code);
        ck_assert_msg(strcmp(berth_strbuf_str(&outcome.details), rows[i].details) == 0, "%s: %s",
                      rows[i].text, berth_strbuf_str(&outcome.details));
        ck_assert_str_eq(berth_containers_code(&outcome.err)->code, rows[i].code);
        ck_assert_int_eq(berth_containers_code(&outcome.err)->http_status, 400);
        release(&outcome);
    }
}
END_TEST

START_TEST(the_facility_bounds_resources)
{
    static const struct {
        const char *text;
        const char *field; /* NULL: within */
    } rows[] = {
        {"{\"resources\": {\"cpus\": 2, \"memory\": \"1g\", \"pids\": 100}}", NULL},
        {"{\"resources\": {\"cpus\": 2.001}}", "\"resources.cpus\""},
        {"{\"resources\": {\"memory\": \"1025m\"}}", "\"resources.memory\""},
        {"{\"resources\": {\"pids\": 101}}", "\"resources.pids\""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct outcome outcome;
        decode(CHANGE, rows[i].text, strlen(rows[i].text), &tight_policy, &outcome);
        ck_assert_msg((outcome.result == 0) == !rows[i].field, "%s", rows[i].text);
        if (rows[i].field) {
            ck_assert_str_eq(outcome.err.code, "LIMIT_EXCEEDED");
            ck_assert_ptr_nonnull(strstr(outcome.details.data, rows[i].field));
        }
        release(&outcome);
    }
}
END_TEST

/* {"tags": ["t", …]} and the like, of so many items, which are numbered where they must differ. */
static void decode_many(const char *before, const char *item, size_t count, const char *after,
                        struct outcome *ret_outcome)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 20);
    const char *mark = strchr(item, '#');
    berth_strbuf_adds(&text, before);
    for (size_t i = 0; i < count; i++) {
        berth_strbuf_adds(&text, i ? "," : "");
        berth_strbuf_add(&text, item, mark ? (size_t)(mark - item) : strlen(item));
        if (mark)
            berth_strbuf_addf(&text, "%zu%s", i + 1, mark + 1);
    }
    berth_strbuf_adds(&text, after);
    decode(CHANGE, text.data, text.len, &free_policy, ret_outcome);
}

START_TEST(each_limit_holds)
{
    static const struct {
        const char *before, *item;
        size_t most;
        const char *after;
    } rows[] = {
        {"{\"tags\": [", "\"t\"", BERTH_CONTAINER_TAGS_MAX, "]}"},
        {"{\"env\": {", "\"A#\": \"\"", BERTH_VARIABLES_MAX, "}}"},
        {"{\"ports\": [", "{\"host\": #, \"container\": 1}", BERTH_CONTAINER_PORTS_MAX, "]}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct outcome outcome;
        decode_many(rows[i].before, rows[i].item, rows[i].most, rows[i].after, &outcome);
        ck_assert_msg(outcome.result == 0, "%s: %s", rows[i].before, outcome.err.message);
        release(&outcome);
        decode_many(rows[i].before, rows[i].item, rows[i].most + 1, rows[i].after, &outcome);
        ck_assert_msg(outcome.result == BERTH_E_INVALID, "%s", rows[i].before);
        release(&outcome);
    }
}
END_TEST

/* One text of so many letters. */
START_TEST(texts_are_bounded)
{
    static const struct {
        const char *before;
        size_t most;
        const char *after;
    } rows[] = {
        {"{\"tags\": [\"", BERTH_CONTAINER_TAG_MAX, "\"]}"},
        {"{\"env\": {\"", BERTH_VARIABLE_NAME_MAX, "\": \"\"}}"},
        {"{\"env\": {\"A\": \"", BERTH_VARIABLE_VALUE_MAX, "\"}}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t more = 0; more < 2; more++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 20);
            struct outcome outcome;
            berth_strbuf_adds(&text, rows[i].before);
            for (size_t n = 0; n < rows[i].most + more; n++)
                berth_strbuf_addc(&text, 'A');
            berth_strbuf_adds(&text, rows[i].after);
            decode(CHANGE, text.data, text.len, &free_policy, &outcome);
            ck_assert_msg((outcome.result == 0) == (more == 0), "%s%zu", rows[i].before, more);
            release(&outcome);
        }
}
END_TEST

UNIT_SUITE("containers_request", a_whole_request_is_decoded, what_may_be_left_out, refusals,
           the_facility_bounds_resources, each_limit_holds, texts_are_bounded)
