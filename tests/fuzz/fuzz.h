/* SPDX-License-Identifier: MIT */
/*
 * What fuzz targets share. A target is one LLVMFuzzerTestOneInput: built with
 * -Dfuzz=true it is driven by libFuzzer (tests/fuzz/run), else by replay.c,
 * which runs it over its corpus as an ordinary test.
 *
 * A target checks more than that nothing crashes: what is read and written
 * again is the same, a refusal names what is wrong, a stream means the same in
 * whatever pieces it comes. Inputs are text where they can be, so that a corpus
 * can be read and written by people.
 */
#ifndef BERTH_TESTS_FUZZ_FUZZ_H
#define BERTH_TESTS_FUZZ_FUZZ_H

#include "base/error.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold: prints it and aborts where it does not. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_fail(__FILE__, __LINE__, #condition, NULL);                                       \
    } while (0)

/* The same, with what was seen. */
#define FUZZ_CHECK_MSG(condition, text)                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_fail(__FILE__, __LINE__, #condition, text);                                       \
    } while (0)

_Noreturn void fuzz_fail(const char *file, int line, const char *property, const char *seen);

/* An input that is consumed from its front. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

/* A NUL-terminated copy of the next line without its newline, of exactly its size (so that reading
 * past it is seen); "" at the end of the input. A NUL in the line ends it, as in any C string. */
char *fuzz_line(struct fuzz_input *input);

/* The same of all that is left. */
char *fuzz_rest(struct fuzz_input *input);

/* The next byte; 0 at the end. */
uint8_t fuzz_byte(struct fuzz_input *input);

/* Fails unless err has status r, and a message of one line of UTF-8 if r is negative. */
void fuzz_check_error(int r, const struct berth_error *err);

/* Fails unless the buffer holds well-formed UTF-8 without control characters, at most max bytes. */
void fuzz_check_line(const struct berth_strbuf *text, size_t max);

/* The path of a directory that vanishes when the program ends; the same each time. */
const char *fuzz_directory(void);

#endif
