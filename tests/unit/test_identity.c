/* SPDX-License-Identifier: MIT */
/* crypt_ra() is linked to the one here (--wrap): it counts hashes and can hold one up. */
#include "facilities/identity.h"

#include "base/thread.h"
#include "tests/unit/identity_fixture.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <string.h>

#define LAPTOP  "192.0.2.1"
#define DESKTOP "192.0.2.2"

/* ---- Hashes counted and held up ---- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    unsigned hashes; /* begun */
    unsigned inside; /* begun and not ended */
    bool overlapped;
    bool held; /* while set, a hash does not end */
} crypt_gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

char *__real_crypt_ra(const char *phrase, const char *setting, void **data, int *size);
char *__wrap_crypt_ra(const char *phrase, const char *setting, void **data, int *size);

char *__wrap_crypt_ra(const char *phrase, const char *setting, void **data, int *size)
{
    {
        BERTH_LOCK_SCOPE(lock, &crypt_gate.mutex);
        crypt_gate.hashes++;
        if (++crypt_gate.inside > 1)
            crypt_gate.overlapped = true;
        (void)pthread_cond_broadcast(&crypt_gate.cond);
    }
    char *made = __real_crypt_ra(phrase, setting, data, size);
    BERTH_LOCK_SCOPE(lock, &crypt_gate.mutex);
    while (crypt_gate.held)
        (void)pthread_cond_wait(&crypt_gate.cond, &crypt_gate.mutex);
    crypt_gate.inside--;
    return made;
}

static unsigned hashes(void)
{
    BERTH_LOCK_SCOPE(lock, &crypt_gate.mutex);
    return crypt_gate.hashes;
}

static void hold_hashes(bool held)
{
    BERTH_LOCK_SCOPE(lock, &crypt_gate.mutex);
    crypt_gate.held = held;
    (void)pthread_cond_broadcast(&crypt_gate.cond);
}

static void wait_for_hash(unsigned count)
{
    BERTH_LOCK_SCOPE(lock, &crypt_gate.mutex);
    while (crypt_gate.hashes < count)
        (void)pthread_cond_wait(&crypt_gate.cond, &crypt_gate.mutex);
}

/* ---- A store with its users ---- */

static const struct berth_caller root = {
    .user = "root", .gateway_admin = true, .address = LAPTOP, .request_id = "r-1"};

static int verify(struct fixture *f, const char *user, const char *password, const char *address)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_identity_verify(f->identity, user, password, strlen(password), address, &err);
    ck_assert_int_eq(err.status, r);
    if (r == BERTH_E_UNAUTHORISED)
        ck_assert_str_eq(err.message, "wrong user or password");
    if (r == BERTH_E_THROTTLED)
        ck_assert_uint_gt(err.retry_after_s, 0);
    return r;
}

static enum berth_role role_of(struct fixture *f, const char *user, const char *facility)
{
    bool gateway_admin = true;
    enum berth_role role = berth_identity_role(f->identity, user, facility, &gateway_admin);
    ck_assert(!gateway_admin || role == BERTH_ROLE_ADMIN);
    return role;
}

static bool is_gateway_admin(struct fixture *f, const char *user)
{
    bool gateway_admin = false;
    (void)berth_identity_role(f->identity, user, "lab", &gateway_admin);
    return gateway_admin;
}

static void add(struct fixture *f, const char *user, const char *password, bool gateway_admin)
{
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_identity_add(f->identity, &root, user, password, gateway_admin, &err) == 0,
                  "%s", err.message);
}

static int grant(struct fixture *f, const char *user, const char *facility, enum berth_role role)
{
    return berth_identity_grant(f->identity, &root, user, facility, role, NULL);
}

/* ---- Users and roles ---- */

START_TEST(users_come_and_stay)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    ck_assert(berth_identity_is_empty(f.identity));
    add(&f, "ana", "correct horse", false);
    ck_assert(!berth_identity_is_empty(f.identity));
    add(&f, "root", "battery staple", true);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
    ck_assert_int_eq(verify(&f, "ana", "battery staple", LAPTOP), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(verify(&f, "nobody", "correct horse", LAPTOP), BERTH_E_UNAUTHORISED);
    reopen_fixture(&f);
    ck_assert(!berth_identity_is_empty(f.identity));
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
    ck_assert(!is_gateway_admin(&f, "ana"));
    ck_assert(is_gateway_admin(&f, "root"));
}
END_TEST

START_TEST(users_are_refused)
{
    static const struct {
        const char *user;
        const char *password;
        int result;
        const char *message;
    } rows[] = {
        {"ana--b", "correct horse", BERTH_E_INVALID, "parameter user must not contain --"},
        {"", "correct horse", BERTH_E_INVALID, "parameter user"},
        {"ben", "short", BERTH_E_INVALID, "password"},
        {"ana", "correct horse", BERTH_E_EXISTS, "user ana exists already"},
        {"gone", "correct horse", BERTH_E_EXISTS, "removed"},
    };
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "another horse", false);
    add(&f, "gone", "another horse", false);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "gone", NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(
            berth_identity_add(f.identity, &root, rows[i].user, rows[i].password, false, &err),
            rows[i].result);
        ck_assert_msg(strstr(err.message, rows[i].message), "%s: %s", rows[i].user, err.message);
    }
    ck_assert_int_eq(verify(&f, "ana", "another horse", LAPTOP), 0);
}
END_TEST

START_TEST(who_is_not_there_cannot_be_changed)
{
    static const char *const names[] = {"nobody", "gone"};
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "gone", "another horse", false);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "gone", NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        ck_assert_int_eq(
            berth_identity_set_password(f.identity, &root, names[i], "correct horse", NULL),
            BERTH_E_NOT_FOUND);
        ck_assert_int_eq(berth_identity_remove(f.identity, &root, names[i], NULL),
                         BERTH_E_NOT_FOUND);
        ck_assert_int_eq(grant(&f, names[i], "lab", BERTH_ROLE_VIEWER), BERTH_E_NOT_FOUND);
        ck_assert_int_eq(verify(&f, names[i], "another horse", LAPTOP), BERTH_E_UNAUTHORISED);
    }
}
END_TEST

START_TEST(roles_hold_at_once_and_stay)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    add(&f, "root", "battery staple", true);
    ck_assert_int_eq(role_of(&f, "ana", "lab"), BERTH_ROLE_NONE);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_RESEARCHER), 0);
    ck_assert_int_eq(grant(&f, "ana", "attic", BERTH_ROLE_VIEWER), 0);
    ck_assert_int_eq(grant(&f, "ana", "zoo", BERTH_ROLE_OPERATOR), 0);
    ck_assert_int_eq(role_of(&f, "ana", "lab"), BERTH_ROLE_RESEARCHER);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_ADMIN), 0);
    ck_assert_int_eq(grant(&f, "ana", "zoo", BERTH_ROLE_NONE), 0);
    ck_assert_int_eq(grant(&f, "ana", "zoo", BERTH_ROLE_NONE), BERTH_E_NOT_FOUND);
    ck_assert_int_eq(grant(&f, "ana", "Lab", BERTH_ROLE_VIEWER), BERTH_E_INVALID);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(role_of(&f, "ana", "lab"), BERTH_ROLE_ADMIN);
        ck_assert_int_eq(role_of(&f, "ana", "attic"), BERTH_ROLE_VIEWER);
        ck_assert_int_eq(role_of(&f, "ana", "zoo"), BERTH_ROLE_NONE);
        ck_assert_int_eq(role_of(&f, "ana", "la"), BERTH_ROLE_NONE);
        ck_assert_int_eq(role_of(&f, "an", "lab"), BERTH_ROLE_NONE);
        ck_assert_int_eq(role_of(&f, "root", "anywhere"), BERTH_ROLE_ADMIN);
        reopen_fixture(&f);
    }
}
END_TEST

START_TEST(removing_takes_all_at_once)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", true);
    add(&f, "root", "battery staple", true);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_ADMIN), 0);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), BERTH_E_UNAUTHORISED);
        ck_assert_int_eq(role_of(&f, "ana", "lab"), BERTH_ROLE_NONE);
        ck_assert(!is_gateway_admin(&f, "ana"));
        reopen_fixture(&f);
    }
}
END_TEST

START_TEST(the_last_administrator_stays)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    open_fixture(&f);
    add(&f, "root", "battery staple", true);
    add(&f, "ana", "correct horse", false);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "root", &err), BERTH_E_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "last gateway administrator"));
    ck_assert(is_gateway_admin(&f, "root"));
    add(&f, "second", "correct horse", true);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "root", NULL), 0);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "second", NULL), BERTH_E_CONFLICT);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
}
END_TEST

START_TEST(only_tombstones_are_nobody)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
    ck_assert(berth_identity_is_empty(f.identity));
    reopen_fixture(&f);
    ck_assert(berth_identity_is_empty(f.identity));
}
END_TEST

START_TEST(the_environment_names_an_administrator)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "boss", "short", NULL),
                     BERTH_E_INVALID);
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "-", "correct horse", NULL),
                     BERTH_E_INVALID);
    ck_assert(berth_identity_is_empty(f.identity));
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "boss", "correct horse", NULL), 0);
    ck_assert(is_gateway_admin(&f, "boss"));
    ck_assert_int_eq(verify(&f, "boss", "correct horse", LAPTOP), 0);

    /* The same again changes nothing: one hash, to see that it is the same. */
    unsigned before = hashes();
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "boss", "correct horse", NULL), 0);
    ck_assert_uint_eq(hashes(), before + 1);
    ck_assert_int_eq(verify(&f, "boss", "correct horse", LAPTOP), 0);
    ck_assert_uint_eq(hashes(), before + 1); /* the pair is still remembered */

    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "boss", "another horse", NULL), 0);
    ck_assert_int_eq(verify(&f, "boss", "correct horse", LAPTOP), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(verify(&f, "boss", "another horse", LAPTOP), 0);

    add(&f, "ana", "battery staple", false);
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "ana", "battery staple", NULL), 0);
    ck_assert(is_gateway_admin(&f, "ana"));
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "ana", "battery staple", NULL), 0);
    reopen_fixture(&f);
    ck_assert(is_gateway_admin(&f, "ana"));
    ck_assert_int_eq(verify(&f, "ana", "battery staple", LAPTOP), 0);
}
END_TEST

struct walk {
    size_t count;
    char text[256];
};

static void visit(const struct berth_user *user, void *ctx)
{
    struct walk *walk = ctx;
    size_t len = strlen(walk->text);
    ck_assert_int_gt(user->created_ms, 0);
    (void)snprintf(walk->text + len, sizeof(walk->text) - len, "%s%s", user->name,
                   user->gateway_admin ? "*" : "");
    for (size_t i = 0; i < user->grant_count; i++) {
        len = strlen(walk->text);
        (void)snprintf(walk->text + len, sizeof(walk->text) - len, " %s=%s",
                       user->grants[i].facility, berth_role_name(user->grants[i].role));
    }
    len = strlen(walk->text);
    (void)snprintf(walk->text + len, sizeof(walk->text) - len, "\n");
    walk->count++;
}

START_TEST(users_are_listed)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "zoe", "correct horse", false);
    add(&f, "root", "correct horse", true);
    add(&f, "gone", "correct horse", false);
    add(&f, "Ana", "correct horse", false);
    ck_assert_int_eq(grant(&f, "zoe", "lab", BERTH_ROLE_VIEWER), 0);
    ck_assert_int_eq(grant(&f, "zoe", "attic", BERTH_ROLE_OPERATOR), 0);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "gone", NULL), 0);
    for (int i = 0; i < 2; i++) {
        struct walk walk = {0};
        berth_identity_walk(f.identity, visit, &walk);
        ck_assert_str_eq(walk.text, "Ana\nroot*\nzoe attic=operator lab=viewer\n");
        reopen_fixture(&f);
    }
}
END_TEST

/* ---- Audit ---- */

static int check_audit(const struct berth_row *row, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    struct walk *walk = ctx;
    size_t len = strlen(walk->text);
    const char *caller = berth_row_text(row, 0);
    const char *detail = berth_row_text(row, 4);
    (void)snprintf(walk->text + len, sizeof(walk->text) - len, "%s %s %s/%s %s\n",
                   caller ? caller : "-", berth_row_text(row, 1), berth_row_text(row, 2),
                   berth_row_text(row, 3), detail ? detail : "-");
    return 0;
}

static int audit_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn,
                         "SELECT caller, action, facility, target, detail FROM audit ORDER BY id",
                         NULL, 0, check_audit, ctx, NULL, err);
}

START_TEST(changes_are_audited)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    struct walk walk = {0};
    open_fixture(&f);
    ck_assert_int_eq(berth_identity_ensure_admin(f.identity, "boss", "correct horse", NULL), 0);
    add(&f, "ana", "correct horse", true);
    ck_assert_int_eq(berth_identity_set_password(f.identity, &root, "ana", "another horse", NULL),
                     0);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_VIEWER), 0);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_NONE), 0);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_NONE), BERTH_E_NOT_FOUND);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
    ck_assert_int_eq(berth_store_read(f.store, audit_job, &walk, NULL), 0);
    ck_assert_str_eq(walk.text, "- user-ensure /boss gateway-admin\n"
                                "root user-add /ana gateway-admin\n"
                                "root user-passwd /ana -\n"
                                "root user-grant lab/ana viewer\n"
                                "root user-revoke lab/ana -\n"
                                "root user-remove /ana -\n");
}
END_TEST

/* ---- Passwords ---- */

START_TEST(a_right_pair_is_hashed_once)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    unsigned before = hashes();
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(verify(&f, "ana", "correct horse", i % 2 ? LAPTOP : DESKTOP), 0);
    ck_assert_uint_eq(hashes(), before + 1);
    /* A role does not concern the password. */
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_VIEWER), 0);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
    ck_assert_uint_eq(hashes(), before + 1);
}
END_TEST

START_TEST(a_new_password_counts_at_once)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
    ck_assert_int_eq(berth_identity_set_password(f.identity, &root, "ana", "short", NULL),
                     BERTH_E_INVALID);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
    ck_assert_int_eq(berth_identity_set_password(f.identity, &root, "ana", "another horse", NULL),
                     0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), BERTH_E_UNAUTHORISED);
        ck_assert_int_eq(verify(&f, "ana", "another horse", LAPTOP), 0);
        reopen_fixture(&f);
    }
}
END_TEST

START_TEST(odd_passwords_do_not_pass)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char longest[BERTH_PASSWORD_MAX + 2];
    memset(longest, 'p', sizeof(longest));
    longest[BERTH_PASSWORD_MAX] = '\0';
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    add(&f, "max", longest, false);
    static const char with_nul[] = "correct horse\0";
    longest[BERTH_PASSWORD_MAX] = 'p';
    const struct {
        const char *user;
        const char *password;
        size_t len;
        int result;
    } rows[] = {
        {"ana", "", 0, BERTH_E_UNAUTHORISED},
        {"ana", with_nul, sizeof(with_nul) - 1, BERTH_E_UNAUTHORISED},
        {"ana", with_nul, sizeof(with_nul) - 2, 0},
        {"ana", with_nul, sizeof(with_nul) - 3, BERTH_E_UNAUTHORISED},
        {"max", longest, BERTH_PASSWORD_MAX + 1, BERTH_E_UNAUTHORISED},
        {"max", longest, BERTH_PASSWORD_MAX, 0},
        {"max", longest, BERTH_PASSWORD_MAX - 1, BERTH_E_UNAUTHORISED},
        {"", "correct horse", 13, BERTH_E_UNAUTHORISED},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_identity_verify(f.identity, rows[i].user, rows[i].password, rows[i].len,
                                            LAPTOP, NULL) == rows[i].result,
                      "row %zu", i);
}
END_TEST

START_TEST(unknown_users_cost_a_hash_too)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char too_long[500];
    memset(too_long, 'u', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    add(&f, "gone", "correct horse", false);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "gone", NULL), 0);
    const char *const names[] = {"ana", "nobody", "gone", "", too_long};
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        unsigned before = hashes();
        ck_assert_int_eq(verify(&f, names[i], "wrong password", LAPTOP), BERTH_E_UNAUTHORISED);
        ck_assert_uint_eq(hashes(), before + 1);
    }
}
END_TEST

START_TEST(failures_are_throttled_before_they_cost)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    add(&f, "ben", "battery staple", false);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(verify(&f, "ana", "wrong password", LAPTOP), BERTH_E_UNAUTHORISED);
    unsigned before = hashes();
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(verify(&f, "ana", i ? "wrong password" : "correct horse", LAPTOP),
                         BERTH_E_THROTTLED);
    ck_assert_uint_eq(hashes(), before);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", DESKTOP), 0);
    ck_assert_int_eq(verify(&f, "ben", "battery staple", LAPTOP), 0);
    /* Known to be right now, wherever it comes from. */
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
}
END_TEST

/* ---- Many at once ---- */

struct login_thread {
    pthread_t thread;
    struct fixture *f;
    const char *user;
    const char *password;
    const char *address;
    int result;
    _Atomic pid_t tid;
};

static void *login_main(void *arg)
{
    struct login_thread *login = arg;
    login->tid = gettid();
    login->result = verify(login->f, login->user, login->password, login->address);
    return NULL;
}

/* Ana's. */
static struct login_thread *login_of(struct login_thread *login, struct fixture *f,
                                     const char *password, const char *address)
{
    *login = (struct login_thread){
        .f = f, .user = "ana", .password = password, .address = address, .result = -1};
    return login;
}

static void start_login(struct login_thread *login)
{
    ck_assert_int_eq(berth_thread_start(&login->thread, "login", login_main, login, NULL), 0);
}

static int end_login(const struct login_thread *login)
{
    (void)pthread_join(login->thread, NULL);
    return login->result;
}

START_TEST(a_crowd_shares_one_hash)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    struct login_thread logins[40];
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    unsigned before = hashes();
    for (size_t i = 0; i < UNIT_COUNT(logins); i++) {
        start_login(login_of(&logins[i], &f, "correct horse", i % 2 ? LAPTOP : DESKTOP));
    }
    for (size_t i = 0; i < UNIT_COUNT(logins); i++)
        ck_assert_int_eq(end_login(&logins[i]), 0);
    ck_assert_uint_eq(hashes(), before + 1);
}
END_TEST

START_TEST(guesses_at_once_are_throttled_and_hashed_in_turn)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    struct login_thread logins[30];
    char passwords[UNIT_COUNT(logins)][16];
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    unsigned before = hashes();
    for (size_t i = 0; i < UNIT_COUNT(logins); i++) {
        (void)snprintf(passwords[i], sizeof(passwords[i]), "guess-%zu", i);
        start_login(login_of(&logins[i], &f, passwords[i], LAPTOP));
    }
    unsigned refused = 0;
    unsigned throttled = 0;
    for (size_t i = 0; i < UNIT_COUNT(logins); i++) {
        int r = end_login(&logins[i]);
        refused += r == BERTH_E_UNAUTHORISED;
        throttled += r == BERTH_E_THROTTLED;
    }
    ck_assert_uint_eq(refused, 10);
    ck_assert_uint_eq(throttled, 20);
    ck_assert_uint_eq(hashes(), before + 10);
    ck_assert(!crypt_gate.overlapped);
}
END_TEST

START_TEST(one_guess_shared_by_a_crowd_counts_for_each)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    struct login_thread logins[10];
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    unsigned before = hashes();
    hold_hashes(true);
    for (size_t i = 0; i < UNIT_COUNT(logins); i++) {
        start_login(login_of(&logins[i], &f, "wrong password", LAPTOP));
        unit_wait_asleep(&logins[i].tid);
    }
    hold_hashes(false);
    for (size_t i = 0; i < UNIT_COUNT(logins); i++)
        ck_assert_int_eq(end_login(&logins[i]), BERTH_E_UNAUTHORISED);
    ck_assert_uint_eq(hashes(), before + 1);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), BERTH_E_THROTTLED);
}
END_TEST

START_TEST(removal_beats_a_login_under_way)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    struct login_thread login;
    hold_hashes(true);
    unsigned before = hashes();
    start_login(login_of(&login, &f, "correct horse", LAPTOP));
    wait_for_hash(before + 1);
    ck_assert_int_eq(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
    hold_hashes(false);
    ck_assert_int_eq(end_login(&login), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), BERTH_E_UNAUTHORISED);
}
END_TEST

struct changes {
    struct fixture *f;
    atomic_bool stop;
    atomic_int wrong;
};

/* What is asked meanwhile is one state or the other. */
static void *ask_main(void *arg)
{
    struct changes *changes = arg;
    while (!atomic_load(&changes->stop)) {
        enum berth_role role = role_of(changes->f, "ana", "lab");
        if (role != BERTH_ROLE_VIEWER && role != BERTH_ROLE_OPERATOR)
            atomic_fetch_add(&changes->wrong, 1);
        if (verify(changes->f, "ana", "correct horse", LAPTOP) < 0)
            atomic_fetch_add(&changes->wrong, 1);
        struct walk walk = {0};
        berth_identity_walk(changes->f->identity, visit, &walk);
    }
    return NULL;
}

/* Each sees its own change, since nobody else changes that facility. */
static void *change_main(void *arg)
{
    struct changes *changes = arg;
    static atomic_int number;
    char facility[16];
    (void)snprintf(facility, sizeof(facility), "f%d", atomic_fetch_add(&number, 1));
    for (int i = 0; i < 30; i++) {
        enum berth_role role = i % 2 ? BERTH_ROLE_VIEWER : BERTH_ROLE_OPERATOR;
        if (grant(changes->f, "ana", facility, role) < 0 ||
            role_of(changes->f, "ana", facility) != role)
            atomic_fetch_add(&changes->wrong, 1);
    }
    return NULL;
}

START_TEST(changes_and_questions_do_not_disturb_each_other)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    struct changes changes = {.f = &f};
    pthread_t askers[4];
    pthread_t changers[4];
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_VIEWER), 0);
    for (size_t i = 0; i < UNIT_COUNT(askers); i++)
        ck_assert_int_eq(berth_thread_start(&askers[i], "ask", ask_main, &changes, NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(changers); i++)
        ck_assert_int_eq(berth_thread_start(&changers[i], "change", change_main, &changes, NULL),
                         0);
    for (size_t i = 0; i < UNIT_COUNT(changers); i++)
        (void)pthread_join(changers[i], NULL);
    atomic_store(&changes.stop, true);
    for (size_t i = 0; i < UNIT_COUNT(askers); i++)
        (void)pthread_join(askers[i], NULL);
    ck_assert_int_eq(atomic_load(&changes.wrong), 0);
}
END_TEST

/* ---- Failure ---- */

/* ctx: const char *, a statement without parameters. */
static int statement_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, ctx, NULL, 0, NULL, NULL, NULL, err);
}

START_TEST(what_cannot_be_audited_is_not_changed)
{
    static char audit_away[] = "ALTER TABLE audit RENAME TO audit_away";
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    ck_assert_int_eq(berth_store_write(f.store, statement_job, audit_away, NULL), 0);
    ck_assert_int_lt(grant(&f, "ana", "lab", BERTH_ROLE_ADMIN), 0);
    ck_assert_int_lt(berth_identity_remove(f.identity, &root, "ana", NULL), 0);
    ck_assert_int_lt(berth_identity_add(f.identity, &root, "ben", "correct horse", false, NULL), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(role_of(&f, "ana", "lab"), BERTH_ROLE_NONE);
        ck_assert_int_eq(verify(&f, "ana", "correct horse", LAPTOP), 0);
        ck_assert_int_eq(verify(&f, "ben", "correct horse", LAPTOP), BERTH_E_UNAUTHORISED);
        reopen_fixture(&f);
    }
}
END_TEST

START_TEST(opening_survives_want_of_memory)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    add(&f, "ana", "correct horse", false);
    ck_assert_int_eq(grant(&f, "ana", "lab", BERTH_ROLE_VIEWER), 0);
    for (size_t n = 0;; n++) {
        struct berth_identity *identity = NULL;
        unit_alloc_fail_after(n);
        int r = berth_identity_open(f.store, &identity, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            berth_identity_close(identity);
            break;
        }
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert_ptr_null(identity);
    }
}
END_TEST

START_TEST(malformed_rows_are_refused)
{
    static const char *const rows[] = {
        "INSERT INTO user_account VALUES ('" /* 65 characters */
        "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"
        "', '', 0, 1, 1, NULL)",
        "INSERT INTO user_grant VALUES ('ana', 'lab', 'emperor')",
        "INSERT INTO user_grant VALUES ('ana', 'fffffffffffffffffffffffffffffffff', 'viewer')",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(fixture) struct fixture f = {0};
        struct berth_identity *identity = NULL;
        open_fixture(&f);
        add(&f, "ana", "correct horse", false);
        ck_assert_int_eq(
            berth_store_write(f.store, statement_job, (void *)(uintptr_t)rows[i], NULL), 0);
        ck_assert_int_eq(berth_identity_open(f.store, &identity, NULL), BERTH_E_INTERNAL);
    }
}
END_TEST

UNIT_SUITE("identity", users_come_and_stay, users_are_refused, who_is_not_there_cannot_be_changed,
           roles_hold_at_once_and_stay, removing_takes_all_at_once, the_last_administrator_stays,
           only_tombstones_are_nobody, the_environment_names_an_administrator, users_are_listed,
           changes_are_audited, a_right_pair_is_hashed_once, a_new_password_counts_at_once,
           odd_passwords_do_not_pass, unknown_users_cost_a_hash_too,
           failures_are_throttled_before_they_cost, a_crowd_shares_one_hash,
           guesses_at_once_are_throttled_and_hashed_in_turn,
           one_guess_shared_by_a_crowd_counts_for_each, removal_beats_a_login_under_way,
           changes_and_questions_do_not_disturb_each_other, what_cannot_be_audited_is_not_changed,
           opening_survives_want_of_memory, malformed_rows_are_refused)
