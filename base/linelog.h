/* SPDX-License-Identifier: MIT */
/*
 * A file of lines that never blocks who writes to it: lines go into a bounded
 * queue, a thread of its own writes them in batches and rotates the file
 * (FILE, FILE.1, … FILE.keep). A full queue or a failing disk drops lines and
 * counts them; before the next line that can be written stands one that tells
 * how many were lost: {"time":"2026-01-20T15:30:00.123Z","dropped":12}. A line
 * is in the file whole or not at all. Nothing is synchronised to the disk.
 *
 * Or standard error, for lines that people read: it is never rotated, and what
 * was lost is told there in words.
 *
 * Threading: all functions but open and close are safe from any thread, and
 * none of those waits for the disk, but for configure, which opens a file.
 */
#ifndef BERTH_BASE_LINELOG_H
#define BERTH_BASE_LINELOG_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct berth_linelog;

struct berth_linelog_config {
    const char *path;   /* folder must exist; file is made with mode 0640; copied. NULL: standard
                           error, and max_bytes and keep count for nothing */
    int64_t max_bytes;  /* a line that would pass this size begins a new file; at least 4096 */
    unsigned keep;      /* rotated files kept; 0 to 100 */
    size_t queue_bytes; /* bound on what waits in memory; at least 4096 */
};

/* BERTH_E_IO when the file cannot be opened for appending; BERTH_E_INVALID out of bounds. */
BERTH_MUST_CHECK int berth_linelog_open(const struct berth_linelog_config *config,
                                        struct berth_linelog **ret_log, struct berth_error *err);

/* Writes what is queued, then ends the thread. NULL is fine. */
void berth_linelog_close(struct berth_linelog *log);

/* line: without newline, at most queue_bytes - 1. False when the queue had no room for it. */
bool berth_linelog_write(struct berth_linelog *log, const char *line, size_t len);

/* Has the file closed and opened anew (after an outside rotation) before the next line is
 * written. */
void berth_linelog_reopen(struct berth_linelog *log);

/*
 * Has what is written from now on go by config: its file is opened here, anew
 * where it is the same. queue_bytes stays as it was. On failure, as of open,
 * nothing changes. Not from or to standard error.
 */
BERTH_MUST_CHECK int berth_linelog_configure(struct berth_linelog *log,
                                             const struct berth_linelog_config *config,
                                             struct berth_error *err);

/* Lines lost since open, to a full queue or a failing disk. */
uint64_t berth_linelog_dropped(struct berth_linelog *log);

BERTH_DEFINE_CLEANUP(linelog, struct berth_linelog *, berth_linelog_close)

#endif
