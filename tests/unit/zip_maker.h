/* SPDX-License-Identifier: MIT */
/*
 * Writes ZIP archives of any kind, above all of those that no program writes:
 * entries are stored, and each field of theirs can be a lie.
 *
 * Threading: a maker belongs to one thread.
 */
#ifndef BERTH_TESTS_UNIT_ZIP_MAKER_H
#define BERTH_TESTS_UNIT_ZIP_MAKER_H

#include "base/strbuf.h"

#include <sys/stat.h>

struct zip_entry {
    const char *name;
    size_t name_len;  /* 0: the name's length */
    const char *text; /* NULL: empty */
    mode_t mode;      /* 0: a file of 0644 */
    unsigned flags;   /* beside UTF-8 */
    unsigned method;
    uint32_t crc_off;  /* what is wrong with the checksum */
    int64_t claimed;   /* bytes it says it unpacks to, where that is not its length; 0: no lie */
    bool shares;       /* the content of the entry before it */
    const char *local; /* name in the local header, where it is another */
};

struct zip_maker {
    struct berth_strbuf content;
    struct berth_strbuf directory;
    unsigned count;
    size_t last; /* where the entry before begins */
};

void zip_begin(struct zip_maker *zip);
void zip_add(struct zip_maker *zip, const struct zip_entry *entry);
/* An open file without a name that holds the archive. */
int zip_end(struct zip_maker *zip);
/* The same, with another number of entries at its end. */
int zip_end_counted(struct zip_maker *zip, unsigned count);
/* With an end of Zip64. */
int zip_end_64(struct zip_maker *zip);

/* The archive of one entry. */
int zip_of(const struct zip_entry *entry);

#endif
