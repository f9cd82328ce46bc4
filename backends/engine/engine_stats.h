/* SPDX-License-Identifier: MIT */
/*
 * The verb `stats` of backends that stand on a Docker engine: a collector that
 * keeps a stream of statistics per running container on the I/O thread, but
 * only of containers somebody asked about in the last minute. So the first
 * question waits for the engine's second sample (CPU use is a difference), and
 * those after it are answered from memory.
 *
 * A stream that the engine ends, or that says that the container is not
 * running, is over; the next question starts a new one. So does a question
 * about a container whose last sample is older than 10 s.
 *
 * Threading: ask from any thread but the I/O thread, and as many at once as
 * like; new and free with nothing else running.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_STATS_H
#define BERTH_BACKENDS_ENGINE_ENGINE_STATS_H

#include "backends/backend.h"
#include "backends/engine/engine.h"
#include "backends/engine/engine_io.h"

struct berth_engine_stats;

/* How long a stream is kept after the last question about its container. */
#define BERTH_ENGINE_STATS_KEEP_MS 60000

/* io and engine outlive it. keep_ms: BERTH_ENGINE_STATS_KEEP_MS, unless a test is in a hurry. */
BERTH_MUST_CHECK int berth_engine_stats_new(struct berth_engine_io *io, struct berth_engine *engine,
                                            int64_t keep_ms, struct berth_engine_stats **ret_stats,
                                            struct berth_error *err);
void berth_engine_stats_free(struct berth_engine_stats *stats); /* NULL is fine */
BERTH_DEFINE_CLEANUP(engine_stats, struct berth_engine_stats *, berth_engine_stats_free)

/*
 * The resource use of apps, in their order. Waits for what is asked for the
 * first time, until 4 s after that. What is not running, or could not be learned in
 * that time, is not known; if that goes for all that are running, the reason is
 * the error.
 */
BERTH_MUST_CHECK int berth_engine_stats_ask(struct berth_engine_stats *stats,
                                            const struct berth_app *const *apps, size_t count,
                                            struct berth_stats_list *ret_stats,
                                            struct berth_error *err);

#endif
