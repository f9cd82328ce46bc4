/* SPDX-License-Identifier: MIT */
/*
 * The control group that an app runs in. The runtime makes it and removes it;
 * here it is frozen and thawed, which is what a runtime's pause does, too, and
 * removed where the runtime has lost track of it.
 *
 * Sources: the kernel's cgroup-v1/freezer-subsystem.rst and cgroup-v2.rst.
 */
#include "backends/rootfs/rootfs_internal.h"
#include "base/clock.h"
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define CGROUPS    "/sys/fs/cgroup"
#define RETRY_MS   2
#define DROP_MS    2000
#define GROUP_MODE 0755
#define FILE_TEXT  512

void berth_rootfs_cgroup(const char *id, struct berth_strbuf *path)
{
    berth_strbuf_addf(path, "/berth/%s", id);
}

/* Version 1 has a tree of its own for it. */
static bool is_version_1(void)
{
    struct stat status;
    return stat(CGROUPS "/freezer", &status) == 0;
}

static int open_file(const char *id, const char *name, int flags)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX);
    berth_strbuf_adds(&path, is_version_1() ? CGROUPS "/freezer" : CGROUPS);
    berth_rootfs_cgroup(id, &path);
    berth_strbuf_addf(&path, "/%s", name);
    return berth_strbuf_check(&path, NULL) < 0 ? -1
                                               : open(berth_strbuf_str(&path), flags | O_CLOEXEC);
}

/* Whether the file says so. */
static bool file_has(const char *id, const char *name, const char *text)
{
    char told[FILE_TEXT];
    BERTH_CLEANUP(fd) int fd = open_file(id, name, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, told, sizeof(told) - 1);
    if (got <= 0)
        return false;
    told[got] = '\0';
    return strstr(told, text) != NULL;
}

bool berth_rootfs_is_frozen(const char *id)
{
    return is_version_1() ? file_has(id, "freezer.state", "FROZEN")
                          : file_has(id, "cgroup.events", "frozen 1");
}

bool berth_rootfs_has_cgroup(const char *id)
{
    BERTH_CLEANUP(fd) int fd = open_file(id, "cgroup.procs", O_RDONLY);
    return fd >= 0;
}

static int ask(const char *id, bool is_wanted, struct berth_error *err)
{
    bool is_old = is_version_1();
    const char *text = is_old ? (is_wanted ? "FROZEN" : "THAWED") : (is_wanted ? "1" : "0");
    BERTH_CLEANUP(fd)
    int fd = open_file(id, is_old ? "freezer.state" : "cgroup.freeze", O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return berth_error_set_errno(err, BERTH_E_REFUSED, errno, "the app's cgroup cannot be %s",
                                     is_wanted ? "frozen" : "thawed");
    return 0;
}

int berth_rootfs_freeze(const char *id, bool is_wanted, int64_t wait_ms, struct berth_error *err)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * BERTH_NS_PER_MS};
    int64_t deadline_ms = berth_clock_monotonic_ms() + wait_ms;
    int rc = ask(id, is_wanted, err);
    if (rc < 0)
        return rc;
    while (berth_rootfs_is_frozen(id) != is_wanted) {
        if (berth_clock_monotonic_ms() >= deadline_ms)
            return berth_error_set(err, BERTH_E_TIMEOUT, "the app's cgroup is not %s in time",
                                   is_wanted ? "frozen" : "thawed");
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

/* ---- Those beside the apps ---- */

/* Where systemd looks for what is left of a service: version 2, or the tree of its own. */
static const char *const service_trees[] = {CGROUPS, CGROUPS "/unified", CGROUPS "/systemd"};

void berth_rootfs_keep_apart(pid_t conmon)
{
    for (size_t i = 0; i < sizeof(service_trees) / sizeof(service_trees[0]); i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", service_trees[i]);
        if (access(path, F_OK) < 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/berth", service_trees[i]);
        (void)mkdir(path, GROUP_MODE);
        (void)snprintf(path, sizeof(path), "%s/berth/conmon", service_trees[i]);
        (void)mkdir(path, GROUP_MODE);
        (void)snprintf(path, sizeof(path), "%s/berth/conmon/cgroup.procs", service_trees[i]);
        BERTH_CLEANUP(file) FILE *members = fopen(path, "we");
        if (members)
            (void)fprintf(members, "%d\n", (int)conmon);
    }
}

/* ---- Removing ---- */

/* False: there are processes in it yet. */
static bool drop_group(const char *path)
{
    char file[PATH_MAX];
    (void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
    BERTH_CLEANUP(file) FILE *members = fopen(file, "re");
    int pid;
    while (members && fscanf(members, "%d", &pid) == 1)
        (void)kill(pid, SIGKILL);
    return rmdir(path) == 0 || errno == ENOENT;
}

static bool drop_groups(const char *id)
{
    BERTH_CLEANUP(dir) DIR *trees = opendir(CGROUPS);
    BERTH_CLEANUP(strbuf) struct berth_strbuf group = BERTH_STRBUF_INIT(PATH_MAX);
    const struct dirent *entry;
    char path[PATH_MAX];
    berth_rootfs_cgroup(id, &group);
    (void)snprintf(path, sizeof(path), CGROUPS "%s", berth_strbuf_str(&group));
    bool is_gone = drop_group(path);
    while (trees && (entry = readdir(trees))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), CGROUPS "/%s%s", entry->d_name,
                       berth_strbuf_str(&group));
        is_gone = drop_group(path) && is_gone;
    }
    return is_gone;
}

bool berth_rootfs_drop_cgroup(const char *id)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * BERTH_NS_PER_MS};
    int64_t deadline_ms = berth_clock_monotonic_ms() + DROP_MS;
    if (berth_rootfs_is_frozen(id))
        (void)!ask(id, false, NULL);
    while (!drop_groups(id)) {
        if (berth_clock_monotonic_ms() >= deadline_ms)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}
