/* SPDX-License-Identifier: MIT */
/*
 * Terminals in apps: policy, then the backend's verb, then the audit row, one
 * when a terminal is opened and one when it ends.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_APPS_TERMINAL_H
#define BERTH_FACILITIES_APPS_TERMINAL_H

#include "facilities/facility.h"

/* Opens a process in the app of that name. Errors as berth_apps_act(). */
BERTH_MUST_CHECK int berth_apps_exec(struct berth_facility *facility, const struct berth_caller *by,
                                     const char *name, const struct berth_exec_spec *spec,
                                     struct berth_exec **ret_exec, struct berth_error *err);

/* Closes it, and records why it has ended. */
void berth_apps_exec_end(struct berth_facility *facility, const struct berth_caller *by,
                         const char *name, struct berth_exec *exec, const char *why);

#endif
