/* SPDX-License-Identifier: MIT */
#include "gateway/params.h"
#include "tests/unit/unit.h"

#include <string.h>

/* count times the text, malloc'ed. */
static char *repeat(const char *text, size_t count)
{
    size_t len = strlen(text);
    char *out = malloc(len * count + 1);
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * len, text, len);
    out[len * count] = '\0';
    return out;
}

START_TEST(values)
{
    static const struct {
        const char *query;
        size_t count;
        const char *name;
        const char *value; /* NULL: not given */
    } rows[] = {
        {NULL, 0, "name", NULL},
        {"", 0, "name", NULL},
        {"name=a", 1, "name", "a"},
        {"name=", 1, "name", ""},
        {"name", 1, "name", ""},
        {"=x", 1, "", "x"},
        {"name=a&user=b", 2, "user", "b"},
        {"&&name=a&", 1, "name", "a"},
        {"name=a=b", 1, "name", "a=b"},
        {"name=a+b", 1, "name", "a b"},
        {"name=a%2Bb", 1, "name", "a+b"},
        {"name=%61%62%2F%3a", 1, "name", "ab/:"},
        {"n%61me=a", 1, "name", "a"},
        {"name=a;user=b", 1, "name", "a;user=b"},
        {"name=%C3%A4", 1, "name", "\xC3\xA4"},
        {"name=\xC3\xA4", 1, "name", "\xC3\xA4"},
        {"Name=a", 1, "name", NULL},
        {"name=a,b,,c", 1, "name", "a,b,,c"},
        {"name=..%2F..%2Fetc", 1, "name", "../../etc"},
        {"name=$(reboot)`x`|y;%22'", 1, "name", "$(reboot)`x`|y;\"'"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        static struct berth_params params;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_params_parse(rows[i].query, NULL, &params, &err) == 0, "%s: %s",
                      rows[i].query, err.message);
        ck_assert_msg(params.count == rows[i].count, "%s: %zu", rows[i].query, params.count);
        const char *value = berth_params_get(&params, rows[i].name);
        ck_assert_msg(!value == !rows[i].value, "%s: %s", rows[i].query, value ? value : "NULL");
        if (value)
            ck_assert_str_eq(value, rows[i].value);
    }
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *query;
        const char *message; /* the whole of it */
    } rows[] = {
        {"name=a&name=b", "parameter name is given twice"},
        {"name=a&n%61me=a", "parameter name is given twice"},
        {"name&name", "parameter name is given twice"},
        {"user=x&name=a%", "parameter name has a broken percent-escape"},
        {"name=a%2", "parameter name has a broken percent-escape"},
        {"name=a%2&user=61", "parameter name has a broken percent-escape"},
        {"name=a%2g", "parameter name has a broken percent-escape"},
        {"name=a%g2", "parameter name has a broken percent-escape"},
        {"name=%%", "parameter name has a broken percent-escape"},
        {"name=a%00b", "parameter name must be valid UTF-8 without control characters"},
        {"name=a%0Ab", "parameter name must be valid UTF-8 without control characters"},
        {"name=a%1fb", "parameter name must be valid UTF-8 without control characters"},
        {"name=a%7Fb", "parameter name must be valid UTF-8 without control characters"},
        {"name=a\x01", "parameter name must be valid UTF-8 without control characters"},
        {"name=%80", "parameter name must be valid UTF-8 without control characters"},
        {"name=%C3", "parameter name must be valid UTF-8 without control characters"},
        {"name=%C0%AF", "parameter name must be valid UTF-8 without control characters"},
        {"name=%ED%A0%80", "parameter name must be valid UTF-8 without control characters"},
        {"name=%F5%80%80%80", "parameter name must be valid UTF-8 without control characters"},
        {"user=x&na%00me=a", "the name of parameter 2 is not valid percent-encoded UTF-8"},
        {"na%me=a", "the name of parameter 1 is not valid percent-encoded UTF-8"},
        {"na%FFme=a", "the name of parameter 1 is not valid percent-encoded UTF-8"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        static struct berth_params params;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_params_parse(rows[i].query, NULL, &params, &err) == BERTH_E_INVALID,
                      "%s was taken", rows[i].query);
        ck_assert_str_eq(err.message, rows[i].message);
    }
}
END_TEST

/* "p0=v&p1=v&...": count parameters. */
static char *many(size_t count)
{
    struct berth_strbuf query = BERTH_STRBUF_INIT(4096);
    for (size_t i = 0; i < count; i++)
        berth_strbuf_addf(&query, "%sp%zu=v", i ? "&" : "", i);
    return berth_strbuf_steal(&query, NULL);
}

START_TEST(as_many_as_there_may_be)
{
    static struct berth_params params;
    struct berth_error err = BERTH_ERROR_INIT;
    char *query = many(BERTH_PARAMS_MAX);
    ck_assert_int_eq(berth_params_parse(query, NULL, &params, &err), 0);
    ck_assert_uint_eq(params.count, BERTH_PARAMS_MAX);
    ck_assert_str_eq(berth_params_get(&params, "p31"), "v");
    free(query);

    query = many(BERTH_PARAMS_MAX + 1);
    ck_assert_int_eq(berth_params_parse(query, NULL, &params, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "more than 32 parameters");
    free(query);
}
END_TEST

START_TEST(as_long_as_it_may_be)
{
    static struct berth_params params;
    struct berth_error err = BERTH_ERROR_INIT;
    char *value = repeat("x", BERTH_PARAM_MAX + 1);
    struct berth_strbuf query = BERTH_STRBUF_INIT(3 * BERTH_TARGET_MAX);
    berth_strbuf_addf(&query, "name=%s", value);
    ck_assert_int_eq(berth_params_parse(berth_strbuf_str(&query), NULL, &params, &err),
                     BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "parameter name must not exceed 4096 bytes");

    berth_strbuf_clear(&query);
    berth_strbuf_addf(&query, "name=%.*s", BERTH_PARAM_MAX, value);
    ck_assert_int_eq(berth_params_parse(berth_strbuf_str(&query), NULL, &params, &err), 0);
    ck_assert_uint_eq(strlen(berth_params_get(&params, "name")), BERTH_PARAM_MAX);
    free(value);

    /* It is the decoded value that counts. */
    value = repeat("%78", 2700);
    berth_strbuf_clear(&query);
    berth_strbuf_addf(&query, "name=%s", value);
    ck_assert_int_eq(berth_params_parse(berth_strbuf_str(&query), NULL, &params, &err), 0);
    ck_assert_uint_eq(strlen(berth_params_get(&params, "name")), 2700);
    free(value);
    berth_strbuf_release(&query);
}
END_TEST

/* The longest query in the most parameters fills the text to its end: sanitizers look on. */
START_TEST(a_query_as_long_as_it_may_be)
{
    static struct berth_params params;
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_strbuf query = BERTH_STRBUF_INIT(2 * BERTH_TARGET_MAX);
    for (size_t i = 0; i < BERTH_PARAMS_MAX; i++) {
        char *name = repeat(i % 2 ? "y" : "x", BERTH_TARGET_MAX / BERTH_PARAMS_MAX - 3);
        berth_strbuf_addf(&query, "%s%02zu%s", i ? "&" : "a", i, name);
        free(name);
    }
    ck_assert_uint_eq(query.len, BERTH_TARGET_MAX);
    ck_assert_int_eq(berth_params_parse(berth_strbuf_str(&query), NULL, &params, &err), 0);
    ck_assert_uint_eq(params.count, BERTH_PARAMS_MAX);

    berth_strbuf_addc(&query, 'z');
    ck_assert_int_eq(berth_params_parse(berth_strbuf_str(&query), NULL, &params, &err),
                     BERTH_E_TOO_LARGE);
    ck_assert_str_eq(err.message, "the query is longer than 8192 bytes");
    berth_strbuf_release(&query);
}
END_TEST

START_TEST(required)
{
    static struct berth_params params;
    struct berth_error err = BERTH_ERROR_INIT;
    const char *value = "untouched";
    ck_assert_int_eq(berth_params_parse("a=1&b=", NULL, &params, &err), 0);
    ck_assert_int_eq(berth_params_require(&params, "b", &value, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "parameter b is missing");
    ck_assert_int_eq(berth_params_require(&params, "c", &value, &err), BERTH_E_INVALID);
    ck_assert_str_eq(value, "untouched");
    ck_assert_int_eq(berth_params_require(&params, "a", &value, &err), 0);
    ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(yes_or_no)
{
    static struct berth_params params;
    struct berth_error err = BERTH_ERROR_INIT;
    bool value = false;
    ck_assert_int_eq(berth_params_parse("a=yes&b=0&c=perhaps&d=", NULL, &params, &err), 0);
    ck_assert_int_eq(berth_params_bool(&params, "a", false, &value, &err), 0);
    ck_assert(value);
    ck_assert_int_eq(berth_params_bool(&params, "b", true, &value, &err), 0);
    ck_assert(!value);
    ck_assert_int_eq(berth_params_bool(&params, "e", true, &value, &err), 0);
    ck_assert(value);
    ck_assert_int_eq(berth_params_bool(&params, "c", true, &value, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "parameter c must be yes or no");
    ck_assert_int_eq(berth_params_bool(&params, "d", true, &value, &err), BERTH_E_INVALID);
}
END_TEST

UNIT_SUITE("params", values, refusals, as_many_as_there_may_be, as_long_as_it_may_be,
           a_query_as_long_as_it_may_be, required, yes_or_no)
