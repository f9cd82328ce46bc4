/* SPDX-License-Identifier: MIT */
/*
 * The gateway's one object: everything hangs off it, nothing is global.
 *
 * Threading: fields are set before the listeners open and do not change until
 * they are closed; what they point to says for itself.
 */
#ifndef BERTH_GATEWAY_BERTH_H
#define BERTH_GATEWAY_BERTH_H

#include "base/linelog.h"
#include "gateway/config.h"

struct berth_body_cache;
struct berth_engine_io;

struct berth {
    struct berth_config *config;
    struct berth_store *store;
    struct berth_identity *identity;
    struct berth_uptime *uptime;
    struct berth_engine_io *io;
    struct berth_linelog *actions;      /* actions.jsonl */
    struct berth_body_cache *bodies;    /* rendered answers */
    struct berth_facility **facilities; /* sorted by id */
    size_t facility_count;
    int64_t started_ms; /* monotonic */
};

/* Opens store, identity, uptime, I/O thread and facilities; no listeners. On failure nothing
 * stays open. The store is migrated; with no user at all `admin` is made and its password is in
 * ret_first_password (malloc'ed; else NULL). */
BERTH_MUST_CHECK int berth_open(struct berth_config *config, struct berth **ret_berth,
                                char **ret_first_password, struct berth_error *err);
/* NULL is fine. Apps go on running. */
void berth_close(struct berth *berth);
BERTH_DEFINE_CLEANUP(berth, struct berth *, berth_close)

/* Borrowed, or NULL. */
struct berth_facility *berth_find_facility(const struct berth *berth, const char *id, size_t len);

#endif
