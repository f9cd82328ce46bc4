/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_bundle.h"
#include "base/json.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char *const argv[] = {"/bin/sh", "-c", "echo \"hi\"", NULL};

static const struct berth_rootfs_bundle plain = {.argv = argv,
                                                 .hostname = "webapp",
                                                 .cgroup = "/berth/1234",
                                                 .seccomp = "{\"defaultAction\":1}"};

static cJSON *config_of(const struct berth_rootfs_bundle *bundle)
{
    struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 20);
    cJSON *config = NULL;
    berth_rootfs_bundle_write(bundle, &text);
    ck_assert_int_eq(berth_strbuf_check(&text, NULL), 0);
    ck_assert_int_eq(berth_json_parse(text.data, text.len, &config, NULL), 0);
    berth_strbuf_release(&text);
    return config;
}

/* What is at "a.b.0.c", printed; "" where nothing is. */
static const char *at(const cJSON *config, const char *path)
{
    static char printed[4096];
    char steps[256];
    char *rest = NULL;
    (void)snprintf(steps, sizeof(steps), "%s", path);
    for (char *step = strtok_r(steps, ".", &rest); step && config;
         step = strtok_r(NULL, ".", &rest))
        config = cJSON_IsArray(config) ? cJSON_GetArrayItem(config, step[0] - '0')
                                       : berth_json_get(config, step);
    printed[0] = '\0';
    if (config)
        ck_assert(cJSON_PrintPreallocated((cJSON *)(uintptr_t)config, printed, sizeof(printed), 0));
    return printed;
}

struct field {
    const char *path;
    const char *value; /* as JSON; "": there is none */
};

static void check_fields(const struct berth_rootfs_bundle *bundle, const struct field *fields,
                         size_t count)
{
    BERTH_CLEANUP(json) cJSON *config = config_of(bundle);
    for (size_t i = 0; i < count; i++) {
        const char *value = at(config, fields[i].path);
        ck_assert_msg(strcmp(value, fields[i].value) == 0, "%s is %s", fields[i].path, value);
    }
}

#define CHECK_FIELDS(bundle, ...)                                                                  \
    do {                                                                                           \
        static const struct field fields_[] = {__VA_ARGS__};                                       \
        check_fields(bundle, fields_, UNIT_COUNT(fields_));                                        \
    } while (0)

/* The mount there, printed; "" where nothing is mounted. */
static const char *mount_at(const struct berth_rootfs_bundle *bundle, const char *destination)
{
    static char printed[512];
    BERTH_CLEANUP(json) cJSON *config = config_of(bundle);
    const cJSON *mount;
    printed[0] = '\0';
    cJSON_ArrayForEach(mount, berth_json_get(config, "mounts"))
    {
        if (strcmp(berth_json_string(mount, "destination", ""), destination) == 0)
            ck_assert(
                cJSON_PrintPreallocated((cJSON *)(uintptr_t)mount, printed, sizeof(printed), 0));
    }
    return printed;
}

#define CAPABILITIES                                                                               \
    "[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\",\"CAP_FSETID\",\"CAP_KILL\","              \
    "\"CAP_NET_BIND_SERVICE\",\"CAP_SETGID\",\"CAP_SETUID\"]"

START_TEST(an_app_is_kept_from_its_host)
{
    CHECK_FIELDS(
        &plain, {"ociVersion", "\"1.0.2\""}, {"process.terminal", "false"},
        {"process.consoleSize", ""}, {"process.user", "{\"uid\":0,\"gid\":0}"},
        {"process.args", "[\"/bin/sh\",\"-c\",\"echo \\\"hi\\\"\"]"},
        {"process.env", "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
                        "/bin\",\"HOSTNAME=webapp\"]"},
        {"process.cwd", "\"/\""}, {"process.capabilities.bounding", CAPABILITIES},
        {"process.capabilities.effective", CAPABILITIES},
        {"process.capabilities.permitted", CAPABILITIES}, {"process.capabilities.inheritable", ""},
        {"process.capabilities.ambient", ""}, {"process.noNewPrivileges", "true"},
        {"process.oomScoreAdj", "200"}, {"process.rlimits.0.type", "\"RLIMIT_NOFILE\""},
        {"root", "{\"path\":\"/dev/shm/root\",\"readonly\":false}"}, {"hostname", "\"webapp\""},
        {"linux.namespaces", "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"},"
                             "{\"type\":\"ipc\"},{\"type\":\"cgroup\"},"
                             "{\"type\":\"network\"}]"},
        {"linux.uidMappings", ""}, {"linux.cgroupsPath", "\"/berth/1234\""},
        {"linux.resources", "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}"},
        {"linux.seccomp", "{\"defaultAction\":1}"}, {"linux.maskedPaths.3", "\"/proc/kcore\""},
        {"linux.readonlyPaths.3", "\"/proc/sys\""});
    ck_assert_str_eq(mount_at(&plain, "/app"),
                     "{\"destination\":\"/app\",\"type\":\"bind\",\"source\":\"/dev/shm/app\","
                     "\"options\":[\"bind\",\"nosuid\",\"nodev\",\"rw\"]}");
    ck_assert_str_eq(mount_at(&plain, "/sys"),
                     "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
                     "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}");
    ck_assert_str_ne(mount_at(&plain, "/sys/fs/cgroup"), "");
    ck_assert_str_ne(mount_at(&plain, "/dev/shm"), "");
    ck_assert_str_eq(mount_at(&plain, "/tmp"), "");
    ck_assert_str_eq(mount_at(&plain, "/etc/hosts"), "");
}
END_TEST

START_TEST(limits_are_in_terms_of_the_runtime)
{
    struct berth_rootfs_bundle bundle = plain;
    bundle.cpu_nano = 1500000000;
    bundle.memory_bytes = 64 << 20;
    bundle.pids = 100;
    CHECK_FIELDS(&bundle, {"linux.resources.memory", "{\"limit\":67108864}"},
                 {"linux.resources.cpu", "{\"quota\":150000,\"period\":100000}"},
                 {"linux.resources.pids", "{\"limit\":100}"});
    bundle.counts_swap = true;
    bundle.cpu_nano = 1;
    CHECK_FIELDS(&bundle, {"linux.resources.memory", "{\"limit\":67108864,\"swap\":67108864}"},
                 {"linux.resources.cpu", "{\"quota\":1000,\"period\":100000}"});
}
END_TEST

START_TEST(users_terminals_and_variables_are_given)
{
    char name[] = "HOME", home[] = "/data";
    char path[] = "PATH", bin[] = "/bin";
    char term[] = "TERM", vt[] = "vt100";
    const struct berth_container_variable env[] = {{name, home}, {path, bin}, {term, vt}};
    struct berth_rootfs_bundle bundle = plain;
    bundle.terminal = true;
    bundle.run_as = "1000:50";
    bundle.cwd = "/data";
    CHECK_FIELDS(&bundle, {"process.terminal", "true"},
                 {"process.consoleSize", "{\"height\":24,\"width\":80}"},
                 {"process.user", "{\"uid\":1000,\"gid\":50}"}, {"process.cwd", "\"/data\""},
                 {"process.env.2", "\"TERM=xterm\""});
    bundle.env = env;
    bundle.env_count = UNIT_COUNT(env);
    bundle.run_as = "1000";
    CHECK_FIELDS(
        &bundle, {"process.user", "{\"uid\":1000,\"gid\":1000}"},
        {"process.env", "[\"HOSTNAME=webapp\",\"HOME=/data\",\"PATH=/bin\",\"TERM=vt100\"]"});
}
END_TEST

START_TEST(long_names_are_cut_to_hostnames)
{
    struct berth_rootfs_bundle bundle = plain;
    bundle.hostname = "0123456789012345678901234567890123456789012345678901234567890123456789";
    CHECK_FIELDS(&bundle, {"hostname",
                           "\"012345678901234567890123456789012345678901234567890123456789012\""});
}
END_TEST

START_TEST(the_host_s_network_comes_with_its_names)
{
    struct berth_rootfs_bundle bundle = plain;
    bundle.network = BERTH_ROOTFS_NETWORK_HOST;
    CHECK_FIELDS(&bundle, {"linux.namespaces.4", "{\"type\":\"cgroup\"}"},
                 {"linux.namespaces.5", ""});
    ck_assert_str_eq(mount_at(&bundle, "/etc/hosts"),
                     "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/etc/hosts\","
                     "\"options\":[\"rbind\",\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}");
    ck_assert_ptr_nonnull(strstr(mount_at(&bundle, "/sys"), "\"sysfs\""));
    bundle.userns = (struct berth_rootfs_userns){100000, 65536};
    ck_assert_ptr_nonnull(strstr(mount_at(&bundle, "/sys"), "\"rbind\""));
    ck_assert_str_eq(mount_at(&bundle, "/sys/fs/cgroup"), "");
}
END_TEST

START_TEST(a_user_namespace_maps_both_kinds_of_ids)
{
    struct berth_rootfs_bundle bundle = plain;
    bundle.userns = (struct berth_rootfs_userns){100000, 65536};
    CHECK_FIELDS(&bundle, {"linux.namespaces.6", "{\"type\":\"user\"}"},
                 {"linux.uidMappings", "[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]"},
                 {"linux.gidMappings", "[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]"});
    ck_assert_uint_eq(berth_rootfs_userns_host_id(&bundle.userns, 1000), 101000);
    ck_assert_uint_eq(berth_rootfs_userns_host_id(&plain.userns, 1000), 1000);
}
END_TEST

START_TEST(what_cannot_be_written_to_has_folders_that_can)
{
    struct berth_rootfs_bundle bundle = plain;
    bundle.mode = BERTH_ROOTFS_READONLY;
    CHECK_FIELDS(&bundle, {"root.readonly", "true"});
    ck_assert_str_ne(mount_at(&bundle, "/tmp"), "");
    ck_assert_str_ne(mount_at(&bundle, "/run"), "");
    ck_assert_ptr_nonnull(strstr(mount_at(&bundle, "/app"), "\"rw\""));
}
END_TEST

START_TEST(open_files_are_no_more_than_the_gateway_s)
{
    struct rlimit own;
    char expected[128];
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &own), 0);
    own.rlim_cur = own.rlim_max = 512;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &own), 0);
    (void)snprintf(expected, sizeof(expected),
                   "{\"type\":\"RLIMIT_NOFILE\",\"hard\":%d,\"soft\":%d}", 512, 512);
    BERTH_CLEANUP(json) cJSON *config = config_of(&plain);
    ck_assert_str_eq(at(config, "process.rlimits.0"), expected);
}
END_TEST

START_TEST(user_namespaces_are_parsed)
{
    static const struct {
        const char *text;
        bool valid;
        uint32_t first, count;
    } rows[] = {
        {"none", true, 0, 0},
        {"100000:65536", true, 100000, 65536},
        {"1:65536", true, 1, 65536},
        {"4294901759:65536", true, 4294901759, 65536},
        {"4294901760:65536", false, 0, 0},
        {"100000:65535", false, 0, 0},
        {"0:65536", false, 0, 0},
        {"100000", false, 0, 0},
        {":65536", false, 0, 0},
        {"100000:", false, 0, 0},
        {"-1:65536", false, 0, 0},
        {"100000:65536:1", false, 0, 0},
        {"1000000000000000:65536", false, 0, 0},
        {"", false, 0, 0},
        {"None", false, 0, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_rootfs_userns userns = {1, 2};
        int rc = berth_rootfs_userns_parse(rows[i].text, &userns, NULL);
        ck_assert_msg(rc == (rows[i].valid ? 0 : BERTH_E_INVALID), "%s", rows[i].text);
        if (rows[i].valid)
            ck_assert_msg(userns.first == rows[i].first && userns.count == rows[i].count, "%s",
                          rows[i].text);
        else
            ck_assert_uint_eq(userns.first, 1);
    }
}
END_TEST

UNIT_SUITE("rootfs_bundle", an_app_is_kept_from_its_host, limits_are_in_terms_of_the_runtime,
           users_terminals_and_variables_are_given, long_names_are_cut_to_hostnames,
           the_host_s_network_comes_with_its_names, a_user_namespace_maps_both_kinds_of_ids,
           what_cannot_be_written_to_has_folders_that_can,
           open_files_are_no_more_than_the_gateway_s, user_namespaces_are_parsed)
