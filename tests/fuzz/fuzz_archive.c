/* SPDX-License-Identifier: MIT */
/*
 * What is unpacked of an archive: the reader's paths stay within, are in normal
 * form, and its contents are as long as it says. The input is the archive.
 */
#include "backends/files/files_reader.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>

#define UNPACKED_MAX (1 << 20) /* of one entry; the rest is left */

/* Parts that name something, with one slash between them. */
static void check_path(const char *path)
{
    char again[BERTH_FILES_PATH_MAX + 1];
    FUZZ_CHECK_MSG(path[0] != '/' && !strstr(path, "//") && !strchr(path, '\\'), path);
    for (const char *part = path; *part;) {
        size_t len = strcspn(part, "/");
        FUZZ_CHECK_MSG(len > 0 && strncmp(part, "..", len > 2 ? len : 2) != 0, path);
        FUZZ_CHECK_MSG(!(len == 1 && *part == '.'), path);
        part += len + (part[len] == '/');
    }
    if (path[0]) {
        FUZZ_CHECK_MSG(berth_files_check_name(path, strlen(path), again, NULL) == 0, path);
        FUZZ_CHECK_MSG(strcmp(path, again) == 0, path);
    }
}

/* False: the archive is read no further. */
static bool read_content(struct berth_files_reader *reader, const struct berth_files_entry *entry)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t total = 0;
    for (;;) {
        const void *data = NULL;
        size_t len = 0;
        int r = berth_files_reader_data(reader, entry, &data, &len, &err);
        fuzz_check_error(r, &err);
        if (r < 0)
            return false;
        if (len == 0)
            break;
        total += (int64_t)len;
        FUZZ_CHECK(data != NULL && total <= entry->size);
        if (total > UNPACKED_MAX)
            return false;
    }
    FUZZ_CHECK(total == entry->size);
    return true;
}

static void read_archive(int archive)
{
    BERTH_CLEANUP(files_reader) struct berth_files_reader reader = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_files_entry entry;
    bool more = true;
    int64_t count = 0;
    int r = berth_files_reader_open(archive, &reader, &err);
    fuzz_check_error(r, &err);
    while (r == 0) {
        r = berth_files_reader_next(&reader, &entry, &more, &err);
        fuzz_check_error(r, &err);
        if (r < 0 || !more)
            break;
        check_path(entry.path);
        FUZZ_CHECK(++count <= reader.entries);
        if (!entry.is_folder && !read_content(&reader, &entry))
            return;
    }
    FUZZ_CHECK(r < 0 || count == reader.entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BERTH_CLEANUP(fd) int archive = memfd_create("archive", MFD_CLOEXEC);
    if (archive < 0 || write(archive, data, size) != (ssize_t)size)
        return -1;
    read_archive(archive);
    return 0;
}
