/* SPDX-License-Identifier: MIT */
/*
 * What people do with apps: policy, then the backend's verb, then the mirror's
 * refresh, then the audit row. Every function answers for one caller: an app
 * the caller may not see does not exist for it: the same BERTH_E_NOT_FOUND, word
 * for word, as for a name nobody uses.
 *
 * Each function may be called for one app at once by several callers: the engine
 * decides who was first. Nothing is changed while the disk has no room for the
 * audit row of the change (BERTH_E_NO_SPACE).
 *
 * Threading: any thread.
 */
#ifndef BERTH_FACILITIES_APPS_H
#define BERTH_FACILITIES_APPS_H

#include "facilities/facility.h"

/*
 * Creates IMAGE--USER from an approved image. A researcher creates for itself
 * alone. BERTH_E_EXISTS, BERTH_E_FORBIDDEN (not approved, another's name),
 * BERTH_E_QUOTA, the backend's errors. ret_app: a reference, as the mirror shows it.
 */
BERTH_MUST_CHECK int berth_apps_create(struct berth_facility *facility,
                                       const struct berth_caller *by,
                                       const struct berth_image_ref *ref, const char *user,
                                       struct berth_app **ret_app, struct berth_error *err);

/* start, stop, pause, unpause, restart, kill, delete (remove). */
BERTH_MUST_CHECK int berth_apps_act(struct berth_facility *facility, const struct berth_caller *by,
                                    enum berth_verb verb, const char *name,
                                    struct berth_error *err);

/* hard-reset: stop, remove, create again from the same image (pinned). When only the last failed
 * the error says that the app is gone and why. */
BERTH_MUST_CHECK int berth_apps_reset(struct berth_facility *facility,
                                      const struct berth_caller *by, const char *name,
                                      struct berth_error *err);

/* request-image under image_policy = open: pulls now. */
BERTH_MUST_CHECK int berth_apps_pull(struct berth_facility *facility, const struct berth_caller *by,
                                     const struct berth_image_ref *ref, struct berth_error *err);

/* "app NAME does not exist", for every reason why a caller is told so. */
int berth_apps_unknown(const char *name, struct berth_error *err);

/* The app of that name if the caller may see it, borrowed from the snapshot; BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int berth_apps_find(const struct berth_snapshot *snapshot,
                                     const struct berth_caller *by, const char *name,
                                     const struct berth_app **ret_app, struct berth_error *err);

/* Whether the app has services to name (NULL: none is named). BERTH_E_INVALID
 * (INVALID_PARAMETER). */
BERTH_MUST_CHECK int berth_apps_check_service(const struct berth_app *app, const char *service,
                                              struct berth_error *err);

#endif
