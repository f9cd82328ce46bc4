/* SPDX-License-Identifier: MIT */
/*
 * Where a listing of containers goes on: after the one that was listed last,
 * by when it was made and by its cuid. That is a place in an order that does
 * not change, so nothing is listed twice or missed while others come and go.
 *
 * Threading: plain values.
 */
#ifndef BERTH_GATEWAY_CONTAINERS_LIST_H
#define BERTH_GATEWAY_CONTAINERS_LIST_H

#include "base/strbuf.h"
#include "facilities/containers.h"

struct berth_containers_place {
    int64_t created_ns;
    char cuid[BERTH_CONTAINER_CUID_MAX + 1];
};

/* Newest first, then by cuid: below 0, above 0, or 0 for the same. */
int berth_containers_place_compare(const struct berth_containers_place *a,
                                   const struct berth_containers_place *b);

/* Appends the place as a cursor: letters that mean nothing to a client. */
void berth_containers_cursor_add(struct berth_strbuf *out,
                                 const struct berth_containers_place *place);

/* BERTH_E_INVALID (INVALID_CURSOR). */
BERTH_MUST_CHECK int berth_containers_cursor_parse(const char *text,
                                                   struct berth_containers_place *ret_place,
                                                   struct berth_error *err);

#endif
