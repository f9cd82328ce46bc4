/* SPDX-License-Identifier: MIT */
/* Rules as Docker applies them: profiles/seccomp/seccomp_linux.go of moby. */
#include "backends/rootfs/rootfs_seccomp.h"

#include "backends/engine/engine_create.h"
#include "base/json.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

/* The machine as Docker's profiles call it, which is as Go does. */
#if defined(__x86_64__)
#define MACHINE "amd64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#elif defined(__arm__)
#define MACHINE "arm"
#elif defined(__i386__)
#define MACHINE "386"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define MACHINE "ppc64le"
#elif defined(__s390x__)
#define MACHINE "s390x"
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE "riscv64"
#else
#define MACHINE ""
#endif

/* And as libseccomp does. */
static const struct {
    const char *machine;
    const char *architecture;
} architectures[] = {
    {"amd64", "SCMP_ARCH_X86_64"},    {"arm64", "SCMP_ARCH_AARCH64"},
    {"arm", "SCMP_ARCH_ARM"},         {"386", "SCMP_ARCH_X86"},
    {"ppc64le", "SCMP_ARCH_PPC64LE"}, {"s390x", "SCMP_ARCH_S390X"},
    {"riscv64", "SCMP_ARCH_RISCV64"},
};

static int is_no_profile(struct berth_error *err, const char *why)
{
    return berth_error_set(err, BERTH_E_INVALID, "is no profile of system calls: %s", why);
}

/* ---- What a rule holds for ---- */

static bool has_capability(const struct berth_rootfs_seccomp_host *host, const char *name)
{
    static const char prefix[] = "CAP_";
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return false;
    for (size_t i = 0; host->capabilities[i]; i++)
        if (strcmp(host->capabilities[i], name + sizeof(prefix) - 1) == 0)
            return true;
    return false;
}

static bool is_machine(const struct berth_rootfs_seccomp_host *host, const char *name)
{
    return strcmp(host->machine, name) == 0;
}

/* How many of the texts in that list the host has; *ret_count: of how many. */
static int count_held(const cJSON *filter, const char *list,
                      const struct berth_rootfs_seccomp_host *host,
                      bool (*holds)(const struct berth_rootfs_seccomp_host *host, const char *name),
                      int *ret_count)
{
    const cJSON *item;
    int held = 0;
    *ret_count = 0;
    cJSON_ArrayForEach(item, berth_json_get(filter, list))
    {
        const char *name = cJSON_GetStringValue(item);
        ++*ret_count;
        if (name && holds(host, name))
            held++;
    }
    return held;
}

static bool is_kernel_from(const char *release, const char *least)
{
    unsigned have[2] = {0};
    unsigned want[2] = {0};
    if (sscanf(release, "%u.%u", &have[0], &have[1]) != 2 ||
        sscanf(least, "%u.%u", &want[0], &want[1]) != 2)
        return false;
    return have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
}

static bool holds_here(const cJSON *rule, const struct berth_rootfs_seccomp_host *host)
{
    const cJSON *includes = berth_json_get(rule, "includes");
    const cJSON *excludes = berth_json_get(rule, "excludes");
    const char *least = berth_json_string(includes, "minKernel", NULL);
    const char *past = berth_json_string(excludes, "minKernel", NULL);
    int count;
    if (count_held(excludes, "arches", host, is_machine, &count) > 0 ||
        count_held(excludes, "caps", host, has_capability, &count) > 0 ||
        (past && is_kernel_from(host->release, past)))
        return false;
    int held = count_held(includes, "arches", host, is_machine, &count);
    if (count > 0 && held == 0)
        return false;
    held = count_held(includes, "caps", host, has_capability, &count);
    return held == count && (!least || is_kernel_from(host->release, least));
}

/* ---- Closing ---- */

/*
 * What Docker's profile says of calls that Podman's lets through. clone3 has its flags where no
 * filter sees them: as it is not there, programs use clone.
 */
#ifdef __s390x__
#define CLONE_FLAGS_AT "1"
#else
#define CLONE_FLAGS_AT "0"
#endif
static const char closing_rules[] =
    "[{\"names\":[\"add_key\",\"fsconfig\",\"fsmount\",\"fsopen\",\"fspick\",\"keyctl\",\"mount\","
    "\"mount_setattr\",\"move_mount\",\"open_tree\",\"pivot_root\",\"reboot\",\"request_key\","
    "\"setns\",\"syslog\",\"umount\",\"umount2\",\"unshare\"],"
    "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1},"
    "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":" CLONE_FLAGS_AT
    ",\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
    "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]";

static bool is_in(const cJSON *texts, const cJSON *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, texts)
    {
        if (cJSON_Compare(item, text, 1))
            return true;
    }
    return false;
}

/* Takes the items that test says out of the array. */
static void drop_items(cJSON *array, bool (*test)(const cJSON *ctx, const cJSON *item),
                       const cJSON *ctx)
{
    cJSON *next;
    for (cJSON *item = array ? array->child : NULL; item; item = next) {
        next = item->next;
        if (test(ctx, item))
            cJSON_Delete(cJSON_DetachItemViaPointer(array, item));
    }
}

static bool has_no_names(const cJSON *unused, const cJSON *rule)
{
    (void)unused;
    const cJSON *names = berth_json_get(rule, "names");
    return cJSON_IsArray(names) && cJSON_GetArraySize(names) == 0;
}

/* What these rules are of, no other of the profile is. */
static int close_profile(cJSON *profile, struct berth_error *err)
{
    cJSON *rules = cJSON_GetObjectItemCaseSensitive(profile, "syscalls");
    BERTH_CLEANUP(json) cJSON *closing = NULL;
    int rc = berth_json_parse(closing_rules, sizeof(closing_rules) - 1, &closing, err);
    if (rc < 0 || !cJSON_IsArray(rules))
        return rc;
    while (closing->child) {
        cJSON *rule;
        cJSON *own = cJSON_DetachItemFromArray(closing, 0);
        cJSON_ArrayForEach(rule, rules)
        {
            drop_items(cJSON_GetObjectItemCaseSensitive(rule, "names"), is_in,
                       berth_json_get(own, "names"));
        }
        (void)cJSON_AddItemToArray(rules, own);
    }
    drop_items(rules, has_no_names, NULL);
    return 0;
}

/* ---- The object ---- */

/* A reference to what the profile has, unless it has none. */
static bool add_member(cJSON *object, const char *name, const cJSON *item)
{
    return !item || cJSON_IsNull(item) ||
           cJSON_AddItemReferenceToObject(object, name, (cJSON *)(uintptr_t)item);
}

static int translate_rule(const cJSON *rule, cJSON *rules, struct berth_error *err)
{
    const cJSON *args = berth_json_get(rule, "args");
    const char *name = berth_json_string(rule, "name", NULL); /* of older profiles */
    const cJSON *names = berth_json_get(rule, "names");
    if ((!name && cJSON_GetArraySize(names) == 0) || !berth_json_string(rule, "action", NULL))
        return is_no_profile(err, "a rule has no names or no action");
    cJSON *made = cJSON_CreateObject();
    if (!made || !cJSON_AddItemToArray(rules, made)) {
        cJSON_Delete(made);
        return berth_error_nomem(err);
    }
    cJSON *single = name ? cJSON_AddArrayToObject(made, "names") : NULL;
    bool complete = name ? single && cJSON_AddItemToArray(single, cJSON_CreateString(name))
                         : add_member(made, "names", names);
    complete = complete && add_member(made, "action", berth_json_get(rule, "action")) &&
               add_member(made, "errnoRet", berth_json_get(rule, "errnoRet"));
    if (cJSON_GetArraySize(args) > 0)
        complete = complete && add_member(made, "args", args);
    return complete ? 0 : berth_error_nomem(err);
}

static int translate_rules(const cJSON *profile, const struct berth_rootfs_seccomp_host *host,
                           cJSON *made, struct berth_error *err)
{
    const cJSON *from = berth_json_get(profile, "syscalls");
    const cJSON *rule;
    int rc = 0;
    if (cJSON_GetArraySize(from) == 0)
        return is_no_profile(err, "it has no syscalls");
    cJSON *rules = cJSON_AddArrayToObject(made, "syscalls");
    if (!rules)
        return berth_error_nomem(err);
    cJSON_ArrayForEach(rule, from)
    {
        if (rc == 0 && holds_here(rule, host))
            rc = translate_rule(rule, rules, err);
    }
    return rc;
}

/* The machine's own, and what else it runs. */
static int translate_architectures(const cJSON *profile,
                                   const struct berth_rootfs_seccomp_host *host, cJSON *made,
                                   struct berth_error *err)
{
    const char *native = NULL;
    for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++)
        if (strcmp(architectures[i].machine, host->machine) == 0)
            native = architectures[i].architecture;
    if (!native)
        return is_no_profile(err, "it has nothing for this machine");
    cJSON *list = cJSON_AddArrayToObject(made, "architectures");
    if (!list || !cJSON_AddItemToArray(list, cJSON_CreateString(native)))
        return berth_error_nomem(err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, berth_json_get(profile, "archMap"))
    {
        const cJSON *other;
        if (strcmp(berth_json_string(entry, "architecture", ""), native) != 0)
            continue;
        cJSON_ArrayForEach(other, berth_json_get(entry, "subArchitectures"))
        {
            const char *name = cJSON_GetStringValue(other);
            if (name && !cJSON_AddItemToArray(list, cJSON_CreateString(name)))
                return berth_error_nomem(err);
        }
    }
    return 0;
}

static int print(const cJSON *made, struct berth_strbuf *out, struct berth_error *err)
{
    BERTH_CLEANUP(free) char *text = cJSON_PrintUnformatted(made);
    if (!text)
        return berth_error_nomem(err);
    berth_strbuf_adds(out, text);
    return berth_strbuf_check(out, err);
}

int berth_rootfs_seccomp_translate(const char *profile, size_t len,
                                   const struct berth_rootfs_seccomp_host *host,
                                   struct berth_strbuf *out, struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *from = NULL;
    BERTH_CLEANUP(json) cJSON *made = cJSON_CreateObject();
    int rc = berth_json_parse(profile, len, &from, err);
    if (rc < 0)
        return rc;
    if (!made)
        return berth_error_nomem(err);
    if (!berth_json_string(from, "defaultAction", NULL))
        return is_no_profile(err, "it has no defaultAction");
    if (!add_member(made, "defaultAction", berth_json_get(from, "defaultAction")) ||
        !add_member(made, "defaultErrnoRet", berth_json_get(from, "defaultErrnoRet")))
        return berth_error_nomem(err);
    rc = host->is_closed ? close_profile(from, err) : 0;
    if (rc == 0)
        rc = translate_architectures(from, host, made, err);
    if (rc == 0)
        rc = translate_rules(from, host, made, err);
    return rc < 0 ? rc : print(made, out, err);
}

/* ---- The file ---- */

static int read_file(const char *path, struct berth_strbuf *text, struct berth_error *err)
{
    char piece[16384];
    size_t got;
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    if (!file)
        return berth_error_set(
            err, BERTH_E_INVALID, "seccomp: %s cannot be opened: %s%s", path,
            strerrordesc_np(errno),
            errno == ENOENT ? " (packages golang-github-containers-common, containers-common)"
                            : "");
    while (!text->failed && (got = fread(piece, 1, sizeof(piece), file)) > 0)
        berth_strbuf_add(text, piece, got);
    if (ferror(file))
        return berth_error_set_errno(err, BERTH_E_INVALID, errno, "seccomp: %s cannot be read",
                                     path);
    if (berth_strbuf_check(text, err) < 0)
        return berth_error_wrap(err, "seccomp: %s", path);
    return 0;
}

int berth_rootfs_seccomp_load(const char *path, struct berth_strbuf *out, struct berth_error *err)
{
    struct utsname host_names;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_SECCOMP_FILE_MAX);
    if (uname(&host_names) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "uname failed");
    const struct berth_rootfs_seccomp_host host = {.machine = MACHINE,
                                                   .release = host_names.release,
                                                   .capabilities = berth_engine_capabilities,
                                                   .is_closed = !path};
    if (!path)
        path = BERTH_SECCOMP_FILE;
    int rc = read_file(path, &text, err);
    if (rc < 0)
        return rc;
    rc = berth_rootfs_seccomp_translate(berth_strbuf_str(&text), text.len, &host, out, err);
    if (rc == BERTH_E_INVALID) {
        (void)berth_error_wrap(err, "seccomp: %s", path);
        return rc;
    }
    return rc;
}
