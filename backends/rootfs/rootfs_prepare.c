/* SPDX-License-Identifier: MIT */
/* What a record becomes: the folder of a new app, and the bundle of one that is to run. */
#include "backends/rootfs/rootfs_bundle.h"
#include "backends/rootfs/rootfs_internal.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BUNDLE_MAX (64U << 20)
#define FILE_MODE  0600
#define MOUNT_MODE 0755 /* the folder around it is closed to all but us */

int berth_rootfs_command_check(const char *command, struct berth_error *err)
{
    BERTH_CLEANUP(words) struct berth_words words = BERTH_WORDS_INIT;
    int rc = berth_words_split(command, &words, err);
    return rc < 0 ? berth_error_wrap(err, "command") : 0;
}

/* ---- Files of an app's own ---- */

/* "UID[:GID]"; without one the group is the user's. */
static int parse_run_as(const char *run_as, int64_t *ret_uid, int64_t *ret_gid,
                        struct berth_error *err)
{
    const char *colon = strchr(run_as, ':');
    char digits[32];
    (void)snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(run_as, ":"), run_as);
    int rc = berth_text_parse_int(digits, 0, UINT32_MAX - 1, ret_uid, err);
    if (rc == 0 && colon)
        rc = berth_text_parse_int(colon + 1, 0, UINT32_MAX - 1, ret_gid, err);
    else
        *ret_gid = *ret_uid;
    return rc < 0 ? berth_error_wrap(err, "user id %s", run_as) : 0;
}

int berth_rootfs_make_mount(const struct berth_rootfs *rootfs, int folder, const char *run_as,
                            struct berth_error *err)
{
    BERTH_CLEANUP(fd) int mount = -1;
    int64_t uid = 0;
    int64_t gid = 0;
    int rc = run_as ? parse_run_as(run_as, &uid, &gid, err) : 0;
    if (rc == 0)
        rc = berth_folder_make(folder, BERTH_ROOTFS_MOUNT, MOUNT_MODE, &mount, err);
    if (rc < 0)
        return rc;
    if (fchmod(mount, MOUNT_MODE) < 0 ||
        fchown(mount, berth_rootfs_userns_host_id(&rootfs->userns, (uint32_t)uid),
               berth_rootfs_userns_host_id(&rootfs->userns, (uint32_t)gid)) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno,
                                     "the mount cannot be given to the app's user");
    return 0;
}

/* ---- The bundle ---- */

static int write_file(int folder, const struct berth_strbuf *text, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    int rc = berth_folder_open(folder, BERTH_ROOTFS_CONFIG,
                               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, FILE_MODE, &fd, err);
    if (rc < 0)
        return rc;
    /* Not synced: it is written anew for each run. */
    if (write(fd, text->data, text->len) != (ssize_t)text->len)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the bundle cannot be written");
    return 0;
}

int berth_rootfs_prepare(const struct berth_rootfs *rootfs, const struct berth_rootfs_app *app,
                         struct berth_error *err)
{
    const struct berth_rootfs_record *record = &app->record;
    BERTH_CLEANUP(words) struct berth_words words = BERTH_WORDS_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BUNDLE_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf cgroup = BERTH_STRBUF_INIT(PATH_MAX);
    int rc = berth_words_split(record->command, &words, err);
    if (rc < 0)
        return rc;
    berth_rootfs_cgroup(app->id, &cgroup);
    const struct berth_rootfs_bundle bundle = {
        .argv = (const char *const *)words.items,
        .env = record->asked.env,
        .env_count = record->asked.env_count,
        .run_as = record->run_as,
        .terminal = record->terminal,
        .hostname = record->name,
        .mode = rootfs->config.mode,
        .network = rootfs->config.network,
        .userns = rootfs->userns,
        .cpu_nano = record->asked.cpu_nano,
        .memory_bytes = record->asked.memory_bytes,
        .pids = record->asked.pids,
        .counts_swap = rootfs->counts_swap,
        .cgroup = berth_strbuf_str(&cgroup),
        .seccomp = rootfs->seccomp,
    };
    berth_rootfs_bundle_write(&bundle, &text);
    rc = berth_strbuf_check(&text, err);
    return rc < 0 ? rc : write_file(app->folder, &text, err);
}
