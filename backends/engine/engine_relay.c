/* SPDX-License-Identifier: MIT */
/* What may be asked: from a request's text to a route and a query made anew. */
#include "backends/engine/engine_relay.h"

#include "backends/engine/engine_relay_internal.h"
#include "base/encoding.h"
#include "base/text.h"

#include <string.h>

#define FILTER_VALUES_MAX 64

/* ---- What is let through ---- */

static const char *const container_filters[] = {"id", "label", "name", "status", NULL};
static const char *const event_filters[] = {"container", "event", "label", "type", NULL};

static const struct relay_field exec_fields[] = {
    {"AttachStdin", FIELD_BOOL}, {"AttachStdout", FIELD_BOOL}, {"AttachStderr", FIELD_BOOL},
    {"Tty", FIELD_BOOL},         {"Cmd", FIELD_TEXTS},         {"Env", FIELD_TEXTS},
    {"User", FIELD_TEXT},        {"WorkingDir", FIELD_TEXT},   {"Detach", FIELD_NO},
    {"DetachKeys", FIELD_NO},    {"Privileged", FIELD_NO},     {NULL, FIELD_NO},
};
static const struct relay_field start_fields[] = {
    {"Detach", FIELD_NO},
    {"Tty", FIELD_BOOL},
    {NULL, FIELD_NO},
};

/* clang-format off */
static const struct berth_relay_route routes[] = {
    {"GET", "/_ping", RELAY_PING, {{0}}, NULL, NULL},
    {"GET", "/version", RELAY_PLAIN, {{0}}, NULL, NULL},
    {"GET", "/info", RELAY_INFO, {{0}}, NULL, NULL},
    {"GET", "/containers/json", RELAY_PLAIN,
     {{"all", PARAM_FLAG}, {"limit", PARAM_WORD}, {"size", PARAM_NO}, {"filters", PARAM_FILTERS}},
     container_filters, NULL},
    {"GET", "/containers/*/json", RELAY_CONTAINER, {{"size", PARAM_NO}}, NULL, NULL},
    {"GET", "/containers/*/stats", RELAY_OF_CONTAINER, {{"stream", PARAM_FLAG}, {"one-shot", PARAM_FLAG}}, NULL, NULL},
    {"GET", "/containers/*/logs", RELAY_OF_CONTAINER,
     {{"follow", PARAM_FLAG}, {"stdout", PARAM_FLAG}, {"stderr", PARAM_FLAG}, {"since", PARAM_WORD},
      {"until", PARAM_WORD}, {"timestamps", PARAM_FLAG}, {"tail", PARAM_WORD}},
     NULL, NULL},
    {"GET", "/events", RELAY_PLAIN,
     {{"since", PARAM_WORD}, {"until", PARAM_WORD}, {"filters", PARAM_FILTERS}}, event_filters, NULL},
    {"GET", "/images/json", RELAY_PLAIN, {{0}}, NULL, NULL},
    {"GET", "/images/**/json", RELAY_PLAIN, {{0}}, NULL, NULL},
    {"POST", "/containers/*/exec", RELAY_MAKE_EXEC, {{0}}, NULL, exec_fields},
    {"GET", "/exec/*/json", RELAY_OF_EXEC, {{0}}, NULL, NULL},
    {"POST", "/exec/*/resize", RELAY_OF_EXEC, {{"h", PARAM_WORD}, {"w", PARAM_WORD}}, NULL, NULL},
    {"POST", "/exec/*/start", RELAY_START_EXEC, {{0}}, NULL, start_fields},
};
/* clang-format on */

void berth_relay_release(struct berth_relay *relay)
{
    berth_strbuf_release(&relay->query);
    berth_strbuf_release(&relay->body);
}

bool berth_relay_has_body(const struct berth_relay *relay)
{
    return relay->route->fields != NULL;
}

bool berth_relay_is_stream(const struct berth_relay *relay)
{
    return relay->route->kind == RELAY_START_EXEC;
}

bool berth_relay_is_ping(const struct berth_relay *relay)
{
    return relay->route->kind == RELAY_PING;
}

/* ---- Paths ---- */

static bool is_segment_char(char c)
{
    return berth_is_alnum(c) || strchr("._-", c);
}

static bool is_image_char(char c)
{
    return is_segment_char(c) || strchr("/:@", c);
}

/* Whether the middle of a path, between what the pattern begins and ends with, can be a name. */
static bool is_name(const char *text, size_t len, bool (*is_char)(char))
{
    if (len == 0 || len > BERTH_RELAY_ID_MAX || !berth_is_alnum(text[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!text[i] || !is_char(text[i]))
            return false;
        /* No empty part, and none that begins with a dot. */
        if (i > 0 && text[i - 1] == '/' && !berth_is_alnum(text[i]))
            return false;
    }
    return text[len - 1] != '/';
}

static bool matches(const struct berth_relay_route *route, const char *path, size_t len,
                    struct berth_relay *relay)
{
    const char *star = strchr(route->pattern, '*');
    size_t before = star ? (size_t)(star - route->pattern) : strlen(route->pattern);
    if (!star)
        return len == before && memcmp(path, route->pattern, len) == 0;
    bool is_image = star[1] == '*';
    const char *end = star + (is_image ? 2 : 1);
    size_t after = strlen(end);
    if (len <= before + after || memcmp(path, route->pattern, before) != 0 ||
        memcmp(path + len - after, end, after) != 0)
        return false;
    size_t id_len = len - before - after;
    if (!is_name(path + before, id_len, is_image ? is_image_char : is_segment_char))
        return false;
    memcpy(relay->id, path + before, id_len);
    relay->id[id_len] = '\0';
    return true;
}

/* "/v1.41" in front of the path: the words of a refusal are the engine's own, which its clients
 * understand. */
static int take_version(const char **path, size_t *len, int *ret_minor, struct berth_error *err)
{
    int minor = 0;
    size_t at = 4;
    if (*len < 5 || memcmp(*path, "/v1.", 4) != 0)
        return 0;
    while (at < *len && at < 8 && berth_is_digit((*path)[at]))
        minor = minor * 10 + ((*path)[at++] - '0');
    if (at == 4 || at == *len || (*path)[at] != '/')
        return 0; /* no version, and no path either */
    if (minor > BERTH_ENGINE_API_MINOR_MAX)
        return berth_error_set(err, BERTH_E_INVALID,
                               "client version 1.%d is too new. Maximum supported API version is "
                               "1.%d",
                               minor, BERTH_ENGINE_API_MINOR_MAX);
    if (minor < BERTH_ENGINE_API_MINOR_MIN)
        return berth_error_set(err, BERTH_E_INVALID,
                               "client version 1.%d is too old. Minimum supported API version is "
                               "1.%d, please upgrade your client to a newer version",
                               minor, BERTH_ENGINE_API_MINOR_MIN);
    *ret_minor = minor;
    *path += at;
    *len -= at;
    return 0;
}

const char *berth_relay_shown(const char *name)
{
    return is_name(name, strlen(name), is_segment_char) ? name : "of an odd name";
}

static int refuse_path(const char *method, const char *path, size_t len, struct berth_error *err)
{
    for (size_t i = 0; i < len; i++)
        if (!is_image_char(path[i]))
            return berth_error_set(err, BERTH_E_INVALID,
                                   "the path has a character that no path here has");
    return berth_error_set(err, BERTH_E_FORBIDDEN,
                           "berth's agent does not let %.64s %.*s through: it is for berth's own "
                           "containers, to read them and to run processes in them",
                           berth_relay_shown(method), len < 200 ? (int)len : 200, path);
}

/* ---- Queries ---- */

static bool is_one_of(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}

static bool is_false(const char *value)
{
    static const char *const words[] = {"", "0", "false", "no", "none", NULL};
    return is_one_of(words, value);
}

static bool is_flag(const char *value)
{
    return is_false(value) || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
}

/* Numbers, "all", and times in any form. */
static bool is_word(const char *value)
{
    size_t len = 0;
    while (value[len] && (berth_is_alnum(value[len]) || strchr(".:+-", value[len])))
        len++;
    return len > 0 && len <= 64 && value[len] == '\0';
}

static int refuse_filter(const char *name, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_FORBIDDEN, "berth's agent does not let filter %s through",
                           berth_relay_shown(name));
}

/* One filter of the client's: its values, each a string. */
static int add_filter(struct berth_json_writer *w, const cJSON *filter, size_t *count,
                      struct berth_error *err)
{
    const cJSON *value;
    bool is_type = strcmp(filter->string, "type") == 0;
    if (!cJSON_IsArray(filter))
        return berth_error_set(err, BERTH_E_INVALID, "filter %s must be an array", filter->string);
    cJSON_ArrayForEach(value, filter)
    {
        if (!cJSON_IsString(value) || ++*count > FILTER_VALUES_MAX)
            return berth_error_set(err, BERTH_E_INVALID, "filter %s must be at most %d texts",
                                   filter->string, FILTER_VALUES_MAX);
        /* Those that stand in the query as they are, are refused before. */
        if (berth_text_has_control(value->valuestring, strlen(value->valuestring)))
            return berth_error_set(err, BERTH_E_INVALID, "filter %s has a control character",
                                   filter->string);
        if (!is_type)
            berth_json_add_string(w, NULL, value->valuestring);
    }
    return 0;
}

/* The client's own filters, and those that nobody gets around. */
static int write_filters(const char *const *known, const cJSON *given, struct berth_strbuf *out,
                         struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    size_t count = 0;
    const cJSON *filter;
    cJSON_ArrayForEach(filter, given)
    {
        if (!is_one_of(known, filter->string))
            return refuse_filter(filter->string, err);
        if (cJSON_GetObjectItemCaseSensitive(given, filter->string) != filter)
            return berth_error_set(err, BERTH_E_INVALID, "filter %s is given twice",
                                   filter->string);
    }
    berth_json_open_object(&w, NULL);
    for (; *known; known++) {
        bool is_label = strcmp(*known, "label") == 0;
        bool is_type = strcmp(*known, "type") == 0;
        filter = berth_json_get(given, *known);
        if (!filter && !is_label && !is_type)
            continue;
        berth_json_open_array(&w, *known);
        int r = filter ? add_filter(&w, filter, &count, err) : 0;
        if (r < 0)
            return r;
        if (is_label)
            berth_json_add_string(&w, NULL, BERTH_LABEL_FACILITY);
        if (is_type)
            berth_json_add_string(&w, NULL, "container");
        berth_json_close_array(&w);
    }
    berth_json_close_object(&w);
    return berth_strbuf_check(out, err);
}

static void add_param(struct berth_strbuf *query, const char *name, const char *value)
{
    if (query->len > 0)
        berth_strbuf_addc(query, '&');
    berth_strbuf_addf(query, "%s=", name);
    berth_strbuf_add_urlencoded(query, value, strlen(value));
}

static int add_filters(struct berth_relay *relay, const char *value, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *given = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf made = BERTH_STRBUF_INIT(BERTH_RELAY_QUERY_MAX);
    if (value &&
        (berth_json_parse(value, strlen(value), &given, NULL) < 0 || !cJSON_IsObject(given)))
        return berth_error_set(err, BERTH_E_INVALID, "parameter filters must be a JSON object");
    int r = write_filters(relay->route->filters, given, &made, err);
    if (r == 0)
        add_param(&relay->query, "filters", berth_strbuf_str(&made));
    return r;
}

static const struct relay_param *find_param(const struct berth_relay_route *route, const char *name,
                                            size_t *ret_index)
{
    for (size_t i = 0; i < RELAY_PARAMS_MAX && route->params[i].name; i++)
        if (strcmp(route->params[i].name, name) == 0) {
            *ret_index = i;
            return &route->params[i];
        }
    return NULL;
}

static int add_pair(struct berth_relay *relay, const char *name, const char *value, unsigned *seen,
                    struct berth_error *err)
{
    size_t index = 0;
    const struct relay_param *param = find_param(relay->route, name, &index);
    if (!param)
        return berth_error_set(err, BERTH_E_FORBIDDEN,
                               "berth's agent does not let parameter %s through",
                               berth_relay_shown(name));
    if (*seen & 1U << index)
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s is given twice", name);
    *seen |= 1U << index;
    switch (param->kind) {
    case PARAM_FILTERS:
        return add_filters(relay, value, err);
    case PARAM_NO:
        return is_false(value)
                   ? 0
                   : berth_error_set(err, BERTH_E_FORBIDDEN,
                                     "berth's agent does not let parameter %s through", name);
    case PARAM_FLAG:
        if (!is_flag(value))
            return berth_error_set(err, BERTH_E_INVALID, "parameter %s must be 1 or 0", name);
        add_param(&relay->query, name, is_false(value) ? "0" : "1");
        return 0;
    case PARAM_WORD:
    default:
        if (!is_word(value))
            return berth_error_set(err, BERTH_E_INVALID, "parameter %s is malformed", name);
        add_param(&relay->query, name, value);
        return 0;
    }
}

/* "name=value" of len bytes, decoded into text, which has room for that. */
static int take_pair(struct berth_relay *relay, const char *pair, size_t len, char *text,
                     unsigned *seen, struct berth_error *err)
{
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals ? (size_t)(equals - pair) : len;
    size_t value_at = equals ? name_len + 1 : len;
    size_t decoded = 0;
    char *value = text + name_len + 1;
    bool is_valid = berth_form_decode(pair, name_len, text, &decoded) &&
                    !berth_text_has_control(text, decoded) && berth_text_is_utf8(text, decoded);
    is_valid = is_valid && berth_form_decode(pair + value_at, len - value_at, value, &decoded) &&
               !berth_text_has_control(value, decoded) && berth_text_is_utf8(value, decoded);
    if (!is_valid)
        return berth_error_set(err, BERTH_E_INVALID,
                               "the query is not valid percent-encoded UTF-8");
    return add_pair(relay, text, value, seen, err);
}

static int take_query(struct berth_relay *relay, const char *query, struct berth_error *err)
{
    char text[BERTH_TARGET_MAX + 2];
    unsigned seen = 0;
    while (*query) {
        size_t len = strcspn(query, "&");
        int r = len > 0 ? take_pair(relay, query, len, text, &seen, err) : 0;
        if (r < 0)
            return r;
        query += len + (query[len] == '&');
    }
    size_t index;
    const struct relay_param *filters = find_param(relay->route, "filters", &index);
    return filters && !(seen & 1U << index) ? add_filters(relay, NULL, err) : 0;
}

/* ---- Requests ---- */

/* Statistics stream unless told not to, logs when told so. */
static bool has_no_end(const struct berth_relay *relay)
{
    const char *query = berth_strbuf_str(&relay->query);
    const char *pattern = relay->route->pattern;
    if (strcmp(pattern, "/events") == 0 || berth_relay_is_stream(relay))
        return true;
    if (strcmp(pattern, "/containers/*/stats") == 0)
        return !strstr(query, "stream=0");
    return strcmp(pattern, "/containers/*/logs") == 0 && strstr(query, "follow=1");
}

int berth_relay_parse(const char *method, const char *target, struct berth_relay *ret_relay,
                      struct berth_error *err)
{
    const char *path = target;
    size_t len = strcspn(target, "?");
    if (strlen(target) > BERTH_TARGET_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "the target is longer than %d bytes",
                               BERTH_TARGET_MAX);
    int r = take_version(&path, &len, &ret_relay->api_minor, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(method, routes[i].method) == 0 && matches(&routes[i], path, len, ret_relay)) {
            ret_relay->route = &routes[i];
            break;
        }
    if (!ret_relay->route)
        return refuse_path(method, path, len, err);
    r = take_query(ret_relay, path[len] ? path + len + 1 : "", err);
    ret_relay->is_endless = r == 0 && has_no_end(ret_relay);
    return r < 0 ? r : berth_strbuf_check(&ret_relay->query, err);
}
