/* SPDX-License-Identifier: MIT */
/*
 * An image request as JSON, and who may see it.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_APPROVAL_JSON_H
#define BERTH_GATEWAY_APPROVAL_JSON_H

#include "base/json.h"
#include "facilities/approvals.h"

/* Adds the object, at the top or within an array. */
void berth_approval_json_add(struct berth_json_writer *w, const struct berth_approval *approval);

/* A researcher sees its own requests and what is approved for everybody, operators and admins all.
 */
bool berth_approval_is_visible(const struct berth_approval *approval,
                               const struct berth_caller *caller);

#endif
