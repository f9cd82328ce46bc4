/* SPDX-License-Identifier: MIT */
#include "facilities/store_tables.h"

#include "facilities/store_driver.h"

#include <string.h>

/* A table whose rows are told apart by key; columns and places ($1, $2, …) in the same order. */
#define TABLE(table, key, columns, places)                                                         \
    .name = table, .select = "SELECT " columns " FROM " table " ORDER BY " key,                    \
    .insert = "INSERT INTO " table " (" columns ") VALUES (" places ")",                           \
    .empty = "DELETE FROM " table, .is_empty = "SELECT 1 FROM " table " LIMIT 1"

const struct berth_store_table berth_store_tables[] = {
    {TABLE("user_account", "name",
           "name, password_hash, gateway_admin, generation, created_ms, removed_ms",
           "$1, $2, $3, $4, $5, $6"),
     .types = "ttiiii", .is_of_people = true},
    {TABLE("user_grant", "user_name, facility", "user_name, facility, role", "$1, $2, $3"),
     .types = "ttt", .is_of_people = true},
    {TABLE("api_token", "id",
           "id, user_name, digest, label, facility, role, created_ms, expires_ms, used_ms",
           "$1, $2, $3, $4, $5, $6, $7, $8, $9"),
     .types = "itttttiii", .is_of_people = true, .has_ids = true},
    {TABLE("image_request", "id",
           "id, facility, image, tag, state, digest, image_id, requested_by, requested_ns,"
           " decided_by, decided_ns, reason, error",
           "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13"),
     .types = "itttttttititt", .is_of_people = true, .has_ids = true},
    {TABLE("uptime_span", "id", "id, facility, app, state, from_ms, to_ms",
           "$1, $2, $3, $4, $5, $6"),
     .types = "itttii", .has_ids = true},
    {TABLE("uptime_watermark", "facility", "facility, at_ms", "$1, $2"), .types = "ti"},
    {TABLE("audit", "id",
           "id, at_ms, caller, address, request_id, facility, action, target, status, detail",
           "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10"),
     .types = "iitttttttt", .has_ids = true},
    {TABLE("kept_answer", "id",
           "id, caller, facility, idempotency_key, request, status, type, body, created_ms",
           "$1, $2, $3, $4, $5, $6, $7, $8, $9"),
     .types = "ittttitti", .has_ids = true},
};
const size_t berth_store_table_count = sizeof(berth_store_tables) / sizeof(berth_store_tables[0]);

struct walk {
    const struct berth_store_table *table;
    bool people;
    berth_store_row_fn *visit;
    void *ctx;
};

static int visit_row(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    const struct walk *walk = ctx;
    struct berth_value values[BERTH_STORE_PARAMETERS_MAX];
    const char *types = walk->table->types;
    size_t count = strlen(types);
    for (size_t i = 0; i < count; i++) {
        if (berth_row_is_null(row, (int)i))
            values[i] = berth_value_null();
        else if (types[i] == 'i')
            values[i] = berth_value_int(berth_row_int(row, (int)i));
        else
            values[i] = berth_value_text(berth_row_text(row, (int)i));
    }
    return walk->visit(walk->table, values, count, walk->ctx, err);
}

static int walk_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct walk *walk = ctx;
    int r = 0;
    for (size_t i = 0; r == 0 && i < berth_store_table_count; i++) {
        walk->table = &berth_store_tables[i];
        if (!walk->people || walk->table->is_of_people)
            r = berth_txn_run(txn, walk->table->select, NULL, 0, visit_row, walk, NULL, err);
    }
    return r;
}

int berth_store_walk(struct berth_store *store, bool people, berth_store_row_fn *visit, void *ctx,
                     struct berth_error *err)
{
    struct walk walk = {.people = people, .visit = visit, .ctx = ctx};
    return berth_store_read(store, walk_job, &walk, err);
}

int berth_store_walk_txn(struct berth_txn *txn, bool people, berth_store_row_fn *visit, void *ctx,
                         struct berth_error *err)
{
    struct walk walk = {.people = people, .visit = visit, .ctx = ctx};
    return walk_job(txn, &walk, err);
}

int berth_store_insert(struct berth_txn *txn, const struct berth_store_table *table,
                       const struct berth_value *values, size_t count, struct berth_error *err)
{
    return berth_txn_run(txn, table->insert, values, count, NULL, NULL, NULL, err);
}

int berth_store_empty(struct berth_txn *txn, bool people, struct berth_error *err)
{
    int r = 0;
    for (size_t i = berth_store_table_count; r == 0 && i-- > 0;)
        if (!people || berth_store_tables[i].is_of_people)
            r = berth_txn_run(txn, berth_store_tables[i].empty, NULL, 0, NULL, NULL, NULL, err);
    return r;
}
