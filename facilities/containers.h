/* SPDX-License-Identifier: MIT */
/*
 * Apps as the containers API knows them: by their cuid, the letter c and a
 * UUID, which a backend that makes projects gives each app. An app that has
 * none is not there for that API.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_CONTAINERS_H
#define BERTH_FACILITIES_CONTAINERS_H

#include "facilities/facility.h"

/* The app's cuid, or NULL. */
const char *berth_containers_cuid(const struct berth_app *app);

/*
 * The app of that cuid if the caller may see it, borrowed from the snapshot.
 * BERTH_E_NOT_FOUND (CONTAINER_NOT_FOUND), word for word the same for another's and for none.
 */
BERTH_MUST_CHECK int berth_containers_find(const struct berth_snapshot *snapshot,
                                           const struct berth_caller *by, const char *cuid,
                                           const struct berth_app **ret_app,
                                           struct berth_error *err);

#endif
