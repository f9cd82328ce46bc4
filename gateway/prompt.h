/* SPDX-License-Identifier: MIT */
/*
 * Reading a password: twice and unseen from a terminal, or the first line of
 * standard input. Never from arguments, which everybody on the host can read.
 *
 * Threading: the main thread of the command line.
 */
#ifndef BERTH_GATEWAY_PROMPT_H
#define BERTH_GATEWAY_PROMPT_H

#include "base/error.h"

/* ret_password: malloc'ed; wipe it after use. */
BERTH_MUST_CHECK int berth_prompt_password(const char *user, char **ret_password,
                                           struct berth_error *err);

#endif
