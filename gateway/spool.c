/* SPDX-License-Identifier: MIT */
#include "gateway/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE       0640
#define CHUNK_SIZE 65536
#define PATH_SIZE  4096

static enum berth_status write_status(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT ? BERTH_E_NO_SPACE : BERTH_E_IO;
}

void berth_spool_release(struct berth_spool *spool)
{
    berth_strbuf_release(&spool->text);
    if (spool->file)
        (void)fclose(spool->file);
    spool->file = NULL;
}

/* Appends to the file, and empties the text. */
static int write_text(struct berth_spool *spool, struct berth_strbuf *text, struct berth_error *err)
{
    if (text->len > 0 &&
        (fwrite(text->data, 1, text->len, spool->file) != text->len || fflush(spool->file) != 0))
        return berth_error_set_errno(err, write_status(errno), errno,
                                     "a temporary file cannot be written: %m");
    berth_strbuf_clear(text);
    return 0;
}

int berth_spool_add(struct berth_spool *spool, struct berth_strbuf *text, struct berth_error *err)
{
    int r = berth_strbuf_check(text, err);
    if (r < 0)
        return r;
    if (!spool->file && text->len <= BERTH_SPOOL_MEMORY_MAX - spool->text.len) {
        berth_strbuf_add(&spool->text, berth_strbuf_str(text), text->len);
        berth_strbuf_clear(text);
        return berth_strbuf_check(&spool->text, err);
    }
    if (!spool->file) {
        spool->file = tmpfile();
        if (!spool->file)
            return berth_error_set_errno(err, write_status(errno), errno,
                                         "a temporary file cannot be made: %m");
        r = write_text(spool, &spool->text, err);
    }
    return r == 0 ? write_text(spool, text, err) : r;
}

/* From the start to the end; name is what out is called in errors. */
static int copy(struct berth_spool *spool, FILE *out, const char *name, struct berth_error *err)
{
    char chunk[CHUNK_SIZE];
    size_t len = spool->text.len;
    if (fwrite(berth_strbuf_str(&spool->text), 1, len, out) != len)
        return berth_error_set_errno(err, write_status(errno), errno, "%s cannot be written: %m",
                                     name);
    if (!spool->file)
        return 0;
    rewind(spool->file);
    while ((len = fread(chunk, 1, sizeof(chunk), spool->file)) > 0)
        if (fwrite(chunk, 1, len, out) != len)
            return berth_error_set_errno(err, write_status(errno), errno,
                                         "%s cannot be written: %m", name);
    if (ferror(spool->file))
        return berth_error_set_errno(err, BERTH_E_IO, errno, "a temporary file cannot be read: %m");
    return 0;
}

int berth_spool_print(struct berth_spool *spool, FILE *out, struct berth_error *err)
{
    return copy(spool, out, "stdout", err);
}

/* ---- Saving ---- */

static int check_target(const char *path, struct berth_error *err)
{
    struct stat target;
    if (lstat(path, &target) == 0 && !S_ISREG(target.st_mode) && !S_ISLNK(target.st_mode))
        return berth_error_set(err, BERTH_E_INVALID, "%s is there and is no file", path);
    return 0;
}

/* The mode is asked for by making the file, so that the umask counts; mkostemp() asks for 0600. */
static int make_file(const char *path, char *temporary, size_t size, struct berth_error *err)
{
    int len = snprintf(temporary, size, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= size)
        return berth_error_set(err, BERTH_E_INVALID, "the path of the output is too long");
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return berth_error_set_errno(err, write_status(errno), errno, "%s cannot be written: %m",
                                     path);
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, MODE & ~mask);
    return fd;
}

/* Where the folder's own change is not made durable, a crash shows the file that was there before.
 */
static void sync_folder(const char *path)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1,
                   slash ? path : ".");
    BERTH_CLEANUP(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

int berth_spool_save(struct berth_spool *spool, const char *path, struct berth_error *err)
{
    char temporary[PATH_SIZE];
    int r = check_target(path, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(fd) int fd = make_file(path, temporary, sizeof(temporary), err);
    if (fd < 0)
        return fd;
    FILE *file = fdopen(fd, "w");
    if (file) {
        (void)berth_fd_steal(&fd);
        r = copy(spool, file, path, err);
        if (r == 0 && (fflush(file) != 0 || fsync(fileno(file)) != 0))
            r = berth_error_set_errno(err, write_status(errno), errno, "%s cannot be written: %m",
                                      path);
        (void)fclose(file);
    } else {
        r = berth_error_nomem(err);
    }
    if (r == 0 && rename(temporary, path) < 0)
        r = berth_error_set_errno(err, write_status(errno), errno, "%s cannot be written: %m",
                                  path);
    if (r < 0)
        (void)unlink(temporary);
    else
        sync_folder(path);
    return r;
}
