/* SPDX-License-Identifier: MIT */
/* The kinds of values that a compose file is made of. */
#include "backends/compose/compose_policy_internal.h"
#include "base/text.h"

#include <string.h>

#define NAMES_MAX 80 /* keys of the longest table */

int berth_policy_refuse(struct berth_policy_walk *w, const char *format, ...)
{
    char why[BERTH_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    const char *path = berth_strbuf_str(&w->path);
    return berth_error_set_coded(w->err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED, "%s%s%s", path,
                                 *path ? ": " : "", why);
}

size_t berth_policy_enter(struct berth_policy_walk *w, const char *key)
{
    size_t before = w->path.len;
    size_t len = berth_text_utf8_prefix(key, strnlen(key, BERTH_POLICY_KEY_MAX));
    if (w->path.cap - before <= len)
        return before;
    if (before > 0)
        berth_strbuf_addc(&w->path, '.');
    berth_strbuf_add(&w->path, key, len);
    return before;
}

size_t berth_policy_enter_item(struct berth_policy_walk *w, size_t index)
{
    size_t before = w->path.len;
    if (w->path.cap - before > 24)
        berth_strbuf_addf(&w->path, "[%zu]", index);
    return before;
}

void berth_policy_leave(struct berth_policy_walk *w, size_t before)
{
    berth_strbuf_truncate(&w->path, before);
}

/* ---- Maps and lists ---- */

static int refuse_key(struct berth_policy_walk *w, const char *key,
                      const struct berth_policy_rule *rules)
{
    static const struct {
        const char *key;
        const char *why;
    } reasons[] = {
        {"build", "images are not built here, name one that the facility has"},
        {"container_name", "containers are named by berth"},
        {"driver_opts", "they could lead to the host's files"},
        {"extends", "write the service out, or use an anchor and <<"},
        {"external", "it would be somebody else's"},
        {"gpus", "use deploy.resources.reservations.devices"},
        {"include", "a project is one file"},
        {"ipam", "addresses are the engine's to choose"},
        {"name", "names are made by berth"},
        {"profiles", "all services of the file run"},
    };
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(key, reasons[i].key) == 0)
            return berth_policy_refuse(w, "not allowed: %s", reasons[i].why);
    while (rules[count].key && count < NAMES_MAX) {
        names[count] = rules[count].key;
        count++;
    }
    const char *near = berth_text_nearest(key, names, count);
    return near ? berth_policy_refuse(w, "not allowed (did you mean %s?)", near)
                : berth_policy_refuse(w, "not allowed");
}

static int check_member(struct berth_policy_walk *w, const cJSON *item,
                        const struct berth_policy_rule *rules)
{
    const struct berth_policy_rule *rule = rules;
    while (rule->key && strcmp(rule->key, item->string) != 0)
        rule++;
    if (rule->key)
        return rule->check(w, item, rule);
    return strncmp(item->string, "x-", 2) == 0 ? 0 : refuse_key(w, item->string, rules);
}

int berth_policy_map(struct berth_policy_walk *w, const cJSON *value,
                     const struct berth_policy_rule *rule)
{
    const cJSON *item;
    if (!cJSON_IsObject(value))
        return cJSON_IsNull(value) ? 0 : berth_policy_refuse(w, "must be a map");
    cJSON_ArrayForEach(item, value)
    {
        size_t before = berth_policy_enter(w, item->string);
        int rc = check_member(w, item, rule->of);
        if (rc < 0)
            return rc;
        berth_policy_leave(w, before);
    }
    return 0;
}

int berth_policy_map_of(struct berth_policy_walk *w, const cJSON *value,
                        const struct berth_policy_rule *rule)
{
    const struct berth_policy_rule *of = rule->of;
    const cJSON *item;
    if (!cJSON_IsObject(value))
        return cJSON_IsNull(value) ? 0 : berth_policy_refuse(w, "must be a map");
    cJSON_ArrayForEach(item, value)
    {
        size_t before = berth_policy_enter(w, item->string);
        w->entry = item->string;
        int rc = of->check(w, item, of);
        if (rc < 0)
            return rc;
        berth_policy_leave(w, before);
    }
    return 0;
}

int berth_policy_list_of(struct berth_policy_walk *w, const cJSON *value,
                         const struct berth_policy_rule *rule)
{
    const struct berth_policy_rule *of = rule->of;
    const cJSON *item;
    size_t index = 0;
    if (!cJSON_IsArray(value))
        return cJSON_IsNull(value) ? 0 : berth_policy_refuse(w, "must be a list");
    cJSON_ArrayForEach(item, value)
    {
        size_t before = berth_policy_enter_item(w, index++);
        int rc = cJSON_IsNull(item) ? berth_policy_refuse(w, "is empty") : of->check(w, item, of);
        if (rc < 0)
            return rc;
        berth_policy_leave(w, before);
    }
    return 0;
}

int berth_policy_empty(struct berth_policy_walk *w, const cJSON *value,
                       const struct berth_policy_rule *rule)
{
    if (cJSON_IsNull(value) || (cJSON_IsObject(value) && !value->child))
        return 0;
    return refuse_key(w, rule->key, (const struct berth_policy_rule[]){{0}});
}

/* ---- Scalars ---- */

int berth_policy_scalar(struct berth_policy_walk *w, const cJSON *value,
                        const struct berth_policy_rule *rule)
{
    (void)rule;
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        return berth_policy_refuse(w, "must be a text or a number");
    return 0;
}

int berth_policy_text(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    (void)rule;
    return cJSON_IsString(value) || cJSON_IsNull(value) ? 0
                                                        : berth_policy_refuse(w, "must be a text");
}

int berth_policy_texts(struct berth_policy_walk *w, const cJSON *value,
                       const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule scalar = {.check = berth_policy_scalar};
    static const struct berth_policy_rule scalars = {.of = &scalar};
    (void)rule;
    return cJSON_IsArray(value) ? berth_policy_list_of(w, value, &scalars)
                                : berth_policy_scalar(w, value, &scalar);
}

int berth_policy_flag(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    (void)rule;
    return cJSON_IsBool(value) || cJSON_IsNull(value)
               ? 0
               : berth_policy_refuse(w, "must be true or false");
}

int berth_policy_whole(struct berth_policy_walk *w, const cJSON *value,
                       const struct berth_policy_rule *rule)
{
    int64_t number = 0;
    bool is_whole = cJSON_IsString(value) && berth_text_parse_int(value->valuestring, rule->min,
                                                                  rule->max, &number, NULL) == 0;
    if (cJSON_IsNumber(value))
        is_whole = value->valuedouble >= (double)rule->min &&
                   value->valuedouble <= (double)rule->max &&
                   value->valuedouble == (double)(int64_t)value->valuedouble;
    if (is_whole || cJSON_IsNull(value))
        return 0;
    return berth_policy_refuse(w, "must be a whole number from %lld to %lld", (long long)rule->min,
                               (long long)rule->max);
}

int berth_policy_word(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf all = BERTH_STRBUF_INIT(256);
    const char *const *words = rule->of;
    if (cJSON_IsNull(value))
        return 0;
    for (; *words; words++) {
        if (cJSON_IsString(value) && strcmp(value->valuestring, *words) == 0)
            return 0;
        berth_strbuf_addf(&all, "%s%s", all.len > 0 ? ", " : "", *words);
    }
    return berth_policy_refuse(w, "not allowed but for: %s", berth_strbuf_str(&all));
}

/* The units of Go's durations ("1m30s") that go with what is waited for; s, m and h count. */
static bool read_seconds(const char *text, int64_t *ret_seconds)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"ms", 0}, {"us", 0}, {"ns", 0}, {"h", 3600}, {"m", 60}, {"s", 1}};
    int64_t sum = 0;
    if (!*text)
        return false;
    while (*text) {
        char *end = NULL;
        double number = berth_is_digit(*text) ? strtod(text, &end) : -1;
        size_t i = 0;
        while (number >= 0 && i < 6 && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
            i++;
        if (number < 0 || number > 1e6 || i == 6)
            return false;
        sum += (int64_t)(number * (double)units[i].seconds);
        text = end + strlen(units[i].unit);
    }
    *ret_seconds = sum;
    return true;
}

int berth_policy_seconds(struct berth_policy_walk *w, const cJSON *value,
                         const struct berth_policy_rule *rule)
{
    int64_t seconds = 0;
    if (cJSON_IsNull(value))
        return 0;
    if (!cJSON_IsString(value) || !read_seconds(value->valuestring, &seconds))
        return berth_policy_refuse(w, "must be a duration, as 1m30s");
    if (seconds < rule->min)
        return berth_policy_refuse(w, "must be %lld s at least", (long long)rule->min);
    return 0;
}

/* ---- Pairs ---- */

static bool is_ours(const char *label)
{
    static const char *const ours[] = {"berth.", "com.docker."};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strncasecmp(label, ours[i], strlen(ours[i])) == 0)
            return true;
    return false;
}

static int check_pair(struct berth_policy_walk *w, const cJSON *item, bool are_labels)
{
    if (cJSON_IsObject(item) || cJSON_IsArray(item))
        return berth_policy_refuse(w, "must be a text or a number");
    const char *name = item->string ? item->string : item->valuestring;
    if (!item->string && !cJSON_IsString(item))
        return berth_policy_refuse(w, "must be a text, NAME=VALUE");
    if (are_labels)
        return is_ours(name) ? berth_policy_refuse(w, "not allowed: the label is not yours") : 0;
    bool has_value = item->string ? !cJSON_IsNull(item) : strchr(name, '=') != NULL;
    return has_value ? 0 : berth_policy_refuse(w, "there is no environment to take its value from");
}

static int check_pairs(struct berth_policy_walk *w, const cJSON *value, bool are_labels)
{
    const cJSON *item;
    size_t index = 0;
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return cJSON_IsNull(value) ? 0 : berth_policy_refuse(w, "must be a map or a list");
    cJSON_ArrayForEach(item, value)
    {
        size_t before = item->string ? berth_policy_enter(w, item->string)
                                     : berth_policy_enter_item(w, index++);
        int rc = check_pair(w, item, are_labels);
        if (rc < 0)
            return rc;
        berth_policy_leave(w, before);
    }
    return 0;
}

int berth_policy_pairs(struct berth_policy_walk *w, const cJSON *value,
                       const struct berth_policy_rule *rule)
{
    (void)rule;
    return check_pairs(w, value, false);
}

int berth_policy_labels(struct berth_policy_walk *w, const cJSON *value,
                        const struct berth_policy_rule *rule)
{
    (void)rule;
    return check_pairs(w, value, true);
}
