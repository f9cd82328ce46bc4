/* SPDX-License-Identifier: MIT */
/*
 * The compose.yaml of an app (compose-spec.io), written for people to read.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_FILE_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_FILE_H

#include "backends/compose/compose_service.h"

/* The mount: beside the file, and in the app. */
#define BERTH_COMPOSE_MOUNT        "mount"
#define BERTH_COMPOSE_MOUNT_TARGET "/app"

/* The program of an app that boots: beside the file, and in the app. */
#define BERTH_COMPOSE_START        "start.py"
#define BERTH_COMPOSE_START_TARGET "/opt/berth/start.py"

/* What it holds: runs /app/boot.py, after what /app/requirements.txt asks for was installed. */
extern const char berth_compose_start_text[];

/* The size of the file. */
#define BERTH_COMPOSE_FILE_MAX (1U << 20)

struct berth_compose_file {
    const char *facility;
    const char *cuid;
    const struct berth_compose_service *service;
};

/* Appends the file. BERTH_E_INVALID: a text is not UTF-8. */
BERTH_MUST_CHECK int berth_compose_file_write(const struct berth_compose_file *file,
                                              struct berth_strbuf *out, struct berth_error *err);

/* What was written. BERTH_E_CONFLICT: it is not what we write; the message says why. */
BERTH_MUST_CHECK int berth_compose_file_read(const char *text, size_t len,
                                             struct berth_compose_service *ret_service,
                                             struct berth_error *err);

#endif
