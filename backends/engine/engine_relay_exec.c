/* SPDX-License-Identifier: MIT */
/* Processes in containers: they are made, looked at, and given a connection. */
#include "backends/engine/engine_relay_internal.h"
#include "base/text.h"

#include <string.h>

#define PATH_MAX_BYTES 512
#define WHAT           "exec instance" /* as the engine calls them */

/* ---- Making ---- */

/* A manager has no need of another user than the app's own. */
static int check_user(const struct relay_run *run, const cJSON *inspect, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *body = NULL;
    int rc =
        berth_json_parse(berth_strbuf_str(&run->relay->body), run->relay->body.len, &body, err);
    if (rc < 0)
        return rc;
    const char *user = berth_json_string(body, "User", "");
    const char *own = berth_json_string(berth_json_get(inspect, "Config"), "User", "");
    return !user[0] || strcmp(user, own) == 0
               ? 0
               : berth_error_set(err, BERTH_E_FORBIDDEN,
                                 "berth's agent runs processes as the container's own user alone");
}

int berth_relay_make_exec(struct relay_run *run, struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    int rc = berth_relay_look(run, run->relay->id, "container", &response, &inspect, err);
    if (rc < 0 || !inspect)
        return rc;
    rc = check_user(run, inspect, err);
    return rc < 0 ? rc : berth_relay_pass_on(run, berth_json_string(inspect, "Id", ""), err);
}

/* ---- One that was made ---- */

/* Looks at the process, then at its container. *ret_answered: that was all there is to say. */
static int look(const struct relay_run *run, bool *ret_answered, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response of_exec = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response of_container = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *exec = NULL;
    BERTH_CLEANUP(json) cJSON *container = NULL;
    berth_strbuf_addf(&path, "/exec/%s/json", run->relay->id);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_relay_ask(run, berth_strbuf_str(&path), BERTH_RELAY_INSPECT_MAX, &of_exec, err);
    if (rc < 0)
        return rc;
    *ret_answered = true;
    if (of_exec.status == 404)
        return berth_relay_answer_unknown(run, WHAT, err);
    if (of_exec.status != 200) /* of its container, which has ended: no word about whose it is */
        return berth_relay_hand_over(run, of_exec.status, RELAY_JSON, &of_exec.body, err);
    rc = berth_engine_parse(run->engine, berth_strbuf_str(&of_exec.body), of_exec.body.len, &exec,
                            err);
    if (rc < 0)
        return rc;
    const char *id = berth_json_string(exec, "ContainerID", "");
    if (!id[0] || strspn(id, "0123456789abcdef") != strlen(id))
        return berth_relay_answer_unknown(run, WHAT, err);
    rc = berth_relay_look(run, id, WHAT, &of_container, &container, err);
    if (rc < 0 || !container)
        return rc;
    if (berth_json_bool(berth_json_get(exec, "ProcessConfig"), "privileged", false))
        return berth_relay_answer_unknown(run, WHAT, err); /* none that was made here */
    *ret_answered = false;
    return 0;
}

int berth_relay_of_exec(struct relay_run *run, struct berth_error *err)
{
    bool is_answered;
    int rc = look(run, &is_answered, err);
    return rc < 0 || is_answered ? rc : berth_relay_pass_on(run, run->relay->id, err);
}

int berth_relay_open(struct berth_engine *engine, const struct berth_relay *relay,
                     const struct berth_relay_sink *sink, struct berth_engine_hijack **ret_stream,
                     struct berth_error *err)
{
    const struct relay_run run = {.engine = engine, .relay = relay, .sink = sink};
    char path[PATH_MAX_BYTES];
    bool is_answered;
    int rc = look(&run, &is_answered, err);
    if (rc < 0)
        return rc;
    *ret_stream = NULL;
    if (is_answered)
        return 0;
    (void)snprintf(path, sizeof(path), "/exec/%s/start", relay->id);
    return berth_engine_hijack_open(engine, path, berth_strbuf_str(&relay->body), ret_stream, err);
}
