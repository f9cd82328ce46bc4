/* SPDX-License-Identifier: MIT */
/*
 * The memory backend: an engine with Docker's manners that runs nothing. Apps
 * change state as containers would, images come from a small registry of its
 * own, times are exact. It serves trial facilities, unit tests and tests of
 * scale; memory_control.h makes it fail on demand.
 *
 * Threading: as backend.h says.
 */
#ifndef BERTH_BACKENDS_MEMORY_H
#define BERTH_BACKENDS_MEMORY_H

#include "backends/backend.h"

extern const struct berth_backend_ops berth_memory_ops;

#endif
