/* SPDX-License-Identifier: MIT */
/*
 * What is done with a statement while a server cannot be reached, by its verb
 * and its table.
 *
 * Threading: stateless.
 */
#ifndef BERTH_FACILITIES_STORE_FALLBACK_POLICY_H
#define BERTH_FACILITIES_STORE_FALLBACK_POLICY_H

#include <stdbool.h>

enum berth_fallback_action {
    BERTH_FALLBACK_RUN = 1,     /* on the copy */
    BERTH_FALLBACK_SPOOL = 2,   /* is kept for the server; may be both */
    BERTH_FALLBACK_REFUSE = 4,  /* a change of what the copy holds */
    BERTH_FALLBACK_UNKNOWN = 8, /* asks for what the copy does not hold */
};

/* Bits of enum berth_fallback_action. A table that is not known is not changed. */
unsigned berth_fallback_policy(const char *sql);

/* Whether what is held under that name is held over restarts, for as long as the gateway serves. */
bool berth_fallback_is_lasting(const char *name);

#endif
