/* SPDX-License-Identifier: MIT */
/*
 * Reads a ZIP archive entry by entry, and lets nothing pass that an upload may
 * not have: paths that lead out, links and devices, names that are not UTF-8,
 * encryption, methods other than deflate, contents whose size or checksum is
 * not what is said, and more of anything than the bounds of base/limits.h.
 *
 * It goes by the central directory, as unzip does: a reader of the stream takes
 * a link for a file. Memory does not grow with the archive: the directory is
 * counted before it is read.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.10, section 4.3; libarchive's archive_read(3).
 *
 * Threading: a reader belongs to one thread.
 */
#ifndef BERTH_BACKENDS_FILES_FILES_READER_H
#define BERTH_BACKENDS_FILES_FILES_READER_H

#include "base/error.h"
#include "base/limits.h"

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>

struct archive;
struct archive_entry;

struct berth_files_reader {
    struct archive *archive; /* NULL: it has no entries */
    locale_t locale;         /* whose characters are UTF-8 */
    int64_t archive_bytes;
    int64_t entries; /* that the directory has */
    int64_t read;    /* of these */
    int64_t bytes;   /* that the entries read so far say they have */
};

/* path: in normal form, without "." and empty parts; "" for the folder itself. */
struct berth_files_entry {
    char path[BERTH_FILES_PATH_MAX + 1];
    bool is_folder;
    bool is_executable;
    bool has_time;
    int64_t time_s; /* wall */
    int64_t size;   /* bytes */
};

/* archive: an open file that can seek; borrowed. */
BERTH_MUST_CHECK int berth_files_reader_open(int archive, struct berth_files_reader *ret_reader,
                                             struct berth_error *err);
void berth_files_reader_close(struct berth_files_reader *reader);
BERTH_DEFINE_CLEANUP_VALUE(files_reader, struct berth_files_reader, berth_files_reader_close)

/* The next entry; *ret_more is false after the last. */
BERTH_MUST_CHECK int berth_files_reader_next(struct berth_files_reader *reader,
                                             struct berth_files_entry *ret_entry, bool *ret_more,
                                             struct berth_error *err);

/* The next piece of the entry's content, borrowed until the next call; len 0 at its end, when size
 * and checksum have been found right. */
BERTH_MUST_CHECK int berth_files_reader_data(struct berth_files_reader *reader,
                                             const struct berth_files_entry *entry,
                                             const void **ret_data, size_t *ret_len,
                                             struct berth_error *err);

/*
 * The entries that the central directory of the archive holds: BERTH_E_INVALID
 * where there is none, where it is not what its end says, for a name that leads
 * out, or for too many.
 */
BERTH_MUST_CHECK int berth_files_count_entries(int archive, int64_t archive_bytes,
                                               int64_t *ret_count, struct berth_error *err);

/* An entry's name in normal form, of len bytes. */
BERTH_MUST_CHECK int berth_files_check_name(const char *name, size_t len,
                                            char ret_path[BERTH_FILES_PATH_MAX + 1],
                                            struct berth_error *err);

#endif
