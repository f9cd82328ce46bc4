/* SPDX-License-Identifier: MIT */
/*
 * Files of the mount that a project uses. The engine follows links in the path
 * of what it binds, and Compose in the path of what it reads: what leads there
 * must not be in the hands of a container. So no path goes through a folder
 * that a service may write.
 */
#include "backends/compose/compose_policy_internal.h"
#include "base/text.h"

#include <string.h>

#define SOURCE_MAX 1024

static int refuse_outside(struct berth_policy_walk *w)
{
    return berth_policy_refuse(w, "not allowed: only what is beneath the project's own folder, as "
                                  "./data, can be used");
}

/* Appends the path as it is relative to the mount. */
static int make_relative(struct berth_policy_walk *w, const char *source, struct berth_strbuf *out)
{
    const char *mount = w->policy->mount;
    size_t len = mount ? strlen(mount) : 0;
    if (mount && strncmp(source, mount, len) == 0 && (source[len] == '/' || !source[len]))
        source += len;
    else if (mount || *source == '/' || *source == '~' || *source == '\\' || strstr(source, "://"))
        return refuse_outside(w);
    while (*source) {
        size_t part = strcspn(source, "/");
        if (part == 2 && strncmp(source, "..", 2) == 0)
            return refuse_outside(w);
        if (part > 0 && !(part == 1 && *source == '.')) {
            if (out->len > 0)
                berth_strbuf_addc(out, '/');
            berth_strbuf_add(out, source, part);
        }
        source += part + (source[part] == '/');
    }
    return out->failed == BERTH_E_TOO_LARGE ? berth_policy_refuse(w, "the path is too long")
                                            : berth_strbuf_check(out, w->err);
}

static int add_bind(struct berth_policy_walk *w, const char *source, bool is_writable)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf relative = BERTH_STRBUF_INIT(SOURCE_MAX);
    int rc = make_relative(w, source, &relative);
    if (rc < 0)
        return rc;
    struct berth_policy_bind *bind = malloc(sizeof(*bind));
    char *where = berth_text_dup(berth_strbuf_str(&w->path));
    char *copy = berth_text_dup(berth_strbuf_str(&relative));
    if (!bind || !where || !copy) {
        free(bind);
        free(where);
        free(copy);
        return berth_error_nomem(w->err);
    }
    *bind = (struct berth_policy_bind){
        .source = copy, .where = where, .is_writable = is_writable, .next = w->binds};
    w->binds = bind;
    return 0;
}

void berth_policy_release_binds(struct berth_policy_walk *w)
{
    while (w->binds) {
        struct berth_policy_bind *bind = w->binds;
        w->binds = bind->next;
        free(bind->source);
        free(bind->where);
        free(bind);
    }
}

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    if (strcmp(path, folder) == 0)
        return false;
    return len == 0 || (strncmp(path, folder, len) == 0 && path[len] == '/');
}

int berth_policy_check_binds(struct berth_policy_walk *w)
{
    for (const struct berth_policy_bind *one = w->binds; one; one = one->next)
        for (const struct berth_policy_bind *other = w->binds; other; other = other->next)
            if (other->is_writable && is_beneath(one->source, other->source))
                return berth_error_set_coded(
                    w->err, BERTH_E_INVALID, BERTH_COMPOSE_REFUSED,
                    "%s: not allowed: it lies within what %s may write (make that read-only, or "
                    "let neither be within the other)",
                    one->where, other->where);
    return 0;
}

/* ---- The volumes of a service ---- */

static bool is_path(const char *source)
{
    return *source == '.' || *source == '~' || strpbrk(source, "/\\");
}

static int check_modes(struct berth_policy_walk *w, const char *modes, bool *ret_writable)
{
    static const char *const known[] = {"ro",     "rw",        "z",          "Z", "nocopy",
                                        "cached", "delegated", "consistent", NULL};
    *ret_writable = true;
    while (*modes) {
        size_t len = strcspn(modes, ",");
        size_t i = 0;
        while (known[i] && (strlen(known[i]) != len || strncmp(known[i], modes, len) != 0))
            i++;
        if (!known[i])
            return berth_policy_refuse(w, "mode %.*s is not allowed", (int)len, modes);
        if (i == 0)
            *ret_writable = false;
        modes += len + (modes[len] == ',');
    }
    return 0;
}

/* [SOURCE:]TARGET[:MODES] */
static int check_short(struct berth_policy_walk *w, const char *text)
{
    char source[SOURCE_MAX];
    const char *colon = strchr(text, ':');
    const char *modes = colon ? strchr(colon + 1, ':') : NULL;
    bool is_writable = true;
    if (!colon)
        return *text == '/' ? 0 : berth_policy_refuse(w, "must be SOURCE:TARGET, or begin with /");
    if ((size_t)(colon - text) >= sizeof(source))
        return berth_policy_refuse(w, "the path is too long");
    int rc = modes ? check_modes(w, modes + 1, &is_writable) : 0;
    (void)snprintf(source, sizeof(source), "%.*s", (int)(colon - text), text);
    if (rc < 0 || !is_path(source))
        return rc;
    if (!strchr("./~\\", *source)) /* Compose takes it for a volume */
        return berth_policy_refuse(w, "must begin with ./, or be a volume's name");
    return add_bind(w, source, is_writable);
}

static int check_long(struct berth_policy_walk *w, const cJSON *value)
{
    static const char *const types[] = {"bind", "volume", "tmpfs", NULL};
    static const struct berth_policy_rule bind[] = {
        {.key = "create_host_path", .check = berth_policy_flag}, {0}};
    static const struct berth_policy_rule volume[] = {{.key = "nocopy", .check = berth_policy_flag},
                                                      {0}};
    static const struct berth_policy_rule tmpfs[] = {{.key = "mode", .check = berth_policy_scalar},
                                                     {.key = "size", .check = berth_policy_scalar},
                                                     {0}};
    static const struct berth_policy_rule rules[] = {
        {.key = "bind", .check = berth_policy_map, .of = bind},
        {.key = "consistency", .check = berth_policy_text},
        {.key = "read_only", .check = berth_policy_flag},
        {.key = "source", .check = berth_policy_text},
        {.key = "target", .check = berth_policy_text},
        {.key = "tmpfs", .check = berth_policy_map, .of = tmpfs},
        {.key = "type", .check = berth_policy_word, .of = types},
        {.key = "volume", .check = berth_policy_map, .of = volume},
        {0}};
    static const struct berth_policy_rule map = {.of = rules};
    int rc = berth_policy_map(w, value, &map);
    const char *type = berth_json_string(value, "type", "");
    const char *source = berth_json_string(value, "source", "");
    if (rc == 0 && !*type)
        return berth_policy_refuse(w, "has no type");
    bool is_bind = strcmp(type, "bind") == 0;
    if (rc < 0 || (!is_bind && !is_path(source)))
        return rc;
    size_t before = berth_policy_enter(w, "source");
    rc = is_bind && *source ? add_bind(w, source, !berth_json_bool(value, "read_only", false))
                            : berth_policy_refuse(w, is_bind ? "is empty" : "must be a name");
    if (rc == 0)
        berth_policy_leave(w, before);
    return rc;
}

static int check_volume(struct berth_policy_walk *w, const cJSON *value,
                        const struct berth_policy_rule *rule)
{
    (void)rule;
    if (cJSON_IsString(value))
        return check_short(w, value->valuestring);
    return cJSON_IsObject(value) ? check_long(w, value)
                                 : berth_policy_refuse(w, "must be a text or a map");
}

int berth_policy_volumes(struct berth_policy_walk *w, const cJSON *value,
                         const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule volume = {.check = check_volume};
    static const struct berth_policy_rule volumes = {.of = &volume};
    (void)rule;
    return berth_policy_list_of(w, value, &volumes);
}

/* ---- Files that are read ---- */

int berth_policy_file(struct berth_policy_walk *w, const cJSON *value,
                      const struct berth_policy_rule *rule)
{
    (void)rule;
    if (!cJSON_IsString(value) || !*value->valuestring)
        return berth_policy_refuse(w, "must be a path");
    return add_bind(w, value->valuestring, false);
}

static int check_env_file(struct berth_policy_walk *w, const cJSON *value,
                          const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule rules[] = {
        {.key = "path", .check = berth_policy_file},
        {.key = "required", .check = berth_policy_flag},
        {0}};
    static const struct berth_policy_rule map = {.of = rules};
    return cJSON_IsObject(value) ? berth_policy_map(w, value, &map)
                                 : berth_policy_file(w, value, rule);
}

int berth_policy_env_file(struct berth_policy_walk *w, const cJSON *value,
                          const struct berth_policy_rule *rule)
{
    static const struct berth_policy_rule file = {.check = check_env_file};
    static const struct berth_policy_rule files = {.of = &file};
    if (cJSON_IsNull(value))
        return 0;
    return cJSON_IsArray(value) ? berth_policy_list_of(w, value, &files)
                                : berth_policy_file(w, value, rule);
}
