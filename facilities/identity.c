/* SPDX-License-Identifier: MIT */
/*
 * Users and roles: the store's rows, changed in transactions that read the
 * whole user back, so that the table in memory is given what was committed.
 */
#include "facilities/identity.h"

#include "base/clock.h"
#include "facilities/audit.h"
#include "facilities/login.h"
#include "facilities/naming.h"
#include "facilities/user_store.h"

struct berth_identity {
    struct berth_store *store; /* borrowed */
    struct berth_user_table *users;
    struct berth_login *login;
    struct berth_tokens *tokens;
};

/* ---- Opening ---- */

int berth_identity_open(struct berth_store *store, struct berth_identity **ret_identity,
                        struct berth_error *err)
{
    BERTH_CLEANUP(identity) struct berth_identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        return berth_error_nomem(err);
    identity->store = store;
    int r = berth_user_table_new(&identity->users, err);
    if (r == 0)
        r = berth_login_new(&identity->login, err);
    if (r == 0)
        r = berth_user_store_load(store, identity->users, err);
    if (r == 0)
        r = berth_tokens_open(store, &identity->tokens, err);
    if (r == 0)
        *ret_identity = berth_steal(&identity);
    return r;
}

void berth_identity_close(struct berth_identity *identity)
{
    if (!identity)
        return;
    if (identity->tokens)
        berth_tokens_close(identity->tokens);
    if (identity->login)
        berth_login_free(identity->login);
    if (identity->users)
        berth_user_table_free(identity->users);
    free(identity);
}

/* *ret_done: nothing was changed here meanwhile. */
static int reload_users(struct berth_identity *identity, bool *ret_done, struct berth_error *err)
{
    BERTH_CLEANUP(user_table) struct berth_user_table *fresh = NULL;
    uint64_t version = berth_user_table_version(identity->users);
    int r = berth_user_table_new(&fresh, err);
    if (r == 0)
        r = berth_user_store_load(identity->store, fresh, err);
    return r < 0 ? r : berth_user_table_replace(identity->users, fresh, version, ret_done, err);
}

int berth_identity_reload(struct berth_identity *identity, struct berth_error *err)
{
    bool is_done = false;
    int r = 0;
    while (r == 0 && !is_done)
        r = reload_users(identity, &is_done, err);
    return r < 0 ? r : berth_tokens_reload(identity->tokens, err);
}

/* ---- Asking ---- */

static int64_t now_ms(void)
{
    return berth_clock_wall_ns() / BERTH_NS_PER_MS;
}

/* Both only grow: their sum is the same only while neither has changed. */
static uint64_t version_of(struct berth_identity *identity)
{
    return berth_user_table_version(identity->users) + berth_tokens_version(identity->tokens);
}

static enum berth_role role_with_token(struct berth_identity *identity,
                                       const struct berth_token *token, const char *facility,
                                       bool *ret_gateway_admin)
{
    enum berth_role role =
        berth_user_table_role(identity->users, token->user, facility, ret_gateway_admin);
    if (!token->facility[0])
        return role;
    *ret_gateway_admin = false;
    if (strcmp(token->facility, facility) != 0)
        return BERTH_ROLE_NONE;
    return role < token->role ? role : token->role;
}

int berth_identity_verify(struct berth_identity *identity, const char *user, const char *password,
                          size_t password_len, const char *address, struct berth_error *err)
{
    char hash[BERTH_PASSWORD_HASH_SIZE];
    struct berth_login_attempt attempt = {
        .user = user, .password = password, .password_len = password_len, .address = address};
    if (berth_user_table_login(identity->users, user, hash, &attempt.credential))
        attempt.hash = hash;
    int r = berth_login_check(identity->login, &attempt, err);
    if (r < 0)
        return r;
    /* The password may have been changed, or the user removed, while this one was hashed. */
    if (berth_user_table_credential(identity->users, user) != attempt.credential)
        return berth_login_refuse(err);
    return 0;
}

enum berth_role berth_identity_role(struct berth_identity *identity, const char *user,
                                    const char *facility, bool *ret_gateway_admin)
{
    return berth_user_table_role(identity->users, user, facility, ret_gateway_admin);
}

int berth_identity_verify_token(struct berth_identity *identity, const char *token,
                                const char *facility, struct berth_caller *caller,
                                struct berth_error *err)
{
    struct berth_token found;
    uint64_t version = version_of(identity);
    int r = berth_tokens_use(identity->tokens, token, &found, err);
    if (r == BERTH_E_NOT_FOUND)
        return berth_login_refuse_token(identity->login, caller->address, err);
    if (r < 0)
        return r;
    memcpy(caller->user, found.user, sizeof(caller->user));
    caller->role = role_with_token(identity, &found, facility, &caller->gateway_admin);
    caller->token_id = found.id;
    caller->standing = (struct berth_standing){.version = version, .expires_ms = found.expires_ms};
    return 0;
}

struct berth_standing berth_identity_standing(struct berth_identity *identity, const char *user)
{
    struct berth_standing standing = {.version = version_of(identity)};
    standing.credential = berth_user_table_credential(identity->users, user);
    return standing;
}

static int confirm_role(struct berth_identity *identity, const char *facility,
                        const struct berth_caller *caller, struct berth_error *err)
{
    struct berth_token token;
    bool gateway_admin = false;
    enum berth_role role;
    if (caller->token_id != 0) {
        if (!berth_tokens_find(identity->tokens, caller->token_id, &token))
            return berth_error_set(err, BERTH_E_UNAUTHORISED, "the token was revoked");
        role = role_with_token(identity, &token, facility, &gateway_admin);
    } else {
        if (berth_user_table_credential(identity->users, caller->user) !=
            caller->standing.credential)
            return berth_error_set(err, BERTH_E_UNAUTHORISED,
                                   "the user was removed or has another password");
        role = berth_user_table_role(identity->users, caller->user, facility, &gateway_admin);
    }
    if (role != caller->role || gateway_admin != caller->gateway_admin)
        return berth_error_set(err, BERTH_E_UNAUTHORISED, "the role was changed");
    return 0;
}

int berth_identity_confirm(struct berth_identity *identity, const char *facility,
                           struct berth_caller *caller, struct berth_error *err)
{
    struct berth_standing *standing = &caller->standing;
    if (standing->expires_ms != 0 && now_ms() >= standing->expires_ms)
        return berth_error_set(err, BERTH_E_UNAUTHORISED, "the token has expired");
    uint64_t version = version_of(identity);
    if (version == standing->version)
        return 0;
    int r = confirm_role(identity, facility, caller, err);
    if (r == 0)
        standing->version = version;
    return r;
}

bool berth_identity_has(struct berth_identity *identity, const char *user)
{
    return berth_user_table_credential(identity->users, user) != 0;
}

struct berth_tokens *berth_identity_tokens(struct berth_identity *identity)
{
    return identity->tokens;
}

bool berth_identity_is_empty(struct berth_identity *identity)
{
    return berth_user_table_count(identity->users) == 0;
}

void berth_identity_walk(struct berth_identity *identity,
                         void (*visit)(const struct berth_user *user, void *ctx), void *ctx)
{
    berth_user_table_walk(identity->users, visit, ctx);
}

/* ---- Changing ---- */

/* A change of one user. */
struct change {
    int (*apply)(struct berth_txn *txn, const struct change *change,
                 const struct berth_user_record *before, struct berth_error *err);
    const struct berth_caller *by;
    const char *action; /* for audit */
    const char *user;
    const char *hash;     /* of the new password */
    const char *facility; /* "" where the change is the gateway's */
    enum berth_role role;
    bool gateway_admin;
    const char *detail;              /* for audit, or NULL */
    struct berth_user_record *after; /* out: as it will be committed */
};

static int no_such_user(const char *user, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no user %s", user);
}

static int apply_add(struct berth_txn *txn, const struct change *change,
                     const struct berth_user_record *before, struct berth_error *err)
{
    if (before && before->removed)
        return berth_error_set(err, BERTH_E_EXISTS,
                               "the name %s was a removed user's and cannot be given again",
                               change->user);
    if (before)
        return berth_error_set(err, BERTH_E_EXISTS, "user %s exists already", change->user);
    const struct berth_value values[] = {
        berth_value_text(change->user), berth_value_text(change->hash),
        berth_value_int(change->gateway_admin), berth_value_int(now_ms())};
    return berth_txn_run(txn,
                         "INSERT INTO user_account (name, password_hash, gateway_admin, generation,"
                         " created_ms) VALUES ($1, $2, $3, 1, $4)",
                         values, 4, NULL, NULL, NULL, err);
}

static int apply_password(struct berth_txn *txn, const struct change *change,
                          const struct berth_user_record *before, struct berth_error *err)
{
    if (!before || before->removed)
        return no_such_user(change->user, err);
    const struct berth_value values[] = {berth_value_text(change->user),
                                         berth_value_text(change->hash)};
    return berth_txn_run(txn,
                         "UPDATE user_account SET password_hash = $2, generation = generation + 1"
                         " WHERE name = $1",
                         values, 2, NULL, NULL, NULL, err);
}

/* What the environment says holds even for a removed user's name. */
static int apply_ensure(struct berth_txn *txn, const struct change *change,
                        const struct berth_user_record *before, struct berth_error *err)
{
    if (!before)
        return apply_add(txn, change, before, err);
    const struct berth_value values[] = {berth_value_text(change->user),
                                         berth_value_text(change->hash)};
    return berth_txn_run(txn,
                         "UPDATE user_account SET password_hash = $2, gateway_admin = 1,"
                         " generation = generation + 1, removed_ms = NULL WHERE name = $1",
                         values, 2, NULL, NULL, NULL, err);
}

static int take_count(const struct berth_row *row, void *ctx,
                      struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

static int apply_remove(struct berth_txn *txn, const struct change *change,
                        const struct berth_user_record *before, struct berth_error *err)
{
    if (!before || before->removed)
        return no_such_user(change->user, err);
    int64_t others = 0;
    const struct berth_value values[] = {berth_value_text(change->user), berth_value_int(now_ms())};
    int r = berth_txn_run(txn,
                          "SELECT count(*) FROM user_account"
                          " WHERE gateway_admin = 1 AND removed_ms IS NULL AND name <> $1",
                          values, 1, take_count, &others, NULL, err);
    if (r < 0)
        return r;
    if (before->user.gateway_admin && others == 0)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "%s is the last gateway administrator and cannot be removed",
                               change->user);
    r = berth_txn_run(txn,
                      "UPDATE user_account SET password_hash = '', gateway_admin = 0,"
                      " generation = generation + 1, removed_ms = $2 WHERE name = $1",
                      values, 2, NULL, NULL, NULL, err);
    if (r < 0)
        return r;
    r = berth_txn_run(txn, "DELETE FROM user_grant WHERE user_name = $1", values, 1, NULL, NULL,
                      NULL, err);
    return r < 0 ? r : berth_tokens_remove_user(txn, change->user, err);
}

static int apply_grant(struct berth_txn *txn, const struct change *change,
                       const struct berth_user_record *before, struct berth_error *err)
{
    if (!before || before->removed)
        return no_such_user(change->user, err);
    const struct berth_value values[] = {berth_value_text(change->user),
                                         berth_value_text(change->facility),
                                         berth_value_text(berth_role_name(change->role))};
    int64_t changes = 0;
    int r =
        change->role == BERTH_ROLE_NONE
            ? berth_txn_run(txn, "DELETE FROM user_grant WHERE user_name = $1 AND facility = $2",
                            values, 2, NULL, NULL, &changes, err)
            : berth_txn_run(txn,
                            "INSERT INTO user_grant (user_name, facility, role)"
                            " VALUES ($1, $2, $3) ON CONFLICT (user_name, facility)"
                            " DO UPDATE SET role = excluded.role",
                            values, 3, NULL, NULL, &changes, err);
    if (r < 0)
        return r;
    if (changes == 0)
        return berth_error_set(err, BERTH_E_NOT_FOUND, "user %s has no role in facility %s",
                               change->user, change->facility);
    return berth_txn_run(txn, "UPDATE user_account SET generation = generation + 1 WHERE name = $1",
                         values, 1, NULL, NULL, NULL, err);
}

static int change_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct change *change = ctx;
    BERTH_CLEANUP(user_record) struct berth_user_record *before = NULL;
    int r = berth_user_store_read(txn, change->user, &before, err);
    if (r == 0)
        r = change->apply(txn, change, before, err);
    if (r == 0)
        r = berth_user_store_read(txn, change->user, &change->after, err);
    const struct berth_store_news news = {BERTH_NEWS_IDENTITY, "", change->user};
    if (r == 0)
        r = berth_txn_tell(txn, &news, err);
    if (r < 0)
        return r;
    const struct berth_audit_entry entry = {.by = change->by,
                                            .facility = change->facility,
                                            .action = change->action,
                                            .target = change->user,
                                            .detail = change->detail};
    return berth_audit_add(txn, &entry, err);
}

/* Writes the change, then shows it to those who ask. */
static int make_change(struct berth_identity *identity, struct change *change,
                       struct berth_error *err)
{
    int r = berth_user_table_reserve(identity->users, err);
    if (r < 0)
        return r;
    r = berth_store_write(identity->store, change_job, change, err);
    if (r == 0)
        berth_user_table_put(identity->users, change->after);
    else if (change->after)
        berth_user_record_free(change->after);
    berth_user_table_unreserve(identity->users);
    return r;
}

/* Hashes the password, then makes the change. */
static int make_change_with_password(struct berth_identity *identity, struct change *change,
                                     const char *password, struct berth_error *err)
{
    BERTH_CLEANUP(free) char *hash = NULL;
    int r = berth_password_check(password, err);
    if (r == 0)
        r = berth_login_hash(identity->login, password, &hash, err);
    if (r < 0)
        return r;
    change->hash = hash;
    return make_change(identity, change, err);
}

int berth_identity_add(struct berth_identity *identity, const struct berth_caller *by,
                       const char *user, const char *password, bool gateway_admin,
                       struct berth_error *err)
{
    struct change change = {.apply = apply_add,
                            .by = by,
                            .action = "user-add",
                            .user = user,
                            .facility = "",
                            .gateway_admin = gateway_admin,
                            .detail = gateway_admin ? "gateway-admin" : NULL};
    int r = berth_naming_check_user("user", user, err);
    return r < 0 ? r : make_change_with_password(identity, &change, password, err);
}

int berth_identity_set_password(struct berth_identity *identity, const struct berth_caller *by,
                                const char *user, const char *password, struct berth_error *err)
{
    struct change change = {
        .apply = apply_password, .by = by, .action = "user-passwd", .user = user, .facility = ""};
    return make_change_with_password(identity, &change, password, err);
}

int berth_identity_remove(struct berth_identity *identity, const struct berth_caller *by,
                          const char *user, struct berth_error *err)
{
    struct change change = {
        .apply = apply_remove, .by = by, .action = "user-remove", .user = user, .facility = ""};
    int r = make_change(identity, &change, err);
    if (r == 0)
        berth_tokens_forget_user(identity->tokens, user);
    return r;
}

int berth_identity_grant(struct berth_identity *identity, const struct berth_caller *by,
                         const char *user, const char *facility, enum berth_role role,
                         struct berth_error *err)
{
    struct change change = {.apply = apply_grant,
                            .by = by,
                            .action = role == BERTH_ROLE_NONE ? "user-revoke" : "user-grant",
                            .user = user,
                            .facility = facility,
                            .role = role,
                            .detail = role == BERTH_ROLE_NONE ? NULL : berth_role_name(role)};
    int r = berth_naming_check_facility(facility, err);
    return r < 0 ? r : make_change(identity, &change, err);
}

int berth_identity_ensure_admin(struct berth_identity *identity, const char *user,
                                const char *password, struct berth_error *err)
{
    char hash[BERTH_PASSWORD_HASH_SIZE];
    uint64_t credential = 0;
    bool gateway_admin = false;
    bool matches = false;
    int r = berth_naming_check_user("user", user, err);
    if (r == 0)
        r = berth_password_check(password, err);
    if (r < 0)
        return r;
    (void)berth_user_table_role(identity->users, user, "", &gateway_admin);
    if (gateway_admin && berth_user_table_login(identity->users, user, hash, &credential)) {
        r = berth_password_matches(password, hash, &matches, err);
        if (r < 0 || matches)
            return r;
    }
    struct change change = {.apply = apply_ensure,
                            .action = "user-ensure",
                            .user = user,
                            .facility = "",
                            .gateway_admin = true,
                            .detail = "gateway-admin"};
    return make_change_with_password(identity, &change, password, err);
}
