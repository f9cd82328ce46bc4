/* SPDX-License-Identifier: MIT */
/*
 * Column PORTS of `docker ps` (26.1), by the rules of docker/cli's
 * formatter.DisplayablePorts: "0.0.0.0:8080->80/tcp, 443/tcp".
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_DOCKER_PORTS_H
#define BERTH_GATEWAY_DOCKER_PORTS_H

#include "backends/app.h"
#include "base/strbuf.h"

/* Appends the ports, in any order, neighbouring ones as a range. */
void berth_docker_add_ports(struct berth_strbuf *out, const struct berth_app_port *ports,
                            size_t count);

#endif
