/* SPDX-License-Identifier: MIT */
/* Asking the engine what was understood, and handing its answer on. */
#include "backends/engine/engine_relay_internal.h"
#include "base/text.h"

#include <string.h>

#define PATH_MAX_BYTES (BERTH_RELAY_QUERY_MAX + 1024)

/* Longer than anything goes on. */
#define ENDLESS_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

static int cancelled(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
}

int berth_relay_hand_over(const struct relay_run *run, long status, const char *type,
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

int berth_relay_ask(const struct relay_run *run, const char *path, size_t max,
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

static int run_ping(const struct relay_run *run, struct berth_error *err)
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

static int run_info(const struct relay_run *run, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *info = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    struct berth_json_writer w = BERTH_JSON_WRITER(&body);
    static const char *const members[] = {"ID", "Name", "ServerVersion"};
    int rc = berth_relay_ask(run, "/info", BERTH_RELAY_INSPECT_MAX, &response, err);
    if (rc == 0 && response.status != 200)
        return berth_relay_hand_over(run, response.status, RELAY_JSON, &response.body, err);
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
    return rc < 0 ? rc : berth_relay_hand_over(run, 200, RELAY_JSON, &body, err);
}

/* ---- Containers ---- */

int berth_relay_answer_unknown(const struct relay_run *run, const char *what,
                               struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_strbuf_addf(&body, "{\"message\":\"No such %s: %s\"}\n", what, run->relay->id);
    return berth_relay_hand_over(run, 404, RELAY_JSON, &body, err);
}

static bool is_of_berth(const cJSON *inspect)
{
    const cJSON *labels = berth_json_get(berth_json_get(inspect, "Config"), "Labels");
    return cJSON_IsString(berth_json_get(labels, BERTH_LABEL_FACILITY));
}

/* An id that can stand in a path. */
static bool has_id(const cJSON *inspect)
{
    const char *id = berth_json_string(inspect, "Id", "");
    size_t len = strspn(id, "0123456789abcdef");
    return len > 0 && len <= 64 && id[len] == '\0';
}

int berth_relay_look(const struct relay_run *run, const char *name, const char *what,
                     struct berth_engine_response *response, cJSON **ret_inspect,
                     struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    berth_strbuf_addf(&path, "/containers/%s/json", name);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_relay_ask(run, berth_strbuf_str(&path), BERTH_RELAY_INSPECT_MAX, response, err);
    if (rc < 0)
        return rc;
    *ret_inspect = NULL;
    if (response->status == 404)
        return berth_relay_answer_unknown(run, what, err);
    if (response->status != 200)
        return berth_relay_hand_over(run, response->status, RELAY_JSON, &response->body, err);
    rc = berth_engine_parse(run->engine, berth_strbuf_str(&response->body), response->body.len,
                            &inspect, err);
    if (rc < 0)
        return rc;
    if (!is_of_berth(inspect) || !has_id(inspect))
        return berth_relay_answer_unknown(run, what, err);
    *ret_inspect = berth_steal(&inspect);
    return 0;
}

static int run_container(const struct relay_run *run, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    int rc = berth_relay_look(run, run->relay->id, "container", &response, &inspect, err);
    return rc < 0 || !inspect ? rc
                              : berth_relay_hand_over(run, 200, RELAY_JSON, &response.body, err);
}

/* ---- Answers that are passed on ---- */

static bool on_head(void *ctx, long status, const char *type)
{
    const struct relay_run *run = ctx;
    return run->sink->head(run->sink->ctx, status, type, 0);
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    const struct relay_run *run = ctx;
    return run->sink->data(run->sink->ctx, data, len);
}

int berth_relay_pass_on(struct relay_run *run, const char *id, struct berth_error *err)
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
        .method = relay->route->method,
        .path = berth_strbuf_str(&path),
        .body = relay->body.len > 0 ? berth_strbuf_str(&relay->body) : NULL,
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
    return berth_relay_hand_over(run, response.status, RELAY_JSON, &response.body, err);
}

static int run_of_container(struct relay_run *run, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    int rc = berth_relay_look(run, run->relay->id, "container", &response, &inspect, err);
    if (rc < 0 || !inspect)
        return rc;
    berth_engine_response_release(&response); /* what follows may take long */
    return berth_relay_pass_on(run, berth_json_string(inspect, "Id", ""), err);
}

int berth_relay_run(struct berth_engine *engine, const struct berth_relay *relay,
                    const struct berth_relay_sink *sink, struct berth_error *err)
{
    struct relay_run run = {.engine = engine, .relay = relay, .sink = sink};
    switch (relay->route->kind) {
    case RELAY_PING:
        return run_ping(&run, err);
    case RELAY_INFO:
        return run_info(&run, err);
    case RELAY_CONTAINER:
        return run_container(&run, err);
    case RELAY_OF_CONTAINER:
        return run_of_container(&run, err);
    case RELAY_MAKE_EXEC:
        return berth_relay_make_exec(&run, err);
    case RELAY_OF_EXEC:
        return berth_relay_of_exec(&run, err);
    case RELAY_START_EXEC: /* a stream is opened */
    case RELAY_PLAIN:
    default:
        return berth_relay_pass_on(&run, relay->id, err);
    }
}
