/* SPDX-License-Identifier: MIT */
/* Single files of an archive. */
#include "backends/files/files.h"
#include "backends/files/files_reader.h"

#include <string.h>

static int read_entry(struct berth_files_reader *reader, const struct berth_files_entry *entry,
                      struct berth_strbuf *out, struct berth_error *err)
{
    for (;;) {
        const void *data = NULL;
        size_t len = 0;
        int rc = berth_files_reader_data(reader, entry, &data, &len, err);
        if (rc < 0 || len == 0)
            return rc < 0 ? rc : berth_strbuf_check(out, err);
        berth_strbuf_add(out, data, len);
        if (out->failed)
            return berth_strbuf_check(out, err);
    }
}

int berth_files_peek(int archive, const char *path, struct berth_strbuf *out,
                     struct berth_error *err)
{
    BERTH_CLEANUP(files_reader) struct berth_files_reader reader = {0};
    struct berth_files_entry entry;
    bool more = true;
    int rc = berth_files_reader_open(archive, &reader, err);
    while (rc == 0 && more) {
        rc = berth_files_reader_next(&reader, &entry, &more, err);
        if (rc == 0 && more && !entry.is_folder && strcmp(entry.path, path) == 0)
            return read_entry(&reader, &entry, out, err);
    }
    return rc < 0 ? rc
                  : berth_error_set(err, BERTH_E_NOT_FOUND, "the archive has no file %s", path);
}
