/* SPDX-License-Identifier: MIT */
/*
 * The parts of a watch. Included by engine_watch*.c and nowhere else.
 *
 * Threading: everything on the I/O thread, but for the atomics.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_WATCH_PRIVATE_H
#define BERTH_BACKENDS_ENGINE_ENGINE_WATCH_PRIVATE_H

#include "backends/engine/engine_events.h"
#include "backends/engine/engine_fetch.h"
#include "backends/engine/engine_listing.h"
#include "backends/engine/engine_refresh.h"
#include "backends/engine/engine_stream.h"
#include "backends/engine/engine_watch.h"
#include "base/pmap.h"

#include <stdatomic.h>

#define BERTH_WATCH_PATH_MAX 4096

enum berth_watch_state {
    BERTH_WATCH_DOWN,
    BERTH_WATCH_PINGING,
    BERTH_WATCH_OPENING,
    BERTH_WATCH_LISTING,
    BERTH_WATCH_LIVE,
};

struct berth_engine_watch {
    struct berth_engine_io *io;
    struct berth_engine *engine;
    struct berth_engine_scope scope;
    struct berth_watch_sink sink;
    enum berth_watch_state state;

    /* engine_watch.c: the connection */
    struct berth_engine_stream *stream;
    struct berth_engine_timer retry_timer;
    struct berth_engine_timer open_timer; /* the stream has to open until then */
    unsigned failures;                    /* in a row */
    int64_t live_since_ms;
    bool has_listed;  /* ever */
    bool told_lost;   /* and nothing since */
    int64_t since_ns; /* the engine's clock: all before it was told, or is no concern of ours */

    /* engine_watch_ping.c: contact */
    struct berth_engine_fetch *ping;
    struct berth_engine_timer ping_timer;
    int64_t ping_sent_ns;
    int64_t contact_ms;    /* monotonic; the last proof of contact */
    int64_t last_alive_ns; /* wall; the same, 0: never */
    int64_t told_alive_ms; /* monotonic; when the sink was told */
    _Atomic int64_t touched_ms;
    struct berth_engine_task touch_task;

    /* engine_watch_state.c: what is there */
    struct berth_pmap_node *rows; /* of berth_app, by id: what the sink was told last */
    struct berth_engine_listing *listing;
    const struct berth_app_list *listed; /* its result; NULL: not yet */
    uint64_t listing_ticket;
    int64_t listing_as_of_ns;
    struct berth_engine_fetch *images_fetch;
    struct berth_image_list *images; /* its result, not yet told */
    uint64_t images_ticket;
    struct berth_engine_timer images_timer;
    struct berth_engine_refresh *refresh;

    /* engine_watch_check.c: the list, to be compared with the rows */
    struct berth_engine_fetch *check_fetch;
    struct berth_engine_timer check_timer;
};

/* ---- engine_watch.c ---- */

/* Contact is lost, or cannot be made: stops all, tells the sink and starts anew later. After it
 * the caller touches nothing of the watch. */
void berth_watch_lose(struct berth_engine_watch *watch, const struct berth_error *why);

/* The listing was told. */
void berth_watch_live(struct berth_engine_watch *watch);

/* The first ping was answered: the version is known. */
void berth_watch_open_stream(struct berth_engine_watch *watch);

/* ---- engine_watch_ping.c ---- */

void berth_watch_ping_init(struct berth_engine_watch *watch);
void berth_watch_ping_now(struct berth_engine_watch *watch);
/* Sets the time of the next ping. */
void berth_watch_ping_schedule(struct berth_engine_watch *watch);
void berth_watch_ping_stop(struct berth_engine_watch *watch);
/* The engine has just said something; what was told held at wall_ns. */
void berth_watch_contact(struct berth_engine_watch *watch, int64_t wall_ns);
bool berth_watch_touched_within(const struct berth_engine_watch *watch, int64_t age_ms);

/* ---- engine_watch_state.c ---- */

BERTH_MUST_CHECK int berth_watch_state_init(struct berth_engine_watch *watch,
                                            struct berth_error *err);
void berth_watch_state_release(struct berth_engine_watch *watch);
/* Asks for everything; berth_watch_live() follows. */
void berth_watch_list(struct berth_engine_watch *watch);
/* Forgets what is being asked, not what is known. */
void berth_watch_state_stop(struct berth_engine_watch *watch);
/* An event came. False: contact was given up over it. */
bool berth_watch_take_event(struct berth_engine_watch *watch,
                            const struct berth_engine_event *event);

extern const struct berth_pmap_type berth_watch_rows_type;
/* Borrowed, or NULL. */
const struct berth_app *berth_watch_find_row(const struct berth_engine_watch *watch,
                                             const char *id);

/* ---- engine_watch_check.c ---- */

#define BERTH_WATCH_CHECK_MS 300000

void berth_watch_check_init(struct berth_engine_watch *watch);
/* Asks for the list; rows that differ from it are asked for anew. */
void berth_watch_check(struct berth_engine_watch *watch);
void berth_watch_check_stop(struct berth_engine_watch *watch);

#endif
