/* SPDX-License-Identifier: MIT */
/*
 * The program's own log: one line per message on stderr, "LEVEL text", cut at
 * 1,024 bytes, control characters replaced. For operators; the log of actions
 * is base/linelog.h.
 *
 * Threading: lines are written by one write(2) each; the level is the only
 * mutable global of the program.
 */
#ifndef BERTH_BASE_LOG_H
#define BERTH_BASE_LOG_H

#include "base/error.h"

enum berth_log_level { BERTH_LOG_DEBUG, BERTH_LOG_INFO, BERTH_LOG_WARNING, BERTH_LOG_ERROR };

void berth_log_set_level(enum berth_log_level level);
BERTH_MUST_CHECK int berth_log_parse_level(const char *name, enum berth_log_level *ret_level,
                                           struct berth_error *err);

void berth_log(enum berth_log_level level, const char *format, ...) BERTH_PRINTF(2, 3);

/* "text: message (detail)" of an error. */
void berth_log_error(enum berth_log_level level, const struct berth_error *err, const char *format,
                     ...) BERTH_PRINTF(3, 4);

#endif
