/* SPDX-License-Identifier: MIT */
/*
 * Apps as the containers API knows them: by their cuid, the letter c and a
 * UUID, which a backend that makes projects gives each app. An app that has
 * none is not there for that API. All else is as for every app (apps.h): who
 * sees what, policy, the audit trail, what a read shows after a change.
 *
 * Where no container of that cuid is there for the caller, the answer is
 * BERTH_E_NOT_FOUND (CONTAINER_NOT_FOUND), word for word the same for
 * another's and for none.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_CONTAINERS_H
#define BERTH_FACILITIES_CONTAINERS_H

#include "facilities/facility.h"

#define BERTH_CONTAINER_CUID_MAX 37

/* The app's cuid, or NULL. */
const char *berth_containers_cuid(const struct berth_app *app);

/* When it was made first, whatever was made anew since; wall. */
int64_t berth_containers_created_ns(const struct berth_app *app);

/* The app of that cuid if the caller may see it, borrowed from the snapshot. */
BERTH_MUST_CHECK int berth_containers_find(const struct berth_snapshot *snapshot,
                                           const struct berth_caller *by, const char *cuid,
                                           const struct berth_app **ret_app,
                                           struct berth_error *err);

/* The same, as it is now; ret_app: a reference. BERTH_E_CONFLICT: its image is not there yet. */
BERTH_MUST_CHECK int berth_containers_get(struct berth_facility *facility,
                                          const struct berth_caller *by, const char *cuid,
                                          struct berth_app **ret_app, struct berth_error *err);

/* What a container is to be, or how it is to change. Strings are borrowed for the call. */
struct berth_container_request {
    const struct berth_image_ref *image;  /* NULL, in a change: as it is */
    const char *owner;                    /* NULL: the caller */
    struct berth_container_spec spec;     /* in a change: env is merged */
    bool has_tags, has_ports;             /* in a change: they are replaced */
    int64_t cpu_nano, memory_bytes, pids; /* 0: what the facility gives, or as it is */
};

/*
 * Makes CUID--OWNER, not started. With image_policy = open an image that is not there comes first.
 * BERTH_E_FORBIDDEN (another's, or IMAGE_NOT_APPROVED), BERTH_E_QUOTA, BERTH_E_PORT_IN_USE, the
 * code IMAGE_NOT_FOUND, the backend's errors. ret_app: a reference.
 */
BERTH_MUST_CHECK int berth_containers_create(struct berth_facility *facility,
                                             const struct berth_caller *by,
                                             const struct berth_container_request *request,
                                             struct berth_app **ret_app, struct berth_error *err);

/* All or nothing; one that runs is made anew and runs. ret_app: a reference. */
BERTH_MUST_CHECK int berth_containers_change(struct berth_facility *facility,
                                             const struct berth_caller *by, const char *cuid,
                                             const struct berth_container_request *request,
                                             struct berth_app **ret_app, struct berth_error *err);

/* As berth_apps_act. ret_app: a reference to what came of it; untouched by BERTH_VERB_REMOVE. */
BERTH_MUST_CHECK int berth_containers_act(struct berth_facility *facility,
                                          const struct berth_caller *by, enum berth_verb verb,
                                          const char *cuid, struct berth_app **ret_app,
                                          struct berth_error *err);

/* A container that is being made, and whose image is not there yet. */
struct berth_container_pulling {
    char cuid[BERTH_CONTAINER_CUID_MAX + 1];
    const char *owner;
    char image[BERTH_IMAGE_NAME_MAX + 1 + BERTH_TAG_MAX + 1];
    int64_t begun_ns; /* wall */
    int64_t cpu_nano, memory_bytes, pids;
    const struct berth_container_spec *spec;
};

/* Those that the caller may see, until visit returns false. visit is called under a lock: it must
 * not block. */
void berth_containers_walk_pulling(struct berth_facility *facility, const struct berth_caller *by,
                                   bool (*visit)(const struct berth_container_pulling *pulling,
                                                 void *ctx),
                                   void *ctx);

#endif
