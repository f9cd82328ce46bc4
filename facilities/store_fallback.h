/* SPDX-License-Identifier: MIT */
/*
 * A store over two: a server's, and an embedded one for when the server cannot
 * be reached.
 *
 * While the server is there, all goes to it, and a copy of users, roles,
 * tokens and image requests is kept beside. Once it is not, apps go on under
 * that copy: changes of what it holds are refused (BERTH_E_UNREACHABLE), while
 * uptime, the audit and kept answers wait in the spool and are delivered
 * exactly once when the server is back, which is found out within seconds.
 * Where there never was a copy, an embedded store of its own simply serves.
 *
 * What this gateway held (berth_store_hold) it goes on holding meanwhile, and
 * it has the first try when the server is back.
 *
 * Threading: as store.h. One thread looks after the server, the copy and the
 * spool.
 */
#ifndef BERTH_FACILITIES_STORE_FALLBACK_H
#define BERTH_FACILITIES_STORE_FALLBACK_H

#include "facilities/store.h"

/* How often a server that cannot be reached is tried, and one that can is asked. */
#define BERTH_FALLBACK_RETRY_MS 1000
#define BERTH_FALLBACK_PING_MS  2000
/* For which the others leave to a gateway what it held, once the server is back. */
#define BERTH_FALLBACK_GRACE_MS 8000

struct berth_fallback_config {
    /* Opens the server's store: BERTH_E_UNREACHABLE when that cannot be reached now; any other
     * failure at the start is one of berth_store_fallback_open(). */
    int (*open_server)(void *ctx, struct berth_store **ret_store, struct berth_error *err);
    void (*release)(void *ctx); /* may be NULL */
    void *ctx;                  /* the store's from now on, on failure too */
    const char *server;         /* for people: "PostgreSQL" */
    const char *copy_path;      /* of copy and spool */
    const char *alone_path;     /* of the store that serves where there is no copy */
};

BERTH_MUST_CHECK int berth_store_fallback_open(const struct berth_fallback_config *config,
                                               struct berth_store **ret_store,
                                               struct berth_error *err);

#endif
