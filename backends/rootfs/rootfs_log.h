/* SPDX-License-Identifier: MIT */
/*
 * The log that conmon keeps of an app (its k8s-file driver): a record a line,
 *
 *   2026-01-20T15:30:00.123456789+01:00 stdout F what was printed
 *
 * where P instead of F says that the printed line goes on in a later record of
 * that stream. A record is at most some 8 KiB long. Past its bound conmon puts
 * an empty file in place of the log. The one before that is kept: the file has
 * another name, log.kept, which becomes log.before when log is another file.
 *
 * Source: conmon 2.1, src/ctr_logging.c.
 *
 * Threading: one owner at a time.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_LOG_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_LOG_H

#include "backends/backend.h"

/* One record; text is borrowed. */
struct berth_rootfs_log_record {
    int64_t at_ns; /* wall */
    enum berth_output stream;
    bool is_partial; /* its line goes on */
    const char *text;
    size_t len;
};

/* A line without its end. False: it is no record. */
bool berth_rootfs_log_parse(const char *line, size_t len,
                            struct berth_rootfs_log_record *ret_record);

/* Makes what was printed of the bytes of a log, and tells it. */
struct berth_rootfs_log {
    berth_logs_output *output;
    void *ctx;
    int64_t since_ns; /* what is older is left out */
    bool timestamps;
    bool is_lost;               /* within a line that is too long to be a record */
    bool is_within[2];          /* a line of that stream goes on */
    enum berth_output stream;   /* of what is made */
    struct berth_strbuf record; /* the beginning of one */
    struct berth_strbuf made;   /* still to be told */
};

void berth_rootfs_log_init(struct berth_rootfs_log *log, const struct berth_logs_spec *spec,
                           berth_logs_output *output, void *ctx);
void berth_rootfs_log_release(struct berth_rootfs_log *log);
BERTH_DEFINE_CLEANUP_VALUE(rootfs_log, struct berth_rootfs_log, berth_rootfs_log_release)

/* The next bytes of the log, cut anywhere. BERTH_E_CANCELLED: no more is wanted. Lines that are no
 * records are left out: what a crash of the host has left of one. */
BERTH_MUST_CHECK int berth_rootfs_log_add(struct berth_rootfs_log *log, const char *data,
                                          size_t len, struct berth_error *err);

/* Tells what is made, and that this is all for now. BERTH_E_CANCELLED. */
BERTH_MUST_CHECK int berth_rootfs_log_flush(struct berth_rootfs_log *log, struct berth_error *err);

/* Where in the file the last *tail printed lines begin, -1: all of them. Takes those that are there
 * off *tail. BERTH_E_IO. */
BERTH_MUST_CHECK int berth_rootfs_log_seek(int file, int64_t *tail, int64_t *ret_at,
                                           struct berth_error *err);

#endif
