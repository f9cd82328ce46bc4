/* SPDX-License-Identifier: MIT */
/* Passwords and their hashes. */
#include "facilities/password.h"

#include "base/limits.h"
#include "base/text.h"

#include <crypt.h>
#include <errno.h>

#define YESCRYPT "$y$"

_Static_assert(BERTH_PASSWORD_HASH_SIZE >= CRYPT_OUTPUT_SIZE, "a hash has to fit");

int berth_password_check(const char *password, struct berth_error *err)
{
    size_t len = strnlen(password, BERTH_PASSWORD_MAX + 1);
    if (len < BERTH_PASSWORD_MIN || len > BERTH_PASSWORD_MAX)
        return berth_error_set(err, BERTH_E_INVALID,
                               "the password must have %d to %d characters (bytes of UTF-8)",
                               BERTH_PASSWORD_MIN, BERTH_PASSWORD_MAX);
    if (berth_text_has_control(password, len))
        return berth_error_set(err, BERTH_E_INVALID,
                               "the password must not contain control characters");
    if (!berth_text_is_utf8(password, len))
        return berth_error_set(err, BERTH_E_INVALID, "the password must be UTF-8");
    return 0;
}

int berth_password_dummy(char **ret_hash, struct berth_error *err)
{
    char *setting = crypt_gensalt_ra(YESCRYPT, 0, NULL, 0);
    if (!setting)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "cannot hash passwords");
    *ret_hash = setting;
    return 0;
}

/* The hash of password after setting, malloc'ed. */
static int hash_with(const char *password, const char *setting, char **ret_hash,
                     struct berth_error *err)
{
    void *work = NULL; /* crypt_ra's; holds what is left of the password */
    int size = 0;
    errno = 0;
    const char *made = crypt_ra(password, setting, &work, &size);
    int r = 0;
    if (!made)
        r = berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "cannot hash passwords");
    else if (!(*ret_hash = strdup(made)))
        r = berth_error_nomem(err);
    if (work)
        explicit_bzero(work, (size_t)size);
    free(work);
    return r;
}

int berth_password_hash(const char *password, char **ret_hash, struct berth_error *err)
{
    BERTH_CLEANUP(free) char *setting = NULL;
    char *hash = NULL;
    int r = berth_password_dummy(&setting, err);
    if (r == 0)
        r = hash_with(password, setting, &hash, err);
    if (r == 0)
        *ret_hash = hash;
    return r;
}

int berth_password_matches(const char *password, const char *hash, bool *ret_matches,
                           struct berth_error *err)
{
    BERTH_CLEANUP(free) char *made = NULL;
    int r = hash_with(password, hash, &made, err);
    if (r == 0)
        *ret_matches = berth_text_equal_secret(made, strlen(made), hash, strlen(hash));
    return r;
}
