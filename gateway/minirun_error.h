/* SPDX-License-Identifier: MIT */
/*
 * How the MiniRun API says errors (docs/minirun-api.md): an envelope that says
 * there was no success, and why.
 *
 * Threading: const.
 */
#ifndef BERTH_GATEWAY_MINIRUN_ERROR_H
#define BERTH_GATEWAY_MINIRUN_ERROR_H

#include "gateway/router.h"

/* Serves the facilities whose apps have a terminal that can be attached to. */
extern const struct berth_dialect berth_minirun_dialect;

#endif
