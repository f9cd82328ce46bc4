/* SPDX-License-Identifier: MIT */
#include "facilities/approvals.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "facilities/approvals_internal.h"
#include "facilities/audit.h"

#include <string.h>

static const char *const state_names[] = {"pending",  "pulling", "approved",
                                          "rejected", "failed",  "removed"};

#define STATE_COUNT (sizeof(state_names) / sizeof(state_names[0]))

const char *berth_approval_state_name(enum berth_approval_state state)
{
    return state_names[state];
}

int berth_approval_state_parse(const char *name, enum berth_approval_state *ret_state,
                               struct berth_error *err)
{
    for (size_t i = 0; name && i < STATE_COUNT; i++) {
        if (strcmp(state_names[i], name) == 0) {
            *ret_state = (enum berth_approval_state)i;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID, "%s is no state of an image request",
                           name ? name : "nothing");
}

/* ---- Jobs ---- */

/* What a job is about, and its result. */
struct decision {
    struct berth_approvals *approvals;
    const struct berth_caller *by;
    struct berth_approval_where where;
    char image[BERTH_IMAGE_NAME_MAX + 1];
    const char *reason;
    const struct berth_image *present; /* on the engine already */
    int64_t now_ns;
    struct berth_approval approval;
    uint64_t turn; /* to tell of the change; 0: nothing was changed */
    bool was_approved;
};

/* A digest names the image more exactly than a tag: it stands in the tag's place. */
static void decision_init(struct decision *decision, struct berth_approvals *approvals,
                          const struct berth_caller *by, const struct berth_approval_key *key)
{
    *decision = (struct decision){.approvals = approvals, .by = by};
    decision->now_ns = berth_clock_wall_ns();
    decision->where.facility = approvals->facility;
    decision->where.id = key->id;
    if (key->ref) {
        berth_image_ref_name(key->ref, decision->image);
        decision->where.image = decision->image;
        decision->where.tag = key->ref->digest[0] ? key->ref->digest : key->ref->tag;
    }
}

static int add_audit(struct berth_txn *txn, const struct decision *decision, const char *action,
                     const char *detail, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf target = BERTH_STRBUF_INIT(1024);
    berth_approval_reference(&decision->approval, &target);
    const struct berth_audit_entry entry = {
        .by = decision->by,
        .facility = decision->approvals->facility,
        .action = action,
        .target = berth_strbuf_str(&target),
        .detail = detail,
    };
    return berth_audit_add(txn, &entry, err);
}

static int decide(struct decision *decision, enum berth_approval_state state, const char *reason,
                  struct berth_error *err)
{
    struct berth_approval *approval = &decision->approval;
    approval->state = state;
    approval->percent = state == BERTH_APPROVAL_APPROVED ? 100 : 0;
    approval->decided_ns = decision->now_ns;
    int r = berth_approval_set_text(&approval->decided_by, decision->by->user, err);
    if (r == 0)
        r = berth_approval_set_text(&approval->reason, reason, err);
    return r == 0 ? berth_approval_set_text(&approval->error, NULL, err) : r;
}

/* Within the job, once the change is made. */
static void draw_turn(struct decision *decision)
{
    if (decision->turn == 0)
        decision->turn = berth_news_draw(decision->approvals);
}

/* Makes the change, and tells those who watch. */
static int write_decision(struct decision *decision,
                          int (*job)(struct berth_txn *txn, void *ctx, struct berth_error *err),
                          struct berth_error *err)
{
    struct berth_approvals *approvals = decision->approvals;
    int r = berth_store_write(approvals->store, job, decision, err);
    berth_news_tell(approvals, decision->turn, r == 0 ? &decision->approval : NULL,
                    decision->was_approved);
    return r;
}

/* Hands the job's result to the caller. */
static int finish(struct decision *decision, int result, struct berth_approval *ret_approval)
{
    if (result < 0) {
        berth_approval_release(&decision->approval);
        return result;
    }
    int percent = berth_pulls_percent(decision->approvals, decision->approval.id);
    if (decision->approval.state == BERTH_APPROVAL_PULLING && percent > 0)
        decision->approval.percent = percent;
    berth_approval_add_copies(decision->approvals, &decision->approval);
    *ret_approval = decision->approval;
    return 0;
}

/* ---- Requesting ---- */

static bool is_settled(const struct berth_approval *approval)
{
    return approval->state == BERTH_APPROVAL_PENDING || approval->state == BERTH_APPROVAL_PULLING ||
           approval->state == BERTH_APPROVAL_APPROVED;
}

static int request_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct decision *decision = ctx;
    int r = berth_approval_load(txn, &decision->where, &decision->approval, err);
    if (r == 0 && is_settled(&decision->approval))
        return 0;
    if (r < 0 && r != BERTH_E_NOT_FOUND)
        return r;
    r = berth_approval_insert(txn, &decision->where, decision->by->user, decision->now_ns,
                              &decision->approval, err);
    if (r == 0)
        draw_turn(decision);
    return r == 0 ? add_audit(txn, decision, "request-image", NULL, err) : r;
}

/* Where nothing is made from images, there are none to ask for. */
static int check_images(const struct berth_approvals *approvals, const char *endpoint,
                        struct berth_error *err)
{
    return approvals->backend->ops->images
               ? 0
               : berth_backend_unsupported(approvals->backend, endpoint, err);
}

int berth_approvals_request(struct berth_approvals *approvals, const struct berth_caller *by,
                            const struct berth_image_ref *ref, struct berth_approval *ret_approval,
                            struct berth_error *err)
{
    const struct berth_approval_key key = {.ref = ref};
    struct decision decision;
    decision_init(&decision, approvals, by, &key);
    int r = check_images(approvals, "request-image", err);
    if (r == 0)
        r = write_decision(&decision, request_job, err);
    return finish(&decision, r, ret_approval);
}

/* ---- Approving ---- */

/* The digest under which that repository knows the image, or NULL. */
static const char *digest_of(const struct berth_image *image, const char *repository)
{
    size_t len = strlen(repository);
    for (char **digest = image->digests; digest && *digest; digest++)
        if (strncmp(*digest, repository, len) == 0 && (*digest)[len] == '@')
            return *digest + len + 1;
    return NULL;
}

static int approve_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct decision *decision = ctx;
    struct berth_approval *approval = &decision->approval;
    int r = berth_approval_load(txn, &decision->where, approval, err);
    if (r == BERTH_E_NOT_FOUND && decision->where.image)
        r = berth_approval_insert(txn, &decision->where, decision->by->user, decision->now_ns,
                                  approval, err);
    if (r < 0 || approval->state == BERTH_APPROVAL_APPROVED ||
        approval->state == BERTH_APPROVAL_PULLING)
        return r;

    const struct berth_image *present = decision->present;
    if (!present && berth_pulls_are_stopped(decision->approvals))
        return berth_error_set(err, BERTH_E_CANCELLED,
                               "the facility is closing and pulls no more: nothing was changed");
    r = decide(decision, present ? BERTH_APPROVAL_APPROVED : BERTH_APPROVAL_PULLING, NULL, err);
    if (r == 0 && present) {
        const char *digest = digest_of(present, approval->image);
        r = berth_approval_set_text(&approval->digest, digest ? digest : present->id, err);
        if (r == 0)
            r = berth_approval_set_text(&approval->image_id, present->id, err);
    }
    if (r == 0)
        r = berth_approval_save(txn, decision->where.facility, approval, err);
    if (r == 0)
        draw_turn(decision);
    return r == 0 ? add_audit(txn, decision, "approve-image", approval->digest, err) : r;
}

static int load_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct decision *decision = ctx;
    return berth_approval_load(txn, &decision->where, &decision->approval, err);
}

/* Looks for the image on the engine, in a list asked of it now. */
static int find_present(struct decision *decision, struct berth_image_list *images,
                        struct berth_error *err)
{
    struct berth_approval named = {.image = decision->image, .tag = NULL};
    if (decision->where.id) {
        int r = berth_store_read(decision->approvals->store, load_job, decision, err);
        if (r < 0)
            return r;
        named = decision->approval;
    }
    char tag[BERTH_DIGEST_MAX + 1];
    (void)snprintf(tag, sizeof(tag), "%s", named.tag ? named.tag : decision->where.tag);
    named.tag = tag;
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    berth_approval_reference(&named, &reference);
    decision->present = berth_image_list_find(images, berth_strbuf_str(&reference));
    return berth_strbuf_check(&reference, err);
}

static int begin_pull(const struct decision *decision, struct berth_pull *pull,
                      struct berth_pull **ret_waited, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int r = berth_pulls_add(decision->approvals, pull, &decision->approval, ret_waited, &why);
    if (r < 0)
        berth_pulls_fail(decision->approvals, &decision->approval, &why);
    if (r < 0 && err)
        *err = why;
    return r;
}

int berth_approvals_approve(struct berth_approvals *approvals, const struct berth_caller *by,
                            const struct berth_approval_key *key, bool wait,
                            struct berth_approval *ret_approval, struct berth_error *err)
{
    struct decision decision;
    decision_init(&decision, approvals, by, key);
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    BERTH_CLEANUP(pull) struct berth_pull *pull = NULL;
    struct berth_pull *waited = NULL;
    int r = check_images(approvals, "approve-image", err);
    if (r == 0)
        r = berth_backend_images(approvals->backend, &images, err);
    if (r == 0)
        r = find_present(&decision, images, err);
    if (r == 0)
        r = berth_pull_new(&pull, err);
    if (r == 0)
        r = write_decision(&decision, approve_job, err);
    if (r == 0 && decision.approval.state == BERTH_APPROVAL_APPROVED)
        berth_approval_keep(approvals, &decision.approval, false);
    if (r == 0 && decision.approval.state == BERTH_APPROVAL_PULLING)
        r = begin_pull(&decision, berth_steal(&pull), wait ? &waited : NULL, err);
    if (r == 0 && waited) {
        decision.where.id = decision.approval.id;
        r = berth_pulls_wait(approvals, waited, err);
        if (r == 0) {
            r = berth_store_read(approvals->store, load_job, &decision, err);
            if (r < 0)
                (void)berth_error_wrap(err, "the image is pulled, but its request is not known");
        }
        if (r == 0 && decision.approval.state != BERTH_APPROVAL_APPROVED)
            r = berth_error_set(err, BERTH_E_CONFLICT, "image %s:%s was %s while it was pulled",
                                decision.approval.image, decision.approval.tag,
                                berth_approval_state_name(decision.approval.state));
    }
    return finish(&decision, r, ret_approval);
}

/* ---- Rejecting and withdrawing ---- */

static int reject_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct decision *decision = ctx;
    struct berth_approval *approval = &decision->approval;
    int r = berth_approval_load(txn, &decision->where, approval, err);
    if (r < 0)
        return r;
    if (approval->state == BERTH_APPROVAL_APPROVED)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "image %s:%s is approved; remove-image withdraws that",
                               approval->image, approval->tag);
    r = decide(decision, BERTH_APPROVAL_REJECTED, decision->reason, err);
    if (r == 0)
        r = berth_approval_save(txn, decision->where.facility, approval, err);
    if (r == 0)
        draw_turn(decision);
    return r == 0 ? add_audit(txn, decision, "reject-image", decision->reason, err) : r;
}

int berth_approvals_reject(struct berth_approvals *approvals, const struct berth_caller *by,
                           const struct berth_approval_key *key, const char *reason,
                           struct berth_approval *ret_approval, struct berth_error *err)
{
    if (strlen(reason) > BERTH_REASON_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "parameter reason must not exceed %d bytes",
                               BERTH_REASON_MAX);
    struct decision decision;
    decision_init(&decision, approvals, by, key);
    decision.reason = *reason ? reason : NULL;
    int r = check_images(approvals, "reject-image", err);
    if (r == 0)
        r = write_decision(&decision, reject_job, err);
    if (r == 0)
        berth_approval_drop(approvals, &decision.approval);
    return finish(&decision, r, ret_approval);
}

static int remove_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct decision *decision = ctx;
    int r = berth_approval_load(txn, &decision->where, &decision->approval, err);
    decision->was_approved = r == 0 && decision->approval.state == BERTH_APPROVAL_APPROVED;
    if (r == 0)
        r = decide(decision, BERTH_APPROVAL_REMOVED, NULL, err);
    if (r == 0)
        r = berth_approval_save(txn, decision->where.facility, &decision->approval, err);
    if (r == 0)
        draw_turn(decision);
    return r == 0 ? add_audit(txn, decision, "remove-image", NULL, err) : r;
}

/* Deletes the image of a withdrawn approval; one that is not there is deleted already. */
static int purge_image(struct berth_approvals *approvals, const struct berth_approval *approval,
                       struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    struct berth_error why = BERTH_ERROR_INIT;
    berth_approval_reference(approval, &reference);
    int r = berth_strbuf_check(&reference, err);
    if (r == 0)
        r = berth_backend_image_remove(approvals->backend, berth_strbuf_str(&reference), err);
    if (r == BERTH_E_NOT_FOUND)
        r = 0;
    int refreshed =
        berth_mirror_refresh_images(approvals->mirror, &why); /* some node may lack it */
    if (r == 0 && refreshed < 0) {
        r = refreshed;
        if (err)
            *err = why;
    }
    return r < 0 ? berth_error_wrap(err, "approval is withdrawn, but the image stays") : 0;
}

int berth_approvals_remove(struct berth_approvals *approvals, const struct berth_caller *by,
                           const struct berth_approval_key *key, bool purge,
                           struct berth_approval *ret_approval, struct berth_error *err)
{
    struct decision decision;
    decision_init(&decision, approvals, by, key);
    int r = check_images(approvals, "remove-image", err);
    if (r == 0)
        r = write_decision(&decision, remove_job, err);
    if (r == 0)
        berth_approval_drop(approvals, &decision.approval);
    if (r == 0 && purge)
        r = purge_image(approvals, &decision.approval, err);
    return finish(&decision, r, ret_approval);
}

/* ---- Reading ---- */

int berth_approvals_find(struct berth_approvals *approvals, const struct berth_image_ref *ref,
                         struct berth_approval *ret_approval, struct berth_error *err)
{
    static const struct berth_caller nobody;
    const struct berth_approval_key key = {.ref = ref};
    struct decision decision;
    decision_init(&decision, approvals, &nobody, &key);
    int r = berth_store_read(approvals->store, load_job, &decision, err);
    if (r == BERTH_E_NOT_FOUND || (r == 0 && decision.approval.state != BERTH_APPROVAL_APPROVED))
        r = berth_error_set_coded(
            err, BERTH_E_FORBIDDEN, "IMAGE_NOT_APPROVED",
            "image %s%c%s is not approved in facility %s; request-image asks for it",
            decision.image, ref->digest[0] ? '@' : ':', decision.where.tag, approvals->facility);
    return finish(&decision, r, ret_approval);
}

struct listing {
    struct berth_approvals *approvals;
    const char *state;
    int (*visit)(const struct berth_approval *approval, void *ctx, struct berth_error *err);
    void *ctx;
};

static int visit_with_progress(struct berth_approval *approval, void *ctx, struct berth_error *err)
{
    const struct listing *listing = ctx;
    if (approval->state == BERTH_APPROVAL_PULLING) {
        int percent = berth_pulls_percent(listing->approvals, approval->id);
        approval->percent = percent > 0 ? percent : 0;
    }
    berth_approval_add_copies(listing->approvals, approval);
    return listing->visit(approval, listing->ctx, err);
}

static int list_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct listing *listing = ctx;
    return berth_approval_each(txn, listing->approvals->facility, listing->state,
                               visit_with_progress, listing, err);
}

int berth_approvals_list(struct berth_approvals *approvals, const enum berth_approval_state *state,
                         int (*visit)(const struct berth_approval *approval, void *ctx,
                                      struct berth_error *err),
                         void *ctx, struct berth_error *err)
{
    struct listing listing = {
        .approvals = approvals,
        .state = state ? berth_approval_state_name(*state) : NULL,
        .visit = visit,
        .ctx = ctx,
    };
    return berth_store_read(approvals->store, list_job, &listing, err);
}

/* ---- Opening ---- */

static int resume_pull(const struct berth_approval *approval, void *ctx, struct berth_error *err)
{
    struct berth_pull *pull = NULL;
    int r = berth_pull_new(&pull, err);
    return r < 0 ? r : berth_pulls_add(ctx, pull, approval, NULL, err);
}

int berth_approvals_open(struct berth_store *store, const char *facility,
                         struct berth_backend *backend, struct berth_mirror *mirror,
                         struct berth_changes *changes, struct berth_approvals **ret_approvals,
                         struct berth_error *err)
{
    BERTH_CLEANUP(approvals) struct berth_approvals *approvals = calloc(1, sizeof(*approvals));
    if (!approvals)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&approvals->lock, NULL);
    berth_cond_init(&approvals->changed);
    approvals->store = store;
    approvals->backend = backend;
    approvals->mirror = mirror;
    approvals->changes = changes;
    approvals->facility = berth_text_dup(facility);
    if (!approvals->facility)
        return berth_error_nomem(err);
    *ret_approvals = berth_steal(&approvals);
    return 0;
}

static int resume_copies(const struct berth_approval *approval, void *ctx, struct berth_error *err)
{
    (void)err;
    berth_approval_keep(ctx, approval, true);
    return 0;
}

int berth_approvals_resume(struct berth_approvals *approvals, struct berth_error *err)
{
    const enum berth_approval_state pulling = BERTH_APPROVAL_PULLING;
    const enum berth_approval_state approved = BERTH_APPROVAL_APPROVED;
    int r = berth_approvals_list(approvals, &approved, resume_copies, approvals, err);
    if (r < 0)
        return r;
    return berth_approvals_list(approvals, &pulling, resume_pull, approvals, err);
}

void berth_approvals_stop(struct berth_approvals *approvals)
{
    berth_pulls_stop(approvals);
}

static int do_nothing(struct berth_txn *txn __attribute__((unused)),
                      void *ctx __attribute__((unused)),
                      struct berth_error *err __attribute__((unused)))
{
    return 0;
}

void berth_approvals_retire(struct berth_approvals *approvals)
{
    struct berth_error err = BERTH_ERROR_INIT;
    berth_pulls_stop(approvals);
    /* Jobs are done in turn: what was decided before is in the store once this one is through. */
    if (berth_store_write(approvals->store, do_nothing, NULL, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "images of facility %s", approvals->facility);
}

void berth_approvals_close(struct berth_approvals *approvals)
{
    if (!approvals)
        return;
    berth_pulls_stop(approvals);
    berth_pulls_join(approvals);
    (void)pthread_cond_destroy(&approvals->changed);
    (void)pthread_mutex_destroy(&approvals->lock);
    free(approvals->facility);
    free(approvals);
}
