/* SPDX-License-Identifier: MIT */
#include "facilities/tokens.h"

#include "base/clock.h"
#include "facilities/identity.h"
#include "facilities/throttle.h"
#include "facilities/token_table.h"
#include "tests/unit/identity_fixture.h"
#include "tests/unit/unit.h"

#include <string.h>

#define HOUR_MS INT64_C(3600000)

/* root, a gateway administrator, and ana, a researcher in lab. */
static void fill_fixture(struct fixture *f)
{
    open_fixture(f);
    ck_assert_int_eq(berth_identity_add(f->identity, NULL, "root", "correct horse", true, NULL), 0);
    ck_assert_int_eq(berth_identity_add(f->identity, NULL, "ana", "battery staple", false, NULL),
                     0);
    ck_assert_int_eq(
        berth_identity_grant(f->identity, NULL, "ana", "lab", BERTH_ROLE_RESEARCHER, NULL), 0);
}

static int64_t now_ms(void)
{
    return berth_clock_wall_ns() / BERTH_NS_PER_MS;
}

static struct berth_token wanted(const char *user, const char *facility, enum berth_role role)
{
    struct berth_token token = {.role = role};
    (void)snprintf(token.user, sizeof(token.user), "%s", user);
    (void)snprintf(token.facility, sizeof(token.facility), "%s", facility);
    return token;
}

static int create_as(struct fixture *f, const struct berth_token *token, char *ret_text)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_tokens_create(berth_identity_tokens(f->identity), NULL, token, ret_text, &err);
    ck_assert_int_eq(err.status, r);
    return r;
}

static void create(struct fixture *f, const char *user, const char *facility, enum berth_role role,
                   char *ret_text)
{
    const struct berth_token token = wanted(user, facility, role);
    ck_assert_int_eq(create_as(f, &token, ret_text), 0);
}

static int verify(struct fixture *f, const char *text, const char *facility,
                  struct berth_caller *ret_caller)
{
    struct berth_error err = BERTH_ERROR_INIT;
    *ret_caller = (struct berth_caller){.address = "192.0.2.1"};
    int r = berth_identity_verify_token(f->identity, text, facility, ret_caller, &err);
    ck_assert_int_eq(err.status, r);
    return r;
}

static bool opens(struct fixture *f, const char *text)
{
    struct berth_caller caller;
    return verify(f, text, "lab", &caller) == 0;
}

static size_t list(struct fixture *f, const char *user, struct berth_token *ret_first)
{
    BERTH_CLEANUP(free) struct berth_token *tokens = NULL;
    size_t count = 0;
    ck_assert_int_eq(
        berth_tokens_list(berth_identity_tokens(f->identity), user, &tokens, &count, NULL), 0);
    for (size_t i = 1; i < count; i++)
        ck_assert_int_lt(tokens[i - 1].id, tokens[i].id);
    if (count > 0)
        *ret_first = tokens[0];
    return count;
}

/* ---- Tests ---- */

START_TEST(a_token_stands_for_its_user)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char text[BERTH_TOKEN_SIZE];
    char other[BERTH_TOKEN_SIZE];
    struct berth_caller caller;
    fill_fixture(&f);
    create(&f, "ana", "", BERTH_ROLE_NONE, text);
    create(&f, "ana", "", BERTH_ROLE_NONE, other);
    ck_assert_uint_eq(strlen(text), BERTH_TOKEN_SIZE - 1);
    ck_assert_int_eq(strncmp(text, "berth_", 6), 0);
    ck_assert_str_ne(text, other);

    ck_assert_int_eq(verify(&f, text, "lab", &caller), 0);
    ck_assert_str_eq(caller.user, "ana");
    ck_assert_int_eq(caller.role, BERTH_ROLE_RESEARCHER);
    ck_assert_int_ne(caller.token_id, 0);
    ck_assert(!caller.gateway_admin);
    ck_assert_int_eq(verify(&f, text, "elsewhere", &caller), 0);
    ck_assert_int_eq(caller.role, BERTH_ROLE_NONE);

    text[BERTH_TOKEN_SIZE - 2] = text[BERTH_TOKEN_SIZE - 2] == 'A' ? 'B' : 'A';
    ck_assert_int_eq(verify(&f, text, "lab", &caller), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(verify(&f, "", "lab", &caller), BERTH_E_UNAUTHORISED);
    ck_assert_str_eq(caller.user, "");
}
END_TEST

START_TEST(a_scope_takes_away_and_never_gives)
{
    static const struct {
        const char *name, *user, *facility;
        enum berth_role role;
        const char *asked;
        enum berth_role expected;
    } rows[] = {
        {"less than the user", "ana", "lab", BERTH_ROLE_VIEWER, "lab", BERTH_ROLE_VIEWER},
        {"as much", "ana", "lab", BERTH_ROLE_RESEARCHER, "lab", BERTH_ROLE_RESEARCHER},
        {"another facility", "root", "lab", BERTH_ROLE_ADMIN, "elsewhere", BERTH_ROLE_NONE},
        {"the gateway itself", "root", "lab", BERTH_ROLE_ADMIN, "", BERTH_ROLE_NONE},
        {"an administrator's", "root", "lab", BERTH_ROLE_OPERATOR, "lab", BERTH_ROLE_OPERATOR},
    };
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char text[BERTH_TOKEN_SIZE];
    struct berth_caller caller;
    fill_fixture(&f);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        create(&f, rows[i].user, rows[i].facility, rows[i].role, text);
        ck_assert_int_eq(verify(&f, text, rows[i].asked, &caller), 0);
        ck_assert_msg(caller.role == rows[i].expected, "%s", rows[i].name);
        ck_assert_msg(!caller.gateway_admin, "%s", rows[i].name);
    }
    create(&f, "root", "", BERTH_ROLE_NONE, text);
    ck_assert_int_eq(verify(&f, text, "", &caller), 0);
    ck_assert(caller.gateway_admin);

    /* The user's role at the time of the request is the bound. */
    create(&f, "ana", "lab", BERTH_ROLE_RESEARCHER, text);
    ck_assert_int_eq(berth_identity_grant(f.identity, NULL, "ana", "lab", BERTH_ROLE_VIEWER, NULL),
                     0);
    ck_assert_int_eq(verify(&f, text, "lab", &caller), 0);
    ck_assert_int_eq(caller.role, BERTH_ROLE_VIEWER);
}
END_TEST

START_TEST(what_cannot_be_created)
{
    static const struct {
        const char *name, *user, *facility, *label;
        enum berth_role role;
        int64_t expires_in_ms;
        int expected;
    } rows[] = {
        {"unknown user", "nobody", "", "", BERTH_ROLE_NONE, 0, BERTH_E_NOT_FOUND},
        {"more than the user", "ana", "lab", "", BERTH_ROLE_OPERATOR, 0, BERTH_E_FORBIDDEN},
        {"no role there", "ana", "elsewhere", "", BERTH_ROLE_VIEWER, 0, BERTH_E_FORBIDDEN},
        {"expired", "ana", "", "", BERTH_ROLE_NONE, -1, BERTH_E_INVALID},
        {"control character", "ana", "", "a\tb", BERTH_ROLE_NONE, 0, BERTH_E_INVALID},
        {"not UTF-8", "ana", "", "\xff", BERTH_ROLE_NONE, 0, BERTH_E_INVALID},
    };
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char text[BERTH_TOKEN_SIZE] = "untouched";
    struct berth_token first;
    fill_fixture(&f);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_token token = wanted(rows[i].user, rows[i].facility, rows[i].role);
        (void)snprintf(token.label, sizeof(token.label), "%s", rows[i].label);
        token.expires_ms = rows[i].expires_in_ms ? now_ms() + rows[i].expires_in_ms : 0;
        ck_assert_msg(create_as(&f, &token, text) == rows[i].expected, "%s", rows[i].name);
    }
    ck_assert_str_eq(text, "untouched");
    ck_assert_uint_eq(list(&f, "ana", &first), 0);

    for (int i = 0; i < BERTH_TOKENS_PER_USER_MAX; i++)
        create(&f, "ana", "", BERTH_ROLE_NONE, text);
    const struct berth_token more = wanted("ana", "", BERTH_ROLE_NONE);
    ck_assert_int_eq(create_as(&f, &more, text), BERTH_E_QUOTA);
    create(&f, "root", "", BERTH_ROLE_NONE, text);
    ck_assert_uint_eq(list(&f, "ana", &first), BERTH_TOKENS_PER_USER_MAX);
}
END_TEST

START_TEST(revocation_and_removal_count_at_once)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char kept[BERTH_TOKEN_SIZE];
    char revoked[BERTH_TOKEN_SIZE];
    char owned[BERTH_TOKEN_SIZE];
    struct berth_caller caller;
    fill_fixture(&f);
    create(&f, "root", "", BERTH_ROLE_NONE, kept);
    create(&f, "ana", "", BERTH_ROLE_NONE, revoked);
    create(&f, "ana", "", BERTH_ROLE_NONE, owned);
    ck_assert_int_eq(verify(&f, revoked, "lab", &caller), 0);
    struct berth_tokens *tokens = berth_identity_tokens(f.identity);
    ck_assert_int_eq(berth_tokens_revoke(tokens, NULL, caller.token_id, NULL), 0);
    ck_assert(!opens(&f, revoked));
    ck_assert(opens(&f, owned));
    ck_assert_int_eq(berth_tokens_revoke(tokens, NULL, caller.token_id, NULL), BERTH_E_NOT_FOUND);

    ck_assert_int_eq(berth_identity_remove(f.identity, NULL, "ana", NULL), 0);
    ck_assert(!opens(&f, owned));
    ck_assert(opens(&f, kept));

    /* Neither a restart nor one who gets the name again brings them back. */
    reopen_fixture(&f);
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "ana", "battery staple", NULL), 0);
    ck_assert(!opens(&f, revoked));
    ck_assert(!opens(&f, owned));
    ck_assert(opens(&f, kept));
}
END_TEST

START_TEST(all_that_is_said_of_a_token_survives_a_restart)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char text[BERTH_TOKEN_SIZE];
    struct berth_token token = wanted("ana", "lab", BERTH_ROLE_VIEWER);
    struct berth_token unused;
    struct berth_token used;
    struct berth_token again;
    fill_fixture(&f);
    int64_t before_ms = now_ms();
    token.expires_ms = before_ms + HOUR_MS;
    (void)snprintf(token.label, sizeof(token.label), "nightly café");
    ck_assert_int_eq(create_as(&f, &token, text), 0);
    ck_assert_uint_eq(list(&f, "ana", &unused), 1);
    ck_assert_int_eq(unused.used_ms, 0);
    ck_assert_int_ge(unused.created_ms, before_ms);

    ck_assert(opens(&f, text));
    ck_assert_uint_eq(list(&f, "ana", &used), 1);
    ck_assert_int_ge(used.used_ms, before_ms);
    reopen_fixture(&f);
    ck_assert_uint_eq(list(&f, "ana", &again), 1);
    ck_assert_int_eq(again.id, used.id);
    ck_assert_str_eq(again.user, "ana");
    ck_assert_str_eq(again.label, "nightly café");
    ck_assert_str_eq(again.facility, "lab");
    ck_assert_int_eq(again.role, BERTH_ROLE_VIEWER);
    ck_assert_int_eq(again.created_ms, used.created_ms);
    ck_assert_int_eq(again.expires_ms, token.expires_ms);
    ck_assert_int_eq(again.used_ms, used.used_ms);
    ck_assert(opens(&f, text));
}
END_TEST

START_TEST(wrong_tokens_are_throttled_and_right_ones_are_not)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char text[BERTH_TOKEN_SIZE];
    struct berth_caller caller;
    fill_fixture(&f);
    create(&f, "ana", "", BERTH_ROLE_NONE, text);
    for (int i = 0; i < BERTH_THROTTLE_USER_FAILURES; i++)
        ck_assert_int_eq(verify(&f, "berth_wrong", "lab", &caller), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(verify(&f, "berth_other", "lab", &caller), BERTH_E_THROTTLED);
    ck_assert(opens(&f, text));
}
END_TEST

START_TEST(the_table_knows_expiry_and_the_minute_of_a_use)
{
    BERTH_CLEANUP(token_table) struct berth_token_table *table = NULL;
    ck_assert_int_eq(berth_token_table_new(&table, NULL), 0);
    struct berth_token_record record = {.token = wanted("ana", "", BERTH_ROLE_NONE)};
    struct berth_token found;
    struct berth_token_use uses[2];
    bool is_noted = false;
    record.token.expires_ms = 1000000;
    memset(record.digest, 7, sizeof(record.digest));
    ck_assert_int_eq(berth_token_table_add(table, &record, NULL), 0);
    ck_assert(!berth_token_table_use(table, record.digest, 100000, &found, &is_noted));
    berth_token_table_commit(table, record.digest, 5);

    ck_assert(berth_token_table_use(table, record.digest, 100000, &found, &is_noted));
    ck_assert(is_noted);
    ck_assert_int_eq(found.id, 5);
    ck_assert(berth_token_table_use(table, record.digest, 159999, &found, &is_noted));
    ck_assert(!is_noted);
    ck_assert_uint_eq(berth_token_table_take_uses(table, uses, 2), 1);
    ck_assert_int_eq(uses[0].id, 5);
    ck_assert_int_eq(uses[0].used_ms, 100000);
    ck_assert_uint_eq(berth_token_table_take_uses(table, uses, 2), 0);
    ck_assert(berth_token_table_use(table, record.digest, 160000, &found, &is_noted));
    ck_assert(is_noted);
    ck_assert(berth_token_table_use(table, record.digest, 999999, &found, &is_noted));
    ck_assert(!berth_token_table_use(table, record.digest, 1000000, &found, &is_noted));

    /* One that was removed before its commit stays away. */
    berth_token_table_remove_user(table, "ana");
    berth_token_table_commit(table, record.digest, 5);
    ck_assert_uint_eq(berth_token_table_count(table), 0);
    ck_assert(!berth_token_table_use(table, record.digest, 100000, &found, &is_noted));
}
END_TEST

START_TEST(out_of_memory_makes_no_token)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char text[BERTH_TOKEN_SIZE];
    struct berth_token first;
    fill_fixture(&f);
    const struct berth_token token = wanted("ana", "", BERTH_ROLE_NONE);
    struct berth_tokens *tokens = berth_identity_tokens(f.identity);
    for (size_t n = 0;; n++) {
        unit_alloc_fail_after(n);
        int r = berth_tokens_create(tokens, NULL, &token, text, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            break;
        }
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert_uint_eq(list(&f, "ana", &first), 0);
    }
    ck_assert(opens(&f, text));
}
END_TEST

/* ---- Callers that stay ---- */

static int confirm(struct fixture *f, struct berth_caller *caller, const char *reason)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_identity_confirm(f->identity, "lab", caller, &err);
    ck_assert_str_eq(err.message, reason);
    return r;
}

/* ana with her password. */
static struct berth_caller log_in(struct fixture *f)
{
    struct berth_caller caller = {.user = "ana"};
    caller.standing = berth_identity_standing(f->identity, "ana");
    caller.role = berth_identity_role(f->identity, "ana", "lab", &caller.gateway_admin);
    return caller;
}

START_TEST(who_stays_is_confirmed_until_it_may_no_more)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    fill_fixture(&f);
    char text[BERTH_TOKEN_SIZE];
    create(&f, "ana", "", BERTH_ROLE_NONE, text);
    struct berth_caller by_token;
    ck_assert_int_eq(verify(&f, text, "lab", &by_token), 0);
    struct berth_caller by_password = log_in(&f);
    ck_assert_int_eq(confirm(&f, &by_token, ""), 0);
    ck_assert_int_eq(confirm(&f, &by_password, ""), 0);

    /* What others do, and what is done to ana elsewhere. */
    ck_assert_int_eq(berth_identity_add(f.identity, NULL, "bob", "correct horse", false, NULL), 0);
    ck_assert_int_eq(berth_identity_grant(f.identity, NULL, "ana", "other", BERTH_ROLE_ADMIN, NULL),
                     0);
    ck_assert_int_eq(confirm(&f, &by_token, ""), 0);
    ck_assert_int_eq(confirm(&f, &by_password, ""), 0);

    ck_assert_int_eq(berth_identity_set_password(f.identity, NULL, "ana", "battery horse", NULL),
                     0);
    ck_assert_int_eq(confirm(&f, &by_password, "the user was removed or has another password"),
                     BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(confirm(&f, &by_token, ""), 0);

    by_password = log_in(&f);
    ck_assert_int_eq(
        berth_identity_grant(f.identity, NULL, "ana", "lab", BERTH_ROLE_OPERATOR, NULL), 0);
    ck_assert_int_eq(confirm(&f, &by_password, "the role was changed"), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(confirm(&f, &by_token, "the role was changed"), BERTH_E_UNAUTHORISED);

    ck_assert_int_eq(verify(&f, text, "lab", &by_token), 0);
    ck_assert_int_eq(
        berth_tokens_revoke(berth_identity_tokens(f.identity), NULL, by_token.token_id, NULL), 0);
    ck_assert_int_eq(confirm(&f, &by_token, "the token was revoked"), BERTH_E_UNAUTHORISED);
    by_password = log_in(&f);
    ck_assert_int_eq(berth_identity_remove(f.identity, NULL, "ana", NULL), 0);
    ck_assert_int_eq(confirm(&f, &by_password, "the user was removed or has another password"),
                     BERTH_E_UNAUTHORISED);
}
END_TEST

START_TEST(who_stays_goes_when_its_token_expires)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    fill_fixture(&f);
    char text[BERTH_TOKEN_SIZE];
    create(&f, "ana", "", BERTH_ROLE_NONE, text);
    struct berth_caller caller;
    ck_assert_int_eq(verify(&f, text, "lab", &caller), 0);
    caller.standing.expires_ms = now_ms() + HOUR_MS;
    ck_assert_int_eq(confirm(&f, &caller, ""), 0);
    caller.standing.expires_ms = now_ms();
    ck_assert_int_eq(confirm(&f, &caller, "the token has expired"), BERTH_E_UNAUTHORISED);
}
END_TEST

UNIT_SUITE("tokens", who_stays_is_confirmed_until_it_may_no_more,
           who_stays_goes_when_its_token_expires, a_token_stands_for_its_user,
           a_scope_takes_away_and_never_gives, what_cannot_be_created,
           revocation_and_removal_count_at_once, all_that_is_said_of_a_token_survives_a_restart,
           wrong_tokens_are_throttled_and_right_ones_are_not,
           the_table_knows_expiry_and_the_minute_of_a_use, out_of_memory_makes_no_token)
