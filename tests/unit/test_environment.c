/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "gateway/environment.h"
#include "gateway/text_file.h"
#include "tests/unit/unit.h"

#include <string.h>

/* A file with that content, its path malloc'ed. */
static char *write_file(const char *name, const char *content, size_t len)
{
    char *path = unit_scratch(name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

START_TEST(lines)
{
    static const struct {
        const char *text;
        const char *name; /* NULL: the file sets nothing */
        const char *value;
    } rows[] = {
        {"", NULL, NULL},
        {"\n\n  \n\t\n", NULL, NULL},
        {"# A=1\n  # B=2", NULL, NULL},
        {"UNIT_A=1", "UNIT_A", "1"},
        {"UNIT_A=1\n", "UNIT_A", "1"},
        {"UNIT_A=1\r\n", "UNIT_A", "1"},
        {"  UNIT_A =  1  \n", "UNIT_A", "1"},
        {"export UNIT_A=1\n", "UNIT_A", "1"},
        {"export\tUNIT_A=1\n", "UNIT_A", "1"},
        {"UNIT_A=a b=c # d\n", "UNIT_A", "a b=c # d"},
        {"UNIT_A=\"1\"\n", "UNIT_A", "1"},
        {"UNIT_A='1 '\n", "UNIT_A", "1 "},
        {"UNIT_A=\"1'\n", "UNIT_A", "\"1'"},
        {"UNIT_A=\"\n", "UNIT_A", "\""},
        {"UNIT_A=$HOME\n", "UNIT_A", "$HOME"},
        {"UNIT_A=1\nUNIT_A=2\n", "UNIT_A", "2"},
        {"\xEF\xBB\xBFUNIT_A=\xC3\xA4\n", "UNIT_A", "\xC3\xA4"},
        {"_unit9=x\n", "_unit9", "x"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(environment) struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        char *path = write_file("env", rows[i].text, strlen(rows[i].text));
        ck_assert_msg(berth_environment_load(path, true, &environment, &err) == 0, "%zu: %s", i,
                      err.message);
        free(path);
        ck_assert(rows[i].name || environment.count == 0);
        if (!rows[i].name)
            continue;
        char *value = NULL;
        ck_assert_int_eq(berth_environment_get(&environment, rows[i].name, &value, &err), 0);
        ck_assert_ptr_nonnull(value);
        ck_assert_str_eq(value, rows[i].value);
        free(value);
    }
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *text;
        size_t len; /* 0: up to the NUL */
        unsigned line;
        const char *reason;
    } rows[] = {
        {"UNIT_A\n", 0, 1, "the line must be NAME=VALUE"},
        {"UNIT_A=1\n\nexport\n", 0, 3, "the line must be NAME=VALUE"},
        {"=1\n", 0, 1, "the name of the variable is not valid"},
        {"9A=1\n", 0, 1, "the name of the variable is not valid"},
        {"UNIT-A=1\n", 0, 1, "the name of the variable is not valid"},
        {"UNIT A=1\n", 0, 1, "the name of the variable is not valid"},
        {"# fine\nUNIT_A=\xFF\n", 0, 2, "the line is not valid UTF-8 text"},
        {"UNIT_A=1\0 2\n", 12, 1, "the line is not valid UTF-8 text"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(environment) struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        char *path =
            write_file("env", rows[i].text, rows[i].len ? rows[i].len : strlen(rows[i].text));
        char expected[1024];
        (void)snprintf(expected, sizeof(expected), "%s:%u: %s", path, rows[i].line, rows[i].reason);
        ck_assert_msg(berth_environment_load(path, true, &environment, &err) == BERTH_E_INVALID,
                      "row %zu was taken", i);
        ck_assert_str_eq(err.message, expected);
        free(path);
    }
}
END_TEST

START_TEST(lines_as_long_as_they_may_be)
{
    char text[BERTH_CONFIG_LINE_MAX + 3];
    for (size_t over = 0; over < 2; over++) {
        for (size_t newline = 0; newline < 2; newline++) {
            BERTH_CLEANUP(environment)
            struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
            struct berth_error err = BERTH_ERROR_INIT;
            size_t len = BERTH_CONFIG_LINE_MAX + over;
            memset(text, 'x', sizeof(text));
            memcpy(text, "UNIT_A=", 7);
            text[len] = '\n';
            char *path = write_file("env", text, len + newline);
            int r = berth_environment_load(path, true, &environment, &err);
            free(path);
            ck_assert_int_eq(r, over ? BERTH_E_INVALID : 0);
            if (over)
                ck_assert_ptr_nonnull(
                    strstr(err.message, ":1: the line is longer than 8192 bytes"));
        }
    }
}
END_TEST

START_TEST(a_file_that_is_not_there)
{
    BERTH_CLEANUP(environment) struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    char *path = unit_scratch("missing");
    ck_assert_int_eq(berth_environment_load(path, false, &environment, &err), 0);
    ck_assert_int_eq(err.status, 0); /* nothing is said of what is no error */
    ck_assert_int_eq(berth_environment_load(path, true, &environment, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "cannot be read: No such file or directory"));
    /* One that is there must be readable, asked for or not. */
    ck_assert_int_eq(berth_environment_load("/", false, &environment, &err), BERTH_E_INVALID);
    free(path);
}
END_TEST

/* Sets a variable of this process, which each test has to itself. */
static void put(const char *text)
{
    static char *variables[8];
    size_t name_len = strcspn(text, "=") + 1;
    size_t i = 0;
    while (variables[i] && strncmp(variables[i], text, name_len) != 0)
        i++;
    ck_assert_uint_lt(i, UNIT_COUNT(variables) - 1);
    free(variables[i]);
    variables[i] = strdup(text);
    ck_assert_ptr_nonnull(variables[i]);
    environ = variables;
}

static void check_get(const struct berth_environment *environment, const char *name,
                      const char *expected)
{
    struct berth_error err = BERTH_ERROR_INIT;
    char *value = NULL;
    int r = berth_environment_get_secret(environment, name, &value, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    ck_assert_msg(!value == !expected, "%s is %s", name, value ? value : "not set");
    if (expected)
        ck_assert_str_eq(value, expected);
    free(value);
}

START_TEST(the_process_comes_first)
{
    BERTH_CLEANUP(environment) struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    static const char text[] = "UNIT_A=file\nUNIT_B=file\nUNIT_C=\n";
    char *path = write_file("env", text, strlen(text));
    ck_assert_int_eq(berth_environment_load(path, true, &environment, &err), 0);
    put("UNIT_A=process");
    put("UNIT_B=");
    check_get(&environment, "UNIT_A", "process");
    check_get(&environment, "UNIT_B", "file"); /* what is empty is not set */
    check_get(&environment, "UNIT_C", NULL);
    check_get(&environment, "UNIT_D", NULL);
    char *value = NULL;
    ck_assert_int_eq(berth_environment_get(&environment, "UNIT_A", &value, &err), 0);
    ck_assert_str_eq(value, "process");
    free(value);
    free(path);
}
END_TEST

START_TEST(secrets_from_files)
{
    static const struct {
        const char *content;
        size_t len;
        const char *secret; /* NULL: refused */
        const char *reason;
    } rows[] = {
        {"secret", 6, "secret", NULL},     {"secret\n", 7, "secret", NULL},
        {"secret\r\n", 8, "secret", NULL}, {"secret\n\n", 8, "secret\n", NULL},
        {" secret ", 8, " secret ", NULL}, {"sec\0ret", 7, NULL, "must not contain NUL"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        char *path = write_file("secret", rows[i].content, rows[i].len);
        char variable[1024];
        (void)snprintf(variable, sizeof(variable), "UNIT_S_FILE=%s", path);
        put(variable);
        free(path);
        if (rows[i].secret) {
            check_get(&environment, "UNIT_S", rows[i].secret);
            continue;
        }
        char *value = NULL;
        ck_assert_int_eq(berth_environment_get_secret(&environment, "UNIT_S", &value, &err),
                         BERTH_E_INVALID);
        ck_assert_ptr_nonnull(strstr(err.message, "UNIT_S_FILE: "));
        ck_assert_ptr_nonnull(strstr(err.message, rows[i].reason));
        ck_assert_ptr_null(value);
    }
}
END_TEST

START_TEST(secrets_as_long_as_they_may_be)
{
    struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    char text[4097];
    char variable[1024];
    memset(text, 'x', sizeof(text));
    for (size_t over = 0; over < 2; over++) {
        char *path = write_file("secret", text, sizeof(text) - 1 + over);
        (void)snprintf(variable, sizeof(variable), "UNIT_S_FILE=%s", path);
        put(variable);
        free(path);
        char *value = NULL;
        int r = berth_environment_get_secret(&environment, "UNIT_S", &value, &err);
        ck_assert_int_eq(r, over ? BERTH_E_INVALID : 0);
        if (over)
            ck_assert_ptr_nonnull(strstr(err.message, "is longer than 4096 bytes"));
        free(value);
    }
    put("UNIT_S_FILE=/nowhere/at/all");
    char *value = NULL;
    ck_assert_int_eq(berth_environment_get_secret(&environment, "UNIT_S", &value, &err),
                     BERTH_E_INVALID);
    ck_assert_str_eq(err.message,
                     "UNIT_S_FILE: /nowhere/at/all cannot be read: No such file or directory");
}
END_TEST

/* The process's own, in either form, comes before what the file says in either. */
START_TEST(which_form_of_a_secret_counts)
{
    BERTH_CLEANUP(environment) struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    char *of_file = write_file("secret", "file of .env", 12);
    char *of_process = write_file("secret", "file of process", 15);
    char text[1024];
    int len = snprintf(text, sizeof(text), "UNIT_S=text of .env\nUNIT_S_FILE=%s\nUNIT_T_FILE=%s\n",
                       of_file, of_file);
    char *path = write_file("env", text, (size_t)len);
    ck_assert_int_eq(berth_environment_load(path, true, &environment, &err), 0);

    check_get(&environment, "UNIT_T", "file of .env");
    check_get(&environment, "UNIT_S", "text of .env");
    (void)snprintf(text, sizeof(text), "UNIT_S_FILE=%s", of_process);
    put(text);
    check_get(&environment, "UNIT_S", "file of process");
    put("UNIT_S=text of process");
    check_get(&environment, "UNIT_S", "text of process");
    free(path);
    free(of_file);
    free(of_process);
}
END_TEST

START_TEST(out_of_memory)
{
    static const char text[] = "UNIT_A=1\nUNIT_B=2\n";
    char *path = write_file("env", text, strlen(text));
    for (size_t n = 0;; n++) {
        struct berth_environment environment = BERTH_ENVIRONMENT_INIT;
        char *value = NULL;
        unit_alloc_fail_after(n);
        int r = berth_environment_load(path, true, &environment, NULL);
        if (r == 0)
            r = berth_environment_get(&environment, "UNIT_B", &value, NULL);
        bool failed = unit_alloc_restore();
        berth_environment_release(&environment);
        free(value);
        ck_assert_int_eq(r, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
    free(path);
}
END_TEST

UNIT_SUITE("environment", lines, refusals, lines_as_long_as_they_may_be, a_file_that_is_not_there,
           the_process_comes_first, secrets_from_files, secrets_as_long_as_they_may_be,
           which_form_of_a_secret_counts, out_of_memory)
