/* SPDX-License-Identifier: MIT */
/* Rows of the audit trail. */
#include "facilities/audit.h"

#include "base/clock.h"

int berth_audit_add(struct berth_txn *txn, const struct berth_audit_entry *entry,
                    struct berth_error *err)
{
    static const char sql[] =
        "INSERT INTO audit (at_ms, caller, address, request_id, facility, action, target, status,"
        " detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    const struct berth_caller *by = entry->by;
    const struct berth_value values[] = {
        berth_value_int(berth_clock_wall_ns() / BERTH_NS_PER_MS),
        berth_value_text(by ? by->user : NULL),
        berth_value_text(by ? by->address : NULL),
        berth_value_text(by ? by->request_id : NULL),
        berth_value_text(entry->facility),
        berth_value_text(entry->action),
        berth_value_text(entry->target),
        berth_value_text(berth_status_name((enum berth_status)entry->status)),
        berth_value_text(entry->detail),
    };
    return berth_txn_run(txn, sql, values, sizeof(values) / sizeof(values[0]), NULL, NULL, NULL,
                         err);
}

static int add_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_audit_add(txn, ctx, err);
}

void berth_audit_begin_write(struct berth_store *store, struct berth_store_request *request,
                             struct berth_audit_entry *entry)
{
    berth_store_begin_write(store, request, add_job, entry);
    request->may_repeat = true;
}
