/* SPDX-License-Identifier: MIT */
/*
 * A text file that people wrote, read line by line: bounded lines of UTF-8,
 * which end in "\n", "\r\n" or with the file.
 *
 * Threading: belongs to one thread.
 */
#ifndef BERTH_GATEWAY_TEXT_FILE_H
#define BERTH_GATEWAY_TEXT_FILE_H

#include "base/error.h"

struct berth_text_file {
    FILE *file;
    char *buffer;
    size_t size;
    unsigned line; /* number of the line that was read last; 0 before the first */
};

#define BERTH_TEXT_FILE_INIT                                                                       \
    {                                                                                              \
        0                                                                                          \
    }

/* BERTH_E_INVALID, with errno as open leaves it, when the file cannot be read. */
BERTH_MUST_CHECK int berth_text_file_open(const char *path, struct berth_text_file *ret_file,
                                          struct berth_error *err);

/* Closes the file and wipes its last line, which may hold a secret. */
void berth_text_file_close(struct berth_text_file *file);
BERTH_DEFINE_CLEANUP_VALUE(text_file, struct berth_text_file, berth_text_file_close)

/*
 * The next line without its end and, on the first, without a byte order mark;
 * valid (and the caller's to change) until the next call. NULL after the last.
 * BERTH_E_INVALID when it is longer than max bytes or no text; the message
 * names neither file nor line.
 */
BERTH_MUST_CHECK int berth_text_file_next(struct berth_text_file *file, size_t max, char **ret_line,
                                          struct berth_error *err);

#endif
