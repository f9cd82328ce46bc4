/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_sample.h"

/* The engine counts in uint64; what is more (1e308) would make sums that are not finite. */
#define NUMBER_MAX 0x1.fffffffffffffp63

/* The command works in uint64 and turns to double before it divides; so do we from the start. */
static double number(const cJSON *object, const char *name)
{
    const cJSON *item = berth_json_get(object, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble > 0))
        return 0;
    return item->valuedouble < NUMBER_MAX ? item->valuedouble : NUMBER_MAX;
}

static void read_cpu(const cJSON *json, struct berth_engine_sample *sample)
{
    const cJSON *cpu = berth_json_get(json, "cpu_stats");
    const cJSON *before = berth_json_get(json, "precpu_stats");
    const cJSON *usage = berth_json_get(cpu, "cpu_usage");
    double cpu_delta =
        number(usage, "total_usage") - number(berth_json_get(before, "cpu_usage"), "total_usage");
    double system_before = number(before, "system_cpu_usage");
    double system_delta = number(cpu, "system_cpu_usage") - system_before;
    double cpus = number(cpu, "online_cpus");
    if (cpus == 0)
        cpus = cJSON_GetArraySize(berth_json_get(usage, "percpu_usage"));
    if (system_delta > 0 && cpu_delta > 0)
        sample->cpu_percent = cpu_delta / system_delta * cpus * 100;
    sample->has_previous = system_before > 0;
}

static void read_memory(const cJSON *json, struct berth_engine_sample *sample)
{
    const cJSON *memory = berth_json_get(json, "memory_stats");
    const cJSON *stats = berth_json_get(memory, "stats");
    double usage = number(memory, "usage");
    double limit = number(memory, "limit");
    bool is_cgroup1 = berth_json_get(stats, "total_inactive_file");
    double cache = number(stats, "total_inactive_file");
    if (!is_cgroup1 || cache >= usage)
        cache = number(stats, "inactive_file");
    sample->memory_bytes = cache < usage ? usage - cache : usage;
    sample->memory_limit_bytes = limit;
    if (limit > 0)
        sample->memory_percent = sample->memory_bytes / limit * 100;
}

static void read_networks(const cJSON *json, struct berth_engine_sample *sample)
{
    const cJSON *network;
    cJSON_ArrayForEach(network, berth_json_get(json, "networks"))
    {
        sample->network_rx_bytes += number(network, "rx_bytes");
        sample->network_tx_bytes += number(network, "tx_bytes");
    }
}

static void read_blocks(const cJSON *json, struct berth_engine_sample *sample)
{
    const cJSON *block = berth_json_get(json, "blkio_stats");
    const cJSON *entry;
    cJSON_ArrayForEach(entry, berth_json_get(block, "io_service_bytes_recursive"))
    {
        char op = berth_json_string(entry, "op", "")[0];
        if (op == 'r' || op == 'R')
            sample->block_read_bytes += number(entry, "value");
        else if (op == 'w' || op == 'W')
            sample->block_write_bytes += number(entry, "value");
    }
}

int berth_engine_sample_parse(const char *line, size_t len, struct berth_engine_sample *ret_sample,
                              struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int status = berth_json_parse(line, len, &json, err);
    if (status == BERTH_E_NOMEM)
        return status;
    const char *read_at = berth_json_string(json, "read", "");
    if (status || !*read_at)
        return berth_error_set(err, BERTH_E_UNREACHABLE,
                               "the engine's statistics hold what is no sample");
    struct berth_engine_sample sample = {0};
    /* Of a container that is not running the engine gives Go's zero time and nothing else. */
    sample.is_running = strncmp(read_at, "0001-", 5) != 0;
    if (sample.is_running) {
        read_cpu(json, &sample);
        read_memory(json, &sample);
        read_networks(json, &sample);
        read_blocks(json, &sample);
        sample.pids = (uint64_t)number(berth_json_get(json, "pids_stats"), "current");
    }
    *ret_sample = sample;
    return 0;
}
