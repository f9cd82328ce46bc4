/* SPDX-License-Identifier: MIT */
/*
 * Compose files of their owners: whatever is accepted has nothing in it that
 * gives powers, once anchors and merges are resolved, and says the same when it
 * is written out for Compose.
 */
#include "backends/compose/compose_policy.h"
#include "base/limits.h"
#include "base/yaml_read.h"
#include "base/yaml_write.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define OUT_MAX ((size_t)1 << 22)

/* Of a service; not taken from the policy's own tables. */
static const char *const powers[] = {
    "annotations",
    "build",
    "cgroup",
    "cgroup_parent",
    "container_name",
    "devices",
    "extends",
    "external_links",
    "group_add",
    "ipc",
    "oom_score_adj",
    "pid",
    "post_start",
    "pre_stop",
    "privileged",
    "provider",
    "runtime",
    "sysctls",
    "use_api_socket",
    "userns_mode",
    "uts",
    "volumes_from",
    "profiles",
    "device_cgroup_rules",
};

static void check_volume(const cJSON *volume)
{
    const char *text = cJSON_IsString(volume) ? volume->valuestring : "";
    const char *source = berth_json_string(volume, "source", "");
    FUZZ_CHECK_MSG(!strchr(text, ':') || (text[0] != '/' && text[0] != '~'), text);
    FUZZ_CHECK_MSG(strncmp(text, "../", 3) != 0 && strncmp(text, "..:", 3) != 0, text);
    FUZZ_CHECK_MSG(source[0] != '/' && source[0] != '~' && strncmp(source, "../", 3) != 0, source);
    FUZZ_CHECK(!berth_json_get(berth_json_get(volume, "bind"), "propagation"));
}

static void check_service(const cJSON *service)
{
    const cJSON *volume;
    for (size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++)
        FUZZ_CHECK_MSG(!berth_json_get(service, powers[i]), powers[i]);
    FUZZ_CHECK(strcmp(berth_json_string(service, "network_mode", ""), "host") != 0);
    FUZZ_CHECK(berth_json_string(service, "image", "")[0]);
    cJSON_ArrayForEach(volume, berth_json_get(service, "volumes")) check_volume(volume);
}

static void check_accepted(const cJSON *file)
{
    const cJSON *item;
    const cJSON *services = berth_json_get(file, "services");
    FUZZ_CHECK(!berth_json_get(file, "include"));
    FUZZ_CHECK(berth_json_get(services, berth_compose_policy_main(file)));
    cJSON_ArrayForEach(item, services) check_service(item);
    cJSON_ArrayForEach(item, berth_json_get(file, "volumes"))
    {
        FUZZ_CHECK(!cJSON_IsTrue(berth_json_get(item, "external")));
        FUZZ_CHECK(!berth_json_get(item, "driver_opts") ||
                   !berth_json_get(item, "driver_opts")->child);
    }
}

static void check_written(const struct berth_compose_policy *policy, const cJSON *file)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(OUT_MAX);
    BERTH_CLEANUP(json) cJSON *again = NULL;
    struct berth_yaml_writer w;
    const cJSON *item;
    struct berth_error err = BERTH_ERROR_INIT;
    berth_yaml_open(&w, &out);
    cJSON_ArrayForEach(item, file) berth_yaml_add_json(&w, item->string, item);
    FUZZ_CHECK(berth_yaml_close(&w, NULL) == 0);
    FUZZ_CHECK_MSG(berth_yaml_parse(berth_strbuf_str(&out), out.len, &again, &err) == 0,
                   err.message);
    FUZZ_CHECK_MSG(cJSON_Compare(file, again, true), berth_strbuf_str(&out));
    FUZZ_CHECK_MSG(berth_compose_policy_check(policy, again, &err) == 0, err.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct berth_compose_policy policy = {.gpus = 1, .is_user_fixed = true};
    BERTH_CLEANUP(json) cJSON *file = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = berth_compose_policy_read((const char *)data, size, &file, &err);
    fuzz_check_error(rc, &err);
    if (rc < 0)
        return 0;
    rc = berth_compose_policy_check(&policy, file, &err);
    fuzz_check_error(rc, &err);
    if (rc == 0) {
        check_accepted(file);
        check_written(&policy, file);
    }
    return 0;
}
