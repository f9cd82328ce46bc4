/* SPDX-License-Identifier: MIT */
/*
 * Projects that come as an archive (ZIP): the compose file in its top folder,
 * and the files that belong to it, which become those of the mount.
 *
 * Threading: on the request's thread.
 */
#ifndef BERTH_GATEWAY_CONTAINERS_ARCHIVE_H
#define BERTH_GATEWAY_CONTAINERS_ARCHIVE_H

#include "gateway/exchange.h"

struct berth_app;

/* Whether the request's body says that it is one. */
bool berth_containers_is_archive(const struct berth_exchange *exchange);

/*
 * Makes its project; ret_app: a reference. BERTH_E_INVALID (BAD_ARCHIVE, PATH_ESCAPE,
 * COMPOSE_REFUSED: also where it has no compose file), else as berth_containers_create.
 */
BERTH_MUST_CHECK int berth_containers_create_of_archive(struct berth_exchange *exchange,
                                                        struct berth_app **ret_app,
                                                        struct berth_error *err);

#endif
