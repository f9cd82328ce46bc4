/* SPDX-License-Identifier: MIT */
/*
 * What the files that change apps share: the audit trail, what policy makes of
 * an image, and creations under way. For facilities/ alone.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_APPS_INTERNAL_H
#define BERTH_FACILITIES_APPS_INTERNAL_H

#include "facilities/apps.h"
#include "facilities/audit.h"

/* ---- apps.c ---- */

/* Whether a verb that failed so may have changed something all the same. */
static inline bool berth_apps_is_uncertain(int result)
{
    return result == BERTH_E_TIMEOUT || result == BERTH_E_UNREACHABLE ||
           result == BERTH_E_CANCELLED;
}

/* A row of the audit trail while it is written. */
struct berth_apps_record {
    struct berth_audit_entry entry;
    struct berth_store_request request;
};

/* Begins to write what was done, or may have been; the strings last until it ends. */
void berth_apps_begin_audit(struct berth_facility *facility, const struct berth_caller *by,
                            const char *action, const char *target, const char *detail, int result,
                            struct berth_apps_record *ret_record);
/* The result of a failure stands, with its message in err. */
int berth_apps_end_audit(struct berth_facility *facility, struct berth_apps_record *record,
                         struct berth_error *err);
/* Both at once. */
int berth_apps_audit(struct berth_facility *facility, const struct berth_caller *by,
                     const char *action, const char *target, const char *detail, int result,
                     struct berth_error *err);

/* What is done, and not in the mirror yet: the error that says so. */
int berth_apps_unseen(const char *action, const char *target, const struct berth_error *why,
                      struct berth_error *err);

/* ---- apps_create.c ---- */

/* Whose an app is where nobody has a name (auth = open). */
#define BERTH_OPEN_OWNER "admin"

/* What is to be created. */
struct berth_apps_order {
    const char *app;
    const char *user;
    const struct berth_image_ref *ref;
    int64_t cpu_nano, memory_bytes, pids;         /* 0: what the facility gives */
    const struct berth_container_spec *container; /* NULL: an app like any */
    const struct berth_rootfs_spec *rootfs;       /* instead of ref: a container of MiniRun's */
    bool pulls; /* with image_policy = open: an image that is not there comes first */
};

/* What another creation must not make too, and what counts against its user's bound already. On
 * the stack of who creates; under creating_lock. */
struct berth_creation {
    struct berth_creation *next;
    const struct berth_apps_order *order;
    int64_t begun_ns; /* wall */
    bool pulling;     /* its image is not there yet */
};

void berth_apps_add_creation(struct berth_facility *facility, struct berth_creation *creation);
void berth_apps_end_creation(struct berth_facility *facility, struct berth_creation *creation);

/* As berth_apps_create. A BERTH_E_NOT_FOUND, or what a pull refused, has the code IMAGE_NOT_FOUND.
 */
BERTH_MUST_CHECK int berth_apps_make(struct berth_facility *facility, const struct berth_caller *by,
                                     const struct berth_apps_order *order,
                                     struct berth_app **ret_app, struct berth_error *err);

/* Root file systems are what the operator has put there: nobody approves them, none is pulled. */
static inline bool berth_apps_has_images(const struct berth_facility *facility)
{
    return facility->backend->ops->images != NULL;
}

/* What policy gives every app of the facility. */
struct berth_create_spec berth_apps_base_spec(const struct berth_facility *facility);

/*
 * What to run so that it is that very image: the reference while it still
 * names the image (people read it in docker ps), else the bare id. A reference
 * with a digest cannot name another.
 */
const char *berth_apps_pin(const struct berth_snapshot *snapshot, const char *reference,
                           const char *image_id);

/* The reference an app of that image is created from, and kept in its label. BERTH_E_FORBIDDEN
 * (IMAGE_NOT_APPROVED). */
BERTH_MUST_CHECK int berth_apps_make_reference(const struct berth_facility *facility,
                                               const struct berth_image_ref *ref,
                                               struct berth_approval *approval,
                                               struct berth_strbuf *reference,
                                               struct berth_error *err);

/* With image_policy = open: has the image come unless it is there, for that creation where there
 * is one. BERTH_E_INVALID (IMAGE_NOT_FOUND). */
BERTH_MUST_CHECK int berth_apps_bring(struct berth_facility *facility,
                                      const struct berth_caller *by,
                                      const struct berth_snapshot *snapshot,
                                      const struct berth_image_ref *ref,
                                      struct berth_creation *creation, struct berth_error *err);

/* Publishes the app that was just made, and takes it from there. */
BERTH_MUST_CHECK int berth_apps_publish(struct berth_facility *facility, const char *id,
                                        const char *name, struct berth_app **ret_app,
                                        struct berth_error *err);

#endif
