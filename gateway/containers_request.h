/* SPDX-License-Identifier: MIT */
/*
 * The bodies of the containers API, decoded strictly: what is unknown, of the
 * wrong type or out of bounds is refused with a code of its own, and the
 * details say which field and what stood there.
 *
 * Threading: a decoded request belongs to its thread.
 */
#ifndef BERTH_GATEWAY_CONTAINERS_REQUEST_H
#define BERTH_GATEWAY_CONTAINERS_REQUEST_H

#include "base/json.h"
#include "facilities/containers.h"

enum berth_containers_kind {
    BERTH_CONTAINERS_CREATE = 1, /* POST containers */
    BERTH_CONTAINERS_CHANGE = 2, /* PATCH containers/CUID */
    BERTH_CONTAINERS_PORTS = 4,  /* PATCH containers/CUID/ports */
};

struct berth_containers_body {
    struct berth_container_request request; /* points into what follows */
    struct berth_image_ref image;
    struct berth_variable *env;
    const char **tags;
    struct berth_port *ports;
    cJSON *json;
};

void berth_containers_body_release(struct berth_containers_body *body);
BERTH_DEFINE_CLEANUP_VALUE(containers_body, struct berth_containers_body,
                           berth_containers_body_release)

/*
 * Decodes text. policy: whose cpu_nano, memory_bytes and pids bound what may be asked for.
 * details: becomes {"field": …, "provided": …} where one is at fault. BERTH_E_INVALID with a code.
 */
BERTH_MUST_CHECK int berth_containers_body_decode(enum berth_containers_kind kind,
                                                  const struct berth_strbuf *text,
                                                  const struct berth_facility_config *policy,
                                                  struct berth_containers_body *ret_body,
                                                  struct berth_strbuf *details,
                                                  struct berth_error *err);

#endif
