/* SPDX-License-Identifier: MIT */
/*
 * The gateway's one object: everything hangs off it, nothing is global.
 *
 * Threading: fields are set before the listeners open and do not change until
 * they are closed, but for the view; what they point to or hold says for itself.
 */
#ifndef BERTH_GATEWAY_BERTH_H
#define BERTH_GATEWAY_BERTH_H

#include "base/linelog.h"
#include "gateway/request_id.h"
#include "gateway/view.h"

struct berth_body_cache;
struct berth_engine_io;
struct berth_idempotency;
struct berth_rate_limit;
struct berth_terminals;

struct berth {
    struct berth_store *store;
    struct berth_identity *identity;
    struct berth_uptime *uptime;
    struct berth_engine_io *io;
    struct berth_linelog *actions;   /* actions.jsonl */
    struct berth_linelog *requests;  /* lines on stderr */
    struct berth_body_cache *bodies; /* rendered answers */
    struct berth_rate_limit *rate_limit;
    struct berth_idempotency *idempotency;
    struct berth_terminals *terminals;
    struct berth_request_ids request_ids;
    int64_t started_ms; /* monotonic */
    unsigned in_flight; /* atomic: requests under way */
    unsigned watchers;  /* atomic: those of them that watch */
    pthread_mutex_t view_lock;
    struct berth_view *view; /* under view_lock */
};

enum berth_open_mode {
    BERTH_OPEN_PEOPLE, /* store and identity: for commands on users */
    BERTH_OPEN_ALL,    /* and logs, uptime, facilities with their engines */
};

/*
 * Makes the folders, opens and migrates the store, makes sure of APP_USER,
 * and opens what mode says; no listeners. On failure nothing stays open.
 * BERTH_E_BUSY when another process has the data directory.
 */
BERTH_MUST_CHECK int berth_open(struct berth_config *config, enum berth_open_mode mode,
                                struct berth **ret_berth, struct berth_error *err);

/* With no user at all, makes the gateway administrator `admin`; its random password (malloc'ed) is
 * shown nowhere else. *ret_password is NULL where there are users. */
BERTH_MUST_CHECK int berth_add_first_user(struct berth *berth, char **ret_password,
                                          struct berth_error *err);

/* A reference to what is served now. Any thread. */
struct berth_view *berth_take_view(struct berth *berth);
/* Serves view, whose reference it takes over, from now on; returns the one before, the caller's. */
struct berth_view *berth_swap_view(struct berth *berth, struct berth_view *view);

/* Opens a facility on what all share. */
BERTH_MUST_CHECK int berth_open_facility(struct berth *berth,
                                         const struct berth_facility_config *config,
                                         struct berth_facility **ret_facility,
                                         struct berth_error *err);

/* Opens the log of actions that config names, its folder included, or moves *actions there. */
BERTH_MUST_CHECK int berth_open_actions(const struct berth_config *config,
                                        struct berth_linelog **actions, struct berth_error *err);

/* Waits until each facility has listed its apps, or failed to: for 2 s at most. */
void berth_settle(struct berth *berth);

/* Before the listeners close: what waits for a pull is answered, all other requests go on. */
void berth_stop(struct berth *berth);

/* NULL is fine. Apps go on running. */
void berth_close(struct berth *berth);
BERTH_DEFINE_CLEANUP(berth, struct berth *, berth_close)

#endif
