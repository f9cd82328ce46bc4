/* SPDX-License-Identifier: MIT */
/*
 * What the runtime is to run in an app that runs: the process object of the
 * OCI runtime specification, made of the app's own.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_EXEC_SPEC_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_EXEC_SPEC_H

#include "backends/exec.h"
#include "base/json.h"

/* process: that of the app's config.json, which becomes that of the exec. root: its root file
 * system as the app sees it, open. mark: see rootfs_crowd.h. BERTH_E_CONFLICT: it has no shell;
 * BERTH_E_INVALID: it knows no such user. */
BERTH_MUST_CHECK int berth_rootfs_exec_process(cJSON *process, int root,
                                               const struct berth_exec_spec *spec, const char *mark,
                                               struct berth_error *err);

#endif
