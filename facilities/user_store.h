/* SPDX-License-Identifier: MIT */
/*
 * Reads users with their roles from the store.
 *
 * Threading: stateless.
 */
#ifndef BERTH_FACILITIES_USER_STORE_H
#define BERTH_FACILITIES_USER_STORE_H

#include "facilities/user_table.h"

/* The user of that name, a tombstone too; *ret_record is NULL where there is none. */
BERTH_MUST_CHECK int berth_user_store_read(struct berth_txn *txn, const char *name,
                                           struct berth_user_record **ret_record,
                                           struct berth_error *err);

/* Puts all users into the table, tombstones too. */
BERTH_MUST_CHECK int berth_user_store_load(struct berth_store *store,
                                           struct berth_user_table *users, struct berth_error *err);

#endif
