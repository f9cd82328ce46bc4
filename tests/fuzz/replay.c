/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over the files of a folder, and over the empty input: an ordinary test. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

#define INPUT_MAX (1U << 20)

static bool replay(const char *folder, const char *name)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(4096);
    berth_strbuf_addf(&path, "%s/%s", folder, name);
    BERTH_CLEANUP(file) FILE *file = fopen(berth_strbuf_str(&path), "re");
    BERTH_CLEANUP(free) uint8_t *data = malloc(INPUT_MAX);
    size_t size = file && data ? fread(data, 1, INPUT_MAX, file) : 0;
    if (!file || !data || ferror(file) || !feof(file)) {
        (void)fprintf(stderr, "%s cannot be read: %m\n", berth_strbuf_str(&path));
        return false;
    }
    printf("%s\n", berth_strbuf_str(&path));
    (void)fflush(stdout); /* if it crashes, this is the one */
    (void)LLVMFuzzerTestOneInput(data, size);
    return true;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    struct dirent **entries = NULL;
    int found = scandir(argv[1], &entries, NULL, alphasort);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.')
            count += replay(argv[1], entries[i]->d_name) ? 1 : 0;
        free(entries[i]);
    }
    free(entries);
    /* The line that tests/tally.py counts. */
    printf("%d%%: Checks: 1, Failures: %d, Errors: 0\n", count > 0 ? 100 : 0, count == 0);
    return count > 0 ? 0 : 1;
}
