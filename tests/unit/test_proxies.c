/* SPDX-License-Identifier: MIT */
#include "gateway/proxies.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char *const trusted[] = {"10.0.0.0/8", "192.0.2.7", "fd00::/8", "unix",
                                      "203.0.113.128/25"};

static size_t parse_trusted(struct berth_proxy *proxies)
{
    for (size_t i = 0; i < UNIT_COUNT(trusted); i++)
        ck_assert_int_eq(berth_proxy_parse(trusted[i], &proxies[i], NULL), 0);
    return UNIT_COUNT(trusted);
}

START_TEST(what_is_an_address_or_network)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {{"10.0.0.1", true},     {"10.0.0.0/8", true},    {"0.0.0.0/0", true},
                {"10.0.0.0/32", true},  {"10.0.0.0/33", false},  {"10.0.0.0/-1", false},
                {"10.0.0.0/", false},   {"10.0.0/8", false},     {"::1", true},
                {"fd00::/8", true},     {"::/0", true},          {"fd00::/128", true},
                {"fd00::/129", false},  {"[::1]", false},        {"localhost", false},
                {"unix", true},         {"unix:", false},        {"", false},
                {"10.0.0.1:80", false}, {"::ffff:1.2.3.4", true}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_proxy proxy;
        ck_assert_msg((berth_proxy_parse(rows[i].text, &proxy, NULL) == 0) == rows[i].valid, "%s",
                      rows[i].text);
    }
}
END_TEST

START_TEST(who_is_trusted)
{
    static const struct {
        const char *address;
        bool trusted;
    } rows[] = {{"10.255.0.1", true},
                {"11.0.0.1", false},
                {"192.0.2.7", true},
                {"192.0.2.6", false},
                {"fd12::1", true},
                {"fc00::1", false},
                {"unix", true},
                {"*", false},
                {"", false},
                {"::ffff:10.0.0.1", true},
                {"::10.0.0.1", false},
                {"203.0.113.127", false},
                {"203.0.113.128", true},
                {"127.0.0.1", false},
                {"unix:/run/x", false}};
    struct berth_proxy proxies[UNIT_COUNT(trusted)];
    size_t count = parse_trusted(proxies);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_proxies_trust(proxies, count, rows[i].address) == rows[i].trusted, "%s",
                      rows[i].address);
    ck_assert(!berth_proxies_trust(proxies, 0, "unix"));
    ck_assert(!berth_proxies_trust(NULL, 0, "10.0.0.1"));
}
END_TEST

START_TEST(who_the_client_is)
{
    static const struct {
        const char *name;
        const char *forwarded, *x_for;
        const char *address; /* NULL: the peer's */
    } rows[] = {
        {"nothing is said", "", "", NULL},
        {"one address", "", "198.51.100.1", "198.51.100.1"},
        {"with a port", "", "198.51.100.1:4711", "198.51.100.1"},
        {"IPv6", "", "2001:DB8:0::1", "2001:db8::1"},
        {"IPv6 in brackets", "", "[2001:db8::1]", "2001:db8::1"},
        {"IPv6 with a port", "", "[2001:db8::1]:4711", "2001:db8::1"},
        {"IPv4 mapped", "", "::ffff:198.51.100.1", "198.51.100.1"},
        {"what a client made up stands on the left", "", "1.2.3.4, 198.51.100.1", "198.51.100.1"},
        {"proxies are passed over", "", "1.2.3.4, 198.51.100.1, 10.1.1.1,192.0.2.7",
         "198.51.100.1"},
        {"proxies alone", "", "10.1.1.1, 10.1.1.2", "10.1.1.1"},
        {"empty items", "", ", 198.51.100.1 ,,", "198.51.100.1"},
        {"garbage on the left spoils all", "", "x, 198.51.100.1", NULL},
        {"garbage on the right", "", "198.51.100.1, x", NULL},
        {"a space in between", "", "198.51.100.1 10.1.1.1", NULL},
        {"a port past the bound", "", "198.51.100.1:65536", NULL},
        {"no port after the colon", "", "198.51.100.1:", NULL},
        {"an open bracket", "", "[2001:db8::1", NULL},
        {"IPv4 in brackets", "", "[198.51.100.1]", NULL},
        {"unknown", "", "unknown", NULL},
        {"for", "for=198.51.100.1", "", "198.51.100.1"},
        {"for in capitals", "For=\"198.51.100.1\"", "", "198.51.100.1"},
        {"quoted IPv6", "for=\"[2001:db8::1]:4711\"", "", "2001:db8::1"},
        {"IPv6 must be quoted", "for=[2001:db8::1]", "", NULL},
        {"pairs in any order", "proto=https;by=10.1.1.1;for=198.51.100.1;host=a", "",
         "198.51.100.1"},
        {"spaces", "for=198.51.100.1 ; proto=http , for=10.1.1.1", "", "198.51.100.1"},
        {"a comma in a string", "for=198.51.100.1;x=\"a,for=1.2.3.4\"", "", "198.51.100.1"},
        {"an escape in a string", "for=198.51.100.1;x=\"\\\"\"", "", "198.51.100.1"},
        {"elements", "for=1.2.3.4, for=198.51.100.1, for=10.1.1.1", "", "198.51.100.1"},
        {"for is hidden", "for=_hidden", "", NULL},
        {"for is unknown", "for=unknown", "", NULL},
        {"for twice", "for=198.51.100.1;for=1.2.3.4", "", NULL},
        {"no for", "proto=https", "", NULL},
        {"an open string", "for=\"198.51.100.1", "", NULL},
        {"no value", "for=", "", NULL},
        {"no pair", "198.51.100.1", "", NULL},
        {"a pair too few", "for=198.51.100.1;", "", NULL},
        {"another scheme", "for=198.51.100.1;proto=ftp", "", NULL},
        {"both, alike", "for=198.51.100.1", "198.51.100.1", "198.51.100.1"},
        {"both, and one is made up", "for=1.2.3.4", "198.51.100.1", NULL},
        {"both, and one is garbage", "for=198.51.100.1", "x", NULL},
    };
    struct berth_proxy proxies[UNIT_COUNT(trusted)];
    size_t count = parse_trusted(proxies);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct berth_forwarded headers = {rows[i].forwarded, rows[i].x_for, "", ""};
        struct berth_origin origin = {0};
        bool found = berth_proxies_resolve(proxies, count, &headers, &origin);
        ck_assert_msg(found == (rows[i].address != NULL), "%s", rows[i].name);
        ck_assert_msg(!found || strcmp(origin.address, rows[i].address) == 0, "%s: %s",
                      rows[i].name, origin.address);
    }
}
END_TEST

START_TEST(as_many_hops_as_are_taken)
{
    struct berth_proxy proxies[UNIT_COUNT(trusted)];
    size_t count = parse_trusted(proxies);
    for (size_t hops = 31; hops <= 33; hops++) {
        char list[1024] = "198.51.100.1";
        for (size_t i = 1; i < hops; i++)
            memcpy(list + strlen(list), ",10.1.1.1", sizeof(",10.1.1.1"));
        const struct berth_forwarded headers = {"", list, "", ""};
        struct berth_origin origin = {0};
        ck_assert_msg(berth_proxies_resolve(proxies, count, &headers, &origin) == (hops <= 32),
                      "%zu", hops);
    }
}
END_TEST

START_TEST(which_name_and_scheme)
{
    static const struct {
        const char *name;
        struct berth_forwarded headers;
        const char *host, *scheme;
    } rows[] = {
        {"none", {"", "1.2.3.4", "", ""}, "", ""},
        {"both", {"", "1.2.3.4", "berth.example:8443", "HTTPS"}, "berth.example:8443", "https"},
        {"the last",
         {"", "1.2.3.4", "evil, berth.example", "http, https"},
         "berth.example",
         "https"},
        {"no name", {"", "1.2.3.4", "a/b", "gopher"}, "", ""},
        {"a space", {"", "1.2.3.4", "a b", "https x"}, "", ""},
        {"Forwarded",
         {"for=1.2.3.4;host=berth.example;proto=https", "", "x", "http"},
         "berth.example",
         "https"},
        {"of the client's hop",
         {"for=9.9.9.9;host=evil,for=1.2.3.4;host=\"berth.example:1\","
          "for=10.1.1.1;host=inner",
          "", "", ""},
         "berth.example:1",
         ""},
    };
    struct berth_proxy proxies[UNIT_COUNT(trusted)];
    size_t count = parse_trusted(proxies);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_origin origin = {0};
        ck_assert_msg(berth_proxies_resolve(proxies, count, &rows[i].headers, &origin), "%s",
                      rows[i].name);
        ck_assert_msg(strcmp(origin.host, rows[i].host) == 0, "%s: %s", rows[i].name, origin.host);
        ck_assert_msg(strcmp(origin.scheme, rows[i].scheme) == 0, "%s: %s", rows[i].name,
                      origin.scheme);
    }
}
END_TEST

UNIT_SUITE("proxies", what_is_an_address_or_network, who_is_trusted, who_the_client_is,
           as_many_hops_as_are_taken, which_name_and_scheme)
