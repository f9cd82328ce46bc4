/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_host.h"

#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUPS            "/sys/fs/cgroup"
#define CGROUPS_HYBRID     CGROUPS "/unified" /* version 2 beside version 1 */
#define VERSION_TIMEOUT_MS 2000
#define LINE_BYTES         256

/* ---- Programs ---- */

static const char *const crun_places[] = {"/usr/bin/crun", "/usr/local/bin/crun", NULL};
static const char *const conmon_places[] = {
    "/usr/bin/conmon",
    "/usr/local/bin/conmon",
    "/usr/libexec/podman/conmon",
    "/usr/local/libexec/podman/conmon",
    NULL,
};

int berth_rootfs_host_find(const struct berth_rootfs_config *config, enum berth_rootfs_tool tool,
                           const char **ret_path, struct berth_error *err)
{
    const char *const configured[] = {config->runtime, NULL};
    const char *const *places = tool == BERTH_ROOTFS_CONMON ? conmon_places
                                : config->runtime           ? configured
                                                            : crun_places;
    for (size_t i = 0; places[i]; i++) {
        if (access(places[i], X_OK) == 0) {
            *ret_path = places[i];
            return 0;
        }
    }
    if (places == configured)
        return berth_error_set_errno(err, BERTH_E_NOT_FOUND, errno, "runtime %s cannot be run: %s",
                                     config->runtime, strerrordesc_np(errno));
    return berth_error_set(err, BERTH_E_NOT_FOUND, "%s is not installed: there is no %s",
                           tool == BERTH_ROOTFS_CONMON ? "conmon" : "crun", places[0]);
}

/* Those that are known, and from which version on they do what is asked of them. */
static const struct {
    enum berth_rootfs_tool tool;
    const char *name;
    unsigned major, minor;
} known[] = {
    {BERTH_ROOTFS_RUNTIME, "crun", 1, 0},
    {BERTH_ROOTFS_RUNTIME, "runc", 1, 1},
    {BERTH_ROOTFS_CONMON, "conmon", 2, 1},
};

static int check_version(const char *path, enum berth_rootfs_tool tool, const char *name,
                         unsigned major, unsigned minor, struct berth_error *err)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].tool != tool || strcmp(known[i].name, name) != 0)
            continue;
        if (major > known[i].major || (major == known[i].major && minor >= known[i].minor))
            return 0;
        return berth_error_set(err, BERTH_E_INVALID, "%s is %s %u.%u: it must be %u.%u or newer",
                               path, name, major, minor, known[i].major, known[i].minor);
    }
    return berth_error_set(err, BERTH_E_INVALID, "%s is %s: it must be %s", path, name,
                           tool == BERTH_ROOTFS_CONMON ? "conmon" : "crun or runc");
}

int berth_rootfs_host_version(const char *path, enum berth_rootfs_tool tool,
                              char ret_version[BERTH_VERSION_MAX], struct berth_error *err)
{
    const char *const argv[] = {path, "--version", NULL};
    const char *const envp[] = {NULL};
    const struct berth_process process = {.argv = argv,
                                          .envp = envp,
                                          .directory = -1,
                                          .handed_on = -1,
                                          .timeout_ms = VERSION_TIMEOUT_MS};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(BERTH_PROCESS_OUTPUT_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf complaints = BERTH_STRBUF_INIT(LINE_BYTES);
    char name[16];
    char version[BERTH_VERSION_MAX - 17];
    unsigned major;
    unsigned minor;
    int code = 0;
    int rc = berth_process_run(&process, &out, &complaints, &code, err);
    if (rc < 0)
        return rc;
    const char *line = berth_strbuf_str(&out);
    if (code != 0 || sscanf(line, "%15s version %46s", name, version) != 2 ||
        sscanf(version, "%u.%u", &major, &minor) != 2)
        return berth_error_set(err, BERTH_E_INVALID, "%s does not tell its version", path);
    rc = check_version(path, tool, name, major, minor, err);
    if (rc == 0)
        (void)snprintf(ret_version, BERTH_VERSION_MAX, "%s %s", name, version);
    return rc;
}

/* ---- Control groups ---- */

static bool is_of(const char *path, __fsword_t magic)
{
    struct statfs status;
    return statfs(path, &status) == 0 && status.f_type == magic;
}

/* The first line of a file, "" where there is none. */
static void read_line(const char *path, char line[LINE_BYTES])
{
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    if (!file || !fgets(line, LINE_BYTES, file))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

static bool is_crun(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, "crun") == 0;
}

int berth_rootfs_host_check_cgroups(const char *path, struct berth_error *err)
{
    char controllers[LINE_BYTES];
    if (is_of(CGROUPS, CGROUP2_SUPER_MAGIC))
        return 0;
    if (access(CGROUPS "/devices", F_OK) < 0 || access(CGROUPS "/pids", F_OK) < 0)
        return berth_error_set(err, BERTH_E_REFUSED,
                               "this host has no control groups in " CGROUPS
                               ", neither of version 2 nor devices and pids of version 1");
    read_line(CGROUPS_HYBRID "/cgroup.controllers", controllers);
    if (!is_crun(path) || !is_of(CGROUPS_HYBRID, CGROUP2_SUPER_MAGIC) || !controllers[0])
        return 0;
    return berth_error_set(
        err, BERTH_E_REFUSED,
        "crun cannot run while control groups of version 2 have controllers "
        "beside version 1: give %s to version 1 (mount -t cgroup -o NAME cgroup " CGROUPS
        "/NAME), or set runtime to runc",
        controllers);
}

/* In version 2 only groups that are not the root have the file: all have it, or none. */
static bool counts_swap_2(void)
{
    glob_t found = {0};
    bool any = glob(CGROUPS "/*/memory.swap.max", GLOB_NOSORT, NULL, &found) == 0;
    globfree(&found);
    return any;
}

bool berth_rootfs_host_counts_swap(void)
{
    return access(CGROUPS "/memory/memory.memsw.limit_in_bytes", F_OK) == 0 ||
           (is_of(CGROUPS, CGROUP2_SUPER_MAGIC) && counts_swap_2());
}
