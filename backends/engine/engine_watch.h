/* SPDX-License-Identifier: MIT */
/*
 * The verb `watch` of backends that stand on a Docker engine: keeps a
 * struct berth_watch_sink told of everything a facility has on that engine.
 *
 * On the I/O thread, per watch, goes round a small machine:
 *
 *   down ──► pinging ──► opening ──► listing ──► live
 *    ▲           │           │           │         │
 *    └───────────┴───────────┴───────────┴─────────┘  anything that fails
 *
 * pinging negotiates the version, opening starts GET /events, listing asks for
 * everything once the stream is open (so that nothing falls between the two),
 * live follows the events: exact changes of state at once, and a fresh row for
 * each container an event is about. From down it starts again after 0.1 s,
 * twice as long each time, 0.8 s at most.
 *
 * A loss is told once, with its reason: the stream broke or held what is no
 * event, or a ping was not answered within 1 s (a frozen engine keeps its
 * stream open). Pings go out every 0.9 s while somebody touches the watch and
 * every 10 s else, and only when nothing else has proved contact meanwhile.
 *
 * The stream is always opened with `since`, a moment before the stream that
 * was lost: the engine replays the last 256 events of those, whose exact times
 * are told before the listing that follows. That listing is the truth.
 *
 * The engine drops events of a listener that is late by 100 ms, without a
 * word. So every five minutes, and whenever image names change, the list is
 * compared with what is known; rows that differ are asked for anew.
 *
 * Clocks: times of events, as all times within a row, are the engine's own
 * clock, told as they are but never later than the gateway's present; as_of,
 * alive and lost are the gateway's clock. Between two machines the two differ
 * by what their clocks do.
 *
 * Threading: touch from any thread; open and close from one thread, not with
 * a lock held that the sink takes. The sink is called on the I/O thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_WATCH_H
#define BERTH_BACKENDS_ENGINE_ENGINE_WATCH_H

#include "backends/backend.h"
#include "backends/engine/engine_app.h"
#include "backends/engine/engine_io.h"

struct berth_engine_watch;

/* io, engine, the scope's facility and the sink's context outlive the watch; the rest is copied.
 * Returns before the engine has answered, whether it is there or not. BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_engine_watch_open(struct berth_engine_io *io,
                                             struct berth_engine *engine,
                                             const struct berth_engine_scope *scope,
                                             const struct berth_watch_sink *sink,
                                             struct berth_engine_watch **ret_watch,
                                             struct berth_error *err);

/* No callback of the sink runs or will run when it returns. NULL is fine. */
void berth_engine_watch_close(struct berth_engine_watch *watch);
BERTH_DEFINE_CLEANUP(engine_watch, struct berth_engine_watch *, berth_engine_watch_close)

/* Somebody is reading; cheap. */
void berth_engine_watch_touch(struct berth_engine_watch *watch);

#endif
