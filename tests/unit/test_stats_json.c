/* SPDX-License-Identifier: MIT */
/* Texts are those of docker 26.1; what does not run was printed by it. */
#include "gateway/stats_json.h"
#include "tests/unit/unit.h"

#define TEXT_CAP      4096
#define TEXT(literal) ((char[]){literal})
#define ID            TEXT("0203b8e9c65b0203b8e9c65b0203b8e9c65b0203b8e9c65b0203b8e9c65b0203")

static const struct {
    const char *name;
    struct berth_app_stats stats;
    const char *json;
} rows[] = {
    {"running",
     {.id = ID,
      .name = TEXT("testcontainer"),
      .known = true,
      .cpu_percent = 0.0151,
      .memory_percent = 0.3810,
      .memory_bytes = 31373394,
      .memory_limit_bytes = 8233353216,
      .network_rx_bytes = 1006,
      .block_read_bytes = 999500,
      .block_write_bytes = 4096,
      .pids = 82},
     "{\"BlockIO\":\"1e+03kB / 4.1kB\",\"CPUPerc\":\"0.02%\",\"Container\":\"0203b8e9c65b\","
     "\"ID\":\"0203b8e9c65b\",\"MemPerc\":\"0.38%\",\"MemUsage\":\"29.92MiB / 7.668GiB\","
     "\"Name\":\"testcontainer\",\"NetIO\":\"1.01kB / 0B\",\"PIDs\":\"82\"}"},
    {"several cores",
     {.id = ID,
      .name = TEXT("busy"),
      .known = true,
      .cpu_percent = 1599.996,
      .memory_percent = 100,
      .memory_bytes = 1024,
      .memory_limit_bytes = 1024,
      .pids = UINT64_MAX},
     "{\"BlockIO\":\"0B / 0B\",\"CPUPerc\":\"1600.00%\",\"Container\":\"0203b8e9c65b\","
     "\"ID\":\"0203b8e9c65b\",\"MemPerc\":\"100.00%\",\"MemUsage\":\"1KiB / 1KiB\","
     "\"Name\":\"busy\",\"NetIO\":\"0B / 0B\",\"PIDs\":\"18446744073709551615\"}"},
    {"not running",
     {.id = ID, .name = TEXT("c1")},
     "{\"BlockIO\":\"0B / 0B\",\"CPUPerc\":\"0.00%\",\"Container\":\"0203b8e9c65b\","
     "\"ID\":\"0203b8e9c65b\",\"MemPerc\":\"0.00%\",\"MemUsage\":\"0B / 0B\","
     "\"Name\":\"c1\",\"NetIO\":\"0B / 0B\",\"PIDs\":\"0\"}"},
    {"silent",
     {.id = ID, .name = TEXT("c1"), .known = true, .silent = true},
     "{\"BlockIO\":\"--\",\"CPUPerc\":\"--\",\"Container\":\"0203b8e9c65b\","
     "\"ID\":\"0203b8e9c65b\",\"MemPerc\":\"--\",\"MemUsage\":\"-- / --\","
     "\"Name\":\"c1\",\"NetIO\":\"--\",\"PIDs\":\"--\"}"},
    {"nameless",
     {.id = TEXT(""), .name = TEXT(""), .known = true, .silent = true},
     "{\"BlockIO\":\"--\",\"CPUPerc\":\"--\",\"Container\":\"\",\"ID\":\"\","
     "\"MemPerc\":\"--\",\"MemUsage\":\"-- / --\",\"Name\":\"--\",\"NetIO\":\"--\","
     "\"PIDs\":\"--\"}"},
};

START_TEST(samples_are_printed_as_docker_prints_them)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
        berth_stats_json_add(&w, &rows[i].stats);
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
        ck_assert_str_eq(berth_strbuf_str(&buf), rows[i].json);
    }
}
END_TEST

UNIT_SUITE("stats_json", samples_are_printed_as_docker_prints_them)
