/* SPDX-License-Identifier: MIT */
/*
 * What the files of the relay share: a row per path that is let through, and one
 * request under way. Included by engine_relay*.c and nowhere else.
 *
 * Threading: as engine_relay.h.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_RELAY_INTERNAL_H
#define BERTH_BACKENDS_ENGINE_ENGINE_RELAY_INTERNAL_H

#include "backends/backend.h"
#include "backends/engine/engine_relay.h"

#define RELAY_PARAMS_MAX 8
#define RELAY_JSON       "application/json"

enum relay_kind {
    RELAY_PING,         /* the engine is asked, the answer is ours: with the version both know */
    RELAY_PLAIN,        /* passed on */
    RELAY_INFO,         /* passed on in part */
    RELAY_CONTAINER,    /* passed on, if it is one of berth's */
    RELAY_OF_CONTAINER, /* passed on, after a look whether it is one of berth's */
    RELAY_MAKE_EXEC,    /* the same, and whether the process is the container's own user's */
    RELAY_OF_EXEC,      /* passed on, after a look whether it runs in one of berth's */
    RELAY_START_EXEC,   /* the same; the answer is a stream both ways */
};

enum relay_param_kind {
    PARAM_NO,      /* may be there if it says no; not passed on */
    PARAM_FLAG,    /* 1 or 0 */
    PARAM_WORD,    /* letters, digits and .:+- */
    PARAM_FILTERS, /* a JSON object, made anew */
};

struct relay_param {
    const char *name;
    enum relay_param_kind kind;
};

enum relay_field_kind {
    FIELD_NO, /* may be there if it says nothing; not passed on */
    FIELD_BOOL,
    FIELD_TEXT,
    FIELD_TEXTS, /* an array of them */
};

struct relay_field {
    const char *name; /* NULL ends a list of them */
    enum relay_field_kind kind;
};

struct berth_relay_route {
    const char *method;
    const char *pattern; /* a star is an id, two are an image's name */
    enum relay_kind kind;
    struct relay_param params[RELAY_PARAMS_MAX];
    const char *const *filters;       /* by name, up to NULL; label and type are made sure of */
    const struct relay_field *fields; /* of the body; NULL: there is none */
};

/* ---- engine_relay.c ---- */

/* A client's own word as it may stand in a message. */
const char *berth_relay_shown(const char *name);

/* ---- engine_relay_run.c ---- */

struct relay_run {
    struct berth_engine *engine;
    const struct berth_relay *relay;
    const struct berth_relay_sink *sink;
};

/* A whole answer at once. */
BERTH_MUST_CHECK int berth_relay_hand_over(const struct relay_run *run, long status,
                                           const char *type, const struct berth_strbuf *body,
                                           struct berth_error *err);

/* "No such WHAT: ID", as the engine says it. */
BERTH_MUST_CHECK int berth_relay_answer_unknown(const struct relay_run *run, const char *what,
                                                struct berth_error *err);

/* GET path, whose answer is at most max bytes long; one of any status is one. */
BERTH_MUST_CHECK int berth_relay_ask(const struct relay_run *run, const char *path, size_t max,
                                     struct berth_engine_response *response,
                                     struct berth_error *err);

/*
 * Looks at a container. *ret_inspect: its object, with an id that can stand in a path, which is it
 * however its name moves on; NULL: it is none of berth's, and "No such WHAT" was answered.
 */
BERTH_MUST_CHECK int berth_relay_look(const struct relay_run *run, const char *name,
                                      const char *what, struct berth_engine_response *response,
                                      cJSON **ret_inspect, struct berth_error *err);

/* Passes the request on with this id in its path. */
BERTH_MUST_CHECK int berth_relay_pass_on(struct relay_run *run, const char *id,
                                         struct berth_error *err);

/* ---- engine_relay_exec.c ---- */

BERTH_MUST_CHECK int berth_relay_make_exec(struct relay_run *run, struct berth_error *err);
BERTH_MUST_CHECK int berth_relay_of_exec(struct relay_run *run, struct berth_error *err);

#endif
