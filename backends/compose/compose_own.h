/* SPDX-License-Identifier: MIT */
/*
 * The compose.yaml of a project that its owner's compose file describes: what
 * Compose made of that (its normal form), and what is berth's besides.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_OWN_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_OWN_H

#include "backends/compose/compose_project.h"
#include "backends/compose/compose_service.h"
#include "base/json.h"

/* What Compose writes on each container. */
#define BERTH_COMPOSE_SERVICE_LABEL "com.docker.compose.service"

struct berth_compose_own {
    const char *facility;
    const char *cuid;
    const char *main;                         /* the service that stands for the project */
    const char *mount;                        /* its absolute path */
    const struct berth_project_image *images; /* image: what is to stand in the file */
    size_t image_count;
    const cJSON *overrides; /* of main's variables; berth_compose_own_override() */
    /* Main's; limits are the project's as a whole, ports those of all services. */
    const struct berth_compose_service *service;
};

/* Adds to what is said of main's variables beside the owner's file: a map of names, each with its
 * value as it stands in a compose file, or null: it is to go. BERTH_E_NOMEM, BERTH_E_TOO_LARGE. */
BERTH_MUST_CHECK int berth_compose_own_override(cJSON *overrides,
                                                const struct berth_variables *env);

/*
 * Makes the normal form into the project's file. BERTH_E_INVALID (COMPOSE_REFUSED):
 * the services ask for more than the limits of the project; BERTH_E_NOT_FOUND:
 * an image is not among those that were named.
 */
BERTH_MUST_CHECK int berth_compose_own_complete(const struct berth_compose_own *own, cJSON *file,
                                                struct berth_error *err);

/* Has a file that was completed say what own does: main's variables, tags and limits. The rest of
 * own is as it was; mount and images are not looked at. Errors as of completing. */
BERTH_MUST_CHECK int berth_compose_own_change(const struct berth_compose_own *own, cJSON *file,
                                              struct berth_error *err);

/* Of a file that was completed: a copy of what its overrides are; NULL: out of memory. */
cJSON *berth_compose_own_overrides(const cJSON *file);

/* Shares the limits of the project: what a service asks for is its own, the rest is divided among
 * the containers that ask for nothing. */
BERTH_MUST_CHECK int berth_compose_own_share(const struct berth_container *limits, cJSON *services,
                                             struct berth_error *err);

/* What the services ask for themselves, by their names; NULL: out of memory. */
cJSON *berth_compose_own_asked(const cJSON *services);
/* Has the services ask for that alone, as before it was shared. */
BERTH_MUST_CHECK int berth_compose_own_unshare(const cJSON *asked, cJSON *services);

/* How many containers a service is, in the normal form. */
int64_t berth_compose_own_replicas(const cJSON *service);

/* Appends the file as YAML. */
BERTH_MUST_CHECK int berth_compose_own_write(const cJSON *file, struct berth_strbuf *out,
                                             struct berth_error *err);

/* Adds the ports of the host that the services want to those of service. BERTH_E_INVALID: too
 * many, or one twice. */
BERTH_MUST_CHECK int berth_compose_own_ports(const cJSON *services,
                                             struct berth_compose_service *service,
                                             struct berth_error *err);

/* In place of what is there; value is taken over, NULL is BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_compose_own_put(cJSON *object, const char *name, cJSON *value);

#endif
