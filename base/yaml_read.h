/* SPDX-License-Identifier: MIT */
/*
 * Reading YAML 1.2 (yaml.org/spec/1.2.2, core schema) into the tree that JSON
 * of the same content makes, so that one set of getters serves both.
 *
 * Anchors, aliases and merge keys (<<) are resolved: what is read has none. What
 * is not told apart by everybody in the same way is refused: a key that is there
 * twice, a key that is no text, tags but !!str, a second document, a text with a
 * NUL. A plain number keeps its own text in valuestring, beside valuedouble.
 *
 * Bounds: BERTH_YAML_DEPTH_MAX levels and BERTH_YAML_NODES_MAX values, counted
 * after aliases were resolved; the length is the caller's to bound.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BASE_YAML_READ_H
#define BERTH_BASE_YAML_READ_H

#include "base/json.h"

/* BERTH_E_INVALID names the line and what is wrong there; BERTH_E_TOO_LARGE; BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_yaml_parse(const char *text, size_t len, cJSON **ret_json,
                                      struct berth_error *err);

#endif
