/* SPDX-License-Identifier: MIT */
/*
 * Reading configuration files (INI, by inih) into the table of keys. Every
 * refusal names file, line, and the nearest word that is known.
 *
 * Threading: the main thread, or whoever reloads.
 */
#ifndef BERTH_GATEWAY_CONFIG_FILE_H
#define BERTH_GATEWAY_CONFIG_FILE_H

#include "gateway/config.h"

/* Reads one file into config; a facility may not be defined twice over all files. */
BERTH_MUST_CHECK int berth_config_read_file(struct berth_config *config, const char *path,
                                            struct berth_error *err);

#endif
