/* SPDX-License-Identifier: MIT */
#include "backends/files/files_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_BYTES 65536 /* read of the archive at once */

static int refuse(struct berth_error *err, const char *why, const char *path)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE", "the archive %s: %s", why,
                                 path);
}

/* What libarchive says, which names no file of ours. */
static int refuse_broken(const struct berth_files_reader *reader, const char *path,
                         struct berth_error *err)
{
    const char *why = archive_error_string(reader->archive);
    if (archive_errno(reader->archive) == ENOMEM)
        return berth_error_nomem(err);
    return berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE",
                                 "the archive is broken%s%s: %s", path ? " at " : "",
                                 path ? path : "", why ? why : "unreadable");
}

void berth_files_reader_close(struct berth_files_reader *reader)
{
    if (reader->archive)
        (void)archive_read_free(reader->archive);
    if (reader->locale)
        freelocale(reader->locale);
    *reader = (struct berth_files_reader){0};
}

/* libarchive gives names in the characters of the thread's locale, which is C everywhere else. */
static locale_t begin_utf8(const struct berth_files_reader *reader)
{
    return uselocale(reader->locale);
}

int berth_files_reader_open(int archive, struct berth_files_reader *ret_reader,
                            struct berth_error *err)
{
    BERTH_CLEANUP(files_reader) struct berth_files_reader reader = {0};
    struct stat status;
    if (fstat(archive, &status) < 0 || lseek(archive, 0, SEEK_SET) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the archive cannot be read");
    reader.archive_bytes = status.st_size;
    int rc = berth_files_count_entries(archive, status.st_size, &reader.entries, err);
    if (rc < 0)
        return rc;
    if (reader.entries > 0) {
        reader.locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        reader.archive = archive_read_new();
        if (!reader.locale || !reader.archive)
            return berth_error_nomem(err);
        if (archive_read_support_format_zip_seekable(reader.archive) != ARCHIVE_OK ||
            archive_read_open_fd(reader.archive, archive, BLOCK_BYTES) != ARCHIVE_OK)
            return refuse_broken(&reader, NULL, err);
    }
    *ret_reader = reader;
    reader = (struct berth_files_reader){0};
    return 0;
}

/* ---- Entries ---- */

/* libarchive says how the entry is compressed in the name of the format alone. Other methods than
 * these two can ask for gigabytes of memory. */
static bool is_deflate_or_none(const struct berth_files_reader *reader)
{
    const char *format = archive_format_name(reader->archive);
    return format && (strstr(format, "(deflation)") || strstr(format, "(uncompressed)"));
}

static int check_kind(const struct berth_files_reader *reader, struct archive_entry *entry,
                      const char *path, struct berth_error *err)
{
    mode_t kind = archive_entry_filetype(entry);
    if (kind == AE_IFLNK || archive_entry_symlink(entry) || archive_entry_hardlink(entry))
        return refuse(err, "has a link", path);
    if (kind != AE_IFREG && kind != AE_IFDIR)
        return refuse(err, "has what is neither file nor folder", path);
    if (archive_entry_is_encrypted(entry))
        return refuse(err, "is encrypted", path);
    if (kind == AE_IFREG && (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0))
        return refuse(err, "does not say how long a file is", path);
    if (kind == AE_IFREG && !is_deflate_or_none(reader))
        return refuse(err, "is compressed by another method than deflate", path);
    return 0;
}

/* Of what the entries say of themselves; berth_files_reader_data holds them to it. */
static int check_bounds(struct berth_files_reader *reader, int64_t size, const char *path,
                        struct berth_error *err)
{
    if (size > BERTH_ARCHIVE_BYTES_MAX - reader->bytes)
        return berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE",
                                     "the archive unpacks to more than %" PRId64 " bytes",
                                     BERTH_ARCHIVE_BYTES_MAX);
    reader->bytes += size;
    if (reader->bytes > BERTH_ARCHIVE_RATIO_FROM &&
        reader->bytes / BERTH_ARCHIVE_RATIO_MAX >= reader->archive_bytes)
        return berth_error_set_coded(
            err, BERTH_E_INVALID, "BAD_ARCHIVE",
            "the archive unpacks to more than %d times its size, by %s at the latest",
            BERTH_ARCHIVE_RATIO_MAX, path);
    return 0;
}

static int take_entry(struct berth_files_reader *reader, struct archive_entry *entry,
                      struct berth_files_entry *ret_entry, struct berth_error *err)
{
    const char *name = archive_entry_pathname(entry);
    int rc =
        berth_files_check_name(name ? name : "", name ? strlen(name) : 0, ret_entry->path, err);
    if (rc == 0)
        rc = check_kind(reader, entry, ret_entry->path, err);
    if (rc < 0)
        return rc;
    ret_entry->is_folder = archive_entry_filetype(entry) == AE_IFDIR;
    ret_entry->is_executable = (archive_entry_perm(entry) & S_IXUSR) != 0;
    ret_entry->has_time = archive_entry_mtime_is_set(entry);
    ret_entry->time_s = archive_entry_mtime(entry);
    ret_entry->size = ret_entry->is_folder ? 0 : archive_entry_size(entry);
    if (!ret_entry->is_folder && !ret_entry->path[0])
        return refuse(err, "has a file without a name", name);
    return check_bounds(reader, ret_entry->size, ret_entry->path, err);
}

int berth_files_reader_next(struct berth_files_reader *reader, struct berth_files_entry *ret_entry,
                            bool *ret_more, struct berth_error *err)
{
    struct archive_entry *entry = NULL;
    if (!reader->archive) {
        *ret_more = false;
        return 0;
    }
    locale_t before = begin_utf8(reader);
    int result = archive_read_next_header(reader->archive, &entry);
    int rc = 0;
    if (result == ARCHIVE_EOF && reader->read != reader->entries)
        rc = berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE",
                                   "the archive has entries that share their content");
    else if (result != ARCHIVE_EOF && result != ARCHIVE_OK)
        rc = refuse_broken(reader, NULL, err);
    else if (result == ARCHIVE_OK)
        rc = take_entry(reader, entry, ret_entry, err);
    (void)uselocale(before);
    reader->read++;
    *ret_more = result == ARCHIVE_OK;
    return rc;
}

int berth_files_reader_data(struct berth_files_reader *reader,
                            const struct berth_files_entry *entry, const void **ret_data,
                            size_t *ret_len, struct berth_error *err)
{
    const void *data = NULL;
    size_t len = 0;
    la_int64_t at = 0;
    int result = archive_read_data_block(reader->archive, &data, &len, &at);
    while (result == ARCHIVE_OK && len == 0)
        result = archive_read_data_block(reader->archive, &data, &len, &at);
    if (result == ARCHIVE_EOF && at != entry->size)
        return refuse(err, "has a file that is shorter than it says", entry->path);
    if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
        return refuse_broken(reader, entry->path, err);
    if (result == ARCHIVE_OK && at + (la_int64_t)len > entry->size)
        return refuse(err, "has a file that is longer than it says", entry->path);
    *ret_data = data;
    *ret_len = result == ARCHIVE_EOF ? 0 : len;
    return 0;
}
