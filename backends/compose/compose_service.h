/* SPDX-License-Identifier: MIT */
/*
 * What an app is asked to be: all that its compose.yaml says of it.
 *
 * Threading: plain values.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_SERVICE_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_SERVICE_H

#include "backends/backend.h"

/* What an app that boots cannot start without, in its mount. */
#define BERTH_COMPOSE_BOOT "boot.py"

/* What every app is told of itself. */
#define BERTH_COMPOSE_CUID_VARIABLE "CONTAINER_UID"
#define BERTH_COMPOSE_TAGS_VARIABLE "TAGS"

/* All malloc'ed; no string is NULL but run_as. */
struct berth_compose_service {
    char *app;
    char *user;
    char *container; /* its name on the engine */
    char *image;     /* what to run; on the engine already */
    char *image_label;
    char *run_as; /* "UID[:GID]", or NULL */
    int64_t gpus;
    char *created;                /* RFC 3339 */
    bool boots;                   /* it runs boot.py, and not what its image says */
    struct berth_container asked; /* updated_ns and is_project apart */
};

void berth_compose_service_release(struct berth_compose_service *service);
BERTH_DEFINE_CLEANUP_VALUE(compose_service, struct berth_compose_service,
                           berth_compose_service_release)

/* Of a new app; made of image, and called container on the engine. BERTH_E_INVALID: see apply. */
BERTH_MUST_CHECK int berth_compose_service_init(const struct berth_create_spec *spec,
                                                const char *image, const char *container,
                                                struct berth_compose_service *ret_service,
                                                struct berth_error *err);

/* On failure the service is of no use but to be released. BERTH_E_INVALID, with the code
 * INVALID_ENV, INVALID_TAGS, INVALID_PORT or DUPLICATE_PORT. */
BERTH_MUST_CHECK int berth_compose_service_apply(struct berth_compose_service *service,
                                                 const struct berth_container_change *change,
                                                 struct berth_error *err);

/* Has what was asked of before hold for service too, which is made in its place. */
void berth_compose_service_inherit(struct berth_compose_service *service,
                                   struct berth_compose_service *before);

/* Puts text in place of what is there. */
BERTH_MUST_CHECK int berth_compose_service_set(char **slot, const char *text,
                                               struct berth_error *err);

/* A variable, put after the others. BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_compose_service_add_variable(struct berth_compose_service *service,
                                                        const char *name, const char *value,
                                                        struct berth_error *err);
/* Tags with commas between; "": none. */
BERTH_MUST_CHECK int berth_compose_service_set_tags(struct berth_compose_service *service,
                                                    const char *joined, struct berth_error *err);
BERTH_MUST_CHECK int berth_compose_service_add_port(struct berth_compose_service *service,
                                                    const struct berth_port *port,
                                                    struct berth_error *err);

/* Appends them with commas between. */
void berth_compose_service_join_tags(const struct berth_compose_service *service,
                                     struct berth_strbuf *out);
/* Appends "8080/tcp,9000/udp". */
void berth_compose_service_join_ports(const struct berth_compose_service *service,
                                      struct berth_strbuf *out);

#endif
