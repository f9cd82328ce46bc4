/* SPDX-License-Identifier: MIT */
/*
 * The API tokens in memory, as every request needs them: an array sorted by
 * digest behind a lock that readers share. A digest of 32 random bytes tells
 * nothing about its neighbours, so how long a search takes gives no token away.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_TOKEN_TABLE_H
#define BERTH_FACILITIES_TOKEN_TABLE_H

#include "base/encoding.h"
#include "facilities/tokens.h"

/* How exactly the last use of a token is known. */
#define BERTH_TOKEN_USE_MS 60000

struct berth_token_record {
    struct berth_token token;                 /* id 0: not committed yet, so it opens nothing */
    unsigned char digest[BERTH_SHA256_BYTES]; /* of the token's text */
    int64_t used_ms;                          /* atomic, as is written_ms; 0: never */
    int64_t written_ms;                       /* the last use that the store has */
};

struct berth_token_table;

BERTH_MUST_CHECK int berth_token_table_new(struct berth_token_table **ret_table,
                                           struct berth_error *err);
void berth_token_table_free(struct berth_token_table *table);
BERTH_DEFINE_CLEANUP(token_table, struct berth_token_table *, berth_token_table_free)

/* Puts a copy in. */
BERTH_MUST_CHECK int berth_token_table_add(struct berth_token_table *table,
                                           const struct berth_token_record *record,
                                           struct berth_error *err);

/* The token was committed under this id; nothing happens where it was removed meanwhile. */
void berth_token_table_commit(struct berth_token_table *table,
                              const unsigned char digest[static BERTH_SHA256_BYTES], int64_t id);

void berth_token_table_remove(struct berth_token_table *table,
                              const unsigned char digest[static BERTH_SHA256_BYTES]);
void berth_token_table_remove_user(struct berth_token_table *table, const char *user);

/* A number that grows with every removal. */
uint64_t berth_token_table_version(struct berth_token_table *table);

/* A number that grows with every change. */
uint64_t berth_token_table_edition(struct berth_token_table *table);

/*
 * Makes table hold what fresh holds, which is emptied, and what is not committed yet. False, and
 * nothing has happened, when the table is not at edition any more: fresh may be older than what
 * was changed since.
 */
BERTH_MUST_CHECK int berth_token_table_replace(struct berth_token_table *table,
                                               struct berth_token_table *fresh, uint64_t edition,
                                               bool *ret_replaced, struct berth_error *err);

/* The committed token of that id; false if there is none. O(n). */
bool berth_token_table_find(struct berth_token_table *table, int64_t id,
                            struct berth_token *ret_token);

/*
 * The token that opens something at now_ms (wall); false if there is none.
 * *ret_noted: this use is later than the last one known by BERTH_TOKEN_USE_MS,
 * and is now the last one.
 */
bool berth_token_table_use(struct berth_token_table *table,
                           const unsigned char digest[static BERTH_SHA256_BYTES], int64_t now_ms,
                           struct berth_token *ret_token, bool *ret_noted);

/* Calls visit for each committed token, under a read lock: visit must not call back. */
void berth_token_table_walk(struct berth_token_table *table,
                            void (*visit)(const struct berth_token *token, void *ctx), void *ctx);

struct berth_token_use {
    int64_t id;
    int64_t used_ms;
};

/* The last uses that are not written yet, up to size of them, which count as written from now on;
 * returns how many. */
size_t berth_token_table_take_uses(struct berth_token_table *table, struct berth_token_use *uses,
                                   size_t size);

size_t berth_token_table_count(struct berth_token_table *table);

#endif
