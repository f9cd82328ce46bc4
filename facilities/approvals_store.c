/* SPDX-License-Identifier: MIT */
/* The rows of image_request. */
#include "base/text.h"
#include "facilities/approvals_internal.h"

#include <inttypes.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "id, state, image, tag, digest, image_id, requested_by, decided_by, reason, error, "           \
    "requested_ns, decided_ns"

void berth_approval_release(struct berth_approval *approval)
{
    free(approval->image);
    free(approval->tag);
    free(approval->digest);
    free(approval->image_id);
    free(approval->requested_by);
    free(approval->decided_by);
    free(approval->reason);
    free(approval->error);
    berth_image_copies_release(&approval->copies);
    *approval = (struct berth_approval){0};
}

int berth_approval_set_text(char **slot, const char *text, struct berth_error *err)
{
    char *copy = berth_text_dup(text);
    if (text && !copy)
        return berth_error_nomem(err);
    free(*slot);
    *slot = copy;
    return 0;
}

/* False: there is no memory for it. */
static bool copy_copies(const struct berth_image_copies *from, struct berth_image_copies *ret_copy)
{
    *ret_copy = (struct berth_image_copies){0};
    if (from->count == 0)
        return true;
    ret_copy->items = calloc(from->count, sizeof(*from->items));
    if (!ret_copy->items)
        return false;
    memcpy(ret_copy->items, from->items, from->count * sizeof(*from->items));
    ret_copy->count = from->count;
    return true;
}

int berth_approval_copy(const struct berth_approval *from, struct berth_approval *ret_approval,
                        struct berth_error *err)
{
    struct berth_approval copy = *from;
    char **const slots[] = {&copy.image,        &copy.tag,        &copy.digest, &copy.image_id,
                            &copy.requested_by, &copy.decided_by, &copy.reason, &copy.error};
    bool complete = true;
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        const char *text = *slots[i];
        *slots[i] = berth_text_dup(text);
        complete &= !text || *slots[i];
    }
    complete &= copy_copies(&from->copies, &copy.copies);
    if (!complete) {
        berth_approval_release(&copy);
        return berth_error_nomem(err);
    }
    *ret_approval = copy;
    return 0;
}

static int read_row(const struct berth_row *row, struct berth_approval *approval,
                    struct berth_error *err)
{
    const struct {
        char **slot;
        int column;
    } texts[] = {
        {&approval->image, 2},    {&approval->tag, 3},          {&approval->digest, 4},
        {&approval->image_id, 5}, {&approval->requested_by, 6}, {&approval->decided_by, 7},
        {&approval->reason, 8},   {&approval->error, 9},
    };
    int r = berth_approval_state_parse(berth_row_text(row, 1), &approval->state, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        r = berth_approval_set_text(texts[i].slot, berth_row_text(row, texts[i].column), err);
        if (r < 0)
            return r;
    }
    approval->id = berth_row_int(row, 0);
    approval->requested_ns = berth_row_int(row, 10);
    approval->decided_ns = berth_row_int(row, 11);
    approval->percent = approval->state == BERTH_APPROVAL_APPROVED ? 100 : 0;
    return 0;
}

struct load {
    struct berth_approval approval;
    bool found;
};

static int on_loaded(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct load *load = ctx;
    load->found = true;
    return read_row(row, &load->approval, err);
}

static int finish_load(struct load *load, int result, struct berth_approval *ret_approval)
{
    if (result < 0) {
        berth_approval_release(&load->approval);
        return result;
    }
    berth_approval_release(ret_approval);
    *ret_approval = load->approval;
    return 0;
}

int berth_approval_load(struct berth_txn *txn, const struct berth_approval_where *where,
                        struct berth_approval *ret_approval, struct berth_error *err)
{
    static const char by_id[] =
        "SELECT " COLUMNS " FROM image_request WHERE facility = $1 AND id = $2";
    static const char by_name[] =
        "SELECT " COLUMNS " FROM image_request WHERE facility = $1 AND image = $2 AND tag = $3";
    struct load load = {0};
    int r;
    if (where->id) {
        const struct berth_value values[] = {berth_value_text(where->facility),
                                             berth_value_int(where->id)};
        r = berth_txn_run(txn, by_id, values, 2, on_loaded, &load, NULL, err);
        if (r == 0 && !load.found)
            r = berth_error_set(err, BERTH_E_NOT_FOUND, "there is no image request %lld",
                                (long long)where->id);
    } else {
        const struct berth_value values[] = {berth_value_text(where->facility),
                                             berth_value_text(where->image),
                                             berth_value_text(where->tag)};
        r = berth_txn_run(txn, by_name, values, 3, on_loaded, &load, NULL, err);
        if (r == 0 && !load.found)
            r = berth_error_set(err, BERTH_E_NOT_FOUND, "image %s:%s was not requested",
                                where->image, where->tag);
    }
    return finish_load(&load, r, ret_approval);
}

static int tell(struct berth_txn *txn, const char *facility, int64_t id, struct berth_error *err)
{
    char key[24];
    (void)snprintf(key, sizeof(key), "%" PRId64, id);
    const struct berth_store_news news = {BERTH_NEWS_APPROVALS, facility, key};
    return berth_txn_tell(txn, &news, err);
}

int berth_approval_insert(struct berth_txn *txn, const struct berth_approval_where *where,
                          const char *requested_by, int64_t now_ns,
                          struct berth_approval *ret_approval, struct berth_error *err)
{
    static const char sql[] =
        "INSERT INTO image_request (facility, image, tag, state, requested_by, requested_ns)"
        " VALUES ($1, $2, $3, 'pending', $4, $5)"
        " ON CONFLICT (facility, image, tag) DO UPDATE SET state = 'pending',"
        " requested_by = excluded.requested_by, requested_ns = excluded.requested_ns,"
        " digest = NULL, image_id = NULL, decided_by = NULL, decided_ns = NULL, reason = NULL,"
        " error = NULL RETURNING " COLUMNS;
    const struct berth_value values[] = {
        berth_value_text(where->facility), berth_value_text(where->image),
        berth_value_text(where->tag), berth_value_text(requested_by), berth_value_int(now_ns)};
    struct load load = {0};
    int r = berth_txn_run(txn, sql, values, 5, on_loaded, &load, NULL, err);
    if (r == 0)
        r = tell(txn, where->facility, load.approval.id, err);
    return finish_load(&load, r, ret_approval);
}

int berth_approval_save(struct berth_txn *txn, const char *facility,
                        const struct berth_approval *approval, struct berth_error *err)
{
    static const char sql[] =
        "UPDATE image_request SET state = $2, digest = $3, image_id = $4, decided_by = $5,"
        " decided_ns = $6, reason = $7, error = $8 WHERE id = $1";
    const struct berth_value values[] = {
        berth_value_int(approval->id),
        berth_value_text(berth_approval_state_name(approval->state)),
        berth_value_text(approval->digest),
        berth_value_text(approval->image_id),
        berth_value_text(approval->decided_by),
        approval->decided_ns ? berth_value_int(approval->decided_ns) : berth_value_null(),
        berth_value_text(approval->reason),
        berth_value_text(approval->error),
    };
    int r = berth_txn_run(txn, sql, values, 8, NULL, NULL, NULL, err);
    return r < 0 ? r : tell(txn, facility, approval->id, err);
}

struct each {
    int (*visit)(struct berth_approval *approval, void *ctx, struct berth_error *err);
    void *ctx;
};

static int on_each(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    const struct each *each = ctx;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    int r = read_row(row, &approval, err);
    return r < 0 ? r : each->visit(&approval, each->ctx, err);
}

int berth_approval_each(struct berth_txn *txn, const char *facility, const char *state,
                        int (*visit)(struct berth_approval *approval, void *ctx,
                                     struct berth_error *err),
                        void *ctx, struct berth_error *err)
{
    static const char all[] =
        "SELECT " COLUMNS " FROM image_request WHERE facility = $1 ORDER BY id DESC";
    static const char some[] =
        "SELECT " COLUMNS " FROM image_request WHERE facility = $1 AND state = $2 ORDER BY id DESC";
    const struct berth_value values[] = {berth_value_text(facility), berth_value_text(state)};
    struct each each = {visit, ctx};
    return berth_txn_run(txn, state ? some : all, values, state ? 2 : 1, on_each, &each, NULL, err);
}
