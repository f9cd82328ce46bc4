/* SPDX-License-Identifier: MIT */
/*
 * The latest changes of one facility, for those who watch it: a ring of
 * immutable items that all watchers share. A watcher is a sequence number and
 * nothing else here, so a slow one costs no memory and holds up nobody; one
 * that falls behind the ring is told so.
 *
 * Sequence numbers are the mirror's (facilities/mirror.h): they grow, and not
 * each of them has an item. What is added shows to readers once
 * berth_changes_told says so, so that they wake once for all of one listing.
 *
 * Cost: O(1) a change, O(log n) a read, in the size of the ring. An item that
 * cannot be kept for want of memory empties the ring, and watchers begin anew.
 *
 * Threading: all functions from any thread; items are added in the order of
 * their numbers, from one thread at a time.
 */
#ifndef BERTH_FACILITIES_CHANGES_H
#define BERTH_FACILITIES_CHANGES_H

#include "facilities/approvals.h"

enum berth_change_kind {
    BERTH_CHANGE_APP,
    BERTH_CHANGE_REQUEST, /* of an image request, or the progress of its pull */
    BERTH_CHANGE_UPLOAD,  /* of an app's files: how far it is */
    BERTH_CHANGE_LOST,    /* contact with the engine: nothing is known until listed */
    BERTH_CHANGE_LISTED,  /* much has changed: take a snapshot */
};

enum berth_upload_phase {
    BERTH_UPLOAD_RECEIVING,
    BERTH_UPLOAD_UNPACKING,
    BERTH_UPLOAD_DONE,
    BERTH_UPLOAD_FAILED, /* nothing has changed */
};

/* How far an upload is. */
struct berth_upload_news {
    enum berth_upload_phase phase;
    char request_id[BERTH_REQUEST_ID_MAX + 1]; /* which one */
    int64_t archive_bytes;
    int64_t received_bytes;
    struct berth_files_tally tally; /* unpacked */
};

struct berth_change {
    unsigned refs; /* atomic */
    enum berth_change_kind kind;
    uint64_t sequence;
    struct berth_app *before; /* of an app; NULL for a new one */
    struct berth_app *after;  /* of an app; NULL for one that is gone; what is uploaded to */
    struct berth_upload_news upload;
    struct berth_approval request;
    bool was_approved; /* the request, so that everybody could see it */
    char *reason;      /* of a loss, or for a snapshot */
};

void berth_change_unref(struct berth_change *change);

struct berth_changes;

BERTH_MUST_CHECK int berth_changes_new(struct berth_changes **ret_changes, struct berth_error *err);
/* When nobody reads any more. NULL is fine. */
void berth_changes_free(struct berth_changes *changes);
BERTH_DEFINE_CLEANUP(changes, struct berth_changes *, berth_changes_free)

/* ---- Telling ---- */

void berth_changes_add_app(struct berth_changes *changes, uint64_t sequence,
                           const struct berth_app *before, const struct berth_app *after);
/* Copies the request. */
void berth_changes_add_request(struct berth_changes *changes, uint64_t sequence,
                               const struct berth_approval *request, bool was_approved);
void berth_changes_add_upload(struct berth_changes *changes, uint64_t sequence,
                              const struct berth_app *app, const struct berth_upload_news *news);
void berth_changes_add_lost(struct berth_changes *changes, uint64_t sequence, const char *reason);
void berth_changes_add_listed(struct berth_changes *changes, uint64_t sequence);
/* As listed, for another reason. */
void berth_changes_add_reset(struct berth_changes *changes, uint64_t sequence, const char *reason);

/* All up to sequence has been added: readers may have it. */
void berth_changes_told(struct berth_changes *changes, uint64_t sequence);

/* Ends all reading and waiting, now and later, with BERTH_E_CANCELLED and this reason; the first
 * reason holds. Telling goes on without effect. */
void berth_changes_close(struct berth_changes *changes, const char *reason);

/* ---- Reading ---- */

/* Whom a long answer is for. It belongs to who joins, until it leaves. */
struct berth_changes_place {
    const char *user; /* "": nobody has a name, and is counted as one */
    struct berth_changes_place *next;
};

/* Counts one in. BERTH_E_BUSY (retry_after_s is set) when there are max already, or max_of_user of
 * that user's. */
BERTH_MUST_CHECK int berth_changes_join(struct berth_changes *changes,
                                        struct berth_changes_place *place, unsigned max,
                                        unsigned max_of_user, struct berth_error *err);
void berth_changes_leave(struct berth_changes *changes, const struct berth_changes_place *place);

/* 0, or BERTH_E_CANCELLED with the reason once closed. */
BERTH_MUST_CHECK int berth_changes_check(struct berth_changes *changes, struct berth_error *err);

/* The number up to which all has been told. */
uint64_t berth_changes_end(struct berth_changes *changes);

/* Whether all changes after sequence are still held; false for a number of the future. */
bool berth_changes_hold(struct berth_changes *changes, uint64_t sequence);

/* Waits until all up to sequence has been told: for a snapshot just taken it will be in no time. */
BERTH_MUST_CHECK int berth_changes_await(struct berth_changes *changes, uint64_t sequence,
                                         struct berth_error *err);

/*
 * The changes after sequence, oldest first, at most size of them; waits for
 * one until deadline_ms (monotonic), after which there are none. Moves
 * *sequence to the number up to which that is all. The caller unrefs the
 * items. BERTH_E_NOT_FOUND when changes after sequence are not held any more.
 */
BERTH_MUST_CHECK int berth_changes_read(struct berth_changes *changes, uint64_t *sequence,
                                        struct berth_change **ret_items, size_t size,
                                        int64_t deadline_ms, size_t *ret_count,
                                        struct berth_error *err);

#endif
