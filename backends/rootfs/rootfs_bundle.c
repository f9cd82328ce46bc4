/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_bundle.h"

#include "backends/engine/engine_create.h"
#include "backends/rootfs/rootfs_root.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOSTNAME_BYTES 63
#define PATH_OF_APPS   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define OPEN_FILES     1024
#define OPEN_FILES_MAX 524288
#define CPU_PERIOD_US  100000
#define CPU_QUOTA_MIN  1000 /* the kernel's */
/* Where memory runs out, an app goes before what serves all of them. */
#define OOM_SCORE_ADJ 200

static void add_texts(struct berth_json_writer *w, const char *name, const char *const *texts)
{
    berth_json_open_array(w, name);
    for (size_t i = 0; texts[i]; i++)
        berth_json_add_string(w, NULL, texts[i]);
    berth_json_close_array(w);
}

/* ---- The process ---- */

static void add_variable(struct berth_json_writer *w, const char *name, const char *value)
{
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf text =
        BERTH_STRBUF_INIT(BERTH_VARIABLE_NAME_MAX + BERTH_VARIABLE_VALUE_MAX + 1);
    berth_strbuf_addf(&text, "%s=%s", name, value);
    if (text.failed)
        w->out->failed = text.failed;
    else
        berth_json_add_stringn(w, NULL, text.data, text.len);
}

static bool has_variable(const struct berth_rootfs_bundle *bundle, const char *name)
{
    for (size_t i = 0; i < bundle->env_count; i++)
        if (strcmp(bundle->env[i].name, name) == 0)
            return true;
    return false;
}

static void add_env(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle,
                    const char *hostname)
{
    berth_json_open_array(w, "env");
    if (!has_variable(bundle, "PATH"))
        add_variable(w, "PATH", PATH_OF_APPS);
    if (!has_variable(bundle, "HOSTNAME"))
        add_variable(w, "HOSTNAME", hostname);
    if (bundle->terminal && !has_variable(bundle, "TERM"))
        add_variable(w, "TERM", "xterm");
    for (size_t i = 0; i < bundle->env_count; i++)
        add_variable(w, bundle->env[i].name, bundle->env[i].value);
    berth_json_close_array(w);
}

/* "UID[:GID]", whose form the configuration has checked. */
static void add_user(struct berth_json_writer *w, const char *run_as)
{
    const char *uid = run_as ? run_as : "0";
    const char *colon = strchr(uid, ':');
    berth_json_open_object(w, "user");
    berth_json_add_int(w, "uid", strtol(uid, NULL, 10));
    berth_json_add_int(w, "gid", strtol(colon ? colon + 1 : uid, NULL, 10));
    berth_json_close_object(w);
}

/* A user that is not root holds none of them, but a program could never get more than these. */
static void add_capabilities(struct berth_json_writer *w)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    berth_json_open_object(w, "capabilities");
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        berth_json_open_array(w, sets[i]);
        for (size_t n = 0; berth_engine_capabilities[n]; n++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "CAP_%s", berth_engine_capabilities[n]);
            berth_json_add_string(w, NULL, name);
        }
        berth_json_close_array(w);
    }
    berth_json_close_object(w);
}

/* No more than the gateway's own: not every root may raise that. */
static void add_limits(struct berth_json_writer *w)
{
    struct rlimit own;
    int64_t most = OPEN_FILES_MAX;
    if (getrlimit(RLIMIT_NOFILE, &own) == 0 && own.rlim_max < OPEN_FILES_MAX)
        most = (int64_t)own.rlim_max;
    berth_json_open_array(w, "rlimits");
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "type", "RLIMIT_NOFILE");
    berth_json_add_int(w, "hard", most);
    berth_json_add_int(w, "soft", most < OPEN_FILES ? most : OPEN_FILES);
    berth_json_close_object(w);
    berth_json_close_array(w);
}

static void add_process(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle,
                        const char *hostname)
{
    berth_json_open_object(w, "process");
    berth_json_add_bool(w, "terminal", bundle->terminal);
    if (bundle->terminal) {
        berth_json_open_object(w, "consoleSize");
        berth_json_add_int(w, "height", 24);
        berth_json_add_int(w, "width", 80);
        berth_json_close_object(w);
    }
    add_user(w, bundle->run_as);
    add_texts(w, "args", bundle->argv);
    add_env(w, bundle, hostname);
    berth_json_add_string(w, "cwd", bundle->cwd ? bundle->cwd : "/");
    add_capabilities(w);
    add_limits(w);
    berth_json_add_bool(w, "noNewPrivileges", true);
    berth_json_add_int(w, "oomScoreAdj", OOM_SCORE_ADJ);
    berth_json_close_object(w);
}

/* ---- What it sees ---- */

struct mount {
    const char *at, *type, *source;
    const char *options[10];
};

static void add_mount(struct berth_json_writer *w, const struct mount *mount)
{
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "destination", mount->at);
    berth_json_add_string(w, "type", mount->type);
    berth_json_add_string(w, "source", mount->source);
    add_texts(w, "options", mount->options);
    berth_json_close_object(w);
}

static const struct mount mounts[] = {
    {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
    {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
    {"/dev/pts",
     "devpts",
     "devpts",
     {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
    {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
    {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
};

static const struct mount own_system[] = {
    {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
    {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
};

/* /sys shows the network's devices: nobody may mount one for a network that is another's. */
static const struct mount host_system[] = {
    {"/sys", "bind", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}},
};

/* Where the root file system itself cannot be written to. */
static const struct mount scratch[] = {
    {"/tmp", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=1777"}},
    {"/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755"}},
};

static const struct mount own_files[] = {
    {BERTH_ROOTFS_FILES_AT, "bind", BERTH_ROOTFS_FILES_FROM, {"bind", "nosuid", "nodev", "rw"}},
};

#define ADD_MOUNTS(w, array)                                                                       \
    for (size_t i_ = 0; i_ < sizeof(array) / sizeof((array)[0]); i_++)                             \
    add_mount(w, &(array)[i_])

/* Names of the host's network, where the host has them. */
static void add_host_names(struct berth_json_writer *w)
{
    static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const struct mount mount = {
            files[i], "bind", files[i], {"rbind", "nosuid", "noexec", "nodev", "ro"}};
        if (access(files[i], R_OK) == 0)
            add_mount(w, &mount);
    }
}

static void add_mounts(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle)
{
    bool on_host = bundle->network == BERTH_ROOTFS_NETWORK_HOST;
    berth_json_open_array(w, "mounts");
    ADD_MOUNTS(w, mounts);
    if (on_host && bundle->userns.count > 0)
        ADD_MOUNTS(w, host_system);
    else
        ADD_MOUNTS(w, own_system);
    if (bundle->mode == BERTH_ROOTFS_READONLY)
        ADD_MOUNTS(w, scratch);
    if (on_host)
        add_host_names(w);
    ADD_MOUNTS(w, own_files);
    berth_json_close_array(w);
}

/* ---- What keeps it from the host ---- */

static void add_namespaces(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle)
{
    const char *const types[] = {
        "pid",
        "mount",
        "uts",
        "ipc",
        "cgroup",
        bundle->network == BERTH_ROOTFS_NETWORK_HOST ? NULL : "network",
        bundle->userns.count > 0 ? "user" : NULL,
    };
    berth_json_open_array(w, "namespaces");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!types[i])
            continue;
        berth_json_open_object(w, NULL);
        berth_json_add_string(w, "type", types[i]);
        berth_json_close_object(w);
    }
    berth_json_close_array(w);
}

static void add_mapping(struct berth_json_writer *w, const char *name,
                        const struct berth_rootfs_userns *userns)
{
    berth_json_open_array(w, name);
    berth_json_open_object(w, NULL);
    berth_json_add_int(w, "containerID", 0);
    berth_json_add_int(w, "hostID", userns->first);
    berth_json_add_int(w, "size", userns->count);
    berth_json_close_object(w);
    berth_json_close_array(w);
}

static void add_memory(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle)
{
    berth_json_open_object(w, "memory");
    berth_json_add_int(w, "limit", bundle->memory_bytes);
    /* Together with swap, which is none: in version 2, too, runtimes reckon so. */
    if (bundle->counts_swap)
        berth_json_add_int(w, "swap", bundle->memory_bytes);
    berth_json_close_object(w);
}

static void add_cpu(struct berth_json_writer *w, int64_t cpu_nano)
{
    int64_t quota_us = cpu_nano / (BERTH_NS_PER_S / CPU_PERIOD_US);
    berth_json_open_object(w, "cpu");
    berth_json_add_int(w, "quota", quota_us < CPU_QUOTA_MIN ? CPU_QUOTA_MIN : quota_us);
    berth_json_add_int(w, "period", CPU_PERIOD_US);
    berth_json_close_object(w);
}

/* In terms of version 1; runtimes translate them. Of devices it has what runtimes give to all. */
static void add_resources(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle)
{
    berth_json_open_object(w, "resources");
    berth_json_open_array(w, "devices");
    berth_json_open_object(w, NULL);
    berth_json_add_bool(w, "allow", false);
    berth_json_add_string(w, "access", "rwm");
    berth_json_close_object(w);
    berth_json_close_array(w);
    if (bundle->memory_bytes > 0)
        add_memory(w, bundle);
    if (bundle->cpu_nano > 0)
        add_cpu(w, bundle->cpu_nano);
    if (bundle->pids > 0) {
        berth_json_open_object(w, "pids");
        berth_json_add_int(w, "limit", bundle->pids);
        berth_json_close_object(w);
    }
    berth_json_close_object(w);
}

static void add_linux(struct berth_json_writer *w, const struct berth_rootfs_bundle *bundle)
{
    static const char *const masked[] = {
        "/proc/asound",
        "/proc/acpi",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
        NULL,
    };
    static const char *const readonly[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
    };
    berth_json_open_object(w, "linux");
    add_namespaces(w, bundle);
    if (bundle->userns.count > 0) {
        add_mapping(w, "uidMappings", &bundle->userns);
        add_mapping(w, "gidMappings", &bundle->userns);
    }
    berth_json_add_string(w, "cgroupsPath", bundle->cgroup);
    add_resources(w, bundle);
    berth_json_add_raw(w, "seccomp", bundle->seccomp, strlen(bundle->seccomp));
    add_texts(w, "maskedPaths", masked);
    add_texts(w, "readonlyPaths", readonly);
    berth_json_close_object(w);
}

void berth_rootfs_bundle_write(const struct berth_rootfs_bundle *bundle, struct berth_strbuf *out)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    char hostname[HOSTNAME_BYTES + 1];
    (void)snprintf(hostname, sizeof(hostname), "%s", bundle->hostname);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "ociVersion", "1.0.2");
    add_process(&w, bundle, hostname);
    berth_json_open_object(&w, "root");
    berth_json_add_string(&w, "path", BERTH_ROOTFS_ROOT_AT);
    berth_json_add_bool(&w, "readonly", bundle->mode == BERTH_ROOTFS_READONLY);
    berth_json_close_object(&w);
    berth_json_add_string(&w, "hostname", hostname);
    add_mounts(&w, bundle);
    add_linux(&w, bundle);
    berth_json_close_object(&w);
    berth_strbuf_addc(out, '\n');
}
