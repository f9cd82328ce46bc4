/* SPDX-License-Identifier: MIT */
/*
 * What stands in the folder beside an app's files while something is uploaded:
 *
 *     .upload.UUID/files/     while it is unpacked; locked by who does it
 *     .uploaded.UUID/files/   whole: what is still in it is to be moved; what
 *     .uploaded.UUID/aside/   was in the way, and came there meanwhile
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_FILES_FILES_INTERNAL_H
#define BERTH_BACKENDS_FILES_FILES_INTERNAL_H

#include "backends/files/files.h"
#include "base/limits.h"

#define BERTH_FILES_STAGE   ".upload."
#define BERTH_FILES_JOURNAL ".uploaded."
#define BERTH_FILES_TREE    "files"
#define BERTH_FILES_ASIDE   "aside"

/* Opens for reading what was opened with O_PATH, and looked at. -1 with errno. */
BERTH_MUST_CHECK int berth_files_reopen(int found, int *ret_fd);

#endif
