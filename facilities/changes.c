/* SPDX-License-Identifier: MIT */
#include "facilities/changes.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/thread.h"

#include <string.h>

#define FIRST_SIZE 64 /* of the ring, which doubles up to BERTH_CHANGES_KEPT */
_Static_assert((BERTH_CHANGES_KEPT & (BERTH_CHANGES_KEPT - 1)) == 0, "the ring doubles up to it");

#define REASON_SIZE 128 /* of closing, with NUL */

struct berth_changes {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t news;
    struct berth_change **ring; /* NULL until the first change */
    size_t size;                /* a power of two */
    size_t first;               /* index of the oldest */
    size_t count;
    uint64_t floor; /* changes after it are held */
    uint64_t end;   /* changes up to it are told */
    struct berth_changes_place *places;
    char closed[REASON_SIZE]; /* "": open */
};

/* ---- Items ---- */

static void change_free(struct berth_change *change)
{
    berth_app_unref(change->before);
    berth_app_unref(change->after);
    berth_approval_release(&change->request);
    free(change->reason);
    free(change);
}

void berth_change_unref(struct berth_change *change)
{
    if (change && __atomic_sub_fetch(&change->refs, 1, __ATOMIC_ACQ_REL) == 0)
        change_free(change);
}

static struct berth_change *change_new(enum berth_change_kind kind, uint64_t sequence)
{
    struct berth_change *change = calloc(1, sizeof(*change));
    if (!change)
        return NULL;
    change->refs = 1;
    change->kind = kind;
    change->sequence = sequence;
    return change;
}

/* ---- The ring; the caller holds the lock ---- */

static struct berth_change *item(const struct berth_changes *changes, size_t i)
{
    return changes->ring[(changes->first + i) & (changes->size - 1)];
}

static struct berth_change *take_oldest(struct berth_changes *changes)
{
    struct berth_change *oldest = item(changes, 0);
    changes->first = (changes->first + 1) & (changes->size - 1);
    changes->count--;
    changes->floor = oldest->sequence;
    return oldest;
}

/* Where it cannot grow, it keeps its size. */
static void grow(struct berth_changes *changes)
{
    size_t size = changes->size ? changes->size * 2 : FIRST_SIZE;
    struct berth_change **ring =
        size <= BERTH_CHANGES_KEPT ? calloc(size, sizeof(struct berth_change *)) : NULL;
    if (!ring)
        return;
    for (size_t i = 0; i < changes->count; i++)
        ring[i] = item(changes, i);
    free(changes->ring);
    changes->ring = ring;
    changes->size = size;
    changes->first = 0;
}

/* How many of the items stand at or before that number. */
static size_t count_up_to(const struct berth_changes *changes, uint64_t sequence)
{
    size_t low = 0;
    size_t high = changes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (item(changes, middle)->sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes the change over; NULL stands for one that there was no memory for. */
static void add(struct berth_changes *changes, uint64_t sequence, struct berth_change *change)
{
    struct berth_change *dropped = NULL;
    {
        BERTH_LOCK_SCOPE(guard, &changes->lock);
        if (changes->count == changes->size)
            grow(changes);
        if (changes->count > 0 && changes->count == changes->size)
            dropped = take_oldest(changes);
        if (change && changes->size > 0) {
            changes->ring[(changes->first + changes->count++) & (changes->size - 1)] = change;
            change = NULL;
        } else {
            while (changes->count > 0)
                berth_change_unref(take_oldest(changes));
            changes->floor = sequence;
        }
    }
    berth_change_unref(dropped);
    berth_change_unref(change);
}

/* ---- Telling ---- */

static struct berth_app *app_ref(const struct berth_app *app)
{
    return app ? berth_app_ref((struct berth_app *)(uintptr_t)app) : NULL;
}

void berth_changes_add_app(struct berth_changes *changes, uint64_t sequence,
                           const struct berth_app *before, const struct berth_app *after)
{
    struct berth_change *change = change_new(BERTH_CHANGE_APP, sequence);
    if (change) {
        change->before = app_ref(before);
        change->after = app_ref(after);
    }
    add(changes, sequence, change);
}

void berth_changes_add_request(struct berth_changes *changes, uint64_t sequence,
                               const struct berth_approval *request, bool was_approved)
{
    struct berth_change *change = change_new(BERTH_CHANGE_REQUEST, sequence);
    if (change) {
        change->was_approved = was_approved;
        if (berth_approval_copy(request, &change->request, NULL) < 0) {
            berth_change_unref(change);
            change = NULL;
        }
    }
    add(changes, sequence, change);
}

void berth_changes_add_upload(struct berth_changes *changes, uint64_t sequence,
                              const struct berth_app *app, const struct berth_upload_news *news)
{
    struct berth_change *change = change_new(BERTH_CHANGE_UPLOAD, sequence);
    if (change) {
        change->after = app_ref(app);
        change->upload = *news;
    }
    add(changes, sequence, change);
}

static void add_with_reason(struct berth_changes *changes, enum berth_change_kind kind,
                            uint64_t sequence, const char *reason)
{
    struct berth_change *change = change_new(kind, sequence);
    if (change) {
        change->reason = berth_text_dup(reason);
        if (!change->reason) {
            berth_change_unref(change);
            change = NULL;
        }
    }
    add(changes, sequence, change);
}

void berth_changes_add_lost(struct berth_changes *changes, uint64_t sequence, const char *reason)
{
    add_with_reason(changes, BERTH_CHANGE_LOST, sequence, reason);
}

void berth_changes_add_listed(struct berth_changes *changes, uint64_t sequence)
{
    add_with_reason(changes, BERTH_CHANGE_LISTED, sequence, "contact with the engine is back");
}

void berth_changes_add_reset(struct berth_changes *changes, uint64_t sequence, const char *reason)
{
    add_with_reason(changes, BERTH_CHANGE_LISTED, sequence, reason);
}

void berth_changes_told(struct berth_changes *changes, uint64_t sequence)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    changes->end = sequence;
    (void)pthread_cond_broadcast(&changes->news);
}

void berth_changes_close(struct berth_changes *changes, const char *reason)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    if (!changes->closed[0])
        (void)snprintf(changes->closed, sizeof(changes->closed), "%s", reason);
    (void)pthread_cond_broadcast(&changes->news);
}

/* ---- Reading ---- */

static int check_open(const struct berth_changes *changes, struct berth_error *err)
{
    return changes->closed[0] ? berth_error_set(err, BERTH_E_CANCELLED, "%s", changes->closed) : 0;
}

int berth_changes_check(struct berth_changes *changes, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    return check_open(changes, err);
}

static int refuse_more(struct berth_error *err, const char *who, unsigned max)
{
    int r = berth_error_set(err, BERTH_E_BUSY, "%s %u long answers under way, the most that may be",
                            who, max);
    if (err)
        err->retry_after_s = BERTH_WATCH_RETRY_AFTER_S;
    return r;
}

int berth_changes_join(struct berth_changes *changes, struct berth_changes_place *place,
                       unsigned max, unsigned max_of_user, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    unsigned count = 0;
    unsigned of_user = 0;
    int r = check_open(changes, err);
    if (r < 0)
        return r;
    for (const struct berth_changes_place *other = changes->places; other; other = other->next) {
        count++;
        of_user += strcmp(other->user, place->user) == 0;
    }
    if (count >= max)
        return refuse_more(err, "this facility has", max);
    if (of_user >= max_of_user)
        return refuse_more(err, "you have", max_of_user);
    place->next = changes->places;
    changes->places = place;
    return 0;
}

void berth_changes_leave(struct berth_changes *changes, const struct berth_changes_place *place)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    struct berth_changes_place **slot = &changes->places;
    while (*slot != place)
        slot = &(*slot)->next;
    *slot = place->next;
}

uint64_t berth_changes_end(struct berth_changes *changes)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    return changes->end;
}

bool berth_changes_hold(struct berth_changes *changes, uint64_t sequence)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    return changes->floor <= sequence && sequence <= changes->end;
}

int berth_changes_await(struct berth_changes *changes, uint64_t sequence, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    while (changes->end < sequence && !changes->closed[0])
        (void)pthread_cond_wait(&changes->news, &changes->lock);
    return check_open(changes, err);
}

int berth_changes_read(struct berth_changes *changes, uint64_t *sequence,
                       struct berth_change **ret_items, size_t size, int64_t deadline_ms,
                       size_t *ret_count, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(guard, &changes->lock);
    while (changes->end <= *sequence && !changes->closed[0])
        if (!berth_cond_wait_until(&changes->news, &changes->lock, deadline_ms))
            break;
    int r = check_open(changes, err);
    if (r < 0)
        return r;
    if (*sequence < changes->floor)
        return berth_error_set(err, BERTH_E_NOT_FOUND, "more than %d changes behind",
                               BERTH_CHANGES_KEPT);
    size_t from = count_up_to(changes, *sequence);
    size_t count = count_up_to(changes, changes->end) - from;
    bool is_all = count <= size;
    if (!is_all)
        count = size;
    for (size_t i = 0; i < count; i++) {
        ret_items[i] = item(changes, from + i);
        (void)__atomic_add_fetch(&ret_items[i]->refs, 1, __ATOMIC_RELAXED);
    }
    if (!is_all)
        *sequence = ret_items[count - 1]->sequence;
    else if (changes->end > *sequence)
        *sequence = changes->end;
    *ret_count = count;
    return 0;
}

/* ---- Life ---- */

int berth_changes_new(struct berth_changes **ret_changes, struct berth_error *err)
{
    struct berth_changes *changes = calloc(1, sizeof(*changes));
    if (!changes)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&changes->lock, NULL);
    berth_cond_init(&changes->news);
    *ret_changes = changes;
    return 0;
}

void berth_changes_free(struct berth_changes *changes)
{
    if (!changes)
        return;
    for (size_t i = 0; i < changes->count; i++)
        berth_change_unref(item(changes, i));
    free(changes->ring);
    (void)pthread_cond_destroy(&changes->news);
    (void)pthread_mutex_destroy(&changes->lock);
    free(changes);
}
