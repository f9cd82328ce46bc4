/* SPDX-License-Identifier: MIT */
#include "base/network.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(networks)
{
    static const struct {
        const char *address, *network;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"2001:db8:1:2::9", "2001:db8:1:2::/64"},
        {"2001:db8:1:3::9", "2001:db8:1:3::/64"},
        {"::1", "::/64"},
        {"", ""},
        {"unix", "unix"},
    };
    char network[BERTH_NETWORK_SIZE];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        berth_network_of(rows[i].address, network);
        ck_assert_str_eq(network, rows[i].network);
    }
    char longer[BERTH_NETWORK_SIZE + 1];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    berth_network_of(longer, network);
    ck_assert_uint_eq(strlen(network), BERTH_NETWORK_SIZE - 1);
}
END_TEST

UNIT_SUITE("network", networks)
