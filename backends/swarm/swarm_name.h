/* SPDX-License-Identifier: MIT */
/*
 * Names of services. Swarm takes letters and digits joined by '-' and '_', 63
 * bytes at most, since a service's name is a DNS label; names of apps may be
 * longer and hold dots. The app's true name is in the label berth.app.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_NAME_H
#define BERTH_BACKENDS_SWARM_SWARM_NAME_H

#include "base/error.h"

#include <stdbool.h>

#define BERTH_SWARM_NAME_MAX 63

/* True if swarm takes the app's name as it is. */
bool berth_swarm_name_is_plain(const char *app);

/*
 * The name for apps whose own name swarm does not take, or that another
 * facility's service has already: what can be kept of it, '-', and 12
 * hexadecimal digits of the SHA-256 of facility and app. The same each time,
 * and no other app's.
 */
BERTH_MUST_CHECK int berth_swarm_name_coded(const char *facility, const char *app,
                                            char ret_name[static BERTH_SWARM_NAME_MAX + 1],
                                            struct berth_error *err);

#endif
