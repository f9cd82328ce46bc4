/* SPDX-License-Identifier: MIT */
/*
 * What the files of the relay share: a row per path that is let through.
 * Included by engine_relay*.c and nowhere else.
 *
 * Threading: constants.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_RELAY_INTERNAL_H
#define BERTH_BACKENDS_ENGINE_ENGINE_RELAY_INTERNAL_H

#include "backends/backend.h"
#include "backends/engine/engine_relay.h"

#define RELAY_PARAMS_MAX 8

enum relay_kind {
    RELAY_PING,         /* the engine is asked, the answer is ours: with the version both know */
    RELAY_PLAIN,        /* passed on */
    RELAY_INFO,         /* passed on in part */
    RELAY_CONTAINER,    /* passed on, if it is one of berth's */
    RELAY_OF_CONTAINER, /* passed on, after a look whether it is one of berth's */
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

struct berth_relay_route {
    const char *pattern; /* a star is an id, two are an image's name */
    enum relay_kind kind;
    struct relay_param params[RELAY_PARAMS_MAX];
    const char *const *filters; /* by name, up to NULL; label and type are made sure of */
};

#endif
