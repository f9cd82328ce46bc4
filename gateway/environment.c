/* SPDX-License-Identifier: MIT */
#include "gateway/environment.h"

#include "base/limits.h"
#include "base/text.h"
#include "gateway/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SECRET_MAX 4096

static void free_secret(char *text)
{
    explicit_bzero(text, strlen(text));
    free(text);
}

void berth_environment_release(struct berth_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->names[i]);
        free_secret(environment->values[i]);
    }
    free(environment->names);
    free(environment->values);
    *environment = (struct berth_environment)BERTH_ENVIRONMENT_INIT;
}

static int add(struct berth_environment *environment, const char *name, const char *value,
               struct berth_error *err)
{
    size_t count = environment->count + 1;
    char **names = reallocarray(environment->names, count, sizeof(*names));
    if (names)
        environment->names = names;
    char **values = reallocarray(environment->values, count, sizeof(*values));
    if (values)
        environment->values = values;
    char *name_copy = berth_text_dup(name);
    char *value_copy = berth_text_dup(value);
    if (!names || !values || !name_copy || !value_copy) {
        free(name_copy);
        free(value_copy);
        return berth_error_nomem(err);
    }
    names[count - 1] = name_copy;
    values[count - 1] = value_copy;
    environment->count = count;
    return 0;
}

static char *skip_spaces(char *text)
{
    return text + strspn(text, " \t");
}

static void trim_end(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
}

static void unquote(char **value)
{
    size_t len = strlen(*value);
    char quote = (*value)[0];
    if (len >= 2 && (quote == '"' || quote == '\'') && (*value)[len - 1] == quote) {
        (*value)[len - 1] = '\0';
        (*value)++;
    }
}

static bool is_name(const char *name)
{
    return *name && !berth_is_digit(*name) &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] ==
               '\0';
}

/* Takes one line apart in place; 0 with *ret_name NULL where it holds nothing. */
static int parse_line(char *line, char **ret_name, char **ret_value, struct berth_error *err)
{
    static const char export[] = "export";
    char *name = skip_spaces(line);
    trim_end(name);
    if (*name == '\0' || *name == '#') {
        *ret_name = NULL;
        return 0;
    }
    size_t len = sizeof(export) - 1;
    if (strncmp(name, export, len) == 0 && (name[len] == ' ' || name[len] == '\t'))
        name = skip_spaces(name + len);
    char *equals = strchr(name, '=');
    if (!equals)
        return berth_error_set(err, BERTH_E_INVALID, "the line must be NAME=VALUE");
    *equals = '\0';
    trim_end(name);
    if (!is_name(name))
        return berth_error_set(err, BERTH_E_INVALID, "the name of the variable is not valid");
    *ret_name = name;
    *ret_value = skip_spaces(equals + 1);
    unquote(ret_value);
    return 0;
}

static int add_line(struct berth_environment *environment, char *line, struct berth_error *err)
{
    char *name = NULL;
    char *value = NULL;
    int r = parse_line(line, &name, &value, err);
    return r == 0 && name ? add(environment, name, value, err) : r;
}

int berth_environment_load(const char *path, bool required, struct berth_environment *environment,
                           struct berth_error *err)
{
    BERTH_CLEANUP(text_file) struct berth_text_file file = BERTH_TEXT_FILE_INIT;
    struct berth_error why = BERTH_ERROR_INIT;
    int r = berth_text_file_open(path, &file, &why);
    if (r < 0 && errno == ENOENT && !required)
        return 0;
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    for (;;) {
        char *line = NULL;
        r = berth_text_file_next(&file, BERTH_CONFIG_LINE_MAX, &line, err);
        if (r == 0 && !line)
            return 0;
        if (r == 0)
            r = add_line(environment, line, err);
        if (r < 0) {
            (void)berth_error_wrap(err, "%s:%u", path, file.line);
            return r;
        }
    }
}

/* The value of a variable that is set and not empty, or NULL; borrowed. */
static const char *find_in_file(const struct berth_environment *environment, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < environment->count; i++) /* the last one counts, as in a shell */
        if (strcmp(environment->names[i], name) == 0)
            value = environment->values[i];
    return value && *value ? value : NULL;
}

static const char *find_in_process(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int copy(const char *value, char **ret_value, struct berth_error *err)
{
    char *text = berth_text_dup(value);
    if (value && !text)
        return berth_error_nomem(err);
    *ret_value = text;
    return 0;
}

int berth_environment_get(const struct berth_environment *environment, const char *name,
                          char **ret_value, struct berth_error *err)
{
    const char *value = find_in_process(name);
    return copy(value ? value : find_in_file(environment, name), ret_value, err);
}

static int read_secret(const char *path, char **ret_value, struct berth_error *err)
{
    char text[SECRET_MAX + 1];
    BERTH_CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (len < 0)
        return berth_error_set_errno(err, BERTH_E_INVALID, errno, "%s cannot be read: %m", path);
    if (len > SECRET_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "%s is longer than %d bytes", path,
                               SECRET_MAX);
    text[len] = '\0';
    if (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
    int r = strlen(text) == (size_t)len
                ? copy(text, ret_value, err)
                : berth_error_set(err, BERTH_E_INVALID, "%s must not contain NUL", path);
    explicit_bzero(text, sizeof(text));
    return r;
}

int berth_environment_get_secret(const struct berth_environment *environment, const char *name,
                                 char **ret_value, struct berth_error *err)
{
    char file_name[64];
    (void)snprintf(file_name, sizeof(file_name), "%s_FILE", name);
    const char *value = find_in_process(name);
    const char *path = value ? NULL : find_in_process(file_name);
    if (!value && !path)
        value = find_in_file(environment, name);
    if (!value && !path)
        path = find_in_file(environment, file_name);
    if (!path)
        return copy(value, ret_value, err);
    int r = read_secret(path, ret_value, err);
    if (r < 0)
        (void)berth_error_wrap(err, "%s", file_name);
    return r;
}
