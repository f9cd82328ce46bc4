/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include "base/limits.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void berth_words_release(struct berth_words *words)
{
    free((void *)words->items);
    free(words->text);
    *words = (struct berth_words)BERTH_WORDS_INIT;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* What is read, and where the words are written. */
struct splitter {
    const char *from;
    char *to;
};

static int invalid(struct berth_error *err, const char *why)
{
    return berth_error_set(err, BERTH_E_INVALID, "%s", why);
}

static int take_single(struct splitter *s, struct berth_error *err)
{
    for (s->from++; *s->from != '\''; s->from++) {
        if (*s->from == '\0')
            return invalid(err, "ends within quotes");
        *s->to++ = *s->from;
    }
    s->from++;
    return 0;
}

/* Within double quotes a backslash is one, but before what would mean something there. */
static int take_double(struct splitter *s, struct berth_error *err)
{
    for (s->from++; *s->from != '"';) {
        if (*s->from == '\0')
            return invalid(err, "ends within quotes");
        if (s->from[0] == '\\' && s->from[1] == '\n') {
            s->from += 2; /* the line goes on */
            continue;
        }
        if (s->from[0] == '\\' && s->from[1] && strchr("$`\"\\", s->from[1]))
            s->from++;
        *s->to++ = *s->from++;
    }
    s->from++;
    return 0;
}

static int take_escaped(struct splitter *s, struct berth_error *err)
{
    if (s->from[1] == '\0')
        return invalid(err, "ends with a backslash");
    if (s->from[1] != '\n')
        *s->to++ = s->from[1];
    s->from += 2;
    return 0;
}

/* To the end of the word; *ret_any: there is one, if an empty one. Nothing but continued lines is
 * none. */
static int take_word(struct splitter *s, bool *ret_any, struct berth_error *err)
{
    int rc = 0;
    bool any = false;
    while (rc == 0 && *s->from && !is_blank(*s->from)) {
        any |= s->from[0] != '\\' || s->from[1] != '\n';
        if (*s->from == '\'')
            rc = take_single(s, err);
        else if (*s->from == '"')
            rc = take_double(s, err);
        else if (*s->from == '\\')
            rc = take_escaped(s, err);
        else
            *s->to++ = *s->from++;
    }
    *s->to++ = '\0';
    *ret_any = any;
    return rc;
}

/* Fills words, whose text has room for as much as there is to read: each word takes at least its
 * NUL's place, a blank or the end. */
static int split(const char *text, struct berth_words *words, struct berth_error *err)
{
    struct splitter s = {.from = text, .to = words->text};
    for (;;) {
        while (is_blank(*s.from))
            s.from++;
        if (*s.from == '\0')
            return 0;
        if (words->count == BERTH_COMMAND_WORDS_MAX)
            return berth_error_set(err, BERTH_E_INVALID, "must have at most %d words",
                                   BERTH_COMMAND_WORDS_MAX);
        bool any = false;
        char *word = s.to;
        int rc = take_word(&s, &any, err);
        if (rc < 0)
            return rc;
        if (any)
            words->items[words->count++] = word;
    }
}

int berth_words_split(const char *text, struct berth_words *ret_words, struct berth_error *err)
{
    BERTH_CLEANUP(words) struct berth_words words = BERTH_WORDS_INIT;
    size_t len = strlen(text);
    if (len > BERTH_COMMAND_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "must be at most %d bytes long",
                               BERTH_COMMAND_MAX);
    words.text = malloc(len + 1);
    words.items = calloc(BERTH_COMMAND_WORDS_MAX + 1, sizeof(*words.items));
    if (!words.text || !words.items)
        return berth_error_nomem(err);
    int rc = split(text, &words, err);
    if (rc < 0)
        return rc;
    if (words.count == 0 || words.items[0][0] == '\0')
        return invalid(err, "must name a program");
    *ret_words = words;
    words = (struct berth_words)BERTH_WORDS_INIT;
    return 0;
}
