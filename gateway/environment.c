/* SPDX-License-Identifier: MIT */
#include "gateway/environment.h"

#include "base/limits.h"
#include "base/text.h"

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
    static const char export[] = "export ";
    char *name = skip_spaces(line);
    trim_end(name);
    if (*name == '\0' || *name == '#') {
        *ret_name = NULL;
        return 0;
    }
    if (strncmp(name, export, sizeof(export) - 1) == 0)
        name = skip_spaces(name + sizeof(export) - 1);
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

int berth_environment_load(const char *path, bool required, struct berth_environment *environment,
                           struct berth_error *err)
{
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    if (!file) {
        if (errno == ENOENT && !required)
            return 0;
        return berth_error_set_errno(err, BERTH_E_INVALID, errno, "%s cannot be read: %m", path);
    }
    char line[BERTH_CONFIG_LINE_MAX + 2];
    for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
        char *name = NULL;
        char *value = NULL;
        int r = strlen(line) > BERTH_CONFIG_LINE_MAX
                    ? berth_error_set(err, BERTH_E_INVALID, "the line is longer than %d bytes",
                                      BERTH_CONFIG_LINE_MAX)
                    : parse_line(line, &name, &value, err);
        if (r == 0 && name)
            r = add(environment, name, value, err);
        explicit_bzero(line, sizeof(line));
        if (r < 0)
            return berth_error_wrap(err, "%s:%u", path, number);
    }
    return 0;
}

int berth_environment_get(const struct berth_environment *environment, const char *name,
                          char **ret_value, struct berth_error *err)
{
    const char *value = getenv(name);
    for (size_t i = 0; !value && i < environment->count; i++)
        if (strcmp(environment->names[i], name) == 0)
            value = environment->values[i];
    if (!value || !*value) {
        *ret_value = NULL;
        return 0;
    }
    char *copy = berth_text_dup(value);
    if (!copy)
        return berth_error_nomem(err);
    *ret_value = copy;
    return 0;
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
    trim_end(text);
    char *copy = berth_text_dup(text);
    explicit_bzero(text, sizeof(text));
    if (!copy)
        return berth_error_nomem(err);
    *ret_value = copy;
    return 0;
}

int berth_environment_get_secret(const struct berth_environment *environment, const char *name,
                                 char **ret_value, struct berth_error *err)
{
    char file_name[64];
    (void)snprintf(file_name, sizeof(file_name), "%s_FILE", name);
    BERTH_CLEANUP(free) char *path = NULL;
    char *value = NULL;
    int r = berth_environment_get(environment, name, &value, err);
    if (r == 0 && !value)
        r = berth_environment_get(environment, file_name, &path, err);
    if (r == 0 && path) {
        r = read_secret(path, &value, err);
        if (r < 0)
            return berth_error_wrap(err, "%s", file_name);
    }
    if (r == 0)
        *ret_value = value;
    return r;
}
