/* SPDX-License-Identifier: MIT */
/*
 * Requests of a facility that several gateways serve. What another has changed
 * is told to those who watch here. Of all that know of a pull, the one that
 * holds "pull:FACILITY:ID" in the store makes it; the others look again every
 * two seconds, and take over when its holder has ended.
 */
#include "base/clock.h"
#include "base/log.h"
#include "facilities/approvals_internal.h"
#include "facilities/changes.h"

#include <inttypes.h>
#include <string.h>

struct request {
    struct berth_approvals *approvals;
    int64_t id;
    struct berth_approval approval;
};

static int load_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct request *request = ctx;
    const struct berth_approval_where where = {.facility = request->approvals->facility,
                                               .id = request->id};
    return berth_approval_load(txn, &where, &request->approval, err);
}

static int load(struct request *request, struct berth_error *err)
{
    return berth_store_read(request->approvals->store, load_job, request, err);
}

/* ---- Who pulls ---- */

static void hold_name(const struct berth_approvals *approvals, int64_t id, char *name, size_t size)
{
    (void)snprintf(name, size, "pull:%s:%" PRId64, approvals->facility, id);
}

/* What became of a pull that another gateway has made. */
static void take_result(struct berth_pull *pull, const struct berth_approval *approval)
{
    pull->result = 0;
    if (approval->state == BERTH_APPROVAL_FAILED)
        pull->result = berth_error_set(&pull->err, BERTH_E_REFUSED, "%s",
                                       approval->error ? approval->error : "the pull failed");
}

enum berth_pull_claim berth_pull_claim(struct berth_approvals *approvals, struct berth_pull *pull)
{
    struct request request = {.approvals = approvals, .id = pull->id};
    struct berth_error err = BERTH_ERROR_INIT;
    char name[BERTH_PULL_HOLD_SIZE];
    bool held = false;
    if (!berth_store_is_shared(approvals->store))
        return BERTH_PULL_OURS;
    hold_name(approvals, pull->id, name, sizeof(name));
    int r = berth_store_hold(approvals->store, name, &held, &err);
    if (r == 0)
        r = load(&request, &err); /* once it is held: its holder may have made the pull meanwhile */
    bool is_pulling = r == 0 && request.approval.state == BERTH_APPROVAL_PULLING;
    if (r == 0 && !is_pulling)
        take_result(pull, &request.approval);
    berth_approval_release(&request.approval);
    if (r < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "pull of %s: it begins later", pull->reference);
    if (held && !is_pulling)
        berth_store_let_go(approvals->store, name);
    if (r < 0 || (!held && is_pulling))
        return BERTH_PULL_LATER;
    return is_pulling ? BERTH_PULL_OURS : BERTH_PULL_OVER;
}

void berth_pull_let_go(struct berth_approvals *approvals, int64_t id)
{
    char name[BERTH_PULL_HOLD_SIZE];
    hold_name(approvals, id, name, sizeof(name));
    berth_store_let_go(approvals->store, name);
}

/* ---- What other gateways have changed ---- */

/* Whoever decided on it begins; this gateway does where that one has ended. */
static int stand_by(const struct berth_approval *approval, void *ctx, struct berth_error *err)
{
    struct berth_pull *pull = NULL;
    int r = berth_pull_new(&pull, err);
    if (r < 0)
        return r;
    pull->retry_ms = berth_clock_monotonic_ms() + BERTH_PULL_RETRY_MS;
    return berth_pulls_add(ctx, pull, approval, NULL, err);
}

/* Ends the pull that was another gateway's, for those who wait for it. */
static void end_others(struct berth_approvals *approvals, const struct berth_approval *approval)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    struct berth_pull *pull = berth_pulls_find(approvals, approval->id);
    if (!pull || pull->started)
        return;
    take_result(pull, approval);
    berth_pulls_end(approvals, pull);
}

static int follow(struct berth_approvals *approvals, const struct berth_approval *approval,
                  struct berth_error *err)
{
    switch (approval->state) {
    case BERTH_APPROVAL_PULLING:
        return stand_by(approval, approvals, err);
    case BERTH_APPROVAL_APPROVED:
        berth_approval_keep(approvals, approval, false);
        break;
    case BERTH_APPROVAL_REJECTED:
    case BERTH_APPROVAL_FAILED:
    case BERTH_APPROVAL_REMOVED:
        berth_approval_drop(approvals, approval);
        break;
    case BERTH_APPROVAL_PENDING:
        break;
    }
    end_others(approvals, approval);
    return 0;
}

static int hear_one(struct berth_approvals *approvals, int64_t id, struct berth_error *err)
{
    struct request request = {.approvals = approvals, .id = id};
    uint64_t turn = berth_news_draw(approvals);
    berth_news_begin(approvals, turn);
    int r = load(&request, err); /* in its turn: nothing newer has been told */
    /* The digest stays with a request whose approval was withdrawn. */
    bool was_approved = request.approval.state == BERTH_APPROVAL_REMOVED && request.approval.digest;
    berth_news_end(approvals, turn, r == 0 ? &request.approval : NULL, was_approved);
    if (r == 0)
        r = follow(approvals, &request.approval, err);
    berth_approval_release(&request.approval);
    return r;
}

static void tell_reset(void *ctx, uint64_t sequence)
{
    struct berth_changes *changes = ctx;
    berth_changes_add_reset(changes, sequence, "contact with the store is back");
    berth_changes_told(changes, sequence);
}

static int keep_old(const struct berth_approval *approval, void *ctx,
                    struct berth_error *err __attribute__((unused)))
{
    berth_approval_keep(ctx, approval, true);
    return 0;
}

static int hear_all(struct berth_approvals *approvals, struct berth_error *err)
{
    const enum berth_approval_state pulling = BERTH_APPROVAL_PULLING;
    const enum berth_approval_state approved = BERTH_APPROVAL_APPROVED;
    berth_mirror_number(approvals->mirror, tell_reset, approvals->changes);
    int r = berth_approvals_list(approvals, &approved, keep_old, approvals, err);
    return r < 0 ? r : berth_approvals_list(approvals, &pulling, stand_by, approvals, err);
}

int berth_approvals_hear(struct berth_approvals *approvals, int64_t id, struct berth_error *err)
{
    return id != 0 ? hear_one(approvals, id, err) : hear_all(approvals, err);
}
