/* SPDX-License-Identifier: MIT */
/*
 * A file of lines that never blocks who writes to it: lines go into a bounded
 * queue, a thread of its own writes them in batches and rotates the file
 * (FILE, FILE.1, … FILE.keep). A full queue or a failing disk drops lines and
 * counts them; when writing works again one line tells how many were lost.
 *
 * Threading: berth_linelog_write is safe from any thread.
 */
#ifndef BERTH_BASE_LINELOG_H
#define BERTH_BASE_LINELOG_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct berth_linelog;

struct berth_linelog_config {
    const char *path;   /* folder must exist; file is made with mode 0640 */
    int64_t max_bytes;  /* rotate past this size; at least 4096 */
    unsigned keep;      /* rotated files kept; 0 to 100 */
    size_t queue_bytes; /* bound on what waits in memory; at least 4096 */
};

BERTH_MUST_CHECK int berth_linelog_open(const struct berth_linelog_config *config,
                                        struct berth_linelog **ret_log, struct berth_error *err);

/* Writes what is queued, then ends the thread. NULL is fine. */
void berth_linelog_close(struct berth_linelog *log);

/* line: without newline. False when it was dropped. */
bool berth_linelog_write(struct berth_linelog *log, const char *line, size_t len);

/* Closes and opens the file anew (after an outside rotation). */
void berth_linelog_reopen(struct berth_linelog *log);

uint64_t berth_linelog_dropped(struct berth_linelog *log);

BERTH_DEFINE_CLEANUP(linelog, struct berth_linelog *, berth_linelog_close)

#endif
