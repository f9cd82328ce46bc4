/* SPDX-License-Identifier: MIT */
/*
 * What happens to the engine behind the memory backend: failures, loss of
 * contact, and changes made without berth. For tests.
 *
 * backend is always one that berth_memory_ops opened.
 *
 * Threading: any thread, while the backend is open.
 */
#ifndef BERTH_BACKENDS_MEMORY_CONTROL_H
#define BERTH_BACKENDS_MEMORY_CONTROL_H

#include "backends/backend.h"

enum berth_memory_verb {
    BERTH_MEMORY_LIST,
    BERTH_MEMORY_CREATE, /* the second half of reset too */
    BERTH_MEMORY_START,
    BERTH_MEMORY_STOP,
    BERTH_MEMORY_PAUSE,
    BERTH_MEMORY_UNPAUSE,
    BERTH_MEMORY_RESTART,
    BERTH_MEMORY_KILL,
    BERTH_MEMORY_REMOVE,
    BERTH_MEMORY_RESET,
    BERTH_MEMORY_INSPECT,
    BERTH_MEMORY_STATS,
    BERTH_MEMORY_LOGS,
    BERTH_MEMORY_EXEC,
    BERTH_MEMORY_IMAGES,
    BERTH_MEMORY_PULL,
    BERTH_MEMORY_IMAGE_REMOVE,
    BERTH_MEMORY_NODES,
    BERTH_MEMORY_NODE_INSPECT,
    BERTH_MEMORY_VERBS,
};

/* The next `times` calls of verb fail so, having changed nothing. 0 times ends it. */
void berth_memory_fail(struct berth_backend *backend, enum berth_memory_verb verb, unsigned times,
                       enum berth_status status, const char *message);

/* How often verb was called, refused calls included. */
uint64_t berth_memory_calls(struct berth_backend *backend, enum berth_memory_verb verb);

/* Replaces verb_delay_ms; calls under way keep theirs. */
void berth_memory_set_delay(struct berth_backend *backend, int64_t verb_delay_ms);

enum berth_memory_contact {
    BERTH_MEMORY_PRESENT,
    BERTH_MEMORY_FROZEN, /* verbs hear nothing: BERTH_E_TIMEOUT, unless it thaws in time */
    BERTH_MEMORY_AWAY,   /* verbs fail at once: BERTH_E_UNREACHABLE */
};

/* A watch is told at once that contact is lost, and gets a new listing when it is back. */
void berth_memory_set_contact(struct berth_backend *backend, enum berth_memory_contact contact);

/* As the verb, but done on the host: no delay, no failure, and while contact is lost too. */
BERTH_MUST_CHECK int berth_memory_act_outside(struct berth_backend *backend, enum berth_verb verb,
                                              const char *id, struct berth_error *err);

/* A container without berth's labels, made on the host: the facility sees it if it adopts.
 * ret_id: malloc'ed. */
BERTH_MUST_CHECK int berth_memory_create_outside(struct berth_backend *backend, const char *name,
                                                 const char *image, char **ret_id,
                                                 struct berth_error *err);

#endif
