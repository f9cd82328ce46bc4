/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_seccomp.h"
#include "base/json.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static const char *const capabilities[] = {"CHOWN", "KILL", NULL};

static const struct berth_rootfs_seccomp_host host = {
    .machine = "amd64", .release = "6.1.0-32-amd64", .capabilities = capabilities};

static int translate(const char *profile, struct berth_strbuf *out, struct berth_error *err)
{
    return berth_rootfs_seccomp_translate(profile, strlen(profile), &host, out, err);
}

/* The rule a of a profile that has it alone, besides one that always holds. */
struct rule_row {
    const char *name;
    const char *rule;
    bool holds;
};

START_TEST(rules_hold_by_machine_capabilities_and_kernel)
{
    static const struct rule_row rows[] = {
        {"always", "", true},
        {"empty filters", "\"includes\":{},\"excludes\":{},", true},
        {"null filters", "\"includes\":null,", true},
        {"this machine", "\"includes\":{\"arches\":[\"arm\",\"amd64\"]},", true},
        {"another machine", "\"includes\":{\"arches\":[\"s390x\"]},", false},
        {"not this machine", "\"excludes\":{\"arches\":[\"amd64\"]},", false},
        {"not another machine", "\"excludes\":{\"arches\":[\"s390x\"]},", true},
        {"with a capability", "\"includes\":{\"caps\":[\"CAP_KILL\"]},", true},
        {"without it", "\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]},", false},
        {"with all of them", "\"includes\":{\"caps\":[\"CAP_KILL\",\"CAP_CHOWN\"]},", true},
        {"not with all", "\"includes\":{\"caps\":[\"CAP_KILL\",\"CAP_SYS_ADMIN\"]},", false},
        {"a name without its prefix", "\"includes\":{\"caps\":[\"KILL\"]},", false},
        {"but with a capability", "\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_KILL\"]},",
         false},
        {"but with another", "\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]},", true},
        {"from this kernel", "\"includes\":{\"minKernel\":\"6.1\"},", true},
        {"from an older one", "\"includes\":{\"minKernel\":\"4.8\"},", true},
        {"from a newer one", "\"includes\":{\"minKernel\":\"6.2\"},", false},
        {"from a much newer one", "\"includes\":{\"minKernel\":\"10.0\"},", false},
        {"until this kernel", "\"excludes\":{\"minKernel\":\"6.1\"},", false},
        {"until a newer one", "\"excludes\":{\"minKernel\":\"6.2\"},", true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char profile[512];
        struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
        (void)snprintf(profile, sizeof(profile),
                       "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
                       "{%s\"names\":[\"a\"],\"action\":\"SCMP_ACT_ALLOW\"},"
                       "{\"names\":[\"b\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
                       rows[i].rule);
        ck_assert_int_eq(translate(profile, &out, NULL), 0);
        ck_assert_msg(!strstr(berth_strbuf_str(&out), "[\"a\"]") == !rows[i].holds, "%s: %s",
                      rows[i].name, berth_strbuf_str(&out));
        ck_assert_ptr_nonnull(strstr(berth_strbuf_str(&out), "[\"b\"]"));
        berth_strbuf_release(&out);
    }
}
END_TEST

START_TEST(what_is_said_of_a_call_is_kept)
{
    static const char profile[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"defaultErrno\":\"ENOSYS\","
        "\"archMap\":[{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":"
        "[\"SCMP_ARCH_ARM\"]},{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":"
        "[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]}],\"syscalls\":["
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
        "\"value\":4294967295,\"valueTwo\":0,\"op\":\"SCMP_CMP_EQ\"}],\"comment\":\"x\","
        "\"includes\":{},\"excludes\":{}},"
        "{\"names\":[\"bpf\",\"mount\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[],"
        "\"errnoRet\":1,\"errno\":\"EPERM\"},"
        "{\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":null}]}";
    static const char expected[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"architectures\":"
        "[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":["
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
        "\"value\":4294967295,\"valueTwo\":0,\"op\":\"SCMP_CMP_EQ\"}]},"
        "{\"names\":[\"bpf\",\"mount\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1},"
        "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";
    struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
    ck_assert_int_eq(translate(profile, &out, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&out), expected);
    berth_strbuf_release(&out);
}
END_TEST

START_TEST(a_closed_profile_lets_nothing_make_namespaces)
{
    static const char profile[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
        "{\"names\":[\"clone\",\"clone3\",\"mount\",\"read\",\"unshare\"],"
        "\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"setns\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"name\":\"write\",\"action\":\"SCMP_ACT_ALLOW\"}]}";
    static const char expected[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
        "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"add_key\",\"fsconfig\",\"fsmount\",\"fsopen\",\"fspick\",\"keyctl\","
        "\"mount\","
        "\"mount_setattr\",\"move_mount\",\"open_tree\",\"pivot_root\",\"reboot\",\"request_key\","
        "\"setns\",\"syslog\",\"umount\",\"umount2\",\"unshare\"],"
        "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1},"
        "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
        "\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
        "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]}";
    struct berth_rootfs_seccomp_host closed = host;
    struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
    closed.is_closed = true;
    ck_assert_int_eq(
        berth_rootfs_seccomp_translate(profile, sizeof(profile) - 1, &closed, &out, NULL), 0);
    ck_assert_str_eq(berth_strbuf_str(&out), expected);
    berth_strbuf_release(&out);
}
END_TEST

START_TEST(what_is_no_profile_is_refused)
{
    static const struct {
        const char *profile;
        const char *why;
    } rows[] = {
        {"{", "syntax"},
        {"[]", "it has no defaultAction"},
        {"{\"defaultAction\":1}", "it has no defaultAction"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\"}", "it has no syscalls"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[]}", "it has no syscalls"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"a\"]}]}",
         "a rule has no names or no action"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[],\"action\":\"x\"}]}",
         "a rule has no names or no action"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[7]}",
         "a rule has no names or no action"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
        ck_assert_int_eq(translate(rows[i].profile, &out, &err), BERTH_E_INVALID);
        ck_assert_msg(i == 0 || strstr(err.message, rows[i].why), "%s: %s", rows[i].profile,
                      err.message);
        ck_assert_uint_eq(out.len, 0);
        berth_strbuf_release(&out);
    }
    struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
    const struct berth_rootfs_seccomp_host other = {
        .machine = "pdp11", .release = "6.1", .capabilities = capabilities};
    static const char profile[] = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":"
                                  "[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";
    ck_assert_int_eq(
        berth_rootfs_seccomp_translate(profile, sizeof(profile) - 1, &other, &out, NULL),
        BERTH_E_INVALID);
}
END_TEST

START_TEST(lack_of_memory_is_told)
{
    static const char profile[] = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":"
                                  "[{\"name\":\"a\",\"action\":\"SCMP_ACT_ALLOW\"}]}";
    struct berth_rootfs_seccomp_host closed = host;
    closed.is_closed = true;
    for (size_t n = 0;; n++) {
        struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
        unit_alloc_fail_after(n);
        int rc = berth_rootfs_seccomp_translate(profile, sizeof(profile) - 1, &closed, &out, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        berth_strbuf_release(&out);
        if (!failed)
            break;
    }
}
END_TEST

START_TEST(files_that_cannot_be_are_named)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_strbuf out = BERTH_STRBUF_INIT(4096);
    ck_assert_int_eq(berth_rootfs_seccomp_load("/nonexistent/seccomp.json", &out, &err),
                     BERTH_E_INVALID);
    ck_assert_str_eq(err.message,
                     "seccomp: /nonexistent/seccomp.json cannot be opened: No such file or "
                     "directory (packages golang-github-containers-common, containers-common)");
    ck_assert_int_eq(berth_rootfs_seccomp_load("/dev/null", &out, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "seccomp: /dev/null: "));
    ck_assert_int_eq(berth_rootfs_seccomp_load("/dev/zero", &out, &err), BERTH_E_TOO_LARGE);
}
END_TEST

UNIT_SUITE("rootfs_seccomp", rules_hold_by_machine_capabilities_and_kernel,
           what_is_said_of_a_call_is_kept, a_closed_profile_lets_nothing_make_namespaces,
           what_is_no_profile_is_refused, lack_of_memory_is_told, files_that_cannot_be_are_named)
