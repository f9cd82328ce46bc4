/* SPDX-License-Identifier: MIT */
/*
 * The users in memory, as every request needs them: an array sorted by name
 * behind a lock that readers share. Tombstones are kept too, so that an older
 * state of a user that comes late never undoes a newer one.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_USER_TABLE_H
#define BERTH_FACILITIES_USER_TABLE_H

#include "facilities/identity.h"
#include "facilities/password.h"

/* One state of one user. */
struct berth_user_record {
    struct berth_user user; /* grants are the record's own, sorted by facility */
    struct berth_grant *grants;
    char hash[BERTH_PASSWORD_HASH_SIZE];
    int64_t generation;  /* of the state: the higher is the newer */
    uint64_t credential; /* the table's: changes with the hash */
    bool removed;
};

void berth_user_record_free(struct berth_user_record *record);
BERTH_DEFINE_CLEANUP(user_record, struct berth_user_record *, berth_user_record_free)

struct berth_user_table;

BERTH_MUST_CHECK int berth_user_table_new(struct berth_user_table **ret_table,
                                          struct berth_error *err);
void berth_user_table_free(struct berth_user_table *table);
BERTH_DEFINE_CLEANUP(user_table, struct berth_user_table *, berth_user_table_free)

/* Makes sure that one put of a new name finds room; each reserve is ended by unreserve. */
BERTH_MUST_CHECK int berth_user_table_reserve(struct berth_user_table *table,
                                              struct berth_error *err);
void berth_user_table_unreserve(struct berth_user_table *table);

/* Takes the record over and shows it, unless there is a newer one. A new name needs a reserve. */
void berth_user_table_put(struct berth_user_table *table, struct berth_user_record *record);

/*
 * Makes table hold what fresh holds, which is emptied; whose password is the same keeps its
 * credential. Nothing happens, and *ret_replaced is false, when the table is not at version any
 * more: fresh may be older than what was put since.
 */
BERTH_MUST_CHECK int berth_user_table_replace(struct berth_user_table *table,
                                              struct berth_user_table *fresh, uint64_t version,
                                              bool *ret_replaced, struct berth_error *err);

/* What a password is checked against; false when there is no such user. */
bool berth_user_table_login(struct berth_user_table *table, const char *name,
                            char ret_hash[static BERTH_PASSWORD_HASH_SIZE],
                            uint64_t *ret_credential);

/* The number that changes with the user's hash; 0 when there is no such user. */
uint64_t berth_user_table_credential(struct berth_user_table *table, const char *name);

/* A number that grows with every change of a user. */
uint64_t berth_user_table_version(struct berth_user_table *table);

/* As berth_identity_role, _walk. */
enum berth_role berth_user_table_role(struct berth_user_table *table, const char *name,
                                      const char *facility, bool *ret_gateway_admin);
void berth_user_table_walk(struct berth_user_table *table,
                           void (*visit)(const struct berth_user *user, void *ctx), void *ctx);

/* How many users there are, tombstones not counted. */
size_t berth_user_table_count(struct berth_user_table *table);

#endif
