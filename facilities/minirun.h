/* SPDX-License-Identifier: MIT */
/*
 * Apps as the MiniRun API knows them: by a name of their own, with a root file
 * system and a command. All else is as for every app (apps.h): who sees what,
 * policy, the audit trail, what a read shows after a change. Apps that were
 * made through the facility API are among them.
 *
 * A name that no container could have is BERTH_E_INVALID. Where no container
 * of that name is there for the caller, the answer is BERTH_E_NOT_FOUND, word
 * for word the same for another's and for none.
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_MINIRUN_H
#define BERTH_FACILITIES_MINIRUN_H

#include "facilities/facility.h"

/* Strings are borrowed for the call. */
struct berth_minirun_request {
    const char *name;    /* letters, digits, "._-", the first a letter or a digit; 1 to
                            BERTH_MINIRUN_NAME_MAX */
    const char *rootfs;  /* path; NULL: the facility's default */
    const char *command; /* NULL: the facility's default */
    const char *user;    /* whose it is, for one who may make others' apps; NULL: the caller's */
    int64_t created_ns;  /* wall: when it was made, elsewhere; 0: now */
};

/*
 * Makes the container, not started. BERTH_E_INVALID (its name, root file system or
 * command), BERTH_E_EXISTS, BERTH_E_QUOTA, the backend's errors. ret_app: a reference, as the
 * mirror shows it.
 */
BERTH_MUST_CHECK int berth_minirun_create(struct berth_facility *facility,
                                          const struct berth_caller *by,
                                          const struct berth_minirun_request *request,
                                          struct berth_app **ret_app, struct berth_error *err);

/* The container as it is now; ret_app: a reference. */
BERTH_MUST_CHECK int berth_minirun_get(struct berth_facility *facility,
                                       const struct berth_caller *by, const char *name,
                                       struct berth_app **ret_app, struct berth_error *err);

/* True if its processes are there, paused or not. */
bool berth_minirun_is_running(const struct berth_app *app);

/*
 * Starts, stops, kills or removes. BERTH_E_CONFLICT where it runs and is to be started or removed,
 * and where it does not and is to be stopped or killed. ret_app: a reference to what came of it;
 * untouched by BERTH_VERB_REMOVE.
 */
BERTH_MUST_CHECK int berth_minirun_act(struct berth_facility *facility,
                                       const struct berth_caller *by, enum berth_verb verb,
                                       const char *name, struct berth_app **ret_app,
                                       struct berth_error *err);

#endif
