/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_events.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>

/* The engine says "exec_start: sh -c …" and "health_status: healthy": the word ends at a colon. */
static bool is_action(const char *action, const char *word)
{
    size_t len = strlen(word);
    return strncmp(action, word, len) == 0 && (action[len] == '\0' || action[len] == ':');
}

/*
 * What containers do. Not here, since no row and no inspect object changes by
 * it: attach, copy, detach, exec_create, exec_start, export, kill, resize, top,
 * and stop and restart, which come after the die and start they are made of.
 * died and remove are Podman's words.
 */
static const struct container_action {
    const char *word;
    enum berth_engine_event_kind kind;
    enum berth_app_state state;
} container_actions[] = {
    {"create", BERTH_EVENT_STATE, BERTH_APP_CREATED},
    {"start", BERTH_EVENT_STATE, BERTH_APP_RUNNING},
    {"die", BERTH_EVENT_STATE, BERTH_APP_EXITED},
    {"died", BERTH_EVENT_STATE, BERTH_APP_EXITED},
    {"pause", BERTH_EVENT_STATE, BERTH_APP_PAUSED},
    {"unpause", BERTH_EVENT_STATE, BERTH_APP_RUNNING},
    {"destroy", BERTH_EVENT_DESTROY, BERTH_APP_UNKNOWN},
    {"remove", BERTH_EVENT_DESTROY, BERTH_APP_UNKNOWN},
    {"rename", BERTH_EVENT_ROW, BERTH_APP_UNKNOWN},
    {"update", BERTH_EVENT_ROW, BERTH_APP_UNKNOWN},
    {"oom", BERTH_EVENT_ROW, BERTH_APP_UNKNOWN},
    {"health_status", BERTH_EVENT_ROW, BERTH_APP_UNKNOWN},
    {"exec_die", BERTH_EVENT_EXEC, BERTH_APP_UNKNOWN},
};

static void read_container(struct berth_engine_event *event, const char *action, const cJSON *actor)
{
    for (size_t i = 0; i < sizeof(container_actions) / sizeof(container_actions[0]); i++) {
        if (!is_action(action, container_actions[i].word))
            continue;
        event->kind = container_actions[i].kind;
        event->state = container_actions[i].state;
        event->id = berth_json_string(actor, "ID", "");
        event->labels = berth_json_get(actor, "Attributes");
        return;
    }
}

static void read_network(struct berth_engine_event *event, const char *action, const cJSON *actor)
{
    if (!is_action(action, "connect") && !is_action(action, "disconnect"))
        return;
    event->kind = BERTH_EVENT_NETWORK;
    event->id = berth_json_string(berth_json_get(actor, "Attributes"), "container", "");
}

/*
 * The digits of timeNano: past 2^53 the JSON parser's doubles are too coarse.
 * As a member's name in quotes it cannot stand within a string (there the
 * quotes would be escaped), and as an attribute its value would not be a number.
 */
static int64_t read_time(const char *line, const cJSON *json)
{
    static const char name[] = "\"timeNano\":";
    int64_t at_ns = 0;
    for (const char *at = line; (at = strstr(at, name));) {
        at += sizeof(name) - 1;
        errno = 0;
        char *end;
        long long value = strtoll(at, &end, 10);
        if (end != at && errno == 0 && value > 0)
            at_ns = value;
    }
    if (at_ns == 0 &&
        __builtin_mul_overflow(berth_json_int(json, "time", 0), BERTH_NS_PER_S, &at_ns))
        at_ns = 0;
    return at_ns;
}

int berth_engine_event_parse(const char *line, size_t len, struct berth_engine_event *ret_event,
                             struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int status = berth_json_parse(line, len, &json, err);
    if (status == BERTH_E_NOMEM)
        return status;
    const char *type = berth_json_string(json, "Type", "");
    const char *action = berth_json_string(json, "Action", "");
    if (status || !*type || !*action)
        return berth_error_set(err, BERTH_E_UNREACHABLE,
                               "the engine's event stream holds what is no event");

    struct berth_engine_event event = {.id = "", .at_ns = read_time(line, json)};
    const cJSON *actor = berth_json_get(json, "Actor");
    if (strcmp(type, "container") == 0)
        read_container(&event, action, actor);
    else if (strcmp(type, "network") == 0)
        read_network(&event, action, actor);
    else if (strcmp(type, "image") == 0)
        event.kind = BERTH_EVENT_IMAGE;
    event.json = berth_steal(&json);
    *ret_event = event;
    return 0;
}

void berth_engine_event_release(struct berth_engine_event *event)
{
    cJSON_Delete(event->json);
    *event = (struct berth_engine_event){.id = ""};
}

void berth_engine_events_path(int64_t since_ns, struct berth_strbuf *path)
{
    static const char filters[] = "{\"type\":[\"container\",\"image\",\"network\"]}";
    berth_strbuf_adds(path, "/events?filters=");
    berth_strbuf_add_urlencoded(path, filters, sizeof(filters) - 1);
    if (since_ns > 0)
        berth_strbuf_addf(path, "&since=%" PRId64 ".%09" PRId64, since_ns / BERTH_NS_PER_S,
                          since_ns % BERTH_NS_PER_S);
}
