/* SPDX-License-Identifier: MIT */
/*
 * The compose.yaml of an app (compose-spec.io), written for people to read.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_FILE_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_FILE_H

#include "backends/backend.h"

/* The mount: beside the file, and in the app. */
#define BERTH_COMPOSE_MOUNT        "mount"
#define BERTH_COMPOSE_MOUNT_TARGET "/app"

struct berth_compose_file {
    const char *facility;
    const char *cuid;
    const char *container; /* its name on the engine */
    const char *image;     /* what to run; on the engine already */
    const struct berth_create_spec *spec;
};

/* Appends the file. BERTH_E_INVALID: a text is not UTF-8. */
BERTH_MUST_CHECK int berth_compose_file_write(const struct berth_compose_file *file,
                                              struct berth_strbuf *out, struct berth_error *err);

#endif
