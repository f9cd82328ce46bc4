/* SPDX-License-Identifier: MIT */
/*
 * Pulls of approved images, on a few threads of the facility's own that are
 * started when there is something to pull. A pull that is cut by a stop of the
 * gateway leaves its request in the state pulling, and the next start takes it
 * up again.
 */
#include "base/clock.h"
#include "base/log.h"
#include "facilities/approvals_internal.h"
#include "facilities/audit.h"

#include <string.h>

/* Until the end of a pull is tried to be recorded again; doubled each time, up to the other. */
#define RECORD_AGAIN_MS     10
#define RECORD_AGAIN_MAX_MS 5000

static char separator(const struct berth_approval *approval)
{
    return strchr(approval->tag, ':') ? '@' : ':';
}

void berth_approval_reference(const struct berth_approval *approval, struct berth_strbuf *out)
{
    berth_strbuf_addf(out, "%s%c%s", approval->image, separator(approval), approval->tag);
}

/* ---- All nodes ---- */

void berth_approval_keep(struct berth_approvals *approvals, const struct berth_approval *approval,
                         bool is_old)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    struct berth_error err = BERTH_ERROR_INIT;
    bool has_digest =
        approval->digest && approval->image_id && strcmp(approval->digest, approval->image_id) != 0;
    berth_approval_reference(approval, &reference);
    int r = berth_strbuf_check(&reference, &err);
    if (r == 0)
        r = berth_backend_image_keep(approvals->backend, berth_strbuf_str(&reference),
                                     has_digest ? approval->digest : NULL, is_old, &err);
    if (r < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "image %s:%s: nodes that come later lack it",
                        approval->image, approval->tag);
}

void berth_approval_drop(struct berth_approvals *approvals, const struct berth_approval *approval)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    berth_approval_reference(approval, &reference);
    if (berth_strbuf_check(&reference, NULL) == 0)
        berth_backend_image_drop(approvals->backend, berth_strbuf_str(&reference));
}

void berth_approval_add_copies(struct berth_approvals *approvals, struct berth_approval *approval)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf reference = BERTH_STRBUF_INIT(1024);
    berth_image_copies_release(&approval->copies);
    berth_approval_reference(approval, &reference);
    if (berth_strbuf_check(&reference, NULL) < 0 ||
        berth_backend_image_copies(approvals->backend, berth_strbuf_str(&reference),
                                   &approval->copies, NULL) < 0)
        approval->copies = (struct berth_image_copies){0}; /* the request is worth more without */
}

/* ---- Pulls ---- */

int berth_pull_new(struct berth_pull **ret_pull, struct berth_error *err)
{
    struct berth_pull *pull = calloc(1, sizeof(*pull));
    if (!pull)
        return berth_error_nomem(err);
    *ret_pull = pull;
    return 0;
}

void berth_pull_free(struct berth_pull *pull)
{
    berth_approval_release(&pull->request);
    free(pull);
}

struct berth_pull *berth_pulls_find(struct berth_approvals *approvals, int64_t id)
{
    struct berth_pull *pull = approvals->pulls;
    while (pull && (pull->id != id || pull->done))
        pull = pull->next;
    return pull;
}

/* Takes the pull out of the list and frees it, once nobody waits for its result. */
static void forget(struct berth_approvals *approvals, struct berth_pull *pull)
{
    if (pull->waiters > 0)
        return;
    struct berth_pull **slot = &approvals->pulls;
    while (*slot != pull)
        slot = &(*slot)->next;
    *slot = pull->next;
    berth_pull_free(pull);
}

/* ---- The end of a pull, in the store ---- */

struct outcome {
    struct berth_approvals *approvals;
    int64_t id;
    int result;
    const char *digest;
    const char *image_id;
    const char *message; /* of the failure */
    struct berth_approval approval;
    uint64_t turn; /* to tell of it; 0: it was no news any more */
};

static int save_outcome(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct outcome *outcome = ctx;
    struct berth_approval *approval = &outcome->approval;
    const char *facility = outcome->approvals->facility;
    const struct berth_approval_where where = {.facility = facility, .id = outcome->id};
    int r = berth_approval_load(txn, &where, approval, err);
    if (r < 0 || approval->state != BERTH_APPROVAL_PULLING)
        return r; /* rejected or withdrawn meanwhile: that decision stands */

    approval->state = outcome->result == 0 ? BERTH_APPROVAL_APPROVED : BERTH_APPROVAL_FAILED;
    approval->percent = outcome->result == 0 ? 100 : 0;
    r = berth_approval_set_text(&approval->digest, outcome->digest, err);
    if (r == 0)
        r = berth_approval_set_text(&approval->image_id, outcome->image_id, err);
    if (r == 0)
        r = berth_approval_set_text(&approval->error, outcome->message, err);
    if (r == 0)
        r = berth_approval_save(txn, facility, approval, err);
    if (r < 0)
        return r;
    if (outcome->turn == 0)
        outcome->turn = berth_news_draw(outcome->approvals);
    BERTH_CLEANUP(strbuf) struct berth_strbuf target = BERTH_STRBUF_INIT(1024);
    berth_approval_reference(approval, &target);
    const struct berth_audit_entry entry = {
        .facility = facility,
        .action = "pull-image",
        .target = berth_strbuf_str(&target),
        .status = outcome->result,
        .detail = outcome->result == 0 ? outcome->digest : outcome->message,
    };
    return berth_audit_add(txn, &entry, err);
}

/* What became of the request says where its image is to be. */
static void follow(struct berth_approvals *approvals, const struct berth_approval *approval)
{
    if (approval->state == BERTH_APPROVAL_APPROVED)
        berth_approval_keep(approvals, approval, false);
    else
        berth_approval_drop(approvals, approval);
}

static int save(struct outcome *outcome, struct berth_error *err)
{
    struct berth_approvals *approvals = outcome->approvals;
    int r = berth_store_write(approvals->store, save_outcome, outcome, err);
    if (r == 0)
        follow(approvals, &outcome->approval);
    berth_news_tell(approvals, outcome->turn, r == 0 ? &outcome->approval : NULL, false);
    berth_approval_release(&outcome->approval);
    outcome->approval = (struct berth_approval){0};
    outcome->turn = 0;
    return r;
}

static bool on_progress(void *ctx, int percent)
{
    void **pair = ctx;
    struct berth_approvals *approvals = pair[0];
    berth_news_progress(approvals, pair[1], percent);
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    return !approvals->stopping;
}

/* Lets go who waits for the pull, whose end could not be recorded; false: the gateway stops. */
static bool wait_to_record(struct berth_approvals *approvals, struct berth_pull *pull,
                           const struct berth_error *why, int64_t delay_ms)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + delay_ms;
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    if (!pull->ended && pull->result == 0) {
        pull->result = why->status;
        pull->err = *why;
        (void)berth_error_wrap(&pull->err, "image %s is pulled, but that is not recorded yet",
                               pull->reference);
    }
    pull->ended = true;
    (void)pthread_cond_broadcast(&approvals->changed);
    while (!approvals->stopping &&
           berth_cond_wait_until(&approvals->changed, &approvals->lock, deadline_ms))
        ;
    return !approvals->stopping;
}

/* A full disk, or want of memory, must not leave the request in the state pulling; false: the
 * gateway stops before it is recorded. */
static bool record(struct berth_approvals *approvals, struct berth_pull *pull,
                   struct outcome *outcome)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t delay_ms = RECORD_AGAIN_MS;
    while (save(outcome, &err) < 0) {
        if (delay_ms == RECORD_AGAIN_MS)
            berth_log_error(BERTH_LOG_ERROR, &err, "pull of %s: its end is recorded later",
                            pull->reference);
        if (!wait_to_record(approvals, pull, &err, delay_ms))
            return false;
        delay_ms = delay_ms * 2 < RECORD_AGAIN_MAX_MS ? delay_ms * 2 : RECORD_AGAIN_MAX_MS;
    }
    return true;
}

/* Whoever hears that the image is there finds it. */
static void show_image(const struct berth_approvals *approvals)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_mirror_refresh_images(approvals->mirror, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "images of facility %s", approvals->facility);
}

static void run_pull(struct berth_approvals *approvals, struct berth_pull *pull)
{
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *image_id = NULL;
    void *pair[2] = {approvals, pull};
    int r = berth_backend_pull(approvals->backend, pull->reference, on_progress, pair, &digest,
                               &image_id, &pull->err);
    pull->result = r;
    if (r == BERTH_E_CANCELLED)
        return;
    if (r < 0)
        (void)berth_error_wrap(&pull->err, "image %s", pull->reference);
    else
        show_image(approvals);
    struct outcome outcome = {
        .approvals = approvals,
        .id = pull->id,
        .result = r,
        .digest = digest ? digest : image_id,
        .image_id = image_id,
        .message = r < 0 ? pull->err.message : NULL,
    };
    if (record(approvals, pull, &outcome))
        berth_pull_let_go(approvals, pull->id); /* else it is this gateway's to the end */
}

/* ---- Threads ---- */

/* The next pull that is due, or NULL and when one will be (0: none). */
static struct berth_pull *next_pull(const struct berth_approvals *approvals, int64_t *ret_due_ms)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    *ret_due_ms = 0;
    for (struct berth_pull *pull = approvals->pulls; pull; pull = pull->next) {
        if (pull->started || pull->done)
            continue;
        if (pull->retry_ms <= now_ms)
            return pull;
        if (*ret_due_ms == 0 || pull->retry_ms < *ret_due_ms)
            *ret_due_ms = pull->retry_ms;
    }
    return NULL;
}

void berth_pulls_end(struct berth_approvals *approvals, struct berth_pull *pull)
{
    pull->ended = true;
    pull->done = true;
    (void)pthread_cond_broadcast(&approvals->changed);
    forget(approvals, pull);
}

/* The caller holds the lock. */
static void wait_for_pull(struct berth_approvals *approvals, int64_t due_ms)
{
    approvals->idle_workers++;
    if (due_ms > 0)
        (void)berth_cond_wait_until(&approvals->changed, &approvals->lock, due_ms);
    else
        (void)pthread_cond_wait(&approvals->changed, &approvals->lock);
    approvals->idle_workers--;
}

/* The caller holds the lock, which is free meanwhile. */
static void make_pull(struct berth_approvals *approvals, struct berth_pull *pull)
{
    pull->started = true;
    (void)pthread_mutex_unlock(&approvals->lock);
    enum berth_pull_claim claim = berth_pull_claim(approvals, pull);
    if (claim == BERTH_PULL_OURS)
        run_pull(approvals, pull);
    (void)pthread_mutex_lock(&approvals->lock);
    if (claim != BERTH_PULL_LATER) {
        berth_pulls_end(approvals, pull);
        return;
    }
    pull->started = false;
    pull->retry_ms = berth_clock_monotonic_ms() + BERTH_PULL_RETRY_MS;
}

static void *worker_run(void *ctx)
{
    struct berth_approvals *approvals = ctx;
    (void)pthread_mutex_lock(&approvals->lock);
    while (!approvals->stopping) {
        int64_t due_ms = 0;
        struct berth_pull *pull = next_pull(approvals, &due_ms);
        if (pull)
            make_pull(approvals, pull);
        else
            wait_for_pull(approvals, due_ms);
    }
    (void)pthread_mutex_unlock(&approvals->lock);
    return NULL;
}

static unsigned count_waiting(const struct berth_approvals *approvals)
{
    unsigned count = 0;
    for (const struct berth_pull *pull = approvals->pulls; pull; pull = pull->next)
        count += !pull->started && !pull->done;
    return count;
}

/* A thread for each pull that waits, as far as the bound goes. */
static int ensure_worker(struct berth_approvals *approvals, struct berth_error *err)
{
    if (approvals->idle_workers >= count_waiting(approvals) ||
        approvals->worker_count == BERTH_PULLS_AT_ONCE) {
        (void)pthread_cond_broadcast(&approvals->changed);
        return 0;
    }
    int r = berth_thread_start(&approvals->workers[approvals->worker_count], "pull", worker_run,
                               approvals, err);
    if (r == 0)
        approvals->worker_count++;
    return r;
}

int berth_pulls_add(struct berth_approvals *approvals, struct berth_pull *pull,
                    const struct berth_approval *approval, struct berth_pull **ret_waited,
                    struct berth_error *err)
{
    int r = 0;
    pull->id = approval->id;
    (void)snprintf(pull->reference, sizeof(pull->reference), "%s%c%s", approval->image,
                   separator(approval), approval->tag);
    /* The decision stands in the store: without memory its progress alone is not told. */
    pull->is_settled = berth_approval_copy(approval, &pull->request, NULL) < 0;
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    struct berth_pull *running = berth_pulls_find(approvals, approval->id);
    if (running) {
        berth_pull_free(pull);
        pull = running;
    } else {
        pull->next = approvals->pulls;
        approvals->pulls = pull;
        r = ensure_worker(approvals, err);
    }
    if (r < 0) {
        forget(approvals, pull);
    } else if (ret_waited) { /* from now on: it may end before anybody waits */
        pull->waiters++;
        *ret_waited = pull;
    }
    return r;
}

void berth_pulls_fail(struct berth_approvals *approvals, const struct berth_approval *approval,
                      const struct berth_error *why)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct outcome outcome = {
        .approvals = approvals,
        .id = approval->id,
        .result = why->status,
        .message = why->message,
    };
    if (save(&outcome, &err) < 0)
        berth_log_error(BERTH_LOG_ERROR, &err, "image %s:%s stays in the state pulling",
                        approval->image, approval->tag);
}

int berth_pulls_wait(struct berth_approvals *approvals, struct berth_pull *pull,
                     struct berth_error *err)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    while (!pull->ended && !approvals->stopping)
        (void)pthread_cond_wait(&approvals->changed, &approvals->lock);
    pull->waiters--;
    if (!pull->ended) /* its result is the worker's until then */
        return berth_error_set(err, BERTH_E_CANCELLED,
                               "the facility is closing; the pull goes on when it is opened again");
    int r = pull->result;
    if (r < 0 && err)
        *err = pull->err;
    if (pull->done)
        forget(approvals, pull);
    return r;
}

int berth_pulls_percent(struct berth_approvals *approvals, int64_t id)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    const struct berth_pull *pull = berth_pulls_find(approvals, id);
    return pull ? pull->percent : -1;
}

void berth_pulls_stop(struct berth_approvals *approvals)
{
    (void)pthread_mutex_lock(&approvals->lock);
    approvals->stopping = true;
    (void)pthread_cond_broadcast(&approvals->changed);
    (void)pthread_mutex_unlock(&approvals->lock);
}

bool berth_pulls_are_stopped(struct berth_approvals *approvals)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    return approvals->stopping;
}

void berth_pulls_join(struct berth_approvals *approvals)
{
    for (unsigned i = 0; i < approvals->worker_count; i++)
        (void)pthread_join(approvals->workers[i], NULL);
    while (approvals->pulls) {
        struct berth_pull *pull = approvals->pulls;
        approvals->pulls = pull->next;
        berth_pull_free(pull);
    }
}
