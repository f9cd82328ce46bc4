/* SPDX-License-Identifier: MIT */
/* Password checks: the memory of right ones, the throttle, and the turns of those that hash. */
#include "facilities/login.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"
#include "facilities/keyed_hash.h"
#include "facilities/password.h"
#include "facilities/throttle.h"
#include "facilities/verified.h"

#define NO_USER ":" /* in place of a name, which has no colon */

/* A check under way, on the stack of the thread that makes it. */
struct flight {
    struct flight *next;
    const unsigned char *pair;
    const char *address;
    unsigned joined; /* threads that wait for its result */
    bool done;
    int result; /* 0, BERTH_E_UNAUTHORISED, or why it could not be checked */
};

struct berth_login {
    struct berth_keyed_hash *pair_hash;
    char *dummy_hash;
    struct berth_verified *verified;

    pthread_mutex_t mutex; /* guards all below; not held while hashing */
    pthread_cond_t cond;   /* a turn or a flight has ended */
    struct berth_throttle *throttle;
    struct flight *flights;
    bool hashing;
};

int berth_login_new(struct berth_login **ret_login, struct berth_error *err)
{
    BERTH_CLEANUP(login) struct berth_login *login = calloc(1, sizeof(*login));
    if (!login)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&login->mutex, NULL);
    berth_cond_init(&login->cond);
    unsigned char key[BERTH_SHA256_BYTES];
    int r = berth_random_bytes(key, sizeof(key), err);
    if (r == 0)
        r = berth_keyed_hash_new(key, sizeof(key), &login->pair_hash, err);
    explicit_bzero(key, sizeof(key));
    if (r == 0)
        r = berth_password_dummy(&login->dummy_hash, err);
    if (r == 0)
        r = berth_verified_new(&login->verified, err);
    if (r == 0)
        r = berth_throttle_new(&login->throttle, err);
    if (r == 0)
        *ret_login = berth_steal(&login);
    return r;
}

void berth_login_free(struct berth_login *login)
{
    if (login->throttle)
        berth_throttle_free(login->throttle);
    if (login->verified)
        berth_verified_free(login->verified);
    (void)pthread_cond_destroy(&login->cond);
    (void)pthread_mutex_destroy(&login->mutex);
    if (login->pair_hash)
        berth_keyed_hash_free(login->pair_hash);
    free(login->dummy_hash);
    free(login);
}

int berth_login_refuse(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_UNAUTHORISED, "wrong user or password");
}

int berth_login_refuse_token(struct berth_login *login, const char *address,
                             struct berth_error *err)
{
    struct berth_throttle_ticket ticket;
    BERTH_LOCK_SCOPE(lock, &login->mutex);
    int64_t now_ms = berth_clock_monotonic_ms();
    int r = berth_throttle_enter(login->throttle, NO_USER, address, now_ms, &ticket, err);
    if (r < 0)
        return r;
    berth_throttle_leave(login->throttle, &ticket, now_ms, 1);
    return berth_error_set(err, BERTH_E_UNAUTHORISED, "the token is unknown, expired or revoked");
}

/* ---- Turns ---- */

static void take_turn(struct berth_login *login)
{
    while (login->hashing)
        (void)pthread_cond_wait(&login->cond, &login->mutex);
    login->hashing = true;
}

static void end_turn(struct berth_login *login)
{
    login->hashing = false;
    (void)pthread_cond_broadcast(&login->cond);
}

int berth_login_hash(struct berth_login *login, const char *password, char **ret_hash,
                     struct berth_error *err)
{
    {
        BERTH_LOCK_SCOPE(lock, &login->mutex);
        take_turn(login);
    }
    int r = berth_password_hash(password, ret_hash, err);
    BERTH_LOCK_SCOPE(lock, &login->mutex);
    end_turn(login);
    return r;
}

/* ---- Checks ---- */

/* A password of crypt(3) ends at its first NUL; longer ones were never given out. */
static bool may_be_password(const struct berth_login_attempt *attempt)
{
    return attempt->password_len <= BERTH_PASSWORD_MAX &&
           !memchr(attempt->password, '\0', attempt->password_len);
}

/* The keyed hash of who, which version of the password, and the password. */
static int hash_pair(struct berth_login *login, const struct berth_login_attempt *attempt,
                     unsigned char ret_pair[static BERTH_SHA256_BYTES], struct berth_error *err)
{
    struct {
        uint64_t credential;
        char user[BERTH_USER_MAX + 2]; /* one more than there can be: a longer one is cut */
        char password[BERTH_PASSWORD_MAX];
    } text = {.credential = attempt->credential};
    size_t len = offsetof(__typeof__(text), password);
    (void)snprintf(text.user, sizeof(text.user), "%s", attempt->user);
    if (may_be_password(attempt)) {
        memcpy(text.password, attempt->password, attempt->password_len);
        len += attempt->password_len;
    }
    int r = berth_keyed_hash(login->pair_hash, &text, len, ret_pair, err);
    explicit_bzero(&text, sizeof(text));
    return r;
}

static int check_hash(struct berth_login *login, const struct berth_login_attempt *attempt,
                      struct berth_error *err)
{
    if (!may_be_password(attempt))
        return berth_login_refuse(err);
    char password[BERTH_PASSWORD_MAX + 1];
    bool matches = false;
    memcpy(password, attempt->password, attempt->password_len);
    password[attempt->password_len] = '\0';
    int r = berth_password_matches(password, attempt->hash ? attempt->hash : login->dummy_hash,
                                   &matches, err);
    explicit_bzero(password, sizeof(password));
    if (r < 0)
        return r;
    return matches ? 0 : berth_login_refuse(err);
}

static struct flight *find_flight(struct berth_login *login, const unsigned char *pair,
                                  const char *address)
{
    struct flight *flight = login->flights;
    while (flight && (memcmp(flight->pair, pair, BERTH_SHA256_BYTES) != 0 ||
                      strcmp(flight->address, address) != 0))
        flight = flight->next;
    return flight;
}

static void remove_flight(struct berth_login *login, const struct flight *flight)
{
    struct flight **link = &login->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
}

/* Waits for another thread's check of the same pair. */
static int join_flight(struct berth_login *login, struct flight *flight, struct berth_error *err)
{
    flight->joined++;
    while (!flight->done)
        (void)pthread_cond_wait(&login->cond, &login->mutex);
    int result = flight->result;
    flight->joined--;
    (void)pthread_cond_broadcast(&login->cond);
    if (result == 0)
        return 0;
    if (result == BERTH_E_UNAUTHORISED)
        return berth_login_refuse(err);
    return berth_error_set(err, (enum berth_status)result, "the password could not be checked");
}

/* The caller holds the mutex; the ticket is in hand. */
static int fly(struct berth_login *login, const struct berth_login_attempt *attempt,
               const unsigned char *pair, const struct berth_throttle_ticket *ticket,
               struct berth_error *err)
{
    struct flight own = {.next = login->flights, .pair = pair, .address = attempt->address};
    login->flights = &own;
    take_turn(login);
    /* The same pair may have come from another address meanwhile. */
    if (!berth_verified_has(login->verified, pair, berth_clock_monotonic_ms())) {
        (void)pthread_mutex_unlock(&login->mutex);
        own.result = check_hash(login, attempt, err);
        (void)pthread_mutex_lock(&login->mutex);
    }
    int64_t now_ms = berth_clock_monotonic_ms();
    if (own.result == 0)
        berth_verified_add(login->verified, pair, now_ms);
    berth_throttle_leave(login->throttle, ticket, now_ms,
                         own.result == BERTH_E_UNAUTHORISED ? 1 + own.joined : 0);
    remove_flight(login, &own);
    own.done = true;
    end_turn(login);
    while (own.joined > 0)
        (void)pthread_cond_wait(&login->cond, &login->mutex);
    return own.result;
}

int berth_login_check(struct berth_login *login, const struct berth_login_attempt *attempt,
                      struct berth_error *err)
{
    unsigned char pair[BERTH_SHA256_BYTES];
    int r = hash_pair(login, attempt, pair, err);
    if (r < 0)
        return r;
    /* What cannot be a password has the hash of the empty one, which nobody has. */
    if (berth_verified_has(login->verified, pair, berth_clock_monotonic_ms()))
        return 0;
    BERTH_LOCK_SCOPE(lock, &login->mutex);
    int64_t now_ms = berth_clock_monotonic_ms();
    if (berth_verified_has(login->verified, pair, now_ms))
        return 0;
    struct flight *flight = find_flight(login, pair, attempt->address);
    if (flight)
        return join_flight(login, flight, err);
    struct berth_throttle_ticket ticket;
    r = berth_throttle_enter(login->throttle, attempt->user, attempt->address, now_ms, &ticket,
                             err);
    return r < 0 ? r : fly(login, attempt, pair, &ticket, err);
}
