/* SPDX-License-Identifier: MIT */
/* Expected texts were printed by docker 26.1. */
#include "gateway/docker_ports.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TEXT_CAP 1024

START_TEST(ports_are_sorted_and_grouped)
{
    static const struct {
        const char *shown;
        size_t count;
        struct berth_app_port ports[8];
    } rows[] = {
        {"", 0, {{0}}},
        {"80/tcp", 1, {{"", "tcp", 80, 0}}},
        {"0.0.0.0:8080->80/tcp, :::8080->80/tcp",
         2,
         {{"0.0.0.0", "tcp", 80, 8080}, {"::", "tcp", 80, 8080}}},
        {"80-82/tcp, 443/tcp",
         4,
         {{"", "tcp", 443, 0}, {"", "tcp", 80, 0}, {"", "tcp", 81, 0}, {"", "tcp", 82, 0}}},
        {"0.0.0.0:7000-7002->7000-7002/tcp, :::7000-7002->7000-7002/tcp",
         6,
         {{"0.0.0.0", "tcp", 7000, 7000},
          {"0.0.0.0", "tcp", 7001, 7001},
          {"0.0.0.0", "tcp", 7002, 7002},
          {"::", "tcp", 7000, 7000},
          {"::", "tcp", 7001, 7001},
          {"::", "tcp", 7002, 7002}}},
        {"80-81/tcp, 90-91/tcp, 100/tcp",
         5,
         {{"", "tcp", 80, 0},
          {"", "tcp", 81, 0},
          {"", "tcp", 90, 0},
          {"", "tcp", 91, 0},
          {"", "tcp", 100, 0}}},
        {"53-54/tcp, 53-54/udp",
         4,
         {{"", "udp", 53, 0}, {"", "tcp", 53, 0}, {"", "tcp", 54, 0}, {"", "udp", 54, 0}}},
        {"127.0.0.1:53->53/tcp, 127.0.0.1:53->53/udp",
         2,
         {{"127.0.0.1", "udp", 53, 53}, {"127.0.0.1", "tcp", 53, 53}}},
        {"0.0.0.0:1080->80/tcp, 0.0.0.0:1081->81/tcp, 0.0.0.0:1082->82/tcp",
         3,
         {{"0.0.0.0", "tcp", 81, 1081},
          {"0.0.0.0", "tcp", 80, 1080},
          {"0.0.0.0", "tcp", 82, 1082}}},
        {"132-133/sctp", 2, {{"", "sctp", 132, 0}, {"", "sctp", 133, 0}}},
        {"0.0.0.0:80->80/tcp, 0.0.0.0:82->82/tcp, 81/tcp",
         3,
         {{"0.0.0.0", "tcp", 80, 80}, {"", "tcp", 81, 0}, {"0.0.0.0", "tcp", 82, 82}}},
        {"10.0.0.1:80->80/tcp, fe80::1:80->80/tcp, 10.0.0.1:8080->80/tcp",
         3,
         {{"fe80::1", "tcp", 80, 80}, {"10.0.0.1", "tcp", 80, 8080}, {"10.0.0.1", "tcp", 80, 80}}},
        {"0.0.0.0:0->80/tcp", 1, {{"0.0.0.0", "tcp", 80, 0}}},
        {"80/tcp", 1, {{"", "tcp", 80, 80}}},
        {"0.0.0.0:80->80/tcp, 0.0.0.0:80->80/tcp",
         2,
         {{"0.0.0.0", "tcp", 80, 80}, {"0.0.0.0", "tcp", 80, 80}}},
        {":::65534-65535->65534-65535/tcp",
         2,
         {{"::", "tcp", 65534, 65534}, {"::", "tcp", 65535, 65535}}},
        {"0.0.0.0:80-81->80-81/tcp, 0.0.0.0:9->80/tcp, 0.0.0.0:81->80/tcp",
         4,
         {{"0.0.0.0", "tcp", 80, 80},
          {"0.0.0.0", "tcp", 80, 81},
          {"0.0.0.0", "tcp", 81, 81},
          {"0.0.0.0", "tcp", 80, 9}}},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        berth_docker_add_ports(&buf, rows[i].ports, rows[i].count);
        ck_assert_msg(strcmp(berth_strbuf_str(&buf), rows[i].shown) == 0, "\"%s\" is not \"%s\"",
                      berth_strbuf_str(&buf), rows[i].shown);
    }
}
END_TEST

START_TEST(failed_allocations_fail_the_text)
{
    static const struct berth_app_port ports[] = {{"0.0.0.0", "tcp", 80, 8080}};
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        unit_alloc_fail_once_after(n);
        berth_docker_add_ports(&buf, ports, UNIT_COUNT(ports));
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("docker_ports", ports_are_sorted_and_grouped, failed_allocations_fail_the_text)
