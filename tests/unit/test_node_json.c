/* SPDX-License-Identifier: MIT */
/* The first object was printed by docker 26.1 on a swarm of one. */
#include "gateway/node_json.h"
#include "tests/unit/unit.h"

#define TEXT_CAP      4096
#define TEXT(literal) ((char[]){literal})

static const struct {
    struct berth_node node;
    const char *json;
} rows[] = {
    {{.id = TEXT("p945cqvzil9pg8l1ynymrjdib"),
      .hostname = TEXT("vm"),
      .status = TEXT("Ready"),
      .availability = TEXT("Active"),
      .manager_status = TEXT("Leader"),
      .engine_version = TEXT("26.1.5+dfsg1"),
      .tls_status = TEXT("Ready"),
      .self = true},
     "{\"Availability\":\"Active\",\"EngineVersion\":\"26.1.5+dfsg1\",\"Hostname\":\"vm\","
     "\"ID\":\"p945cqvzil9pg8l1ynymrjdib\",\"ManagerStatus\":\"Leader\",\"Self\":true,"
     "\"Status\":\"Ready\",\"TLSStatus\":\"Ready\"}"},
    {{.id = TEXT("wp2k6b0ynftjhgj4simuge5a4"),
      .hostname = TEXT("localhost.server2"),
      .status = TEXT("Down"),
      .availability = TEXT("Drain"),
      .manager_status = TEXT(""),
      .engine_version = TEXT("24.0.2"),
      .tls_status = TEXT("Unknown")},
     "{\"Availability\":\"Drain\",\"EngineVersion\":\"24.0.2\",\"Hostname\":\"localhost.server2\","
     "\"ID\":\"wp2k6b0ynftjhgj4simuge5a4\",\"ManagerStatus\":\"\",\"Self\":false,"
     "\"Status\":\"Down\",\"TLSStatus\":\"Unknown\"}"},
};

START_TEST(nodes_are_printed_as_docker_prints_them)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
        berth_node_json_add(&w, &rows[i].node);
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
        ck_assert_str_eq(berth_strbuf_str(&buf), rows[i].json);
    }
}
END_TEST

UNIT_SUITE("node_json", nodes_are_printed_as_docker_prints_them)
