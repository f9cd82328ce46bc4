/* SPDX-License-Identifier: MIT */
/*
 * The body of the MiniRun API's POST /containers. What is unknown in it is
 * ignored, as clients of the original rely on.
 *
 * Threading: a decoded body belongs to its thread.
 */
#ifndef BERTH_GATEWAY_MINIRUN_REQUEST_H
#define BERTH_GATEWAY_MINIRUN_REQUEST_H

#include "base/strbuf.h"

/* All malloc'ed, or NULL. */
struct berth_minirun_body {
    char *name;    /* not checked */
    char *rootfs;  /* NULL: the default, which "" is too */
    char *command; /* likewise */
};

void berth_minirun_body_release(struct berth_minirun_body *body);
BERTH_DEFINE_CLEANUP_VALUE(minirun_body, struct berth_minirun_body, berth_minirun_body_release)

/* BERTH_E_INVALID: "Invalid request body: …", "Container name is required". */
BERTH_MUST_CHECK int berth_minirun_body_decode(const struct berth_strbuf *text,
                                               struct berth_minirun_body *ret_body,
                                               struct berth_error *err);

#endif
