/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "base/text.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *property, const char *seen)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, property);
    if (seen)
        (void)fprintf(stderr, "  seen: %s\n", seen);
    abort();
}

static char *copy(struct fuzz_input *input, size_t len)
{
    char *text = malloc(len + 1);
    FUZZ_CHECK(text);
    if (len > 0)
        memcpy(text, input->data, len);
    text[len] = '\0';
    input->data += len;
    input->size -= len;
    return text;
}

char *fuzz_line(struct fuzz_input *input)
{
    const uint8_t *newline = input->size ? memchr(input->data, '\n', input->size) : NULL;
    char *line = copy(input, newline ? (size_t)(newline - input->data) : input->size);
    if (newline)
        (void)fuzz_byte(input);
    return line;
}

char *fuzz_rest(struct fuzz_input *input)
{
    return copy(input, input->size);
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

void fuzz_check_error(int r, const struct berth_error *err)
{
    FUZZ_CHECK(r <= 0);
    FUZZ_CHECK(err->status == r);
    if (r == 0)
        return;
    size_t len = strlen(err->message);
    FUZZ_CHECK(len > 0);
    FUZZ_CHECK_MSG(!berth_text_has_control(err->message, len), err->message);
    FUZZ_CHECK_MSG(berth_text_is_utf8(err->message, len), err->message);
}

void fuzz_check_line(const struct berth_strbuf *text, size_t max)
{
    FUZZ_CHECK(!text->failed);
    FUZZ_CHECK_MSG(text->len <= max, berth_strbuf_str(text));
    FUZZ_CHECK_MSG(!berth_text_has_control(berth_strbuf_str(text), text->len),
                   berth_strbuf_str(text));
    FUZZ_CHECK_MSG(berth_text_is_utf8(berth_strbuf_str(text), text->len), berth_strbuf_str(text));
}

/* ---- The directory ---- */

static char directory[256];

static int remove_entry(const char *path, const struct stat *status __attribute__((unused)),
                        int type __attribute__((unused)), struct FTW *ftw __attribute__((unused)))
{
    return remove(path);
}

static void remove_directory(void)
{
    (void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_directory(void)
{
    if (directory[0] == '\0') {
        const char *tmpdir = getenv("TMPDIR");
        int len = snprintf(directory, sizeof(directory), "%s/berth-fuzz-XXXXXX",
                           tmpdir ? tmpdir : "/tmp");
        FUZZ_CHECK(len > 0 && (size_t)len < sizeof(directory));
        FUZZ_CHECK(mkdtemp(directory));
        FUZZ_CHECK(atexit(remove_directory) == 0);
    }
    return directory;
}
