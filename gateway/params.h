/* SPDX-License-Identifier: MIT */
/*
 * The parameters of a request's query string (application/x-www-form-urlencoded),
 * decoded strictly: a parameter given twice, a broken escape, NUL, a control
 * character or bytes that are no UTF-8 are BERTH_E_INVALID and name the
 * parameter; lengths and count are bounded by base/limits.h.
 *
 * Threading: a plain value of the request's thread.
 */
#ifndef BERTH_GATEWAY_PARAMS_H
#define BERTH_GATEWAY_PARAMS_H

#include "base/limits.h"
#include "base/strbuf.h"

struct berth_param {
    const char *name;
    const char *value; /* may be "" */
};

struct berth_params {
    size_t count;
    struct berth_param items[BERTH_PARAMS_MAX];
    /* Decoded names and values, each NUL-terminated: a pair without '=' grows by two bytes, and
     * has one separator to set against them. */
    char text[BERTH_TARGET_MAX + BERTH_PARAMS_MAX + 4];
};

/* query: what follows '?', or NULL. repeatable: a parameter that may be given several times, or
 * NULL. */
BERTH_MUST_CHECK int berth_params_parse(const char *query, const char *repeatable,
                                        struct berth_params *ret_params, struct berth_error *err);

/* The value, or NULL when it was not given. */
const char *berth_params_get(const struct berth_params *params, const char *name);

/* The value; absent or empty is BERTH_E_INVALID "parameter NAME is missing". */
BERTH_MUST_CHECK int berth_params_require(const struct berth_params *params, const char *name,
                                          const char **ret_value, struct berth_error *err);

/* An optional yes/no parameter; absent is `otherwise`. */
BERTH_MUST_CHECK int berth_params_bool(const struct berth_params *params, const char *name,
                                       bool otherwise, bool *ret_value, struct berth_error *err);

#endif
