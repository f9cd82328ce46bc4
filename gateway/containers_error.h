/* SPDX-License-Identifier: MIT */
/*
 * How the containers API says errors (docs/containers-api.md): one object for
 * all of them, whose `error` is one of eight words and whose `code` names the
 * cause. Each code stands in one table, with its `error` and HTTP status; who
 * finds a new cause adds a row, and gives its error the code (base/error.h).
 *
 * Threading: const.
 */
#ifndef BERTH_GATEWAY_CONTAINERS_ERROR_H
#define BERTH_GATEWAY_CONTAINERS_ERROR_H

#include "base/json.h"
#include "gateway/router.h"

/* Serves the facilities whose backend can describe what an app was asked to be, but for those of
 * the MiniRun API. */
extern const struct berth_dialect berth_containers_dialect;

struct berth_containers_code {
    const char *code;
    const char *error;
    int http_status;
};

/* Ended by a row without code; a unit test compares it with the page. */
extern const struct berth_containers_code berth_containers_codes[];

/* The row of an error: by its code, else by its status. Never NULL. */
const struct berth_containers_code *berth_containers_code(const struct berth_error *err);

/* Adds the object under that name (NULL in an array or at the top); its details are the
 * exchange's. */
void berth_containers_error_add(struct berth_json_writer *w, const char *name,
                                const struct berth_exchange *exchange,
                                const struct berth_error *err);

/* The details of a validation error: the field, and what stood there, the text of a JSON value
 * (NULL: nothing). */
void berth_containers_error_details(struct berth_strbuf *details, const char *field,
                                    const char *provided);

/* The same of a parameter of the query, whose value is text. */
void berth_containers_error_parameter(struct berth_exchange *exchange, const char *name);

#endif
