/* SPDX-License-Identifier: MIT */
/*
 * What is kept of an app on the disk, as JSON that people read: its record,
 * what it was asked to be, and its state, how its last run stands.
 *
 * The record is BERTH_ROOTFS_RECORD in the app's folder, synced. The state is
 * not: a run ends with the machine's, which its boot id tells.
 *
 * Threading: plain values.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_RECORD_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_RECORD_H

#include "backends/app.h"
#include "backends/container.h"

#include <limits.h>
#include <sys/types.h>

/* 64 hexadecimal digits, with the terminating NUL. */
#define BERTH_ROOTFS_ID_SIZE 65

#define BERTH_ROOTFS_RECORD "record.json"

/* A UUID that the kernel makes at each start, with the terminating NUL. */
#define BERTH_BOOT_ID_SIZE 37

/* All malloc'ed; none is NULL but run_as. */
struct berth_rootfs_record {
    char *name;    /* the app's */
    char *user;    /* "" : nobody's */
    char *image;   /* label berth.image: as asked, or the path; never "" */
    char *rootfs;  /* its path, without a link in it */
    char *command; /* as asked */
    char *run_as;  /* "UID[:GID]", or NULL: root of its user namespace */
    bool terminal;
    int64_t created_ns;           /* wall */
    struct berth_container asked; /* env, tags, limits, updated_ns */
};

void berth_rootfs_record_release(struct berth_rootfs_record *record);
BERTH_DEFINE_CLEANUP_VALUE(rootfs_record, struct berth_rootfs_record, berth_rootfs_record_release)

/* Of an app's open folder. Read: BERTH_E_CONFLICT: it is none of ours. */
BERTH_MUST_CHECK int berth_rootfs_record_read(int folder, struct berth_rootfs_record *ret_record,
                                              struct berth_error *err);
BERTH_MUST_CHECK int berth_rootfs_record_write(int folder, const struct berth_rootfs_record *record,
                                               struct berth_error *err);

/* A process, told from others that had or will have its number. pid 0: none. */
struct berth_rootfs_process {
    pid_t pid;
    uint64_t start; /* in clock ticks since the boot, as /proc/PID/stat has it */
};

/* One that ended with nobody there to see how. */
#define BERTH_ROOTFS_EXIT_UNKNOWN 255

/* In the folder of all states, which is watched: an app's state, and what conmon leaves there of
 * its end, the exit code, under the app's id. */
#define BERTH_ROOTFS_STATE_SUFFIX ".json"

struct berth_rootfs_state {
    enum berth_app_state state;               /* CREATED, RUNNING, PAUSED or EXITED */
    bool is_starting;                         /* besides: a run has been begun */
    bool is_unseen;                           /* EXITED, but that is not written yet */
    int64_t started_ns;                       /* wall; 0: never */
    int64_t finished_ns;                      /* wall, of the last that has ended; 0: none */
    int exit_code;                            /* EXITED: 0 to 255 */
    struct berth_rootfs_process init, conmon; /* RUNNING, PAUSED */
    char boot[BERTH_BOOT_ID_SIZE];            /* id of the boot it was started in */
    char runtime[PATH_MAX];                   /* what runs it */
};

/* Of the folder of all states, by app. Read: as it was written last; BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int berth_rootfs_state_read(int states, const char *id,
                                             struct berth_rootfs_state *ret_state,
                                             struct berth_error *err);
BERTH_MUST_CHECK int berth_rootfs_state_write(int states, const char *id,
                                              const struct berth_rootfs_state *state,
                                              struct berth_error *err);
/* With all that there is besides. */
void berth_rootfs_state_remove(int states, const char *id);

#endif
