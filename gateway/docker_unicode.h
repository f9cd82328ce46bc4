/* SPDX-License-Identifier: MIT */
/*
 * What docker's command line (Go, Unicode 15.0) knows of characters when it
 * quotes and shortens text.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_DOCKER_UNICODE_H
#define BERTH_GATEWAY_DOCKER_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* Go's strconv.IsPrint: everything else is escaped in a quoted string. */
bool berth_docker_is_printable(uint32_t rune);

/* East Asian Wide or Fullwidth: takes two columns, all else (combining marks too) takes one. */
bool berth_docker_is_wide(uint32_t rune);

#endif
