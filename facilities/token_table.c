/* SPDX-License-Identifier: MIT */
#include "facilities/token_table.h"

#include "base/thread.h"

#include <string.h>

struct berth_token_table {
    pthread_rwlock_t lock; /* guards all below; used_ms and written_ms are atomic beside it */
    struct berth_token_record **records;
    size_t count;
    size_t size;
    uint64_t edition;
    uint64_t version; /* atomic, for those who read it without the lock */
};

int berth_token_table_new(struct berth_token_table **ret_table, struct berth_error *err)
{
    struct berth_token_table *table = calloc(1, sizeof(*table));
    if (!table)
        return berth_error_nomem(err);
    berth_rwlock_init(&table->lock);
    *ret_table = table;
    return 0;
}

void berth_token_table_free(struct berth_token_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->records[i]);
    free(table->records);
    (void)pthread_rwlock_destroy(&table->lock);
    free(table);
}

/* Where the digest is or belongs. The caller holds the lock. */
static size_t position(const struct berth_token_table *table, const unsigned char *digest)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(table->records[middle]->digest, digest, BERTH_SHA256_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The caller holds the lock. */
static struct berth_token_record *find(const struct berth_token_table *table,
                                       const unsigned char *digest, size_t *ret_at)
{
    size_t at = position(table, digest);
    *ret_at = at;
    if (at == table->count || memcmp(table->records[at]->digest, digest, BERTH_SHA256_BYTES) != 0)
        return NULL;
    return table->records[at];
}

/* Puts the record in, which is the table's then. The caller holds the lock. */
static int put(struct berth_token_table *table, struct berth_token_record *record,
               struct berth_error *err)
{
    if (table->count == table->size) {
        size_t size = table->size ? table->size * 2 : 64;
        struct berth_token_record **records =
            reallocarray(table->records, size, sizeof(struct berth_token_record *));
        if (!records)
            return berth_error_nomem(err);
        table->records = records;
        table->size = size;
    }
    size_t at = position(table, record->digest);
    memmove(&table->records[at + 1], &table->records[at],
            (table->count - at) * sizeof(table->records[0]));
    table->records[at] = record;
    table->count++;
    table->edition++;
    return 0;
}

int berth_token_table_add(struct berth_token_table *table, const struct berth_token_record *record,
                          struct berth_error *err)
{
    BERTH_CLEANUP(free) struct berth_token_record *copy = malloc(sizeof(*copy));
    if (!copy)
        return berth_error_nomem(err);
    *copy = *record;
    (void)pthread_rwlock_wrlock(&table->lock);
    int r = put(table, copy, err);
    (void)pthread_rwlock_unlock(&table->lock);
    if (r == 0)
        (void)berth_steal(&copy);
    return r;
}

void berth_token_table_commit(struct berth_token_table *table,
                              const unsigned char digest[static BERTH_SHA256_BYTES], int64_t id)
{
    size_t at = 0;
    (void)pthread_rwlock_wrlock(&table->lock);
    struct berth_token_record *record = find(table, digest, &at);
    if (record)
        record->token.id = id;
    table->edition++;
    (void)pthread_rwlock_unlock(&table->lock);
}

/* The caller holds the lock. */
static void note_removal(struct berth_token_table *table)
{
    table->edition++;
    (void)__atomic_add_fetch(&table->version, 1, __ATOMIC_SEQ_CST);
}

void berth_token_table_remove(struct berth_token_table *table,
                              const unsigned char digest[static BERTH_SHA256_BYTES])
{
    size_t at = 0;
    (void)pthread_rwlock_wrlock(&table->lock);
    struct berth_token_record *record = find(table, digest, &at);
    if (record) {
        table->count--;
        memmove(&table->records[at], &table->records[at + 1],
                (table->count - at) * sizeof(table->records[0]));
    }
    note_removal(table);
    (void)pthread_rwlock_unlock(&table->lock);
    free(record);
}

void berth_token_table_remove_user(struct berth_token_table *table, const char *user)
{
    size_t kept = 0;
    (void)pthread_rwlock_wrlock(&table->lock);
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->records[i]->token.user, user) == 0)
            free(table->records[i]);
        else
            table->records[kept++] = table->records[i];
    }
    table->count = kept;
    note_removal(table);
    (void)pthread_rwlock_unlock(&table->lock);
}

uint64_t berth_token_table_version(struct berth_token_table *table)
{
    return __atomic_load_n(&table->version, __ATOMIC_SEQ_CST);
}

uint64_t berth_token_table_edition(struct berth_token_table *table)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    uint64_t edition = table->edition;
    (void)pthread_rwlock_unlock(&table->lock);
    return edition;
}

/* Moves what fresh does not have and is not committed into it, and the uses that fresh does not
 * know; *ret_lost: something of table is in neither. The caller holds the table's lock. */
static int carry_over(struct berth_token_table *table, struct berth_token_table *fresh,
                      bool *ret_lost, struct berth_error *err)
{
    int r = 0;
    *ret_lost = false;
    for (size_t i = 0; r == 0 && i < table->count; i++) {
        const struct berth_token_record *old = table->records[i];
        size_t at = 0;
        struct berth_token_record *record = find(fresh, old->digest, &at);
        int64_t used_ms = __atomic_load_n(&old->used_ms, __ATOMIC_RELAXED);
        if (record && record->used_ms < used_ms)
            record->used_ms = used_ms;
        else if (!record && old->token.id == 0)
            r = berth_token_table_add(fresh, old, err);
        *ret_lost |= !record && old->token.id != 0;
    }
    return r;
}

int berth_token_table_replace(struct berth_token_table *table, struct berth_token_table *fresh,
                              uint64_t edition, bool *ret_replaced, struct berth_error *err)
{
    bool has_lost = false;
    (void)pthread_rwlock_wrlock(&table->lock);
    bool is_current = table->edition == edition;
    int r = is_current ? carry_over(table, fresh, &has_lost, err) : 0;
    if (r == 0 && is_current) {
        const struct berth_token_table old = *table;
        table->records = fresh->records;
        table->count = fresh->count;
        table->size = fresh->size;
        fresh->records = old.records; /* freed with it */
        fresh->count = old.count;
        fresh->size = old.size;
        if (has_lost)
            note_removal(table);
    }
    (void)pthread_rwlock_unlock(&table->lock);
    if (r == 0)
        *ret_replaced = is_current;
    return r;
}

bool berth_token_table_find(struct berth_token_table *table, int64_t id,
                            struct berth_token *ret_token)
{
    bool found = false;
    (void)pthread_rwlock_rdlock(&table->lock);
    for (size_t i = 0; i < table->count && !found; i++) {
        found = table->records[i]->token.id == id;
        if (found)
            *ret_token = table->records[i]->token;
    }
    (void)pthread_rwlock_unlock(&table->lock);
    return found;
}

bool berth_token_table_use(struct berth_token_table *table,
                           const unsigned char digest[static BERTH_SHA256_BYTES], int64_t now_ms,
                           struct berth_token *ret_token, bool *ret_noted)
{
    size_t at = 0;
    (void)pthread_rwlock_rdlock(&table->lock);
    struct berth_token_record *record = find(table, digest, &at);
    bool opens = record && record->token.id != 0 &&
                 (record->token.expires_ms == 0 || now_ms < record->token.expires_ms);
    if (opens) {
        int64_t used_ms = __atomic_load_n(&record->used_ms, __ATOMIC_RELAXED);
        *ret_noted = now_ms - used_ms >= BERTH_TOKEN_USE_MS;
        if (*ret_noted)
            __atomic_store_n(&record->used_ms, now_ms, __ATOMIC_RELAXED);
        *ret_token = record->token;
    }
    (void)pthread_rwlock_unlock(&table->lock);
    return opens;
}

void berth_token_table_walk(struct berth_token_table *table,
                            void (*visit)(const struct berth_token *token, void *ctx), void *ctx)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    for (size_t i = 0; i < table->count; i++) {
        struct berth_token token = table->records[i]->token;
        token.used_ms = __atomic_load_n(&table->records[i]->used_ms, __ATOMIC_RELAXED);
        if (token.id != 0)
            visit(&token, ctx);
    }
    (void)pthread_rwlock_unlock(&table->lock);
}

size_t berth_token_table_take_uses(struct berth_token_table *table, struct berth_token_use *uses,
                                   size_t size)
{
    size_t count = 0;
    (void)pthread_rwlock_rdlock(&table->lock);
    for (size_t i = 0; i < table->count && count < size; i++) {
        struct berth_token_record *record = table->records[i];
        int64_t used_ms = __atomic_load_n(&record->used_ms, __ATOMIC_RELAXED);
        if (used_ms == __atomic_load_n(&record->written_ms, __ATOMIC_RELAXED))
            continue;
        __atomic_store_n(&record->written_ms, used_ms, __ATOMIC_RELAXED);
        uses[count++] = (struct berth_token_use){record->token.id, used_ms};
    }
    (void)pthread_rwlock_unlock(&table->lock);
    return count;
}

size_t berth_token_table_count(struct berth_token_table *table)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    size_t count = table->count;
    (void)pthread_rwlock_unlock(&table->lock);
    return count;
}
