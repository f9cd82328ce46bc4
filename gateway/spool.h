/* SPDX-License-Identifier: MIT */
/*
 * Output that is kept back until there is all of it: then it is printed, or
 * saved as a file that never was there by half. What is long is kept in a file
 * without a name; what is short needs no disk, and may be a secret, which is
 * nobody's to find there.
 *
 * Threading: one owner at a time.
 */
#ifndef BERTH_GATEWAY_SPOOL_H
#define BERTH_GATEWAY_SPOOL_H

#include "base/strbuf.h"

#define BERTH_SPOOL_MEMORY_MAX (1U << 20)

struct berth_spool {
    struct berth_strbuf text; /* all there is, until that is too long */
    FILE *file;               /* then; or NULL */
};

#define BERTH_SPOOL_INIT                                                                           \
    {                                                                                              \
        .text = BERTH_STRBUF_INIT(BERTH_SPOOL_MEMORY_MAX)                                          \
    }

void berth_spool_release(struct berth_spool *spool);
BERTH_DEFINE_CLEANUP_VALUE(spool, struct berth_spool, berth_spool_release)

/* Appends text and empties it; BERTH_E_IO, BERTH_E_NO_SPACE, or what text has failed of. */
BERTH_MUST_CHECK int berth_spool_add(struct berth_spool *spool, struct berth_strbuf *text,
                                     struct berth_error *err);

/* Writes all to out; a failure to write is found by the caller's fflush(), too. */
BERTH_MUST_CHECK int berth_spool_print(struct berth_spool *spool, FILE *out,
                                       struct berth_error *err);

/*
 * Makes path a file of all that was added, of mode 0640 less the umask: written
 * beside it under another name, synced and renamed. What path was before is
 * replaced, a symbolic link itself and not what it points to; one that is
 * there and is neither file nor link is refused. On failure path stays as it is.
 */
BERTH_MUST_CHECK int berth_spool_save(struct berth_spool *spool, const char *path,
                                      struct berth_error *err);

#endif
