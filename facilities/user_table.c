/* SPDX-License-Identifier: MIT */
/* The users in memory. */
#include "facilities/user_table.h"

#include "base/thread.h"

struct berth_user_table {
    pthread_rwlock_t lock; /* guards all below */
    struct berth_user_record **records;
    size_t count;
    size_t size;
    size_t reserved;
    size_t removed;
    uint64_t last_credential;
    uint64_t version; /* atomic, for those who read it without the lock */
};

void berth_user_record_free(struct berth_user_record *record)
{
    explicit_bzero(record->hash, sizeof(record->hash));
    free(record->grants);
    free(record);
}

int berth_user_table_new(struct berth_user_table **ret_table, struct berth_error *err)
{
    struct berth_user_table *table = calloc(1, sizeof(*table));
    if (!table)
        return berth_error_nomem(err);
    berth_rwlock_init(&table->lock);
    *ret_table = table;
    return 0;
}

void berth_user_table_free(struct berth_user_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        berth_user_record_free(table->records[i]);
    free(table->records);
    (void)pthread_rwlock_destroy(&table->lock);
    free(table);
}

/* Where the name is or belongs. The caller holds the lock. */
static size_t position(const struct berth_user_table *table, const char *name)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(table->records[middle]->user.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The record of a user who is not removed, or NULL. The caller holds the lock. */
static const struct berth_user_record *find(const struct berth_user_table *table, const char *name)
{
    size_t at = position(table, name);
    if (at == table->count || strcmp(table->records[at]->user.name, name) != 0 ||
        table->records[at]->removed)
        return NULL;
    return table->records[at];
}

static int grow(struct berth_user_table *table, struct berth_error *err)
{
    size_t size = table->size ? table->size * 2 : 64;
    struct berth_user_record **records = realloc(table->records, size * sizeof(*records));
    if (!records)
        return berth_error_nomem(err);
    table->records = records;
    table->size = size;
    return 0;
}

int berth_user_table_reserve(struct berth_user_table *table, struct berth_error *err)
{
    (void)pthread_rwlock_wrlock(&table->lock);
    int r = table->count + table->reserved < table->size ? 0 : grow(table, err);
    if (r == 0)
        table->reserved++;
    (void)pthread_rwlock_unlock(&table->lock);
    return r;
}

void berth_user_table_unreserve(struct berth_user_table *table)
{
    (void)pthread_rwlock_wrlock(&table->lock);
    table->reserved--;
    (void)pthread_rwlock_unlock(&table->lock);
}

/* Puts the record in; returns the one that is to be freed, or NULL. The caller holds the lock. */
static struct berth_user_record *put(struct berth_user_table *table,
                                     struct berth_user_record *record)
{
    size_t at = position(table, record->user.name);
    struct berth_user_record *old = NULL;
    if (at < table->count && strcmp(table->records[at]->user.name, record->user.name) == 0) {
        old = table->records[at];
        if (old->generation >= record->generation)
            return record;
    }
    record->credential =
        old && strcmp(old->hash, record->hash) == 0 ? old->credential : ++table->last_credential;
    if (!old) {
        memmove(&table->records[at + 1], &table->records[at],
                (table->count - at) * sizeof(table->records[0]));
        table->count++;
    }
    table->records[at] = record;
    table->removed = table->removed + record->removed - (old && old->removed);
    (void)__atomic_add_fetch(&table->version, 1, __ATOMIC_SEQ_CST);
    return old;
}

void berth_user_table_put(struct berth_user_table *table, struct berth_user_record *record)
{
    (void)pthread_rwlock_wrlock(&table->lock);
    struct berth_user_record *unused = put(table, record);
    (void)pthread_rwlock_unlock(&table->lock);
    if (unused)
        berth_user_record_free(unused);
}

/* The credential of a record that takes the place of old ones. The caller holds the lock. */
static uint64_t credential_for(struct berth_user_table *table,
                               const struct berth_user_record *record)
{
    size_t at = position(table, record->user.name);
    const struct berth_user_record *old = at < table->count ? table->records[at] : NULL;
    bool is_same = old && strcmp(old->user.name, record->user.name) == 0 &&
                   strcmp(old->hash, record->hash) == 0;
    return is_same ? old->credential : ++table->last_credential;
}

/* Room in fresh for what is reserved in table, whose lock the caller holds. */
static int make_room(const struct berth_user_table *table, struct berth_user_table *fresh,
                     struct berth_error *err)
{
    int r = 0;
    while (r == 0 && fresh->size < fresh->count + table->reserved)
        r = grow(fresh, err);
    return r;
}

int berth_user_table_replace(struct berth_user_table *table, struct berth_user_table *fresh,
                             uint64_t version, bool *ret_replaced, struct berth_error *err)
{
    (void)pthread_rwlock_wrlock(&table->lock);
    bool is_current = berth_user_table_version(table) == version;
    int r = is_current ? make_room(table, fresh, err) : 0;
    if (r == 0 && is_current) {
        for (size_t i = 0; i < fresh->count; i++)
            fresh->records[i]->credential = credential_for(table, fresh->records[i]);
        const struct berth_user_table old = *table;
        table->records = fresh->records;
        table->count = fresh->count;
        table->size = fresh->size;
        table->removed = fresh->removed;
        fresh->records = old.records; /* freed with it */
        fresh->count = old.count;
        fresh->size = old.size;
        (void)__atomic_add_fetch(&table->version, 1, __ATOMIC_SEQ_CST);
    }
    (void)pthread_rwlock_unlock(&table->lock);
    if (r == 0)
        *ret_replaced = is_current;
    return r;
}

bool berth_user_table_login(struct berth_user_table *table, const char *name,
                            char ret_hash[static BERTH_PASSWORD_HASH_SIZE],
                            uint64_t *ret_credential)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    const struct berth_user_record *record = find(table, name);
    if (record) {
        memcpy(ret_hash, record->hash, strlen(record->hash) + 1);
        *ret_credential = record->credential;
    }
    (void)pthread_rwlock_unlock(&table->lock);
    return record != NULL;
}

uint64_t berth_user_table_credential(struct berth_user_table *table, const char *name)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    const struct berth_user_record *record = find(table, name);
    uint64_t credential = record ? record->credential : 0;
    (void)pthread_rwlock_unlock(&table->lock);
    return credential;
}

uint64_t berth_user_table_version(struct berth_user_table *table)
{
    return __atomic_load_n(&table->version, __ATOMIC_SEQ_CST);
}

static int compare_grant(const void *key, const void *grant)
{
    return strcmp(key, ((const struct berth_grant *)grant)->facility);
}

enum berth_role berth_user_table_role(struct berth_user_table *table, const char *name,
                                      const char *facility, bool *ret_gateway_admin)
{
    enum berth_role role = BERTH_ROLE_NONE;
    bool gateway_admin = false;
    (void)pthread_rwlock_rdlock(&table->lock);
    const struct berth_user_record *record = find(table, name);
    if (record && record->user.gateway_admin) {
        gateway_admin = true;
        role = BERTH_ROLE_ADMIN;
    } else if (record && record->user.grant_count > 0) {
        const struct berth_grant *grant =
            bsearch(facility, record->user.grants, record->user.grant_count,
                    sizeof(record->user.grants[0]), compare_grant);
        role = grant ? grant->role : BERTH_ROLE_NONE;
    }
    (void)pthread_rwlock_unlock(&table->lock);
    *ret_gateway_admin = gateway_admin;
    return role;
}

void berth_user_table_walk(struct berth_user_table *table,
                           void (*visit)(const struct berth_user *user, void *ctx), void *ctx)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    for (size_t i = 0; i < table->count; i++)
        if (!table->records[i]->removed)
            visit(&table->records[i]->user, ctx);
    (void)pthread_rwlock_unlock(&table->lock);
}

size_t berth_user_table_count(struct berth_user_table *table)
{
    (void)pthread_rwlock_rdlock(&table->lock);
    size_t count = table->count - table->removed;
    (void)pthread_rwlock_unlock(&table->lock);
    return count;
}
