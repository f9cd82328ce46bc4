/* SPDX-License-Identifier: MIT */
/*
 * One line of GET /containers/{id}/stats, computed as `docker stats` of 26.1
 * does (docker/cli, cli/command/container/stats_helpers.go).
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_SAMPLE_H
#define BERTH_BACKENDS_ENGINE_ENGINE_SAMPLE_H

#include "base/json.h"

struct berth_engine_sample {
    bool is_running;   /* false: the container is not running, all else is 0 */
    bool has_previous; /* false: the first of a stream, which knows no CPU use yet */
    double cpu_percent;
    double memory_percent;
    double memory_bytes; /* without the page cache that can be had back */
    double memory_limit_bytes;
    double network_rx_bytes;
    double network_tx_bytes;
    double block_read_bytes;
    double block_write_bytes;
    uint64_t pids;
};

/* BERTH_E_UNREACHABLE: the line is no sample; BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_engine_sample_parse(const char *line, size_t len,
                                               struct berth_engine_sample *ret_sample,
                                               struct berth_error *err);

#endif
