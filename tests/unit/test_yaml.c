/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "base/yaml_read.h"
#include "base/yaml_write.h"
#include "tests/unit/unit.h"

#include <string.h>

#define OUT_MAX ((size_t)1 << 20)

static char *print(const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    ck_assert_ptr_nonnull(text);
    return text;
}

START_TEST(what_is_read_is_what_json_of_it_would_be)
{
    static const struct {
        const char *name;
        const char *yaml;
        const char *json;
    } rows[] = {
        {"a map", "a: 1\nb: [x, y]\n", "{\"a\":1,\"b\":[\"x\",\"y\"]}"},
        {"JSON", "{\"a\": [true, null, \"1\"]}", "{\"a\":[true,null,\"1\"]}"},
        {"a lone text", "hello", "\"hello\""},
        {"nothing after a key", "a:\n", "{\"a\":null}"},
        {"the words of the core schema", "[~, null, NULL, true, True, FALSE]",
         "[null,null,null,true,true,false]"},
        {"words of older YAML are texts", "[yes, no, on, y, Off]",
         "[\"yes\",\"no\",\"on\",\"y\",\"Off\"]"},
        {"numbers", "[0, -1, +2, 1.5, .5, 1., 1e3, -2.5e-1]", "[0,-1,2,1.5,0.5,1,1000,-0.25]"},
        {"octal numbers", "[0440, 00]", "[288,0]"},
        {"what only looks like numbers", "[0x1F, 0o17, 1_000, 12:30:45, 2001-01-01, 09, ., -, 1e]",
         "[\"0x1F\",\"0o17\",\"1_000\",\"12:30:45\",\"2001-01-01\",\"09\",\".\",\"-\",\"1e\"]"},
        {"numbers past all bounds", "[1e999, -1E00081000]", "[\"1e999\",\"-1E00081000\"]"},
        {"quotes make texts", "['1', \"true\", !!str 5, '']", "[\"1\",\"true\",\"5\",\"\"]"},
        {"blocks", "a: |\n  x\n  y\nb: >\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}"},
        {"an alias", "a: &x {b: 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
        {"an anchor given anew", "[&x 1, *x, &x 2, *x]", "[1,1,2,2]"},
        {"a merge", "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n",
         "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"c\":3,\"b\":1}}"},
        {"a merge of several: the first counts", "<<: [{a: 1}, {a: 2, b: 3}]", "{\"a\":1,\"b\":3}"},
        {"an anchor within what is merged", "a: {<<: {b: &x 1}}\nc: *x\n",
         "{\"a\":{\"b\":1},\"c\":1}"},
        {"a quoted << is a key", "'<<': 1", "{\"<<\":1}"},
        {"comments and a marker", "--- # one\na: 1 # two\n...\n", "{\"a\":1}"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *json = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = berth_yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &json, &err);
        ck_assert_msg(rc == 0, "%s: %s", rows[i].name, err.message);
        BERTH_CLEANUP(free) char *text = print(json);
        ck_assert_msg(strcmp(text, rows[i].json) == 0, "%s: %s", rows[i].name, text);
    }
}
END_TEST

START_TEST(what_can_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *name;
        const char *yaml;
        const char *said;
    } rows[] = {
        {"nothing", "", "line 1: it is empty"},
        {"comments alone", "# x\n", "line 2: it is empty"},
        {"no YAML", "a: [1", "line 2: it is no YAML: did not find expected ',' or ']'"},
        {"a tab", "a:\n\tb: 1",
         "line 2: it is no YAML: found character that cannot start any token"},
        {"a key twice", "a: 1\nb: 2\na: 3\n", "line 3: it has the key twice: a"},
        {"a key twice, once quoted", "a: 1\n'a': 3\n", "line 2: it has the key twice: a"},
        {"two merges", "<<: {a: 1}\n<<: {b: 1}\n", "line 2: it has the key twice: <<"},
        {"a map as a key", "? {a: 1}\n: 2\n", "line 1: a key must be a text"},
        {"an alias as a key", "a: &x b\n*x : 1\n", "line 2: a key must be a text"},
        {"an anchor on a key", "&x a: 1", "line 1: a key has neither tag nor anchor here: a"},
        {"a tag on a key", "!!str a: 1", "line 1: a key has neither tag nor anchor here: a"},
        {"a tag", "a: !reset null", "line 1: tags are not taken here: !reset"},
        {"a tag of the core schema", "a: !!int '1'",
         "line 1: tags are not taken here: tag:yaml.org,2002:int"},
        {"a tag on a map", "a: !override {}", "line 1: tags are not taken here: !override"},
        {"a tag on a list", "!!set [a]", "line 1: tags are not taken here: tag:yaml.org,2002:set"},
        {"the tag that says nothing", "a: ! x", "line 1: tags are not taken here: !"},
        {"an alias of nothing", "a: *x", "line 1: nothing before it is called &x"},
        {"an alias of what it is in", "a: &x [*x]", "line 1: nothing before it is called &x"},
        {"a merge of a text", "<<: x", "line 1: what is merged must be a map, or a list of maps"},
        {"a merge of texts", "<<: [x]", "line 1: what is merged must be a map, or a list of maps"},
        {"a NUL", "a: \"x\\0y\"", "line 1: a text has a NUL in it"},
        {"a NUL in a key", "\"x\\0y\": 1", "line 1: a text has a NUL in it"},
        {"two documents", "a: 1\n---\nb: 1\n", "line 2: there is more than one document"},
        {"Latin-1", "a: \xe9", "it is not UTF-8"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        cJSON *json = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(berth_yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &json, &err) ==
                          BERTH_E_INVALID,
                      "%s", rows[i].name);
        ck_assert_ptr_null(json);
        ck_assert_msg(strcmp(err.message, rows[i].said) == 0, "%s: %s", rows[i].name, err.message);
    }
}
END_TEST

static int parse(const struct berth_strbuf *text)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_strbuf_check(text, NULL), 0);
    return berth_yaml_parse(berth_strbuf_str(text), text->len, &json, NULL);
}

START_TEST(depth_is_bounded)
{
    for (size_t depth = BERTH_YAML_DEPTH_MAX; depth <= BERTH_YAML_DEPTH_MAX + 1; depth++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf plain = BERTH_STRBUF_INIT(OUT_MAX);
        BERTH_CLEANUP(strbuf) struct berth_strbuf aliased = BERTH_STRBUF_INIT(OUT_MAX);
        for (size_t i = 0; i < depth; i++)
            berth_strbuf_addc(&plain, '[');
        for (size_t i = 0; i < depth; i++)
            berth_strbuf_addc(&plain, ']');
        berth_strbuf_adds(&aliased, "[&x [[]],");
        for (size_t i = 3; i < depth; i++)
            berth_strbuf_addc(&aliased, '[');
        berth_strbuf_adds(&aliased, "*x");
        for (size_t i = 2; i < depth; i++)
            berth_strbuf_addc(&aliased, ']');
        int expected = depth > BERTH_YAML_DEPTH_MAX ? BERTH_E_TOO_LARGE : 0;
        ck_assert_int_eq(parse(&plain), expected);
        ck_assert_int_eq(parse(&aliased), expected);
    }
}
END_TEST

START_TEST(values_are_counted_with_those_that_aliases_repeat)
{
    for (size_t count = BERTH_YAML_NODES_MAX; count <= BERTH_YAML_NODES_MAX + 1; count++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(OUT_MAX);
        berth_strbuf_adds(&text, "[&x [1,2,3]"); /* 5, and each alias is 4 */
        for (size_t used = 5; used < count - 3; used += 4)
            berth_strbuf_adds(&text, ",*x");
        for (size_t used = 5 + (count - 5) / 4 * 4; used < count; used++)
            berth_strbuf_adds(&text, ",1");
        berth_strbuf_addc(&text, ']');
        ck_assert_int_eq(parse(&text), count > BERTH_YAML_NODES_MAX ? BERTH_E_TOO_LARGE : 0);
    }
}
END_TEST

START_TEST(a_billion_laughs_are_refused)
{
    static const char aliases[] = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                                  "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                                  "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                                  "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    static const char merges[] =
        "a: &a {a: [x,x,x,x,x,x,x,x,x,x,x,x,x,x]}\n"
        "b: &b {<<: *a, b: {<<: *a}, c: {<<: *a}, d: {<<: *a}, e: {<<: *a}, f: {<<: *a}}\n"
        "c: &c {<<: *b, b: {<<: *b}, c: {<<: *b}, d: {<<: *b}, e: {<<: *b}, f: {<<: *b}}\n"
        "d: &d {<<: *c, b: {<<: *c}, c: {<<: *c}, d: {<<: *c}, e: {<<: *c}, f: {<<: *c}}\n"
        "e: &e {<<: *d, b: {<<: *d}, c: {<<: *d}, d: {<<: *d}, e: {<<: *d}, f: {<<: *d}}\n";
    BERTH_CLEANUP(json) cJSON *json = NULL;
    ck_assert_int_eq(berth_yaml_parse(aliases, strlen(aliases), &json, NULL), BERTH_E_TOO_LARGE);
    ck_assert_int_eq(berth_yaml_parse(merges, strlen(merges), &json, NULL), BERTH_E_TOO_LARGE);
}
END_TEST

static void write_yaml(const cJSON *json, struct berth_strbuf *out)
{
    struct berth_yaml_writer w;
    berth_yaml_open(&w, out);
    berth_yaml_add_json(&w, "it", json);
    ck_assert_int_eq(berth_yaml_close(&w, NULL), 0);
}

START_TEST(what_is_written_reads_as_the_same)
{
    static const char *const rows[] = {
        "{\"a\":1,\"b\":[1.5,-3,true,false,null,\"\",\"x\"],\"c\":{},\"d\":[],\"e\":[{\"f\":[[1]]}]"
        "}",
        "{\"true\":\"true\",\"1\":\"1\",\"~\":\"~\",\"<<\":\"<<\",\"a: b\":\"# "
        "c\",\"\":\"\",\"NO\":0}",
        "\"two\\nlines \\\" and ' and \\\\\"",
        "\"\xc3\xa9\\u0001\"",
        "12345678901",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *json = NULL;
        BERTH_CLEANUP(json) cJSON *again = NULL;
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(OUT_MAX);
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_json_parse(rows[i], strlen(rows[i]), &json, NULL), 0);
        write_yaml(json, &out);
        ck_assert_msg(berth_yaml_parse(berth_strbuf_str(&out), out.len, &again, &err) == 0,
                      "%s: %s", err.message, berth_strbuf_str(&out));
        ck_assert_msg(cJSON_Compare(berth_json_get(again, "it"), json, true), "%s",
                      berth_strbuf_str(&out));
    }
}
END_TEST

START_TEST(names_are_quoted_where_they_must_be_and_numbers_keep_their_text)
{
    static const char text[] = "web.1_a-b: 0440\nYes: 1.10\n'4': a\n";
    BERTH_CLEANUP(json) cJSON *json = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(OUT_MAX);
    ck_assert_int_eq(berth_yaml_parse(text, strlen(text), &json, NULL), 0);
    write_yaml(json, &out);
    ck_assert_str_eq(berth_strbuf_str(&out), "it:\n  web.1_a-b: 0440\n  'Yes': 1.10\n  '4': 'a'\n");
}
END_TEST

static int read_once(void)
{
    static const char text[] = "a: &x {b: [1, c]}\nd: {<<: *x, e: *x}\n";
    BERTH_CLEANUP(json) cJSON *json = NULL;
    return berth_yaml_parse(text, strlen(text), &json, NULL);
}

START_TEST(out_of_memory_is_told)
{
    for (size_t n = 0;; n++) {
        unit_alloc_fail_after(n);
        int rc = read_once();
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

UNIT_SUITE("yaml", what_is_read_is_what_json_of_it_would_be,
           what_can_be_read_in_two_ways_is_refused, depth_is_bounded,
           values_are_counted_with_those_that_aliases_repeat, a_billion_laughs_are_refused,
           what_is_written_reads_as_the_same,
           names_are_quoted_where_they_must_be_and_numbers_keep_their_text, out_of_memory_is_told)
