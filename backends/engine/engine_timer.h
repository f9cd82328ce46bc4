/* SPDX-License-Identifier: MIT */
/*
 * The timers of the I/O thread in order of their due time: a pairing heap of
 * nodes that lie in their owners, so that setting a timer cannot fail. Setting
 * is O(1), taking the first or clearing is O(log n) amortised.
 *
 * Threading: one owner (the I/O thread).
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_TIMER_H
#define BERTH_BACKENDS_ENGINE_ENGINE_TIMER_H

#include "backends/engine/engine_io.h"

/* The heap is its root: the timer that is due first, or NULL. */

/* timer is not in a heap. */
void berth_timer_heap_add(struct berth_engine_timer **root, struct berth_engine_timer *timer);

/* timer is in this heap. */
void berth_timer_heap_remove(struct berth_engine_timer **root, struct berth_engine_timer *timer);

#endif
