/* SPDX-License-Identifier: MIT */
#include "facilities/idempotency.h"

#include "base/text.h"
#include "base/thread.h"

#include <string.h>

#define DIGEST_HEX ((size_t)2 * BERTH_SHA256_BYTES)
#define HOLD_SIZE  (DIGEST_HEX + sizeof("answer:"))

/* A request under way; its texts are its own. */
struct berth_idempotency_flight {
    struct berth_idempotency_flight *next;
    char caller[BERTH_USER_MAX + 1];
    char facility[BERTH_FACILITY_ID_MAX + 1];
    char key[BERTH_IDEMPOTENCY_KEY_MAX + 1];
    char request[DIGEST_HEX + 1];
    char hold[HOLD_SIZE]; /* for gateways on the same store */
};

struct berth_idempotency {
    struct berth_store *store; /* borrowed */
    pthread_mutex_t mutex;
    struct berth_idempotency_flight *flights; /* guarded by mutex */
};

void berth_kept_answer_release(struct berth_kept_answer *answer)
{
    free(answer->type);
    free(answer->text);
    *answer = (struct berth_kept_answer){0};
}

int berth_idempotency_new(struct berth_store *store, struct berth_idempotency **ret_idempotency,
                          struct berth_error *err)
{
    struct berth_idempotency *idempotency = calloc(1, sizeof(*idempotency));
    if (!idempotency)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&idempotency->mutex, NULL);
    idempotency->store = store;
    *ret_idempotency = idempotency;
    return 0;
}

void berth_idempotency_free(struct berth_idempotency *idempotency)
{
    if (!idempotency)
        return;
    (void)pthread_mutex_destroy(&idempotency->mutex);
    free(idempotency);
}

/* ---- Under way ---- */

/* "answer:" and a digest of caller, facility and key, which hold no line feed. */
static int name_hold(const struct berth_idempotency_key *key, char name[static HOLD_SIZE],
                     struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1024);
    BERTH_CLEANUP(strbuf) struct berth_strbuf hex = BERTH_STRBUF_INIT(DIGEST_HEX + 1);
    unsigned char digest[BERTH_SHA256_BYTES];
    berth_strbuf_addf(&text, "%s\n%s\n%s", key->caller, key->facility, key->key);
    int r = berth_strbuf_check(&text, err);
    if (r == 0)
        r = berth_sha256(berth_strbuf_str(&text), text.len, digest, err);
    if (r < 0)
        return r;
    berth_hex_encode(digest, sizeof(digest), &hex);
    r = berth_strbuf_check(&hex, err);
    if (r == 0)
        (void)snprintf(name, HOLD_SIZE, "answer:%s", berth_strbuf_str(&hex));
    return r;
}

static int make_flight(const struct berth_idempotency_key *key,
                       struct berth_idempotency_flight **ret_flight, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf hex = BERTH_STRBUF_INIT(DIGEST_HEX + 1);
    berth_hex_encode(key->request, sizeof(key->request), &hex);
    int r = berth_strbuf_check(&hex, err);
    if (r < 0)
        return r;
    struct berth_idempotency_flight *flight = calloc(1, sizeof(*flight));
    if (!flight)
        return berth_error_nomem(err);
    (void)snprintf(flight->caller, sizeof(flight->caller), "%s", key->caller);
    (void)snprintf(flight->facility, sizeof(flight->facility), "%s", key->facility);
    (void)snprintf(flight->key, sizeof(flight->key), "%s", key->key);
    (void)snprintf(flight->request, sizeof(flight->request), "%s", berth_strbuf_str(&hex));
    *ret_flight = flight;
    return 0;
}

static int set_under_way(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_CONFLICT,
                           "the request with this Idempotency-Key is still under way");
}

/* The same under another gateway on the store. */
static int take_hold(struct berth_idempotency *idempotency, const struct berth_idempotency_key *key,
                     struct berth_idempotency_flight *flight, struct berth_error *err)
{
    bool held = false;
    if (!berth_store_is_shared(idempotency->store))
        return 0;
    int r = name_hold(key, flight->hold, err);
    if (r == 0)
        r = berth_store_hold(idempotency->store, flight->hold, &held, err);
    if (r < 0 || held)
        return r;
    flight->hold[0] = '\0';
    return set_under_way(err);
}

static int take_off(struct berth_idempotency *idempotency, struct berth_idempotency_flight *flight,
                    struct berth_error *err)
{
    BERTH_LOCK_SCOPE(lock, &idempotency->mutex);
    for (const struct berth_idempotency_flight *other = idempotency->flights; other;
         other = other->next)
        if (strcmp(other->key, flight->key) == 0 && strcmp(other->caller, flight->caller) == 0 &&
            strcmp(other->facility, flight->facility) == 0)
            return set_under_way(err);
    flight->next = idempotency->flights;
    idempotency->flights = flight;
    return 0;
}

static void land(struct berth_idempotency *idempotency, struct berth_idempotency_flight *flight)
{
    if (flight->hold[0])
        berth_store_let_go(idempotency->store, flight->hold);
    {
        BERTH_LOCK_SCOPE(lock, &idempotency->mutex);
        struct berth_idempotency_flight **link = &idempotency->flights;
        while (*link != flight)
            link = &(*link)->next;
        *link = flight->next;
    }
    free(flight);
}

/* ---- Kept ---- */

struct lookup {
    const struct berth_idempotency_flight *flight;
    int64_t since_ms;
    struct berth_kept_answer answer;
};

static int take_answer(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct lookup *lookup = ctx;
    const char *request = berth_row_text(row, 0);
    if (!request || strcmp(request, lookup->flight->request) != 0)
        return berth_error_set(err, BERTH_E_EXISTS,
                               "this Idempotency-Key was used for another request");
    lookup->answer.status = (int)berth_row_int(row, 1);
    lookup->answer.type = berth_text_dup(berth_row_text(row, 2));
    lookup->answer.text = berth_text_dup(berth_row_text(row, 3));
    return lookup->answer.type && lookup->answer.text ? 0 : berth_error_nomem(err);
}

static int look_up_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct lookup *lookup = ctx;
    const struct berth_idempotency_flight *flight = lookup->flight;
    const struct berth_value values[] = {
        berth_value_text(flight->caller), berth_value_text(flight->facility),
        berth_value_text(flight->key), berth_value_int(lookup->since_ms)};
    return berth_txn_run(txn,
                         "SELECT request, status, type, body FROM kept_answer"
                         " WHERE caller = $1 AND facility = $2 AND idempotency_key = $3"
                         " AND created_ms > $4",
                         values, 4, take_answer, lookup, NULL, err);
}

int berth_idempotency_begin(struct berth_idempotency *idempotency,
                            const struct berth_idempotency_key *key, int64_t now_ms,
                            struct berth_kept_answer *ret_answer,
                            struct berth_idempotency_flight **ret_flight, struct berth_error *err)
{
    struct berth_idempotency_flight *flight = NULL;
    int r = make_flight(key, &flight, err);
    if (r < 0)
        return r;
    r = take_off(idempotency, flight, err);
    if (r < 0) {
        free(flight);
        return r;
    }
    struct lookup lookup = {.flight = flight, .since_ms = now_ms - BERTH_IDEMPOTENCY_MS};
    r = take_hold(idempotency, key, flight, err);
    if (r == 0)
        r = berth_store_read(idempotency->store, look_up_job, &lookup, err);
    if (r < 0)
        berth_kept_answer_release(&lookup.answer);
    bool is_kept = lookup.answer.text != NULL;
    if (r < 0 || is_kept)
        land(idempotency, flight);
    if (r < 0)
        return r;
    *ret_flight = is_kept ? NULL : flight;
    *ret_answer = lookup.answer;
    return 0;
}

struct keeping {
    const struct berth_idempotency_flight *flight;
    const struct berth_kept_answer *answer;
    int64_t now_ms;
};

/* An answer under the same key too: it was old when the request began, and is not when the clock
 * has been set back since. */
static int forget_old(struct berth_txn *txn, const struct keeping *keeping, struct berth_error *err)
{
    const struct berth_value values[] = {berth_value_int(keeping->now_ms - BERTH_IDEMPOTENCY_MS),
                                         berth_value_text(keeping->flight->caller),
                                         berth_value_text(keeping->flight->facility),
                                         berth_value_text(keeping->flight->key)};
    return berth_txn_run(txn,
                         "DELETE FROM kept_answer WHERE created_ms <= $1"
                         " OR (caller = $2 AND facility = $3 AND idempotency_key = $4)",
                         values, 4, NULL, NULL, NULL, err);
}

static int forget_past_bound(struct berth_txn *txn, const struct keeping *keeping,
                             struct berth_error *err)
{
    const struct berth_value values[] = {berth_value_text(keeping->flight->caller),
                                         berth_value_text(keeping->flight->facility),
                                         berth_value_int(BERTH_IDEMPOTENCY_KEPT_MAX - 1)};
    return berth_txn_run(txn,
                         "DELETE FROM kept_answer WHERE caller = $1 AND facility = $2"
                         " AND id < (SELECT id FROM kept_answer WHERE caller = $1"
                         " AND facility = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)",
                         values, 3, NULL, NULL, NULL, err);
}

static int keep_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct keeping *keeping = ctx;
    const struct berth_idempotency_flight *flight = keeping->flight;
    int r = forget_old(txn, keeping, err);
    if (r < 0)
        return r;
    const struct berth_value values[] = {berth_value_text(flight->caller),
                                         berth_value_text(flight->facility),
                                         berth_value_text(flight->key),
                                         berth_value_text(flight->request),
                                         berth_value_int(keeping->answer->status),
                                         berth_value_text(keeping->answer->type),
                                         berth_value_text(keeping->answer->text),
                                         berth_value_int(keeping->now_ms)};
    r = berth_txn_run(txn,
                      "INSERT INTO kept_answer (caller, facility, idempotency_key, request,"
                      " status, type, body, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                      values, 8, NULL, NULL, NULL, err);
    return r < 0 ? r : forget_past_bound(txn, keeping, err);
}

int berth_idempotency_end(struct berth_idempotency *idempotency,
                          struct berth_idempotency_flight *flight,
                          const struct berth_kept_answer *answer, int64_t now_ms,
                          struct berth_error *err)
{
    int r = 0;
    struct keeping keeping = {flight, answer, now_ms};
    if (answer)
        r = berth_store_write(idempotency->store, keep_job, &keeping, err);
    land(idempotency, flight);
    return r;
}
