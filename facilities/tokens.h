/* SPDX-License-Identifier: MIT */
/*
 * API tokens: what a program shows in place of its user's password (RFC 6750).
 * A token is 32 random bytes, so its SHA-256 is all that is stored, and a
 * lookup by it is all that a request costs. It stands for its user, at most
 * for a role in one facility; what the user may not do, its token may not
 * either. Revocation and the user's removal end it at once.
 *
 * The last use is known to the minute, and written by a thread of its own
 * within a minute, so that no request waits for it.
 *
 * Each change is a row of the audit trail: token-create, token-revoke.
 *
 * Threading: all functions from any thread.
 */
#ifndef BERTH_FACILITIES_TOKENS_H
#define BERTH_FACILITIES_TOKENS_H

#include "facilities/role.h"
#include "facilities/store.h"

#define BERTH_TOKEN_PREFIX "berth_" /* so that scanners for leaked secrets know it */
#define BERTH_TOKEN_BYTES  32
#define BERTH_TOKEN_SIZE   (sizeof(BERTH_TOKEN_PREFIX) + 43) /* with NUL */

struct berth_token {
    int64_t id;
    char user[BERTH_USER_MAX + 1];
    char label[BERTH_TOKEN_LABEL_MAX + 1];
    char facility[BERTH_FACILITY_ID_MAX + 1]; /* "": all that the user may do anywhere */
    enum berth_role role;                     /* with a facility: the most it may do there */
    int64_t created_ms;                       /* wall, as are the next two */
    int64_t expires_ms;                       /* 0: never */
    int64_t used_ms;                          /* 0: never */
};

struct berth_tokens;

BERTH_MUST_CHECK int berth_tokens_open(struct berth_store *store, struct berth_tokens **ret_tokens,
                                       struct berth_error *err);
/* Reads all tokens anew: another gateway changed some. */
BERTH_MUST_CHECK int berth_tokens_reload(struct berth_tokens *tokens, struct berth_error *err);
/* Writes the last uses that are not written yet. */
void berth_tokens_close(struct berth_tokens *tokens);
BERTH_DEFINE_CLEANUP(tokens, struct berth_tokens *, berth_tokens_close)

/*
 * Makes a token; wanted says user, label, facility, role and expiry. Its text
 * is nowhere else. BERTH_E_INVALID (label, expiry passed), BERTH_E_NOT_FOUND
 * (no such user), BERTH_E_FORBIDDEN (the user has less than the role),
 * BERTH_E_QUOTA (BERTH_TOKENS_PER_USER_MAX).
 */
BERTH_MUST_CHECK int berth_tokens_create(struct berth_tokens *tokens, const struct berth_caller *by,
                                         const struct berth_token *wanted,
                                         char ret_text[static BERTH_TOKEN_SIZE],
                                         struct berth_error *err);

/* BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int berth_tokens_revoke(struct berth_tokens *tokens, const struct berth_caller *by,
                                         int64_t id, struct berth_error *err);

/* The token of this text, and notes its use. BERTH_E_NOT_FOUND when it is unknown, expired or
 * revoked. */
BERTH_MUST_CHECK int berth_tokens_use(struct berth_tokens *tokens, const char *text,
                                      struct berth_token *ret_token, struct berth_error *err);

/* The token of that id, without noting a use; false when there is none. */
bool berth_tokens_find(struct berth_tokens *tokens, int64_t id, struct berth_token *ret_token);

/* A number that grows with every token that is revoked or removed. */
uint64_t berth_tokens_version(struct berth_tokens *tokens);

/* The tokens of a user in a transaction that removes it, then in memory once it is committed. */
BERTH_MUST_CHECK int berth_tokens_remove_user(struct berth_txn *txn, const char *user,
                                              struct berth_error *err);
void berth_tokens_forget_user(struct berth_tokens *tokens, const char *user);

/* The user's tokens by id, expired ones too; malloc'ed. */
BERTH_MUST_CHECK int berth_tokens_list(struct berth_tokens *tokens, const char *user,
                                       struct berth_token **ret_list, size_t *ret_count,
                                       struct berth_error *err);

#endif
