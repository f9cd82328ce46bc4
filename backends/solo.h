/* SPDX-License-Identifier: MIT */
/*
 * The solo backend: apps are containers of one Docker engine.
 *
 * Threading: as backends/backend.h says.
 */
#ifndef BERTH_BACKENDS_SOLO_H
#define BERTH_BACKENDS_SOLO_H

#include "backends/backend.h"

extern const struct berth_backend_ops berth_solo_ops;

#endif
