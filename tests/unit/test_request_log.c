/* SPDX-License-Identifier: MIT */
#include "gateway/request_log.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(a_request_is_one_line)
{
    static const struct {
        const char *method;
        const char *path;
        const char *text;
    } rows[] = {
        {"POST", "/containers", "[POST] /containers"},
        {"POST", "/containers/a/start", "[POST] /containers/a/start"},
        {"GET", "/a\nb\x1b[31m", "[GET] /a\\x0ab\\x1b[31m"},
        {"GET", "/\xc3\xa4 \x7f\\", "[GET] /\\xc3\\xa4\\x20\\x7f\\x5c"},
        {"", "", "[] "},
        {"GETGETGETGETGETGETGETGETGETGETGET", "/", "[GETGETGETGETGETGETGETGETGETGETGE...] /"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(8192);
        berth_request_log_add(&line, rows[i].method, rows[i].path);
        ck_assert_str_eq(berth_strbuf_str(&line), rows[i].text);
    }
}
END_TEST

START_TEST(what_is_long_is_cut)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(8192);
    char path[2000];
    memset(path, '\a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    berth_request_log_add(&line, "GET", path);
    ck_assert_int_eq(berth_strbuf_check(&line, NULL), 0);
    ck_assert_uint_eq(line.len, strlen("[GET] ") + 1024 * strlen("\\x07") + strlen("..."));
}
END_TEST

START_TEST(who_asks)
{
    static const struct {
        const char *address;
        int port;
        const char *text;
    } rows[] = {
        {"192.168.1.100", 52341, " 192.168.1.100:52341"},
        {"2001:db8::7", 52341, " [2001:db8::7]:52341"},
        {"2001:db8::7", 0, " 2001:db8::7"},
        {"unix", 0, " unix"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf line = BERTH_STRBUF_INIT(256);
        berth_request_log_add_peer(&line, rows[i].address, rows[i].port);
        ck_assert_str_eq(berth_strbuf_str(&line), rows[i].text);
    }
}
END_TEST

UNIT_SUITE("request_log", a_request_is_one_line, what_is_long_is_cut, who_asks)
