/* SPDX-License-Identifier: MIT */
/*
 * One line of GET /events (Engine API "Monitor events"), in our terms: what
 * happened to which container, image or network, and when.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_EVENTS_H
#define BERTH_BACKENDS_ENGINE_ENGINE_EVENTS_H

#include "backends/app.h"
#include "base/json.h"

enum berth_engine_event_kind {
    BERTH_EVENT_NONE,    /* nothing that a listing shows */
    BERTH_EVENT_STATE,   /* a container changed to the state given */
    BERTH_EVENT_DESTROY, /* a container is no more */
    BERTH_EVENT_ROW,     /* a container has another name, health, limit, … */
    BERTH_EVENT_EXEC,    /* a command within a container ended: only its inspect object changed */
    BERTH_EVENT_NETWORK, /* a container joined or left a network */
    BERTH_EVENT_IMAGE,   /* images, or names of images, came or went */
};

struct berth_engine_event {
    enum berth_engine_event_kind kind;
    enum berth_app_state state; /* with BERTH_EVENT_STATE */
    const char *id;             /* of the container; "" with NONE and IMAGE */
    const cJSON *labels;        /* the container's, among other attributes; NULL if not told */
    int64_t at_ns;              /* the engine's wall clock, exact to the nanosecond; 0: not told */
    cJSON *json;                /* what the others point into */
};

/* Release it with berth_engine_event_release(). BERTH_E_UNREACHABLE: the line is no event. */
BERTH_MUST_CHECK int berth_engine_event_parse(const char *line, size_t len,
                                              struct berth_engine_event *ret_event,
                                              struct berth_error *err);
void berth_engine_event_release(struct berth_engine_event *event);
BERTH_DEFINE_CLEANUP_VALUE(engine_event, struct berth_engine_event, berth_engine_event_release)

/* Appends the path of the stream of the events above; since_ns: those the engine still knows of
 * that moment or later come first, 0 for none. */
void berth_engine_events_path(int64_t since_ns, struct berth_strbuf *path);

#endif
