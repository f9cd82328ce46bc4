/* SPDX-License-Identifier: MIT */
/*
 * All that one store holds, carried into another: both are a SQLite database
 * or PostgreSQL.
 *
 * Threading: one call at a time on a pair of stores.
 */
#ifndef BERTH_FACILITIES_STORE_COPY_H
#define BERTH_FACILITIES_STORE_COPY_H

#include "base/strbuf.h"
#include "facilities/store.h"

/* Where a store is: the path of a database of SQLite, or a connection string of libpq, which has a
 * `=` or a `://`. */
struct berth_store_place {
    const char *spec;
    bool is_target; /* is made where there is none; a source must be there */
};

/*
 * Opens what is there. BERTH_E_BUSY when a gateway runs on it (on a source in PostgreSQL one may:
 * what is read is as of one moment), BERTH_E_NOT_FOUND.
 */
BERTH_MUST_CHECK int berth_store_open_place(const struct berth_store_place *place,
                                            struct berth_store **ret_store,
                                            struct berth_error *err);

/*
 * Copies every row, with its id, and where ids go on, then reads it back and compares numbers and
 * digests. All of it or nothing. Rows that the target holds: BERTH_E_CONFLICT, or with replace
 * they are deleted first. report: a line a table.
 */
BERTH_MUST_CHECK int berth_store_copy(struct berth_store *from, struct berth_store *to,
                                      bool replace, struct berth_strbuf *report,
                                      struct berth_error *err);

#endif
