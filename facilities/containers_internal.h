/* SPDX-License-Identifier: MIT */
/*
 * What the files of containers.h call of each other. Included by those alone.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_CONTAINERS_INTERNAL_H
#define BERTH_FACILITIES_CONTAINERS_INTERNAL_H

#include "facilities/apps_internal.h"
#include "facilities/containers.h"

/* Makes the project of request's compose file. order: the app, its user and limits; the rest is
 * filled in. BERTH_E_INVALID (COMPOSE_REFUSED, INVALID_IMAGE), else as berth_containers_create. */
BERTH_MUST_CHECK int berth_containers_create_project(struct berth_facility *facility,
                                                     const struct berth_caller *by,
                                                     const struct berth_container_request *request,
                                                     struct berth_apps_order *order,
                                                     struct berth_app **ret_app,
                                                     struct berth_error *err);
/* Puts request's compose file in place of the app's, with the rest of change; the same errors. */
BERTH_MUST_CHECK int berth_containers_change_project(struct berth_facility *facility,
                                                     const struct berth_caller *by,
                                                     const struct berth_app *app,
                                                     const struct berth_container_request *request,
                                                     struct berth_container_change *change,
                                                     struct berth_error *err);

/* Has the backend make the change, and the mirror show it. */
BERTH_MUST_CHECK int berth_containers_update(struct berth_facility *facility,
                                             const struct berth_caller *by,
                                             const struct berth_app *app,
                                             const struct berth_container_change *change,
                                             struct berth_error *err);

#endif
