/* SPDX-License-Identifier: MIT */
/* Packs a folder while its app may be changing it. */
#include "backends/files/files_internal.h"
#include "base/folder.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES  (256 << 10)
#define BLOCK_BYTES 65536 /* handed to the output at once */

struct pack {
    struct archive *archive;
    struct archive_entry *entry;
    int mount;
    struct berth_strbuf path; /* of the folder or file, from mount */
    size_t skip;              /* bytes of it that its name in the archive lacks */
    struct berth_strbuf name; /* in the archive */
    char *buffer;             /* of READ_BYTES */
    berth_files_output *output;
    void *ctx;
    bool is_stopped;
};

static int fail(const struct pack *pack, struct berth_error *err)
{
    int errnum = errno;
    return berth_error_set_errno(err, BERTH_E_IO, errnum, "%s cannot be read: %s",
                                 berth_strbuf_str(&pack->path), strerrordesc_np(errnum));
}

/* ---- The archive ---- */

/* Never fails: libarchive (3.6) would not free what packs the entry that is open. */
static la_ssize_t put(struct archive *archive __attribute__((unused)), void *ctx, const void *data,
                      size_t len)
{
    struct pack *pack = ctx;
    if (len > 0 && !pack->is_stopped)
        pack->is_stopped = !pack->output(pack->ctx, data, len);
    return (la_ssize_t)len;
}

static int refuse_stopped(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CANCELLED, "the archive is not wanted any more");
}

static int refuse(const struct pack *pack, struct berth_error *err)
{
    const char *why = archive_error_string(pack->archive);
    if (archive_errno(pack->archive) == ENOMEM)
        return berth_error_nomem(err);
    return berth_error_set(err, BERTH_E_IO, "%s cannot be packed: %s",
                           berth_strbuf_str(&pack->path), why ? why : "");
}

static int open_archive(struct pack *pack, struct berth_error *err)
{
    pack->archive = archive_write_new();
    pack->entry = archive_entry_new();
    if (!pack->archive || !pack->entry)
        return berth_error_nomem(err);
    if (archive_write_set_format_zip(pack->archive) != ARCHIVE_OK ||
        archive_write_set_options(pack->archive, "zip:hdrcharset=UTF-8,zip:compression=deflate") !=
            ARCHIVE_OK ||
        archive_write_set_bytes_per_block(pack->archive, BLOCK_BYTES) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(pack->archive, 1) != ARCHIVE_OK ||
        archive_write_open(pack->archive, pack, NULL, put, NULL) != ARCHIVE_OK)
        return refuse(pack, err);
    return 0;
}

/* A name of an archive is UTF-8 text; what is none of a file's name is written as %XX. */
static void set_name(struct pack *pack, bool is_folder)
{
    const char *text = berth_strbuf_str(&pack->path) + pack->skip;
    size_t left = pack->path.len - pack->skip;
    berth_strbuf_clear(&pack->name);
    while (left > 0) {
        size_t len = berth_text_utf8_char(text, left);
        if (len == 0)
            berth_strbuf_addf(&pack->name, "%%%02X", (unsigned char)*text);
        else
            berth_strbuf_add(&pack->name, text, len);
        text += len ? len : 1;
        left -= len ? len : 1;
    }
    if (is_folder)
        berth_strbuf_addc(&pack->name, '/');
}

static int begin_entry(struct pack *pack, const struct stat *status, struct berth_error *err)
{
    bool is_folder = S_ISDIR(status->st_mode);
    set_name(pack, is_folder);
    int rc = berth_strbuf_check(&pack->name, err);
    if (rc < 0)
        return rc;
    archive_entry_clear(pack->entry);
    archive_entry_set_pathname(pack->entry, berth_strbuf_str(&pack->name));
    archive_entry_set_filetype(pack->entry, is_folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(pack->entry, status->st_mode & 0777);
    archive_entry_set_mtime(pack->entry, status->st_mtim.tv_sec, 0);
    archive_entry_set_size(pack->entry, is_folder ? 0 : status->st_size);
    int result = archive_write_header(pack->archive, pack->entry);
    return result == ARCHIVE_OK || result == ARCHIVE_WARN ? 0 : refuse(pack, err);
}

/* As long as the entry says, whatever becomes of the file: as in tar, zeros stand for what is cut
 * off meanwhile. */
static int add_content(struct pack *pack, int fd, int64_t left, struct berth_error *err)
{
    while (left > 0) {
        ssize_t len = read(fd, pack->buffer, left < READ_BYTES ? (size_t)left : READ_BYTES);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return fail(pack, err);
        if (len == 0) {
            len = left < READ_BYTES ? (ssize_t)left : READ_BYTES;
            memset(pack->buffer, 0, (size_t)len);
        }
        if (archive_write_data(pack->archive, pack->buffer, (size_t)len) < 0)
            return refuse(pack, err);
        if (pack->is_stopped)
            return refuse_stopped(err);
        left -= len;
    }
    return 0;
}

/* ---- What is in the folder ---- */

static int add_file(struct pack *pack, int found, const struct stat *status,
                    struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    if (berth_files_reopen(found, &fd) < 0)
        return fail(pack, err);
    int rc = begin_entry(pack, status, err);
    if (rc == 0)
        rc = add_content(pack, fd, status->st_size, err);
    if (rc == 0 && archive_write_finish_entry(pack->archive) < ARCHIVE_WARN)
        rc = refuse(pack, err);
    return rc;
}

static int add_folder(struct pack *pack, int folder, unsigned depth, struct berth_error *err);

/* A link: what it leads to, if that is a file within mount. */
static void follow(const struct pack *pack, int *found, struct stat *status)
{
    BERTH_CLEANUP(fd) int target = -1;
    struct stat found_status;
    const char *path = berth_strbuf_str(&pack->path);
    if (berth_folder_open(pack->mount, path, O_PATH, 0, &target, NULL) < 0 ||
        fstat(target, &found_status) < 0 || !S_ISREG(found_status.st_mode))
        return;
    *status = found_status;
    berth_fd_close(found);
    *found = berth_fd_steal(&target);
}

static int add_one(struct pack *pack, int folder, const char *name, unsigned depth,
                   struct berth_error *err)
{
    struct stat status;
    BERTH_CLEANUP(fd) int found = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0)
        return errno == ENOENT ? 0 : fail(pack, err);
    if (fstat(found, &status) < 0)
        return fail(pack, err);
    if (S_ISLNK(status.st_mode))
        follow(pack, &found, &status);
    if (S_ISREG(status.st_mode))
        return add_file(pack, found, &status, err);
    if (!S_ISDIR(status.st_mode))
        return 0;
    int rc = begin_entry(pack, &status, err);
    return rc < 0 ? rc : add_folder(pack, found, depth, err);
}

static int add_folder(struct pack *pack, int folder, unsigned depth, struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    size_t len = pack->path.len;
    if (depth == BERTH_FILES_DEPTH_MAX)
        return berth_error_set(err, BERTH_E_TOO_LARGE,
                               "the app has more than %d folders within "
                               "each other",
                               BERTH_FILES_DEPTH_MAX);
    int rc = berth_folder_list(folder, &list, err);
    if (rc == BERTH_E_NOT_FOUND) /* removed since it was opened */
        return 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(list))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (len > 0)
            berth_strbuf_addc(&pack->path, '/');
        berth_strbuf_adds(&pack->path, entry->d_name);
        rc = pack->is_stopped ? refuse_stopped(err) : berth_strbuf_check(&pack->path, err);
        if (rc == 0)
            rc = add_one(pack, dirfd(list), entry->d_name, depth + 1, err);
        berth_strbuf_truncate(&pack->path, len);
    }
    return rc;
}

/* ---- All of it ---- */

static int pack_folder(struct pack *pack, int folder, struct berth_error *err)
{
    pack->buffer = malloc(READ_BYTES);
    int rc = pack->buffer ? open_archive(pack, err) : berth_error_nomem(err);
    if (rc == 0)
        rc = add_folder(pack, folder, 0, err);
    if (rc == 0 && archive_write_close(pack->archive) != ARCHIVE_OK)
        rc = refuse(pack, err);
    if (rc == 0 && pack->is_stopped)
        rc = refuse_stopped(err);
    pack->is_stopped = true; /* the end that freeing it would write is nobody's */
    if (pack->entry)
        archive_entry_free(pack->entry);
    if (pack->archive)
        (void)archive_write_free(pack->archive);
    free(pack->buffer);
    return rc;
}

int berth_files_pack(int mount, const char *path, berth_files_output *output, void *ctx,
                     struct berth_error *err)
{
    BERTH_CLEANUP(fd) int folder = -1;
    int rc = berth_files_open(mount, path, true, &folder, err);
    if (rc < 0)
        return rc;
    if (!output(ctx, "", 0))
        return refuse_stopped(err);
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!locale)
        return berth_error_nomem(err);
    struct pack pack = {.mount = mount, .output = output, .ctx = ctx};
    size_t most = (size_t)BERTH_FILES_DEPTH_MAX * (NAME_MAX + 1) + PATH_MAX;
    berth_strbuf_init(&pack.path, most);
    berth_strbuf_init(&pack.name, 3 * most);
    bool is_mount = !path[0] || strcmp(path, ".") == 0;
    if (!is_mount)
        berth_strbuf_adds(&pack.path, path);
    pack.skip = is_mount ? 0 : pack.path.len + 1;
    locale_t before = uselocale(locale);
    rc = pack_folder(&pack, folder, err);
    (void)uselocale(before);
    freelocale(locale);
    berth_strbuf_release(&pack.path);
    berth_strbuf_release(&pack.name);
    return rc;
}
