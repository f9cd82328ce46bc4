/* SPDX-License-Identifier: MIT */
/*
 * What the containers API says of a container beyond what every app has:
 * variables, tags, limits, ports; how they are asked for, changed and read
 * back. Backends without such containers ignore the one and lack the verbs of
 * the others.
 *
 * Sources: docs/containers-api.md; the Compose specification (compose-spec.io).
 *
 * Threading: plain values.
 */
#ifndef BERTH_BACKENDS_CONTAINER_H
#define BERTH_BACKENDS_CONTAINER_H

#include "backends/app.h"

#include <stdbool.h>
#include <stdint.h>

enum berth_protocol { BERTH_TCP, BERTH_UDP };

/* "tcp", "udp". */
const char *berth_protocol_name(enum berth_protocol protocol);

/* A port of the host that leads to one of the container. */
struct berth_port {
    uint16_t host;
    uint16_t container;
    enum berth_protocol protocol;
};

struct berth_ports {
    const struct berth_port *items;
    size_t count;
};

/* value NULL, in a change: the variable is to go. */
struct berth_variable {
    const char *name;
    const char *value;
};

struct berth_variables {
    const struct berth_variable *items;
    size_t count;
};

struct berth_tags {
    const char *const *items;
    size_t count;
};

/* An image that a compose file names, and what to run for it. */
struct berth_project_image {
    const char *name;          /* as the file has it */
    const char *image, *label; /* as image and image_label of struct berth_create_spec */
};

/* What create makes besides an app. Strings are borrowed for the call. */
struct berth_container_spec {
    struct berth_variables env;
    struct berth_tags tags;
    struct berth_ports ports;
    const char *compose; /* the owner's own compose file, or NULL: one container that runs
                            /app/boot.py. env and limits are the project's: see
                            docs/compose-files.md */
    const struct berth_project_image *images; /* with compose: all that the plan has named */
    size_t image_count;
    const int *archive; /* with compose: a ZIP whose files are the mount's, open; or NULL */
};

struct berth_create_spec; /* backends/backend.h */

/* A change of a container that is there; what is NULL or negative stays as it is. */
struct berth_container_change {
    struct berth_variables env;      /* merged */
    const struct berth_tags *tags;   /* replaced */
    const struct berth_ports *ports; /* replaced */
    int64_t cpu_nano, memory_bytes, pids;
    const char *image, *image_label; /* as in struct berth_create_spec; both or none */
    /* Of the owner's own compose file alone, which has neither ports nor image to change: what
     * another text is to be made of, as for create; what this struct has itself is not read. */
    const struct berth_create_spec *project;
};

/* Texts that the caller releases. */
struct berth_texts {
    char **items; /* none is NULL */
    size_t count;
};

void berth_texts_release(struct berth_texts *texts);
BERTH_DEFINE_CLEANUP_VALUE(texts, struct berth_texts, berth_texts_release)

/* One that a container has. */
struct berth_container_variable {
    char *name;
    char *value;
};

/* What a container was asked to be. All of it malloc'ed, strings never NULL. */
struct berth_container {
    struct berth_container_variable *env; /* without those of its image, and without berth's own */
    size_t env_count;
    char **tags;
    size_t tag_count;
    struct berth_port *ports;
    size_t port_count;
    int64_t cpu_nano, memory_bytes, pids; /* 0: no limit */
    int64_t updated_ns;                   /* wall; of the last change through berth */
    bool is_project;                      /* of the owner's own compose file */
};

/* A container of a project of the owner's own compose file. */
struct berth_service {
    char *name;     /* the service's; malloc'ed */
    int64_t number; /* among the containers of that service, from 1 */
    enum berth_app_state state;
    enum berth_app_health health;
    int exit_code; /* of one that has ended */
};

struct berth_services {
    struct berth_service *items; /* by name and number */
    size_t count;
};

void berth_services_release(struct berth_services *services);
BERTH_DEFINE_CLEANUP_VALUE(services, struct berth_services, berth_services_release)

void berth_container_release(struct berth_container *container);
BERTH_DEFINE_CLEANUP_VALUE(container, struct berth_container, berth_container_release)

#endif
