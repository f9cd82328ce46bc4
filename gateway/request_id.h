/* SPDX-License-Identifier: MIT */
/*
 * Ids for requests whose client gave none: UUIDs of version 8 (RFC 9562), made
 * of a random number per start of the gateway and a scrambled counter. They
 * never repeat within one start and cost no system call; they are names, not
 * secrets.
 *
 * Threading: berth_request_id_next from any thread after init.
 */
#ifndef BERTH_GATEWAY_REQUEST_ID_H
#define BERTH_GATEWAY_REQUEST_ID_H

#include "base/error.h"

#include <stdint.h>

#define BERTH_REQUEST_ID_SIZE 37 /* 36 characters and NUL */

struct berth_request_ids {
    uint64_t start; /* random */
    uint64_t seed;  /* random: where the counter begins */
    uint64_t count; /* atomic */
};

BERTH_MUST_CHECK int berth_request_ids_init(struct berth_request_ids *ids, struct berth_error *err);

void berth_request_id_next(struct berth_request_ids *ids,
                           char ret_id[static BERTH_REQUEST_ID_SIZE]);

#endif
