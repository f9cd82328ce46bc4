/* SPDX-License-Identifier: MIT */
/* Asking the engine what was understood, and handing its answer on. */
#include "backends/engine/engine_relay_internal.h"
#include "base/text.h"

#include <string.h>

#define PATH_MAX_BYTES (BERTH_RELAY_QUERY_MAX + 1024)
#define JSON_TYPE      "application/json"

/* Longer than anything goes on. */
#define ENDLESS_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

struct run {
    struct berth_engine *engine;
    const struct berth_relay *relay;
    const struct berth_relay_sink *sink;
};

static int cancelled(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
}

/* A whole answer at once. */
static int hand_over(const struct run *run, long status, const char *type,
                     const struct berth_strbuf *body, struct berth_error *err)
{
    const struct berth_relay_sink *sink = run->sink;
    bool goes_on = sink->head(sink->ctx, status, type, 0) &&
                   (body->len == 0 || sink->data(sink->ctx, body->data, body->len));
    return goes_on ? 0 : cancelled(err);
}

/* The route's path with this id in the place of the star. */
static void write_path(const struct berth_relay *relay, const char *id, struct berth_strbuf *path)
{
    const char *pattern = relay->route->pattern;
    size_t before = strcspn(pattern, "*");
    berth_strbuf_add(path, pattern, before);
    if (pattern[before]) {
        berth_strbuf_adds(path, id);
        berth_strbuf_adds(path, pattern + before + strspn(pattern + before, "*"));
    }
}

/* ---- Answers that are looked at ---- */

static int ask(const struct run *run, const char *path, size_t max,
               struct berth_engine_response *response, struct berth_error *err)
{
    const struct berth_engine_request request = {
        .method = "GET",
        .path = path,
        .any_status = true,
        .api_minor = run->relay->api_minor,
    };
    response->body.cap = max;
    return berth_engine_call(run->engine, &request, response, err);
}

static int run_ping(const struct run *run, struct berth_error *err)
{
    const struct berth_relay_sink *sink = run->sink;
    int minor = 0;
    int rc = berth_engine_ping(run->engine, &minor, err);
    if (rc < 0)
        return rc;
    return sink->head(sink->ctx, 200, "text/plain; charset=utf-8", minor) &&
                   sink->data(sink->ctx, "OK", 2)
               ? 0
               : cancelled(err);
}

static int run_info(const struct run *run, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *info = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    struct berth_json_writer w = BERTH_JSON_WRITER(&body);
    static const char *const members[] = {"ID", "Name", "ServerVersion"};
    int rc = ask(run, "/info", BERTH_RELAY_INSPECT_MAX, &response, err);
    if (rc == 0 && response.status != 200)
        return hand_over(run, response.status, JSON_TYPE, &response.body, err);
    if (rc == 0)
        rc = berth_engine_parse(run->engine, berth_strbuf_str(&response.body), response.body.len,
                                &info, err);
    if (rc < 0)
        return rc;
    berth_json_open_object(&w, NULL);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        berth_json_add_string(&w, members[i], berth_json_string(info, members[i], ""));
    berth_json_open_object(&w, "Swarm");
    berth_json_add_string(&w, "NodeID",
                          berth_json_string(berth_json_get(info, "Swarm"), "NodeID", ""));
    berth_json_close_object(&w);
    berth_json_close_object(&w);
    rc = berth_strbuf_check(&body, err);
    return rc < 0 ? rc : hand_over(run, 200, JSON_TYPE, &body, err);
}

/* ---- Containers ---- */

/* As the engine says it. */
static int answer_unknown(const struct run *run, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_strbuf_addf(&body, "{\"message\":\"No such container: %s\"}\n", run->relay->id);
    return hand_over(run, 404, JSON_TYPE, &body, err);
}

static bool is_of_berth(const cJSON *inspect)
{
    const cJSON *labels = berth_json_get(berth_json_get(inspect, "Config"), "Labels");
    return cJSON_IsString(berth_json_get(labels, BERTH_LABEL_FACILITY));
}

/*
 * Looks at the container that is asked about. *ret_answered: with a refusal,
 * that is all there is to say. ret_id: it itself, however its name moves on.
 */
static int look(const struct run *run, struct berth_engine_response *response,
                char ret_id[static BERTH_RELAY_ID_MAX + 1], bool *ret_answered,
                struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    berth_strbuf_addf(&path, "/containers/%s/json", run->relay->id);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = ask(run, berth_strbuf_str(&path), BERTH_RELAY_INSPECT_MAX, response, err);
    if (rc < 0)
        return rc;
    *ret_answered = true;
    if (response->status == 404)
        return answer_unknown(run, err);
    if (response->status != 200)
        return hand_over(run, response->status, JSON_TYPE, &response->body, err);
    rc = berth_engine_parse(run->engine, berth_strbuf_str(&response->body), response->body.len,
                            &inspect, err);
    if (rc < 0)
        return rc;
    const char *id = berth_json_string(inspect, "Id", "");
    size_t len = strspn(id, "0123456789abcdef");
    if (!is_of_berth(inspect) || len == 0 || len > 64 || id[len])
        return answer_unknown(run, err);
    memcpy(ret_id, id, len + 1);
    *ret_answered = false;
    return 0;
}

static int run_container(const struct run *run, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    char id[BERTH_RELAY_ID_MAX + 1];
    bool is_answered;
    int rc = look(run, &response, id, &is_answered, err);
    return rc < 0 || is_answered ? rc : hand_over(run, 200, JSON_TYPE, &response.body, err);
}

/* ---- Answers that are passed on ---- */

static bool on_head(void *ctx, long status, const char *type)
{
    const struct run *run = ctx;
    return run->sink->head(run->sink->ctx, status, type, 0);
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    const struct run *run = ctx;
    return run->sink->data(run->sink->ctx, data, len);
}

static int pass_on(struct run *run, const char *id, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    const struct berth_relay *relay = run->relay;
    write_path(relay, id, &path);
    if (relay->query.len > 0)
        berth_strbuf_addf(&path, "?%s", berth_strbuf_str(&relay->query));
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {
        .method = "GET",
        .path = berth_strbuf_str(&path),
        .grace_ms = relay->is_endless ? ENDLESS_MS : 0,
        .on_data = on_data,
        .on_head = on_head,
        .ctx = run,
        .any_status = true,
        .api_minor = relay->api_minor,
    };
    response.body.cap = BERTH_RELAY_REFUSAL_MAX;
    rc = berth_engine_call(run->engine, &request, &response, err);
    if (rc < 0 || (response.status >= 200 && response.status <= 299))
        return rc;
    return hand_over(run, response.status, JSON_TYPE, &response.body, err);
}

static int run_of_container(struct run *run, struct berth_error *err)
{
    char id[BERTH_RELAY_ID_MAX + 1];
    {
        BERTH_CLEANUP(engine_response)
        struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
        bool is_answered;
        int rc = look(run, &response, id, &is_answered, err);
        if (rc < 0 || is_answered)
            return rc;
    }
    return pass_on(run, id, err);
}

int berth_relay_run(struct berth_engine *engine, const struct berth_relay *relay,
                    const struct berth_relay_sink *sink, struct berth_error *err)
{
    struct run run = {.engine = engine, .relay = relay, .sink = sink};
    switch (relay->route->kind) {
    case RELAY_PING:
        return run_ping(&run, err);
    case RELAY_INFO:
        return run_info(&run, err);
    case RELAY_CONTAINER:
        return run_container(&run, err);
    case RELAY_OF_CONTAINER:
        return run_of_container(&run, err);
    case RELAY_PLAIN:
    default:
        return pass_on(&run, relay->id, err);
    }
}
