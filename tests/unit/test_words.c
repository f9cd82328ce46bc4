/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "base/words.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    const char *text;
    const char *words;   /* joined by "|"; NULL where there are none */
    const char *refused; /* the rule */
};

static const struct row rows[] = {
    {"one", "/bin/bash", "/bin/bash", NULL},
    {"two", "sleep 3600", "sleep|3600", NULL},
    {"blanks", "  a \t b\n\nc ", "a|b|c", NULL},
    {"single", "sh -c 'echo \"$HOME\" \\n'", "sh|-c|echo \"$HOME\" \\n", NULL},
    {"double", "sh -c \"a \\\"b\\\" \\$c \\`d \\\\ \\e 'f'\"", "sh|-c|a \"b\" $c `d \\ \\e 'f'",
     NULL},
    {"escaped", "a\\ b \\'c \\\\ \\\"", "a b|'c|\\|\"", NULL},
    {"joined", "a'b c'\"d e\"f", "ab cd ef", NULL},
    {"empty words", "a '' \"\" b", "a|||b", NULL},
    {"a line that goes on", "a\\\nb c\\\n d \"e\\\nf\" 'g\\\nh'", "ab|c|d|ef|g\\\nh", NULL},
    {"nothing but a line that goes on", "a \\\n b", "a|b", NULL},
    {"nothing is expanded", "a $b ${c} $(d) `e` * ~ ? [f]", "a|$b|${c}|$(d)|`e`|*|~|?|[f]", NULL},
    {"no operators, no comments", "a;b &c |d <e >f (g) #h", "a;b|&c||d|<e|>f|(g)|#h", NULL},
    {"bytes of any kind", "caf\xc3\xa9 \xff\x01", "caf\xc3\xa9|\xff\x01", NULL},
    {"carriage return is no blank", "a\rb", "a\rb", NULL},
    {"empty", "", NULL, "must name a program"},
    {"blank", " \t\n", NULL, "must name a program"},
    {"nameless", "'' a", NULL, "must name a program"},
    {"open single", "a 'b", NULL, "ends within quotes"},
    {"open double", "a \"b", NULL, "ends within quotes"},
    {"open double, backslash", "a \"b\\", NULL, "ends within quotes"},
    {"open double, escaped end", "a \"b\\\"", NULL, "ends within quotes"},
    {"backslash", "a b\\", NULL, "ends with a backslash"},
};

static void check_row(const struct row *row)
{
    struct berth_words words = BERTH_WORDS_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    char joined[256] = "";
    int rc = berth_words_split(row->text, &words, &err);
    if (row->refused) {
        ck_assert_msg(rc == BERTH_E_INVALID, "%s", row->name);
        ck_assert_str_eq(err.message, row->refused);
        ck_assert_ptr_null(words.items);
        return;
    }
    ck_assert_msg(rc == 0, "%s: %s", row->name, err.message);
    for (size_t i = 0; i < words.count; i++) {
        size_t len = strlen(joined);
        (void)snprintf(joined + len, sizeof(joined) - len, "%s%s", i ? "|" : "", words.items[i]);
    }
    ck_assert_msg(strcmp(joined, row->words) == 0, "%s: %s", row->name, joined);
    ck_assert_ptr_null(words.items[words.count]);
    berth_words_release(&words);
    berth_words_release(&words);
}

START_TEST(commands_are_split_as_a_shell_would)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        check_row(&rows[i]);
}
END_TEST

/* That many letters a, parted by blanks or not. */
static char *make(size_t count, bool parted)
{
    char *text = calloc(1, count * 2 + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + (parted ? i * 2 : i), parted ? "a " : "a", parted ? 2 : 1);
    return text;
}

START_TEST(length_and_words_are_bounded)
{
    static const struct {
        size_t count;
        bool parted;
        size_t words; /* 0: refused */
    } limits[] = {
        {BERTH_COMMAND_MAX, false, 1},
        {BERTH_COMMAND_MAX + 1, false, 0},
        {BERTH_COMMAND_WORDS_MAX, true, BERTH_COMMAND_WORDS_MAX},
        {BERTH_COMMAND_WORDS_MAX + 1, true, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(limits); i++) {
        char *text = make(limits[i].count, limits[i].parted);
        struct berth_words words = BERTH_WORDS_INIT;
        int rc = berth_words_split(text, &words, NULL);
        ck_assert_int_eq(rc, limits[i].words ? 0 : BERTH_E_INVALID);
        ck_assert_uint_eq(words.count, limits[i].words);
        berth_words_release(&words);
        free(text);
    }
}
END_TEST

START_TEST(splitting_survives_lack_of_memory)
{
    for (size_t n = 0;; n++) {
        struct berth_words words = BERTH_WORDS_INIT;
        unit_alloc_fail_after(n);
        int rc = berth_words_split("a b", &words, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        berth_words_release(&words);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("words", commands_are_split_as_a_shell_would, length_and_words_are_bounded,
           splitting_survives_lack_of_memory)
