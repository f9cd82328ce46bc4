/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_hijack.h"
#include "tests/unit/unit.h"

#include <string.h>

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *name;
    const char *text;
    int result;
    long status;
    int64_t body_len;
} heads[] = {
    {"upgraded", "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 0, 101,
     -1},
    {"plain", OK "Content-Type: application/vnd.docker.raw-stream\r\n\r\n", 0, 200, -1},
    {"no reason", "HTTP/1.1 200\r\n\r\n", 0, 200, -1},
    {"refused", "HTTP/1.1 409 Conflict\r\nContent-Length: 42\r\n\r\n", 0, 409, 42},
    {"length in any case", "HTTP/1.1 404 N\r\ncontent-length:7\r\n\r\n", 0, 404, 7},
    {"another's length", OK "X-Content-Length: 9\r\n\r\n", 0, 200, -1},
    {"length is no number", OK "Content-Length: many\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"negative length", OK "Content-Length: -1\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"other protocol", "SSH-2.0-OpenSSH_9\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"old version", "HTTP/1.0 200 OK\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"no status", "HTTP/1.1 OK\r\n\r\n", BERTH_E_INVALID, 0, 0},
    {"cut", "HTTP/1.1 20", BERTH_E_INVALID, 0, 0},
    {"cut in a header", OK "Content-Le", BERTH_E_INVALID, 0, 0},
    {"empty", "", BERTH_E_INVALID, 0, 0},
};

START_TEST(heads_are_read)
{
    for (size_t i = 0; i < UNIT_COUNT(heads); i++) {
        long status = 0;
        int64_t body_len = 0;
        int r =
            berth_engine_head_parse(heads[i].text, strlen(heads[i].text), &status, &body_len, NULL);
        ck_assert_msg(r == heads[i].result, "%s: %d", heads[i].name, r);
        if (r < 0)
            continue;
        ck_assert_msg(status == heads[i].status, "%s: status %ld", heads[i].name, status);
        ck_assert_msg(body_len == heads[i].body_len, "%s: length %lld", heads[i].name,
                      (long long)body_len);
    }
}
END_TEST

START_TEST(a_head_without_end_is_none)
{
    static char text[1 << 15];
    long status;
    int64_t body_len;
    memset(text, 'a', sizeof(text));
    memcpy(text, OK, strlen(OK));
    memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
    ck_assert_int_eq(berth_engine_head_parse(text, sizeof(text), &status, &body_len, NULL),
                     BERTH_E_INVALID);
    const char nul[] = "HTTP/1.1 200 \0K\r\n\r\n";
    ck_assert_int_eq(berth_engine_head_parse(nul, sizeof(nul) - 1, &status, &body_len, NULL),
                     BERTH_E_INVALID);
}
END_TEST

UNIT_SUITE("engine_hijack", heads_are_read, a_head_without_end_is_none)
