/* SPDX-License-Identifier: MIT */
/*
 * Two set-associative tables of fixed size. Keys are keyed hashes, so that
 * nobody can choose which set a name or an address falls into.
 */
#include "facilities/throttle.h"

#include "base/encoding.h"
#include "base/network.h"

#include <stdbool.h>

#define SETS 512
#define WAYS 8

struct berth_throttle_entry {
    unsigned char key[16];
    bool used;
    unsigned under_way; /* while there are any, the entry stays */
    unsigned count;     /* of failures held, at most the limit */
    unsigned next;      /* where the next failure goes: the oldest one's place when full */
    int64_t failed_ms[];
};

struct table {
    unsigned limit;
    size_t entry_size;
    unsigned char *entries;
};

struct berth_throttle {
    unsigned char key[BERTH_SHA256_BYTES];
    struct table users;
    struct table addresses;
};

static int table_init(struct table *table, unsigned limit, struct berth_error *err)
{
    table->limit = limit;
    table->entry_size = sizeof(struct berth_throttle_entry) + limit * sizeof(int64_t);
    table->entries = calloc((size_t)SETS * WAYS, table->entry_size);
    return table->entries ? 0 : berth_error_nomem(err);
}

int berth_throttle_new(struct berth_throttle **ret_throttle, struct berth_error *err)
{
    BERTH_CLEANUP(throttle) struct berth_throttle *throttle = calloc(1, sizeof(*throttle));
    if (!throttle)
        return berth_error_nomem(err);
    int r = berth_random_bytes(throttle->key, sizeof(throttle->key), err);
    if (r == 0)
        r = table_init(&throttle->users, BERTH_THROTTLE_USER_FAILURES, err);
    if (r == 0)
        r = table_init(&throttle->addresses, BERTH_THROTTLE_FAILURES, err);
    if (r == 0)
        *ret_throttle = berth_steal(&throttle);
    return r;
}

void berth_throttle_free(struct berth_throttle *throttle)
{
    free(throttle->users.entries);
    free(throttle->addresses.entries);
    explicit_bzero(throttle->key, sizeof(throttle->key));
    free(throttle);
}

/* ---- One entry ---- */

/* The i-th newest failure, from 0. */
static int64_t failure(const struct table *table, const struct berth_throttle_entry *entry,
                       unsigned i)
{
    return entry->failed_ms[(entry->next + table->limit - 1 - i) % table->limit];
}

/* Seconds until one more attempt is allowed, 0 if now. */
static unsigned wait_s(const struct table *table, const struct berth_throttle_entry *entry,
                       int64_t now_ms)
{
    unsigned recent = 0;
    while (recent < entry->count &&
           failure(table, entry, recent) > now_ms - BERTH_THROTTLE_WINDOW_MS)
        recent++;
    if (recent + entry->under_way < table->limit)
        return 0;
    unsigned too_many = recent + entry->under_way - table->limit + 1;
    if (too_many > recent)
        return 1; /* those under way have the say */
    int64_t until_ms = failure(table, entry, recent - too_many) + BERTH_THROTTLE_WINDOW_MS;
    return (unsigned)((until_ms - now_ms + 999) / 1000);
}

static void record(const struct table *table, struct berth_throttle_entry *entry, int64_t now_ms)
{
    entry->failed_ms[entry->next] = now_ms;
    entry->next = (entry->next + 1) % table->limit;
    if (entry->count < table->limit)
        entry->count++;
}

/* ---- Finding it ---- */

static struct berth_throttle_entry *entry_at(const struct table *table, size_t index)
{
    return (struct berth_throttle_entry *)(void *)(table->entries + index * table->entry_size);
}

/* True if a is the better one to forget; who never failed has failed at 0. */
static bool is_staler(const struct table *table, const struct berth_throttle_entry *a,
                      const struct berth_throttle_entry *b)
{
    return failure(table, a, 0) < failure(table, b, 0);
}

/* The entry of the key, a fresh one if there is none; NULL when all places are under way. */
static struct berth_throttle_entry *find(const struct table *table, const unsigned char key[16])
{
    size_t set = ((size_t)key[0] << 8 | key[1]) % SETS;
    struct berth_throttle_entry *victim = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        struct berth_throttle_entry *entry = entry_at(table, set * WAYS + i);
        if (entry->used && memcmp(entry->key, key, sizeof(entry->key)) == 0)
            return entry;
        if (entry->under_way == 0 && (!victim || is_staler(table, entry, victim)))
            victim = entry;
    }
    if (victim) {
        memset(victim, 0, table->entry_size);
        memcpy(victim->key, key, sizeof(victim->key));
        victim->used = true;
    }
    return victim;
}

struct keys {
    unsigned char of_user[BERTH_SHA256_BYTES];
    unsigned char of_address[BERTH_SHA256_BYTES];
};

static int make_keys(const struct berth_throttle *throttle, const char *user, const char *address,
                     struct keys *ret_keys, struct berth_error *err)
{
    char text[256]; /* network and user; cut where no network or user is so long */
    berth_network_of(address, text);
    size_t len = strlen(text);
    int r = berth_hmac_sha256(throttle->key, sizeof(throttle->key), text, len, ret_keys->of_address,
                              err);
    if (r < 0)
        return r;
    (void)snprintf(text + len, sizeof(text) - len, "\n%s", user);
    return berth_hmac_sha256(throttle->key, sizeof(throttle->key), text, strlen(text),
                             ret_keys->of_user, err);
}

static int refuse(unsigned wait, struct berth_error *err)
{
    int r =
        berth_error_set(err, BERTH_E_THROTTLED, "too many failed logins: try again in %u second%s",
                        wait, wait == 1 ? "" : "s");
    if (err)
        err->retry_after_s = wait;
    return r;
}

int berth_throttle_enter(struct berth_throttle *throttle, const char *user, const char *address,
                         int64_t now_ms, struct berth_throttle_ticket *ret_ticket,
                         struct berth_error *err)
{
    struct keys keys;
    struct berth_throttle_ticket ticket = {0};
    int r = make_keys(throttle, user, address, &keys, err);
    if (r < 0)
        return r;
    /* The address first: one that is throttled takes no place among the users. */
    ticket.of_address = find(&throttle->addresses, keys.of_address);
    unsigned wait = ticket.of_address ? wait_s(&throttle->addresses, ticket.of_address, now_ms) : 1;
    if (wait > 0)
        return refuse(wait, err);
    ticket.of_user = find(&throttle->users, keys.of_user);
    wait = ticket.of_user ? wait_s(&throttle->users, ticket.of_user, now_ms) : 1;
    if (wait > 0)
        return refuse(wait, err);
    ticket.of_user->under_way++;
    ticket.of_address->under_way++;
    *ret_ticket = ticket;
    return 0;
}

void berth_throttle_leave(struct berth_throttle *throttle,
                          const struct berth_throttle_ticket *ticket, int64_t now_ms,
                          unsigned failures)
{
    ticket->of_user->under_way--;
    ticket->of_address->under_way--;
    for (unsigned i = 0; i < failures; i++) {
        record(&throttle->users, ticket->of_user, now_ms);
        record(&throttle->addresses, ticket->of_address, now_ms);
    }
}
