/* SPDX-License-Identifier: MIT */
/*
 * The audit trail: a row for every change, written in the transaction that
 * makes the change where that is in the store, else in one of its own before
 * the change is answered.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_AUDIT_H
#define BERTH_FACILITIES_AUDIT_H

#include "facilities/role.h"
#include "facilities/store.h"

struct berth_audit_entry {
    const struct berth_caller *by; /* NULL: the gateway itself */
    const char *facility;          /* "" for the gateway */
    const char *action;            /* "create-app", "user-add", … */
    const char *target;            /* app, image, user */
    int status;                    /* enum berth_status: 0 done */
    const char *detail;            /* the error's public message, a role, a digest; or NULL */
};

/* Within a transaction of the caller's. */
BERTH_MUST_CHECK int berth_audit_add(struct berth_txn *txn, const struct berth_audit_entry *entry,
                                     struct berth_error *err);

/* In a transaction of its own, ended by berth_store_end_write(); entry lasts until then. */
void berth_audit_begin_write(struct berth_store *store, struct berth_store_request *request,
                             struct berth_audit_entry *entry);

#endif
