/* SPDX-License-Identifier: MIT */
/*
 * A new token is in the table, without an id, before it is committed: a
 * removal of its user that is committed after it finds it there, and nothing
 * can fail once the store has it.
 */
#include "facilities/tokens.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "facilities/audit.h"
#include "facilities/token_table.h"
#include "facilities/user_store.h"

#include <inttypes.h>
#include <string.h>

#define DIGEST_HEX ((size_t)2 * BERTH_SHA256_BYTES)

struct berth_tokens {
    struct berth_store *store; /* borrowed */
    struct berth_token_table *table;

    pthread_t writer; /* of last uses */
    bool has_writer;
    pthread_mutex_t mutex; /* guards the two below */
    pthread_cond_t cond;
    bool is_used; /* since the writer last looked */
    bool stopping;
};

static int64_t now_ms(void)
{
    return berth_clock_wall_ns() / BERTH_NS_PER_MS;
}

/* ---- Reading the store ---- */

static bool parse_hex(const char *text, unsigned char *ret_bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * count || strspn(text, digits) != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++)
        ret_bytes[i] = (unsigned char)((strchr(digits, text[2 * i]) - digits) << 4 |
                                       (strchr(digits, text[2 * i + 1]) - digits));
    return true;
}

static bool copy_text(char *to, size_t size, const char *from)
{
    if (!from || strlen(from) >= size)
        return false;
    memcpy(to, from, strlen(from) + 1);
    return true;
}

/* ctx: struct berth_token_table * */
static int load_token(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct berth_token_record record = {0};
    struct berth_token *token = &record.token;
    const char *digest = berth_row_text(row, 2);
    const char *facility = berth_row_text(row, 4);
    const char *role = berth_row_text(row, 5);
    token->id = berth_row_int(row, 0);
    token->created_ms = berth_row_int(row, 6);
    token->expires_ms = berth_row_int(row, 7);
    record.used_ms = berth_row_int(row, 8);
    record.written_ms = record.used_ms;
    if (!copy_text(token->user, sizeof(token->user), berth_row_text(row, 1)) ||
        !copy_text(token->label, sizeof(token->label), berth_row_text(row, 3)) ||
        !copy_text(token->facility, sizeof(token->facility), facility ? facility : "") ||
        (role && berth_role_parse(role, &token->role, NULL) < 0) || !digest ||
        !parse_hex(digest, record.digest, sizeof(record.digest)))
        return berth_error_set(err, BERTH_E_INTERNAL,
                               "the store holds a malformed token (id %" PRId64 ")", token->id);
    return berth_token_table_add(ctx, &record, err);
}

static int load_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn,
                         "SELECT id, user_name, digest, label, facility, role, created_ms,"
                         " expires_ms, used_ms FROM api_token ORDER BY digest",
                         NULL, 0, load_token, ctx, NULL, err);
}

/* ---- Last uses ---- */

struct uses {
    struct berth_token_use *items;
    size_t count;
};

static int write_uses_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct uses *uses = ctx;
    int r = 0;
    for (size_t i = 0; r == 0 && i < uses->count; i++) {
        const struct berth_value values[] = {berth_value_int(uses->items[i].id),
                                             berth_value_int(uses->items[i].used_ms)};
        r = berth_txn_run(txn,
                          "UPDATE api_token SET used_ms = $2 WHERE id = $1"
                          " AND COALESCE(used_ms, 0) < $2", /* another gateway's may be later */
                          values, 2, NULL, NULL, NULL, err);
    }
    return r;
}

/* What cannot be written is lost with the next use: it is a convenience, not a record. */
static void write_uses(struct berth_tokens *tokens)
{
    struct berth_error err = BERTH_ERROR_INIT;
    size_t size = berth_token_table_count(tokens->table) + 1;
    BERTH_CLEANUP(free) struct berth_token_use *items = calloc(size, sizeof(*items));
    if (!items)
        return;
    struct uses uses = {items, berth_token_table_take_uses(tokens->table, items, size)};
    if (uses.count > 0 && berth_store_write(tokens->store, write_uses_job, &uses, &err) < 0)
        berth_log(BERTH_LOG_WARNING, "the last use of tokens could not be written: %s",
                  err.message);
}

static void *run_writer(void *arg)
{
    struct berth_tokens *tokens = arg;
    (void)pthread_mutex_lock(&tokens->mutex);
    while (!tokens->stopping || tokens->is_used) {
        if (!tokens->is_used) {
            (void)pthread_cond_wait(&tokens->cond, &tokens->mutex);
            continue;
        }
        int64_t deadline_ms = berth_clock_monotonic_ms() + BERTH_TOKEN_USE_MS;
        while (!tokens->stopping &&
               berth_cond_wait_until(&tokens->cond, &tokens->mutex, deadline_ms))
            ;
        tokens->is_used = false;
        (void)pthread_mutex_unlock(&tokens->mutex);
        write_uses(tokens);
        (void)pthread_mutex_lock(&tokens->mutex);
    }
    (void)pthread_mutex_unlock(&tokens->mutex);
    return NULL;
}

static void note_use(struct berth_tokens *tokens)
{
    BERTH_LOCK_SCOPE(lock, &tokens->mutex);
    tokens->is_used = true;
    (void)pthread_cond_signal(&tokens->cond);
}

/* ---- Opening ---- */

int berth_tokens_open(struct berth_store *store, struct berth_tokens **ret_tokens,
                      struct berth_error *err)
{
    struct berth_tokens *made = calloc(1, sizeof(*made));
    if (!made)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&made->mutex, NULL);
    berth_cond_init(&made->cond);
    made->store = store;
    BERTH_CLEANUP(tokens) struct berth_tokens *tokens = made;
    int r = berth_token_table_new(&tokens->table, err);
    if (r == 0)
        r = berth_store_read(store, load_job, tokens->table, err);
    if (r == 0)
        r = berth_thread_start(&tokens->writer, "token uses", run_writer, tokens, err);
    if (r < 0)
        return r;
    tokens->has_writer = true;
    *ret_tokens = berth_steal(&tokens);
    return 0;
}

/* *ret_done: nothing was changed here meanwhile. */
static int reload_once(struct berth_tokens *tokens, bool *ret_done, struct berth_error *err)
{
    BERTH_CLEANUP(token_table) struct berth_token_table *fresh = NULL;
    uint64_t edition = berth_token_table_edition(tokens->table);
    int r = berth_token_table_new(&fresh, err);
    if (r == 0)
        r = berth_store_read(tokens->store, load_job, fresh, err);
    return r < 0 ? r : berth_token_table_replace(tokens->table, fresh, edition, ret_done, err);
}

int berth_tokens_reload(struct berth_tokens *tokens, struct berth_error *err)
{
    bool is_done = false;
    int r = 0;
    while (r == 0 && !is_done)
        r = reload_once(tokens, &is_done, err);
    return r;
}

void berth_tokens_close(struct berth_tokens *tokens)
{
    if (tokens->has_writer) {
        {
            BERTH_LOCK_SCOPE(lock, &tokens->mutex);
            tokens->stopping = true;
            (void)pthread_cond_signal(&tokens->cond);
        }
        (void)pthread_join(tokens->writer, NULL);
    }
    if (tokens->table)
        berth_token_table_free(tokens->table);
    (void)pthread_cond_destroy(&tokens->cond);
    (void)pthread_mutex_destroy(&tokens->mutex);
    free(tokens);
}

/* ---- Creating ---- */

struct creation {
    const struct berth_caller *by;
    const struct berth_token *wanted;
    const char *digest; /* hexadecimal */
    int64_t id;         /* out */
};

static int take_number(const struct berth_row *row, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

static enum berth_role role_in(const struct berth_user *user, const char *facility)
{
    if (user->gateway_admin)
        return BERTH_ROLE_ADMIN;
    for (size_t i = 0; i < user->grant_count; i++)
        if (strcmp(user->grants[i].facility, facility) == 0)
            return user->grants[i].role;
    return BERTH_ROLE_NONE;
}

static int check_owner(struct berth_txn *txn, const struct berth_token *wanted,
                       struct berth_error *err)
{
    BERTH_CLEANUP(user_record) struct berth_user_record *owner = NULL;
    int r = berth_user_store_read(txn, wanted->user, &owner, err);
    if (r < 0)
        return r;
    if (!owner || owner->removed)
        return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no user %s", wanted->user);
    enum berth_role own = role_in(&owner->user, wanted->facility);
    if (wanted->facility[0] && own == BERTH_ROLE_NONE)
        return berth_error_set(err, BERTH_E_FORBIDDEN, "user %s has no role in facility %s",
                               wanted->user, wanted->facility);
    if (wanted->facility[0] && own < wanted->role)
        return berth_error_set(
            err, BERTH_E_FORBIDDEN, "user %s is %s in facility %s: a token cannot be %s",
            wanted->user, berth_role_name(own), wanted->facility, berth_role_name(wanted->role));
    int64_t count = 0;
    const struct berth_value name = berth_value_text(wanted->user);
    r = berth_txn_run(txn, "SELECT count(*) FROM api_token WHERE user_name = $1", &name, 1,
                      take_number, &count, NULL, err);
    if (r == 0 && count >= BERTH_TOKENS_PER_USER_MAX)
        r = berth_error_set(err, BERTH_E_QUOTA, "user %s has %d tokens: revoke one first",
                            wanted->user, BERTH_TOKENS_PER_USER_MAX);
    return r;
}

static int tell(struct berth_txn *txn, int64_t id, struct berth_error *err)
{
    char key[24];
    (void)snprintf(key, sizeof(key), "%" PRId64, id);
    const struct berth_store_news news = {BERTH_NEWS_TOKENS, "", key};
    return berth_txn_tell(txn, &news, err);
}

static int create_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct creation *creation = ctx;
    const struct berth_token *wanted = creation->wanted;
    bool is_scoped = wanted->facility[0] != '\0';
    const char *role = is_scoped ? berth_role_name(wanted->role) : NULL;
    const struct berth_value values[] = {berth_value_text(wanted->user),
                                         berth_value_text(creation->digest),
                                         berth_value_text(wanted->label),
                                         berth_value_text(is_scoped ? wanted->facility : NULL),
                                         berth_value_text(role),
                                         berth_value_int(wanted->created_ms),
                                         wanted->expires_ms ? berth_value_int(wanted->expires_ms)
                                                            : berth_value_null()};
    int r = check_owner(txn, wanted, err);
    if (r == 0)
        r = berth_txn_run(txn,
                          "INSERT INTO api_token (user_name, digest, label, facility, role,"
                          " created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)"
                          " RETURNING id",
                          values, 7, take_number, &creation->id, NULL, err);
    if (r == 0)
        r = tell(txn, creation->id, err);
    if (r < 0)
        return r;
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "token %" PRId64 "%s%s", creation->id,
                   is_scoped ? ": " : "", is_scoped ? role : "");
    const struct berth_audit_entry entry = {.by = creation->by,
                                            .facility = wanted->facility,
                                            .action = "token-create",
                                            .target = wanted->user,
                                            .detail = detail};
    return berth_audit_add(txn, &entry, err);
}

static int check_wanted(const struct berth_token *wanted, int64_t created_ms,
                        struct berth_error *err)
{
    size_t len = strlen(wanted->label);
    if (!berth_text_is_utf8(wanted->label, len) || berth_text_has_control(wanted->label, len))
        return berth_error_set(err, BERTH_E_INVALID,
                               "the label must be UTF-8 without control characters");
    if (wanted->expires_ms != 0 && wanted->expires_ms <= created_ms)
        return berth_error_set(err, BERTH_E_INVALID, "the token would have expired already");
    return 0;
}

/* Random text, and its digest both ways. */
static int make_text(char ret_text[static BERTH_TOKEN_SIZE], unsigned char *ret_digest,
                     struct berth_strbuf *hex, struct berth_error *err)
{
    unsigned char random[BERTH_TOKEN_BYTES];
    char buffer[BERTH_TOKEN_SIZE];
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_TOKEN_SIZE);
    int r = berth_random_bytes(random, sizeof(random), err);
    if (r < 0)
        return r;
    berth_strbuf_adds(&text, BERTH_TOKEN_PREFIX);
    berth_base64url_encode(random, sizeof(random), &text);
    explicit_bzero(random, sizeof(random));
    r = berth_strbuf_check(&text, err);
    if (r < 0)
        return r;
    memcpy(buffer, text.data, sizeof(buffer));
    explicit_bzero(text.data, text.len);
    r = berth_sha256(buffer, strlen(buffer), ret_digest, err);
    if (r == 0) {
        berth_hex_encode(ret_digest, BERTH_SHA256_BYTES, hex);
        r = berth_strbuf_check(hex, err);
    }
    if (r == 0)
        memcpy(ret_text, buffer, sizeof(buffer));
    explicit_bzero(buffer, sizeof(buffer));
    return r;
}

int berth_tokens_create(struct berth_tokens *tokens, const struct berth_caller *by,
                        const struct berth_token *wanted, char ret_text[static BERTH_TOKEN_SIZE],
                        struct berth_error *err)
{
    char text[BERTH_TOKEN_SIZE];
    BERTH_CLEANUP(strbuf) struct berth_strbuf hex = BERTH_STRBUF_INIT(DIGEST_HEX + 1);
    struct berth_token_record record = {.token = *wanted};
    record.token.id = 0;
    record.token.created_ms = now_ms();
    int r = check_wanted(wanted, record.token.created_ms, err);
    if (r == 0)
        r = make_text(text, record.digest, &hex, err);
    if (r == 0)
        r = berth_token_table_add(tokens->table, &record, err);
    if (r < 0)
        return r;
    struct creation creation = {
        .by = by, .wanted = &record.token, .digest = berth_strbuf_str(&hex)};
    r = berth_store_write(tokens->store, create_job, &creation, err);
    if (r == 0) {
        berth_token_table_commit(tokens->table, record.digest, creation.id);
        memcpy(ret_text, text, sizeof(text));
    } else {
        berth_token_table_remove(tokens->table, record.digest);
    }
    explicit_bzero(text, sizeof(text));
    return r;
}

/* ---- Revoking ---- */

struct revocation {
    const struct berth_caller *by;
    int64_t id;
    unsigned char digest[BERTH_SHA256_BYTES]; /* out */
    char user[BERTH_USER_MAX + 1];            /* out; "" when there is no such token */
};

static int take_revoked(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct revocation *revocation = ctx;
    const char *digest = berth_row_text(row, 1);
    if (!copy_text(revocation->user, sizeof(revocation->user), berth_row_text(row, 0)) || !digest ||
        !parse_hex(digest, revocation->digest, sizeof(revocation->digest)))
        return berth_error_set(err, BERTH_E_INTERNAL, "the store holds a malformed token");
    return 0;
}

static int revoke_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct revocation *revocation = ctx;
    const struct berth_value id = berth_value_int(revocation->id);
    int r = berth_txn_run(txn, "DELETE FROM api_token WHERE id = $1 RETURNING user_name, digest",
                          &id, 1, take_revoked, revocation, NULL, err);
    if (r < 0)
        return r;
    if (!revocation->user[0])
        return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no token %" PRId64,
                               revocation->id);
    r = tell(txn, revocation->id, err);
    if (r < 0)
        return r;
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "token %" PRId64, revocation->id);
    const struct berth_audit_entry entry = {.by = revocation->by,
                                            .facility = "",
                                            .action = "token-revoke",
                                            .target = revocation->user,
                                            .detail = detail};
    return berth_audit_add(txn, &entry, err);
}

int berth_tokens_revoke(struct berth_tokens *tokens, const struct berth_caller *by, int64_t id,
                        struct berth_error *err)
{
    struct revocation revocation = {.by = by, .id = id};
    int r = berth_store_write(tokens->store, revoke_job, &revocation, err);
    if (r == 0)
        berth_token_table_remove(tokens->table, revocation.digest);
    return r;
}

int berth_tokens_remove_user(struct berth_txn *txn, const char *user, struct berth_error *err)
{
    const struct berth_value name = berth_value_text(user);
    return berth_txn_run(txn, "DELETE FROM api_token WHERE user_name = $1", &name, 1, NULL, NULL,
                         NULL, err);
}

void berth_tokens_forget_user(struct berth_tokens *tokens, const char *user)
{
    berth_token_table_remove_user(tokens->table, user);
}

/* ---- Asking ---- */

int berth_tokens_use(struct berth_tokens *tokens, const char *text, struct berth_token *ret_token,
                     struct berth_error *err)
{
    unsigned char digest[BERTH_SHA256_BYTES];
    bool is_noted = false;
    int r = berth_sha256(text, strlen(text), digest, err);
    if (r < 0)
        return r;
    if (!berth_token_table_use(tokens->table, digest, now_ms(), ret_token, &is_noted))
        return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no such token");
    if (is_noted)
        note_use(tokens);
    return 0;
}

bool berth_tokens_find(struct berth_tokens *tokens, int64_t id, struct berth_token *ret_token)
{
    return berth_token_table_find(tokens->table, id, ret_token);
}

uint64_t berth_tokens_version(struct berth_tokens *tokens)
{
    return berth_token_table_version(tokens->table);
}

struct listing {
    const char *user;
    struct berth_token *items;
    size_t count;
    size_t size;
};

static void take_listed(const struct berth_token *token, void *ctx)
{
    struct listing *listing = ctx;
    if (strcmp(token->user, listing->user) == 0 && listing->count < listing->size)
        listing->items[listing->count++] = *token;
}

static int by_id(const void *a, const void *b)
{
    const struct berth_token *left = a;
    const struct berth_token *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

int berth_tokens_list(struct berth_tokens *tokens, const char *user, struct berth_token **ret_list,
                      size_t *ret_count, struct berth_error *err)
{
    struct listing listing = {.user = user, .size = BERTH_TOKENS_PER_USER_MAX};
    listing.items = calloc(listing.size, sizeof(struct berth_token));
    if (!listing.items)
        return berth_error_nomem(err);
    berth_token_table_walk(tokens->table, take_listed, &listing);
    qsort(listing.items, listing.count, sizeof(struct berth_token), by_id);
    *ret_list = listing.items;
    *ret_count = listing.count;
    return 0;
}
