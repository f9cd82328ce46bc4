/* SPDX-License-Identifier: MIT */
/*
 * Users, their passwords and their roles. The store holds the truth; a table
 * in memory answers every request, and each change is written, then applied
 * there before it is answered: it counts at once.
 *
 * Passwords are hashed by libxcrypt (yescrypt). Each hash costs 17 MB and tens
 * of milliseconds, so hashing is serialised, and throttled before it starts:
 * past 10 failures a minute for one user from one address, or 100 a minute
 * from one address, BERTH_E_THROTTLED. A verified pair is remembered for 60 s
 * under a keyed hash (the key is random per process), and forgotten when the
 * password or the user changes. An unknown user costs the same time.
 *
 * A removed user stays as a tombstone: the name cannot be given to a successor;
 * its tokens are gone. Wrong tokens are throttled like wrong passwords.
 * Changes of a user who does not exist are BERTH_E_NOT_FOUND. Each change is a
 * row of the audit trail, written in the same transaction: user-add,
 * user-passwd, user-remove, user-grant, user-revoke, user-ensure.
 *
 * Threading: all functions from any thread.
 */
#ifndef BERTH_FACILITIES_IDENTITY_H
#define BERTH_FACILITIES_IDENTITY_H

#include "base/strbuf.h"
#include "facilities/role.h"
#include "facilities/store.h"
#include "facilities/tokens.h"

struct berth_identity;

BERTH_MUST_CHECK int berth_identity_open(struct berth_store *store,
                                         struct berth_identity **ret_identity,
                                         struct berth_error *err);
/* Reads all users and tokens anew: another gateway changed some. What was changed there counts here
 * once this returns, for requests, terminals and streams under way too. */
BERTH_MUST_CHECK int berth_identity_reload(struct berth_identity *identity,
                                           struct berth_error *err);
void berth_identity_close(struct berth_identity *identity);
BERTH_DEFINE_CLEANUP(identity, struct berth_identity *, berth_identity_close)

/* Checks a password. BERTH_E_UNAUTHORISED (one text for every cause), BERTH_E_THROTTLED. */
BERTH_MUST_CHECK int berth_identity_verify(struct berth_identity *identity, const char *user,
                                           const char *password, size_t password_len,
                                           const char *address, struct berth_error *err);

/*
 * Whom an API token stands for, and what it may do in facility ("" on the gateway's own paths):
 * fills the caller's user, role, gateway_admin, token_id and standing; its address is known. Errors
 * as above.
 */
BERTH_MUST_CHECK int berth_identity_verify_token(struct berth_identity *identity, const char *token,
                                                 const char *facility, struct berth_caller *caller,
                                                 struct berth_error *err);

/* What a password of the user stands for now; to be asked before it is verified. */
struct berth_standing berth_identity_standing(struct berth_identity *identity, const char *user);

/*
 * Whether the caller, identified earlier, would be given the same role in facility again: the
 * password is the same, the token neither revoked nor expired, no role was changed. Costs next to
 * nothing while no user and no token has changed. BERTH_E_UNAUTHORISED with the reason.
 */
BERTH_MUST_CHECK int berth_identity_confirm(struct berth_identity *identity, const char *facility,
                                            struct berth_caller *caller, struct berth_error *err);

/* True for a user who is not removed. */
bool berth_identity_has(struct berth_identity *identity, const char *user);

/* Borrowed. */
struct berth_tokens *berth_identity_tokens(struct berth_identity *identity);

/* The user's role in a facility (a gateway administrator is admin of each); NONE if unknown. */
enum berth_role berth_identity_role(struct berth_identity *identity, const char *user,
                                    const char *facility, bool *ret_gateway_admin);

/* Adds a user. BERTH_E_INVALID (name, password rules), BERTH_E_EXISTS (tombstones too). */
BERTH_MUST_CHECK int berth_identity_add(struct berth_identity *identity,
                                        const struct berth_caller *by, const char *user,
                                        const char *password, bool gateway_admin,
                                        struct berth_error *err);
BERTH_MUST_CHECK int berth_identity_set_password(struct berth_identity *identity,
                                                 const struct berth_caller *by, const char *user,
                                                 const char *password, struct berth_error *err);
/* The last gateway administrator cannot be removed: BERTH_E_CONFLICT. */
BERTH_MUST_CHECK int berth_identity_remove(struct berth_identity *identity,
                                           const struct berth_caller *by, const char *user,
                                           struct berth_error *err);
/* Replaces the role; NONE revokes it, BERTH_E_NOT_FOUND where there is none. */
BERTH_MUST_CHECK int berth_identity_grant(struct berth_identity *identity,
                                          const struct berth_caller *by, const char *user,
                                          const char *facility, enum berth_role role,
                                          struct berth_error *err);

/* Makes sure of a gateway administrator with this password (APP_USER and APP_PASS), even under the
 * name of a removed user. */
BERTH_MUST_CHECK int berth_identity_ensure_admin(struct berth_identity *identity, const char *user,
                                                 const char *password, struct berth_error *err);

bool berth_identity_is_empty(struct berth_identity *identity);

struct berth_grant {
    char facility[BERTH_FACILITY_ID_MAX + 1];
    enum berth_role role;
};

struct berth_user {
    char name[BERTH_USER_MAX + 1];
    bool gateway_admin;
    int64_t created_ms; /* wall */
    size_t grant_count;
    const struct berth_grant *grants; /* by facility */
};

/* Calls visit for each user by name (no tombstones), under a read lock: visit must not call back.
 */
void berth_identity_walk(struct berth_identity *identity,
                         void (*visit)(const struct berth_user *user, void *ctx), void *ctx);

#endif
