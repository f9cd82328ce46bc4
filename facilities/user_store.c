/* SPDX-License-Identifier: MIT */
/* User records out of the store's rows. */
#include "facilities/user_store.h"

#define USER_COLUMNS "name, password_hash, gateway_admin, generation, created_ms, removed_ms"

static int make_record(const struct berth_row *row, struct berth_user_record **ret_record,
                       struct berth_error *err)
{
    const char *name = berth_row_text(row, 0);
    const char *hash = berth_row_text(row, 1);
    if (!name || !hash || strlen(name) > BERTH_USER_MAX || strlen(hash) >= BERTH_PASSWORD_HASH_SIZE)
        return berth_error_set(err, BERTH_E_INTERNAL, "the store holds a malformed user");
    struct berth_user_record *record = calloc(1, sizeof(*record));
    if (!record)
        return berth_error_nomem(err);
    memcpy(record->user.name, name, strlen(name) + 1);
    memcpy(record->hash, hash, strlen(hash) + 1);
    record->user.gateway_admin = berth_row_int(row, 2) != 0;
    record->generation = berth_row_int(row, 3);
    record->user.created_ms = berth_row_int(row, 4);
    record->removed = !berth_row_is_null(row, 5);
    *ret_record = record;
    return 0;
}

/* ctx: struct berth_user_record **, NULL before the only row. */
static int take_record(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    return make_record(row, ctx, err);
}

/* ctx: struct berth_user_record *; columns facility and role. */
static int take_grant(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct berth_user_record *record = ctx;
    struct berth_grant grant = {0};
    const char *facility = berth_row_text(row, 0);
    const char *role = berth_row_text(row, 1);
    if (!facility || strlen(facility) > BERTH_FACILITY_ID_MAX || !role ||
        berth_role_parse(role, &grant.role, NULL) < 0)
        return berth_error_set(err, BERTH_E_INTERNAL, "the store holds a malformed role of %s",
                               record->user.name);
    memcpy(grant.facility, facility, strlen(facility) + 1);

    size_t count = record->user.grant_count;
    struct berth_grant *grants = realloc(record->grants, (count + 1) * sizeof(*grants));
    if (!grants)
        return berth_error_nomem(err);
    grants[count] = grant;
    record->grants = grants;
    record->user.grants = grants;
    record->user.grant_count = count + 1;
    return 0;
}

static int compare_grants(const void *a, const void *b)
{
    return strcmp(((const struct berth_grant *)a)->facility,
                  ((const struct berth_grant *)b)->facility);
}

static int read_grants(struct berth_txn *txn, struct berth_user_record *record,
                       struct berth_error *err)
{
    const struct berth_value name = berth_value_text(record->user.name);
    int r = berth_txn_run(txn, "SELECT facility, role FROM user_grant WHERE user_name = $1", &name,
                          1, take_grant, record, NULL, err);
    if (r == 0 && record->user.grant_count > 1)
        qsort(record->grants, record->user.grant_count, sizeof(record->grants[0]), compare_grants);
    return r;
}

int berth_user_store_read(struct berth_txn *txn, const char *name,
                          struct berth_user_record **ret_record, struct berth_error *err)
{
    BERTH_CLEANUP(user_record) struct berth_user_record *record = NULL;
    const struct berth_value value = berth_value_text(name);
    int r = berth_txn_run(txn, "SELECT " USER_COLUMNS " FROM user_account WHERE name = $1", &value,
                          1, take_record, &record, NULL, err);
    if (r == 0 && record)
        r = read_grants(txn, record, err);
    if (r == 0)
        *ret_record = berth_steal(&record);
    return r;
}

struct loading {
    struct berth_txn *txn;
    struct berth_user_table *users;
};

static int load_user(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    const struct loading *loading = ctx;
    BERTH_CLEANUP(user_record) struct berth_user_record *record = NULL;
    int r = make_record(row, &record, err);
    if (r == 0)
        r = read_grants(loading->txn, record, err);
    if (r == 0)
        r = berth_user_table_reserve(loading->users, err);
    if (r == 0) {
        berth_user_table_put(loading->users, berth_steal(&record));
        berth_user_table_unreserve(loading->users);
    }
    return r;
}

static int load_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct loading *loading = ctx;
    loading->txn = txn;
    return berth_txn_run(txn, "SELECT " USER_COLUMNS " FROM user_account ORDER BY name", NULL, 0,
                         load_user, loading, NULL, err);
}

int berth_user_store_load(struct berth_store *store, struct berth_user_table *users,
                          struct berth_error *err)
{
    struct loading loading = {.users = users};
    return berth_store_read(store, load_job, &loading, err);
}
