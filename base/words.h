/* SPDX-License-Identifier: MIT */
/*
 * A command as people write it, as the words that a POSIX shell would make of
 * it ("Shell Command Language", 2.2 Quoting): quotes and backslashes are read, nothing is
 * expanded. $, *, ~, #, ; and their like are letters as any, and no shell sees
 * them.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BASE_WORDS_H
#define BERTH_BASE_WORDS_H

#include "base/error.h"

struct berth_words {
    char **items; /* NULL at the end */
    size_t count; /* at least 1 */
    char *text;   /* what items points into */
};

#define BERTH_WORDS_INIT                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

void berth_words_release(struct berth_words *words);
BERTH_DEFINE_CLEANUP_VALUE(words, struct berth_words, berth_words_release)

/*
 * Splits text. BERTH_E_INVALID with the rule alone ("ends within quotes"): the
 * caller prepends the parameter's name. Refused are what has no word or an empty one to
 * begin with, an open quote, a backslash with nothing behind it, and more than
 * BERTH_COMMAND_MAX bytes or BERTH_COMMAND_WORDS_MAX words.
 */
BERTH_MUST_CHECK int berth_words_split(const char *text, struct berth_words *ret_words,
                                       struct berth_error *err);

#endif
