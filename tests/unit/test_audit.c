/* SPDX-License-Identifier: MIT */
#include "facilities/audit.h"

#include "base/clock.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

static struct berth_store *open_store(void)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    struct berth_store *store = NULL;
    ck_assert_int_eq(unit_store_open(dir, &store, NULL), 0);
    return store;
}

static const struct berth_caller ana = {
    .user = "ana", .role = BERTH_ROLE_ADMIN, .address = "192.0.2.7", .request_id = "r-1"};

struct audit_row {
    const char *name;
    struct berth_audit_entry entry;
    const char *columns[8]; /* caller, address, request_id, facility, action, target, … detail */
};

static const struct audit_row rows[] = {
    {"done",
     {&ana, "lab", "create-app", "httpd--ana", 0, "sha256:1"},
     {"ana", "192.0.2.7", "r-1", "lab", "create-app", "httpd--ana", "ok", "sha256:1"}},
    {"failed",
     {&ana, "lab", "start-app", "x--ana", BERTH_E_NOT_FOUND, "no such app"},
     {"ana", "192.0.2.7", "r-1", "lab", "start-app", "x--ana", "not_found", "no such app"}},
    {"the gateway itself",
     {NULL, "", "user-ensure", "root", 0, NULL},
     {NULL, NULL, NULL, "", "user-ensure", "root", "ok", NULL}},
};

struct reading {
    size_t count;
    int64_t from_ms;
};

static int check_row(const struct berth_row *row, void *ctx,
                     struct berth_error *err __attribute__((unused)))
{
    struct reading *reading = ctx;
    ck_assert_uint_lt(reading->count, UNIT_COUNT(rows));
    const struct audit_row *expected = &rows[reading->count++];
    for (int i = 0; i < (int)UNIT_COUNT(expected->columns); i++) {
        const char *text = berth_row_text(row, i);
        if (expected->columns[i])
            ck_assert_msg(text && strcmp(text, expected->columns[i]) == 0, "%s %d: %s",
                          expected->name, i, text);
        else
            ck_assert_msg(!text, "%s %d: %s", expected->name, i, text);
    }
    ck_assert_int_ge(berth_row_int(row, 8), reading->from_ms);
    ck_assert_int_le(berth_row_int(row, 8), berth_clock_wall_ns() / BERTH_NS_PER_MS);
    return 0;
}

static int read_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn,
                         "SELECT caller, address, request_id, facility, action, target, status,"
                         " detail, at_ms FROM audit ORDER BY id",
                         NULL, 0, check_row, ctx, NULL, err);
}

START_TEST(entries_become_rows)
{
    BERTH_CLEANUP(store) struct berth_store *store = open_store();
    struct reading reading = {.from_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_audit_entry entry = rows[i].entry;
        struct berth_store_request request;
        berth_audit_begin_write(store, &request, &entry);
        ck_assert_int_eq(berth_store_end_write(store, &request, NULL), 0);
    }
    ck_assert_int_eq(berth_store_read(store, read_job, &reading, NULL), 0);
    ck_assert_uint_eq(reading.count, UNIT_COUNT(rows));
}
END_TEST

static int add_then_fail(struct berth_txn *txn, void *ctx __attribute__((unused)),
                         struct berth_error *err)
{
    int r = berth_audit_add(txn, &rows[0].entry, err);
    ck_assert_int_eq(r, 0);
    return berth_error_set(err, BERTH_E_QUOTA, "the change failed");
}

START_TEST(an_entry_shares_the_fate_of_its_change)
{
    BERTH_CLEANUP(store) struct berth_store *store = open_store();
    struct reading reading = {0};
    ck_assert_int_eq(berth_store_write(store, add_then_fail, NULL, NULL), BERTH_E_QUOTA);
    ck_assert_int_eq(berth_store_read(store, read_job, &reading, NULL), 0);
    ck_assert_uint_eq(reading.count, 0);
}
END_TEST

UNIT_SUITE("audit", entries_become_rows, an_entry_shares_the_fate_of_its_change)
