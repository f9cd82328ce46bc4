/* SPDX-License-Identifier: MIT */
/*
 * Image approval of one facility: requests, decisions, pulls and the pinned
 * digest. create-app runs exactly what was approved.
 *
 * States: pending → pulling → approved, pending → rejected, pulling → failed.
 * A failed or rejected request may be approved again; asking again for what is
 * pending, pulling or approved returns the same request, for what was rejected
 * or failed makes it pending anew. Pulls run on threads of their own (at most
 * 4 at once a facility; the others wait), count against no limit, and are
 * taken up again after a restart of the gateway. Where several gateways serve
 * the facility, one of them makes a pull, and another when that one has ended.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_APPROVALS_H
#define BERTH_FACILITIES_APPROVALS_H

#include "facilities/mirror.h"
#include "facilities/naming.h"
#include "facilities/role.h"
#include "facilities/store.h"

enum berth_approval_state {
    BERTH_APPROVAL_PENDING,
    BERTH_APPROVAL_PULLING,
    BERTH_APPROVAL_APPROVED,
    BERTH_APPROVAL_REJECTED,
    BERTH_APPROVAL_FAILED,
    BERTH_APPROVAL_REMOVED, /* approval withdrawn */
};

const char *berth_approval_state_name(enum berth_approval_state state);
BERTH_MUST_CHECK int berth_approval_state_parse(const char *name,
                                                enum berth_approval_state *ret_state,
                                                struct berth_error *err);

/* One request; strings malloc'ed, NULL where nothing is known. */
struct berth_approval {
    int64_t id;
    enum berth_approval_state state;
    int percent; /* 0 to 100 while pulling, 100 when approved */
    char *image; /* name without tag, as berth_image_ref_name gives it */
    char *tag;
    char *digest;   /* "sha256:…" once approved; the image id where the image has no digest */
    char *image_id; /* "sha256:…" once approved */
    char *requested_by;
    char *decided_by;
    char *reason;
    char *error;
    int64_t requested_ns;
    int64_t decided_ns;               /* 0: not decided */
    struct berth_image_copies copies; /* node by node, where apps run on several */
};

/* A copy of all of it; on failure nothing is copied. */
BERTH_MUST_CHECK int berth_approval_copy(const struct berth_approval *from,
                                         struct berth_approval *ret_approval,
                                         struct berth_error *err);
void berth_approval_release(struct berth_approval *approval);
BERTH_DEFINE_CLEANUP_VALUE(approval, struct berth_approval, berth_approval_release)

struct berth_approvals;
struct berth_changes;

/* backend, mirror and changes (which are told of requests) are borrowed and outlive it. Pulls that
 * were under way wait for resume. */
BERTH_MUST_CHECK int berth_approvals_open(struct berth_store *store, const char *facility,
                                          struct berth_backend *backend,
                                          struct berth_mirror *mirror,
                                          struct berth_changes *changes,
                                          struct berth_approvals **ret_approvals,
                                          struct berth_error *err);
/* Takes up the pulls that were under way when the facility was closed. */
BERTH_MUST_CHECK int berth_approvals_resume(struct berth_approvals *approvals,
                                            struct berth_error *err);
/* Another gateway on the store has changed the request of that id; 0: any of them. Those who watch
 * are told, and its pull is taken over should that gateway end. */
BERTH_MUST_CHECK int berth_approvals_hear(struct berth_approvals *approvals, int64_t id,
                                          struct berth_error *err);
/* Cuts pulls short (they go on at the next start); who waits for one gets BERTH_E_CANCELLED, now
 * and later. */
void berth_approvals_stop(struct berth_approvals *approvals);
/* As stop, and no pull is decided on any more: another that is resumed now finds all there are. */
void berth_approvals_retire(struct berth_approvals *approvals);
/* As stop, and frees. NULL is fine. */
void berth_approvals_close(struct berth_approvals *approvals);
BERTH_DEFINE_CLEANUP(approvals, struct berth_approvals *, berth_approvals_close)

/* request-image */
BERTH_MUST_CHECK int berth_approvals_request(struct berth_approvals *approvals,
                                             const struct berth_caller *by,
                                             const struct berth_image_ref *ref,
                                             struct berth_approval *ret_approval,
                                             struct berth_error *err);

/* Which request a decision is about: id, or image and tag (id 0). */
struct berth_approval_key {
    int64_t id;
    const struct berth_image_ref *ref;
};

/*
 * approve-image. With a ref never requested, makes the request too. An image
 * already on the engine is approved at once; else it is pulled (state
 * pulling). wait: return only when the pull has ended (its failure is an error then, and so is
 * BERTH_E_CONFLICT when the image was rejected or withdrawn meanwhile). BERTH_E_CANCELLED when it
 * would have to be pulled after a stop.
 */
BERTH_MUST_CHECK int berth_approvals_approve(struct berth_approvals *approvals,
                                             const struct berth_caller *by,
                                             const struct berth_approval_key *key, bool wait,
                                             struct berth_approval *ret_approval,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_approvals_reject(struct berth_approvals *approvals,
                                            const struct berth_caller *by,
                                            const struct berth_approval_key *key,
                                            const char *reason, struct berth_approval *ret_approval,
                                            struct berth_error *err);
/* Withdraws approval; purge deletes the image where nothing uses it (BERTH_E_CONFLICT else). */
BERTH_MUST_CHECK int berth_approvals_remove(struct berth_approvals *approvals,
                                            const struct berth_caller *by,
                                            const struct berth_approval_key *key, bool purge,
                                            struct berth_approval *ret_approval,
                                            struct berth_error *err);

/* The approved request for that image and tag: BERTH_E_FORBIDDEN "image X is not approved". */
BERTH_MUST_CHECK int berth_approvals_find(struct berth_approvals *approvals,
                                          const struct berth_image_ref *ref,
                                          struct berth_approval *ret_approval,
                                          struct berth_error *err);

/* Calls visit for each request, newest first; state NULL for all. Includes progress. */
BERTH_MUST_CHECK int berth_approvals_list(struct berth_approvals *approvals,
                                          const enum berth_approval_state *state,
                                          int (*visit)(const struct berth_approval *approval,
                                                       void *ctx, struct berth_error *err),
                                          void *ctx, struct berth_error *err);

#endif
