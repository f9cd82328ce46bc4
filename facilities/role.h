/* SPDX-License-Identifier: MIT */
/*
 * Roles within a facility, and who a caller is.
 *
 * Threading: plain values.
 */
#ifndef BERTH_FACILITIES_ROLE_H
#define BERTH_FACILITIES_ROLE_H

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Each includes what those above it may do. */
enum berth_role {
    BERTH_ROLE_NONE,
    BERTH_ROLE_VIEWER,     /* reads own apps */
    BERTH_ROLE_RESEARCHER, /* creates and operates own apps, requests images */
    BERTH_ROLE_OPERATOR,   /* operates all apps of the facility */
    BERTH_ROLE_ADMIN,      /* images, users, everything */
};

const char *berth_role_name(enum berth_role role);
BERTH_MUST_CHECK int berth_role_parse(const char *name, enum berth_role *ret_role,
                                      struct berth_error *err);

/* What a caller's credentials were good for, to ask later whether they still are (identity.h). */
struct berth_standing {
    uint64_t version;    /* of all users and tokens */
    uint64_t credential; /* of the password; 0 with a token */
    int64_t expires_ms;  /* of the token, wall; 0: never */
};

/* Who makes a request, in the facility it is made to. */
struct berth_caller {
    char user[BERTH_USER_MAX + 1]; /* "" in open mode */
    enum berth_role role;          /* in this facility */
    bool gateway_admin;
    int64_t token_id; /* of the API token that was shown, or 0 */
    struct berth_standing standing;
    char address[64];    /* of the peer, for audit */
    char request_id[65]; /* for audit and logs */
};

/* True if the caller sees all apps of the facility, not its own alone. */
static inline bool berth_caller_sees_all(const struct berth_caller *caller)
{
    return caller->role >= BERTH_ROLE_OPERATOR;
}

#endif
