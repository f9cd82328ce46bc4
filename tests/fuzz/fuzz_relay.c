/* SPDX-License-Identifier: MIT */
/*
 * What the agent lets through. The lines of the input: method, target; the rest
 * is the body. The engine must see nothing but what the rules of engine_relay.h
 * allow, whatever the request is written like.
 */
#include "backends/engine/engine_relay.h"

#include "base/encoding.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* A refusal says what is wrong, in one line. */
static bool is_accepted(int r, const struct berth_error *err)
{
    fuzz_check_error(r, err);
    FUZZ_CHECK(r == 0 || r == BERTH_E_INVALID || r == BERTH_E_FORBIDDEN);
    return r == 0;
}

static bool is_path(const char *path, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(path, wanted, len) == 0;
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* An id is one segment of a path, an image's name some: none is empty or has a dot in front. */
static void check_id(const char *id)
{
    FUZZ_CHECK_MSG(strlen(id) <= BERTH_RELAY_ID_MAX, id);
    for (const char *c = id; *c; c++) {
        FUZZ_CHECK_MSG(berth_is_alnum(*c) || strchr("._-/:@", *c), id);
        FUZZ_CHECK_MSG((c > id && c[-1] != '/') || berth_is_alnum(*c), id);
    }
}

/* Nothing that ends a query, a line or a request, and no parameter that nobody allowed. */
static void check_query(const char *query)
{
    static const char *const names[] = {
        "all=",    "limit=",  "filters=", "stream=",     "one-shot=",
        "follow=", "stdout=", "stderr=",  "timestamps=", "since=",
        "until=",  "tail=",   "h=",       "w=",          NULL};
    while (*query) {
        size_t len = strcspn(query, "&");
        size_t i = 0;
        while (names[i] && !begins_with(query, names[i]))
            i++;
        FUZZ_CHECK_MSG(names[i], query);
        for (size_t k = 0; k < len; k++)
            FUZZ_CHECK_MSG(berth_is_alnum(query[k]) || strchr("%=._~-", query[k]), query);
        query += len;
        FUZZ_CHECK_MSG(*query == '\0' || query[1], query);
        query += *query == '&';
    }
}

/* Listings and events are of berth's containers alone. */
static void check_filters(const char *path, size_t len, const char *query)
{
    static const char key[] = "filters=";
    size_t decoded = 0;
    char text[BERTH_RELAY_QUERY_MAX + 1];
    BERTH_CLEANUP(json) cJSON *filters = NULL;
    bool is_events = is_path(path, len, "/events");
    if (!is_events && !is_path(path, len, "/containers/json"))
        return;
    const char *value = strstr(query, key);
    FUZZ_CHECK_MSG(value, query);
    value += strlen(key);
    FUZZ_CHECK(berth_form_decode(value, strcspn(value, "&"), text, &decoded));
    FUZZ_CHECK_MSG(berth_json_parse(text, decoded, &filters, NULL) == 0, text);
    const cJSON *labels = berth_json_get(filters, "label");
    const cJSON *last = cJSON_GetArrayItem(labels, cJSON_GetArraySize(labels) - 1);
    FUZZ_CHECK_MSG(cJSON_IsString(last) && strcmp(last->valuestring, "berth.facility") == 0, text);
    const cJSON *types = berth_json_get(filters, "type");
    FUZZ_CHECK_MSG(is_events ? cJSON_GetArraySize(types) == 1 &&
                                   strcmp(types->child->valuestring, "container") == 0
                             : types == NULL,
                   text);
}

/* What was made anew is let through as it is: it means what it says. */
static void check_again(const char *method, const char *path, size_t path_len,
                        const struct berth_relay *relay)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(relay) struct berth_relay again = BERTH_RELAY_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf target = BERTH_STRBUF_INIT(BERTH_RELAY_QUERY_MAX * 2);
    berth_strbuf_add(&target, path, path_len);
    berth_strbuf_addf(&target, "?%s", berth_strbuf_str(&relay->query));
    if (target.len > BERTH_TARGET_MAX)
        return;
    bool grows = strstr(berth_strbuf_str(&relay->query), "filters="); /* by our own, each time */
    int r = berth_relay_parse(method, berth_strbuf_str(&target), &again, &err);
    if (r == BERTH_E_INVALID && grows && strstr(err.message, "must be at most"))
        return;
    FUZZ_CHECK_MSG(r == 0, err.message);
    FUZZ_CHECK(strcmp(again.id, relay->id) == 0 && again.route == relay->route);
    FUZZ_CHECK(again.is_endless == relay->is_endless && again.api_minor == 0);
    if (!grows)
        FUZZ_CHECK(strcmp(berth_strbuf_str(&again.query), berth_strbuf_str(&relay->query)) == 0);
}

/* A body has the members that are allowed, once each, and is itself when it is read again. */
static void check_body(struct berth_relay *relay)
{
    static const char *const names[] = {"AttachStdin", "AttachStdout", "AttachStderr", "Tty", "Cmd",
                                        "Env",         "User",         "WorkingDir",   NULL};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *body = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf made = BERTH_STRBUF_INIT(BERTH_RELAY_BODY_MAX);
    berth_strbuf_add(&made, relay->body.data, relay->body.len);
    FUZZ_CHECK(berth_json_parse(berth_strbuf_str(&made), made.len, &body, NULL) == 0);
    const cJSON *member;
    cJSON_ArrayForEach(member, body)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], member->string) != 0)
            i++;
        FUZZ_CHECK_MSG(names[i] && berth_json_get(body, names[i]) == member, member->string);
    }
    FUZZ_CHECK_MSG(berth_relay_take_body(relay, berth_strbuf_str(&made), made.len, &err) == 0,
                   err.message);
    FUZZ_CHECK(strcmp(berth_strbuf_str(&relay->body), berth_strbuf_str(&made)) == 0);
}

/* Changes are asked for in three ways alone. */
static void check_method(const char *method, const char *path, size_t len,
                         const struct berth_relay *relay)
{
    static const char *const ends[] = {"/exec", "/start", "/resize"};
    bool is_change = false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        is_change |= len > strlen(ends[i]) &&
                     memcmp(path + len - strlen(ends[i]), ends[i], strlen(ends[i])) == 0;
    FUZZ_CHECK_MSG(strcmp(method, is_change ? "POST" : "GET") == 0, path);
    FUZZ_CHECK(!is_change || relay->id[0]);
    FUZZ_CHECK(is_change || (!berth_relay_has_body(relay) && !berth_relay_is_stream(relay)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    BERTH_CLEANUP(free) char *method = fuzz_line(&input);
    BERTH_CLEANUP(free) char *target = fuzz_line(&input);
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(relay) struct berth_relay relay = BERTH_RELAY_INIT;
    int r = berth_relay_parse(method, target, &relay, &err);
    if (!is_accepted(r, &err))
        return 0;
    const char *path = relay.api_minor ? strchr(target + 1, '/') : target;
    size_t len = strcspn(path, "?");
    check_id(relay.id);
    check_query(berth_strbuf_str(&relay.query));
    check_filters(path, len, berth_strbuf_str(&relay.query));
    check_method(method, path, len, &relay);
    check_again(method, path, len, &relay);
    if (!berth_relay_has_body(&relay))
        return 0;
    r = berth_relay_take_body(&relay, (const char *)input.data, input.size, &err);
    if (is_accepted(r, &err))
        check_body(&relay);
    return 0;
}
