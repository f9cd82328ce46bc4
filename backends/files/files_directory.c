/* SPDX-License-Identifier: MIT */
/*
 * The central directory of a ZIP archive, walked once with a buffer before
 * libarchive is given it, which keeps all of it in memory. What does not lie
 * exactly where its end says is refused, so that both see the same entries.
 */
#include "backends/files/files_reader.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define END_BYTES      22
#define END_TAIL_BYTES 16384 /* of the archive, in which libarchive looks for its end */
#define LOCATOR_BYTES  20
#define END64_BYTES    56
#define HEADER_BYTES   46
#define BUFFER_BYTES   65536
#define NAME_MAX_BYTES 255 /* of a part of a path */

/* Where the directory is, by the archive's end. */
struct directory {
    int64_t begin;
    int64_t end;
    int64_t count;
};

static int refuse(struct berth_error *err, const char *why)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE", "the archive %s", why);
}

static uint64_t number(const unsigned char *bytes, size_t len)
{
    uint64_t value = 0;
    while (len-- > 0)
        value = value << 8 | bytes[len];
    return value;
}

/* ---- Names ---- */

static int refuse_name(struct berth_error *err, const char *code, const char *why, const char *name)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, code, "the archive %s: %s", why, name);
}

/* Names that are shown have been found to be UTF-8. */
static int check_characters(const char *name, size_t len, struct berth_error *err)
{
    if (!berth_text_is_utf8(name, len))
        return refuse(err, "has a name that is not UTF-8");
    if (berth_text_has_control(name, len))
        return refuse(err, "has a name with control characters");
    if (memchr(name, '\\', len))
        return refuse_name(err, "PATH_ESCAPE", "has a name with a backslash", name);
    if (name[0] == '/' || (berth_is_alnum(name[0]) && name[1] == ':'))
        return refuse_name(err, "PATH_ESCAPE", "has an absolute path", name);
    return 0;
}

int berth_files_check_name(const char *name, size_t len, char ret_path[BERTH_FILES_PATH_MAX + 1],
                           struct berth_error *err)
{
    char path[BERTH_FILES_PATH_MAX + 1] = "";
    char text[BERTH_FILES_PATH_MAX + 1];
    size_t used = 0;
    unsigned depth = 0;
    if (len == 0 || len > BERTH_FILES_PATH_MAX)
        return refuse(err,
                      len == 0 ? "has an entry without a name" : "has a path that is too long");
    memcpy(text, name, len);
    text[len] = '\0';
    int rc = check_characters(text, len, err);
    for (const char *part = text; rc == 0 && *part; part += *part == '/') {
        size_t part_len = strcspn(part, "/");
        if (part_len == 2 && strncmp(part, "..", 2) == 0)
            rc = refuse_name(err, "PATH_ESCAPE", "has a path that leads out", text);
        else if (part_len > NAME_MAX_BYTES)
            rc = refuse(err, "has a name that is too long");
        else if (part_len > 0 && !(part_len == 1 && *part == '.')) {
            used += (size_t)snprintf(path + used, sizeof(path) - used, "%s%.*s", used ? "/" : "",
                                     (int)part_len, part);
            if (++depth > BERTH_FILES_DEPTH_MAX)
                rc = refuse(err, "has folders too deep within each other");
        }
        part += part_len;
    }
    if (rc == 0)
        memcpy(ret_path, path, used + 1);
    return rc;
}

/* ---- The end ---- */

static int read_at(int archive, void *buffer, size_t len, int64_t at, struct berth_error *err)
{
    char *to = buffer;
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(archive, to + done, len - done, at + (int64_t)done);
        if (got < 0)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "the archive cannot be read");
        if (got == 0)
            return refuse(err, "is cut short");
        done += (size_t)got;
    }
    return 0;
}

/* Of archives with more than 65,535 entries, or 4 GiB. */
static int read_end64(int archive, int64_t end_at, const unsigned char *locator,
                      struct directory *directory, struct berth_error *err)
{
    unsigned char end[END64_BYTES];
    int64_t at = (int64_t)number(locator + 8, 8);
    if (at < 0 || at > end_at - LOCATOR_BYTES - END64_BYTES)
        return refuse(err, "has an end that leads nowhere");
    int rc = read_at(archive, end, sizeof(end), at, err);
    if (rc < 0)
        return rc;
    if (memcmp(end, "PK\6\6", 4) != 0)
        return refuse(err, "has an end that leads nowhere");
    directory->end = at;
    directory->count = (int64_t)number(end + 32, 8);
    directory->begin = (int64_t)number(end + 48, 8);
    if (directory->begin < 0 || directory->begin > directory->end ||
        (int64_t)number(end + 40, 8) != directory->end - directory->begin)
        return refuse(err, "has a directory that is not where its end says");
    return 0;
}

/* The last end in the archive's tail; NULL: there is none. */
static const unsigned char *find_end(const unsigned char *tail, size_t len)
{
    for (size_t i = len < END_BYTES ? 0 : len - END_BYTES + 1; i-- > 0;)
        if (memcmp(tail + i, "PK\5\6", 4) == 0)
            return tail + i;
    return NULL;
}

static int find_directory(int archive, int64_t archive_bytes, unsigned char *buffer,
                          struct directory *ret_directory, struct berth_error *err)
{
    struct directory directory = {0};
    size_t len = archive_bytes < END_TAIL_BYTES ? (size_t)archive_bytes : END_TAIL_BYTES;
    int rc = read_at(archive, buffer, len, archive_bytes - (int64_t)len, err);
    if (rc < 0)
        return rc;
    const unsigned char *end = find_end(buffer, len);
    if (!end)
        return refuse(err, "is not ZIP, or is cut short");
    int64_t end_at = archive_bytes - (int64_t)len + (end - buffer);
    directory.end = end_at;
    directory.count = (int64_t)number(end + 10, 2);
    directory.begin = (int64_t)number(end + 16, 4);
    if (end - buffer >= LOCATOR_BYTES && memcmp(end - LOCATOR_BYTES, "PK\6\7", 4) == 0)
        rc = read_end64(archive, end_at, end - LOCATOR_BYTES, &directory, err);
    else if ((int64_t)number(end + 12, 4) != directory.end - directory.begin)
        rc = refuse(err, "has a directory that is not where its end says");
    if (rc == 0 && (directory.begin < 0 || directory.begin > directory.end))
        rc = refuse(err, "has a directory that is not where its end says");
    if (rc == 0)
        *ret_directory = directory;
    return rc;
}

/* ---- The entries ---- */

struct walk {
    int archive;
    unsigned char *buffer; /* of BUFFER_BYTES */
    int64_t begin;         /* of what it holds */
    size_t len;
};

/* len bytes from there; they are within the archive. */
static int look(struct walk *walk, int64_t at, size_t len, int64_t end,
                const unsigned char **ret_bytes, struct berth_error *err)
{
    if (at < walk->begin || at + (int64_t)len > walk->begin + (int64_t)walk->len) {
        int64_t left = end - at;
        walk->begin = at;
        walk->len = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
        int rc = read_at(walk->archive, walk->buffer, walk->len, at, err);
        if (rc < 0)
            return rc;
    }
    *ret_bytes = walk->buffer + (at - walk->begin);
    return 0;
}

static int check_entry(struct walk *walk, int64_t *at, int64_t end, struct berth_error *err)
{
    char path[BERTH_FILES_PATH_MAX + 1];
    const unsigned char *header;
    if (end - *at < HEADER_BYTES)
        return refuse(err, "has a directory that is not what its end says");
    int rc = look(walk, *at, HEADER_BYTES, end, &header, err);
    if (rc < 0)
        return rc;
    if (memcmp(header, "PK\1\2", 4) != 0)
        return refuse(err, "has a directory that is not what its end says");
    if (number(header + 8, 2) & 1)
        return refuse(err, "is encrypted");
    size_t name_len = number(header + 28, 2);
    size_t extra = number(header + 30, 2) + number(header + 32, 2);
    if (end - *at < (int64_t)(HEADER_BYTES + name_len + extra))
        return refuse(err, "has a directory that is not what its end says");
    if (name_len <= BERTH_FILES_PATH_MAX) {
        rc = look(walk, *at, HEADER_BYTES + name_len, end, &header, err);
        if (rc < 0)
            return rc;
    }
    *at += (int64_t)(HEADER_BYTES + name_len + extra);
    return berth_files_check_name((const char *)header + HEADER_BYTES, name_len, path, err);
}

static int walk_entries(struct walk *walk, const struct directory *directory,
                        struct berth_error *err)
{
    int64_t at = directory->begin;
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < directory->count; i++)
        rc = check_entry(walk, &at, directory->end, err);
    if (rc == 0 && at != directory->end)
        rc = refuse(err, "has a directory that is not what its end says");
    return rc;
}

int berth_files_count_entries(int archive, int64_t archive_bytes, int64_t *ret_count,
                              struct berth_error *err)
{
    struct directory directory = {0};
    BERTH_CLEANUP(free) unsigned char *buffer = malloc(BUFFER_BYTES);
    if (!buffer)
        return berth_error_nomem(err);
    int rc = find_directory(archive, archive_bytes, buffer, &directory, err);
    if (rc < 0)
        return rc;
    if (directory.count < 0 || directory.count > BERTH_ARCHIVE_ENTRIES_MAX)
        return berth_error_set_coded(err, BERTH_E_INVALID, "BAD_ARCHIVE",
                                     "the archive has more than %d entries",
                                     BERTH_ARCHIVE_ENTRIES_MAX);
    struct walk walk = {.archive = archive, .buffer = buffer};
    rc = walk_entries(&walk, &directory, err);
    if (rc == 0)
        *ret_count = directory.count;
    return rc;
}
