/* SPDX-License-Identifier: MIT */
/*
 * What became of requests, for those who watch. Changes are told in the order
 * the store made them: each draws a turn in its transaction and waits, once it
 * is committed, until those with earlier turns have told theirs or said that
 * there is nothing to tell.
 */
#include "base/clock.h"
#include "facilities/approvals_internal.h"
#include "facilities/changes.h"

struct news {
    struct berth_approvals *approvals;
    const struct berth_approval *request;
    bool was_approved;
};

static void tell_number(void *ctx, uint64_t sequence)
{
    const struct news *news = ctx;
    struct berth_changes *changes = news->approvals->changes;
    berth_changes_add_request(changes, sequence, news->request, news->was_approved);
    berth_changes_told(changes, sequence);
}

static void tell(struct berth_approvals *approvals, const struct berth_approval *request,
                 bool was_approved)
{
    struct berth_approval told = *request;
    struct news news = {approvals, &told, was_approved};
    told.copies = (struct berth_image_copies){0};
    berth_approval_add_copies(approvals, &told);
    berth_mirror_number(approvals->mirror, tell_number, &news);
    berth_image_copies_release(&told.copies);
}

uint64_t berth_news_draw(struct berth_approvals *approvals)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    return ++approvals->news_drawn;
}

void berth_news_begin(struct berth_approvals *approvals, uint64_t turn)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    while (approvals->news_told != turn - 1)
        (void)pthread_cond_wait(&approvals->changed, &approvals->lock);
}

static void end_turn(struct berth_approvals *approvals, uint64_t turn)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    approvals->news_told = turn;
    (void)pthread_cond_broadcast(&approvals->changed);
}

/* What is not pulling any more has no progress. */
static void settle(struct berth_approvals *approvals, const struct berth_approval *request)
{
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    struct berth_pull *pull = berth_pulls_find(approvals, request->id);
    if (pull)
        pull->is_settled = request->state != BERTH_APPROVAL_PULLING;
}

void berth_news_end(struct berth_approvals *approvals, uint64_t turn,
                    const struct berth_approval *request, bool was_approved)
{
    if (request) {
        settle(approvals, request);
        tell(approvals, request, was_approved);
    }
    end_turn(approvals, turn);
}

void berth_news_tell(struct berth_approvals *approvals, uint64_t turn,
                     const struct berth_approval *request, bool was_approved)
{
    if (turn == 0)
        return;
    berth_news_begin(approvals, turn);
    berth_news_end(approvals, turn, request, was_approved);
}

/* Whether the pull has got further, and was not told of within BERTH_IMAGE_PROGRESS_MS; if so, the
 * turn to tell of it. */
static uint64_t draw_progress(struct berth_approvals *approvals, struct berth_pull *pull,
                              int percent)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    BERTH_LOCK_SCOPE(lock, &approvals->lock);
    pull->percent = percent;
    if (percent == pull->request.percent || percent == 100 || pull->is_settled ||
        now_ms - pull->told_ms < BERTH_IMAGE_PROGRESS_MS)
        return 0;
    pull->told_ms = now_ms;
    pull->request.percent = percent;
    return ++approvals->news_drawn;
}

void berth_news_progress(struct berth_approvals *approvals, struct berth_pull *pull, int percent)
{
    uint64_t turn = draw_progress(approvals, pull, percent);
    if (turn == 0)
        return;
    berth_news_begin(approvals, turn);
    if (!pull->is_settled) /* changed in turns alone */
        tell(approvals, &pull->request, false);
    end_turn(approvals, turn);
}
