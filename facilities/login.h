/* SPDX-License-Identifier: MIT */
/*
 * Password checks, made so that neither guessing nor a crowd of right logins
 * bounds the gateway: one hash at a time, throttled before it starts, callers
 * with the same pair share one, and a right pair is remembered for a minute.
 *
 * Threading: any thread; a check waits for its turn to hash.
 */
#ifndef BERTH_FACILITIES_LOGIN_H
#define BERTH_FACILITIES_LOGIN_H

#include "base/error.h"

#include <stdint.h>

struct berth_login;

struct berth_login_attempt {
    const char *user;
    const char *password; /* any bytes */
    size_t password_len;
    const char *address;
    const char *hash;    /* NULL: there is no such user, which takes the same time */
    uint64_t credential; /* another number after each change of the hash */
};

BERTH_MUST_CHECK int berth_login_new(struct berth_login **ret_login, struct berth_error *err);
void berth_login_free(struct berth_login *login);
BERTH_DEFINE_CLEANUP(login, struct berth_login *, berth_login_free)

/* BERTH_E_UNAUTHORISED with one text for every cause, BERTH_E_THROTTLED. */
BERTH_MUST_CHECK int berth_login_check(struct berth_login *login,
                                       const struct berth_login_attempt *attempt,
                                       struct berth_error *err);

/* The one text for what is wrong with credentials. */
int berth_login_refuse(struct berth_error *err);

/*
 * A token was shown that opens nothing: BERTH_E_UNAUTHORISED, or BERTH_E_THROTTLED after too many
 * of them from the address.
 */
int berth_login_refuse_token(struct berth_login *login, const char *address,
                             struct berth_error *err);

/* The hash of a new password (malloc'ed), in its turn. */
BERTH_MUST_CHECK int berth_login_hash(struct berth_login *login, const char *password,
                                      char **ret_hash, struct berth_error *err);

#endif
