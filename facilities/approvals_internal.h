/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of facilities/approvals: the rows in the store
 * (approvals_store.c), the pulls (approvals_pull.c), the decisions
 * (approvals.c) and what other gateways do (approvals_several.c). Included
 * nowhere else.
 */
#ifndef BERTH_FACILITIES_APPROVALS_INTERNAL_H
#define BERTH_FACILITIES_APPROVALS_INTERNAL_H

#include "base/thread.h"
#include "facilities/approvals.h"

#define BERTH_PULLS_AT_ONCE 4 /* of one facility */
/* How often a pull that another gateway makes is looked at. */
#define BERTH_PULL_RETRY_MS  2000
#define BERTH_PULL_HOLD_SIZE (BERTH_FACILITY_ID_MAX + 32)

/* One pull, from the decision to its end. Guarded by the lock of approvals. */
struct berth_pull {
    struct berth_pull *next;
    int64_t id; /* of the request */
    char reference[BERTH_IMAGE_NAME_MAX + BERTH_DIGEST_MAX + 2];
    struct berth_approval request; /* as it was queued; percent: what was told last */
    int percent;
    int64_t told_ms;  /* monotonic; when progress was told last */
    bool is_settled;  /* rejected or withdrawn meanwhile: its progress is no news */
    int64_t retry_ms; /* monotonic; it may be another gateway's, and is not begun before */
    bool started;
    bool ended;       /* result and err are known */
    bool done;        /* and recorded */
    unsigned waiters; /* callers that wait for its end and free it */
    int result;
    struct berth_error err;
};

struct berth_approvals {
    struct berth_store *store; /* borrowed, as all up to lock */
    struct berth_backend *backend;
    struct berth_mirror *mirror;
    struct berth_changes *changes;
    char *facility;
    pthread_mutex_t lock;   /* guards all below */
    pthread_cond_t changed; /* a pull came, ended, or all must stop; or a turn has ended */
    struct berth_pull *pulls;
    pthread_t workers[BERTH_PULLS_AT_ONCE];
    unsigned worker_count;
    unsigned idle_workers;
    uint64_t news_drawn; /* turns to tell of changes */
    uint64_t news_told;
    bool stopping;
};

/* ---- approvals_store.c: within a job's transaction ---- */

/* What a row is found by: id, or image and tag. */
struct berth_approval_where {
    const char *facility;
    int64_t id; /* 0: by image and tag */
    const char *image;
    const char *tag;
};

/* BERTH_E_NOT_FOUND when there is none. */
BERTH_MUST_CHECK int berth_approval_load(struct berth_txn *txn,
                                         const struct berth_approval_where *where,
                                         struct berth_approval *ret_approval,
                                         struct berth_error *err);
/* Inserts a pending request, or makes the one that is there pending again. */
BERTH_MUST_CHECK int berth_approval_insert(struct berth_txn *txn,
                                           const struct berth_approval_where *where,
                                           const char *requested_by, int64_t now_ns,
                                           struct berth_approval *ret_approval,
                                           struct berth_error *err);
/* Writes state and decision of the row with approval's id; as insert, tells other gateways. */
BERTH_MUST_CHECK int berth_approval_save(struct berth_txn *txn, const char *facility,
                                         const struct berth_approval *approval,
                                         struct berth_error *err);
/* Calls visit for each, newest first; state may be NULL. */
BERTH_MUST_CHECK int berth_approval_each(struct berth_txn *txn, const char *facility,
                                         const char *state,
                                         int (*visit)(struct berth_approval *approval, void *ctx,
                                                      struct berth_error *err),
                                         void *ctx, struct berth_error *err);

/* Replaces a text member. */
BERTH_MUST_CHECK int berth_approval_set_text(char **slot, const char *text,
                                             struct berth_error *err);

/* ---- approvals_pull.c ---- */

/* All the memory that a pull takes: got before the decision is written. */
BERTH_MUST_CHECK int berth_pull_new(struct berth_pull **ret_pull, struct berth_error *err);
void berth_pull_free(struct berth_pull *pull); /* NULL is fine */
BERTH_DEFINE_CLEANUP(pull, struct berth_pull *, berth_pull_free)

/* Queues a pull of the request (one that runs already is joined); takes pull over. ret_waited,
 * unless NULL: the one that is under way, for berth_pulls_wait(), which must follow. */
BERTH_MUST_CHECK int berth_pulls_add(struct berth_approvals *approvals, struct berth_pull *pull,
                                     const struct berth_approval *approval,
                                     struct berth_pull **ret_waited, struct berth_error *err);
/* Records that the request's pull could not begin. */
void berth_pulls_fail(struct berth_approvals *approvals, const struct berth_approval *approval,
                      const struct berth_error *why);
/* Waits for the end of the pull, which may have come already; its failure is the result. */
BERTH_MUST_CHECK int berth_pulls_wait(struct berth_approvals *approvals, struct berth_pull *pull,
                                      struct berth_error *err);
/* How far the request's pull is, or -1 when there is none. */
int berth_pulls_percent(struct berth_approvals *approvals, int64_t id);
/* Borrowed, or NULL when there is none. The caller holds the lock. */
struct berth_pull *berth_pulls_find(struct berth_approvals *approvals, int64_t id);
/* Its result and err are recorded: wakes who waits. The caller holds the lock. */
void berth_pulls_end(struct berth_approvals *approvals, struct berth_pull *pull);
/* Ends pulls and all waiting for them. */
void berth_pulls_stop(struct berth_approvals *approvals);
bool berth_pulls_are_stopped(struct berth_approvals *approvals);
/* Waits until they have ended, and forgets them. */
void berth_pulls_join(struct berth_approvals *approvals);

/* ---- approvals_news.c ---- */

/* Within the job that makes a change: its turn to be told. Each turn must be used up. */
uint64_t berth_news_draw(struct berth_approvals *approvals);
/* Once the job has ended: tells of the request as it is now; NULL: nothing came of it. Turn 0: no
 * change was made. was_approved: it was, before. */
void berth_news_tell(struct berth_approvals *approvals, uint64_t turn,
                     const struct berth_approval *request, bool was_approved);
/* The two halves of tell: between them nobody else tells anything. */
void berth_news_begin(struct berth_approvals *approvals, uint64_t turn);
void berth_news_end(struct berth_approvals *approvals, uint64_t turn,
                    const struct berth_approval *request, bool was_approved);
/* Notes how far the pull is, and tells of it now and then. On the pull's own thread. */
void berth_news_progress(struct berth_approvals *approvals, struct berth_pull *pull, int percent);

/* ---- approvals_several.c ---- */

enum berth_pull_claim {
    BERTH_PULL_OURS,  /* this gateway is to make it */
    BERTH_PULL_LATER, /* another makes it, or who does is not known now */
    BERTH_PULL_OVER,  /* it has been made, or is not wanted any more: result and err are set */
};

/* Finds out whether this gateway is to make the pull. On the pull's own thread. */
enum berth_pull_claim berth_pull_claim(struct berth_approvals *approvals, struct berth_pull *pull);
/* Its end is recorded. */
void berth_pull_let_go(struct berth_approvals *approvals, int64_t id);

/* ---- Nodes ---- */

/* Nodes that come later are to have the image, too; is_old as in the verb image_keep. */
void berth_approval_keep(struct berth_approvals *approvals, const struct berth_approval *approval,
                         bool is_old);
/* They need not any more. */
void berth_approval_drop(struct berth_approvals *approvals, const struct berth_approval *approval);
/* Adds how far each node is. */
void berth_approval_add_copies(struct berth_approvals *approvals, struct berth_approval *approval);

/* "name:tag" or "name@sha256:…" of a request. */
void berth_approval_reference(const struct berth_approval *approval, struct berth_strbuf *out);

#endif
