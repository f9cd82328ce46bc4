/* SPDX-License-Identifier: MIT */
#include "gateway/text_file.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

int berth_text_file_open(const char *path, struct berth_text_file *ret_file,
                         struct berth_error *err)
{
    struct stat st;
    FILE *file = fopen(path, "re");
    int errnum = file ? 0 : errno;
    if (file && fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode)) {
        errnum = EISDIR;
        (void)fclose(file);
    }
    if (errnum) {
        errno = errnum; /* for %m */
        (void)berth_error_set_errno(err, BERTH_E_INVALID, errnum, "%s cannot be read: %m", path);
        errno = errnum;
        return BERTH_E_INVALID;
    }
    *ret_file = (struct berth_text_file){.file = file};
    return 0;
}

void berth_text_file_close(struct berth_text_file *file)
{
    if (file->file)
        (void)fclose(file->file);
    if (file->buffer)
        explicit_bzero(file->buffer, file->size);
    free(file->buffer);
    *file = (struct berth_text_file)BERTH_TEXT_FILE_INIT;
}

int berth_text_file_next(struct berth_text_file *file, size_t max, char **ret_line,
                         struct berth_error *err)
{
    errno = 0;
    ssize_t read = getline(&file->buffer, &file->size, file->file);
    if (read < 0) {
        if (!feof(file->file))
            return berth_error_set_errno(err, BERTH_E_INVALID, errno, "cannot be read: %m");
        *ret_line = NULL;
        return 0;
    }
    char *line = file->buffer;
    size_t len = (size_t)read;
    if (len > 0 && line[len - 1] == '\n')
        line[--len] = '\0';
    if (len > 0 && line[len - 1] == '\r')
        line[--len] = '\0';
    if (++file->line == 1 && strncmp(line, BYTE_ORDER_MARK, sizeof(BYTE_ORDER_MARK) - 1) == 0) {
        line += sizeof(BYTE_ORDER_MARK) - 1;
        len -= sizeof(BYTE_ORDER_MARK) - 1;
    }
    if (len > max)
        return berth_error_set(err, BERTH_E_INVALID, "the line is longer than %zu bytes", max);
    if (memchr(line, '\0', len) || !berth_text_is_utf8(line, len))
        return berth_error_set(err, BERTH_E_INVALID, "the line is not valid UTF-8 text");
    *ret_line = line;
    return 0;
}
